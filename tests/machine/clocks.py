# SPDX-License-Identifier: BSD-2-Clause
"""Ten emulated minutes halted and ten busy: the guest's clocks agree, on one processor and on four.

Bochs' second has four million instructions here, a twelfth of the usual, so that it does not take
hours: what is compared are rates. Two million are too few for what four processors' ticks take:
some are lost."""

import os

import guests

MIPS = 4
TIMEOUT_SECONDS = 7200


def run_program(bench, report, cpus):
    """The program on so many processors."""
    name = report.group
    program = os.path.join(bench.build, "guests", "clocks", "minutes.bin")
    image = bench.image(name, guests.configuration([name], "poweroff", {name: f"cpus = {cpus}"}),
                        {f"\\portcullis\\{name}.bin": program})
    boot = bench.boot(report, image, "--cpus", str(cpus), "--mips", str(MIPS),
                      timeout=TIMEOUT_SECONDS)
    guests.judge(report, boot, [name])


def run_1(bench, report):
    run_program(bench, report, 1)


def run_4(bench, report):
    run_program(bench, report, 4)
