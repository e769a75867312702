# SPDX-License-Identifier: BSD-2-Clause
"""How tests/machine judges what Debian says: what is right passes, and what is wrong is seen."""

import hashlib
import os
import sys
import unittest

import tool

sys.path.insert(0, os.path.join(tool.TOOLS, "..", "tests", "machine"))

# pylint: disable=wrong-import-position
import bench  # noqa: E402
import debian  # noqa: E402
import debian_smp  # noqa: E402

BEFORE = """\
           CPU0       CPU1       
  4:         90          0   IO-APIC   4-edge      ttyS0
LOC:       5763       1334   Local timer interrupts
RES:         29         45   Rescheduling interrupts
CAL:          0          9   Function call interrupts
ERR:          0
MIS:          0
"""
AFTER = BEFORE.replace(" 90", " 98").replace("1334", "1335").replace("5763", "5764")


def answer(name, text):
    return f"@{name}\n{text}@.\n"


class InterruptsTest(unittest.TestCase):
    def judge(self, after, before=BEFORE, cpus=2):
        report = bench.Report("group")
        debian_smp.check_interrupts(report, answer("before", before) + answer("after", after), cpus)
        return [line for line in report.lines if line.startswith("FAIL")]

    def test_rows(self):
        rows = debian.interrupts(AFTER)
        self.assertEqual(rows["4"], ([98, 0], "IO-APIC   4-edge      ttyS0"))
        self.assertEqual(rows["LOC"], ([5764, 1335], "Local timer interrupts"))
        self.assertEqual(rows["ERR"], ([0], ""))
        self.assertEqual(set(rows), {"4", "LOC", "RES", "CAL", "ERR", "MIS"})

    def test_good(self):
        self.assertEqual(self.judge(AFTER), [])

    def test_wrong(self):
        self.assertEqual(len(self.judge(AFTER, cpus=4)), 1)
        for wrong, words in ((AFTER.replace("1335", "1334"), "timer"),
                             (AFTER.replace("IO-APIC ", "XT-PIC  "), "line"),
                             (AFTER.replace(" 98", " 90"), "line 4"),
                             (AFTER.replace("RES:         29         45",
                                            "RES:          0          0"), "RES"),
                             (AFTER.replace("ERR:          0", "ERR:          1"), "ERR"),
                             ("", "timer")):
            self.assertIn(words, "\n".join(self.judge(wrong)), wrong)


class WorkTest(unittest.TestCase):
    def setUp(self):
        data = "".join(f"{line}\n" for line in range(1, debian_smp.DATA_LINES + 1)).encode()
        sums = sorted((hashlib.sha256(data).hexdigest(), hashlib.md5(data).hexdigest()))
        self.result = " ".join(f"{debian_smp.ROUNDS} {digest} -" for digest in sums)

    def failed(self, text):
        report = bench.Report("group")
        debian_smp.check_work(report, answer("work", text), "work", 2)
        return report.failed

    def test_work(self):
        good = f"1 1 {self.result}\n0 0 {self.result}\n"
        self.assertEqual(self.failed(good), 0)
        for wrong in (good.replace("1 1", "1 0"), good.split("\n", maxsplit=1)[0] + "\n",
                      good[:-10] + "x" + good[-9:], good + good, ""):
            self.assertEqual(self.failed(wrong), 1, wrong)

    def test_busy(self):
        before = debian_smp.busy_ticks("cpu0 10 0 3 4\ncpu1 20 0 3 4\n")
        self.assertEqual(before, [10, 20])
        self.assertTrue(debian_smp.grew(before, [11, 21], 2))
        self.assertFalse(debian_smp.grew(before, [11, 20], 2))
        self.assertFalse(debian_smp.grew(before, [11, 21], 4))
        self.assertFalse(debian_smp.grew([], [], 1))


class MessagesTest(unittest.TestCase):
    def test_suspicious(self):
        for line in ("<4>[    1.0] anything", "<3>[    1.0] anything", "<12>[    1.0] by a process",
                     "<6>[    1.0] clocksource: tsc unstable", "<6>[    1.0] it Failed"):
            self.assertTrue(debian.is_suspicious(line), line)
        for line in ("<6>[    1.0] anything", "<5>[    1.0] anything", "<14>[    1.0] debugging",
                     "[    1.0] <4> anything"):
            self.assertFalse(debian.is_suspicious(line), line)

    def test_errors(self):
        good = "<5>[    0.0] Linux version 6\n<6>[    1.0] Run /init as init process\n"
        allowed = "<4>[    0.5] RETBleed: WARNING: Spectre v2 mitigation leaves CPU vulnerable to " \
                  "RETBleed attacks, data leaks possible!\n"
        for text, failed in ((good, 0), (good + allowed, 0),
                             (good + "<4>[    0.5] RETBleed\n", 1), ("", 1),
                             (good.replace("Linux version", "x"), 1)):
            report = bench.Report("group")
            debian.check_errors(report, answer("dmesg", text))
            self.assertEqual(report.failed, failed, text)

    def test_unanswered(self):
        text = answer("one", "1\n") + "@two\n2\n"
        self.assertIsNone(debian.first_unanswered(text, ["one"]))
        self.assertEqual(debian.first_unanswered(text, ["one", "two"]), "two")


if __name__ == "__main__":
    unittest.main()
