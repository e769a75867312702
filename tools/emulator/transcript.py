# SPDX-License-Identifier: BSD-2-Clause
"""What came over the serial line, as text to match: the --send dialogue, --until, the result.

Pure: bytes in, decisions out. Matching sees text without escape sequences and with "\\n" line ends,
because firmware's serial console draws its screen with the former and all of it sends "\\r\\n".

The result is different: from the monitor's first line on, it is read from the bytes as they came. The
monitor never sends "portcullis:" for a guest (it puts a backslash before the colon), but text without
escape sequences could be made of such pieces. Until that line there is no guest, and the boot stage
prints through the firmware, whose escape sequences are taken out.
"""

import codecs
import re

# The monitor's last word. Code v << 1 | 1 is what QEMU's isa-debug-exit makes of value v; 0 is an
# ordinary power-off.
RESULT = re.compile(r"portcullis: machine off, exit code (\d+)[ \t]*")
SUCCESS_CODES = (0, 1)
# A check of the monitor failed, or it took an exception: a dump follows, and nothing else.
INTERNAL_ERROR = re.compile(r"portcullis: internal error: .*")
# The boot stage's last word; the line before it says what is wrong and what to do.
REFUSAL = re.compile(r"portcullis: nothing was started\b.*")
MONITOR_LINE = re.compile(r"portcullis: .*")
# What the monitor says first when the firmware is gone.
HAS_MACHINE = "portcullis: has the machine"
# What it says about a guest, with its name: the start; the end; and that it does not start.
GUEST_STARTS = re.compile(r"portcullis: guest (\S+) starts(?: again)?: .*")
GUEST_ENDED = re.compile(r"portcullis: guest (\S+) ended: (.*), exit code (\d+)")
GUEST_QUIT = re.compile(r"portcullis: guest (\S+) ends: (.*)")
GUEST_FAILED = re.compile(r"portcullis: guest (\S+) (?:cannot be created|is left out): (.*)")

# ECMA-48: control sequences, operating-system commands, and the escapes with intermediate bytes.
ESCAPE = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[ -/]+[0-~]|[0-Z\\^-~])")
ESCAPE_START = re.compile(r"\x1b(?:\[[0-?]*[ -/]*|\][^\x07\x1b]*\x1b?|[ -/]*)\Z")
ESCAPE_CHARACTERS_MAX = 256
# Text placed elsewhere on the screen starts a line of its own: cursor position, erase all.
MOVES = re.compile(r"\x1b\[(?:[0-9;]*[Hf]|[23]J)\Z")

WINDOW_CHARACTERS = 256 * 1024  # of text without a match that is still searched
KEPT_CHARACTERS = 64 * 1024
LINE_CHARACTERS_MAX = 4096  # of an unfinished line that are kept for the result


class Cleaner:
    """Takes escape sequences out of a stream of bytes, however it is cut into pieces."""

    def __init__(self):
        self._decode = codecs.getincrementaldecoder("utf-8")("replace").decode
        self._pending = ""

    @property
    def pending(self):
        """What waits for its continuation, as it came."""
        return self._pending

    def feed(self, data, final=False):
        """The text that is complete now; `final` also gives up what waits for a continuation."""
        text = self._pending + self._decode(data, final)
        self._pending = ""
        if not final:
            # Hold back an unfinished escape sequence, and a CR whose LF may follow.
            start = ESCAPE_START.search(text, max(0, len(text) - ESCAPE_CHARACTERS_MAX))
            cut = start.start() if start else len(text)
            cut = len(text[:cut].rstrip("\r"))
            text, self._pending = text[:cut], text[cut:]
        text = ESCAPE.sub(lambda match: "\n" if MOVES.match(match.group()) else "", text)
        text = re.sub(r"\r+\n?", "\n", text)
        return text.replace("\0", "")


class Step:
    """One --send: types `keys` once `pattern` was seen."""

    def __init__(self, pattern, keys):
        self.pattern = pattern
        self.keys = keys


def parse_send(argument):
    """REGEX=>TEXT as a Step. Raises ValueError with what is wrong.

    TEXT knows \\n \\r \\t \\e \\\\ and \\xHH. Enter follows, unless TEXT ends with \\c.
    """
    regex, arrow, text = argument.partition("=>")
    if not arrow or not regex:
        raise ValueError("has to be REGEX=>TEXT")
    try:
        pattern = re.compile(regex, re.M)
    except re.error as error:
        raise ValueError(f"bad regular expression: {error}") from error
    return Step(pattern, unescape(text))


def unescape(text):
    """The bytes to type for TEXT, Enter (CR) included."""
    simple = {"n": b"\n", "r": b"\r", "t": b"\t", "e": b"\x1b", "\\": b"\\"}
    keys, position, enter = b"", 0, True
    while position < len(text):
        if text[position] != "\\":
            keys += text[position].encode("utf-8", "surrogateescape")
            position += 1
            continue
        kind = text[position + 1:position + 2]
        if kind in simple and kind:
            keys += simple[kind]
            position += 2
        elif kind == "x" and re.fullmatch(r"[0-9a-fA-F]{2}", text[position + 2:position + 4]):
            keys += bytes([int(text[position + 2:position + 4], 16)])
            position += 4
        elif kind == "c" and position + 2 == len(text):
            enter = False
            position += 2
        else:
            raise ValueError(f"unknown escape '{text[position:position + 4]}'; known are"
                             r" \n \r \t \e \\ \xHH and, at the end, \c")
    return keys + (b"\r" if enter else b"")


class Lines:
    """Cuts a stream of bytes into lines, without their ends."""

    def __init__(self):
        self._tail = b""

    @property
    def has_tail(self):
        """Whether anything but white space came after the last whole line."""
        return bool(self._tail.strip())

    def feed(self, data, final=False):
        """The lines that are complete now; `final` also completes the last one."""
        *lines, self._tail = (self._tail + data).split(b"\n")
        if final:
            lines.append(self._tail)
            self._tail = b""
        self._tail = self._tail[-LINE_CHARACTERS_MAX:]
        return [line.rstrip(b"\r").decode("ascii", "replace") for line in lines]


class Guests:
    """What the monitor said about each guest: one result for each, in the order of their start."""

    def __init__(self):
        self._results = {}

    def _put(self, name, result, exit_code=None, reason=None):
        self._results[name] = {"name": name, "result": result, "exit_code": exit_code,
                               "reason": reason}

    def read_line(self, line):
        """Takes a line of the monitor."""
        if match := GUEST_STARTS.fullmatch(line):
            self._put(match[1], "unfinished")
        elif match := GUEST_ENDED.fullmatch(line):
            code = int(match[3])
            self._put(match[1], "success" if code in SUCCESS_CODES else "failed", code, match[2])
        elif match := GUEST_QUIT.fullmatch(line):
            self._put(match[1], "quit", None, match[2])
        elif match := GUEST_FAILED.fullmatch(line):
            self._put(match[1], "not started", None, match[2])

    def results(self):
        """[{name, result, exit_code, reason}]."""
        return list(self._results.values())


class Transcript:
    """Follows the stream and says what to type and when the end has come.

    steps: Steps, fired in order; each is searched after the previous one's match.
    until: a compiled expression or None; looked for once all steps fired, after the last match.
    """

    def __init__(self, steps=(), until=None):
        self._steps = list(steps)
        self._until = until
        self._cleaner = Cleaner()
        self._window = ""
        self._position = 0  # in the window: the latest match's end
        self._lines = Lines()  # as they came
        self._tail = ""    # the line without escape sequences that is not complete yet
        self._has_machine = False  # the firmware is gone, and only the monitor's bytes count
        self.guests = Guests()
        self._said = ""    # the monitor's latest line
        self.until_matched = False
        self.exit_code = None  # of the latest result line
        self.after_result = False  # nothing but white space came after that line
        self.internal_error = None  # the line that says so, if no result line came after it
        self.refusal = None  # the boot stage's message, if it refused to start anything
        self.has_text = False  # anything but white space came so far

    @property
    def pending(self):
        """Text seen but not yet handed out: an unfinished escape sequence, a CR."""
        return self._cleaner.pending

    @property
    def unfired(self):
        """How many steps still wait."""
        return len(self._steps)

    def feed(self, data, final=False):
        """(cleaned text, bytes to type) for the next piece of the stream."""
        text = self._cleaner.feed(data, final)
        self.has_text = self.has_text or bool(text.strip())
        self._read_lines(data, text, final)
        self._window += text
        keys = b""
        while self._steps:
            match = self._steps[0].pattern.search(self._window, self._position)
            if match is None:
                break
            self._position = match.end()
            keys += self._steps.pop(0).keys
        if not self._steps and self._until is not None and not self.until_matched:
            self.until_matched = self._until.search(self._window, self._position) is not None
        if len(self._window) > WINDOW_CHARACTERS:
            dropped = len(self._window) - KEPT_CHARACTERS
            self._window = self._window[dropped:]
            self._position = max(1, self._position - dropped)  # not 0: that is no start of line
        return text, keys

    def _read_lines(self, data, text, final):
        raw = self._lines.feed(data, final)
        if not self._has_machine:
            *lines, self._tail = (self._tail + text).split("\n")
            if final:
                lines.append(self._tail)
                self._tail = ""
            for line in lines:
                if line.endswith(HAS_MACHINE):
                    break
                self._read_line(line)
            if self._tail.strip():
                self.after_result = False
            self._tail = self._tail[-LINE_CHARACTERS_MAX:]
        for line in raw:
            if self._has_machine:
                self._read_line(line)
            self._has_machine = self._has_machine or line.endswith(HAS_MACHINE)
        if self._has_machine and self._lines.has_tail:
            self.after_result = False

    def _read_line(self, line):
        result = RESULT.fullmatch(line)
        if result:
            self.exit_code, self.internal_error = int(result.group(1)), None
        elif INTERNAL_ERROR.fullmatch(line):
            self.exit_code, self.internal_error = None, line
        elif REFUSAL.fullmatch(line):
            self.refusal = self._said
        if MONITOR_LINE.fullmatch(line):
            self._said = line
            self.guests.read_line(line)
        if line.strip():
            self.after_result = result is not None

    @property
    def succeeded(self):
        """Whether the guest ended, and with success."""
        return self.exit_code in SUCCESS_CODES
