# SPDX-License-Identifier: BSD-2-Clause
"""tools/check-style: each kind of offence is found, and a source without one is let through."""

import os
import shutil
import subprocess
import tempfile
import unittest

import tool

CHECK = os.path.join(tool.TOOLS, "check-style")
LICENCE = "SPDX-License-Identifier: BSD-2-Clause"


class StyleTest(unittest.TestCase):
    def setUp(self):
        self.root = tempfile.mkdtemp(prefix="test-check-style-")
        self.addCleanup(shutil.rmtree, self.root)

    def check(self, path, text):
        """(exit status, what was printed) with this file alone in the tree."""
        full = os.path.join(self.root, path)
        os.makedirs(os.path.dirname(full), exist_ok=True)
        with open(full, "w", encoding="utf-8") as file:
            file.write(text)
        result = subprocess.run([CHECK, self.root], capture_output=True, text=True, check=False)
        os.remove(full)
        return result.returncode, result.stdout + result.stderr

    def test_good(self):
        for path, text in {
                "vmm/a.c": f"// {LICENCE}\nint a;\n", "vmm/a.h": f"// {LICENCE}\n",
                "arch/x86/a.asm": f"; {LICENCE}\n", "tests/a.py": f"# {LICENCE}\n",
                "tools/a": f"#!/bin/sh\n# {LICENCE}\n", "Makefile": f"# {LICENCE}\n\ttab\n",
                "tests/model/a.pml": f"/* {LICENCE} */\n"}.items():
            self.assertEqual(self.check(path, text), (0, ""), path)

    def test_licence(self):
        for path, text, line in (
                ("vmm/a.c", "int a;\n", 1), ("vmm/a.c", "", 1), ("vmm/a.c", f"# {LICENCE}\n", 1),
                ("tools/a", "#!/bin/sh\n", 2), ("tools/a", f"#!/bin/sh\n\n# {LICENCE}\n", 2)):
            status, output = self.check(path, text)
            self.assertEqual(status, 1, text)
            self.assertIn(f"{path}:{line}: this line has to be ", output)

    def test_lines(self):
        for text, wrong in (
                ("int a; \n", "blanks at the end"), ("\tint a;\n", "a tab"),
                ("int a;", "the last line has no end"), ("/" * 106 + "\n", "106 columns")):
            status, output = self.check("vmm/a.c", f"// {LICENCE}\n{text}")
            self.assertEqual(status, 1, text)
            self.assertIn(f"vmm/a.c:2: {wrong}", output)

    def test_what_is_no_source(self):
        self.assertEqual(self.check("tests/data/table.txt", "a table \n")[0], 2)
        self.assertEqual(subprocess.run([CHECK, "a", "b"], capture_output=True, check=False)
                         .returncode, 2)


if __name__ == "__main__":
    unittest.main()
