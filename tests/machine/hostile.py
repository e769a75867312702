# SPDX-License-Identifier: BSD-2-Clause
"""A guest that keeps the monitor as busy as it can, on the first processor, and one beside it that
measures what it waits: for its own port accesses, and for keys from the serial line, which the first
processor looks after. All times are emulated."""

import os
import re

import dialogue
from dialogue import monitor_answer

CPUS = 4
HOSTILE, WATCH = "hostile", "watch"
PHASES = ("LINES", "LEVELS", "MESSAGES", "TIMERS", "STRINGS", "ZONES", "MOVES", "RESETS")

# Some megabytes of memory make the resets long.
CONFIGURATION = f"""\
[monitor]
on_last_exit = poweroff

[guest {HOSTILE}]
kernel = \\portcullis\\{HOSTILE}.bin
memory = 32M
cpus = 3
apic = emulated
trigger = level line 10 level
trigger = many line 6
doorbell = line port 0x5000 line 5
doorbell = counts port 0x5001
doorbell = rings-level port 0x5010 trigger level
doorbell = drains-scratch port 0x5020 drain scratch
doorbell = drains-hole port 0x5021 drain hole
zone = scratch port 0x3ff 1 ring 1024 delay 1
zone = hole mmio 0xff000000 0x1000 ring 1024 delay 1

[guest {WATCH}]
kernel = \\portcullis\\{WATCH}.bin
memory = 2M
apic = emulated
"""

# A steady stream, longer than watch.asm measures: 115200 baud are 11520 keys a second.
KEYS = "k" * 18000
KEY_US = 87
ANSWER_US_MAX = 20000  # the longest that a key may wait
# The longest that a port access of the other guest may take: what it shares with the hostile one is
# the console's lock, held while a FIFO is filled, and the log's.
ACCESS_US_MAX = 1000
RAISES = 1000000

# While the hostile guest runs, for both guests.
COMMANDS = ("guests", f"raise many {RAISES}", "attachments", f"select {WATCH}",
            "doorbell new port 0x9000 count 500", "remove new")


def keys():
    """What is typed, and when."""
    steps = [(rf"^{HOSTILE}: {PHASES[0]}$", dialogue.ESCAPE),
             (dialogue.MONITOR, f"select {WATCH}"), (dialogue.MONITOR, dialogue.ESCAPE),
             (rf"^\[{WATCH}; Ctrl-\] for the monitor\]$", KEYS + "\\c"),
             (rf"^{WATCH}: MEASURED$", dialogue.ESCAPE),
             (dialogue.MONITOR, f"select {HOSTILE}")]
    return steps + [(dialogue.MONITOR, command) for command in (*COMMANDS, "quit")]


def figure(text, name):
    """A figure of watch.asm; None where it is missing."""
    match = re.search(rf"^{WATCH}: {re.escape(name)}: ([0-9a-f]+)$", text, re.M)
    return int(match.group(1), 16) if match else None


def check_times(report, text):
    ticks_a_us = figure(text, "ticks a microsecond")
    count = figure(text, "keys")
    access, wait = (figure(text, f"longest {what}, ticks")
                    for what in ("access", "wait for a key"))
    if not report.check("the other guest measured", None not in (ticks_a_us, count, access, wait),
                        text[-2000:]):
        return
    report.check(f"{count} keys came", count > 1000, f"{count} keys")
    report.check(f"a key waited at most {wait // ticks_a_us} us, "
                 f"{KEY_US} us from the one before included",
                 wait <= ANSWER_US_MAX * ticks_a_us, f"{wait} ticks, {ticks_a_us} a microsecond")
    report.check(f"a port access of the other guest took at most {access // ticks_a_us} us",
                 access <= ACCESS_US_MAX * ticks_a_us, f"{access} ticks")


def check_commands(report, text):
    answer = monitor_answer(text, "guests")
    for name in (HOSTILE, WATCH):
        report.check(f"{name} is there, and does not use up its heap", re.search(
            rf"^{name} .* +[1-9]\d{{0,2}} of +\d{{4}} KiB  (running|resetting)", answer, re.M), answer)
    answer = monitor_answer(text, "attachments")
    raised = re.search(r"^trigger +many +line 6: (\d+) raised", answer, re.M)
    report.check("many events are raised in shares", raised and 0 < int(raised.group(1)) < RAISES,
                 answer)
    report.equal("the other guest's heap is its own",
                 [monitor_answer(text, command).strip() for command in COMMANDS[-2:]], ["", ""])


def run(bench, report):
    files = {f"\\portcullis\\{name}.bin":
             os.path.join(bench.build, "guests", "hostile", f"{name}.bin")
             for name in (HOSTILE, WATCH)}
    image = bench.image(report.group, CONFIGURATION, files)
    boot = bench.boot(report, image, "--cpus", str(CPUS), send=keys())
    for phase in PHASES:
        report.check(f"the hostile guest came to {phase}", f"\n{HOSTILE}: {phase}\n" in boot.text,
                     boot.tail())
    resets = len(re.findall(rf"^portcullis: guest {HOSTILE} resets$", boot.text, re.M))
    report.check("it was reset", resets > 1, f"{resets} resets")
    check_times(report, boot.text)
    check_commands(report, boot.text)
    report.check("quit ends the machine", boot.status == 0, f"status {boot.status}, {boot.result}")
