# SPDX-License-Identifier: BSD-2-Clause
"""Images that start Debian's kernel with nothing below it: KVM's host, and to compare with."""

import gzip
import importlib.machinery
import importlib.util
import os
import re
import subprocess

from operations import ROOT

TOOLS = os.path.join(ROOT, "tools")
MODULES = ("virt/lib/irqbypass.ko", "arch/x86/kvm/kvm.ko", "arch/x86/kvm/kvm-intel.ko")
KVM_DONE = "bench: kvm done"
KVM_INIT = f"""\
#!/bin/busybox sh
/bin/busybox mount -t proc proc /proc
/bin/busybox mount -t devtmpfs devtmpfs /dev
/bin/busybox dmesg -n 1
for module in irqbypass kvm kvm-intel; do
    /bin/busybox insmod /lib/$module.ko || echo "bench: $module cannot be loaded"
done
/bin/kvm_host /bin/exits.bin 1; echo "bench: exits ended with $?"
/bin/kvm_host /bin/ipi.bin 2; echo "bench: ipi ended with $?"
echo "{KVM_DONE}"
while :; do /bin/busybox sleep 1000; done
"""


def tool(name):
    """tools/NAME, a script without a suffix, as a module."""
    loader = importlib.machinery.SourceFileLoader(name, os.path.join(TOOLS, name))
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader(name, loader))
    loader.exec_module(module)
    return module


def read(path):
    """The bytes of a file."""
    with open(path, "rb") as file:
        return file.read()


def fetch_kernel(directory):
    """Debian's cloud kernel at DIRECTORY/vmlinuz and its package's path."""
    result = subprocess.run([os.path.join(TOOLS, "fetch-kernel"),
                             os.path.join(directory, "vmlinuz")],
                            stderr=subprocess.PIPE, check=False, text=True)
    said = re.search(r"^fetch-kernel: (\S+) (\S+), vmlinuz", result.stderr, re.M)
    if result.returncode != 0 or said is None:
        raise RuntimeError(f"fetch-kernel: {result.stderr}")
    cache = os.environ.get("PORTCULLIS_CACHE") or os.path.join(
        os.environ.get("XDG_CACHE_HOME") or os.path.join(os.environ["HOME"], ".cache"),
        "portcullis")
    # In the file's name a colon of the version is written %3a.
    version = said[2].replace(":", "%3a")
    return os.path.join(cache, f"{said[1]}_{version}_amd64.deb")


def unpack_modules(package, directory):
    """{name in the initrd: bytes} of the modules that KVM consists of."""
    target = os.path.join(directory, "modules")
    os.makedirs(target, exist_ok=True)
    with subprocess.Popen(["dpkg-deb", "--fsys-tarfile", package], stdout=subprocess.PIPE) as deb:
        subprocess.run(["tar", "x", "-C", target, "--wildcards", "--strip-components=5",
                        *(f"./lib/modules/*/kernel/{module}" for module in MODULES)],
                       stdin=deb.stdout, check=True)
    return {f"lib/{os.path.basename(module)}": read(os.path.join(target, module))
            for module in MODULES}


def write_initrd(path, files):
    """An initial RAM file system of {name: bytes}, all of them executable, and a console."""
    mkinitrd = tool("mkinitrd")
    archive = mkinitrd.Archive()
    for name in ("bin", "dev", "lib", "proc"):
        archive.add(name, mkinitrd.S_DIRECTORY | 0o755)
    archive.add("dev/console", mkinitrd.S_CHARACTER | 0o600, device=(5, 1))
    for name, data in files.items():
        archive.add(name, mkinitrd.S_FILE | 0o755, data)
    with open(path, "wb") as file:
        file.write(gzip.compress(archive.bytes(), mtime=0))
    return path


def kvm_initrd(directory):
    """The initrd that measures under KVM; directory: where the Makefile has built its programs."""
    files = unpack_modules(fetch_kernel(directory), directory)
    files["init"] = KVM_INIT.encode()
    files["bin/busybox"] = read("/bin/busybox")
    for name in ("kvm_host", "exits.bin", "ipi.bin"):
        files[f"bin/{name}"] = read(os.path.join(directory, name))
    return write_initrd(os.path.join(directory, "kvm-initrd.img"), files)


def native_image(directory, name, initrd, cmdline):
    """DIRECTORY/NAME.img: kernel and initrd, started by native.efi with this command line."""
    line = os.path.join(directory, f"{name}.cmdline")
    with open(line, "w", encoding="ascii") as file:
        file.write(f"initrd=\\bench\\initrd.img {cmdline}\n")
    output = os.path.join(directory, f"{name}.img")
    subprocess.run([os.path.join(TOOLS, "mkimage"), "--config", line,
                    "--efi", os.path.join(directory, "native.efi"),
                    "--add", f"{line}:\\bench\\cmdline",
                    "--add", f"{os.path.join(directory, 'vmlinuz')}:\\bench\\vmlinuz",
                    "--add", f"{initrd}:\\bench\\initrd.img", output], check=True)
    return output
