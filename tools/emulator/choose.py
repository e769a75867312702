"""Which emulator can run a VT-x monitor on this computer."""

import fcntl
import os
import re
import shutil

KVM_GET_API_VERSION = 0xAE00  # linux/kvm.h
KVM_API_VERSION = 12
NESTED = "/sys/module/kvm_intel/parameters/nested"


def has_vmx(cpuinfo_text):
    """Whether /proc/cpuinfo's text lists VMX among the flags."""
    return re.search(r"^flags\s*:.*\bvmx\b", cpuinfo_text, re.M) is not None


def obstacle_to_kvm():
    """Why QEMU with nested KVM cannot be used here; None when it can."""
    with open("/proc/cpuinfo", encoding="ascii", errors="replace") as file:
        if not has_vmx(file.read()):
            return "the processor offers no VMX"
    try:
        with open("/dev/kvm", "r+b", buffering=0) as kvm:
            if fcntl.ioctl(kvm, KVM_GET_API_VERSION, 0) != KVM_API_VERSION:
                return "/dev/kvm has an unknown version"
    except OSError as error:
        return f"/dev/kvm is not usable: {error.strerror}"
    try:
        with open(NESTED, encoding="ascii") as file:
            if file.read().strip() not in ("Y", "1"):
                return "kvm_intel was loaded with nested=0"
    except OSError:
        pass  # a kernel without that parameter: let QEMU try
    if shutil.which("qemu-system-x86_64") is None:
        return "qemu-system-x86_64 is not installed"
    return None


def choose(wanted):
    """(name, reason) for --emulator WANTED. Raises ValueError where it cannot work."""
    if wanted in ("bochs", "qemu-tcg"):
        return wanted, "as asked"
    obstacle = obstacle_to_kvm()
    if wanted == "qemu":
        if obstacle is not None:
            raise ValueError(f"QEMU with nested KVM does not work here: {obstacle}")
        return "qemu", "as asked"
    if obstacle is None:
        return "qemu", "this processor has VMX and KVM nests it"
    return "bochs", obstacle
