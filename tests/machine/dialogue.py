# SPDX-License-Identifier: BSD-2-Clause
"""Typing at a prompt, and finding the answers again."""

import re

SHELL = "^~ # "
MONITOR = "^portcullis> "
ESCAPE = "\\x1d\\c"  # Ctrl-], without Enter


def ask_shell(questions):
    """The steps of a dialogue with the guest's shell: {name: command}, each in marks of its own.

    The typed line shows up, too, so the marks are written in a way that only their output matches.
    """
    return [(SHELL, f'echo "@""{name}"; {command}; echo "@""."')
            for name, command in questions.items()]


def shell_answer(text, name):
    """What the command printed; empty where it never ran."""
    match = re.search(rf"^@{re.escape(name)}\n(.*?)^@\.$", text, re.M | re.S)
    return match.group(1) if match else ""


def monitor_answer(text, command, nth=0):
    """What the monitor printed to the nth such command; empty where it never ran."""
    found = re.findall(rf"^portcullis> {re.escape(command)}\n(.*?)(?=^portcullis[>:] |\Z)", text,
                       re.M | re.S)
    return found[nth] if nth < len(found) else ""


def bus_hits(answer):
    """{device: hits} out of the answer to `bus`; of two ranges of one name the sum."""
    hits = {}
    for name, count in re.findall(r"^ +[0-9a-f]+-[0-9a-f]+ +(\S.*?)  +(\d+) +\d+ +\d+\b", answer,
                                  re.M):
        hits[name] = hits.get(name, 0) + int(count)
    return hits


def interrupt_counts(answer):
    """{line: (count, controller and name)} out of /proc/interrupts with one CPU."""
    return {int(line): (int(count), rest) for line, count, rest in re.findall(
        r"^ *(\d+): +(\d+) +(.*?) *$", answer, re.M)}
