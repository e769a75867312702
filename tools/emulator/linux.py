# SPDX-License-Identifier: BSD-2-Clause
"""Debian's kernel with nothing below it: the kernel, KVM's modules, initial RAM file systems, and
images that tools/native.c starts them from."""

import importlib.machinery
import importlib.util
import os
import re
import subprocess

TOOLS = os.path.normpath(os.path.join(os.path.dirname(os.path.realpath(__file__)), ".."))
KVM_MODULES = ("virt/lib/irqbypass.ko", "arch/x86/kvm/kvm.ko", "arch/x86/kvm/kvm-intel.ko")


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
    """{path in the initrd: bytes} of the modules that KVM consists of."""
    target = os.path.join(directory, "modules")
    os.makedirs(target, exist_ok=True)
    with subprocess.Popen(["dpkg-deb", "--fsys-tarfile", package], stdout=subprocess.PIPE) as deb:
        subprocess.run(["tar", "x", "-C", target, "--wildcards", "--strip-components=5",
                        *(f"./lib/modules/*/kernel/{module}" for module in KVM_MODULES)],
                       stdin=deb.stdout, check=True)
    return {f"lib/{os.path.basename(module)}": read(os.path.join(target, module))
            for module in KVM_MODULES}


def archive(files):
    """An initial RAM file system of {path: bytes}, all of them executable, with their folders,
    mount points and a console; a cpio archive, not compressed."""
    mkinitrd = tool("mkinitrd")
    result = mkinitrd.Archive()
    folders = {"dev", "proc"}
    for path in files:
        while path := os.path.dirname(path):
            folders.add(path)
    for folder in sorted(folders):
        result.add(folder, mkinitrd.S_DIRECTORY | 0o755)
    result.add("dev/console", mkinitrd.S_CHARACTER | 0o600, device=(5, 1))
    for path, data in files.items():
        result.add(path, mkinitrd.S_FILE | 0o755, data)
    return result.bytes()


def lz4(data):
    """The bytes in the form of LZ4 that the kernel unpacks; some of them may follow each other."""
    return subprocess.run(["lz4", "-l", "-9", "-c"], input=data, stdout=subprocess.PIPE,
                          check=True).stdout


def native_image(output, launcher, kernel, initrd, cmdline):
    """An image in which the EFI program `launcher` (tools/native.c) starts kernel and initrd with
    this command line. All are paths but the last; the command line lies beside the output."""
    line = f"{output}.cmdline"
    with open(line, "w", encoding="ascii") as file:
        file.write(f"initrd=\\native\\initrd.img {cmdline}\n")
    subprocess.run([os.path.join(TOOLS, "mkimage"), "--no-check", "--config", line, "--efi", launcher,
                    "--add", f"{line}:\\native\\cmdline", "--add", f"{kernel}:\\native\\vmlinuz",
                    "--add", f"{initrd}:\\native\\initrd.img", output], check=True)
    return output
