# SPDX-License-Identifier: BSD-2-Clause
"""Doorbells, zones and triggers on the whole machine: configured in the file, added and removed at the
prompt while a guest rings one of them a million times and counts the interrupts; and the same of
messages to the local APICs, with four processors. And what becomes of them with the guest's end."""

import os
import re

import dialogue
import guests
from dialogue import monitor_answer

NAME = "doorbells"

CONFIGURATION = f"""\
[monitor]
schedule = sequence
on_last_exit = poweroff

[guest {NAME}]
kernel = \\portcullis\\{NAME}.bin
memory = 16M
testdev = on
trigger = level-10 line 10 level
doorbell = bell port 0x5000 width 4 line 5
doorbell = data port 0x5004 width 2 data 7 count 3 line 5
doorbell = level port 0x5010 trigger level-10
doorbell = kick port 0x5020 drain latch
doorbell = traced port 0x5030 width 4 trace
doorbell = wide mmio 0xd0001008 line 5
doorbell = value mmio 0xd0002000 width 8 data 0x123456789abcdef0 line 5
zone = latch port 0xe0 4 ring 8 delay 1000000
zone = memory mmio 0xff000000 0x100
"""

# On the address that the guest rings, with data that it does not write.
OTHERS = "doorbell others port 0x5000 width 4 data 0x100 count 1000 line 6"
ROUNDS = 20
REFUSED = (
    ("doorbell bell port 0x6000", "bell"),
    ("doorbell again port 0x5000 width 4 line 7", "bell"),
    ("remove level-10", "level"),
    ("remove nothing", "nothing"),
    ("zone over port 0x61 1 ring 3", "ring"),
)


MESSAGES = "messages"
MESSAGES_CPUS = 4
MESSAGES_CONFIGURATION = f"""\
[monitor]
on_last_exit = poweroff

[guest {MESSAGES}]
kernel = \\portcullis\\{MESSAGES}.bin
memory = 16M
cpus = {MESSAGES_CPUS}
trigger = to-1 message 0xfee01000 0x61
trigger = absent message 0xfee10000 0x58
trigger = outside message 0xfee00000 0x5c
doorbell = self port 0x5000 message 0xfee00000 0x51
doorbell = higher port 0x5001 message 0xfee00000 0x81
doorbell = lower port 0x5002 message 0xfee00000 0x41
doorbell = named port 0x5003 trigger to-1
doorbell = all port 0x5004 message 0xfeeff000 0x52
doorbell = logical port 0x5005 message 0xfee0a004 0x53
doorbell = lowest port 0x5006 message 0xfee0600c 0x54
doorbell = nmi port 0x5007 message 0xfee00000 0x400
doorbell = level port 0x5008 message 0xfee00000 0xc055
doorbell = data port 0x500a width 4 data 7 message 0xfee00000 0x57
doorbell = nobody port 0x500b trigger absent
doorbell = both port 0x500c message 0xfee00000 0x59 trigger to-1
doorbell = line-too port 0x500d message 0xfee00000 0x5a line 5
doorbell = sleeper port 0x500e message 0xfee02000 0x5b
doorbell = mmio mmio 0xd0000000 message 0xfee00000 0x56
"""
MESSAGES_OTHERS = "doorbell others port 0x5000 width 4 data 0x100 count 1000 message 0xfee03000 0x70"
MESSAGES_REFUSED = (
    ("trigger bad message 0xfed00000 0x40", "0xfee00000"),
    ("trigger bad message 0xfee00000 0x8040", "add 0x4000"),
    ("trigger bad message 0xfee00000 0x5", "0x10 to 0xfe"),
    ("remove to-1", "in use by doorbell"),
)


QUEUED = "queued"
HEALTHY = "port-floats"
NOT_CREATED = 254
QUEUED_CONFIGURATION = f"""\
[monitor]
schedule = sequence
on_last_exit = poweroff

[guest {QUEUED}]
kernel = \\portcullis\\{QUEUED}.bin
memory = 16M
zone = pit port 0x40 4 ring 64 delay 1000000
zone = com1 port 0x3f8 8 ring 64 delay 1000000
zone = nothing port 0x6000 0x10 ring 1024
trigger = level line 10 level
doorbell = many port 0x7000 count 300 trigger level drain nothing
doorbell = message port 0x8000 message 0xfee00000 0x51

[guest refused]
kernel = \\portcullis\\{HEALTHY}.bin
memory = 16M
zone = pit port 0x40 4 ring 64 delay 1000000
doorbell = many port 0x7000 count 300 line 5
zone = apic mmio 0xfee00080 4

[guest {HEALTHY}]
kernel = \\portcullis\\{HEALTHY}.bin
memory = 16M
"""
QUEUED_SAYS = (
    "refused: zone apic: each processor has its own local apic at 0xfee00000-0xfee00fff, so its writes "
    "cannot be queued",
    "refused cannot be created: conflict",
)


def keys():
    """What is typed: to the prompt when the guest begins to ring, and what is to be said there."""
    commands = [command for command, _ in REFUSED]
    commands += ["doorbell two port 0x5100 trace", "remove two"]
    commands += [OTHERS, "remove others"] * ROUNDS
    commands += ["attachments"]
    steps = [(rf"^{NAME}: RINGING$", dialogue.ESCAPE)]
    return steps + [(dialogue.MONITOR, command) for command in commands]


def messages_keys():
    """The same for the guest that gets messages."""
    commands = [command for command, _ in MESSAGES_REFUSED]
    commands += [MESSAGES_OTHERS, "remove others"] * ROUNDS
    commands += ["trigger late message 0xfee00000 0x4e", "raise late", "remove late"]
    commands += ["raise outside", "attachments", "raise outside", "raise outside"]
    steps = [(rf"^{MESSAGES}: RINGING$", dialogue.ESCAPE)]
    return steps + [(dialogue.MONITOR, command) for command in commands]


def run_messages(bench, report):
    """The guest that gets messages."""
    binary = os.path.join(bench.build, "guests", "attached", f"{MESSAGES}.bin")
    image = bench.image(MESSAGES, MESSAGES_CONFIGURATION, {f"\\portcullis\\{MESSAGES}.bin": binary})
    boot = bench.boot(report, image, "--cpus", str(MESSAGES_CPUS), send=messages_keys(),
                      name=f"{report.group}-{MESSAGES}")
    wrong = guests.verdict(boot.text, MESSAGES)
    report.check("messages: the guest finds everything in order", not wrong, "\n".join(wrong))
    for command, word in MESSAGES_REFUSED:
        answer = monitor_answer(boot.text, command)
        report.check(f"refused: {command}", word in answer, answer)
    report.equal("messages: added and removed meanwhile",
                 [monitor_answer(boot.text, command, nth).strip()
                  for nth in range(ROUNDS) for command in (MESSAGES_OTHERS, "remove others")],
                 [""] * (2 * ROUNDS))
    answer = monitor_answer(boot.text, "attachments")
    for name, line in (("absent", "message 0xfee10000 0x58: 1 raised, 0 delivered, 0 pending"),
                       ("to-1", "message 0xfee01000 0x61: 2 raised, 2 delivered, 0 pending"),
                       ("outside", "message 0xfee00000 0x5c: 1 raised, 1 delivered, 0 pending")):
        report.check(f"trigger {name} tells what became of it", re.search(
            rf"^trigger +{name} +{line}$", answer, re.M), answer)
    report.check("a doorbell tells what it sends", re.search(
        r"^doorbell self +port 0x5000 width any message 0xfee00000 0x51: \d+ rings$", answer, re.M),
        answer)
    report.check("messages: the machine is off, with success", boot.status == 0,
                 f"status {boot.status}, {boot.result}")


def run_queued(bench, report):
    """A guest that ends with all sorts of attachments in use, one whose attachments are refused, and one
    that finds nothing of them. The heap is poisoned (run.py): nothing may be used after its release."""
    binaries = {name: os.path.join(bench.build, "guests", path) for name, path in (
        (QUEUED, f"attached/{QUEUED}.bin"), (HEALTHY, f"{HEALTHY}.bin"))}
    image = bench.image(QUEUED, QUEUED_CONFIGURATION,
                        {f"\\portcullis\\{name}.bin": path for name, path in binaries.items()})
    boot = bench.boot(report, image, name=f"{report.group}-{QUEUED}")
    for name in (QUEUED, HEALTHY):
        wrong = guests.verdict(boot.text, name)
        report.check(f"{name}: runs to its end", not wrong, "\n".join(wrong))
    report.check("what waited for COM1 is shown", "\nWRITTEN LATE\n" in boot.text, boot.tail())
    for line in QUEUED_SAYS:
        report.check(line, f"portcullis: guest {line}\n" in boot.text, boot.tail())
    report.check("queued: the machine is off, with the code of the refused guest",
                 boot.exit_code == NOT_CREATED, f"status {boot.status}, {boot.result}")


def run(bench, report):
    run_doorbells(bench, report)
    run_messages(bench, report)
    run_queued(bench, report)


def run_doorbells(bench, report):
    """The guest that rings, and counts interrupts of lines."""
    binary = os.path.join(bench.build, "guests", "attached", f"{NAME}.bin")
    image = bench.image(report.group, CONFIGURATION, {f"\\portcullis\\{NAME}.bin": binary})
    boot = bench.boot(report, image, send=keys())
    wrong = guests.verdict(boot.text, NAME)
    report.check("the guest finds everything in order", not wrong, "\n".join(wrong))
    for command, word in REFUSED:
        answer = monitor_answer(boot.text, command)
        report.check(f"refused: {command}", word in answer, answer)
    report.equal("added and removed meanwhile",
                 [monitor_answer(boot.text, command, nth).strip()
                  for nth in range(ROUNDS) for command in (OTHERS, "remove others")],
                 [""] * (2 * ROUNDS))
    answer = monitor_answer(boot.text, "attachments")
    rings = re.search(r"^doorbell bell .*: (\d+) rings$", answer, re.M)
    report.check("it was still ringing then", rings and int(rings.group(1)) < 1000000, answer)
    report.check("a zone was drained in batches", re.search(
        r"^zone +latch .*over testdev latch: (\d+) queued, \1 drained in \d+ batches, ", answer,
        re.M), answer)
    report.check("a trigger delivered what was raised", re.search(
        r"^trigger +level-10 +line 10 level: 3 raised, 3 delivered, 0 pending$", answer, re.M),
        answer)
    report.check("a traced doorbell shows", re.search(
        rf"^portcullis: guest {NAME}: doorbell traced: 4 bytes, 0xabcd$", boot.text, re.M),
        boot.tail())
    report.check("the machine is off, with success", boot.status == 0,
                 f"status {boot.status}, {boot.result}")
