# SPDX-License-Identifier: BSD-2-Clause
"""The operator between a guest that forges the monitor's lines and spins with interrupts off, and one
that floods port 0xe9: the key works, each guest is stopped, one is started again, and the result is
the monitor's."""

import os
import re

import dialogue

LINES = 300  # as in tests/guests/operator/forge.asm
FORGED = 4  # of the result's line, in each of the two texts
STOPPED = 254
CONFIGURATION = """\
[monitor]
on_last_exit = poweroff

[guest forge]
kernel = \\portcullis\\forge.bin
memory = 2M

[guest flood]
kernel = \\portcullis\\flood.bin
memory = 2M
"""
DIALOGUE = [
    ("^printed$", dialogue.ESCAPE),
    (dialogue.MONITOR, "guests"),
    (dialogue.MONITOR, "stop flood"),
    (r"^portcullis: guest flood ended: .*$", "start flood"),
    (r"^portcullis: guest flood starts again: .*$", "stop flood"),
    (r"^portcullis: guest flood ended: .*$", "stop forge"),
]
REASON = "stopped at the prompt"


def without_log(text):
    """What a guest printed on COM1, in one line: lines of the log come at any place of it."""
    return re.sub(r"\n(?:(?:flood|forge|portcullis): .*\n)*", "", text)


def run(bench, report):
    files = {f"\\portcullis\\{name}.bin": os.path.join(bench.build, "guests", "operator", f"{name}.bin")
             for name in ("forge", "flood")}
    boot = bench.boot(report, bench.image("operator", CONFIGURATION, files), "--cpus", "2",
                      send=DIALOGUE)
    text = boot.text
    report.check("the result is the monitor's", boot.status == 1 and boot.exit_code == STOPPED,
                 f"status {boot.status}, {boot.result}")
    report.equal("so is each guest's", {
        guest["name"]: (guest["result"], guest["exit_code"], guest["reason"])
        for guest in boot.result.get("guests", [])},
        {name: ("failed", STOPPED, REASON) for name in ("forge", "flood")})
    printed = without_log(text)
    # In the first of the two texts lines of the flood may stand in the middle of a word.
    report.check("what is forged is seen, with a backslash",
                 printed.count("portcullis\\: machine off, exit code 0") >= FORGED, boot.tail())
    want = "".join(f"line {number:04} of what COM1 has to carry, with interrupts off, and each byte once"
                   for number in range(LINES))
    report.check("all that the guest printed with interrupts off, in order", want in printed,
                 boot.tail())
    report.check("control characters on port 0xe9 are shown",
                 "flood: \\x1bc flood" in text and "\nforge: \\x1b[2J\n" in text, boot.tail())
    report.check("lines beyond the rate are counted",
                 re.search(r"^portcullis: guest flood: [1-9]\d+ lines dropped$", text, re.M),
                 boot.tail())
    report.check("the prompt answers meanwhile", all(
        re.search(rf"^{name} .* running$", text, re.M) for name in ("forge", "flood")), boot.tail())
    report.equal("a dump of each guest that is stopped",
                 len(re.findall(r"^  rip [0-9a-f]{16}  rflags ", text, re.M)), 3)
