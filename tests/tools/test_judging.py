# SPDX-License-Identifier: BSD-2-Clause
"""How tests/machine judges a serial log: what is right passes, and every way to be wrong is seen."""

import os
import sys
import unittest
from types import SimpleNamespace

import tool

sys.path.insert(0, os.path.join(tool.TOOLS, "..", "tests", "machine"))

# pylint: disable=wrong-import-position
import bench  # noqa: E402
import dialogue  # noqa: E402
import firmware  # noqa: E402
import guests  # noqa: E402

GOOD = """\
portcullis: guest first starts: flat 16-bit binary, 16 MiB
first: PASS one thing
first: PASS another
first: END checks 2, failed 0
portcullis: guest first ended: wrote to the debug exit port, exit code 1
portcullis: guest second starts: flat 16-bit binary, 16 MiB
second: FAIL one thing: got 0 want 1
"""


def failing(check):
    """GOOD, except the second check of the first guest, which is called so."""
    return (GOOD.replace("first: PASS another", f"first: FAIL {check}: got 0 want 1")
            .replace("failed 0", "failed 1").replace("exit code 1", "exit code 3"))


class GuestTest(unittest.TestCase):
    def assert_wrong(self, text, words):
        self.assertIn(words, "\n".join(guests.verdict(text, "first")))

    def test_good(self):
        self.assertEqual(guests.verdict(GOOD, "first"), [])

    def test_wrong(self):
        self.assert_wrong(GOOD.replace("first: PASS a", "first: FAIL a"), "FAIL another")
        self.assert_wrong(GOOD.replace("exit code 1", "exit code 3"), "exit code 3, not 1")
        self.assert_wrong(GOOD.replace("first: PASS", "second: PASS"), "no PASS line")
        self.assert_wrong(GOOD.replace("failed 0", "failed 1"), "no line END")
        self.assert_wrong(GOOD.replace("first: END", "second: END"), "no line END")
        self.assert_wrong(GOOD.replace("first ended", "second ended"), "did not end")
        self.assert_wrong(GOOD.replace("first starts", "first begins"), "never started")
        self.assert_wrong("", "never started")

    def test_expected_failures(self):
        text = failing("another: so")
        self.assertEqual(guests.verdict(text, "first", {"another: so": "why"}), [])
        for text, expected, words in (
                (text, ["other"], "FAIL another: so: got 0 want 1"),
                (text.replace("failed 1", "failed 2"), ["another: so"], "no line END"),
                (GOOD, ["another: so"], "no FAIL another: so, which is expected"),
                (GOOD, ["another: so"], "exit code 1, not 3")):
            self.assertIn(words, "\n".join(guests.verdict(text, "first", expected)))

    def test_end_of_the_machine(self):
        for expected, status, code, passed in ((None, 0, 1, 2), (None, 1, 3, 1),
                                               ({"first": ["another"]}, 1, 3, 2),
                                               ({"first": ["another"]}, 0, 1, 1)):
            text = GOOD if expected is None else failing("another")
            report = bench.Report("group")
            boot = SimpleNamespace(text=text, status=status, exit_code=code, result={})
            guests.judge(report, boot, ["first"], expected)
            self.assertEqual(report.passed, passed, report.text())

    def test_what_the_monitor_has_to_say(self):
        text = GOOD.replace("first", "reset")
        self.assertIn("came 0 times, not 3", "\n".join(guests.verdict(text, "reset")))
        text = text.replace("reset: END", "portcullis: guest reset resets\n" * 3 + "reset: END")
        self.assertEqual(guests.verdict(text, "reset"), [])


class ReportTest(unittest.TestCase):
    def test_counts(self):
        report = bench.Report("group")
        self.assertTrue(report.check("good", True, "detail"))
        self.assertTrue(report.equal("same", 1, 1))
        self.assertFalse(report.check("bad", None, "why\nso"))
        self.assertFalse(report.equal("other", 1, 2))
        self.assertEqual((report.passed, report.failed), (2, 2))
        self.assertEqual(report.text().split("\n"), [
            "ok   group: good", "ok   group: same", "FAIL group: bad", "       why", "       so",
            "FAIL group: other", "       got:  1", "       want: 2"])


class FirmwareTest(unittest.TestCase):
    def judge(self, text):
        report = bench.Report("group")
        numbers = firmware.check_refusal(report, "name", text, f"no {firmware.NUMBER} (of 5)")
        return report.passed, report.failed, numbers

    def test_refusal(self):
        text = f"portcullis: reading\nportcullis: no 7 (of 5)\nportcullis: {firmware.STILL_HERE}\n"
        self.assertEqual(self.judge(text), (1, 0, [7]))
        for wrong in (text.replace("no 7", "no  7"), text.replace("7", "x"),
                      text.replace("(of 5)", "(of 5)."), text.replace("nothing was", "all was"),
                      text.rsplit("\n", 2)[0], ""):
            self.assertEqual(self.judge(wrong)[:2], (0, 1), wrong)


class DialogueTest(unittest.TestCase):
    def test_shell(self):
        text = '~ # echo "@""sleep 1"; x; echo "@""."\n@sleep 1\na\nb\n@.\n~ # '
        self.assertEqual(dialogue.shell_answer(text, "sleep 1"), "a\nb\n")
        self.assertEqual(dialogue.shell_answer(text, "sleep"), "")

    def test_monitor(self):
        text = "portcullis> bus\none\nportcullis> bus\ntwo\nportcullis: machine off, exit code 0\n"
        self.assertEqual(dialogue.monitor_answer(text, "bus"), "one\n")
        self.assertEqual(dialogue.monitor_answer(text, "bus", 1), "two\n")
        self.assertEqual(dialogue.monitor_answer(text, "bus", 2), "")

    def test_bus_hits(self):
        answer = ("ports      addresses   device   hits  cycles cycles/hit\n"
                  "        20-21       i8259 master              33601         5611815      167\n"
                  "        92-92       port 92                       0               0        0\n"
                  "       cfa          unclaimed                 2 reads 37 writes\n")
        self.assertEqual(dialogue.bus_hits(answer), {"i8259 master": 33601, "port 92": 0})

    def test_interrupts(self):
        answer = "           CPU0\n  0:       6970    XT-PIC      timer\nERR:          0\n"
        self.assertEqual(dialogue.interrupt_counts(answer), {0: (6970, "XT-PIC      timer")})


if __name__ == "__main__":
    unittest.main()
