# SPDX-License-Identifier: BSD-2-Clause
"""tools/check-includes: the tree itself has no include and no call that points the wrong way, and one
that does is caught."""

import os
import subprocess
import tempfile
import unittest

import tool

CHECK = os.path.join(tool.TOOLS, "check-includes")


def run(*arguments):
    return subprocess.run([CHECK, *arguments], capture_output=True, text=True, check=False)


class TreeTest(unittest.TestCase):
    def test_this_tree(self):
        built = os.path.join(tool.TOOLS, "..", "build", "monitor")
        result = run("--objects", os.environ.get("MONITOR_OBJECTS", built))
        self.assertEqual((result.stdout, result.returncode), ("", 0))


class Tree(tool.FolderTest):
    """A tree of its own, empty at first."""


class CallTest(Tree):
    """Two rooms, of which one calls the other without an include."""

    def run_with(self, caller, called):
        for path, text in ((caller, "int called(void);\nint caller(void);\n"
                                    "int caller(void) { return called(); }\n"),
                           (called, "int called(void);\nint called(void) { return 1; }\n")):
            self.write(path, text)
            built = os.path.join(self.home, "objects", path[:-len(".c")] + ".o")
            os.makedirs(os.path.dirname(built), exist_ok=True)
            subprocess.run(["gcc", "-c", os.path.join(self.home, path), "-o", built], check=True)
        result = run("--objects", os.path.join(self.home, "objects"), self.home)
        self.assertEqual(result.returncode, 1 if result.stdout else 0, result.stderr)
        return result.stdout

    def test_down(self):
        self.assertEqual(self.run_with("vmm/run/r.c", "vmm/guest/g.c"), "")

    def test_up(self):
        self.assertEqual(
            self.run_with("vmm/guest/g.c", "vmm/run/r.c"),
            "vmm/guest/g.c: called is in vmm/run, which stands above vmm/guest\n")

    def test_no_object(self):
        self.run_with("vmm/guest/g.c", "vmm/run/r.c")
        self.write("vmm/run/other.c", "")
        result = run("--objects", os.path.join(self.home, "objects"), self.home)
        self.assertEqual(result.returncode, 2)
        self.assertIn("build the monitor", result.stderr)


class OffenceTest(Tree):
    def setUp(self):
        super().setUp()
        for header in ("vmm/base/types.h", "vmm/base/log.h", "vmm/iobus/iobus.h",
                       "vmm/iobus/io_access.h", "vmm/devices/i8254.h", "vmm/board/board.h",
                       "vmm/guest/guest.h", "vmm/run/run.h", "arch/x86/vmcs.h",
                       "arch/x86/cpu.h", "boot/main.h", "vmm/boot_info.h"):
            self.write(header, "")

    def verdict(self, path, line):
        """The offence of a file with this line, after two others; empty when it is allowed."""
        self.write(path, f"/* why */\nint x;\n{line}\n")
        result = run(self.home)
        os.unlink(os.path.join(self.home, path))
        self.assertEqual(result.returncode, 1 if result.stdout else 0, result.stderr)
        if result.stdout:
            self.assertEqual(result.stdout.count("\n"), 1)
            self.assertTrue(result.stdout.startswith(f"{path}:3: "), result.stdout)
        return result.stdout

    def test_allowed(self):
        for path, header in (
                ("vmm/base/log.c", "vmm/base/log.h"), ("vmm/iobus/t.c", "vmm/base/types.h"),
                ("vmm/devices/d.c", "vmm/iobus/io_access.h"),
                ("vmm/devices/d.c", "vmm/devices/i8254.h"), ("arch/x86/a.c", "arch/x86/vmcs.h"),
                ("vmm/run/r.c", "arch/x86/vmcs.h"), ("vmm/monitor/m.c", "vmm/devices/i8254.h"),
                ("vmm/guest/g.h", "vmm/board/board.h"), ("vmm/board/b.c", "arch/x86/cpu.h"),
                ("boot/b.c", "vmm/board/board.h"), ("boot/b.c", "arch/x86/vmcs.h"),
                ("boot/config/c.c", "vmm/boot_info.h"), ("vmm/loader/l.c", "vmm/boot_info.h")):
            self.assertEqual(self.verdict(path, f'#include "{header}"'), "", (path, header))
        for path, line in (("vmm/base/b.h", "#include <stdint.h>"),
                           ("boot/b.c", "#include <efi.h>"), ("vmm/run/r.c", '// #include "nothing.h"'),
                           ("arch/x86/a.asm", '%include "arch/x86/vmcs.h"')):
            self.assertEqual(self.verdict(path, line), "", (path, line))

    def test_wrong_way(self):
        for path, header in (
                ("vmm/base/b.c", "vmm/iobus/iobus.h"), ("vmm/base/b.c", "vmm/board/board.h"),
                ("vmm/iobus/t.c", "vmm/devices/i8254.h"), ("vmm/iobus/t.c", "vmm/base/log.h"),
                ("vmm/iobus/t.c", "arch/x86/vmcs.h"), ("vmm/devices/d.c", "vmm/iobus/iobus.h"),
                ("vmm/devices/d.c", "vmm/base/log.h"), ("vmm/devices/d.c", "vmm/board/board.h"),
                ("vmm/devices/d.h", "arch/x86/vmcs.h"), ("arch/x86/a.c", "vmm/board/board.h"),
                ("arch/x86/a.asm", "vmm/iobus/iobus.h"), ("arch/x86/memory/m.c", "vmm/board/board.h"),
                ("vmm/run/r.c", "boot/main.h"), ("vmm/board/b.c", "arch/x86/vmcs.h"),
                ("vmm/board/b.c", "vmm/guest/guest.h"), ("vmm/guest/g.h", "vmm/run/run.h"),
                ("vmm/run/r.c", "vmm/iobus/iobus.h"),
                ("vmm/loader/l.c", "vmm/board/board.h"),
                ("vmm/memory/h.c", "arch/x86/vmcs.h"), ("boot/config/c.c", "boot/main.h")):
            line = f'%include "{header}"' if path.endswith(".asm") else f'#  include "{header}"'
            self.assertIn(f'"{header}": ', self.verdict(path, line), (path, header))

    def test_other_ways_round(self):
        for path, line, words in (
                ("vmm/devices/d.c", '#include "i8254.h"', "from the root"),
                ("vmm/devices/d.c", '#include "../board/board.h"', "from the root"),
                ("vmm/devices/d.c", '#include "vmm/devices/../board/board.h"', "from the root"),
                ("vmm/devices/d.c", "#include <vmm/board/board.h>", "of the system"),
                ("vmm/devices/d.c", "#include <stdio.h>", "of the system"),
                ("vmm/run/r.c", "#include <efi.h>", "of the system"),
                ("vmm/devices/d.c", "#include HEADER", "name the file")):
            self.assertIn(words, self.verdict(path, line), (path, line))

    def test_whom_it_works_for(self):
        for path in ("vmm/host/cpus.h", "vmm/board/b.c", "vmm/iobus/t.c", "vmm/console/c.c",
                     "vmm/attachments/a.c", "vmm/devices/apic/l.c", "arch/x86/a.c"):
            self.assertIn("from its arguments", self.verdict(path, "struct vcpu *vcpu;"), path)
        for path, line in (("vmm/guest/g.h", "struct vcpu;"), ("vmm/run/r.c", "struct vcpu *vcpu;"),
                           ("vmm/monitor/m.c", "struct vcpu *vcpu;"),
                           ("vmm/board/b.c", "struct vcpu_notes *notes;")):
            self.assertEqual(self.verdict(path, line), "", path)

    def test_no_room(self):
        for path in ("arch/arm/a.c", "vmm/flat.c"):
            self.write(path, "")
            result = run(self.home)
            os.unlink(os.path.join(self.home, path))
            self.assertEqual(result.returncode, 1)
            self.assertIn(f"{path}:1: its folder is in no room", result.stdout)

    def test_usage(self):
        self.assertEqual(run("a", "b").returncode, 2)
        empty = tempfile.mkdtemp(prefix="test-check-includes-")
        self.addCleanup(os.rmdir, empty)
        result = run(empty)
        self.assertEqual(result.returncode, 2)
        self.assertIn("no sources", result.stderr)


if __name__ == "__main__":
    unittest.main()
