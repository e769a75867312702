# SPDX-License-Identifier: BSD-2-Clause
"""Which emulator is taken, and what its command line is: pure decisions, no VMX needed."""

import unittest
from types import SimpleNamespace

import tool  # pylint: disable=unused-import # puts tools/ on the path

from emulator import bochs, choose, qemu

INTEL = "processor\t: 0\nflags\t\t: fpu vmx smx\nvmx flags\t: vnmi\n"
GOOD = choose.Host(cpuinfo=INTEL, kvm=None, nested="Y", has_qemu=True, firmware=None)


class ChooseTest(unittest.TestCase):
    def test_qemu_where_all_is_there(self):
        for nested in ("Y", "1", None):
            self.assertEqual(choose.choose("auto", GOOD._replace(nested=nested))[0], "qemu")
        self.assertEqual(choose.choose("qemu", GOOD), ("qemu", "as asked"))

    def test_what_stands_in_the_way_is_named(self):
        for change, words in (
                ({"cpuinfo": "flags\t\t: fpu novmx vmxoff\nvmx flags\t: vnmi\n"}, "no VMX"),
                ({"cpuinfo": ""}, "no VMX"),
                ({"cpuinfo": "flags\t\t: fpu svm\n"}, "AMD's SVM"),
                ({"kvm": "there is no /dev/kvm: do"}, "there is no /dev/kvm: do"),
                ({"nested": "N"}, "parameters/nested is N"),
                ({"nested": "0"}, "nested=1"),
                ({"has_qemu": False}, "qemu-system-x86_64 is not installed"),
                ({"firmware": "there is no UEFI firmware"}, "there is no UEFI firmware")):
            host = GOOD._replace(**change)
            name, reason = choose.choose("auto", host)
            self.assertEqual(name, "bochs", change)
            self.assertIn(words, reason)
            with self.assertRaisesRegex(ValueError, "nested KVM does not work here: ") as raised:
                choose.choose("qemu", host)
            self.assertIn(words, str(raised.exception))

    def test_what_comes_first_is_named_first(self):
        nothing = choose.Host(cpuinfo="", kvm="no kvm", nested="N", has_qemu=False, firmware="no ovmf")
        self.assertIn("no VMX", choose.obstacle_to_kvm(nothing))
        nothing = nothing._replace(cpuinfo=INTEL)
        self.assertEqual(choose.obstacle_to_kvm(nothing), "no kvm")

    def test_as_asked(self):
        for name in ("bochs", "qemu-tcg"):
            self.assertEqual(choose.choose(name), (name, "as asked"))

    def test_this_computer_can_be_looked_at(self):
        host = choose.look()
        self.assertIn("processor", host.cpuinfo)
        self.assertIn(choose.choose("auto", host)[0], ("qemu", "bochs"))


class QemuTest(unittest.TestCase):
    def test_firmware_of_each_distribution(self):
        for pair in qemu.FIRMWARE:
            self.assertEqual(qemu.find_firmware(pair.__contains__), pair)
            self.assertIsNone(qemu.lacks(pair.__contains__))

    def test_firmware_needs_both_files(self):
        for code, variables in qemu.FIRMWARE:
            self.assertIsNone(qemu.find_firmware([code].__contains__))
            self.assertIsNone(qemu.find_firmware([variables].__contains__))

    def test_the_first_firmware_is_taken(self):
        self.assertEqual(qemu.find_firmware(lambda _: True), qemu.FIRMWARE[0])

    def test_missing_firmware_is_named(self):
        message = qemu.lacks(lambda _: False)
        for code, _ in qemu.FIRMWARE:
            self.assertIn(code, message)

    def test_processor(self):
        def options(emulator, spec_ctrl=True):
            return qemu.accelerator(SimpleNamespace(emulator=emulator, spec_ctrl=spec_ctrl))
        self.assertEqual(options("qemu"),
                         ["-machine", "q35,accel=kvm", "-cpu", "host,migratable=off,+vmx"])
        self.assertEqual(options("qemu", False)[3], "host,migratable=off,+vmx,-spec-ctrl")
        self.assertEqual(options("qemu-tcg")[3], "max")


class BochsTest(unittest.TestCase):
    def test_missing_files_are_named(self):
        self.assertIsNone(bochs.lacks(lambda _: True))
        for missing in bochs.NEEDED:
            self.assertIn(missing, bochs.lacks(lambda path, absent=missing: path != absent))


if __name__ == "__main__":
    unittest.main()
