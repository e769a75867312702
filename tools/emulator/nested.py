# SPDX-License-Identifier: BSD-2-Clause
"""Another VMX implementation under the monitor, on any computer: Bochs runs Debian's kernel and its
KVM, in it QEMU with OVMF, in that the image. docs/nested.md has the picture.

COM1 of Bochs is the line between QEMU's serial port and tools/machine. COM2 has what the Linux in
between says.
"""

import os
import re
import shlex
import shutil
import subprocess
from types import SimpleNamespace

from command import write_whole
from emulator import bochs, linux, qemu

PROGRAM = bochs.PROGRAM
BOOT_HINT = "about five minutes until the monitor's first line"
CONFIG = bochs.CONFIG
LOG = bochs.LOG
WORDS = "linux.txt"
DEBUG_PORT = None
ENVIRONMENT = bochs.ENVIRONMENT
STOP_SIGNAL = bochs.STOP_SIGNAL
ticks = bochs.ticks
problems = bochs.problems

# What `make nested` has built: kernel, initial RAM file system, tools/native.c as an EFI program.
PARTS = os.path.normpath(os.path.join(linux.TOOLS, "..", "build", "nested"))
KERNEL, INITRD, LAUNCHER = "vmlinuz", "initrd.img", "native.efi"

LINUX_MIB = 1024  # Linux, QEMU and the files beside the memory of QEMU's machine
# CPUID promises a TSC that Bochs' does not keep; without PCI, Linux finds nothing to wait for.
CMDLINE = "console=ttyS1 quiet mitigations=off pci=off tsc_early_khz={tsc_khz}"

COM2 = f"com2: enabled=1, mode=file, dev={WORDS}\n"
# Of several processors, one that is halted counts as many instructions a turn, and the others execute
# about as many: else emulated time runs ahead of what is executed.
TURN = "cpu: quantum=8\n"

IMAGE = "/image"
VARIABLES = "/variables.fd"
COMMAND = "/command"  # a shell script
# QEMU looks for it, and does without it.
OPTIONAL_ROMS = "/usr/share/qemu/kvmvapic.bin"

# Bochs ends when "Shutdown" comes to port 0x8900.
INIT = f"""\
#!/bin/busybox sh
/bin/busybox mount -t proc proc /proc
/bin/busybox mount -t devtmpfs devtmpfs /dev
exec </dev/null >/dev/ttyS1 2>&1
load() {{ /bin/busybox insmod "/lib/$1.ko" $2 || echo "nested: $1 cannot be loaded"; }}
load irqbypass
load kvm
load kvm-intel nested=1
/bin/busybox stty -F /dev/ttyS0 115200 raw -echo -onlcr
echo "nested: $(/bin/busybox grep -c ^processor /proc/cpuinfo) processors," \\
    "QEMU starts after $(/bin/busybox cut -d ' ' -f 1 /proc/uptime) s"
/bin/busybox sh {COMMAND} <>/dev/ttyS0 >&0
echo "nested: QEMU ended with $?"
/bin/busybox dmesg | /bin/busybox tail -n 30
for letter in S h u t d o w n; do
    /bin/busybox printf $letter | /bin/busybox dd of=/dev/port bs=1 seek=35072 conv=notrunc 2>&-
done
while :; do /bin/busybox sleep 1000; done
"""


def libraries(program):
    """The paths of what a program is linked with, the dynamic loader included."""
    text = subprocess.run(["ldd", program], stdout=subprocess.PIPE, check=True, text=True).stdout
    return sorted(set(re.findall(r"(/\S+) \(0x", text)))


def build(directory):
    """Leaves kernel and initrd in directory. Raises RuntimeError, OSError, CalledProcessError."""
    program = shutil.which(qemu.PROGRAM)
    if program is None or qemu.lacks() is not None:
        raise RuntimeError(qemu.lacks() or f"{qemu.PROGRAM} is not installed")
    files = linux.unpack_modules(linux.fetch_kernel(directory), directory)
    files["init"] = INIT.encode()
    code, variables = qemu.find_firmware()
    for path in ("/bin/busybox", program, code, *libraries(program)):
        files[path.lstrip("/")] = linux.read(path)
    files[VARIABLES.lstrip("/")] = linux.read(variables)
    if os.path.exists(OPTIONAL_ROMS):
        files[OPTIONAL_ROMS.lstrip("/")] = linux.read(OPTIONAL_ROMS)
    write_whole(os.path.join(directory, INITRD), linux.lz4(linux.archive(files)))


def lacks(exists=os.path.exists):
    """As bochs.lacks."""
    for name in (KERNEL, INITRD, LAUNCHER):
        path = os.path.join(PARTS, name)
        if not exists(path):
            return f"{path} is missing: `make nested` builds it"
    return bochs.lacks(exists) or qemu.lacks(exists)


def command(machine):
    """QEMU's command line inside; machine: as for qemu.command."""
    inner = SimpleNamespace(**{**vars(machine), "image": IMAGE, "emulator": "qemu"})
    return qemu.command(inner, VARIABLES, "none", "stdio,id=com1,signal=off")


def prepare(directory, machine, port):
    """As bochs.prepare."""
    run_files = {COMMAND.lstrip("/"): shlex.join(command(machine)).encode() + b"\n",
                 IMAGE.lstrip("/"): linux.read(os.path.join(directory, machine.image))}
    initrd = os.path.join(directory, INITRD)
    with open(initrd, "wb") as file:
        file.write(linux.read(os.path.join(PARTS, INITRD)))
        file.write(linux.lz4(linux.archive(run_files)))
    # With one processor a tick is an instruction. Else there is one for each of QEMU's, and one for
    # everything else.
    cpus = 1 if machine.cpus == 1 else machine.cpus + 1
    outer = SimpleNamespace(cpus=cpus, memory_mib=LINUX_MIB + machine.memory_mib,
                            mips=machine.mips, media="disk", image="linux.img")
    linux.native_image(os.path.join(directory, outer.image), os.path.join(PARTS, LAUNCHER),
                       os.path.join(PARTS, KERNEL), initrd,
                       CMDLINE.format(tsc_khz=1000 * machine.mips))
    os.unlink(initrd)
    result = bochs.prepare(directory, outer, port)
    with open(os.path.join(directory, CONFIG), "a", encoding="ascii") as file:
        file.write(COM2 + TURN)
    return result
