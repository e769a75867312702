#!/usr/bin/python3
"""Prove what the annotations of the I/O bus claim, with Frama-C WP, z3 and cvc4.

run.py [--counts FILE] [--folder FOLDER]; run from the top of the tree, or with FOLDER another tree to
prove. What is proved is the source that the monitor is built from: vmm/iobus/lookup.h and
vmm/iobus/flatten.[ch]; the files beside this one say what follows from them. Then each of a list of
errors is put into a copy of the source, where the proof has to fail: a proof that cannot fail shows
nothing. Prints every goal that is not proved, and ends with "N passed, N failed", which counts goals
and errors; with --counts that goes as {"passed": N, "failed": N} to FILE. Exit status 0 if there
were goals, all were proved and all errors were caught.
"""

import argparse
import collections
import concurrent.futures
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
LOOKUP = "tests/proof/lookup.c"
FLATTEN = "tests/proof/flatten.c"
# The functions that are proved. The loop of iobus_flatten itself is not among them.
SOURCES = {
    LOOKUP: "iobus_clamp,iobus_step,iobus_search,iobus_covers,covering,guessed",
    FLATTEN: "still_open,open_extent,iobus_nest,lower,same_beyond,measure_runs,begun_at,same_until,"
             "iobus_segments_max",
}
GOAL_SECONDS = 20
RUN_SECONDS = 600
BIT_FACTS = os.path.join(HERE, "bits.smt2")
BIT_FACT_COUNT = 3

# source and function: what is proved; in file, old becomes new.
Error = collections.namedtuple("Error", "name, source, function, file, old, new")
ERRORS = (
    Error("the search halves too far", LOOKUP, "iobus_search", "vmm/iobus/lookup.h",
          "uint32_t half = count / 2;", "uint32_t half = count / 2 + 1;"),
    Error("the search drops one too many", LOOKUP, "iobus_search", "vmm/iobus/lookup.h",
          "count -= half;", "count -= half + 1;"),
    Error("a guess is off by one", LOOKUP, "guessed", "tests/proof/lookup.c",
          "iobus_covers(segments[guess].first, segments[guess].last - segments[guess].first,",
          "iobus_covers(segments[guess].first, segments[guess].last - segments[guess].first + 1,"),
    Error("a range closes at its last address", FLATTEN, "still_open", "vmm/iobus/flatten.c",
          "extents[top].last < address)", "extents[top].last <= address)"),
    Error("a partial overlap is let through", FLATTEN, "iobus_nest", "vmm/iobus/flatten.c",
          "extents[i].last > extents[top].last ||",
          "extents[i].first == extents[top].last + 1 ||"),
    Error("ranges with the same end are refused", FLATTEN, "iobus_nest", "vmm/iobus/flatten.c",
          "extents[i].last > extents[top].last ||", "extents[i].last >= extents[top].last ||"),
    Error("a segment reaches into the next range", FLATTEN, "same_until", "vmm/iobus/flatten.c",
          "lower(last, extents[extent].first - 1)", "lower(last, extents[extent].first)"),
    Error("a range is read past the end", FLATTEN, "begun_at", "vmm/iobus/flatten.c",
          "while (extent < extent_count && ", "while ("),
    Error("a run of segments is too long", FLATTEN, "same_beyond", "vmm/iobus/flatten.c",
          "lower(next->last - next->first, 7) + 1", "lower(next->last - next->first, 7) + 2"),
    Error("the last segment is left out", FLATTEN, "measure_runs", "vmm/iobus/flatten.c",
          "segments[count - 1].beyond_bytes = 0;", ""),
)
ERROR_GOAL_SECONDS = 5


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


def provers(home):
    """The environment for Frama-C. Which provers there are is kept in the user's settings: ours are
    our own. Models that refute a quantified formula are not asked of z3: it spends its time on them,
    where instances of the hypotheses would do."""
    settings = os.path.join(home, "why3.conf")
    environment = {**os.environ, "HOME": home, "WHY3CONFIG": settings}
    output, is_well = execute(["why3", "config", "detect"], home, environment)
    if not is_well:
        sys.exit(output + "prove: why3 found no prover")
    z3 = shutil.which("z3")
    if z3 is None:
        sys.exit("prove: z3 is not installed; `make deps` installs it")
    wrapper = os.path.join(home, "z3")
    with open(wrapper, "w", encoding="ascii") as file:
        file.write(f'#!/bin/sh\nexec {z3} smt.auto_config=false smt.mbqi=false "$@"\n')
    os.chmod(wrapper, 0o755)
    with open(settings, encoding="utf-8") as file:
        text = file.read()
    with open(settings, "w", encoding="utf-8") as file:
        file.write(re.sub(r'^path = ".*/z3"$', f'path = "{wrapper}"', text, flags=re.M))
    return environment


def prove(source, functions, folder, environment, goal_seconds, parallel):
    """(goals proved, goals, output); no goals if it did not come to its end."""
    output, is_well = execute(
        ["frama-c", "-machdep", "gcc_x86_64", f"-cpp-extra-args=-I{folder}",
         os.path.join(folder, source), "-wp", "-wp-fct", functions, "-wp-rte", "-wp-prover",
         "z3,cvc4", "-wp-timeout", str(goal_seconds), "-wp-par", str(parallel)],
        folder, environment)
    total = re.search(r"^\[wp\] Proved goals: +(\d+) / (\d+)$", output, re.M)
    if total is None or not is_well:
        return 0, 0, output
    return int(total[1]), int(total[2]), output


def prove_source(source, folder, environment):
    """(goals proved, goals not proved, what to show)."""
    passed, goals, output = prove(source, SOURCES[source], folder, environment, GOAL_SECONDS, 2)
    if goals == 0:
        return 0, 1, output
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


def catch(error, folder, environment):
    """None if the proof fails with the error and only for that, else what to show."""
    with tempfile.TemporaryDirectory() as copy:
        for part in ("vmm/iobus", "tests/proof"):
            shutil.copytree(os.path.join(folder, part), os.path.join(copy, part))
        path = os.path.join(copy, error.file)
        with open(path, encoding="utf-8") as file:
            text = file.read()
        if text.count(error.old) != 1:
            return f"prove: {error.file} has not once: {error.old}\n"
        with open(path, "w", encoding="utf-8") as file:
            file.write(text.replace(error.old, error.new))
        passed, goals, output = prove(error.source, error.function, copy, environment,
                                      ERROR_GOAL_SECONDS, 1)
    if goals == 0:
        return output
    return None if passed < goals else "prove: it is proved all the same\n"


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--counts", help="file for the figures")
    parser.add_argument("--folder", default=os.getcwd(), help="the tree to prove")
    options = parser.parse_args()
    folder = os.path.abspath(options.folder)
    all_passed = all_failed = 0
    with tempfile.TemporaryDirectory() as home:
        environment = provers(home)
        tasks = [(source, lambda source=source: prove_source(source, folder, environment))
                 for source in SOURCES]
        tasks.append(("tests/proof/bits.smt2", lambda: prove_bit_facts(folder, environment)))
        for name, task in tasks:
            started = time.monotonic()
            passed, failed, output = task()
            all_passed += passed
            all_failed += failed
            print(f"{'FAILED' if failed else 'ok':<7} {name}: {passed} proved, {failed} not"
                  f" ({time.monotonic() - started:.1f} s)", flush=True)
            if failed:
                print(output)
        with concurrent.futures.ThreadPoolExecutor(max_workers=2) as pool:
            shown = pool.map(lambda error: catch(error, folder, environment), ERRORS)
            for error, output in zip(ERRORS, shown):
                print(f"{'FAILED' if output else 'ok':<7} {error.name}:"
                      f" {'not caught' if output else 'caught'}", flush=True)
                if output:
                    all_failed += 1
                    print(output)
                else:
                    all_passed += 1
    if options.counts is not None:
        with open(options.counts, "w", encoding="ascii") as file:
            json.dump({"passed": all_passed, "failed": all_failed}, file)
    print(f"{all_passed} passed, {all_failed} failed")
    return all_failed != 0 or all_passed == 0


if __name__ == "__main__":
    sys.exit(main())
