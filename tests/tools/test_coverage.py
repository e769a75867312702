#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""Tests of tests/coverage.py: how objects are merged, and when a floor is not reached."""

import json
import os
import sys
import tempfile
import unittest
from contextlib import redirect_stdout
from io import StringIO

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), ".."))

# pylint: disable=wrong-import-position
import coverage  # noqa: E402


def file(*lines):
    """What gcov says of a file: (number, count, [count of each branch])."""
    return {"lines": [{"line_number": number, "count": count,
                       "branches": [{"count": branch} for branch in branches]}
                      for number, count, branches in lines]}


class CoverageTest(unittest.TestCase):
    def setUp(self):
        self.source = coverage.Source()
        self.source.add(file((1, 5, [5, 0]), (2, 0, [])))

    def floors(self, text):
        with tempfile.TemporaryDirectory() as folder:
            names = [os.path.join(folder, name) for name in ("floors", "counts")]
            with open(names[0], "w", encoding="ascii") as floors:
                floors.write(text)
            with redirect_stdout(StringIO()) as output:
                failed = coverage.check_floors({"vmm/a/a.c": self.source}, *names)
            with open(names[1], encoding="ascii") as counts:
                return failed, json.load(counts), output.getvalue()

    def test_one_object(self):
        self.assertEqual((2, 1, 2, 1), self.source.figures())

    def test_another_object_reaches_the_rest(self):
        self.source.add(file((1, 1, [0, 1]), (2, 3, [])))
        self.assertEqual((2, 2, 2, 2), self.source.figures())

    def test_other_branches_do_not_replace_more(self):
        self.source.add(file((1, 1, []), (2, 0, [])))
        self.assertEqual((2, 1, 2, 1), self.source.figures())

    def test_merged_sources(self):
        other = coverage.Source()
        other.add(file((1, 1, [0, 1]), (2, 0, []), (3, 1, [1, 0, 0])))
        self.source.merge(other)
        self.assertEqual((3, 2, 5, 3), self.source.figures())
        self.assertEqual([5, 1], self.source.branches[1])

    def test_floor_that_is_reached(self):
        failed, counts, output = self.floors("# comment\nvmm lines 50 branches 50\n")
        self.assertEqual((0, {"passed": 1, "failed": 0}), (failed, counts))
        self.assertIn("ok   vmm: 50.0 % of lines", output)

    def test_floor_that_is_not(self):
        failed, counts, output = self.floors("vmm/a lines 51 branches 50\nvmm lines 50 branches 51\n")
        self.assertEqual((2, {"passed": 0, "failed": 2}), (failed, counts))
        self.assertIn("FAIL vmm/a", output)

    def test_floor_for_nothing_fails(self):
        self.assertEqual(1, self.floors("boot lines 0 branches 0\n")[0])

    def test_neighbour_with_the_same_beginning(self):
        self.assertEqual([0, 0, 0, 0], coverage.total({"vmm/ab/a.c": self.source}, "vmm/a"))


if __name__ == "__main__":
    unittest.main()
