# SPDX-License-Identifier: BSD-2-Clause
"""tools/check-config: the monitor's own words on a configuration, and that tools/mkimage asks it."""

import gzip
import os
import re
import subprocess
import unittest
from unittest import mock

import tool

FLAT = b"\xfa\xf4"


class CheckConfigTest(tool.FolderTest):
    def setUp(self):
        super().setUp()
        self.write("flat", FLAT)
        self.configure("[guest one]\nkernel = flat.bin\nmemory = 16M\n")

    def configure(self, text):
        self.write("two.conf", text.encode())

    def run_tool(self, *words, name="check-config"):
        return subprocess.run([os.path.join(tool.TOOLS, name), *words], cwd=self.home, text=True,
                              capture_output=True, check=False)

    def refused(self, words, *options, status=1):
        result = self.run_tool(*options, "two.conf")
        self.assertEqual((result.returncode, result.stderr), (status, f"check-config: {words}\n"))
        self.assertEqual(result.stdout, "")

    def test_accepted(self):
        result = self.run_tool("two.conf")
        self.assertEqual((result.returncode, result.stderr, result.stdout),
                         (0, "", "guest 'one': files not looked at, 16 MiB of memory\n"))
        # FAT finds a path in either case, written with either slash.
        for path in (r"\portcullis\flat.bin", "/Portcullis/FLAT.BIN"):
            result = self.run_tool("--add", f"flat:{path}", "two.conf")
            self.assertEqual((result.returncode, result.stderr, result.stdout),
                             (0, "", "guest 'one': flat 16-bit binary, 16 MiB of memory\n"))

    def test_refused(self):
        add = ("--add", r"flat:\portcullis\flat.bin")
        self.refused(r"two.conf:2: there is no \portcullis\flat.bin on the volume; copy it there or"
                     " correct the path", "--add", "flat:flat.bin")
        self.configure("[guest one]\nkernel = flat.bin\nmemroy = 16M\n")
        result = self.run_tool("two.conf")
        self.assertEqual((result.returncode, result.stdout), (1, ""))
        self.assertIn("check-config: two.conf:3: unknown key 'memroy'; did you mean 'memory'?",
                      result.stderr)
        self.configure("[guest one]\nkernel = flat.bin\nmemory = 16M\ncmdline = x\n")
        self.refused(r"guest 'one': \portcullis\flat.bin: a flat 16-bit binary, which takes no command"
                     " line; leave the line cmdline out", *add)
        self.configure("[guest one]\nkernel = flat.bin\nmemory = 16M\ninitrd = none\n")
        self.refused(r"two.conf:4: \portcullis\none is empty; copy it to the volume again or leave the"
                     " line initrd out", *add, "--add", self.write("none", b"") + ":portcullis/none")
        self.configure("[guest a]\nkernel = k\nmemory = 2M\n[guest b]\nkernel = k\nmemory = 2M\n")
        self.assertEqual(self.run_tool("two.conf").returncode, 0)
        self.assertIn("this machine has 1", self.run_tool("--cpus", "1", "two.conf").stderr)
        self.write("two.conf", b"#" * ((1 << 20) + 1))
        self.assertIn("at most 1048576 are read", self.run_tool("two.conf").stderr)
        self.write("two.conf", b"")
        self.assertIn("ends without a guest", self.run_tool("two.conf").stderr)

    def test_the_documents_examples(self):
        with open(os.path.join(tool.TOOLS, "..", "README.md"), encoding="utf-8") as file:
            text = file.read()
        blocks = re.findall(r"^    \[monitor\]\n(?:(?:    .*)?\n)+", text, re.M)
        self.assertEqual([block.count("[guest ") for block in blocks], [1, 2])
        for block in blocks:
            self.configure(re.sub(r"^    ", "", block, flags=re.M))
            result = self.run_tool("--cpus", "3", "two.conf")
            self.assertEqual((result.returncode, result.stderr), (0, ""), block)

    def test_what_is_no_kernel(self):
        add = ("--add", r"flat:\portcullis\flat.bin")
        self.write("flat", gzip.compress(b"a kernel"))
        self.refused(r"guest 'one': \portcullis\flat.bin: this is a file compressed with gzip, not a"
                     " kernel; unpack it first, with gunzip", *add)
        self.write("flat", b"<html>404</html>\n")
        self.assertIn("a text file", self.run_tool(*add, "two.conf").stderr)

    def test_usage(self):
        self.refused("nothing: No such file or directory", "--add", "nothing:x", status=2)
        self.refused("--cpus 0: a machine has at least one processor", "--cpus", "0", status=2)
        self.assertEqual(self.run_tool("two.conf", "three.conf").returncode, 2)
        with mock.patch.dict(os.environ, PORTCULLIS_BUILD=self.home):
            self.refused(f"{self.home}/tools/check-config is missing: `make monitor` builds it")

    def test_mkimage_asks(self):
        words = ("--config", "two.conf", "--efi", "flat")
        result = self.run_tool(*words, "out.img", name="mkimage")
        self.assertEqual((result.returncode, result.stderr),
                         (1, r"mkimage: two.conf:2: there is no \portcullis\flat.bin on the volume; copy"
                          " it there or correct the path\n"))
        self.assertEqual(sorted(os.listdir(self.home)), ["flat", "two.conf"])
        self.assertEqual(self.run_tool(*words, "--no-check", "out.img", name="mkimage").returncode, 0)
        result = self.run_tool(*words, "--add", "flat:portcullis/flat.bin", "two.img", name="mkimage")
        self.assertEqual((result.returncode, result.stderr), (0, ""))


if __name__ == "__main__":
    unittest.main()
