# SPDX-License-Identifier: BSD-2-Clause
"""tools/mkimage: the image's content, refusals, reproducibility."""

import os
import re
import struct
import subprocess
import unittest
import zlib
from unittest import mock

import tool

MKIMAGE = os.path.join(tool.TOOLS, "mkimage")
mkimage = tool.load("mkimage")


class PathTest(unittest.TestCase):
    def test_either_slash(self):
        for text in (r"\a\b.c", "/a/b.c", r"a/b.c", r"\a/b.c"):
            self.assertEqual(mkimage.image_path(text), ("a", "b.c"))

    def test_refused(self):
        for text in ("", "/", "a/", "a\\", "a//b", "a/../b", "./a", "a:b", "a*", "a/b ", "a.", "AUX",
                     "com1.txt", "x\ny", "n" * 256):
            with self.assertRaises(mkimage.UsageError, msg=text):
                mkimage.image_path(text)

    def test_add(self):
        self.assertEqual(mkimage.parse_add("a:b:c/d"), ("a:b", ("c", "d")))
        for argument in ("a", "a:", ":b", ""):
            with self.assertRaises(mkimage.UsageError, msg=argument):
                mkimage.parse_add(argument)

    def test_plan(self):
        self.assertEqual(mkimage.plan([("x", ("EFI", "BOOT", "A")), ("y", ("efi", "b"))]),
                         [("EFI",), ("EFI", "BOOT")])
        for files in ([("x", ("a",)), ("y", ("A",))], [("x", ("a",)), ("y", ("A", "b"))]):
            with self.assertRaises(mkimage.UsageError):
                mkimage.plan(files)

    def test_layout(self):
        for size in (0, 1, 10 << 20, 60 << 20, 130 << 20, 300 << 20, 4 << 30):
            sectors, partition_bytes = mkimage.layout([size], 3)
            self.assertGreater(partition_bytes, size)
            self.assertLess(partition_bytes, size * 1.1 + (40 << 20))
            self.assertGreaterEqual(partition_bytes // (sectors * 512), 65525)


class ImageTest(tool.FolderTest):
    def setUp(self):
        super().setUp()
        self.write("efi", b"MZ monitor")
        self.write("conf", b"[monitor]\n")

    def mkimage(self, *options, output="out.img"):
        return subprocess.run([MKIMAGE, "--no-check", "--config", self.path("conf"),
                               "--efi", self.path("efi"), *options, self.path(output)],
                              capture_output=True, check=False)

    def read(self, path, image="out.img"):
        return subprocess.run(["mtype", "-i", f"{self.path(image)}@@1M", f"::{path}"],
                              capture_output=True, check=True).stdout

    def test_content(self):
        big = os.urandom(5 << 20)
        self.write("big file", big)
        self.write("small:1", b"small")
        result = self.mkimage("--add", self.path("big file") + r":\portcullis\vmlinuz",
                              "--add", self.path("small:1") + ":/some/deep folder/Long name.txt")
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertEqual(self.read("/EFI/BOOT/BOOTX64.EFI"), b"MZ monitor")
        self.assertEqual(self.read("/portcullis/portcullis.conf"), b"[monitor]\n")
        self.assertEqual(self.read("/portcullis/vmlinuz"), big)
        self.assertEqual(self.read("/some/deep folder/Long name.txt"), b"small")
        self.assertEqual(self.read("/portcullis/checksums").decode(),
                         f"{zlib.crc32(big):08x} \\portcullis\\vmlinuz\n"
                         f"{zlib.crc32(b'small'):08x} \\some\\deep folder\\Long name.txt\n")
        self.assertEqual(sorted(os.listdir(self.home)), ["big file", "conf", "efi", "out.img",
                                                         "small:1"])
        # Protective MBR, then the GPT header with one entry of the EFI system partition's type.
        with open(self.path("out.img"), "rb") as file:
            disk = file.read()
        self.assertEqual(disk[450], 0xEE)
        self.assertEqual(disk[512:520], b"EFI PART")
        self.assertEqual(disk[1024:1040].hex(), "28732ac11ff8d211ba4b00a0c93ec93b")
        self.assertEqual(disk[-512:-504], b"EFI PART")
        self.assertEqual(struct.unpack_from("<Q", disk, 1024 + 32)[0], 2048)
        self.assertEqual(len(disk) % (16 * 63 * 512), 0)

    def assert_fat32(self):
        """As mtools and fsck see the volume, not as mkfs was told to make it."""
        info = subprocess.run(["minfo", "-i", f"{self.path('out.img')}@@1M", "::"],
                              capture_output=True, check=True, text=True).stdout
        self.assertIn('disk type="FAT32   "', info)
        with open(self.path("out.img"), "rb") as disk, open(self.path("volume"), "wb") as volume:
            disk.seek(1 << 20)
            volume.write(disk.read()[:-(33 * 512)])
        words = subprocess.run(["/usr/sbin/fsck.fat", "-n", "-v", self.path("volume")],
                               capture_output=True, check=False, text=True).stdout
        self.assertIn("FATs, 32 bit entries", words)
        clusters = int(re.search(r"/(\d+) clusters", words).group(1))
        self.assertGreaterEqual(clusters, 65525)

    def test_always_fat32(self):
        """The smallest image there is, and large ones on both sides of the change of clusters."""
        self.assertEqual(self.mkimage().returncode, 0)
        self.assert_fat32()
        for name, size in (("a", 125 << 20), ("b", 245 << 20)):
            with open(self.path(name), "wb") as file:
                file.truncate(size)
            result = self.mkimage("--add", f"{self.path(name)}:x")
            self.assertEqual(result.returncode, 0, result.stderr)
            self.assert_fat32()

    def test_many_small_files(self):
        self.write("s", b"s")
        adds = [word for index in range(60)
                for word in ("--add", f"{self.path('s')}:d{index}/{'long ' * 20}{index}")]
        result = self.mkimage(*adds)
        self.assertEqual(result.returncode, 0, result.stderr)

    def test_reproducible(self):
        self.mkimage(output="one.img")
        os.utime(self.path("conf"), (1, 1))
        result = subprocess.run(["cmp", self.path("one.img"), self.path("two.img")],
                                capture_output=True, check=False)
        self.assertNotEqual(result.returncode, 0)
        self.mkimage(output="two.img")
        subprocess.run(["cmp", self.path("one.img"), self.path("two.img")], check=True)

    def test_usage(self):
        missing = self.path("missing")
        for options, words in ((("--add", "nocolon"), b"HOSTFILE:PATH"),
                               (("--add", f"{missing}:x"), b"missing: No such file"),
                               (("--add", f"{self.home}:x"), b"is a folder"),
                               (("--add", b"%b:\xff" % self.path("efi").encode()), b"FAT cannot keep"),
                               (("--add", f"{self.path('efi')}:efi/boot/bootx64.efi"), b"twice"),
                               (("--add", f"{self.path('efi')}:portcullis/checksums"), b"twice"),
                               (("--efi", missing), b"missing: No such file"),
                               (("--config", missing), b"missing: No such file"),
                               (("--strange",), b"unrecognized")):
            result = self.mkimage(*options)
            self.assertEqual(result.returncode, 2, options)
            self.assertIn(words, result.stderr)
            if options != ("--strange",):
                self.assertEqual(result.stderr.count(b"\n"), 1, result.stderr)
            self.assertFalse(os.path.exists(self.path("out.img")))

    def test_dates_that_fat_cannot_hold(self):
        for epoch in ("", "now", "-1", "0", "99999999999"):
            with mock.patch.dict(os.environ, SOURCE_DATE_EPOCH=epoch):
                result = self.mkimage()
            self.assertEqual(result.returncode, 2, epoch)
            self.assertIn(b"SOURCE_DATE_EPOCH", result.stderr)

    def test_no_input_becomes_the_output(self):
        for name in ("conf", "efi"):
            result = self.mkimage(output=name)
            self.assertEqual(result.returncode, 2)
            self.assertIn(b"read as well", result.stderr)
        self.assertEqual(sorted(os.listdir(self.home)), ["conf", "efi"])

    def test_a_failure_leaves_the_old_image(self):
        self.write("out.img", b"old")
        self.assertEqual(self.mkimage("--add", "x").returncode, 2)
        os.mkdir(self.path("bin"))
        with open(self.path("bin/mcopy"), "w", encoding="ascii") as file:
            file.write("#!/bin/sh\necho disk full\necho really\nexit 1\n")
        os.chmod(self.path("bin/mcopy"), 0o755)
        result = subprocess.run(
            [MKIMAGE, "--no-check", "--config", self.path("conf"), "--efi", self.path("efi"),
             self.path("out.img")],
            env=dict(os.environ, PATH=f"{self.path('bin')}:{os.environ['PATH']}"),
            capture_output=True, check=False)
        self.assertEqual(result.returncode, 1)
        self.assertEqual(result.stderr, b"mkimage: mcopy: exit status 1: disk full; really\n")
        with open(self.path("out.img"), "rb") as file:
            self.assertEqual(file.read(), b"old")
        self.assertEqual(len(os.listdir(self.home)), 4)


if __name__ == "__main__":
    unittest.main()
