# SPDX-License-Identifier: BSD-2-Clause
"""Guests that the monitor has to stop: each with the right reason and a dump that can be read, the
next one runs undisturbed, and after the last one the monitor's prompt is alive."""

import re

import dialogue
import guests
from dialogue import bus_hits, monitor_answer

STOPPED = 254  # the exit code of a guest that the monitor stopped
LOAD_ADDRESS = 0x7C00
HEALTHY = "port-floats"  # runs between them

ABSENT = "0xd000[0-9a-f]{4}"  # where the programs go though nothing is there

# {program: why the monitor says that it stopped it}
REASONS = {
    "kill-halt": r"halted with interrupts off: nothing can wake it",
    "kill-idt-in-mmio": rf"delivery of event 0x[0-9a-f]+ went to {ABSENT}, where there is no RAM",
    "kill-mmio-instruction":
        rf"the instruction 0f 58 00( [0-9a-f]{{2}}){{5}} that touches MMIO at {ABSENT} is not one"
        r" that is emulated",
    "kill-page-tables": rf"page tables at {ABSENT}, where there is no RAM",
    "kill-triple-fault":
        r"triple fault: a fault while the guest's double-fault handler was called",
    "kill-wild-jump": rf"instruction fetch from {ABSENT}, where there is no RAM",
}
# RIP is where there is no RAM, or the way to it is gone.
WITHOUT_CODE = ("kill-wild-jump", "kill-page-tables")

HEX = "[0-9a-f]"
DUMP = (
    rf"  rip {HEX}{{16}}  rflags {HEX}{{8}}  last exit: .+, qualification {HEX}+\n"
    + "".join("".join(rf"  {name} {HEX}{{16}}" for name in row.split(",")) + r"\n" for row in (
        "rax,rbx,rcx,rdx", "rsi,rdi,rbp,rsp", "r8 ,r9 ,r10,r11", "r12,r13,r14,r15"))
    + rf"  cr0 {HEX}+  cr2 {HEX}+  cr3 {HEX}+  cr4 {HEX}+  cr8 {HEX}+  efer {HEX}+\n"
    rf"  interruptibility {HEX}+  activity \d+"
    rf"  guest-physical address of the last EPT exit {HEX}+\n"
    rf"(?:  (?:es|cs|ss|ds|fs|gs|ldtr|tr) +{HEX}{{4}} .+\n){{8}}"
    rf"  gdtr base {HEX}{{16}} limit {HEX}{{4}}   idtr base {HEX}{{16}} limit {HEX}{{4}}\n"
    rf"  code at (?P<address>{HEX}{{16}}):(?P<code>(?: {HEX}{{2}}){{1,16}}| not in RAM)\n"
    rf"  stack at {HEX}{{16}}:(?: not in RAM|(?:\n   (?: {HEX}{{16}}){{1,4}})+)\n")


def check_dump(report, name, said, binary):
    """The reason and the dump in what was said while the guest ran."""
    stopped = re.search(rf"^portcullis: guest {re.escape(name)} stopped: (.*)\n", said, re.M)
    reason = stopped.group(1) if stopped else "(not stopped)"
    report.check(f"{name}: stopped with its reason", name in REASONS and
                 re.fullmatch(REASONS[name], reason),
                 f"got:  {reason}\nwant: {REASONS.get(name, 'a row in REASONS of kills.py')}")
    dump = re.match(DUMP, said[stopped.end():]) if stopped else None
    if not report.check(f"{name}: dump is whole", dump, said):
        return
    with open(binary, "rb") as file:
        program = file.read()
    offset = int(dump["address"], 16) - LOAD_ADDRESS
    if name in WITHOUT_CODE:
        report.equal(f"{name}: dump has no code", dump["code"], " not in RAM")
    else:
        code = bytes.fromhex(dump["code"])
        report.equal(f"{name}: dump shows the program's code",
                     code.hex(), program[max(0, offset):offset + len(code)].hex())


def check_prompt(report, text, last):
    """Every command answers after the last guest is gone; reset starts it once more."""
    for nth, when in enumerate(("after the last one", "after reset")):
        answer = monitor_answer(text, "guests", nth)
        report.check(f"prompt {when}: guests", re.search(
            rf"^{last} +.* stopped: .* \(exit code {STOPPED}\)$", answer, re.M), answer)
    answer = monitor_answer(text, "regs")
    report.check("prompt: regs", re.match(DUMP, answer), answer)
    answer = monitor_answer(text, "bus")
    report.check("prompt: bus", {"i8254", "uart16550 com1"} <= set(bus_hits(answer)), answer)
    answer = monitor_answer(text, "exits")
    report.check("prompt: exits", re.search(r"^all +[1-9]\d* +[1-9]\d* ", answer, re.M), answer)
    report.check("prompt: help", all(
        re.search(rf"^  {command}\b", monitor_answer(text, "help"), re.M)
        for command in ("help", "guests", "regs", "exits", "bus", "reset", "stop", "start", "quit")),
        monitor_answer(text, "help"))
    report.equal("prompt: an unknown command", monitor_answer(text, "frobnicate"),
                 "unknown command 'frobnicate'; there are: guests select regs exits bus "
                 "attachments doorbell zone trigger raise remove reset stop start quit help\n")
    report.equal("prompt: reset starts the guest anew",
                 len(re.findall(rf"^portcullis: guest {last} stopped: ", text, re.M)), 2)


def run(bench, report):
    binaries = guests.programs(bench.build)
    names = [name for name in binaries if name.startswith(guests.KILL_PREFIX)]
    report.check("there are such guests", names == sorted(REASONS),
                 f"programs: {names}\nexpected: {sorted(REASONS)}")
    *first, last = names
    order = [*first, HEALTHY, last]
    image = bench.image("kills", guests.configuration(order, "prompt"),
                        guests.files(binaries, order))
    commands = ("guests", "regs", "bus", "exits", "help", "frobnicate", "reset")
    # The guest that starts anew takes the line from the prompt, and what is typed meanwhile.
    ended_anew = rf"^portcullis: guest {last} ended: .*\n+portcullis> "
    boot = bench.boot(report, image,
                      send=[*((dialogue.MONITOR, command) for command in commands),
                            (ended_anew, "guests"), (dialogue.MONITOR, "quit")])
    for name in names:
        said, code = guests.part(boot.text, name)
        check_dump(report, name, said or "", binaries[name])
        report.equal(f"{name}: exit code", code, STOPPED)
    wrong = guests.verdict(boot.text, HEALTHY)
    report.check("a guest between them runs undisturbed", not wrong, "\n".join(wrong))
    check_prompt(report, boot.text, last)
    # Its status is that of the first guest that failed.
    report.check("quit ends the machine", boot.status == 1 and boot.exit_code == STOPPED,
                 f"status {boot.status}, {boot.result}")
