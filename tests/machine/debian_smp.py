# SPDX-License-Identifier: BSD-2-Clause
"""Debian on several CPUs, and Debian's generic kernel: to the shell, all CPUs at work, `reboot` and
back, `poweroff`."""

import hashlib
import os
import re
import time

import debian
import dialogue
from dialogue import shell_answer

SMP_IMAGE = "portcullis-smp.img"  # as `make image GUEST=smp` leaves it

# Nothing for the kernel but where its console is: it has to find the rest by itself.
CONFIG = """\
[monitor]
on_last_exit = poweroff

[guest debian]
kernel = \\portcullis\\vmlinuz
initrd = \\portcullis\\initrd.img
cmdline = console=ttyS0
memory = 256M
cpus = {cpus}
apic = {apic}
"""

# Every CPU hashes the same data, three times in two ways, pinned there; field 39 of stat is the CPU
# that a process ran on last (proc(5)). The subshell is not interactive, so says nothing of jobs.
DATA_LINES = 20_000
ROUNDS = 3
HASHES = f"for i in $(seq {ROUNDS}); do cat /tmp/data | sha256sum; md5sum </tmp/data; done"
WORK = (f"seq {DATA_LINES} >/tmp/data; (for c in $(seq 0 $(($(nproc) - 1))); do taskset -c $c"
        f" sh -c 'h=$({HASHES} | sort | uniq -c); echo \"$0\" $(cut -d\" \" -f39 /proc/self/stat)"
        " $h' $c & done; wait)")
CPU_TIMES = "grep -E '^cpu[0-9]' /proc/stat"
CPUS = "nproc; cat /sys/devices/system/cpu/online"

QUESTIONS = {
    "date": "date +%s",
    "kernel": "uname -r",
    "cpus": CPUS,
    "clock": "cat /sys/devices/system/clocksource/clocksource0/current_clocksource",
    "before": "cat /proc/interrupts",
    "sleep 0": debian.SLEEP_0,
    "sleep 1": debian.SLEEP_1,
    "busy before": CPU_TIMES,
    "work": WORK,
    "busy after": CPU_TIMES,
    "after": "cat /proc/interrupts",
    "dmesg": "dmesg -r",
}
# What is asked after `reboot`.
AGAIN = {"cpus again": CPUS, "work again": WORK, "dmesg again": "dmesg -r"}


def check_cpus(report, text, name, cpus):
    """nproc, and the CPUs that are online."""
    online = "0" if cpus == 1 else f"0-{cpus - 1}"
    report.equal(f"{name}: {cpus} online", shell_answer(text, name).split(), [str(cpus), online])


def check_work(report, text, name, cpus):
    """Each CPU came to the same, right result, on itself."""
    data = "".join(f"{line}\n" for line in range(1, DATA_LINES + 1)).encode()
    sums = sorted((hashlib.sha256(data).hexdigest(), hashlib.md5(data).hexdigest()))
    result = " ".join(f"{ROUNDS} {digest} -" for digest in sums)
    report.equal(f"{name}: {cpus} results, each from its CPU",
                 sorted(shell_answer(text, name).rstrip("\n").split("\n")),
                 [f"{cpu} {cpu} {result}" for cpu in range(cpus)])


def busy_ticks(answer):
    """The time in user mode of each CPU out of /proc/stat, in 1/100 s."""
    return [int(user) for user in re.findall(r"^cpu\d+ (\d+) ", answer, re.M)]


def grew(before, after, cpus):
    """Whether there is a count for each CPU and all of them grew."""
    return len(before) == len(after) == cpus and all(a < b for a, b in zip(before, after))


def check_interrupts(report, text, cpus):
    """Everything goes through the I/O APIC, and every CPU's own timer counts."""
    before, after = (debian.interrupts(shell_answer(text, name)) for name in ("before", "after"))
    nothing = ([], "")
    was, is_now = before.get("LOC", nothing)[0], after.get("LOC", nothing)[0]
    report.check("every CPU's timer counts", grew(was, is_now, cpus), f"{was} {is_now}")
    was, is_now = before.get("4", nothing), after.get("4", nothing)
    report.check("line 4 counts, through the I/O APIC",
                 re.fullmatch(r"IO-APIC +4-edge +ttyS0", is_now[1])
                 and sum(is_now[0]) > sum(was[0]), f"{was} {is_now}")
    others = {name: what for name, (_, what) in after.items()
              if name.isdigit() and not what.startswith("IO-APIC ")}
    report.check("no line goes elsewhere", after and not others, others)
    for name in ("ERR", "MIS"):
        report.equal(f"/proc/interrupts: {name}", after.get(name, nothing)[0], [0])
    for name in ("RES", "CAL") if cpus > 1 else ():
        counts = after.get(name, nothing)[0]
        report.check(f"interrupts between CPUs: {name}", sum(counts) > 0, counts)


def run_kernel(bench, report, image, flavour, cpus, reboots=False):
    """Boots that image, in which Debian's kernel of that flavour has `cpus` CPUs."""
    again = [(dialogue.SHELL, "reboot"),
             # Meanwhile the old shell prompts once more.
             ("^portcullis: guest debian resets$", "\\c"), *dialogue.ask_shell(AGAIN)]
    started = time.time()
    boot = bench.boot(report, image, "--cpus", str(cpus), send=[
        *dialogue.ask_shell(QUESTIONS), *(again if reboots else ()), (dialogue.SHELL, "poweroff")])
    ended = time.time()
    unanswered = debian.first_unanswered(boot.text, {**QUESTIONS, **(AGAIN if reboots else {})})
    report.check("to the shell, every command answered", unanswered is None,
                 f"no answer to: {unanswered}")
    debian.check_kernel(report, image, boot.text, flavour)
    check_cpus(report, boot.text, "cpus", cpus)
    debian.check_date(report, boot.text, started, ended)
    debian.check_second(report, boot.text)
    report.equal("the kernel's clock is the TSC", shell_answer(boot.text, "clock"), "tsc\n")
    check_interrupts(report, boot.text, cpus)
    before, after = (busy_ticks(shell_answer(boot.text, name))
                     for name in ("busy before", "busy after"))
    report.check("every CPU was busy", grew(before, after, cpus), f"{before} {after}")
    check_work(report, boot.text, "work", cpus)
    debian.check_errors(report, boot.text)
    if reboots:
        report.equal("reboot resets the guest once",
                     len(re.findall(r"^portcullis: guest debian resets$", boot.text, re.M)), 1)
        check_cpus(report, boot.text, "cpus again", cpus)
        check_work(report, boot.text, "work again", cpus)
        debian.check_errors(report, boot.text, "dmesg again")
    debian.check_end(report, boot)


def own_image(bench, report, kernel, cpus, apic="auto"):
    """An image with that file of build/guest as its kernel."""
    guest = os.path.join(bench.build, "guest")
    return bench.image(report.group, CONFIG.format(cpus=cpus, apic=apic), {
        "\\portcullis\\vmlinuz": os.path.join(guest, kernel),
        "\\portcullis\\initrd.img": os.path.join(guest, "initrd.img")})


def run_cloud_2(bench, report):
    run_kernel(bench, report, own_image(bench, report, "vmlinuz", 2), debian.CLOUD, 2, True)


def run_cloud_4(bench, report):
    run_kernel(bench, report, os.path.join(bench.build, SMP_IMAGE), debian.CLOUD, 4)


def run_generic_1(bench, report):
    """Like generic-2, but the monitor does the local APIC's work whatever the processor can."""
    image = own_image(bench, report, "vmlinuz-generic", 1, "emulated")
    run_kernel(bench, report, image, debian.GENERIC, 1)


def run_generic_2(bench, report):
    run_kernel(bench, report, own_image(bench, report, "vmlinuz-generic", 2), debian.GENERIC, 2)


def run_generic_4(bench, report):
    run_kernel(bench, report, own_image(bench, report, "vmlinuz-generic", 4), debian.GENERIC, 4)
