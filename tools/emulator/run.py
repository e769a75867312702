# SPDX-License-Identifier: BSD-2-Clause
"""One run of one machine: starts the emulator in a private directory, follows its serial line, and
leaves nothing behind."""

import ctypes
import os
import select
import shutil
import signal
import socket
import subprocess
import tempfile
import time

from emulator import bochs, nested, qemu

EMULATORS = {"bochs": bochs, "qemu": qemu, "qemu-tcg": qemu, "nested": nested}

STEP_SECONDS = 0.25
OWN_END_SECONDS = 5  # for the emulator to end by itself once the monitor or the line is through
STOP_SECONDS = 5     # for the emulator to obey before it is killed
PR_SET_PDEATHSIG = 1  # linux/prctl.h
IMAGE = "disk.img"

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT)


class Interrupted(Exception):
    """One of SIGNALS came; the argument is its number."""


def catch_signals():
    """From now on SIGNALS raise Interrupted in the main thread."""
    def handler(number, _frame):
        raise Interrupted(number)
    for number in SIGNALS:
        signal.signal(number, handler)


def ignore_signals():
    """For cleaning up, which ends by itself within seconds."""
    for number in SIGNALS:
        signal.signal(number, signal.SIG_IGN)


def die_with_parent():
    """In the child: killed by the kernel should the tool itself be killed."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    for number in SIGNALS:
        signal.signal(number, signal.SIG_DFL)


class Machine:
    """The emulator's process and what belongs to it. Use in `with`; `directory` is private.

    emulator, cpus, memory_mib, media, mips, spec_ctrl: as on the command line; mips is Bochs'
    alone, spec_ctrl KVM's.
    """

    def __init__(self, emulator, image, cpus, memory_mib, media, mips=50, spec_ctrl=True):
        self.emulator = emulator
        self.cpus = cpus
        self.memory_mib = memory_mib
        self.media = media
        self.mips = mips
        self.spec_ctrl = spec_ctrl
        self.image = IMAGE
        self.directory = None
        self.driver = EMULATORS[emulator]
        self._source = image
        self._listener = None
        self.line = None  # the serial line's socket, once the emulator connected
        self.process = None
        self._log_position = 0
        self._debug_bytes = 0

    def __enter__(self):
        self.directory = tempfile.mkdtemp(prefix="portcullis-machine-")
        try:
            self._start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def _start(self):
        # Its own copy of the image: the input stays as it is, and two runs do not meet.
        subprocess.run(["cp", "--reflink=auto", "--sparse=always", "--", self._source,
                        os.path.join(self.directory, IMAGE)], check=True,
                       stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        os.chmod(os.path.join(self.directory, IMAGE), 0o600)
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=1)
        command = self.driver.prepare(self.directory, self, self._listener.getsockname()[1])
        with open(os.path.join(self.directory, "output"), "wb") as output:
            self.process = subprocess.Popen(  # pylint: disable=subprocess-popen-preexec-fn
                command, cwd=self.directory, env={**os.environ, **self.driver.ENVIRONMENT},
                stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT,
                start_new_session=True, preexec_fn=die_with_parent)

    def __exit__(self, *_):
        ignore_signals()
        self.stop()
        for end in (self.line, self._listener):
            if end is not None:
                end.close()
        shutil.rmtree(self.directory, ignore_errors=True)

    @property
    def is_running(self):
        """Whether the emulator's process is alive."""
        return self.process is not None and self.process.poll() is None

    def waiting(self):
        """The socket to wait on: the listener until the emulator connected, then the line."""
        return self._listener if self.line is None else self.line

    def accept(self):
        """Takes the emulator's connection."""
        self.line, _ = self._listener.accept()
        self.line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.line.setblocking(False)

    def stop(self):
        """Ends the emulator: politely, so that it says its tick, then by force. Then reaps it."""
        if self.process is None:
            return
        if self.is_running:
            self._signal(self.driver.STOP_SIGNAL)
            try:
                self.process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                pass
        if self.is_running:
            self._signal(signal.SIGKILL)
        self.process.wait()

    def _signal(self, number):
        try:
            os.killpg(self.process.pid, number)  # it leads its own group
        except ProcessLookupError:
            pass

    def _read(self, name, position=0):
        if name is None:
            return ""
        try:
            with open(os.path.join(self.directory, name), "rb") as file:
                file.seek(position)
                return file.read().decode("utf-8", "replace")
        except FileNotFoundError:
            return ""

    def output_text(self):
        """What the emulator printed."""
        return self._read("output")

    def words(self):
        """What explains an end without a result."""
        return self._read(self.driver.WORDS)

    def log_path(self):
        """The emulator's own log."""
        return os.path.join(self.directory, self.driver.LOG or "output")

    def debug_port_path(self):
        """The file with what came to the debug port, I/O port 0xE9; None if the emulator has none."""
        name = self.driver.DEBUG_PORT
        return name and os.path.join(self.directory, name)

    def has_debug_news(self):
        """Whether something came to the debug port since the last call."""
        path, before = self.debug_port_path(), self._debug_bytes
        if path is not None and os.path.exists(path):
            self._debug_bytes = os.path.getsize(path)
        return self._debug_bytes != before

    def ticks(self):
        """Emulated ticks so far, after the end; None if the emulator does not count."""
        return self.driver.ticks(self.output_text(), self._read(self.driver.LOG))

    def new_problems(self):
        """As the driver's problems(), for whole lines that came since the last call."""
        text = self._read(self.driver.LOG, self._log_position)
        text = text[:text.rfind("\n") + 1]
        self._log_position += len(text.encode("utf-8", "replace"))
        return self.driver.problems(text)


class Run:
    """Follows a machine's serial line to the end of the run.

    transcript: what to type and wait for. terminal: the user's side. serial: an open binary file
    for the raw stream, or None. deadline: time.monotonic() at which the time is out.
    past_refusal: whether a refusal of the boot stage does not end the run.
    """

    def __init__(self, machine, transcript, terminal, serial, deadline, past_refusal=False):
        self._machine = machine
        self._transcript = transcript
        self._terminal = terminal
        self._serial = serial
        self._deadline = deadline
        self._past_refusal = past_refusal
        self._keys = bytearray()
        self._closed = False
        self._quiet_since = None  # since when the end has been in sight and nothing came
        self._started = time.monotonic()
        self.problems = []

    def follow(self):
        """How the run ended: "until", "success", "failed", "internal error", "refused", "died" or
        "timeout"."""
        while True:
            alive = self._machine.is_running
            has_news = self._step(STEP_SECONDS if alive else 0)
            has_news |= self._machine.has_debug_news()
            if self._transcript.until_matched:
                return "until"
            if self._is_refused():
                return self._verdict()
            now = time.monotonic()
            if not alive:
                self._drain()
                return self._verdict()
            if not self._is_end_in_sight():
                self._quiet_since = None
            elif self._quiet_since is None or has_news:
                self._quiet_since = now
            elif now - self._quiet_since > OWN_END_SECONDS:
                return self._verdict()
            if now > self._deadline:
                return "timeout"
            if not self._transcript.has_text:
                self._terminal.progress(f"{self._machine.emulator}: the firmware is booting",
                                        int(now - self._started))

    def _is_refused(self):
        return self._transcript.refusal is not None and not self._past_refusal

    def _is_end_in_sight(self):
        """Whether little can come any more: a dump's further lines, the emulator's own end."""
        is_deadly = self._check_log()
        return (self._closed or is_deadly or self._transcript.internal_error is not None
                or (self._transcript.exit_code is not None and self._transcript.after_result))

    def _verdict(self):
        if self._transcript.until_matched:
            return "until"
        if self._is_refused():
            return "refused"
        if self._transcript.internal_error is not None:
            return "internal error"
        if self._transcript.exit_code is None:
            return "died"
        return "success" if self._transcript.succeeded else "failed"

    def _step(self, seconds):
        """Waits for something to do, at most so long, and does it. Whether the line brought data."""
        line, terminal = self._machine.line, self._terminal
        readers, writers = [], []
        if not self._closed and not terminal.is_full:
            readers.append(self._machine.waiting())
        if terminal.input is not None and len(self._keys) < 65536:
            readers.append(terminal.input)
        if line is not None and self._keys and not self._closed:
            writers.append(line)
        if terminal.output is not None:
            writers.append(terminal.output)
        readable, writable, _ = select.select(readers, writers, [], seconds)
        if terminal.output in writable:
            terminal.write_some()
        if terminal.input is not None and terminal.input in readable:
            self._keys += terminal.read_keys()
        if line is None:
            if self._machine.waiting() in readable:
                self._machine.accept()
            return False
        if line in readable:
            self._read_line()
        if line in writable:
            self._write_line()
        return line in readable

    def _read_line(self):
        try:
            data = self._machine.line.recv(4096)
        except BlockingIOError:
            return
        except ConnectionError:
            data = b""
        self._closed = not data
        if self._serial is not None and data:
            try:
                self._serial.write(data)
            except OSError as error:
                raise OSError(error.errno, error.strerror, self._serial.name) from error
        text, keys = self._transcript.feed(data, final=self._closed)
        self._terminal.show(data, text, self._transcript.pending)
        self._keys += keys

    def _write_line(self):
        try:
            sent = self._machine.line.send(self._keys)
        except BlockingIOError:
            return
        except ConnectionError:
            self._keys.clear()  # the reading side will see the end
            return
        del self._keys[:sent]

    def _drain(self):
        """The emulator ended: what it had sent is still in the socket."""
        if self._machine.line is None:
            return
        self._machine.line.settimeout(1)
        while not self._closed:
            try:
                self._read_line()
            except TimeoutError:
                self._closed = True
        self._check_log()

    def _check_log(self):
        """Shows new panics; whether nothing can run on."""
        lines, deadly = self._machine.new_problems()
        for line in lines:
            self._terminal.say(f"{self._machine.emulator} reports: {line}")
        self.problems += lines
        return deadly
