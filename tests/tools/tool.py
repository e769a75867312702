# SPDX-License-Identifier: BSD-2-Clause
"""Where the tools are, how a test imports one of them, and tests with a folder of their own."""

import importlib.machinery
import importlib.util
import os
import shutil
import sys
import tempfile
import unittest

sys.dont_write_bytecode = True
TOOLS = os.path.join(os.path.dirname(os.path.realpath(__file__)), "..", "..", "tools")
sys.path.insert(0, TOOLS)


def load(name):
    """The tool `name`, a script without a suffix, as a module."""
    loader = importlib.machinery.SourceFileLoader(name, os.path.join(TOOLS, name))
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader(name, loader))
    loader.exec_module(module)
    return module


class FolderTest(unittest.TestCase):
    """A test with an empty folder, self.home, that goes with it."""

    def setUp(self):
        self.home = tempfile.mkdtemp(prefix="test-tool-")
        self.addCleanup(shutil.rmtree, self.home)

    def path(self, *names):
        return os.path.join(self.home, *names)

    def write(self, name, data):
        """Writes a file, bytes or text, and makes the folders on the way to it. Returns its path."""
        path = self.path(name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb") as file:
            file.write(data if isinstance(data, bytes) else data.encode())
        return path
