#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""Tests of tests/coverage_machine.py: what it takes out of a debug port's bytes, and what it refuses."""

import os
import sys
import tempfile
import unittest
from unittest import mock

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), ".."))

# pylint: disable=wrong-import-position
import coverage  # noqa: E402
import coverage_machine  # noqa: E402

NAME = "/elsewhere/build/coverage-machine/monitor/vmm/a/a.gcda"


def dump(*objects, count=None, size=None):
    """What the monitor sends for (name, content) of each object."""
    lines = [f"object {name}\n{content.hex()}\n" for name, content in objects]
    count = len(objects) if count is None else count
    size = sum(len(content) for _, content in objects) if size is None else size
    return ("\ncoverage begin\n" + "".join(lines)
            + f"coverage end {count} objects {size} bytes\n").encode()


class ParseTest(unittest.TestCase):
    def refused(self, data, words):
        with self.assertRaisesRegex(coverage_machine.Broken, words):
            coverage_machine.parse(data)

    def test_objects(self):
        objects = {NAME: b"adcg\0\xff", "/x/monitor/b.gcda": b"1234", "/x/monitor/c.gcda": b""}
        self.assertEqual(objects, coverage_machine.parse(dump(*objects.items())))

    def test_text_around_it(self):
        data = b"00000000000i[      ] Bochs\xff" + dump((NAME, b"adcg")) + b"Next at t=4242\n"
        self.assertEqual({NAME: b"adcg"}, coverage_machine.parse(data))

    def test_last_one_counts(self):
        data = dump((NAME, b"old")) + dump((NAME, b"new"))
        self.assertEqual({NAME: b"new"}, coverage_machine.parse(data))

    def test_none(self):
        self.refused(b"", "did not come to its end")
        self.refused(b"Next at t=4242\n", "did not come to its end")

    def test_cut_off(self):
        data = dump((NAME, b"adcg"))
        for length in range(len(data) - len(" bytes\n")):
            self.refused(data[:length], "no whole dump")

    def test_something_in_between(self):
        data = dump((NAME, b"adcg"), (NAME + "2", b"adcg"))
        self.refused(data.replace(b"\nobject", b"\nwords\nobject", 2), "none of it")
        self.refused(data.replace(b"61646367", b"6164636", 1), "none of it")

    def test_lost_bytes(self):
        self.refused(dump((NAME, b"adcg"), size=5), "1 objects with 4 bytes")
        self.refused(dump((NAME, b"adcg"), count=2), "1 objects with 4 bytes")
        self.refused(dump((NAME, b"adcg"), (NAME, b"adcg")), "1 objects with 4 bytes")


class PlaceTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.build = folder.name
        os.makedirs(os.path.join(self.build, "monitor", "vmm", "a"))
        for name in ("monitor/vmm/a/a.gcno", "monitor/vmm/a/a.gcda", "outside.gcno"):
            with open(os.path.join(self.build, name), "wb"):
                pass

    def path(self, *names):
        return os.path.join(self.build, *names)

    def test_own_object(self):
        self.assertEqual(self.path("monitor", "vmm", "a", "a.gcda"),
                         coverage_machine.place(self.build, NAME))

    def test_no_object_of_this_build(self):
        for name in ("/x/monitor/vmm/a/b.gcda", "/x/monitor/../outside.gcda", "/x/outside.gcda",
                     f"/x/monitor/{self.build}/outside.gcda", "", "a.gcda"):
            with self.assertRaisesRegex(coverage_machine.Broken, "no object of this build"):
                coverage_machine.place(self.build, name)

    def test_a_boot_replaces_what_another_has_left(self):
        path = self.path("debug-port")
        with open(path, "wb") as file:
            file.write(dump((NAME, b"adcg")))
        with mock.patch.object(coverage, "read") as read:
            coverage_machine.add({}, self.build, path)
        read.assert_called_once_with(self.build, {})
        with open(self.path("monitor", "vmm", "a", "a.gcda"), "rb") as file:
            self.assertEqual(b"adcg", file.read())
        with open(path, "wb") as file:
            file.write(dump())
        with mock.patch.object(coverage, "read"):
            coverage_machine.add({}, self.build, path)
        self.assertFalse(os.path.exists(self.path("monitor", "vmm", "a", "a.gcda")))


if __name__ == "__main__":
    unittest.main()
