#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""The parts of bench/exits that read: figures, the debugger's listing, budgets."""

import os
import sys
import tempfile
import types
import unittest
from unittest import mock

sys.dont_write_bytecode = True
ROOT = os.path.join(os.path.dirname(os.path.realpath(__file__)), "..", "..")
sys.path.insert(0, os.path.join(ROOT, "tests", "machine"))
sys.path.insert(0, os.path.join(ROOT, "bench", "exits"))

# pylint: disable=wrong-import-position
import boot  # noqa: E402
import budgets  # noqa: E402
import exit_trace  # noqa: E402
import operations  # noqa: E402
# Several programs here are called run: pylint may look at another one.
# pylint: disable=too-many-function-args,no-value-for-parameter,no-member
import run  # noqa: E402

REPORTED = """\
exits: BENCH empty 5 5 5 5
exits: BENCH cpuid 20d 20e 20f 88e
exits: BENCH pic-out 2e9
exits: PASS every round was counted
"""
LISTING = """\
Next at t=0
(0).[729592784] [0x00003e067b31] 0000:000000003e067b31 (unk. ctxt): pause ; f390
Next at t=757706261
(0) [0x00003d00accf] 0018:000000000000accf (unk. ctxt): rdtsc ; 0f31
Tracing enabled for CPU0
(0).[757706261] [0x00003d00accf] 0018:000000000000accf (unk. ctxt): rdtsc ; 0f31
(0).[757706266] [0x00003d00acdc] 0018:000000000000acdc (unk. ctxt): cpuid ; 0fa2
CPU0:
rax: 00000000_0000000a
rcx: 00000000_00004402
rip: 00000000_3e081ded
eflags 0x00000002: id vip vif
(0).[757706267] [0x00003e081ded] 0008:000000003e081ded (unk. ctxt): vmread rax, rcx ; 0f78c8
CPU0:
rax: 00000000_0000001e
rcx: 00000000_00002806
(0).[757706268] [0x00003e081df0] 0008:000000003e081df0 (unk. ctxt): vmwrite rcx, rax ; 0f79c8
(0).[757706269] [0x00003e081df3] 0008:000000003e081df3 (unk. ctxt): vmread rax, rcx ; 0f78c8
Next at t=757706270
Tracing disabled for CPU0
Next at t=757706300
Tracing enabled for CPU0
(0).[757706301] [0x00003d00accf] 0018:000000000000accf (unk. ctxt): rdtsc ; 0f31
Next at t=757706302
"""


class Reading(unittest.TestCase):
    """Figures out of a guest's report."""

    def test_figures_are_hexadecimal(self):
        self.assertEqual(operations.read_figures(REPORTED), {
            "empty": operations.Figures(5, 5, 5, 5),
            "cpuid": operations.Figures(0x20d, 0x20e, 0x20f, 0x88e)})

    def test_carriage_returns_do_not_matter(self):
        self.assertIn("cpuid", operations.read_figures(REPORTED.replace("\n", "\r\n")))

    def test_what_is_missing_is_refused(self):
        with self.assertRaisesRegex(RuntimeError, "pic-out"):
            run.judge("test", REPORTED, ["exits"])

    def test_a_failure_is_refused(self):
        text = "".join(f"BENCH {key} 1 1 1 1\n" for key in operations.keys("ipi"))
        self.assertEqual(list(run.judge("test", text, ["ipi"])), operations.keys("ipi"))
        with self.assertRaises(RuntimeError):
            run.judge("test", text + "FAIL something\n", ["ipi"])

    def test_programs_report_all_operations(self):
        for program in run.CPUS:
            path = os.path.join(operations.HERE, f"{program}.asm")
            with open(path, encoding="ascii") as file:
                source = file.read()
            places = [source.find(f'"{key}"') for key in operations.keys(program)]
            self.assertNotIn(-1, places)
            self.assertEqual(places, sorted(places), "the order that the trace relies on")


class Trace(unittest.TestCase):
    """The debugger's listing."""

    def test_stretches_are_told_apart(self):
        traces = exit_trace.split(LISTING)
        self.assertEqual([found.instructions for found in traces], [5, 1])
        self.assertEqual((traces[0].kinds["vmread"], traces[0].kinds["vmwrite"]), (2, 1))
        self.assertEqual((traces[1].kinds["vmread"], traces[1].kinds["vmwrite"]), (0, 0))

    def test_fields_are_what_the_registers_hold(self):
        fields = [(line.mnemonic, line.field) for line in exit_trace.split(LISTING)[0].lines]
        self.assertEqual(fields[2:], [("vmread", 0x4402), ("vmwrite", 0x2806), ("vmread", 0x2806)])

    def test_what_exits_to_a_kvm_below(self):
        found = exit_trace.split(LISTING)[0]
        fields = {0x4402: "r", 0x2806: "-"}
        self.assertEqual(exit_trace.outer_exits(found, fields),
                         [("vmwrite", 0x2806), ("vmread", 0x2806)])
        self.assertEqual(exit_trace.outer_exits(found, {0x4402: "r", 0x2806: "rw"}), [])
        monitors = found.lines[1]._replace(address=exit_trace.GUEST_END)
        self.assertEqual(exit_trace.outer_exits(found._replace(lines=[monitors]), fields),
                         [("cpuid", None)])

    def test_functions_by_their_place_behind_the_entry(self):
        symbols = "0000000000000100 T before\n0000000000000200 t world_switch_exit\n" \
                  "0000000000000203 t handler\n"
        with mock.patch("subprocess.run", return_value=mock.Mock(stdout=symbols)):
            found = list(exit_trace.by_function(exit_trace.split(LISTING)[0], "elf"))
        self.assertEqual([name for name, _ in found],
                         ["the guest", "the guest", "world_switch_exit", "handler", "handler"])


class Budgets(unittest.TestCase):
    """Recording and comparing."""

    def test_three_percent(self):
        self.assertFalse(operations.over_budget(103, 100))
        self.assertTrue(operations.over_budget(104, 100))
        self.assertFalse(operations.over_budget(50, 100))

    def test_recording_keeps_the_others(self):
        with tempfile.TemporaryDirectory() as directory, \
                mock.patch("operations.BUDGETS", os.path.join(directory, "budgets.json")):
            operations.write_budgets({"cpuid": 7, "ipi-halted": 9})
            operations.write_budgets({"cpuid": 8})
            self.assertEqual(operations.read_budgets(), {"cpuid": 8, "ipi-halted": 9})

    def test_all_are_recorded(self):
        self.assertEqual(list(operations.read_budgets()), operations.costs())


class Guard(unittest.TestCase):
    """The group of whole-machine tests, with a boot that has been."""

    def judge(self, medians, exit_code=budgets.EXIT_GOOD, outer=None):
        """The failed checks where the guest reports these medians and exits to a KVM below."""
        text = "".join(f"exits: BENCH {key} {median:x} {median:x} {median:x} {median:x}\n"
                       for key, median in medians.items())
        bench = types.SimpleNamespace(
            build="build", image=lambda *_: "image",
            boot=lambda *_: types.SimpleNamespace(text=text, exit_code=exit_code, result={}))
        failed = []
        report = types.SimpleNamespace(group="budgets", check=lambda name, is_ok, detail="":
                                       None if is_ok else failed.append(f"{name}: {detail}"))
        found = {key: [] for key in operations.keys("exits")} | (outer or {})
        with mock.patch("budgets.outer_exits", return_value=found):
            budgets.run(bench, report)
        return failed

    def test_verdicts(self):
        good = {key: median for key, median in operations.read_budgets().items()
                if key in operations.keys("exits")}
        good["loop"] = operations.LOOP_TICKS
        self.assertEqual(self.judge(good), [])
        grown = self.judge({**good, "pit-in": good["pit-in"] * 104 // 100 + 1})
        self.assertEqual(len(grown), 1)
        self.assertRegex(grown[0], "^pit-in: .* more than .*--record")
        self.assertEqual(len(self.judge({**good, "loop": 1999})), 1)
        self.assertEqual(len(self.judge(good, exit_code=254)), 1)
        self.assertEqual(self.judge(good, outer={"pic-in": ["vmread of field 0x2806"]}),
                         ["pic-in: nothing exits to a KVM below: vmread of field 0x2806"])
        del good["cpuid"]
        self.assertEqual(len(self.judge(good)), 1)


class Table(unittest.TestCase):
    """What is shown."""

    def test_over_the_goal(self):
        figures = {"cpuid": operations.Figures(100, 111, 120, 500)}
        kvm = {"kvm": {"cpuid": operations.Figures(0, 999, 0, 0)}}
        lines = run.table(run.rows(figures, kvm, {"cpuid": (3, 1, 2)}), "instructions").split("\n")
        self.assertRegex(lines[1], r"^CPUID +100 +111 +120 +110! +999 +- +9\.0 +3 +1 +2$")
        self.assertRegex(lines[2], r"^I/O APIC, register select +- +- +- +350 +- +- +- +- +- +-$")

    def test_boot(self):
        rows = dict((reason, (int(count), int(ticks))) for reason, count, ticks in boot.ROW.findall(
            "reason                        exits          cycles  cycles/exit\n"
            "CPUID                          1977          749977          379\n"
            "I/O instruction               94433        52057481          551\n"
            "all                          121882       137153937   (TSC at 49998 kHz)\n"))
        self.assertEqual(list(rows), ["CPUID", "I/O instruction"])
        shown = boot.table(1000, 2000000000, rows)
        self.assertLess(shown.index("I/O instruction"), shown.index("CPUID"))


if __name__ == "__main__":
    unittest.main()
