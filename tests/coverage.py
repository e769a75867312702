#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""coverage.py [--floors FILE [--counts FILE]] [--missed PREFIX] BUILD: what host tests reached.

BUILD holds objects compiled with gcc's --coverage, after the tests ran. A source that several objects
have counts once: a line or branch is reached if it is in one of them. Prints a table by room, and with
--missed the lines and branches of files below PREFIX that were not reached. --floors: a file of lines
"PREFIX lines N branches N": what is below PREFIX has to reach so many per cent. Then ends with "N
passed, N failed", one for each floor, which --counts writes to a file as {"passed": N, "failed": N}.
Exit status: 0 all floors are reached, 1 not all, 2 nothing to measure.
"""

import argparse
import concurrent.futures
import json
import os
import subprocess
import sys
from collections import defaultdict

ROOT = os.path.realpath(os.path.join(os.path.dirname(os.path.realpath(__file__)), ".."))
ROOMS = ("vmm", "arch/x86", "boot")


def notes(build):
    """The files in which gcc noted the lines of each object."""
    for folder, _, files in os.walk(build):
        yield from (os.path.join(folder, name) for name in files if name.endswith(".gcno"))


def measure(note):
    """What gcov says of one object, as a list of files."""
    result = subprocess.run(["gcov", "--json-format", "--stdout", "--branch-probabilities", note],
                            cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=True)
    return [file for line in result.stdout.splitlines() for file in json.loads(line)["files"]]


class Source:
    """The counts of one file, of all objects together."""

    def __init__(self):
        self.lines = defaultdict(int)      # number: executions
        self.branches = {}                 # line: executions of each branch

    def add(self, file):
        """Adds what gcov says of the file in one object."""
        for line in file["lines"]:
            self._add_line(line["line_number"], line["count"],
                           [branch["count"] for branch in line["branches"]])

    def merge(self, other):
        """Adds the counts of another Source of the same file."""
        for number, count in other.lines.items():
            self._add_line(number, count, other.branches.get(number, []))

    def _add_line(self, number, count, counts):
        self.lines[number] += count
        before = self.branches.get(number, [])
        if len(before) == len(counts):
            counts = [a + b for a, b in zip(before, counts)]
        elif len(before) > len(counts):
            counts = before
        if counts:
            self.branches[number] = counts

    def figures(self):
        """(lines, lines reached, branches, branches reached)."""
        branches = [count for counts in self.branches.values() for count in counts]
        return (len(self.lines), sum(count > 0 for count in self.lines.values()),
                len(branches), sum(count > 0 for count in branches))


def read(build, sources=None):
    """{path: Source} of the rooms' sources. Adds to sources if there are such already."""
    sources = defaultdict(Source) if sources is None else sources
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        for files in pool.map(measure, sorted(notes(build))):
            for file in files:
                path = os.path.relpath(os.path.join(ROOT, file["file"]), ROOT)
                if path.startswith(tuple(room + "/" for room in ROOMS)):
                    sources[path].add(file)
    return sources


def total(sources, prefix):
    figures = [0, 0, 0, 0]
    for path, source in sources.items():
        if path == prefix or path.startswith(prefix.rstrip("/") + "/"):
            figures = [a + b for a, b in zip(figures, source.figures())]
    return figures


def percent(reached, count):
    return 100.0 if count == 0 else 100.0 * reached / count


def print_row(name, figures):
    lines, lines_hit, branches, branches_hit = figures
    print(f"{name:24}{lines:8}{percent(lines_hit, lines):9.1f}%{branches:10}"
          f"{percent(branches_hit, branches):9.1f}%")


def print_table(sources, title="room"):
    """Prints lines and branches by room, and of all rooms together."""
    rooms = sorted({os.path.dirname(path) for path in sources})
    print(f"{title:24}{'lines':>8}{'reached':>10}{'branches':>10}{'reached':>10}")
    for room in rooms:
        own = {path: source for path, source in sources.items() if os.path.dirname(path) == room}
        print_row(room, total(own, room))
    print_row("all", [sum(column) for column in zip(*(total(sources, room) for room in ROOMS))])


def print_missed(sources, prefix):
    for path in sorted(path for path in sources if path.startswith(prefix)):
        source = sources[path]
        for number in sorted(source.lines):
            branches = source.branches.get(number, [])
            if source.lines[number] == 0:
                print(f"{path}:{number}: not reached")
            elif 0 in branches:
                print(f"{path}:{number}: {branches.count(0)} of {len(branches)} branches not taken")


def check_floors(sources, floors, counts):
    passed = failed = 0
    with open(floors, encoding="ascii") as file:
        rows = [line.split() for line in file if line.strip() and not line.startswith("#")]
    for prefix, _, lines_floor, _, branches_floor in rows:
        lines, lines_hit, branches, branches_hit = total(sources, prefix)
        reached = percent(lines_hit, lines), percent(branches_hit, branches)
        good = lines > 0 and reached[0] >= float(lines_floor) and reached[1] >= float(branches_floor)
        passed, failed = passed + good, failed + (not good)
        print(f"{'ok  ' if good else 'FAIL'} {prefix}: {reached[0]:.1f} % of lines (floor "
              f"{lines_floor}), {reached[1]:.1f} % of branches (floor {branches_floor})")
    if counts is not None:
        with open(counts, "w", encoding="ascii") as file:
            json.dump({"passed": passed, "failed": failed}, file)
    print(f"{passed} passed, {failed} failed")
    return failed


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--floors", metavar="FILE")
    parser.add_argument("--counts", metavar="FILE")
    parser.add_argument("--missed", metavar="PREFIX")
    parser.add_argument("build", metavar="BUILD")
    arguments = parser.parse_args()
    sources = read(os.path.abspath(arguments.build))
    if not sources:
        print(f"coverage.py: no objects with --coverage below {arguments.build}", file=sys.stderr)
        return 2
    if arguments.missed is not None:
        print_missed(sources, arguments.missed)
    print_table(sources)
    if arguments.floors is None:
        return 0
    return 1 if check_floors(sources, arguments.floors, arguments.counts) else 0


if __name__ == "__main__":
    sys.exit(main())
