#!/usr/bin/python3
"""Run the unit tests named on the command line, two at a time, and sum up what cmocka counted.

Each program's output is shown only where it failed. Ends with "N passed, N failed".
"""

import concurrent.futures
import os
import re
import subprocess
import sys
import time


def run(program):
    started = time.monotonic()
    result = subprocess.run([program], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                            text=True, errors="replace", check=False)
    return program, result.returncode, result.stdout, time.monotonic() - started


def main():
    passed = failed = 0
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        for program, status, output, seconds in pool.map(run, sys.argv[1:]):
            name = os.path.basename(program)
            ok = len(re.findall(r"^\[       OK \]", output, re.M))
            bad = len(re.findall(r"^\[  FAILED  \] .*(?<!test\(s\))$", output, re.M)) // 2
            if status != 0 and bad == 0:
                bad = 1  # it died: a sanitiser, a CHECK, a signal
            if status == 0 and ok == 0:
                status, bad = 1, 1
                output += "\n(no test ran)\n"
            passed += ok
            failed += bad
            print(f"{'ok  ' if status == 0 else 'FAIL'} {name}: {ok} passed, {bad} failed"
                  f" ({seconds:.1f} s)", flush=True)
            if status != 0:
                print(output)
    print(f"{passed} passed, {failed} failed")
    return failed != 0 or passed == 0


if __name__ == "__main__":
    sys.exit(main())
