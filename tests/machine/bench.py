# SPDX-License-Identifier: BSD-2-Clause
"""What every whole-machine test uses: images, boots, and the counting of checks."""

import json
import os
import subprocess
import sys
import threading

HERE = os.path.dirname(os.path.realpath(__file__))
ROOT = os.path.normpath(os.path.join(HERE, "..", ".."))
TOOLS = os.path.join(ROOT, "tools")
sys.path.insert(0, TOOLS)

# pylint: disable=wrong-import-position
from emulator.transcript import Cleaner  # noqa: E402

TIMEOUT_SECONDS = 1800   # of one boot; generous, as the verdict must not depend on a busy computer
GRACE_SECONDS = 60       # for tools/machine to end after its own time-out
TAIL_LINES = 30


class Boot:
    """One finished run of tools/machine."""

    def __init__(self, name, status, serial_path, result, words):
        self.name = name
        self.status = status             # exit status of tools/machine
        self.serial_path = serial_path
        self.result = result             # its JSON; empty when it left none
        self.words = words               # what it said on standard error
        self.text = ""                   # the serial output without escape sequences
        try:
            with open(serial_path, "rb") as file:
                self.text = Cleaner().feed(file.read(), True)
        except FileNotFoundError:
            pass

    @property
    def exit_code(self):
        """The guest's exit code; None where the run ended without one."""
        return self.result.get("exit_code")

    def tail(self):
        """The last lines of the serial output, for a report of a failure."""
        return "\n".join(self.text.rstrip().split("\n")[-TAIL_LINES:])


class Report:
    """The checks of one group, counted."""

    def __init__(self, group):
        self.group = group
        self.passed = 0
        self.failed = 0
        self.lines = []
        self.boots = []

    def check(self, name, is_ok, detail=""):
        """Counts one check; the detail is shown where it failed. Returns is_ok."""
        if is_ok:
            self.passed += 1
            self.lines.append(f"ok   {self.group}: {name}")
        else:
            self.failed += 1
            self.lines.append(f"FAIL {self.group}: {name}")
            self.lines += [f"       {line}" for line in str(detail).rstrip().split("\n") if line]
        return is_ok

    def equal(self, name, got, want):
        """A check that both are the same."""
        return self.check(name, got == want, f"got:  {got!r}\nwant: {want!r}")

    def text(self):
        """All of it, with the tail of every serial log where something failed."""
        lines = list(self.lines)
        for boot in self.boots if self.failed else ():
            lines.append(f"     the end of {os.path.relpath(boot.serial_path)}:")
            lines += [f"     | {line}" for line in boot.tail().split("\n")]
            lines += [f"     {line}" for line in boot.words.strip().split("\n") if line]
        return "\n".join(lines)


class Bench:
    """Where images, logs and results of a run of the tests lie."""

    def __init__(self, build, is_poisoning=False, is_covered=False):
        self.build = build
        self.is_poisoning = is_poisoning  # the monitors' heaps poison (heap = poison)
        self.is_covered = is_covered      # they send what was reached: NAME.coverage
        self.directory = os.path.join(build, "test")
        os.makedirs(self.directory, exist_ok=True)
        self._lock = threading.Lock()
        self._processes = set()
        self._is_stopped = False

    def path(self, name):
        """A file of the tests' own."""
        return os.path.join(self.directory, name)

    def write(self, name, content):
        """Such a file with this content, str or bytes; its path."""
        data = content.encode() if isinstance(content, str) else content
        with open(self.path(name), "wb") as file:
            file.write(data)
        return self.path(name)

    def image(self, name, config, files, efi=None):
        """build/test/NAME.img with that configuration and {path in the image: host file}; the firmware
        starts the monitor, or efi. What the monitor says of a configuration is seen in the machine."""
        if self.is_poisoning:
            config = config.replace("[monitor]\n", "[monitor]\nheap = poison\n", 1)
        command = [os.path.join(TOOLS, "mkimage"), "--no-check",
                   "--config", self.write(f"{name}.conf", config),
                   "--efi", efi or os.path.join(self.build, "BOOTX64.EFI")]
        for path, host in files.items():
            command += ["--add", f"{host}:{path}"]
        output = self.path(f"{name}.img")
        result = subprocess.run([*command, output], stdout=subprocess.PIPE, check=False,
                                stderr=subprocess.STDOUT, text=True, errors="replace")
        if result.returncode != 0:
            raise RuntimeError(f"mkimage ended with {result.returncode}: {result.stdout}")
        return output

    def boot(self, report, image, *options, send=(), name=None, timeout=TIMEOUT_SECONDS):
        """Boots the image; `send` has (regular expression, text to type), timeout is in seconds. The
        finished Boot."""
        name = name or report.group
        serial, result = self.path(f"{name}.txt"), self.path(f"{name}.json")
        for path in (serial, result):
            if os.path.exists(path):
                os.unlink(path)
        command = [os.path.join(TOOLS, "machine"), "--timeout", str(timeout),
                   "--serial", serial, "--json", result, "--log", self.path(f"{name}.log")]
        if self.is_covered:
            command += ["--debug-port", self.path(f"{name}.coverage")]
        for pattern, keys in send:
            command += ["--send", f"{pattern}=>{keys}"]
        with self._lock:
            if self._is_stopped:
                raise RuntimeError("interrupted")
            process = subprocess.Popen([*command, *options, image], stdin=subprocess.DEVNULL,
                                       stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
            self._processes.add(process)
        try:
            _, words = process.communicate(timeout=timeout + GRACE_SECONDS)
        except subprocess.TimeoutExpired:
            process.terminate()
            _, words = process.communicate()
        finally:
            with self._lock:
                self._processes.discard(process)
        values = {}
        if os.path.exists(result):
            with open(result, encoding="ascii") as file:
                values = json.load(file)
        boot = Boot(name, process.returncode, serial, values, words.decode("utf-8", "replace"))
        report.boots.append(boot)
        if self.is_poisoning:
            report.check(f"{name}: the heap is poisoned", "(heap = poison)" in boot.text, boot.tail())
        return boot

    def start(self, command):
        """A process with pipes to its standard input and from its output, that `stop` ends, too."""
        with self._lock:
            if self._is_stopped:
                raise RuntimeError("interrupted")
            process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                       stderr=subprocess.DEVNULL)
            self._processes.add(process)
        return process

    def end(self, process):
        """Ends one that `start` gave, if it has not ended."""
        process.terminate()
        process.communicate()
        with self._lock:
            self._processes.discard(process)

    def stop(self):
        """Ends every machine that runs, and lets none start any more."""
        with self._lock:
            self._is_stopped = True
            for process in self._processes:
                process.terminate()
