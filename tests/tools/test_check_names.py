# SPDX-License-Identifier: BSD-2-Clause
"""tools/check-names: the documents of this tree name what there is, and a name that is not there is
found."""

import os
import subprocess
import unittest

import tool

CHECK = os.path.join(tool.TOOLS, "check-names")


def run(*arguments):
    return subprocess.run([CHECK, *arguments], capture_output=True, text=True, check=False)


class TreeTest(unittest.TestCase):
    def test_this_tree(self):
        result = run()
        self.assertEqual((result.stdout, result.returncode), ("", 0))


class NamesTest(tool.FolderTest):
    def setUp(self):
        super().setUp()
        self.write("vmm/run/run.c", "void vcpu_run(void);\nvoid advance_rip(void);\n")
        self.write("vmm/run/io.c", "")
        self.write("Makefile", "VARIABLE := 1\ncheck lint-all: all\n\ttrue\n")

    def check(self, text, document="README.md"):
        self.write(document, text)
        result = run(self.home)
        self.assertEqual(result.stderr, "")
        self.assertEqual(result.returncode, 1 if result.stdout else 0)
        return result.stdout.splitlines()

    def test_good(self):
        self.assertEqual(self.check("""\
`vmm/run/`, `vmm/run`, `vmm/run/*.c`, `vmm/NAME/io.c`, `io.c`; `vmm/run/run.c` (`vcpu_run`, `advance_rip`),
`vmm/run/run.c`: `vcpu_run` and `advance_rip`, the loop. `make check`, `make lint-all V=1`, `some text`.
[there](vmm/run/run.c), [elsewhere](https://example.org/none), [here](#names)

    `vmm/none.c`
"""), [])

    def test_paths(self):
        self.assertEqual(self.check("x\n`vmm/none.c` and `vmm/no*/run.c`\n`none.c`\n"),
                         ["README.md:2: there is no vmm/none.c",
                          "README.md:2: there is no vmm/no*/run.c",
                          "README.md:3: no folder has a none.c"])

    def test_functions(self):
        self.assertEqual(self.check("`vmm/run/run.c` (`vcpu_run`, `vcpu`)\n`vmm/run/io.c`: `exit_io`\n"),
                         ["README.md:1: vmm/run/run.c has no vcpu",
                          "README.md:2: vmm/run/io.c has no exit_io"])

    def test_targets(self):
        self.assertEqual(self.check("`make none`, `make VARIABLE`"),
                         ["README.md:1: the Makefile has no target none"])

    def test_links(self):
        self.assertEqual(self.check("[a](../vmm/run/io.c) [b](vmm/run/io.c)\n", "docs/a.md"),
                         ["docs/a.md:1: the link vmm/run/io.c leads nowhere"])

    def test_no_documents(self):
        self.assertEqual(run(self.home).returncode, 2)
        self.assertEqual(run("a", "b").returncode, 2)


if __name__ == "__main__":
    unittest.main()
