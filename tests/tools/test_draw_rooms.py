# SPDX-License-Identifier: BSD-2-Clause
"""tools/draw-rooms: docs/rooms.svg shows the rooms of tools/check-includes, and another picture is
refused."""

import os
import shutil
import subprocess
import tempfile
import unittest
import xml.etree.ElementTree

import tool

DRAW = os.path.join(tool.TOOLS, "draw-rooms")


def run(*arguments):
    return subprocess.run([DRAW, *arguments], capture_output=True, text=True, check=False)


class TreeTest(unittest.TestCase):
    def test_this_tree(self):
        result = run("--check")
        self.assertEqual((result.stdout, result.stderr, result.returncode), ("", "", 0))


class PictureTest(unittest.TestCase):
    def setUp(self):
        self.root = tempfile.mkdtemp(prefix="test-draw-rooms-")
        self.addCleanup(shutil.rmtree, self.root)
        for path in ("Makefile", "tools/check-includes"):
            os.makedirs(os.path.dirname(os.path.join(self.root, path)), exist_ok=True)
            shutil.copy(os.path.join(tool.TOOLS, "..", path), os.path.join(self.root, path))
        os.mkdir(os.path.join(self.root, "docs"))

    def change(self, path, old, new):
        path = os.path.join(self.root, path)
        with open(path, encoding="utf-8") as file:
            text = file.read()
        self.assertIn(old, text)
        with open(path, "w", encoding="utf-8") as file:
            file.write(text.replace(old, new))

    def test_drawn(self):
        self.assertEqual(run("--check", self.root).returncode, 1)
        self.assertEqual(run(self.root).returncode, 0)
        self.assertEqual(run("--check", self.root).returncode, 0)
        texts = [element.text for element in xml.etree.ElementTree.parse(
            os.path.join(self.root, "docs/rooms.svg")).iter() if element.tag.endswith("text")]
        self.assertIn("vmm/iobus", texts)
        self.assertLess(texts.index("vmm/monitor"), texts.index("vmm/base"))

    def test_drift(self):
        self.assertEqual(run(self.root).returncode, 0)
        self.change("tools/check-includes", 'room("vmm/prompt")', 'room("vmm/prompt", "vmm/memory")')
        result = run("--check", self.root)
        self.assertEqual(result.returncode, 1)
        self.assertIn("draw it anew", result.stdout)

    def test_room_without_a_word(self):
        self.change("tools/check-includes", 'room("vmm/memory"),', 'room("vmm/memory"), room("vmm/x"),')
        result = run(self.root)
        self.assertEqual(result.returncode, 2)
        self.assertIn("vmm/x", result.stderr)

    def test_usage(self):
        self.assertEqual(run("--what").returncode, 2)


if __name__ == "__main__":
    unittest.main()
