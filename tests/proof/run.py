#!/usr/bin/python3
"""Prove what the annotations in vmm/iobus/lookup.h claim, with Frama-C WP, z3 and cvc4.

run.py [--counts FILE] [--folder FOLDER]; run from the top of the tree, or with FOLDER another tree to
prove. What is proved is the source that the monitor is built from. Prints every goal that is not
proved, and ends with "N passed, N failed", which counts goals; with --counts that goes as
{"passed": N, "failed": N} to FILE. Exit status 0 if there were goals and all were proved.
"""

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
# The functions that are proved. Flattening is not among them.
SOURCES = {
    os.path.join(HERE, "lookup.c"): "iobus_clamp,iobus_step,iobus_search",
}
GOAL_SECONDS = 20
RUN_SECONDS = 900
BIT_FACTS = os.path.join(HERE, "bits.smt2")
BIT_FACT_COUNT = 3


def execute(words, folder, environment):
    """What it printed, and whether it came to its end by itself and well."""
    try:
        result = subprocess.run(words, cwd=folder, env=environment, stdout=subprocess.PIPE,
                                stderr=subprocess.STDOUT, text=True, errors="replace",
                                timeout=RUN_SECONDS, check=False)
    except FileNotFoundError:
        sys.exit(f"prove: {words[0]} is not installed; `make deps` installs it")
    except subprocess.TimeoutExpired:
        return f"prove: {words[0]} took more than {RUN_SECONDS} s\n", False
    return result.stdout, result.returncode == 0


def prove_source(source, folder, environment):
    """(goals proved, goals not proved, what to show)."""
    output, is_well = execute(
        ["frama-c", "-machdep", "gcc_x86_64", f"-cpp-extra-args=-I{folder}", source, "-wp",
         "-wp-fct", SOURCES[source],
         "-wp-rte", "-wp-prover", "z3,cvc4", "-wp-timeout", str(GOAL_SECONDS), "-wp-par", "2"],
        folder, environment)
    total = re.search(r"^\[wp\] Proved goals: +(\d+) / (\d+)$", output, re.M)
    if total is None or not is_well or int(total[2]) == 0:
        return 0, 1, output
    passed, goals = map(int, total.groups())
    # A call whose contract is missing or a construct that it does not know weakens the proof.
    warnings = re.findall(r"^\[(?:wp|kernel)[^]]*\] .*[Ww]arning:.*(?:\n  .*)*", output, re.M)
    if passed == goals and not warnings:
        return passed, 0, ""
    return passed, goals - passed + len(warnings), output


def prove_bit_facts(folder, environment):
    output, is_well = execute(["z3", BIT_FACTS], folder, environment)
    answers = output.split()
    passed = answers.count("unsat")
    if is_well and answers == ["unsat"] * BIT_FACT_COUNT:
        return passed, 0, ""
    return passed, max(1, BIT_FACT_COUNT - passed), output


def main():
    parser = argparse.ArgumentParser(add_help=False)
    parser.add_argument("--counts")
    parser.add_argument("--folder", default=os.getcwd())
    options = parser.parse_args()
    folder = os.path.abspath(options.folder)
    all_passed = all_failed = 0
    with tempfile.TemporaryDirectory() as home:
        # Which provers there are is kept in the user's settings: ours are our own.
        environment = {**os.environ, "HOME": home, "WHY3CONFIG": os.path.join(home, "why3.conf")}
        output, is_well = execute(["why3", "config", "detect"], folder, environment)
        if not is_well:
            sys.exit(output + "prove: why3 found no prover")
        tasks = [(source, lambda source=source: prove_source(source, folder, environment))
                 for source in SOURCES]
        tasks.append((BIT_FACTS, lambda: prove_bit_facts(folder, environment)))
        for name, task in tasks:
            started = time.monotonic()
            passed, failed, output = task()
            all_passed += passed
            all_failed += failed
            print(f"{'FAIL' if failed else 'ok  '} {os.path.relpath(name, folder)}: {passed} proved,"
                  f" {failed} not ({time.monotonic() - started:.1f} s)", flush=True)
            if failed:
                print(output)
    if options.counts is not None:
        with open(options.counts, "w", encoding="ascii") as file:
            json.dump({"passed": all_passed, "failed": all_failed}, file)
    print(f"{all_passed} passed, {all_failed} failed")
    return all_failed != 0 or all_passed == 0


if __name__ == "__main__":
    sys.exit(main())
