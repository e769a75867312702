# SPDX-License-Identifier: BSD-2-Clause
"""tools/machine from end to end, with a stand-in for Bochs: results, dialogue, endings, cleaning up.
"""

import json
import os
import pty
import re
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import termios
import time
import unittest
from unittest import mock

import pexpect

import tool
from emulator import run

MACHINE = os.path.join(tool.TOOLS, "machine")
HERE = os.path.dirname(os.path.realpath(__file__))


class Bench(unittest.TestCase):
    """A private place with an image and a Bochs that is none."""

    def setUp(self):
        self.home = tempfile.mkdtemp(prefix="test-machine-")
        self.addCleanup(shutil.rmtree, self.home)
        os.mkdir(self.path("bin"))
        os.mkdir(self.path("tmp"))
        shutil.copy(os.path.join(HERE, "fake_bochs.py"), self.path("bin/bochs-bin"))
        os.chmod(self.path("bin/bochs-bin"), 0o755)
        with open(self.path("disk.img"), "wb") as file:
            file.write(b"disk" * 1000)
        self.environment = dict(os.environ, PATH=f"{self.path('bin')}:{os.environ['PATH']}",
                                TMPDIR=self.path("tmp"))

    def path(self, name):
        return os.path.join(self.home, name)

    def command(self, *options):
        return [MACHINE, "--emulator", "bochs", "--json", self.path("json"), "--serial",
                self.path("serial"), *options, self.path("disk.img")]

    def run_machine(self, *options, **more):
        result = subprocess.run(self.command(*options), env=self.environment, timeout=60,
                                capture_output=True, check=False, **more)
        result.json = None
        if os.path.exists(self.path("json")):
            with open(self.path("json"), encoding="ascii") as file:
                result.json = json.load(file)
        return result

    def assert_clean(self, logs=0):
        left = os.listdir(self.path("tmp"))
        self.assertEqual(len(left), logs, left)
        with open(self.path("disk.img"), "rb") as file:
            self.assertEqual(file.read(), b"disk" * 1000)
        self.assertNotIn("disk.img.lock", os.listdir(self.home))


class MachineTest(Bench):
    def test_success(self):
        for code in ("0", "1"):
            result = self.run_machine("--send", f"^> =>exit {code}")
            self.assertEqual(result.returncode, 0)
            self.assertEqual(result.json["result"], "success")
            self.assertEqual(result.json["exit_code"], int(code))
            self.assertEqual(result.json["emulator"], "bochs")
            self.assertEqual(result.json["emulated_ticks"], 123456789012)
            self.assertGreater(result.json["wall_seconds"], 0)
            self.assertNotIn(b"PANIC", result.stderr)
            self.assert_clean()

    def test_guest_failed(self):
        result = self.run_machine("--send", "^> =>exit 7")
        self.assertEqual((result.returncode, result.json["result"], result.json["exit_code"]),
                         (1, "failed", 7))

    def test_output(self):
        result = self.run_machine("--send", "^> =>exit 0")
        self.assertTrue(result.stdout.startswith(b"BdsDxe: loading\nportcullis: hello\n> "),
                        result.stdout)
        with open(self.path("serial"), "rb") as file:
            self.assertTrue(file.read().startswith(b"\x1b[2J\x1b[01;01H\x1b[=3hBdsDxe: loading\r\n"))

    def test_emulator_that_stays(self):
        started = time.monotonic()
        result = self.run_machine("--send", "^> =>hang 0")
        self.assertEqual((result.returncode, result.json["result"]), (0, "success"))
        self.assertLess(time.monotonic() - started, 20)
        self.assertEqual(result.json["emulated_ticks"], 4242)
        self.assert_clean()

    def test_result_line_is_the_last(self):
        result = self.run_machine("--send", "^> =>spoof", "--send", "^> =>exit 3")
        self.assertEqual((result.returncode, result.json["exit_code"]), (1, 3))
        result = self.run_machine("--send", "^> =>spoof", "--timeout", "8")
        self.assertEqual(result.returncode, 3)

    def test_internal_error(self):
        result = self.run_machine("--send", "^> =>dump", "--until", "never")
        self.assertEqual((result.returncode, result.json["result"], result.json["exit_code"]),
                         (1, "internal error", None))
        self.assertIn(b"portcullis: internal error: ./vmm/a.c:7: b does not hold", result.stderr)
        self.assertIn(b"0x0000000000001234 main+0x4", result.stdout)
        self.assert_clean()

    def test_exception_and_a_result_line(self):
        for code, word in (("0", "success"), ("509", "failed")):
            result = self.run_machine("--send", f"^> =>trap {code}")
            self.assertEqual(result.json["result"], word)

    def test_refusal(self):
        result = self.run_machine("--send", "^> =>refuse", "--until", "never")
        self.assertEqual((result.returncode, result.json["result"], result.json["exit_code"]),
                         (1, "refused", None))
        self.assertIn(b"refused to start: portcullis: vt-x: this processor has no VT-x",
                      result.stderr)
        self.assertIn(b"back to the firmware", result.stdout)
        self.assert_clean()
        result = self.run_machine("--send", "^> =>refuse", "--past-refusal", "--until", "^Shell> ")
        self.assertEqual((result.returncode, result.json["result"]), (0, "until"))

    def test_died(self):
        result = self.run_machine("--send", "^> =>die")
        self.assertEqual((result.returncode, result.json["result"], result.json["exit_code"]),
                         (1, "died", None))

    def test_panic_is_shown_and_the_log_kept(self):
        result = self.run_machine("--send", "^> =>panic")
        self.assertEqual(result.returncode, 1)
        self.assertIn(b">>PANIC<< exception(): 3rd (13) exception", result.stderr)
        log = re.search(rb"log is (\S+)", result.stderr).group(1)
        with open(log, encoding="ascii") as file:
            self.assertIn("3rd (13)", file.read())
        self.assert_clean(logs=1)

    def test_until_comes_after_the_dialogue(self):
        result = self.run_machine("--until", "^got", "--send", "^> =>one", "--send", "^> =>two")
        self.assertEqual((result.returncode, result.json["result"]), (0, "until"))
        self.assertIn(b"got 74776f", result.stdout)

    def test_escapes(self):
        result = self.run_machine("--send", r"^> =>a\x1d\\\c", "--send", r"\\=>\tb", "--until",
                                  "^got 611d5c0962$")
        self.assertEqual(result.returncode, 0)

    def test_long_text(self):
        text = "0123456789" * 5000
        result = self.run_machine("--send", f"^> =>{text}", "--until", "^got " + text.encode().hex())
        self.assertEqual(result.returncode, 0)

    def test_timeout(self):
        result = self.run_machine("--timeout", "2", "--until", "never")
        self.assertEqual((result.returncode, result.json["result"]), (3, "timeout"))
        self.assert_clean()

    def test_usage(self):
        for options in (("--send", "nothing"), ("--send", r"a=>\q"), ("--until", "("),
                        ("--timeout", "0"), ("--cpus", "0"), ("--emulator", "vax"),
                        ("--memory", "lots"), ("--serial", "/nowhere/at/all")):
            self.assertEqual(self.run_machine(*options).returncode, 2, options)
            self.assertFalse(os.path.exists(self.path("json")))
        os.rename(self.path("disk.img"), self.path("other.img"))
        result = self.run_machine()
        self.assertEqual(result.returncode, 2)
        self.assertIn(b"disk.img: No such file", result.stderr)

    def test_signals(self):
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            with subprocess.Popen(self.command("--send", "^> =>where"), env=self.environment,
                                  stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
                pid = None
                while pid is None:
                    match = re.match(rb"/\S+ (\d+)\r?\n", process.stdout.readline())
                    pid = match and int(match.group(1))
                process.send_signal(number)
                self.assertEqual(process.wait(20), 128 + number)
            with self.assertRaises(ProcessLookupError):
                os.kill(pid, 0)
            self.assert_clean()

    def test_two_at_once(self):
        processes = [subprocess.Popen([MACHINE, "--emulator", "bochs", "--send", "^> =>exit 0",
                                       self.path("disk.img")], env=self.environment,
                                      stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
                     for _ in range(2)]
        self.assertEqual([process.wait(30) for process in processes], [0, 0])
        self.assert_clean()

    def test_input_from_a_pipe(self):
        result = self.run_machine("--interactive", input=b"hello\nexit 0\n")
        self.assertEqual(result.returncode, 0)
        self.assertIn(b"got 68656c6c6f", result.stdout)

    def test_reader_that_goes_away(self):
        process = subprocess.Popen(self.command(), env=self.environment, stdout=subprocess.PIPE,
                                   stderr=subprocess.DEVNULL)
        process.stdout.close()
        self.assertEqual(process.wait(30), 128 + signal.SIGPIPE)
        self.assert_clean()


class ComputerTest(Bench):
    """Files, disks and limits of the computer that the tool runs on."""

    def test_files_that_may_not_be_written(self):
        os.mkfifo(self.path("fifo"))
        for option in ("--serial", "--json", "--log"):
            for path, words in ((self.path("fifo"), "is a FIFO"), (self.home, "is a folder"),
                                (os.ttyname(self.terminal()), "is a character device"),
                                ("/nowhere/at/all", "there is no folder"),
                                (self.path("disk.img"), "read as well")):
                result = self.run_machine(option, path)
                self.assertEqual(result.returncode, 2, (option, path))
                self.assertRegex(result.stderr.decode(), f"^machine: {path}: .*{words}.*\n$")
        for first, second in (("--serial", "--json"), ("--json", "--log"), ("--log", "--serial")):
            result = self.run_machine(first, self.path("same"), second, self.path("same"))
            self.assertEqual(result.returncode, 2)
            self.assertIn(b"asked for twice", result.stderr)
        self.assert_clean()

    def test_log(self):
        with open(self.path("log"), "wb") as file:
            file.write(b"old")
        result = self.run_machine("--log", self.path("log"), "--send", "^> =>exit 0")
        self.assertEqual(result.returncode, 0)
        with open(self.path("log"), encoding="ascii") as file:
            self.assertEqual(file.read().count("soft power off"), 1)
        self.assert_clean()

    def terminal(self):
        ours, theirs = pty.openpty()
        self.addCleanup(os.close, ours)
        self.addCleanup(os.close, theirs)
        return theirs

    def put_program(self, name, text):
        with open(self.path(f"bin/{name}"), "w", encoding="ascii") as file:
            file.write(f"#!/bin/sh\n{text}\n")
        os.chmod(self.path(f"bin/{name}"), 0o755)

    def assert_error(self, result, words):
        """One line of an error, the JSON file that says so, and nothing left behind."""
        self.assertEqual((result.returncode, result.json["result"], result.json["exit_code"]),
                         (1, "error", None))
        self.assertIn(f"machine: {words}\n".encode(), result.stderr)
        self.assertNotIn(b"Traceback", result.stderr)
        self.assert_clean()

    def test_debug_port(self):
        result = self.run_machine("--debug-port", self.path("port"), "--send", "^> =>slow 0")
        self.assertEqual((result.returncode, result.json["result"]), (0, "success"))
        with open(self.path("port"), encoding="ascii") as file:
            self.assertEqual(file.read(), "one two three\n")
        self.assert_clean()

    def test_emulator_without_a_debug_port(self):
        result = self.run_machine("--emulator", "nested", "--debug-port", self.path("port"))
        self.assertEqual(result.returncode, 2)
        self.assertIn(b"nested has no debug port", result.stderr)

    def test_no_room_for_the_image(self):
        self.put_program("cp", "echo cp: no space left >&2; exit 1")
        self.assert_error(self.run_machine(), "cp: exit status 1: cp: no space left")

    def test_no_room_for_the_firmware(self):
        def limit():  # larger than the image, smaller than the firmware
            resource.setrlimit(resource.RLIMIT_FSIZE, (100000, 100000))
        self.assert_error(self.run_machine(preexec_fn=limit), "File too large")

    def test_full_standard_output(self):
        with open("/dev/full", "wb") as full:
            result = subprocess.run(self.command("--send", "^> =>exit 0"), env=self.environment,
                                    stdout=full, stderr=subprocess.PIPE, check=False, timeout=60)
        self.assertEqual(result.returncode, 1)
        self.assertIn(b"machine: standard output: No space left on device\n", result.stderr)
        self.assertNotIn(b"Traceback", result.stderr)
        self.assert_clean()

    def test_memory_beyond_what_bochs_holds(self):
        for memory, host in (("2048", "2048"), ("2049", "2048"), ("7168", "2048"), ("512", "512")):
            result = self.run_machine("--memory", memory, "--send", "^> =>memory", "--until", "^got")
            self.assertIn(f"got {f'guest={memory}, host={host}'.encode().hex()}".encode(),
                          result.stdout)

    def test_no_limit_where_someone_types(self):
        machine = tool.load("machine")
        seen = []

        def follow(_machine, _transcript, _terminal, _serial, deadline, _past_refusal):
            seen.append(deadline)
            raise run.Interrupted(signal.SIGTERM)
        for words in ((), ("--interactive",), ("--interactive", "--timeout", "5")):
            with mock.patch.object(sys, "argv", ["machine", *words, self.path("disk.img")]), \
                    mock.patch.object(run, "Run", follow), mock.patch.object(run, "Machine"), \
                    mock.patch.object(run, "ignore_signals"), mock.patch.object(machine, "explain"):
                options = machine.parse_arguments()
                with self.assertRaises(run.Interrupted):
                    machine.boot(options, "bochs", None, None, None)
        now = time.monotonic()
        self.assertAlmostEqual(seen[0] - now, 900, delta=60)
        self.assertEqual(seen[1], float("inf"))
        self.assertAlmostEqual(seen[2] - now, 5, delta=5)


class TerminalTest(Bench):
    """The same, with the user at a terminal."""

    def start(self):
        command = self.command("--interactive")
        child = pexpect.spawn(command[0], command[1:], env=self.environment, timeout=20)
        child.expect_exact("> ")
        self.assertFalse(termios.tcgetattr(child.child_fd)[3] & (termios.ICANON | termios.ISIG))
        return child

    def test_keys_reach_the_guest(self):
        child = self.start()
        child.send(b"a\x03\x1d\x1a\x1c\x1c\r")  # Ctrl-C, Ctrl-], Ctrl-Z, two Ctrl-backslashes
        child.expect_exact("got 61031d1a1c1c")
        child.send(b"exit 0\r")
        child.expect(pexpect.EOF)
        child.close()
        self.assertEqual(child.exitstatus, 0)
        self.assert_clean()

    def test_local_escape_restores_the_terminal(self):
        # The shell keeps the terminal open, so that it can be looked at after the tool ended.
        command = " ".join(self.command("--interactive"))
        child = pexpect.spawn("/bin/sh", ["-c", f"{command}; echo status $?; read x"],
                              env=self.environment, timeout=20)
        before = termios.tcgetattr(child.child_fd)
        child.expect_exact("hello")
        child.expect_exact("> ")
        self.assertNotEqual(termios.tcgetattr(child.child_fd), before)
        child.send(b"\x1c\x1c\x1c")
        child.expect_exact("status 130")
        self.assertEqual(termios.tcgetattr(child.child_fd), before)
        child.sendline("")
        child.expect(pexpect.EOF)
        child.close()
        self.assert_clean()


if __name__ == "__main__":
    unittest.main()
