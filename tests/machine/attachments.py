"""Doorbells, zones and triggers on the whole machine: configured in the file, added and removed at the
prompt while a guest rings one of them a million times and counts the interrupts."""

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


def keys():
    """What is typed: to the prompt when the guest begins to ring, and what is to be said there."""
    commands = [command for command, _ in REFUSED]
    commands += ["doorbell two port 0x5100 trace", "remove two"]
    commands += [OTHERS, "remove others"] * ROUNDS
    commands += ["attachments"]
    steps = [(rf"^{NAME}: RINGING$", dialogue.ESCAPE)]
    return steps + [(dialogue.MONITOR, command) for command in commands]


def run(bench, report):
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
