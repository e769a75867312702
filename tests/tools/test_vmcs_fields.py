#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""Tests that KVM has each VMCS field that the monitor names: there VMREAD and VMWRITE of another one
fail, and the first run in a virtual machine of KVM's ends."""

import os
import re
import sys
import unittest

sys.dont_write_bytecode = True
ROOT = os.path.join(os.path.dirname(os.path.realpath(__file__)), "..", "..")
HEADER = os.path.join(ROOT, "arch", "x86", "vmcs.h")
sys.path.insert(0, os.path.join(ROOT, "bench", "exits"))

# pylint: disable=wrong-import-position
import vmcs_fields  # noqa: E402

NAMED = re.compile(r"^    FIELD\((\w+), (0x[0-9a-f]+)\)", re.M)


class FieldsTest(unittest.TestCase):
    def setUp(self):
        self.kvm = vmcs_fields.read()

    def test_kvm_has_each_named_field(self):
        with open(HEADER, encoding="utf-8") as file:
            named = NAMED.findall(file.read())
        self.assertGreater(len(named), 100)
        self.assertEqual([], [name for name, encoding in named if int(encoding, 16) not in self.kvm])

    def test_kvm_lacks_smbase(self):
        self.assertNotIn(0x4828, self.kvm)

    def test_what_is_shadowed(self):
        guest_rip, exit_reason, guest_efer = 0x681e, 0x4402, 0x2806
        self.assertTrue(vmcs_fields.is_shadowed(self.kvm, "vmread", guest_rip))
        self.assertTrue(vmcs_fields.is_shadowed(self.kvm, "vmwrite", guest_rip))
        self.assertTrue(vmcs_fields.is_shadowed(self.kvm, "vmread", exit_reason))
        self.assertFalse(vmcs_fields.is_shadowed(self.kvm, "vmwrite", exit_reason))
        self.assertFalse(vmcs_fields.is_shadowed(self.kvm, "vmread", guest_efer))


if __name__ == "__main__":
    unittest.main()
