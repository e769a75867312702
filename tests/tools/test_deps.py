# SPDX-License-Identifier: BSD-2-Clause
"""tools/deps: what it would install for which goal, with stand-ins for dpkg-query and apt-get."""

import os
import re
import subprocess
import unittest

import tool

ROOT = os.path.normpath(os.path.join(tool.TOOLS, ".."))
# Says that all is installed, except what stands in MISSING.
DPKG_QUERY = """#!/bin/sh
case " $MISSING " in *" $4 "*) exit 1 ;; *) printf installed ;; esac
"""
APT_GET = """#!/bin/sh
echo "$@" >>"$CALLS"
[ "$1" = update ] || [ -z "$FAIL" ]
"""


class DepsTest(tool.FolderTest):
    def setUp(self):
        super().setUp()
        for name, text in (("dpkg-query", DPKG_QUERY), ("apt-get", APT_GET),
                           ("apt-cache", "#!/bin/sh\n"), ("sudo", '#!/bin/sh\nexec "$@"\n')):
            os.chmod(self.write(name, text), 0o755)

    def deps(self, *words, missing="", fail=""):
        environment = dict(os.environ, PATH=f"{self.home}:/usr/bin:/bin", MISSING=missing,
                           CALLS=self.path("calls"), FAIL=fail)
        if os.path.exists(self.path("calls")):
            os.unlink(self.path("calls"))
        result = subprocess.run([os.path.join(tool.TOOLS, "deps"), *words], env=environment,
                                capture_output=True, text=True, check=False)
        installed = set()
        if os.path.exists(self.path("calls")):
            with open(self.path("calls"), encoding="ascii") as file:
                for line in file:
                    installed |= {word for word in line.split() if not word.startswith("-")}
        return result, installed - {"install", "update"}

    def test_run_needs_less_than_test(self):
        everything = {"gcc", "bochs", "clang", "frama-c-base", "pylint"}
        missing = " ".join(everything)
        for words, wanted in ((("run",), {"gcc", "bochs"}), (("test",), everything),
                              ((), everything)):
            result, installed = self.deps(*words, missing=missing)
            self.assertEqual((result.returncode, installed), (0, wanted))
            for package in wanted:
                self.assertRegex(result.stdout, rf"(?m)^  {package} +\S")

    def test_nothing_to_do(self):
        result, installed = self.deps("run", missing="clang")
        self.assertEqual((result.returncode, result.stdout, installed),
                         (0, "deps: everything is installed\n", set()))

    def test_failure(self):
        result, _ = self.deps("run", missing="gcc", fail="yes")
        self.assertEqual(result.returncode, 1)
        self.assertIn("could not install: gcc", result.stderr)

    def test_usage(self):
        for words in (("all",), ("run", "test"), ("--help",)):
            self.assertEqual(self.deps(*words)[0].returncode, 2, words)

    def test_goals_of_make(self):
        for goals, word in (("deps", "test"), ("deps run", "run"), ("deps image monitor", "run"),
                            ("deps test", "test"), ("deps run check", "test")):
            result = subprocess.run(["make", "--no-print-directory", "-n", f"BUILD={self.path('b')}",
                                     *goals.split()], cwd=ROOT, capture_output=True, text=True,
                                    check=False)
            self.assertEqual(re.findall(r"^tools/deps (.*)", result.stdout, re.M), [word], goals)


if __name__ == "__main__":
    unittest.main()
