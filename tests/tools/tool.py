# SPDX-License-Identifier: BSD-2-Clause
"""Where the tools are, and how a test imports one of them."""

import importlib.machinery
import importlib.util
import os
import sys

sys.dont_write_bytecode = True
TOOLS = os.path.join(os.path.dirname(os.path.realpath(__file__)), "..", "..", "tools")
sys.path.insert(0, TOOLS)


def load(name):
    """The tool `name`, a script without a suffix, as a module."""
    loader = importlib.machinery.SourceFileLoader(name, os.path.join(TOOLS, name))
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader(name, loader))
    loader.exec_module(module)
    return module
