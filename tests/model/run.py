#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""Check the model of the I/O bus's reclaim, tests/model/iobus.pml, with Spin.

run.py --build FOLDER [--counts FILE]. The true model has to hold, and each variant that breaks one
step has to fail with the very property that the step is for: a model that cannot fail shows nothing.
Two runs at a time. Ends with "N passed, N failed", which goes as {"passed": N, "failed": N} to the
file of --counts; exit status 1 if any failed.
"""

import argparse
import collections
import concurrent.futures
import json
import os
import re
import subprocess
import sys
import time

MODEL = os.path.join(os.path.dirname(os.path.abspath(__file__)), "iobus.pml")
TIMEOUT_SECONDS = 500
SAFETY = ("-DSAFETY",)
SHALLOW = ("-DSAFETY", "-DBFS")  # shortest ways first
LIVENESS = ("-DNFAIR=3",)

Run = collections.namedtuple("Run", "name, breaks, defines")

ONE = ("WRITERS=1", "TABLES=2")                             # one update
BURIAL = ("WRITERS=1", "TABLES=4", "BURIAL", "TWICE")       # a removal without memory, and an addition
TWO = ("WRITERS=2", "TABLES=3")                             # two at once
HANDLER = ("WRITERS=1", "TABLES=3", "HANDLER")              # one of them in a handler
LIVE = (*ONE, "LIVENESS")

# What breaks is a property at the head of the model; None: all have to hold.
RUNS = (
    Run("two writers at once", None, TWO),
    Run("a removal without memory", None, BURIAL),
    Run("a handler that updates", None, HANDLER),
    Run("every completion comes", None, LIVE),
    Run("freed without waiting", "FREED", (*ONE, "FREE_EARLY")),
    Run("freed one epoch early", "FREED", (*ONE, "RETIRED_ONE_EARLY")),
    Run("completed without waiting", "COMPLETION", (*ONE, "COMPLETE_EARLY")),
    Run("quiescent mark before the last use", "FREED", (*ONE, "MARK_BEFORE_USE")),
    Run("published before filled", "WHOLE", (*ONE, "PUBLISH_BEFORE_FILL")),
    Run("epoch before table", "FREED", (*ONE, "EPOCH_BEFORE_TABLE")),
    Run("epoch stored without a fence", "FREED", (*ONE, "EPOCH_UNFENCED")),
    Run("unparked without a fence", "FREED", (*ONE, "UNPARK_UNFENCED")),
    Run("writers without a lock", "LOST", (*TWO, "WITHOUT_LOCK")),
    Run("buried for earlier tables too", "WHOLE", (*BURIAL, "BURIED_FOR_ALL")),
    Run("layout freed with its first table", "FREED", (*BURIAL, "SHARED_LAYOUT_FREED")),
    Run("parked vCPUs waited for", "LIVE", (*LIVE, "WAIT_FOR_PARKED")),
    Run("quiescent mark left out", "LIVE", (*LIVE, "NEVER_MARKED")),
)


def call(words, folder):
    """The output; ValueError with it if the exit status is not 0 or it takes too long."""
    try:
        result = subprocess.run(words, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                text=True, errors="replace", timeout=TIMEOUT_SECONDS, check=False)
    except subprocess.TimeoutExpired as error:
        raise ValueError(f"{words[0]}: not done after {TIMEOUT_SECONDS} s") from error
    if result.returncode != 0:
        raise ValueError(result.stdout)
    return result.stdout


def judge(run, output):
    """None if the run ended as it has to, else what is wrong."""
    errors = re.search(r"errors: (\d+)", output)
    if errors is None or "max search depth too small" in output:
        return "the search did not end"
    if run.breaks is None:
        if errors.group(1) != "0" or "Search not completed" in output:
            return "a property does not hold"
    elif run.breaks == "LIVE":
        if "pan:1: acceptance cycle" not in output:
            return "not caught"
    elif "pan:1: assertion violated" not in output:
        return "not caught"
    return None


def check(run, build):
    """(run, what is wrong or None, a line's worth of figures, output)"""
    folder = os.path.join(build, re.sub(r"[^a-z]+", "-", run.name))
    os.makedirs(folder, exist_ok=True)
    defines = list(run.defines)
    if run.breaks not in (None, "LIVE"):
        defines.append(f"ONLY_{run.breaks}")
    is_live = "LIVENESS" in defines
    started = time.monotonic()
    try:
        # A run leaves a trail if it finds something; none may be left from an earlier one.
        trail = os.path.join(folder, "iobus.pml.trail")
        if os.path.exists(trail):
            os.remove(trail)
        with open(MODEL, encoding="utf-8") as source:
            with open(os.path.join(folder, "iobus.pml"), "w", encoding="utf-8") as copy:
                copy.write(source.read())
        call(["spin", "-a", *(f"-D{define}" for define in defines), "iobus.pml"], folder)
        kind = LIVENESS if is_live else SHALLOW if run.breaks == "LOST" else SAFETY
        # What finds something ends soon; then compiling takes longest.
        call(["gcc", "-O2" if run.breaks is None else "-O1", "-w", *kind, "-DCOLLAPSE",
              "-DMEMLIM=3000", "-DVECTORSZ=1024", "-o", "pan", "pan.c"], folder)
        output = call(["./pan", "-m1000000", *(("-a", "-f") if is_live else ())], folder)
    except (OSError, ValueError) as error:
        return run, "did not run", "", str(error)
    states = re.search(r"^\s*([\d.e+]+) states, stored", output, re.M)
    figures = f"{int(float(states.group(1))) if states else 0:>9,} states, " \
              f"{time.monotonic() - started:5.1f} s"
    return run, judge(run, output), figures, output


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--build", required=True, help="folder for what is generated")
    parser.add_argument("--counts", help="file for the counts")
    options = parser.parse_args()
    build = os.path.abspath(options.build)
    failed = 0
    with concurrent.futures.ThreadPoolExecutor(max_workers=2) as pool:
        for run, wrong, figures, output in pool.map(lambda run: check(run, build), RUNS):
            duty = "holds" if run.breaks is None else f"caught, {run.breaks}"
            print(f"{'FAILED' if wrong else 'ok':<7} {run.name:<38} {wrong or duty:<19} {figures}",
                  flush=True)
            if wrong:
                failed += 1
                print(output)
    if options.counts is not None:
        with open(options.counts, "w", encoding="ascii") as file:
            json.dump({"passed": len(RUNS) - failed, "failed": failed}, file)
    print(f"{len(RUNS) - failed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
