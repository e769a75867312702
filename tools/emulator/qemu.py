"""QEMU's q35 with OVMF: with nested KVM the fast way to run the monitor, with TCG a machine that
lacks VT-x."""

import os
import shutil
import signal

PROGRAM = "qemu-system-x86_64"
LOG = None
ENVIRONMENT = {}
BOOT_HINT = "a few seconds"

CODE = "/usr/share/OVMF/OVMF_CODE_4M.fd"
VARIABLES = "/usr/share/OVMF/OVMF_VARS_4M.fd"
NEEDED = (CODE, VARIABLES)

STOP_SIGNAL = signal.SIGTERM

MEDIA = {
    "disk": ["-drive", "if=none,id=stick,format=raw,file={image}",
             "-device", "ide-hd,drive=stick,bootindex=0"],
    "usb": ["-drive", "if=none,id=stick,format=raw,file={image}", "-device", "qemu-xhci",
            "-device", "usb-storage,drive=stick,bootindex=0"],
}

ACCELERATORS = {
    "qemu": ["-machine", "q35,accel=kvm", "-cpu", "host,+vmx"],
    "qemu-tcg": ["-machine", "q35,accel=tcg", "-cpu", "max"],
}


def prepare(directory, machine, port):
    """As in bochs.prepare."""
    shutil.copyfile(VARIABLES, os.path.join(directory, "variables.fd"))
    return [PROGRAM, *ACCELERATORS[machine.emulator], "-smp", str(machine.cpus),
            "-m", str(machine.memory_mib), "-nodefaults", "-display", "none", "-vga", "std",
            "-monitor", "none", "-no-reboot", "-rtc", "base=utc",
            "-drive", f"if=pflash,format=raw,unit=0,readonly=on,file={CODE}",
            "-drive", "if=pflash,format=raw,unit=1,file=variables.fd",
            "-chardev", f"socket,id=com1,host=127.0.0.1,port={port},nodelay=on",
            "-serial", "chardev:com1",
            *[word.format(image=machine.image) for word in MEDIA[machine.media]]]


def ticks(_output_text, _log_text):
    """QEMU counts none."""


def problems(_log_text):
    """QEMU says what it has to say when it ends."""
    return [], False
