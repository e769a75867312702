# SPDX-License-Identifier: BSD-2-Clause
"""Guest programs on four processors, one after the other in one boot; judged as those in guests.py."""

import guests


def run(bench, report):
    """The group."""
    binaries = guests.programs(bench.build)
    names = guests.both_ways(list(guests.SMP_PROGRAMS), guests.ALONE_TOO)
    image = bench.image("smp", guests.configuration(names, "poweroff", guests.SMP_PROGRAMS),
                        guests.files(binaries, names))
    guests.judge(report, bench.boot(report, image, "--cpus", str(guests.SMP_CPUS)), names)
