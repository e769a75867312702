# SPDX-License-Identifier: BSD-2-Clause
"""Which emulator can run a VT-x monitor on this computer."""

import fcntl
import re
import shutil
from typing import NamedTuple, Optional

from emulator import qemu

CPUINFO = "/proc/cpuinfo"
KVM = "/dev/kvm"
KVM_GET_API_VERSION = 0xAE00  # linux/kvm.h
KVM_API_VERSION = 12
NESTED = "/sys/module/kvm_intel/parameters/nested"


class Host(NamedTuple):
    """What this computer has of all that QEMU with nested KVM needs."""
    cpuinfo: str             # the text of /proc/cpuinfo
    kvm: Optional[str]       # what is wrong with /dev/kvm, None for nothing
    nested: Optional[str]    # what kvm_intel says about nested, None where it has no such parameter
    has_qemu: bool
    firmware: Optional[str]  # what is wrong with the firmware, None for nothing


def read_line(path):
    """The text of a one-line file; None where it cannot be read."""
    try:
        with open(path, encoding="ascii", errors="replace") as file:
            return file.read().strip()
    except OSError:
        return None


def obstacle_of_kvm_device():
    """What is wrong with /dev/kvm; None for nothing."""
    try:
        with open(KVM, "r+b", buffering=0) as kvm:
            if fcntl.ioctl(kvm, KVM_GET_API_VERSION, 0) == KVM_API_VERSION:
                return None
            return f"{KVM} has an unknown version"
    except FileNotFoundError:
        return f"there is no {KVM}: `modprobe kvm_intel nested=1` makes it"
    except PermissionError:
        return f"{KVM} may not be used: add the user to its group, kvm as a rule"
    except OSError as error:
        return f"{KVM} is not usable: {error.strerror}"


def look():
    """This computer as a Host."""
    return Host(cpuinfo=read_line(CPUINFO) or "", kvm=obstacle_of_kvm_device(),
                nested=read_line(NESTED), has_qemu=shutil.which(qemu.PROGRAM) is not None,
                firmware=qemu.lacks())


def has_flag(cpuinfo, flag):
    """Whether /proc/cpuinfo's text lists a flag of the processor."""
    return re.search(rf"^flags\s*:.*\b{flag}\b", cpuinfo, re.M) is not None


def obstacle_to_kvm(host):
    """Why QEMU with nested KVM cannot be used on that Host, and what helps; None when it can."""
    if has_flag(host.cpuinfo, "svm"):
        return "the processor has AMD's SVM, and the monitor needs Intel's VT-x"
    if not has_flag(host.cpuinfo, "vmx"):
        return (f"the processor offers no VMX (no flag vmx in {CPUINFO}): enable VT-x in the firmware's"
                " setup, or give this virtual machine nested VMX")
    if host.kvm is not None:
        return host.kvm
    # A kernel without that parameter may still nest: let QEMU try.
    if host.nested not in (None, "Y", "1"):
        return (f"{NESTED} is {host.nested}: `modprobe -r kvm_intel; modprobe kvm_intel nested=1`"
                " changes it")
    if not host.has_qemu:
        return f"{qemu.PROGRAM} is not installed"
    return host.firmware


def choose(wanted, host=None):
    """(name, reason) for --emulator WANTED, on a Host or on this computer. Raises ValueError where
    it cannot work."""
    if wanted not in ("auto", "qemu"):
        return wanted, "as asked"
    obstacle = obstacle_to_kvm(host or look())
    if wanted == "qemu":
        if obstacle is not None:
            raise ValueError(f"QEMU with nested KVM does not work here: {obstacle}")
        return "qemu", "as asked"
    if obstacle is None:
        return "qemu", "this processor has VMX and KVM nests it"
    return "bochs", f"not QEMU with nested KVM: {obstacle}"
