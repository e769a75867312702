# SPDX-License-Identifier: BSD-2-Clause
"""tools/command.py, and with it that each tool writes nothing but regular files, answers each failure
with one line, and leaves nothing behind."""

import errno
import os
import pty
import shutil
import signal
import socket
import stat
import subprocess
import sys
import time
import unittest

import tool
import command

PROGRAM = """
import sys
sys.path.insert(0, {tools!r})
import command
def main():
    {body}
sys.exit(command.run("t", main))
"""


def heed_signals():
    """In the child: a shell that runs the tests in the background has SIGINT ignored."""
    for number in command.SIGNALS:
        signal.signal(number, signal.SIG_DFL)


class Bench(tool.FolderTest):
    def write(self, name, data=b"old"):
        return super().write(name, data)

    def read(self, name):
        with open(self.path(name), "rb") as file:
            return file.read()

    def others(self):
        """{a path that may not be written: its kind}. The device is a terminal of our own: no tool
        could harm it."""
        os.mkfifo(self.path("fifo"))
        os.mkdir(self.path("folder"))
        bound = socket.socket(socket.AF_UNIX)
        self.addCleanup(bound.close)
        bound.bind(self.path("socket"))
        ours, theirs = pty.openpty()
        self.addCleanup(os.close, ours)
        self.addCleanup(os.close, theirs)
        os.symlink(os.ttyname(theirs), self.path("link"))
        return {self.path("fifo"): "a FIFO", self.path("folder"): "a folder",
                self.path("socket"): "a socket", os.ttyname(theirs): "a character device",
                self.path("link"): "a character device"}


class FileTest(Bench):
    def test_kinds(self):
        for path, kind in self.others().items():
            for check in (command.check_output, command.check_input):
                with self.assertRaisesRegex(command.UsageError, f"{path}: is {kind}"):
                    check(path)
        self.assertEqual(command.kind_of(stat.S_IFBLK | 0o600), "a block device")
        for path, words in (("", "names no file"), (self.path("new/"), "names no file"),
                            (self.path("no/file"), "there is no folder"),
                            (self.write("file") + "/x", "Not a directory")):
            with self.assertRaisesRegex(command.UsageError, words):
                command.check_output(path)

    def test_no_input_is_written(self):
        self.write("input")
        os.link(self.path("input"), self.path("same"))
        os.symlink("input", self.path("link"))
        for name in ("input", "same", "link"):
            with self.assertRaisesRegex(command.UsageError, "read as well"):
                command.check_output(self.path(name), [self.path("absent"), self.path("input")])
        self.write("other")
        command.check_output(self.path("other"), [self.path("input")])

    def test_a_link_stays_one(self):
        self.write("file")
        os.symlink("file", self.path("link"))
        os.symlink("absent", self.path("dangling"))
        command.write_whole(self.path("link"), b"new")
        command.write_whole(self.path("dangling"), b"new")
        self.assertTrue(os.path.islink(self.path("link")))
        self.assertEqual((self.read("file"), self.read("absent")), (b"new", b"new"))

    def test_whole_or_not_at_all(self):
        self.write("file")
        for error in (OSError(errno.ENOSPC, "No space left on device"), KeyboardInterrupt(),
                      SystemExit(143)):
            with self.assertRaises((command.Failure, KeyboardInterrupt, SystemExit)) as caught:
                with command.whole_file(self.path("file")) as temporary:
                    with open(temporary, "wb") as file:
                        file.write(b"half")
                    raise error
            self.assertEqual(os.listdir(self.home), ["file"])
            self.assertEqual(self.read("file"), b"old")
            if isinstance(error, OSError):
                self.assertEqual(str(caught.exception),
                                 f"{self.path('file')}: No space left on device")

    def test_looked_at_again_at_the_end(self):
        with self.assertRaises(command.UsageError):
            with command.whole_file(self.path("file")):
                os.mkfifo(self.path("file"))
        self.assertEqual(os.listdir(self.home), ["file"])

    def test_long_name(self):
        name = "ü" * 127
        command.write_whole(self.path(name), b"new")
        self.assertEqual(self.read(name), b"new")


class RunTest(Bench):
    def run_program(self, body, **more):
        return subprocess.run([sys.executable, "-B", "-c",
                               PROGRAM.format(tools=tool.TOOLS, body=body)],
                              capture_output=True, text=True, check=False, **more)

    def test_one_line_for_a_failure(self):
        for body, status, words in (
                ("raise command.UsageError('no such colour')", 2, "t: no such colour\n"),
                ("raise command.Failure('broken\\n\\n  in two')", 1, "t: broken; in two\n"),
                ("open('/nowhere/at/all')", 1, "t: /nowhere/at/all: No such file or directory\n"),
                ("import subprocess; subprocess.run('echo a >&2; echo; echo b >&2; exit 3',"
                 " shell=True, check=True, capture_output=True)", 1,
                 "t: echo a >&2; echo; echo b >&2; exit 3: exit status 3: a; b\n"),
                ("import subprocess; subprocess.run(['false'], check=True)", 1,
                 "t: false: exit status 1\n")):
            result = self.run_program(body)
            self.assertEqual((result.returncode, result.stderr), (status, words), body)

    def test_names_that_are_no_text(self):
        result = self.run_program("print('\\udcff'); raise command.Failure('\\udcfe')")
        self.assertEqual((result.returncode, result.stdout, result.stderr),
                         (1, "\\udcff\n", "t: \\udcfe\n"))

    def test_closed_files(self):
        body = ("print('out', file=sys.stdout); print('err', file=sys.stderr);"
                " sys.stdin.fileno(); raise command.Failure(repr(sys.stdin.read()))")
        for closed, output, errors in (((0,), "out\n", "err\nt: ''\n"), ((1,), "", "err\nt: ''\n"),
                                       ((2,), "out\n", ""), ((0, 1, 2), "", "")):
            def close(closed=closed):
                for number in closed:
                    os.close(number)
            result = self.run_program(body, stdin=subprocess.DEVNULL, preexec_fn=close)
            self.assertEqual((result.returncode, result.stdout, result.stderr), (1, output, errors))

    def test_full_output(self):
        with open("/dev/full", "wb") as full:
            result = subprocess.run([sys.executable, "-B", "-c", PROGRAM.format(
                tools=tool.TOOLS, body="print('x' * 100000); return 0")], stdout=full,
                stderr=subprocess.PIPE, text=True, check=False)
        self.assertEqual((result.returncode, result.stderr), (1, "t: No space left on device\n"))

    def test_signals(self):
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            body = (f"\n    with command.whole_file({self.path('out')!r}):\n"
                    "        print('ready', flush=True); import time; time.sleep(60)")
            program = PROGRAM.format(tools=tool.TOOLS, body=body)
            with subprocess.Popen(  # pylint: disable=subprocess-popen-preexec-fn
                    [sys.executable, "-B", "-c", program], stdout=subprocess.PIPE,
                    stderr=subprocess.PIPE, preexec_fn=heed_signals) as process:
                process.stdout.readline()
                process.send_signal(number)
                self.assertEqual(process.wait(20), 128 + number)
                self.assertEqual(process.stderr.read(), b"")
            self.assertEqual(os.listdir(self.home), [])


class ToolsTest(Bench):
    """All of tools/."""

    def test_every_python_program_goes_through_run(self):
        for name in os.listdir(tool.TOOLS):
            path = os.path.join(tool.TOOLS, name)
            if os.path.isfile(path):
                with open(path, encoding="utf-8") as file:
                    text = file.read()
                if text.startswith("#!/usr/bin/python3"):
                    self.assertIn(f'sys.exit(command.run("{name}", main))', text, name)

    def test_only_regular_files_are_written(self):
        self.write("conf", b"[guest g]\nkernel = k\nmemory = 2M\n")
        self.write("efi")
        shutil.copy("/bin/true", self.path("elf"))
        commands = (("mkimage", "--config", self.path("conf"), "--efi", self.path("efi")),
                    ("mkinitrd", "--busybox", "/bin/busybox"), ("fetch-kernel",),
                    ("mksymbols", self.path("elf")))
        paths = self.others()
        before = sorted(os.listdir(self.home))
        for name, *words in commands:
            for path in paths:
                mode = os.stat(path).st_mode
                result = subprocess.run([os.path.join(tool.TOOLS, name), *words, path], timeout=20,
                                        capture_output=True, text=True, check=False)
                self.assertEqual(result.returncode, 2, (name, path, result.stderr))
                self.assertIn(f"{path}: is ", result.stderr)
                self.assertEqual(result.stderr.count("\n"), 1, result.stderr)
                self.assertEqual(os.stat(path).st_mode, mode)
        self.assertEqual(sorted(os.listdir(self.home)), before)

    def test_a_fifo_is_no_input(self):
        os.mkfifo(self.path("fifo"))
        self.write("conf")
        for words in (("mkimage", "--efi", self.path("conf"), "--config", self.path("fifo"), "out"),
                      ("mkimage", "--config", self.path("conf"), "--efi", self.path("conf"), "--add",
                       self.path("fifo") + ":x", "out"),
                      ("mkinitrd", "--busybox", self.path("fifo"), "out"),
                      ("mark-nx", self.path("fifo")), ("machine", self.path("fifo"))):
            started = time.monotonic()
            result = subprocess.run([os.path.join(tool.TOOLS, words[0]), *words[1:]], timeout=20,
                                    cwd=self.home, capture_output=True, text=True, check=False)
            self.assertEqual(result.returncode, 2, result.stderr)
            self.assertIn("fifo: is a FIFO", result.stderr)
            self.assertLess(time.monotonic() - started, 10)


if __name__ == "__main__":
    unittest.main()
