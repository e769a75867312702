# SPDX-License-Identifier: BSD-2-Clause
"""tools/check-docs: docs/board.md has the tables that the board's source builds, and a difference in
any of them is caught, on either side."""

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

    def edit(self, old, new, path="docs/board.md"):
        path = os.path.join(self.root, path)
        with open(path, encoding="utf-8") as file:
            text = file.read()
        self.assertIn(old, text)
        with open(path, "w", encoding="utf-8") as file:
            file.write(text.replace(old, new, 1))

    def expect(self, status, *words):
        """What the check says of the edited copy, on the stream of this status."""
        result = run(self.root)
        said = result.stderr if status == 2 else result.stdout
        self.assertEqual(result.returncode, status, result.stdout + result.stderr)
        for word in words:
            self.assertIn(word, said)

    def test_copy_is_the_same(self):
        self.expect(0)

    def test_wrong_port(self):
        self.edit("| 0x040 | 4 |", "| 0x048 | 4 |")
        self.expect(1, "i8254", "vmm/board/address_map.c:")

    def test_wrong_count(self):
        self.edit("| 0x040 | 4 |", "| 0x040 | 3 |")
        self.expect(1, "i8254")

    def test_wrong_sizes(self):
        self.edit("| 0x0f4 | 4 | 1 2 4 |", "| 0x0f4 | 4 | 1 2 |")
        self.expect(1, "debug exit")

    def test_wrong_memory(self):
        self.edit("| 0xfec00000 |", "| 0xfec01000 |")
        self.expect(1, "i82093aa")

    def test_wrong_test_device(self):
        self.edit("| 0x2000 | 24 |", "| 0x2000 | 16 |")
        self.expect(1, "testdev lines")
        self.edit("| 0xff000000 |", "| 0xff100000 |")
        self.expect(1, "testdev memory")

    def test_wrong_line(self):
        self.edit("| 4 | `IRQ_COM1` |", "| 3 | `IRQ_COM1` |")
        self.expect(1, "`IRQ_COM1`", "vmm/board/board.h:")

    def test_row_missing_in_document(self):
        self.edit("| 12 | `IRQ_AUX` |", "and 12 |")
        self.expect(1, "`IRQ_AUX`", "is missing")

    def test_row_missing_in_source(self):
        self.edit("    IRQ_AUX = 12,\n", "", "vmm/board/board.h")
        self.expect(1, "`IRQ_AUX`", "is not in enum board_irq")

    def test_source_moves_a_constant(self):
        self.edit("#define FW_CFG_PORT       0x510", "#define FW_CFG_PORT       0x520",
                  "vmm/devices/fw_cfg.h")
        self.expect(1, "fw_cfg")

    def test_lines_counted_on(self):
        self.edit("IRQ_KEYBOARD = 1,", "IRQ_KEYBOARD,", "vmm/board/board.h")
        self.expect(0)

    def test_row_of_another_shape(self):
        self.edit('{"i8254", 0x40,', '{.name = "i8254", 0x40,', "vmm/board/address_map.c")
        self.expect(2, "board_devices[].ports")

    def test_unknown_constant(self):
        self.edit("I82093AA_WINDOW_BYTES,", "sizeof(struct i82093aa),", "vmm/board/address_map.c")
        self.expect(2, "sizeof")

    def test_no_array(self):
        self.edit("board_devices[DEVICE_COUNT] = {", "devices[DEVICE_COUNT] = {",
                  "vmm/board/address_map.c")
        self.expect(2, "board_devices[]")

    def test_member_of_another_shape(self):
        self.edit(".ports = {\n            {\"i8254\",", ".ports = RANGES({\"i8254\",",
                  "vmm/board/address_map.c")
        self.expect(2, "board_devices[].ports")

    def test_no_table(self):
        with open(os.path.join(self.root, "docs/board.md"), "w", encoding="utf-8") as file:
            file.write("# nothing\n")
        self.expect(2, "board_devices[].ports")

    def test_other_columns(self):
        self.edit("| First | Bytes | Sizes | Name |", "| From | Bytes | Sizes | Name |")
        self.expect(2, "board_devices[].memory", "First")


if __name__ == "__main__":
    unittest.main()
