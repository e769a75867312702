# SPDX-License-Identifier: BSD-2-Clause
"""The ACPI tables that tools/native.c makes for Linux in Bochs, read back by iasl."""

import ctypes
import os
import re
import struct
import subprocess
import tempfile
import unittest

import tool

ROOT = os.path.join(tool.TOOLS, "..")
BYTES = 4096
ADDRESS = 0x1234000


class NativeAcpiTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        with tempfile.TemporaryDirectory(prefix="test-native-acpi-") as home:
            library = os.path.join(home, "native_acpi.so")
            subprocess.run(["gcc", "-shared", "-fpic", "-fshort-wchar", "-Wall", "-Werror", "-I", ROOT,
                            "-isystem", "/usr/include/efi", "-isystem", "/usr/include/efi/x86_64",
                            os.path.join(ROOT, "tools", "native_acpi.c"), "-o", library], check=True)
            cls.make = ctypes.CDLL(library).native_acpi_make

    def memory(self, processors):
        """The memory with the tables."""
        memory = (ctypes.c_ubyte * BYTES)(*[0xaa] * BYTES)
        self.make(memory, ctypes.c_uint64(ADDRESS), processors)
        return bytes(memory)

    def table(self, data, address):
        """The table at that address; its sum is right."""
        place = address - ADDRESS
        table = data[place:place + struct.unpack_from("<I", data, place + 4)[0]]
        self.assertEqual(sum(table) % 256, 0)
        return table

    def tables(self, processors):
        """{signature: table} of all that can be reached from the RSDP."""
        data = self.memory(processors)
        self.assertEqual(data[:8], b"RSD PTR ")
        self.assertEqual((sum(data[:20]) % 256, sum(data[:36]) % 256), (0, 0))
        xsdt = self.table(data, struct.unpack_from("<Q", data, 24)[0])
        found = [self.table(data, address) for address in struct.unpack_from("<2Q", xsdt, 36)]
        fadt = found[0]
        short, = struct.unpack_from("<I", fadt, 40)
        wide, = struct.unpack_from("<Q", fadt, 140)
        self.assertEqual(short, wide)
        return {table[:4]: table for table in (xsdt, *found, self.table(data, wide))}

    def iasl(self, table):
        """What iasl makes of a table."""
        with tempfile.TemporaryDirectory(prefix="test-native-acpi-") as home:
            path = os.path.join(home, "table.aml")
            with open(path, "wb") as file:
                file.write(table)
            result = subprocess.run(["iasl", "-d", path], stdout=subprocess.PIPE, check=True,
                                    stderr=subprocess.STDOUT, text=True)
            self.assertNotRegex(result.stdout, "(?i)error|warning")
            with open(os.path.join(home, "table.dsl"), encoding="ascii") as file:
                return file.read()

    def test_all_tables_are_there(self):
        for processors in (1, 2, 64):
            self.assertEqual(sorted(self.tables(processors)), [b"APIC", b"DSDT", b"FACP", b"XSDT"])

    def test_processors(self):
        text = self.iasl(self.tables(5)[b"APIC"])
        self.assertEqual(re.findall(r"Local Apic ID : (\w+)", text), [f"{n:02X}" for n in range(5)])
        self.assertEqual(len(re.findall(r"Processor Enabled : 1", text)), 5)
        self.assertEqual(re.findall(r"\[I/O APIC\](?:.*\n)*?.* Address : (\w+)", text), ["FEC00000"])
        self.assertRegex(text, r"Source : 00\n.*Interrupt : 00000002")

    def test_ports_and_power_off(self):
        tables = self.tables(2)
        text = self.iasl(tables[b"FACP"])
        for line in ("SCI Interrupt : 0009", "PM1A Event Block Address : 0000B000",
                     "PM1A Control Block Address : 0000B004", "PM Timer Block Address : 0000B008"):
            self.assertIn(line, text)
        self.assertRegex(self.iasl(tables[b"DSDT"]), r"Name \(_S5, Package \(0x04\)")


if __name__ == "__main__":
    unittest.main()
