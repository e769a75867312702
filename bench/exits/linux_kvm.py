# SPDX-License-Identifier: BSD-2-Clause
"""The guest programs under Linux' KVM: an initial RAM file system that runs them and ends."""

import os

from emulator import linux

DONE = "bench: kvm done"
INIT = f"""\
#!/bin/busybox sh
/bin/busybox mount -t proc proc /proc
/bin/busybox mount -t devtmpfs devtmpfs /dev
/bin/busybox dmesg -n 1
for module in irqbypass kvm kvm-intel; do
    /bin/busybox insmod /lib/$module.ko || echo "bench: $module cannot be loaded"
done
/bin/kvm_host /bin/exits.bin 1; echo "bench: exits ended with $?"
/bin/kvm_host /bin/ipi.bin 2; echo "bench: ipi ended with $?"
echo "{DONE}"
while :; do /bin/busybox sleep 1000; done
"""


def write_initrd(path, files):
    """Such a file system of {path: bytes}; its path."""
    with open(path, "wb") as file:
        file.write(linux.lz4(linux.archive(files)))
    return path


def initrd(directory):
    """The initrd that measures under KVM; directory: where the Makefile has built its programs."""
    files = linux.unpack_modules(linux.fetch_kernel(directory), directory)
    files["init"] = INIT.encode()
    files["bin/busybox"] = linux.read("/bin/busybox")
    for name in ("kvm_host", "exits.bin", "ipi.bin"):
        files[f"bin/{name}"] = linux.read(os.path.join(directory, name))
    return write_initrd(os.path.join(directory, "kvm-initrd.img"), files)


def image(build, name, initrd_path, cmdline):
    """BUILD/bench/exits/NAME.img, in which Linux runs natively with this command line."""
    directory = os.path.join(build, "bench", "exits")
    return linux.native_image(os.path.join(directory, f"{name}.img"),
                              os.path.join(build, "nested", "native.efi"),
                              os.path.join(directory, "vmlinuz"), initrd_path, cmdline)
