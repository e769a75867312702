#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""Run whole machines: run.py [--build DIR] [--counts FILE]... [--plain] [--covered] [GROUP...]

Each group of tests boots the monitor in an emulator (QEMU with nested KVM where the processor has
VMX, else Bochs) and judges what came over the serial line; two groups run at a time. Without names
all do but those that `make test-nested` names. Every boot leaves its serial output at
build/test/NAME.txt.
In the groups guests, attachments and kills the monitor's heap is poisoned, which finds memory that
is used after its release; --plain leaves that out.
--covered: the monitor is one of `make coverage-machine`; what it sends is kept, NAME.coverage.
--counts adds what other runners counted, as {"passed": N, "failed": N}; a FILE that is not there
counts as a failure. Ends with "N passed, N failed" over all of it; exit status 1 when something
failed or nothing ran.
"""

import argparse
import concurrent.futures
import json
import os
import signal
import sys
import time
import traceback

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.realpath(__file__)))

# pylint: disable=wrong-import-position
import attachments  # noqa: E402
import budgets  # noqa: E402
import clocks  # noqa: E402
import debian  # noqa: E402
import debian_smp  # noqa: E402
import ending  # noqa: E402
import firmware  # noqa: E402
import guests  # noqa: E402
import hostile  # noqa: E402
import idle  # noqa: E402
import kills  # noqa: E402
import line  # noqa: E402
import multiboot  # noqa: E402
import nested  # noqa: E402
import operator_at_prompt  # noqa: E402
import secure_boot  # noqa: E402
import serial_ports  # noqa: E402
import smp  # noqa: E402
import tsc  # noqa: E402
from bench import ROOT, Bench, Report  # noqa: E402

# The longest first: what is short fills the gaps.
GROUPS = {
    "clocks-4": clocks.run_4,
    "cloud-4": debian_smp.run_cloud_4,
    "generic-4": debian_smp.run_generic_4,
    "cloud-2": debian_smp.run_cloud_2,
    "generic-2": debian_smp.run_generic_2,
    "generic-1": debian_smp.run_generic_1,
    "nested-short": nested.run_short,
    "clocks-1": clocks.run_1,
    "usb": debian.run_usb,
    "debian": debian.run,
    "attachments": attachments.run,
    "multiboot": multiboot.run,
    "smp": smp.run,
    "guests": guests.run,
    "budgets": budgets.run,
    "ending": ending.run,
    "line": line.run,
    "hostile": hostile.run,
    "kills": kills.run,
    "firmware": firmware.run,
    "serial-ports": serial_ports.run,
    "secure-boot": secure_boot.run,
    "operator": operator_at_prompt.run,
    "idle": idle.run,
    "tsc": tsc.run,
}
# Only by name: `make test-nested`.
NESTED_GROUPS = {
    "nested-smp-emulated": nested.run_smp_emulated,
    "nested-smp-auto": nested.run_smp_auto,
    "nested-emulated": nested.run_emulated,
    "nested-auto": nested.run_auto,
    "nested-debian-emulated": nested.run_debian_emulated,
    "nested-debian-auto": nested.run_debian_auto,
}
ALL_GROUPS = {**GROUPS, **NESTED_GROUPS}
# The monitor's heap is poisoned: these create, change and destroy most.
POISONED_GROUPS = ("guests", "attachments", "kills")
MACHINES_AT_ONCE = 2


def run_group(bench, name):
    """The finished Report of one group; what goes wrong in the test itself is a failure."""
    report = Report(name)
    started = time.monotonic()
    print(f"...  {name}: running, serial output in {os.path.relpath(bench.path(name))}.txt",
          flush=True)
    try:
        ALL_GROUPS[name](bench, report)
        if report.passed + report.failed == 0:
            report.check("checked something", False)
    except Exception:  # pylint: disable=broad-exception-caught
        report.check("the test ran to its end", False, traceback.format_exc())
    print(f"{report.text()}\n     {name}: {report.passed} passed, {report.failed} failed"
          f" ({time.monotonic() - started:.0f} s)", flush=True)
    return report


def read_counts(path):
    """(passed, failed) of another runner."""
    try:
        with open(path, encoding="ascii") as file:
            counts = json.load(file)
        return counts["passed"], counts["failed"]
    except (OSError, ValueError, KeyError) as error:
        print(f"FAIL {path}: its runner left no counts: {error}")
        return 0, 1


def interrupt(_number, _frame):
    raise KeyboardInterrupt


def main():
    parser = argparse.ArgumentParser(prog="run.py", description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--build", default=os.path.join(ROOT, "build"), metavar="DIR")
    parser.add_argument("--counts", action="append", default=[], metavar="FILE")
    parser.add_argument("--plain", action="store_true")
    parser.add_argument("--covered", action="store_true")
    parser.add_argument("groups", nargs="*", metavar="GROUP", help=", ".join(ALL_GROUPS))
    options = parser.parse_args()
    wanted = options.groups or list(GROUPS)
    for name in wanted:
        if name not in ALL_GROUPS:
            parser.error(f"unknown group '{name}'; there are: {', '.join(ALL_GROUPS)}")
    signal.signal(signal.SIGTERM, interrupt)
    signal.signal(signal.SIGHUP, interrupt)

    benches = {name: Bench(options.build, name in POISONED_GROUPS and not options.plain,
                           options.covered)
               for name in wanted}
    passed = failed = 0
    with concurrent.futures.ThreadPoolExecutor(MACHINES_AT_ONCE) as pool:
        runs = [pool.submit(run_group, benches[name], name) for name in wanted]
        try:
            for run in concurrent.futures.as_completed(runs):
                passed += run.result().passed
                failed += run.result().failed
        except KeyboardInterrupt:
            for bench in benches.values():
                bench.stop()
            pool.shutdown(cancel_futures=True)
            print("interrupted", file=sys.stderr)
            return 1
    for path in options.counts:
        more_passed, more_failed = read_counts(path)
        passed += more_passed
        failed += more_failed
    print(f"{passed} passed, {failed} failed")
    return failed != 0 or passed == 0


if __name__ == "__main__":
    sys.exit(main())
