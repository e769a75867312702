# SPDX-License-Identifier: BSD-2-Clause
"""tests/proof/compare.py: the code that is proved is the code that is compiled, and a difference is
found."""

import os
import sys
import unittest

import tool

ROOT = os.path.join(tool.TOOLS, "..")
sys.path.insert(0, os.path.join(ROOT, "tests", "proof"))
import compare

COMPILED = """\
#define MANY 3 /* so many */
/* Adds. */
int add(int a, int b)
{
    const char *text = "/* kept */ // too";
    while (a < b)
        a++;
    return f(a, b);
}
"""
ANNOTATED = """\
#define MANY   3
/*@ requires a <= b;
  @ ensures \\result == b; */
int add(int a, int b)
/*@ ghost (int n) */
{
    const char *text = "/* kept */ // too"; //@ ghost int n = 1;
    /*@ loop variant b - a; */
    while (a < b) a++;
    //@ assert a >= b;
    return f(a, b) /*@ ghost (n) */;
}
"""


class CompareTest(unittest.TestCase):
    def test_this_tree(self):
        self.assertEqual(list(compare.differences(ROOT)), [])

    def test_annotations_do_not_count(self):
        self.assertIsNone(compare.difference(COMPILED, ANNOTATED))

    def test_code_does(self):
        for old, new, found in (("a < b", "a <= b", (6, "<", "<=")),
                                ("MANY   3", "MANY   4", (1, "#define MANY 3", "#define MANY 4")),
                                ("// too", "// two", (5, '"/* kept */ // too"',
                                                      '"/* kept */ // two"')),
                                ("    return", "    a++;\n    return", (8, "return", "a")),
                                ("}\n", "", (9, "}", "the end of the file")),
                                ("}\n", "}\nint x;\n", (10, "the end of the file", "int"))):
            self.assertIn(old, ANNOTATED)
            self.assertEqual(compare.difference(COMPILED, ANNOTATED.replace(old, new)), found)


if __name__ == "__main__":
    unittest.main()
