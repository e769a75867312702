# SPDX-License-Identifier: BSD-2-Clause
""".ci/container with a stand-in for docker, and that the workflow names what there is."""

import os
import re
import shutil
import subprocess
import tempfile
import unittest

import tool

ROOT = os.path.normpath(os.path.join(tool.TOOLS, ".."))
CONTAINER = os.path.join(ROOT, ".ci", "container")
ENGINE = """#!/bin/sh
printf '%s\\n' "$*" >>"$CALLS"
case $1 in build) exit "${BUILD_STATUS:-0}" ;; run) exit 7 ;; esac
"""


def read(path):
    with open(os.path.join(ROOT, path), encoding="utf-8") as file:
        return file.read()


class ContainerTest(unittest.TestCase):
    def setUp(self):
        self.home = tempfile.mkdtemp(prefix="test-ci-")
        self.addCleanup(shutil.rmtree, self.home)
        # A tree of its own, so that the test makes no folder in this one.
        os.makedirs(os.path.join(self.home, "tree", ".ci"))
        shutil.copy(CONTAINER, os.path.join(self.home, "tree", ".ci"))
        for name in ("docker", "podman"):
            with open(os.path.join(self.home, name), "w", encoding="ascii") as file:
                file.write(ENGINE)
            os.chmod(os.path.join(self.home, name), 0o755)
        self.calls = os.path.join(self.home, "calls")

    def run_tool(self, *words, **environment):
        environment = {"PATH": f"{self.home}:/usr/bin:/bin", "CALLS": self.calls, **environment}
        result = subprocess.run([os.path.join(self.home, "tree", ".ci", "container"), *words],
                                env=environment, capture_output=True, text=True, check=False)
        if not os.path.exists(self.calls):
            return result, []
        with open(self.calls, encoding="utf-8") as file:
            return result, file.read().splitlines()

    def test_command(self):
        result, calls = self.run_tool("make", "check")
        self.assertEqual((result.returncode, len(calls)), (7, 2))
        self.assertEqual(calls[0], "build -q -t portcullis-ci -f .ci/Containerfile tools")
        self.assertRegex(calls[1], rf"^run --rm .*--user {os.getuid()}:{os.getgid()} .*"
                         rf"--volume {self.home}/tree:/portcullis .*portcullis-ci make check$")
        self.assertEqual("--device /dev/kvm" in calls[1],
                         os.access("/dev/kvm", os.R_OK | os.W_OK))
        self.assertNotIn("keep-id", calls[1])

    def test_other_engine(self):
        _, calls = self.run_tool("true", CONTAINER_ENGINE=os.path.join(self.home, "podman"))
        self.assertIn("--userns keep-id", calls[1])

    def test_failures(self):
        result, calls = self.run_tool("true", BUILD_STATUS="1")
        self.assertEqual((result.returncode, len(calls)), (125, 1))
        os.unlink(os.path.join(self.home, "docker"))
        os.unlink(os.path.join(self.home, "podman"))
        for name in ("dirname", "mkdir", "id", "stat"):
            os.symlink(f"/usr/bin/{name}", os.path.join(self.home, name))
        result, _ = self.run_tool("true", PATH=self.home)
        self.assertEqual(result.returncode, 125)
        self.assertIn("neither docker nor podman", result.stderr)
        self.assertEqual(self.run_tool()[0].returncode, 2)


class FilesTest(unittest.TestCase):
    def test_workflow_names_what_there_is(self):
        text = read(".github/workflows/ci.yml")
        commands = re.findall(r"\.ci/container (\S+)(?: -j2)?(?: (\S+))?", text)
        self.assertGreater(len(commands), 3)
        targets = re.findall(r"^([a-z-]+):.*##", read("Makefile"), re.M)
        for program, goal in commands:
            if program == "make":
                self.assertIn(goal, targets)
            else:
                self.assertTrue(os.access(os.path.join(ROOT, program), os.X_OK), program)

    def test_container_file(self):
        text = read(".ci/Containerfile")
        for source in re.findall(r"^COPY (\S+)", text, re.M):
            self.assertTrue(os.path.isfile(os.path.join(tool.TOOLS, source)), source)
        self.assertIn("FROM docker.io/library/debian:12\n", text)


if __name__ == "__main__":
    unittest.main()
