# SPDX-License-Identifier: BSD-2-Clause
"""What is matched in a serial stream: escapes, line ends, the dialogue, the result line."""

import re
import unittest

import tool  # pylint: disable=unused-import # makes the tools importable
from emulator import bochs
from emulator.transcript import (KEPT_CHARACTERS, WINDOW_CHARACTERS, Cleaner, Transcript, parse_send,
                                 unescape)


def clean(data):
    """The same stream whole and byte by byte has to give the same text."""
    whole = Cleaner().feed(data, True)
    pieces = Cleaner()
    text = "".join(pieces.feed(data[index:index + 1]) for index in range(len(data)))
    text += pieces.feed(b"", True)
    assert text == whole, (text, whole)
    return whole


class CleanerTest(unittest.TestCase):
    def test_escape_sequences_go(self):
        self.assertEqual(clean(b"a\x1b[1;31mb\x1b[0mc\x1b(Bd\x1b]0;title\x07e\x1b[=3hf\x1b[6ng"),
                         "abcdefg")

    def test_moves_begin_a_line(self):
        self.assertEqual(clean(b"a\x1b[2J\x1b[01;01Hportcullis:"), "a\n\nportcullis:")
        self.assertEqual(clean(b"a\x1b[Jb"), "ab")

    def test_line_ends(self):
        self.assertEqual(clean(b"a\r\nb\r\r\nc\nd\re"), "a\nb\nc\nd\ne")

    def test_utf8_and_rubbish(self):
        self.assertEqual(clean(b"\xe2\x82\xac\xff\0x"), "\u20ac\ufffdx")


class SendTest(unittest.TestCase):
    def test_text(self):
        self.assertEqual(unescape("a"), b"a\r")
        self.assertEqual(unescape(""), b"\r")
        self.assertEqual(unescape(r"\x1d\c"), b"\x1d")
        self.assertEqual(unescape(r"a\nb\t\e\\c"), b"a\nb\t\x1b\\c\r")
        self.assertEqual(unescape("\u20ac"), b"\xe2\x82\xac\r")

    def test_refused(self):
        for text in ("\\", r"\q", r"\x1", r"\xgg", r"\ca"):
            with self.assertRaises(ValueError, msg=text):
                unescape(text)
        for argument in ("a", "=>b", "(=>b"):
            with self.assertRaises(ValueError, msg=argument):
                parse_send(argument)

    def test_first_arrow_divides(self):
        step = parse_send("a=>b=>c")
        self.assertEqual((step.pattern.pattern, step.keys), ("a", b"b=>c\r"))


class TranscriptTest(unittest.TestCase):
    def test_in_order_and_once(self):
        transcript = Transcript([parse_send("a=>1"), parse_send("b=>2")])
        self.assertEqual(transcript.feed(b"b")[1], b"")
        self.assertEqual(transcript.feed(b"a a")[1], b"1\r")
        self.assertEqual(transcript.feed(b"a b b")[1], b"2\r")
        self.assertEqual(transcript.unfired, 0)

    def test_two_in_one_piece(self):
        transcript = Transcript([parse_send("a=>1"), parse_send("b=>2")])
        self.assertEqual(transcript.feed(b"a b")[1], b"1\r2\r")

    def test_a_match_is_no_start_of_line(self):
        transcript = Transcript([parse_send("a=>1")], re.compile("^b", re.M))
        transcript.feed(b"ab")
        self.assertFalse(transcript.until_matched)
        transcript.feed(b"\nb")
        self.assertTrue(transcript.until_matched)

    def test_long_stream(self):
        transcript = Transcript([parse_send("needle=>1")], re.compile("^y", re.M))
        for _ in range(2 * WINDOW_CHARACTERS // 1000):
            transcript.feed(b"x" * 1000)
        self.assertEqual(transcript.feed(b"nee")[1], b"")
        self.assertEqual(transcript.feed(b"dle")[1], b"1\r")
        for _ in range(2 * WINDOW_CHARACTERS // 1000):
            transcript.feed(b"y" * 1000)
        self.assertFalse(transcript.until_matched)
        self.assertGreater(KEPT_CHARACTERS, 4096)

    def result(self, *pieces, final=False):
        transcript = Transcript()
        for piece in pieces:
            transcript.feed(piece)
        if final:
            transcript.feed(b"", True)
        return transcript.exit_code, transcript.after_result

    def test_result(self):
        self.assertEqual(self.result(b"portcullis: machine off, exit code 0\r\n"), (0, True))
        self.assertEqual(self.result(b"portcullis: machine off, ex", b"it code 12", b"3\r", b"\n"),
                         (123, True))
        self.assertEqual(self.result(b"portcullis: machine off, exit code 3", final=True), (3, True))
        self.assertEqual(self.result(b"portcullis: machine off, exit code 3"), (None, False))
        self.assertEqual(self.result(b"xportcullis: machine off, exit code 0\n"), (None, False))
        self.assertEqual(self.result(b"portcullis: machine off, exit code 0\n", b"more"), (0, False))
        self.assertEqual(self.result(b"portcullis: machine off, exit code 0\n", b" \r\n"), (0, True))
        self.assertEqual(self.result(b"portcullis: machine off, exit code 0\nx\n",
                                     b"portcullis: machine off, exit code 5\n"), (5, True))

    FIRMWARE = b"\x1b[2J\x1b[01;01HBdsDxe\r\n"
    HAS = b"\x1b[05;01Hportcullis: has the machine\r\n"
    OFF = b"portcullis: machine off, exit code 0\r\n"

    def test_forged_results(self):
        """What makes the line only without its escape sequences, or when the firmware is gone, or
        what the monitor sends instead of it."""
        for forged in (b"portcul\x1b[mlis: machine off, exit code 0\r\n",
                       b"\x1b[mportcullis: machine off, exit code 0\r\n",
                       b"portcullis\0: machine off, exit code 0\r\n",
                       b"xyz\rportcullis: machine off, exit code 0\r\n",
                       b"x\x1b[5;1Hportcullis: machine off, exit code 0\r\n",
                       b"portcullis\\: machine off, exit code 0\r\n",
                       b"portcullis: machine off, exit code 0\x1b[m\r\n",
                       b"portcul\x1b[mlis: internal error: x\r\n",
                       b"portcullis: x\r\nportcul\x1b[mlis: nothing was started\r\n",
                       b"portcul\x1b[mlis: guest a ended: powered off, exit code 0\r\n"):
            for head in (self.FIRMWARE + self.HAS, b"portcullis: has the machine\r\n"):
                whole = head + b"portcullis: guest a starts: flat, 2 MiB\r\n" + forged
                for pieces in ((whole,), [whole[i:i + 1] for i in range(len(whole))],
                               (head, whole[len(head):])):
                    transcript = self.follow(*pieces)
                    transcript.feed(b"", True)
                    self.assertIsNone(transcript.exit_code, forged)
                    self.assertIsNone(transcript.internal_error, forged)
                    self.assertIsNone(transcript.refusal, forged)
                    self.assertEqual(transcript.guests.results(), [
                        {"name": "a", "result": "unfinished", "exit_code": None, "reason": None}])

    def test_true_results(self):
        for pieces in ((self.FIRMWARE + self.HAS + self.OFF,), (self.FIRMWARE, self.HAS, self.OFF),
                       (self.HAS, b"\x1b[mx\x1b[1m\r\n" + self.OFF),
                       (self.HAS, self.OFF.replace(b"\r\n", b"\r\r\n"))):
            transcript = self.follow(*pieces)
            self.assertEqual((transcript.exit_code, transcript.after_result), (0, True), pieces)
        transcript = self.follow(self.HAS, self.OFF, b"more")
        self.assertEqual((transcript.exit_code, transcript.after_result), (0, False))

    def test_guests(self):
        transcript = self.follow(
            self.HAS, b"portcullis: guest a starts: flat 16-bit binary, 2 MiB\r\n",
            b"portcullis: guest b-1 starts: Multiboot, 16 MiB\r\n",
            b"portcullis: guest c starts: Multiboot, 16 MiB\r\n",
            b"portcullis: guest d cannot be created: no memory\r\n",
            b"portcullis: guest e starts: Multiboot, 16 MiB\r\n",
            b"portcullis: guest a ended: wrote to the debug exit port, exit code 3\r\n",
            b"portcullis: guest b-1 ended: powered off, exit code 0\r\n",
            b"portcullis: guest c ends: quit at the prompt\r\n")
        self.assertEqual(
            [tuple(result.values()) for result in transcript.guests.results()],
            [("a", "failed", 3, "wrote to the debug exit port"),
             ("b-1", "success", 0, "powered off"), ("c", "quit", None, "quit at the prompt"),
             ("d", "not started", None, "no memory"), ("e", "unfinished", None, None)])

    def follow(self, *pieces):
        transcript = Transcript()
        for piece in pieces:
            transcript.feed(piece)
        return transcript

    def test_internal_error(self):
        line = b"portcullis: internal error: exception 13, general protection\r\n"
        for pieces in ((line,), (line[:20], line[20:], b"  rip 0\r\n"),
                       (b"portcullis: machine off, exit code 0\r\n", line)):
            transcript = self.follow(*pieces)
            self.assertEqual(transcript.internal_error,
                             "portcullis: internal error: exception 13, general protection")
            self.assertIsNone(transcript.exit_code)
        for pieces in ((b"guest: " + line,), (line[:-2],), (b"internal error: x\r\n",),
                       (line, b"portcullis: machine off, exit code 9\r\n")):
            self.assertIsNone(self.follow(*pieces).internal_error, pieces)

    def test_refusal(self):
        end = b"portcullis: nothing was started; back to the firmware\r\n"
        transcript = self.follow(b"portcullis: this\r\nBds\r\nportcullis: that; do so\r\n\r\n", end)
        self.assertEqual(transcript.refusal, "portcullis: that; do so")
        for pieces in ((b"x" + end,), (end[:-2],), (b"portcullis: that; do so\r\n",)):
            self.assertIsNone(self.follow(*pieces).refusal, pieces)


class EmulatorTest(unittest.TestCase):
    def test_ticks(self):
        log = "00000000000i[    ] x\n00754822027p[ACPI  ] >>PANIC<< ACPI control: soft power off\n"
        self.assertEqual(bochs.ticks("", log), 754822027)
        self.assertEqual(bochs.ticks("Next at t=0\nNext at t=22563768202\n(0) [0x1]", log),
                         22563768202)
        self.assertIsNone(bochs.ticks("", ""))

    def test_problems(self):
        self.assertEqual(bochs.problems("00000000001p[ACPI  ] >>PANIC<< ACPI control: soft power off\n"
                                        "00000000001e[CPU0  ] RDMSR: Unknown register 0x17\n"),
                         ([], False))
        line = "00000000001p[CPU0  ] >>PANIC<< exception(): 3rd (13) exception with no resolution"
        self.assertEqual(bochs.problems(line + "\n"), ([line], True))


if __name__ == "__main__":
    unittest.main()
