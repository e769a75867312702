"""Ten emulated minutes halted and ten busy: the guest's clocks agree, on one processor and on four.

On demand only, as they take their time. Bochs' second has ten million instructions here, a fifth of
the usual: what is compared are rates."""

import os

import guests

MIPS = 10
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
