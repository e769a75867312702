# SPDX-License-Identifier: BSD-2-Clause
"""The guest programs, one after the other in one boot. Each is one check: it reports over the debug
port what it found, a line "PASS name" or "FAIL name: ..." each, and ends by writing 0 (all passed)
to the debug exit port."""

import glob
import os
import re

from bench import ROOT

GUEST_MEMORY = "16M"
MACHINE_MIB, MOST_MIB = 1024, "930M"
KILL_PREFIX = "kill-"
SMP_CPUS = 4

# Programs for more than one processor or with the test device: {program: lines of its section}.
# tests/machine/smp.py runs them; some run here, too, with one processor.
SMP_PROGRAMS = {
    "apic-ticks": "cpus = 4",
    "ioapic": "cpus = 4\ntestdev = on",
    "smp-held": "cpus = 4",
    "smp-ipi": "cpus = 4",
    "smp-start": "cpus = 4",
    "x2apic": "cpus = 4",
}
ALONE_TOO = ("apic-ticks",)

# Programs for one processor whose sections have more lines.
MORE_LINES = {
    "xapic-only": "x2apic = off",
}
EXIT_GOOD = 1  # the value 0 as code, v << 1 | 1
EXIT_BAD = 3

# These run in two ways: the processor does part of the local APIC's work, if it can, even if the
# monitor would not have it do so as it errs; or the monitor does all. The others have what there is
# without a word about it, and one of them, smp-held, is what the processor may err in.
ABOUT_INTERRUPTS = ("apic-msrs", "apic-page", "apic-priority", "apic-ticks", "apic-timer",
                    "debug-traps", "hlt-wake", "interrupt-window", "ioapic", "pic-cascade", "smp-ipi",
                    "smp-start", "task-switch", "x2apic")
EMULATED = "-emulated"

# What the monitor has to have said while a guest ran: {guest: (regular expression, how often)}.
MONITOR_SAYS = {
    "reset": (r"^portcullis: guest reset resets$", 3),
}


def programs(build):
    """{name: binary} of all guest programs that there are sources of."""
    sources = sorted(glob.glob(os.path.join(ROOT, "tests", "guests", "*.asm")))
    names = [os.path.splitext(os.path.basename(path))[0] for path in sources]
    return {name: os.path.join(build, "guests", f"{name}.bin") for name in names}


def both_ways(names, but=()):
    """The guests that run these programs: those about interrupts a second time, with the local APIC
    emulated, except a few."""
    return names + [name + EMULATED for name in names
                    if name in ABOUT_INTERRUPTS and name not in but]


def configuration(names, on_last_exit, boards=None, apic=None, memory=GUEST_MEMORY):
    """The text of a configuration that runs these guests one after the other; boards has more
    lines for some of their programs; apic is the key's value where it is the same for all."""
    text = f"[monitor]\nschedule = sequence\non_last_exit = {on_last_exit}\n"
    for guest in names:
        name = guest.removesuffix(EMULATED)
        text += f"\n[guest {guest}]\nkernel = \\portcullis\\{name}.bin\nmemory = {memory}\n"
        text += f"{(boards or MORE_LINES).get(name, '')}\n"
        if apic is not None:
            text += f"apic = {apic}\n"
        elif name in ABOUT_INTERRUPTS:
            text += f"apic = {'virtual' if guest == name else 'emulated'}\n"
    return text


def files(binaries, names):
    """What Bench.image needs for them."""
    programs_needed = {name.removesuffix(EMULATED) for name in names}
    return {f"\\portcullis\\{name}.bin": binaries[name] for name in sorted(programs_needed)}


def part(text, name):
    """(what was said while guest NAME ran, its exit code); (None, None) where it never began, code
    None where it never ended."""
    quoted = re.escape(name)
    start = re.search(rf"^portcullis: guest {quoted} starts: .*\n", text, re.M)
    if start is None:
        return None, None
    end = re.compile(rf"^portcullis: guest {quoted} ended: .*, exit code (\d+)$", re.M)
    end = end.search(text, start.end())
    if end is None:
        return text[start.end():], None
    return text[start.end():end.start()], int(end.group(1))


def verdict(text, name, expected=()):
    """What is wrong with guest NAME's run, as a list of lines; empty when it passed. expected: the
    checks that fail on this machine; they have to."""
    said, code = part(text, name)
    if said is None:
        return ["it never started"]
    prefix = re.escape(name)
    passed = re.findall(rf"^{prefix}: PASS .*$", said, re.M)
    failed = re.findall(rf"^{prefix}: (FAIL (.*?)(?:: got .*)?)$", said, re.M)
    wrong = [line for line, check in failed if check not in expected]
    wrong += [f"no FAIL {check}, which is expected here" for check in expected
              if check not in (name for _, name in failed)]
    good = EXIT_BAD if expected else EXIT_GOOD
    if code is None:
        wrong.append("it did not end")
    elif code != good:
        wrong.append(f"exit code {code}, not {good}")
    if not passed:
        wrong.append("no PASS line")
    if not re.search(rf"^{prefix}: END checks [1-9a-f][0-9a-f]*, failed {len(expected):x}$", said, re.M):
        wrong.append(f"no line END that says that {len(expected)} failed")
    if name in MONITOR_SAYS:
        pattern, count = MONITOR_SAYS[name]
        found = len(re.findall(pattern, said, re.M))
        if found != count:
            wrong.append(f"{pattern} came {found} times, not {count}")
    if wrong:
        wrong.append(f"({len(passed)} PASS lines) the last it said:")
        wrong += [f"  {line}" for line in said.rstrip().split("\n")[-12:]]
    return wrong


def run(bench, report):
    binaries = programs(bench.build)
    names = both_ways([name for name in binaries
                       if not name.startswith(KILL_PREFIX)
                       and (name not in SMP_PROGRAMS or name in ALONE_TOO)])
    image = bench.image("guests", configuration(names, "poweroff"), files(binaries, names))
    judge(report, bench.boot(report, image), names)
    run_in_pieces(bench, report, binaries)


def run_in_pieces(bench, report, binaries):
    """A guest that takes nearly all of a machine's memory: no piece of it is that large."""
    image = bench.image("guests-pieces", configuration(["ram"], "poweroff", memory=MOST_MIB),
                        files(binaries, ["ram"]))
    boot = bench.boot(report, image, "--memory", str(MACHINE_MIB), name="guests-pieces")
    report.check("ram: its memory lies in pieces",
                 re.search("^portcullis: guest 'ram': its memory lies in [0-9]+ pieces, ", boot.text,
                           re.M), boot.tail())
    wrong = verdict(boot.text, "ram")
    report.check("ram, in pieces", not wrong, "\n".join(wrong))


def judge(report, boot, names, expected=None):
    """A check for each of these guests, and one that the machine ended as it should. expected: what
    fails on this machine, {program: names of checks}."""
    expected = expected or {}
    for name in names:
        wrong = verdict(boot.text, name, expected.get(name.removesuffix(EMULATED), ()))
        report.check(name, not wrong, "\n".join(wrong))
    is_good = not any(name.removesuffix(EMULATED) in expected for name in names)
    report.check("the machine is off after the last one" + (", with success" if is_good else ""),
                 (boot.status, boot.exit_code) == ((0, EXIT_GOOD) if is_good else (1, EXIT_BAD)),
                 f"status {boot.status}, {boot.result}")
