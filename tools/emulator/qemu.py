# SPDX-License-Identifier: BSD-2-Clause
"""QEMU's q35 with OVMF: with nested KVM the fast way to run the monitor, with TCG a machine that
lacks VT-x."""

import os
import shutil
import signal

PROGRAM = "qemu-system-x86_64"
LOG = None
WORDS = "output"
DEBUG_PORT = "debug-port"
ENVIRONMENT = {}
BOOT_HINT = "a few seconds"

# (code, variables) of OVMF in the distributions' packages, the likeliest first.
FIRMWARE = (
    ("/usr/share/OVMF/OVMF_CODE_4M.fd", "/usr/share/OVMF/OVMF_VARS_4M.fd"),      # Debian, Ubuntu
    ("/usr/share/OVMF/OVMF_CODE.fd", "/usr/share/OVMF/OVMF_VARS.fd"),            # older ones
    ("/usr/share/edk2/ovmf/OVMF_CODE.fd", "/usr/share/edk2/ovmf/OVMF_VARS.fd"),  # Fedora
    ("/usr/share/edk2/x64/OVMF_CODE.4m.fd", "/usr/share/edk2/x64/OVMF_VARS.4m.fd"),  # Arch
    ("/usr/share/edk2-ovmf/x64/OVMF_CODE.fd", "/usr/share/edk2-ovmf/x64/OVMF_VARS.fd"),
)

STOP_SIGNAL = signal.SIGTERM

MEDIA = {
    "disk": ["-drive", "if=none,id=stick,format=raw,file={image}",
             "-device", "ide-hd,drive=stick,bootindex=0"],
    "usb": ["-drive", "if=none,id=stick,format=raw,file={image}", "-device", "qemu-xhci",
            "-device", "usb-storage,drive=stick,bootindex=0"],
}

# migratable=off: the guest sees that its TSC is invariant.
KVM_CPU = "host,migratable=off,+vmx"
NO_SPEC_CTRL = ",-spec-ctrl"


def find_firmware(exists=os.path.exists):
    """The first pair of FIRMWARE of which both files are there; None without one."""
    for pair in FIRMWARE:
        if all(exists(path) for path in pair):
            return pair
    return None


def lacks(exists=os.path.exists):
    """What has to be there and is not, as a message; None for nothing."""
    if find_firmware(exists) is not None:
        return None
    looked_for = ", ".join(code for code, _ in FIRMWARE)
    return ("there is no UEFI firmware; install the package ovmf (Debian, Ubuntu) or edk2-ovmf"
            f" (Fedora, Arch). Looked for, each with its OVMF_VARS: {looked_for}")


def accelerator(machine):
    """The options for a machine's processor."""
    if machine.emulator == "qemu-tcg":
        return ["-machine", "q35,accel=tcg", "-cpu", "max"]
    cpu = KVM_CPU if machine.spec_ctrl else KVM_CPU + NO_SPEC_CTRL
    return ["-machine", "q35,accel=kvm", "-cpu", cpu]


def command(machine, variables, vga, com1, debug=()):
    """The command line for a machine: cpus, memory_mib, media, spec_ctrl, image (a file).

    variables: the file of its firmware's variables. vga, com1: as for -vga and -chardev. debug:
    options for the debug port.
    """
    code, _ = find_firmware()
    return [PROGRAM, *accelerator(machine), "-smp", str(machine.cpus),
            "-m", str(machine.memory_mib), "-nodefaults", "-display", "none", "-vga", vga,
            "-monitor", "none", "-no-reboot", "-rtc", "base=utc",
            "-drive", f"if=pflash,format=raw,unit=0,readonly=on,file={code}",
            "-drive", f"if=pflash,format=raw,unit=1,file={variables}",
            "-chardev", com1, "-serial", "chardev:com1", *debug,
            *[word.format(image=machine.image) for word in MEDIA[machine.media]]]


def prepare(directory, machine, port):
    """As in bochs.prepare."""
    _, variables = find_firmware()
    shutil.copyfile(variables, os.path.join(directory, "variables.fd"))
    return command(machine, "variables.fd", "std",
                   f"socket,id=com1,host=127.0.0.1,port={port},nodelay=on",
                   ("-debugcon", f"file:{DEBUG_PORT}"))


def ticks(_output_text, _log_text):
    """QEMU counts none."""


def problems(_log_text):
    """QEMU says what it has to say when it ends."""
    return [], False
