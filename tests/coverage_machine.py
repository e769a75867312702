#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""coverage_machine.py [--host DIR] [--missed PREFIX] BUILD GROUP...: what the monitor reached in an
emulator.

BUILD holds a monitor with the counters of gcc's --coverage, which it sends to the emulator's debug
port before it switches the machine off (tests/machine/coverage.c). Runs the GROUPs of
tests/machine/run.py with it, and prints a table by room: a line or branch is reached if it is in one
of the boots. --host: a build of `make coverage`, whose tests ran; then prints what these reach, what
the boots reach, and last what one or the other does. --missed: what is not reached of that below PREFIX.
Exit status: 0 done, 1 a check of a group failed, or a boot did not send its counts, 2 nothing to
measure.
"""

import argparse
import glob
import os
import re
import subprocess
import sys
from collections import defaultdict

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.realpath(__file__)))

# pylint: disable=wrong-import-position
import coverage  # noqa: E402

OBJECTS = "monitor"  # the folder of a build with the monitor's objects
# The emulator may print, too, before and after.
DUMP = re.compile(rb"^coverage begin\n(.*?)^coverage end (\d+) objects (\d+) bytes$", re.M | re.S)
OBJECT = re.compile(rb"object ([^\n]+)\n((?:[0-9a-f]{2})*)\n")


class Broken(Exception):
    """What a boot sent cannot be used; the text says why."""


def parse(data):
    """{name of the file with counters, as gcc chose it: content} of what came to a debug port."""
    dumps = DUMP.findall(data)
    if not dumps:
        raise Broken("it has no whole dump of counters: the monitor did not come to its end")
    text, count, size = dumps[-1]
    if OBJECT.sub(b"", text):
        raise Broken("its dump of counters has lines that are none of it")
    files = {name.decode("utf-8", "replace"): bytes.fromhex(digits.decode("ascii"))
             for name, digits in OBJECT.findall(text)}
    if len(files) != int(count) or sum(map(len, files.values())) != int(size):
        raise Broken(f"its dump has {len(files)} objects with {sum(map(len, files.values()))} bytes, "
                     f"and says {int(count)} with {int(size)}")
    return files


def place(build, name):
    """Where gcov looks for a file with counters: beside the notes of the same object. The name may
    begin with another folder, as objects come from a compiler's cache."""
    _, found, inner = name.partition(f"/{OBJECTS}/")
    path = os.path.join(build, OBJECTS, os.path.normpath(inner))
    notes = f"{os.path.splitext(path)[0]}.gcno"
    if not found or inner.startswith("/") or ".." in inner.split("/") or not os.path.exists(notes):
        raise Broken(f"it has counters of {name}, which is no object of this build")
    return path


def add(sources, build, path):
    """Adds what one boot sent, a file, to sources."""
    with open(path, "rb") as file:
        files = parse(file.read())
    for old in glob.glob(os.path.join(build, OBJECTS, "**", "*.gcda"), recursive=True):
        os.unlink(old)
    for name, content in files.items():
        with open(place(build, name), "wb") as file:
            file.write(content)
    coverage.read(build, sources)


def boot(build, groups):
    """Runs the groups. (exit status, the files that the boots left)."""
    pattern = os.path.join(build, "test", "*.coverage")
    for old in glob.glob(pattern):
        os.unlink(old)
    runner = os.path.join(coverage.ROOT, "tests", "machine", "run.py")
    result = subprocess.run([sys.executable, runner, "--build", build, "--covered", *groups],
                            check=False)
    return result.returncode, sorted(glob.glob(pattern))


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n", maxsplit=1)[0])
    parser.add_argument("--host", metavar="DIR")
    parser.add_argument("--missed", metavar="PREFIX")
    parser.add_argument("build", metavar="BUILD")
    parser.add_argument("groups", metavar="GROUP", nargs="+")
    arguments = parser.parse_args()
    build = os.path.abspath(arguments.build)
    status, paths = boot(build, arguments.groups)
    machine = defaultdict(coverage.Source)
    for path in paths:
        try:
            add(machine, build, path)
        except Broken as error:
            print(f"coverage_machine.py: {path}: {error}", file=sys.stderr)
            status = 1
    if not machine:
        print("coverage_machine.py: no boot sent counters", file=sys.stderr)
        return 2
    both = machine
    if arguments.host is not None:
        both = coverage.read(os.path.abspath(arguments.host))
        coverage.print_table(both, "by host tests")
        for path, source in machine.items():
            both[path].merge(source)
        coverage.print_table(machine, "in the machine")
    if arguments.missed is not None:
        coverage.print_missed(both, arguments.missed)
    coverage.print_table(both, "by one or the other")
    return status


if __name__ == "__main__":
    sys.exit(main())
