# SPDX-License-Identifier: BSD-2-Clause
"""A guest that is halted except for a thousand ticks of its timer causes the exits that these ask for:
of each a write of the initial count, HLT, the timer, and the end of the interrupt."""

import os
import re

import dialogue
import guests

TICKS = 1000  # as in tests/guests/idle/ticks.asm
# What the program does besides: programming the APIC and the 8259As, looking at CPUID, saying so.
BESIDES = 10

# {reason: how many of its exits there are for a tick, at most}; there have to be all of them.
EXITS_PER_TICK = {"HLT": 1, "preemption timer": 1, "EPT violation": 2}
# What may happen now and then: the console's serial line, the program's own text.
OTHERS = ("external interrupt", "I/O instruction", "CPUID", "RDMSR", "WRMSR",
          "control-register access")


def run(bench, report):
    program = os.path.join(bench.build, "guests", "idle", "ticks.bin")
    image = bench.image("idle", guests.configuration(["idle" + guests.EMULATED], "prompt"),
                        {"\\portcullis\\idle.bin": program})
    boot = bench.boot(report, image, send=[(dialogue.MONITOR, "exits"), (dialogue.MONITOR, "quit")])
    wrong = guests.verdict(boot.text, "idle" + guests.EMULATED)
    report.check("the program", not wrong, "\n".join(wrong))
    answer = dialogue.monitor_answer(boot.text, "exits")
    exits = {reason: int(count) for reason, count in
             re.findall(r"^(\S.*?) +(\d+) +\d+ +\d+$", answer, re.M)}
    exits.pop("all", None)
    for reason, per_tick in EXITS_PER_TICK.items():
        count = exits.pop(reason, 0)
        report.check(f"{reason}: {per_tick} a tick",
                     per_tick * TICKS <= count <= per_tick * TICKS + BESIDES, answer)
    report.check("no other exits but the program's few", set(exits) <= set(OTHERS), answer)
