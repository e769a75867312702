# SPDX-License-Identifier: BSD-2-Clause
"""What exits cost, in instructions: bench/exits/exits.asm in Bochs, whose counts are exact, against
the medians recorded in bench/exits/budgets.json. Nothing may have grown by more than 3 %. And, from
the debugger's listing, what of the monitor would exit to KVM in a virtual machine of KVM's: nothing,
as each such exit costs ten times what the operation does."""

import json
import os
import subprocess
import sys

from bench import ROOT

EXITS = os.path.join(ROOT, "bench", "exits")
sys.path.insert(0, EXITS)

# pylint: disable=wrong-import-position
import operations  # noqa: E402

PROGRAM = "exits"
EXIT_GOOD = 1  # the value 0 as code, v << 1 | 1
REMEDY = ("if that is meant: bench/exits/run.py --only portcullis --record, and budgets.json goes "
          "into the same commit")


def outer_exits(bench):
    """{operation: what of it exits to a KVM below}, by the benchmark's own program."""
    result = subprocess.run([os.path.join(EXITS, "run.py"), "--build", bench.build, "--only",
                             "outer"], stdout=subprocess.PIPE, check=True)
    return json.loads(result.stdout)


def judge_outer_exits(report, found):
    for key in operations.keys(PROGRAM):
        if key not in operations.CALIBRATION:
            report.check(f"{key}: nothing exits to a KVM below", not found[key],
                         "\n".join(found[key]))


def run(bench, report):
    with open(os.path.join(EXITS, f"{PROGRAM}.conf"), encoding="ascii") as file:
        configuration = file.read()
    binary = os.path.join(bench.build, "bench", "exits", f"{PROGRAM}.bin")
    image = bench.image(report.group, configuration, {f"\\portcullis\\{PROGRAM}.bin": binary})
    boot = bench.boot(report, image, "--emulator", "bochs")  # even where VT-x is there: it counts
    figures = operations.read_figures(boot.text)
    recorded = operations.read_budgets()
    report.check("the guest measures everything and ends well", boot.exit_code == EXIT_GOOD,
                 f"exit code {boot.exit_code}, {boot.result}")
    loop = figures.get("loop")
    report.check("a tick is an instruction", loop is not None
                 and loop.median == operations.LOOP_TICKS, f"the loop: {loop}")
    for key in operations.keys(PROGRAM):
        if key in operations.CALIBRATION:
            continue
        if key not in figures or key not in recorded:
            report.check(f"{key} was measured, and is recorded", False,
                         f"measured: {figures.get(key)}, recorded: {recorded.get(key)}")
            continue
        median = figures[key].median
        report.check(f"{key}: {median}, recorded {recorded[key]}",
                     not operations.over_budget(median, recorded[key]),
                     f"{median} is {100 * (median / recorded[key] - 1):.1f} % more than "
                     f"{recorded[key]}; {REMEDY}")
    judge_outer_exits(report, outer_exits(bench))
