# SPDX-License-Identifier: BSD-2-Clause
"""Counting the instructions of one operation, each by its kind and function, with Bochs' debugger.

The guest program executes each operation once between two XCHG BX, BX. Here these are breakpoints:
the debugger lists what the processor executes from the first to the second, monitor and guest."""

import bisect
import collections
import os
import re
import select
import subprocess
import time
import types

import vmcs_fields
from operations import keys
from emulator import bochs, run

EMULATOR = "bochs-trace"
STEP_SECONDS = 1
# Bochs' names of the registers that an instruction leaves behind.
REGISTER = re.compile(r"^(r\w+) ?: ([0-9a-f]{8})_([0-9a-f]{8})$")
# Instructions that exit when they are executed in a virtual machine, VMREAD and VMWRITE aside. Some
# of RDMSR and WRMSR do not, but none of these is on a path that counts.
EXITING = {"cpuid", "rdmsr", "wrmsr", "in", "out", "hlt", "xsetbv", "vmptrld", "vmclear", "invept",
           "invvpid"}
MACHINE_OFF = b"portcullis: machine off, exit code"
# "(0).[123456] [0x000012345678] 0008:0000000000401000 (unk. ctxt): vmread rax, rcx   ; 0f78c8"
EXECUTED = re.compile(r"^\(\d+\)\.\[\d+\] \[[^\]]*\] [0-9a-f]+:([0-9a-f]+) \([^)]*\): (\S+)(.*)$")
HOST_ENTRY = "world_switch_exit"  # arch/x86/world_switch.asm
GUEST_END = 16 << 20               # guest-linear addresses are below, the monitor is above
BREAK = re.compile(r"^Next at t=", re.M)
TRACING = "Tracing enabled"  # Bochs shows an instruction now and then without that, too

# One executed instruction; field: the VMCS field's encoding, of VMREAD and VMWRITE.
Line = collections.namedtuple("Line", "address mnemonic operands field")
# instructions: of host and guest. kinds: {mnemonic: count}. lines: [Line].
Trace = collections.namedtuple("Trace", "instructions kinds lines")


def prepare(directory, machine, port):
    """As tools/emulator/bochs.py, with a breakpoint at each XCHG BX, BX."""
    command = bochs.prepare(directory, machine, port)
    with open(os.path.join(directory, bochs.CONFIG), "a", encoding="ascii") as file:
        file.write("magic_break: enabled=1\n")
    # To the first break, listing to the second one, and so on; the last one ends with the machine.
    steps = "trace-reg on\n" + "c\ntrace on\nc\ntrace off\n" * len(keys("exits")) + "c\n"
    with open(os.path.join(directory, "commands"), "w", encoding="ascii") as file:
        file.write(steps)
    return command


def driver():
    """The emulator's driver for tools/emulator/run.py."""
    values = {name: getattr(bochs, name) for name in dir(bochs) if not name.startswith("__")}
    return types.SimpleNamespace(**{**values, "prepare": prepare})


def field_of(mnemonic, operands, registers):
    """The VMCS field's encoding; None for an instruction that has none."""
    if mnemonic not in vmcs_fields.LETTERS:
        return None
    position = {"vmread": 1, "vmwrite": 0}[mnemonic]
    return registers.get(operands.split(", ")[position])


def split(output):
    """The traced stretches of the debugger's output, each a Trace."""
    traces, lines, registers, is_tracing = [], [], {}, False
    for line in output.split("\n"):
        match = EXECUTED.match(line)
        value = REGISTER.match(line)
        is_tracing |= line.startswith(TRACING)
        if value:
            registers[value[1]] = int(value[2] + value[3], 16)
        elif match and is_tracing:
            operands = match[3].split(";")[0].strip()
            lines.append(Line(int(match[1], 16), match[2], operands,
                              field_of(match[2], operands, registers)))
        elif BREAK.match(line) and lines:
            traces.append(Trace(len(lines), collections.Counter(line.mnemonic for line in lines),
                                lines))
            lines, is_tracing = [], False
    return traces


def outer_exits(found, fields):
    """[(mnemonic, VMCS field or None)]: what of a Trace exits to KVM where the monitor runs in a
    virtual machine of KVM's, besides the operation's own exit and the entry after it. fields: as
    vmcs_fields.read has them."""
    return [(line.mnemonic, line.field) for line in found.lines
            if (line.mnemonic in vmcs_fields.LETTERS
                and not vmcs_fields.is_shadowed(fields, line.mnemonic, line.field))
            or (line.mnemonic in EXITING and line.address >= GUEST_END)]


def trace(image, timeout_seconds, serial_path):
    """{operation: Trace} of one boot of the image; serial_path: where its serial output goes."""
    run.EMULATORS[EMULATOR] = driver()
    deadline = time.monotonic() + timeout_seconds
    with run.Machine(EMULATOR, image, 1, 1024, "disk") as machine, \
            open(serial_path, "wb") as serial:
        tail = b""
        while machine.is_running and MACHINE_OFF not in tail and time.monotonic() < deadline:
            if not select.select([machine.waiting()], [], [], STEP_SECONDS)[0]:
                continue
            if machine.line is None:
                machine.accept()
                continue
            try:
                data = machine.line.recv(4096)
            except ConnectionError:
                break
            if not data:
                break
            serial.write(data)
            tail = (tail + data)[-8192:]
        machine.stop()
        output = machine.output_text()
    traces = split(output)
    names = keys("exits")
    if len(traces) != len(names):
        raise RuntimeError(f"{len(traces)} operations were traced, not {len(names)}")
    return dict(zip(names, traces))


def by_function(found, elf):
    """(function, mnemonic) of each instruction of a Trace; elf: the monitor, with its symbols.

    The firmware loads the monitor where it likes: the first instruction above the guest's memory is
    the one that exits come to."""
    text = subprocess.run(["nm", "-n", elf], stdout=subprocess.PIPE, check=True, text=True).stdout
    symbols = [(int(line[0], 16), line[2]) for line in map(str.split, text.splitlines())
               if len(line) == 3 and line[1] in "tT" and "." not in line[2]]
    starts = [start for start, _ in symbols]
    entry = dict((name, start) for start, name in symbols)[HOST_ENTRY]
    base = next((line.address - entry for line in found.lines if line.address >= GUEST_END), 0)
    for line in found.lines:
        index = bisect.bisect(starts, line.address - base) - 1
        is_guest = line.address < GUEST_END or index < 0
        yield ("the guest" if is_guest else symbols[index][1]), line.mnemonic
