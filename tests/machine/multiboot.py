# SPDX-License-Identifier: BSD-2-Clause
"""Kernels in the form of those written for `qemu -kernel`, and a boot sector, one after the other in
one boot: a 64-bit test suite's kernel with two processors, a module and the test device, and once
more with nothing of it; one without ELF; one that ends in every way there is; and the machine as a
BIOS leaves it. They report like the guest programs, the suite's over COM1."""

import os
import re

import guests

CPUS = 2
MODULE_BYTES = 5003
ENDED_GOOD = 1


def module():
    """The suite knows what it has to find: byte i is 7 i + 3 + i / 256."""
    return bytes((7 * i + 3 + i // 256) & 0xFF for i in range(MODULE_BYTES))


SUITE_SMP = f"""memory = 32M
cpus = {CPUS}
testdev = on
initrd = \\portcullis\\module.dat
cmdline = cpus={CPUS} memory=32 module={MODULE_BYTES} testdev=1  two  spaces, "quotes" and = signs
"""

# {guest: (kernel, other lines of its section)}, in the order of the run.
GUESTS = {
    "suite-smp": ("suite.elf", f"{SUITE_SMP}apic = virtual\n"),
    "suite-smp-emulated": ("suite.elf", f"{SUITE_SMP}apic = emulated\n"),
    "kludge": ("kludge.bin", "memory = 2M\n"),
    "end-byte": ("ending.elf", "memory = 2M\ncmdline = byte\n"),
    "end-word": ("ending.elf", "memory = 2M\ncmdline = word\n"),
    "end-dword": ("ending.elf", "memory = 2M\ncmdline = dword\n"),
    "end-shutdown": ("ending.elf", "memory = 2M\ncmdline = shutdown\n"),
    "end-string": ("ending.elf", "memory = 2M\ncmdline = string\n"),
    "end-halt": ("ending.elf", f"memory = 2M\ncmdline = halt\ncpus = {CPUS}\n"),
    "end-idle": ("ending.elf", "memory = 2M\ncmdline = idle\n"),
    "suite-bare": ("suite.elf", "memory = 2M\ncmdline = cpus=1 memory=2 module=0 testdev=0\n"),
    "bios": ("bios.bin", "memory = 4M\n"),
}

# {guest that does not report: (its exit code, how the monitor puts it)}
ENDINGS = {
    "end-byte": (0x78 << 1 | 1, r"wrote to the debug exit port"),
    "end-word": (0x5678 << 1 | 1, r"wrote to the debug exit port"),
    "end-dword": (0x12345678 << 1 | 1, r"wrote to the debug exit port"),
    "end-shutdown": (0, r"wrote Shutdown to port 0x8900"),
    "end-string": (0, r"wrote Shutdown to port 0x8900"),
    "end-halt": (254, r"halted with interrupts off: nothing can wake it"),
    "end-idle": (1, r"wrote to the debug exit port"),
}

# What the suite says of the command line and of the module's string.
SAYS = {
    "suite-smp": ("suite.elf cpus=2 memory=32 module=5003 testdev=1  two  spaces, \"quotes\" and = "
                  "signs", "module.dat"),
    "suite-bare": ("suite.elf cpus=1 memory=2 module=0 testdev=0", None),
}


def configuration():
    text = "[monitor]\nschedule = sequence\non_last_exit = poweroff\n"
    for name, (kernel, lines) in GUESTS.items():
        text += f"\n[guest {name}]\nkernel = \\portcullis\\{kernel}\n{lines}"
    return text


def verdict(said, code):
    """What is wrong with the run of a guest that reports, as a list of lines."""
    if said is None:
        return ["it never started"]
    # Through the debug console, a line begins with the guest's name.
    plain = re.sub(r"^(?:kludge|bios): ", "", said.replace("\r", ""), flags=re.M)
    wrong = re.findall(r"^FAIL .*$", plain, re.M)
    passed = len(re.findall(r"^PASS .*$", plain, re.M))
    end = re.search(r"^END checks ([0-9a-f]+), failed 0$", plain, re.M)
    if end is None:
        wrong.append("no line END that says that all passed")
    elif int(end.group(1), 16) != passed:
        wrong.append(f"{passed} PASS lines, and END counts {int(end.group(1), 16)}")
    if code != ENDED_GOOD:
        wrong.append(f"exit code {code}, not {ENDED_GOOD}")
    if wrong:
        wrong += ["the last it said:"] + [f"  {line}" for line in plain.split("\n")[-12:]]
    return wrong


def line_after(said, heading):
    """The line that follows the heading's, None where there is none."""
    found = re.search(rf"^{re.escape(heading)}\r*\n([^\r\n]*)\r*$", said or "", re.M)
    return found.group(1) if found else None


def run(bench, report):
    files = {f"\\portcullis\\{name}": os.path.join(bench.build, "multiboot", name)
             for name in sorted({kernel for kernel, _ in GUESTS.values()})}
    files["\\portcullis\\module.dat"] = bench.write("module.dat", module())
    image = bench.image("multiboot", configuration(), files)
    boot = bench.boot(report, image, "--cpus", str(CPUS))
    for name in GUESTS:
        said, code = guests.part(boot.text, name)
        if name not in ENDINGS:
            wrong = verdict(said, code)
            report.check(name, not wrong, "\n".join(wrong))
            continue
        want_code, want_reason = ENDINGS[name]
        report.equal(f"{name}: exit code", code, want_code)
        reason = re.search(rf"^portcullis: guest {name} ended: (.*), exit code \d+$",
                           boot.text, re.M)
        report.check(f"{name}: the monitor says why",
                     reason and re.fullmatch(want_reason, reason.group(1)),
                     f"got:  {reason and reason.group(1)}\nwant: {want_reason}")
    for name, (cmdline, string) in SAYS.items():
        said, _ = guests.part(boot.text, name)
        report.equal(f"{name}: command line", line_after(said, "the command line is:"), cmdline)
        report.equal(f"{name}: module's string", line_after(said, "the module is:"), string)
    # The first guest that failed is the one that wrote a byte.
    report.check("the machine is off after the last one",
                 boot.status == 1 and boot.exit_code == ENDINGS["end-byte"][0],
                 f"status {boot.status}, {boot.result}")
