# SPDX-License-Identifier: BSD-2-Clause
"""tools/mark-nx: the bit, as objdump sees it, and what is refused."""

import os
import re
import struct
import subprocess
import unittest

import tool

MARK_NX = os.path.join(tool.TOOLS, "mark-nx")
mark_nx = tool.load("mark-nx")

SOURCE = """
.section .text, "ax"
.globl efi_start
efi_start: ret
.balign 4096
.section .data, "aw"
.quad 1
.balign 4096
"""
OPTIONAL_HEADER = 24


class MarkNxTest(tool.FolderTest):
    def run_tool(self, *command):
        return subprocess.run(command, cwd=self.home, capture_output=True, check=True,
                              text=True).stdout

    def make_efi(self):
        """A PE file made as the monitor's is."""
        with open(self.path("a.s"), "w", encoding="ascii") as file:
            file.write(SOURCE)
        self.run_tool("gcc", "-c", "a.s", "-o", "a.o")
        self.run_tool("ld", "-nostdlib", "-shared", "-Bsymbolic", "-e", "efi_start",
                      "-Ttext=0x1000", "-Tdata=0x3000", "a.o", "-o", "a.elf")
        self.run_tool("objcopy", "-O", "efi-app-x86_64", "-j", ".text", "-j", ".data", "a.elf",
                      "a.efi")
        with open(self.path("a.efi"), "rb") as file:
            return file.read()

    def field(self, name):
        text = self.run_tool("objdump", "-p", "a.efi")
        return int(re.search(rf"^{name}\s+([0-9a-f]+)", text, re.M).group(1), 16)

    def test_sets_the_bit_alone(self):
        before = self.make_efi()
        self.assertEqual(self.field("DllCharacteristics"), 0)
        # The algorithm is right where it finds objcopy's own checksum.
        header = struct.unpack_from("<I", before, 0x3C)[0]
        blank = bytearray(before)
        blank[header + OPTIONAL_HEADER + 64:header + OPTIONAL_HEADER + 68] = b"\0" * 4
        self.assertEqual(mark_nx.checksum(blank) + len(blank), self.field("CheckSum"))

        subprocess.run([MARK_NX, self.path("a.efi")], check=True)
        self.assertEqual(self.field("DllCharacteristics"), 0x100)
        with open(self.path("a.efi"), "rb") as file:
            after = file.read()
        self.assertEqual(len(after), len(before))
        changed = [at for at, pair in enumerate(zip(before, after)) if pair[0] != pair[1]]
        header += OPTIONAL_HEADER
        self.assertLessEqual(set(changed), {*range(header + 64, header + 68), header + 71})
        subprocess.run([MARK_NX, self.path("a.efi")], check=True)
        with open(self.path("a.efi"), "rb") as file:
            self.assertEqual(file.read(), after)

    def test_refused(self):
        good = self.make_efi()
        header = struct.unpack_from("<I", good, 0x3C)[0]
        first = header + OPTIONAL_HEADER + struct.unpack_from("<H", good, header + 20)[0]

        def changed(offset, data):
            return good[:offset] + data + good[offset + len(data):]

        for data, words in (
                (b"", "cut off"), (good[:header + 30], "cut off"), (b"#!" + good[2:], "PE32+"),
                (changed(header + OPTIONAL_HEADER, b"\x0b\x01"), "PE32+"),
                (changed(header + OPTIONAL_HEADER + 32, struct.pack("<I", 512)), "share pages"),
                (changed(first + 36, struct.pack("<I", 0xE0000020)), ".text is writable")):
            with self.assertRaisesRegex(mark_nx.Refused, words):
                mark_nx.mark(data)

    def test_usage(self):
        missing = subprocess.run([MARK_NX, self.path("none")], capture_output=True, check=False)
        self.assertEqual(missing.returncode, 2)
        self.assertIn(b"No such file", missing.stderr)
        self.assertEqual(subprocess.run([MARK_NX], capture_output=True, check=False).returncode, 2)


if __name__ == "__main__":
    unittest.main()
