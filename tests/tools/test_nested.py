# SPDX-License-Identifier: BSD-2-Clause
"""`tools/machine --emulator nested`: what it puts together, without running it."""

import os
import shlex
import subprocess
import unittest
from types import SimpleNamespace
from unittest import mock

import tool  # pylint: disable=unused-import # makes the tools importable
from emulator import bochs, linux, nested


def machine(**more):
    return SimpleNamespace(**{"emulator": "nested", "cpus": 2, "memory_mib": 256, "media": "disk",
                              "mips": 50, "spec_ctrl": True, "image": "disk.img", **more})


class NestedTest(tool.FolderTest):
    def test_missing_parts_are_named(self):
        self.assertIsNone(nested.lacks(lambda _: True))
        for name in (nested.KERNEL, nested.INITRD, nested.LAUNCHER):
            path = os.path.join(nested.PARTS, name)
            message = nested.lacks(lambda other, absent=path: other != absent)
            self.assertIn(path, message)
            self.assertIn("`make nested`", message)
        self.assertIn(bochs.NEEDED[0], nested.lacks(lambda path: path != bochs.NEEDED[0]))

    def test_inner_machine(self):
        words = nested.command(machine())
        text = shlex.join(words)
        for part in ("-smp 2", "-m 256", "accel=kvm", "+vmx", f"file={nested.IMAGE}",
                     "stdio,id=com1,signal=off", f"file={nested.VARIABLES}"):
            self.assertIn(part, text)
        self.assertIn("qemu-xhci", nested.command(machine(media="usb")))
        self.assertIn("-spec-ctrl", shlex.join(nested.command(machine(spec_ctrl=False))))

    def test_archive(self):
        files = {"init": b"x", "usr/lib/deep/file": b"y" * 5}
        subprocess.run(["/bin/busybox", "cpio", "-i"], input=linux.archive(files), cwd=self.home,
                       stderr=subprocess.PIPE, check=True)
        for path, data in files.items():
            self.assertEqual(linux.read(os.path.join(self.home, path)), data)
            self.assertTrue(os.access(os.path.join(self.home, path), os.X_OK))
        self.assertTrue(os.path.isdir(os.path.join(self.home, "proc")))

    def test_run(self):
        parts = os.path.join(self.home, "parts")
        os.mkdir(parts)
        for name in (nested.KERNEL, nested.INITRD, nested.LAUNCHER):
            self.write(os.path.join(parts, name), name.encode())
        self.write("disk.img", bytes(100000))
        with mock.patch.object(nested, "PARTS", parts):
            command = nested.prepare(self.home, machine(mips=4), 1234)
        self.assertEqual(command[0], bochs.PROGRAM)
        config = linux.read(os.path.join(self.home, nested.CONFIG)).decode()
        for line in ("com2: enabled=1, mode=file, dev=linux.txt", "memory: guest=1280, host=1280",
                     "ips=4000000", "count=3", "cpu: quantum=8", "dev=127.0.0.1:1234", "path=linux.img"):
            self.assertIn(line, config)
        cmdline = linux.read(os.path.join(self.home, "linux.img.cmdline")).decode()
        self.assertIn("tsc_early_khz=4000", cmdline)
        self.assertGreater(os.path.getsize(os.path.join(self.home, "linux.img")), 1 << 20)

    def test_libraries(self):
        found = nested.libraries("/usr/bin/python3")
        self.assertTrue(any("libc.so" in path for path in found), found)
        self.assertTrue(any("/ld-linux" in path for path in found), found)
        for path in found:
            self.assertTrue(os.path.exists(path), path)

    def test_init_is_a_shell_script(self):
        path = self.write("init", nested.INIT.encode())
        subprocess.run(["/bin/busybox", "sh", "-n", path], check=True)


if __name__ == "__main__":
    unittest.main()
