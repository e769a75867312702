"""tools/check-docs: docs/board.md has the port table that vmm/machine.c builds, and a difference is
caught."""

import os
import shutil
import subprocess
import tempfile
import unittest

import tool

CHECK = os.path.join(tool.TOOLS, "check-docs")
ROOT = os.path.dirname(tool.TOOLS)


def run(*arguments):
    return subprocess.run([CHECK, *arguments], capture_output=True, text=True, check=False)


class TreeTest(unittest.TestCase):
    def test_this_tree(self):
        result = run()
        self.assertEqual((result.stdout, result.stderr, result.returncode), ("", "", 0))


class DifferenceTest(unittest.TestCase):
    def setUp(self):
        self.root = tempfile.mkdtemp(prefix="test-check-docs-")
        self.addCleanup(shutil.rmtree, self.root)
        for folder in ("docs", "vmm"):
            shutil.copytree(os.path.join(ROOT, folder), os.path.join(self.root, folder))
        self.board = os.path.join(self.root, "docs/board.md")

    def edit(self, old, new):
        with open(self.board, encoding="utf-8") as file:
            text = file.read()
        self.assertIn(old, text)
        with open(self.board, "w", encoding="utf-8") as file:
            file.write(text.replace(old, new, 1))

    def test_copy_is_the_same(self):
        self.assertEqual(run(self.root).returncode, 0)

    def test_wrong_port(self):
        self.edit("| 0x040 | 4 |", "| 0x048 | 4 |")
        result = run(self.root)
        self.assertEqual(result.returncode, 1)
        self.assertIn("i8254", result.stdout)

    def test_wrong_count(self):
        self.edit("| 0x040 | 4 |", "| 0x040 | 3 |")
        self.assertEqual(run(self.root).returncode, 1)

    def test_no_table(self):
        with open(self.board, "w", encoding="utf-8") as file:
            file.write("# nothing\n")
        self.assertEqual(run(self.root).returncode, 2)


if __name__ == "__main__":
    unittest.main()
