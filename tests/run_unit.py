#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""Run the unit tests named on the command line, two at a time, and sum up what they counted.

run_unit.py [--counts FILE] PROGRAM...; a PROGRAM is built with cmocka, or is a Python file of tests
for unittest. Its output is shown only where it failed. Ends with "N passed, N failed"; with --counts
that goes as {"passed": N, "failed": N} to FILE, for a runner that sums up more.
"""

import concurrent.futures
import json
import os
import re
import subprocess
import sys
import time


def command(program):
    """(what to run, in which folder)."""
    if program.endswith(".py"):
        folder, name = os.path.split(os.path.abspath(program))
        return [sys.executable, "-B", "-m", "unittest", name[:-len(".py")]], folder
    return [os.path.abspath(program)], None


def count(program, output):
    """(passed, failed) by what the framework printed."""
    if program.endswith(".py"):
        ran = sum(map(int, re.findall(r"^Ran (\d+) tests?\b", output, re.M)))
        result = re.findall(r"^FAILED \((.*)\)$|^OK \((.*)\)$", output, re.M)
        kinds = dict(re.findall(r"([a-z ]+)=(\d+)", ", ".join(map("".join, result))))
        kinds = {kind.strip(): int(number) for kind, number in kinds.items()}
        # A skipped test did not show what it should: nothing is skipped silently.
        bad = sum(kinds.get(kind, 0) for kind in ("failures", "errors", "skipped",
                                                  "unexpected successes"))
        return ran - min(bad, ran), bad
    return (len(re.findall(r"^\[       OK \]", output, re.M)),
            len(re.findall(r"^\[  FAILED  \] .*(?<!test\(s\))$", output, re.M)) // 2)


def run(program):
    started = time.monotonic()
    words, folder = command(program)
    result = subprocess.run(words, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                            text=True, errors="replace", check=False)
    return program, result.returncode, result.stdout, time.monotonic() - started


def main():
    programs = sys.argv[1:]
    counts_file = None
    if programs[:1] == ["--counts"]:
        counts_file, programs = programs[1], programs[2:]
    passed = failed = 0
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        for program, status, output, seconds in pool.map(run, programs):
            name = os.path.basename(program)
            good, bad = count(program, output)
            if status != 0 and bad == 0:
                bad = 1  # it died: a sanitiser, a CHECK, a signal
            if status == 0 and good == 0 and bad == 0:
                bad = 1
                output += "\n(no test ran)\n"
            passed += good
            failed += bad
            print(f"{'ok  ' if bad == 0 else 'FAIL'} {name}: {good} passed, {bad} failed"
                  f" ({seconds:.1f} s)", flush=True)
            if bad != 0:
                print(output)
    if counts_file is not None:
        with open(counts_file, "w", encoding="ascii") as file:
            json.dump({"passed": passed, "failed": failed}, file)
        print(f"on this machine: {passed} passed, {failed} failed")
    else:
        print(f"{passed} passed, {failed} failed")
    return failed != 0 or passed == 0


if __name__ == "__main__":
    sys.exit(main())
