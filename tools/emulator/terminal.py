# SPDX-License-Identifier: BSD-2-Clause
"""The user's side: standard input and output, the terminal in raw mode, progress on standard error.
"""

import os
import re
import sys
import termios

ESCAPE_KEY = b"\x1c"  # Ctrl-backslash
ESCAPE_COUNT = 3
MONITOR_LINE = re.compile(r"^portcullis:", re.M)
OUTPUT_QUEUE_BYTES_MAX = 1 << 20  # beyond that the emulator has to wait for our reader


class UserEnded(Exception):
    """The local escape was typed."""


class Terminal:
    """Copies serial output to standard output and, where asked, standard input to the line.

    interactive: standard input is forwarded; if it is a terminal, it is in raw mode inside `with`.
    """

    def __init__(self, interactive):
        self._interactive = interactive
        self._input = sys.stdin.fileno() if interactive else None
        self._output = sys.stdout.fileno()
        self._saved = None
        self._queue = bytearray()
        self._escapes = 0
        self._firmware = True  # its screen drawing is kept from the user's terminal
        self._line = ""
        self._at_line_start = True
        self._progress_shown = False
        self._progress_at = 0

    def __enter__(self):
        if self._input is not None and os.isatty(self._input):
            self._saved = termios.tcgetattr(self._input)
            self._set_raw()
        return self

    def __exit__(self, *_):
        self.clear_progress()
        if self._saved is not None:
            # Keys that nobody read, and answers of the terminal to questions of the guest, are not
            # meant for the user's shell.
            termios.tcflush(self._input, termios.TCIFLUSH)
            termios.tcsetattr(self._input, termios.TCSANOW, self._saved)
            if os.isatty(self._output):
                # The guest may have left colours on and the cursor off.
                os.write(self._output, b"\x1b[0m\x1b[?25h" + (b"" if self._at_line_start else b"\r\n"))
            self._saved = None

    def _set_raw(self):
        attributes = termios.tcgetattr(self._input)
        attributes[0] &= ~(termios.BRKINT | termios.ICRNL | termios.IGNBRK | termios.IGNCR
                           | termios.INLCR | termios.INPCK | termios.ISTRIP | termios.IXON
                           | termios.PARMRK)
        attributes[1] &= ~termios.OPOST
        attributes[2] |= termios.CS8
        attributes[3] &= ~(termios.ECHO | termios.ECHONL | termios.ICANON | termios.IEXTEN
                           | termios.ISIG)
        attributes[6][termios.VMIN], attributes[6][termios.VTIME] = 1, 0
        termios.tcsetattr(self._input, termios.TCSANOW, attributes)

    @property
    def raw(self):
        """Whether the user's terminal is in raw mode now."""
        return self._saved is not None

    # Input -----------------------------------------------------------------------------------

    @property
    def input(self):
        """The descriptor to wait on for keys, or None."""
        return self._input

    def read_keys(self):
        """The bytes to send on. Raises UserEnded on the third Ctrl-backslash in a row."""
        data = os.read(self._input, 4096)
        if not data:
            self._input = None  # end of a file or pipe; the run goes on
            return b""
        self._firmware = False
        if not self.raw:
            return data.replace(b"\n", b"\r")  # lines of a file, as Enter sends them
        for position in range(len(data)):
            self._escapes = self._escapes + 1 if data[position:position + 1] == ESCAPE_KEY else 0
            if self._escapes == ESCAPE_COUNT:
                raise UserEnded
        return data

    # Output ----------------------------------------------------------------------------------

    def show(self, data, text, pending):
        """Queues a piece of the stream: `data` as it came, `text` without escapes, and the
        `pending` characters that `text` does not have yet.

        Up to the monitor's first line it is firmware's: escapes and blank lines stay away.
        """
        if not self._firmware:
            self._put(data)
            return
        self._line = (self._line + text)[-4096:]
        if MONITOR_LINE.search(self._line):
            self._firmware = False
        self._line = self._line[self._line.rfind("\n") + 1:]
        text = re.sub(r"\n[\n ]*\n", "\n", text)
        if self._at_line_start:
            text = text.lstrip("\n ")
        if not self._firmware:
            text += pending
        if self.raw:
            text = text.replace("\n", "\r\n")
        self._put(text.encode("utf-8", "replace"))

    def _put(self, data):
        if data:
            self.clear_progress()
            self._queue += data
            self._at_line_start = data.endswith(b"\n")

    @property
    def output(self):
        """The descriptor to wait on for writing, or None when all is written."""
        return self._output if self._queue else None

    @property
    def is_full(self):
        """Whether the reader of our output lags so far that the emulator should wait."""
        return len(self._queue) > OUTPUT_QUEUE_BYTES_MAX

    def write_some(self):
        """Writes what surely fits once the descriptor is ready (PIPE_BUF)."""
        try:
            written = os.write(self._output, self._queue[:4096])
        except BrokenPipeError:
            raise
        except OSError as error:
            raise OSError(error.errno, error.strerror, "standard output") from error
        del self._queue[:written]

    def flush(self):
        """Writes everything, however long the reader takes."""
        while self._queue:
            self.write_some()

    # Our own words ---------------------------------------------------------------------------

    def say(self, text):
        """A message of the tool itself, on standard error."""
        self.clear_progress()
        end = "\r\n" if self.raw else "\n"
        lines = text.split("\n")
        print(end.join(f"machine: {line}" for line in lines), end=end, file=sys.stderr, flush=True)

    def progress(self, text, seconds):
        """One line that replaces itself on a terminal; elsewhere a line every 15 s."""
        if sys.stderr.isatty():
            print(f"\r\x1b[Kmachine: {text}, {seconds} s", end="", file=sys.stderr, flush=True)
            self._progress_shown = True
        elif seconds >= self._progress_at + 15:
            self._progress_at = seconds
            self.say(f"{text}, {seconds} s")

    def clear_progress(self):
        """Takes the progress line away."""
        if self._progress_shown:
            print("\r\x1b[K", end="", file=sys.stderr, flush=True)
            self._progress_shown = False
