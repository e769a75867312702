# SPDX-License-Identifier: BSD-2-Clause
"""tools/compile-commands: which lines become entries, and which command a source gets."""

import json
import os
import subprocess
import unittest

import tool

PROGRAM = os.path.join(tool.TOOLS, "compile-commands")
LINES = """\
mkdir -p build/monitor/vmm
gcc -O2 -DNAME='a b' -c vmm/a.c -o build/monitor/vmm/a.o
nasm -f elf64 arch/x86/b.asm -o b.o
gcc -c build/monitor/symbols.s -o build/monitor/symbols.o
gcc -O1 -c vmm/a.c -o build/host/vmm/a.o
gcc -O1 -c tests/unit/test_a.c -o build/host/tests/unit/test_a.o
gcc build/host/tests/unit/test_a.o -o build/host/test_a
"""


def run(*arguments, text=""):
    return subprocess.run([PROGRAM, *arguments], input=text, capture_output=True, text=True,
                          check=False)


class CompileCommandsTest(unittest.TestCase):
    def test_entries(self):
        result = run("/tree", text=LINES)
        self.assertEqual(result.returncode, 0)
        self.assertEqual(
            [(entry["directory"], entry["file"], entry["arguments"][:3])
             for entry in json.loads(result.stdout)],
            [("/tree", "tests/unit/test_a.c", ["gcc", "-O1", "-c"]),
             ("/tree", "vmm/a.c", ["gcc", "-O2", "-DNAME=a b"])])

    def test_nothing(self):
        self.assertEqual(run("/tree", text="true\n").returncode, 1)
        self.assertEqual(run().returncode, 2)


if __name__ == "__main__":
    unittest.main()
