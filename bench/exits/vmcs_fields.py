# SPDX-License-Identifier: BSD-2-Clause
"""The VMCS fields that KVM has for a monitor that runs in a virtual machine of its own, and which of
them such a monitor accesses without an exit to KVM: tests/data/kvm-vmcs-fields.txt."""

import os

from operations import ROOT

DATA = os.path.join(ROOT, "tests", "data", "kvm-vmcs-fields.txt")
LETTERS = {"vmread": "r", "vmwrite": "w"}


def read():
    """{encoding: "-", "r" or "rw", what is shadowed}."""
    fields = {}
    with open(DATA, encoding="ascii") as file:
        for line in file:
            if not line.startswith("#"):
                encoding, shadowed = line.split()[:2]
                fields[int(encoding, 16)] = shadowed
    return fields


def is_shadowed(fields, instruction, encoding):
    """Whether "vmread" or "vmwrite" of that field stays in the virtual machine."""
    return LETTERS[instruction] in fields.get(encoding, "-")
