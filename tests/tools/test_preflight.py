# SPDX-License-Identifier: BSD-2-Clause
"""tools/preflight: one line and one exit status."""

import os
import subprocess
import unittest

import tool

preflight = tool.load("preflight")


class PreflightTest(unittest.TestCase):
    def test_verdicts(self):
        for missing, no_kvm, no_bochs, status, words in (
                ([], None, None, 0, "nothing is missing"),
                ([], None, "no Bochs", 0, "nothing is missing"),
                ([], "no /dev/kvm", None, 1, "Bochs will run the monitor: no /dev/kvm"),
                ([], "no KVM", "no firmware", 2, "neither QEMU with nested KVM (no KVM) nor Bochs (no "),
                (["nasm", "gcc"], None, None, 2, "not installed: nasm, gcc; `make deps run`")):
            verdict, sentence = preflight.judge(missing, no_kvm, no_bochs)
            self.assertEqual(verdict, status, sentence)
            self.assertIn(words, sentence)
            self.assertNotIn("\n", sentence)

    def test_what_is_missing(self):
        def which(name, path):
            self.assertTrue(path.endswith("/sbin"))
            return None if name == "nasm" else f"/usr/bin/{name}"
        self.assertEqual(preflight.lacks_of_build(which, lambda path: "efi" not in path),
                         ["nasm", "/usr/include/efi/efi.h"])

    def run_tool(self, *words, **environment):
        return subprocess.run([os.path.join(tool.TOOLS, "preflight"), *words], capture_output=True,
                              env={**os.environ, **environment}, text=True, check=False)

    def test_here(self):
        result = self.run_tool()
        self.assertIn(result.returncode, (0, 1))
        self.assertRegex(result.stdout, r"\Apreflight: .*\n\Z")
        self.assertEqual(result.stderr, "")
        result = self.run_tool(PATH="/nowhere")
        self.assertEqual(result.returncode, 2)
        self.assertRegex(result.stdout, r"\Apreflight: not installed: make, gcc, .*\n\Z")
        self.assertEqual(self.run_tool("now").returncode, 2)


if __name__ == "__main__":
    unittest.main()
