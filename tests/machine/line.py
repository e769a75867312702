# SPDX-License-Identifier: BSD-2-Clause
"""The serial line where its interrupt does not come, as the configuration names an input of the I/O
APIC that nothing is wired to; and where it does, as a comparison. All of a guest's output arrives,
the prompt answers while the guest is halted, and so does the guest."""

import os
import re

import dialogue

LINES = 1600  # as in tests/guests/line/echo.asm
NOWHERE = 5   # an ISA interrupt that no device of the emulators has
EXIT_GOOD = 1  # the value 0 as code, v << 1 | 1
TYPED = "all of this, more than a receiver's FIFO holds"

CONFIGURATION = """\
[monitor]
on_last_exit = poweroff
{more}
[guest echo]
kernel = \\portcullis\\echo.bin
memory = 16M
"""
POLLED = (f"portcullis: the serial line's interrupt does not arrive at I/O APIC input {NOWHERE}: the "
          "line is polled; if the firmware's setup shows another IRQ, set console_irq in [monitor] to "
          "it")
DIALOGUE = [("^waiting$", dialogue.ESCAPE), (dialogue.MONITOR, "guests"),
            (dialogue.MONITOR, dialogue.ESCAPE),
            (r"^\[echo; Ctrl-\] for the monitor\]$", f"{TYPED}\\n\\c"), (f"^{TYPED}$", "q\\c")]


def check(report, name, boot, is_polled):
    """The checks of one boot."""
    text = boot.text
    report.equal(f"{name}: the monitor says that it polls", POLLED in text.split("\n"), is_polled)
    want = [f"line {number:04} of what COM1 has to carry, each byte once." for number in range(LINES)]
    got = re.findall(r"^line .*$", text, re.M)
    wrong = [pair for pair in zip(got, want) if pair[0] != pair[1]]
    report.check(f"{name}: all of the guest's output, in order", got == want,
                 f"{len(got)} lines of {LINES}; the first that differs: {wrong[:1]}")
    report.check(f"{name}: the prompt answers while the guest is halted",
                 re.search(r"^ *echo .* running$", dialogue.monitor_answer(text, "guests"), re.M),
                 dialogue.monitor_answer(text, "guests"))
    report.check(f"{name}: the guest is woken by what is typed", f"\n{TYPED}\n" in text, boot.tail())
    report.equal(f"{name}: the guest's exit code", boot.exit_code, EXIT_GOOD)


def run(bench, report):
    program = os.path.join(bench.build, "guests", "line", "echo.bin")
    for name, more in (("line", ""), ("line-polled", f"console_irq = {NOWHERE}\n")):
        image = bench.image(name, CONFIGURATION.format(more=more), {"\\portcullis\\echo.bin": program})
        check(report, name, bench.boot(report, image, send=DIALOGUE, name=name), bool(more))
