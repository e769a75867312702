#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""Prove what the annotations of the I/O bus claim, with Frama-C WP, z3 and cvc4.

run.py [--counts FILE] [--folder FOLDER]; run from the top of the tree, or with FOLDER another tree to
prove. What is proved is code that the monitor is built from: every function of vmm/iobus/flatten.[ch],
in vmm/iobus/lookup.h the search and the check of a guess. Below annotated/ this code stands once more,
with what is claimed of it; compare.py, run first, finds any difference. The files beside this one say
what follows. Not proved is what these functions are given: that layout.c sorts the
ranges and points and lays the arrays out apart and large enough; nor the rest of lookup.h: slots and
the tree, whose results are checked when used, and the poison.

Then each of a list of errors is put into a copy of the source, where the proof has to fail: a proof
that cannot fail shows nothing. Prints every goal that is not proved, and ends with "N passed, N
failed", which counts goals and errors; with --counts that goes as {"passed": N, "failed": N} to FILE.
Exit status 0 if there were goals, all were proved and all errors were caught.
"""

import argparse
import collections
import concurrent.futures
import functools
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time

import compare

HERE = os.path.dirname(os.path.abspath(__file__))
LOOKUP = "tests/proof/lookup.c"
FLATTEN = "tests/proof/flatten.c"
TABLE = "tests/proof/table.c"
ANNOTATED_FLATTEN = "tests/proof/annotated/vmm/iobus/flatten.c"
ANNOTATED_LOOKUP = "tests/proof/annotated/vmm/iobus/lookup.h"

# What is proved at a time: of a source, the functions that the options select.
Part = collections.namedtuple("Part", "name, source, options")
LONG = ("iobus_flatten", "append")
PARTS = (
    *(Part(f"{FLATTEN}, {function}", FLATTEN, ("-wp-fct", function)) for function in LONG),
    Part(f"{FLATTEN}, all else", FLATTEN, ("-wp-skip-fct", ",".join(LONG))),
    Part(LOOKUP, LOOKUP,
         ("-wp-fct", "iobus_clamp,iobus_step,iobus_search,iobus_covers,covering,guessed")),
    Part(TABLE, TABLE, ("-wp-fct", "answered")),
)
GOAL_SECONDS = 60
RUN_SECONDS = 1800
BIT_FACTS = os.path.join(HERE, "bits.smt2")
BIT_FACT_COUNT = 3

# source, function and goals (names as in the annotations; empty: all) are what is proved; in file, old
# becomes new.
Error = collections.namedtuple("Error", "name, source, function, goals, file, old, new")
ERRORS = (
    Error("the search halves too far", LOOKUP, "iobus_search", "", ANNOTATED_LOOKUP,
          "uint32_t half = count / 2;", "uint32_t half = count / 2 + 1;"),
    Error("the search drops one too many", LOOKUP, "iobus_search", "", ANNOTATED_LOOKUP,
          "count -= half;", "count -= half + 1;"),
    Error("a guess is off by one", LOOKUP, "guessed", "", "tests/proof/lookup.c",
          "iobus_covers(segments[guess].first, segments[guess].last - segments[guess].first,",
          "iobus_covers(segments[guess].first, segments[guess].last - segments[guess].first + 1,"),
    Error("a range closes at its last address", FLATTEN, "still_open", "", ANNOTATED_FLATTEN,
          "extents[top].last < address)", "extents[top].last <= address)"),
    Error("a partial overlap is let through", FLATTEN, "iobus_nest", "@requires",
          ANNOTATED_FLATTEN,
          "extents[i].last > extents[top].last ||",
          "extents[i].first == extents[top].last + 1 ||"),
    Error("ranges with the same end are refused", FLATTEN, "iobus_nest", "@ensures",
          ANNOTATED_FLATTEN,
          "extents[i].last > extents[top].last ||", "extents[i].last >= extents[top].last ||"),
    Error("a segment reaches into the next range", FLATTEN, "same_until", "", ANNOTATED_FLATTEN,
          "lower(last, extents[extent].first - 1)", "lower(last, extents[extent].first)"),
    Error("a range is read past the end", FLATTEN, "begun_at", "", ANNOTATED_FLATTEN,
          "while (extent < extent_count && ", "while ("),
    Error("a run of segments is too long", FLATTEN, "same_beyond", "", ANNOTATED_FLATTEN,
          "lower(next->last - next->first, 7) + 1", "lower(next->last - next->first, 7) + 2"),
    Error("a segment reaches over a point", FLATTEN, "until_point", "",
          ANNOTATED_FLATTEN, "point_addresses[point] - 1)", "point_addresses[point])"),
    Error("writes to a doorbell go past it", FLATTEN, "append", "written", ANNOTATED_FLATTEN,
          "segments[count].direct_sizes[1] = point == IOBUS_NONE ? sizes : 0;",
          "segments[count].direct_sizes[1] = sizes;"),
    Error("a start is not the segment's", FLATTEN, "append", "listed", ANNOTATED_FLATTEN,
          "starts[count] = first;", "starts[count] = last;"),
    Error("a segment is written over the one before", FLATTEN, "append", "kept_last",
          ANNOTATED_FLATTEN, "segments[count].last = last;",
          "segments[count > 0 ? count - 1 : 0].last = last;"),
    Error("what ended stays the innermost", FLATTEN, "iobus_flatten", "closed",
          ANNOTATED_FLATTEN,
          "top = still_open(extents, top, first) /*@ ghost (depth, extent) */;", ""),
    Error("a point is met again and again", FLATTEN, "iobus_flatten", "point_moves",
          ANNOTATED_FLATTEN, "            point++;", "            last = first;"),
    Error("segments overlap by one address", FLATTEN, "iobus_flatten", "next",
          ANNOTATED_FLATTEN, "for (;; first = last + 1) {", "for (;; first = last) {"),
    Error("a gap between ranges has no segment", FLATTEN, "iobus_flatten", "new_last",
          ANNOTATED_FLATTEN, "        append(starts, segments, count, first,",
          "        if (top != IOBUS_NONE) append(starts, segments, count, first,"),
    Error("the target is the range around the innermost", FLATTEN, "iobus_flatten", "targets",
          ANNOTATED_FLATTEN, "target_of(extents, top),",
          "target_of(extents, top == IOBUS_NONE ? top : extents[top].parent),"),
    Error("a segment is not counted", FLATTEN, "iobus_flatten", "counted", ANNOTATED_FLATTEN,
          "        count++;", "        count += point_count;"),
    Error("the space is left before its end", FLATTEN, "iobus_flatten", "@ensures",
          ANNOTATED_FLATTEN, "if (last == address_last)",
          "if (last == address_last || extent == extent_count)"),
    Error("the last segment is left out", FLATTEN, "measure_runs", "", ANNOTATED_FLATTEN,
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


def prove(source, options, folder, environment, goal_seconds):
    """(goals proved, goals, output); no goals if it did not come to its end."""
    # Frama-C looks for what is included in the folder where it is started, before all others.
    output, is_well = execute(
        ["frama-c", "-machdep", "gcc_x86_64",
         f"-cpp-extra-args=-I{folder}/{compare.ANNOTATED} -I{folder}",
         os.path.join(folder, source), "-wp", *options, "-wp-rte", "-wp-prover", "z3,cvc4",
         "-wp-timeout", str(goal_seconds), "-wp-par", "2"],
        os.path.join(folder, compare.ANNOTATED), environment)
    total = re.search(r"^\[wp\] Proved goals: +(\d+) / (\d+)$", output, re.M)
    if total is None or not is_well:
        return 0, 0, output
    return int(total[1]), int(total[2]), output


def prove_part(part, folder, environment):
    """(goals proved, goals not proved, what to show)."""
    passed, goals, output = prove(part.source, part.options, folder, environment, GOAL_SECONDS)
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
    """(1, 0, nothing) if the proof fails with the error and only for that, else (0, 1, what to show).
    """
    with tempfile.TemporaryDirectory() as copy:
        shutil.copytree(os.path.join(folder, "tests/proof"), os.path.join(copy, "tests/proof"))
        path = os.path.join(copy, error.file)
        with open(path, encoding="utf-8") as file:
            text = file.read()
        if text.count(error.old) != 1:
            return 0, 1, f"prove: {error.file} has not once: {error.old}\n"
        with open(path, "w", encoding="utf-8") as file:
            file.write(text.replace(error.old, error.new))
        selection = ("-wp-prop", error.goals) if error.goals else ()
        passed, goals, output = prove(error.source, ("-wp-fct", error.function, *selection), copy,
                                      environment, ERROR_GOAL_SECONDS)
    if goals == 0:
        return 0, 1, output
    if passed == goals:
        return 0, 1, "prove: it is proved all the same\n"
    return 1, 0, ""


def timed(task, folder, environment):
    started = time.monotonic()
    return *task(folder, environment), time.monotonic() - started


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--counts", help="file for the figures")
    parser.add_argument("--folder", default=os.getcwd(), help="the tree to prove")
    options = parser.parse_args()
    folder = os.path.abspath(options.folder)
    for text in compare.differences(folder):
        sys.exit(f"prove: {text}: what would be proved is not what is compiled")
    all_passed = all_failed = 0
    with tempfile.TemporaryDirectory() as home:
        environment = provers(home)
        tasks = [*((part.name, functools.partial(prove_part, part)) for part in PARTS),
                 ("tests/proof/bits.smt2", prove_bit_facts),
                 *((error.name, functools.partial(catch, error)) for error in ERRORS)]
        with concurrent.futures.ThreadPoolExecutor(max_workers=2) as pool:
            results = pool.map(lambda task: timed(task[1], folder, environment), tasks)
            for (name, _), (passed, failed, output, seconds) in zip(tasks, results):
                all_passed += passed
                all_failed += failed
                print(f"{'FAILED' if failed else 'ok':<7} {name}: {passed} passed, {failed} failed"
                      f" ({seconds:.1f} s)", flush=True)
                if output:
                    print(output)
    if options.counts is not None:
        with open(options.counts, "w", encoding="ascii") as file:
            json.dump({"passed": all_passed, "failed": all_failed}, file)
    print(f"{all_passed} passed, {all_failed} failed")
    return all_failed != 0 or all_passed == 0


if __name__ == "__main__":
    sys.exit(main())
