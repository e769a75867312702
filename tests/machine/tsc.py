# SPDX-License-Identifier: BSD-2-Clause
"""Processors whose time-stamp counters the firmware has set apart are corrected: a guest on all of
them finds that its counters agree. tests/firmware/set_tsc.c is that firmware."""

import os
import re

import guests

PROGRAM = "smp-start"
BEHIND, AHEAD = 5000, 123456  # as in set_tsc.c
# What moving a counter takes, and what a message between two processors takes.
TICKS_APART = 100


def run(bench, report):
    """The group."""
    names = [PROGRAM]
    monitor = os.path.join(bench.build, "BOOTX64.EFI")
    image = bench.image("tsc", guests.configuration(names, "poweroff", guests.SMP_PROGRAMS),
                        {**guests.files(guests.programs(bench.build), names),
                         "\\test\\monitor.efi": monitor},
                        efi=os.path.join(bench.build, "firmware", "set_tsc.efi"))
    boot = bench.boot(report, image, "--cpus", str(guests.SMP_CPUS))
    corrected = {int(apic_id): -int(ticks) if direction == "behind" else int(ticks)
                 for apic_id, ticks, direction in
                 re.findall(r"^portcullis: processor (\d+): its TSC was (\d+) ticks (behind|ahead of)"
                            r" the first one's: corrected$", boot.text, re.M)}
    for apic_id in range(1, guests.SMP_CPUS):
        want = -BEHIND if apic_id % 2 == 1 else AHEAD
        report.check(f"processor {apic_id} was {want} ticks away, and is corrected",
                     abs(corrected.get(apic_id, 0) - want) <= TICKS_APART, corrected)
    guests.judge(report, boot, names)
