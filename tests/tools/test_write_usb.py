# SPDX-License-Identifier: BSD-2-Clause
"""tools/write-usb: what it refuses, asks, writes and reads back, on files that stand for disks."""

import contextlib
import io
import os
import shutil
import subprocess
import sys
import tempfile
import unittest
from unittest import mock

import tool
import command

usb = tool.load("write-usb")
IMAGE = b"image" * 2000
DISK_BYTES = 1 << 20
ROOT_MOUNT = "22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw\n"


class Output(io.StringIO):
    """Standard output, kept."""

    def reconfigure(self, **_):
        """As a file of text has it."""


class Bench(unittest.TestCase):
    """A made sysfs with a system disk sda (one partition) and a stick sdb (one partition)."""

    def setUp(self):
        self.home = tempfile.mkdtemp(prefix="test-write-usb-")
        self.addCleanup(shutil.rmtree, self.home)
        self.write("disk.img", IMAGE)
        self.add_disk("sda", "8:0", 0)
        self.add_disk("sdb", "8:16", 1)
        self.add_partition("sda", "sda1", "8:1")
        self.add_partition("sdb", "sdb1", "8:17")
        self.write("mounts", ROOT_MOUNT.encode())
        self.write("swaps", b"Filename Type Size Used Priority\n")
        for name, value in (("SYS_BLOCK", self.path("sys")), ("MOUNTS", self.path("mounts")),
                            ("SWAPS", self.path("swaps")), ("number_of", self.number_of)):
            patch = mock.patch.object(usb, name, value)
            patch.start()
            self.addCleanup(patch.stop)
        patch = mock.patch.object(usb.stat, "S_ISBLK", lambda _: True)
        patch.start()
        self.addCleanup(patch.stop)

    def path(self, *names):
        return os.path.join(self.home, *names)

    def write(self, name, data):
        os.makedirs(os.path.dirname(self.path(name)), exist_ok=True)
        with open(self.path(name), "wb") as file:
            file.write(data)

    def read(self, name):
        with open(self.path(name), "rb") as file:
            return file.read()

    def add_disk(self, name, number, removable):
        for attribute, text in (("dev", number), ("removable", removable), ("ro", 0),
                                ("size", DISK_BYTES // 512), ("device/vendor", "Acme"),
                                ("device/model", "Stick 3000")):
            self.write(f"sys/{name}/{attribute}", f"{text}\n".encode())
        self.write(f"dev/{name}", b"\xff" * DISK_BYTES)

    def add_partition(self, disk, name, number):
        for folder in (f"sys/{name}", f"sys/{disk}/{name}"):
            self.write(f"{folder}/dev", f"{number}\n".encode())
            self.write(f"{folder}/partition", b"1\n")
        self.write(f"dev/{name}", b"")

    def number_of(self, state):
        """The number of the disk whose file this is."""
        for name in os.listdir(self.path("dev")):
            if os.stat(self.path("dev", name)).st_ino == state.st_ino:
                return usb.read_text(self.path("sys", name, "dev"))
        return "0:0"

    def run_tool(self, *words, disk="sdb", answer=""):
        """(status, standard output, standard error)."""
        output, errors = Output(), io.StringIO()
        with mock.patch.object(sys, "argv", ["write-usb", *words, self.path("disk.img"),
                                             self.path("dev", disk)]), \
                mock.patch.object(sys, "stdin", io.StringIO(answer)), \
                contextlib.redirect_stdout(output), contextlib.redirect_stderr(errors):
            status = command.run("write-usb", usb.main)
        return status, output.getvalue(), errors.getvalue()

    def assert_refused(self, words, *options, disk="sdb", status=2):
        before = self.read(f"dev/{disk}")
        result, _, errors = self.run_tool("--yes", *options, disk=disk)
        self.assertEqual(result, status, errors)
        self.assertTrue(self.read(f"dev/{disk}") == before)  # a difference would be long
        self.assertRegex(errors, rf"\Awrite-usb: .*{words}.*\n\Z")


class WriteTest(Bench):
    def test_asks_writes_and_reads_back(self):
        status, output, errors = self.run_tool(answer="sdb\n")
        self.assertEqual((status, errors), (0, ""))
        self.assertIn("Acme Stick 3000, 0.0 GiB.\nEverything on it is lost. Type sdb", output)
        self.assertIn(f"{len(IMAGE)} bytes written and read back", output)
        self.assertTrue(self.read("dev/sdb") == IMAGE + b"\xff" * (DISK_BYTES - len(IMAGE)))

    def test_any_other_answer_is_no(self):
        for answer in ("", "\n", "y\n", "yes\n", "sda\n", "/dev/sdb\n"):
            status, _, errors = self.run_tool(answer=answer)
            self.assertEqual((status, errors), (1, "write-usb: nothing was written\n"))
            self.assertTrue(self.read("dev/sdb") == b"\xff" * DISK_BYTES)

    def test_reads_back_otherwise(self):
        def write(descriptor, data):
            return real(descriptor, data[:7] + b"X" + data[8:])
        real = os.write
        with mock.patch.object(usb.os, "write", write):
            status, _, errors = self.run_tool("--yes")
        self.assertEqual(status, 1)
        self.assertIn("byte 7 reads back otherwise", errors)
        self.write("dev/sdb", bytes(DISK_BYTES))
        with mock.patch.object(usb.os, "write", lambda _, data: len(data)):
            self.assertIn("byte 0 reads back otherwise", self.run_tool("--yes")[2])

    def test_write_error(self):
        with mock.patch.object(usb.os, "write", side_effect=OSError(5, "Input/output error")):
            status, _, errors = self.run_tool("--yes")
        self.assertEqual(status, 1)
        self.assertIn("Input/output error; what is on it now is incomplete", errors)

    def test_another_device_in_its_place(self):
        numbers = iter(("8:16", "8:32"))
        with mock.patch.object(usb, "number_of", lambda _: next(numbers)):
            self.assert_refused("another device is there now", status=1)


class RefusalTest(Bench):
    def test_not_removable(self):
        self.write("sys/sdb/removable", b"0\n")
        self.assert_refused("is not removable .Acme Stick 3000")
        self.assertEqual(self.run_tool("--yes", "--force")[0], 0)

    def test_in_use(self):
        for mount in ("30 22 8:17 / /mnt rw - vfat /dev/sdb1 rw\n",
                      "30 22 8:16 / /mnt rw shared:3 - iso9660 /dev/sdb ro\n",
                      "30 22 0:40 / /mnt rw - btrfs /dev/sdb1 rw\n"):
            self.write("mounts", (ROOT_MOUNT + mount).encode())
            self.assert_refused("mounted at /mnt; unmount it first")
        self.assertEqual(self.run_tool("--yes", "--force")[0], 0)

    def test_held_by_another_device(self):
        self.write("sys/sdb1/holders/dm-0", b"")
        self.write("sys/dm-0/dev", b"253:0\n")
        self.assert_refused("held by dm-0")
        self.write("sys/dm-0/holders/dm-1", b"")
        self.write("sys/dm-1/dev", b"253:1\n")
        self.write("mounts", b"30 22 253:1 / /mnt rw - ext4 /dev/mapper/x rw\n")
        self.assert_refused("mounted at /mnt")

    def test_the_disk_of_this_system(self):
        for options in ((), ("--force",)):
            self.assert_refused("this system runs from it: mounted at /", *options, disk="sda")
        self.write("mounts", b"")
        self.write("swaps", b"Filename Type\n/dev/sda1 partition 1 0 -2\n")
        self.assert_refused("swapped to", "--force", disk="sda")

    def test_what_is_no_disk(self):
        self.assert_refused("is a partition; name the whole disk", "--force", disk="sdb1")
        self.write("dev/sdx", b"")
        self.assert_refused("the kernel knows no disk sdx", disk="sdx")
        self.write("sys/sdb/ro", b"1\n")
        self.assert_refused("write-protected", "--force")
        self.write("sys/sdb/ro", b"0\n")
        for size in (b"19\n", b"0\n", b"", b"many\n"):
            self.write("sys/sdb/size", size)
            self.assert_refused(f"and the image {len(IMAGE)}", "--force")
        os.symlink("sdb", self.path("dev/other"))
        self.write("sys/sdb/size", b"2048\n")
        self.assertEqual(self.run_tool("--yes", disk="other")[0], 0)


class ToolTest(unittest.TestCase):
    """The program itself, on what is surely no disk."""

    def test_refused(self):
        for path, words in ((__file__, "is a regular file"), ("/", "is a folder"),
                            ("/dev/null", "is a character device"), ("/dev/no/such", "No such file")):
            result = subprocess.run([os.path.join(tool.TOOLS, "write-usb"), "--yes", "--force",
                                     __file__, path], capture_output=True, text=True, check=False)
            self.assertEqual(result.returncode, 2)
            self.assertIn(words, result.stderr)


if __name__ == "__main__":
    unittest.main()
