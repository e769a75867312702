# SPDX-License-Identifier: BSD-2-Clause
"""The operations of bench/exits: what each is called, what it may cost, and reading what the guest
programs report."""

import collections
import json
import os
import re
import sys

HERE = os.path.dirname(os.path.realpath(__file__))
ROOT = os.path.normpath(os.path.join(HERE, "..", ".."))
sys.path.insert(0, os.path.join(ROOT, "tools"))  # for the modules of tools/emulator

BUDGETS = os.path.join(HERE, "budgets.json")
TOLERANCE = 0.03  # how far a median may grow before the budget has to be recorded anew

# label: for tables. at_most: the goal, in instructions. program: the guest that measures it.
Operation = collections.namedtuple("Operation", "label at_most program")
# In ticks, less the loop around it.
Figures = collections.namedtuple("Figures", "minimum median p99 maximum")

# In the order in which the guest programs measure them, which bench/exits/exit_trace.py relies on.
OPERATIONS = {
    "empty": Operation("the loop alone", None, "exits"),
    "loop": Operation("2000 instructions without an exit", None, "exits"),
    "cpuid": Operation("CPUID", 110, "exits"),
    "ioapic-select": Operation("I/O APIC, register select", 350, "exits"),
    "ioapic-window": Operation("I/O APIC, window read", 350, "exits"),
    "eoi-xapic": Operation("EOI, xAPIC", 350, "exits"),
    "pic-out": Operation("OUT PIC 0x21", 160, "exits"),
    "pic-in": Operation("IN PIC 0x21", 160, "exits"),
    "pit-in": Operation("IN PIT 0x40", 160, "exits"),
    "elcr-in": Operation("IN ELCR 0x4d0", 160, "exits"),
    "bell-port-first": Operation("OUT doorbell, first of 200 ports", 140, "exits"),
    "bell-port-middle": Operation("OUT doorbell, middle of 200 ports", 140, "exits"),
    "bell-port-last": Operation("OUT doorbell, last of 200 ports", 140, "exits"),
    "unclaimed-out": Operation("OUT to an unclaimed port", 130, "exits"),
    "bell-data-first": Operation("OUT doorbell, first of 200 data", 170, "exits"),
    "bell-data-middle": Operation("OUT doorbell, middle of 200 data", 170, "exits"),
    "bell-data-last": Operation("OUT doorbell, last of 200 data", 170, "exits"),
    "mmio-any-first": Operation("MMIO doorbell, any width, first of 200", 200, "exits"),
    "mmio-any-middle": Operation("MMIO doorbell, any width, middle of 200", 200, "exits"),
    "mmio-any-last": Operation("MMIO doorbell, any width, last of 200", 200, "exits"),
    "mmio-data-first": Operation("MMIO doorbell, first of 200 data", 350, "exits"),
    "mmio-data-middle": Operation("MMIO doorbell, middle of 200 data", 350, "exits"),
    "mmio-data-last": Operation("MMIO doorbell, last of 200 data", 350, "exits"),
    "zone-port": Operation("coalesced write, port", 150, "exits"),
    "zone-mmio": Operation("coalesced write, MMIO", 350, "exits"),
    "bell-pin": Operation("doorbell to interrupt, I/O APIC pin", None, "exits"),
    "bell-message": Operation("doorbell to interrupt, the shortest way", 300, "exits"),
    "tsc-deadline": Operation("TSC deadline", None, "exits"),
    "eoi-x2apic": Operation("EOI, x2APIC", 150, "exits"),
    "ipi-halted": Operation("interrupt to a halted vCPU on another CPU", 600, "ipi"),
}
CALIBRATION = ("empty", "loop")
LOOP_TICKS = 2000  # of "loop", where a tick is an instruction

LINE = re.compile(r"BENCH ([a-z0-9-]+) ([0-9a-f]+) ([0-9a-f]+) ([0-9a-f]+) ([0-9a-f]+)\s*$", re.M)


def keys(program):
    """The operations that a guest program measures, in its order."""
    return [key for key, operation in OPERATIONS.items() if operation.program == program]


def costs():
    """The operations that are about something: all but the calibration."""
    return [key for key in OPERATIONS if key not in CALIBRATION]


def read_figures(text):
    """{operation: Figures} out of what a guest program reported."""
    return {match[1]: Figures(*(int(match[n], 16) for n in range(2, 6)))
            for match in LINE.finditer(text)}


def read_budgets():
    """{operation: recorded median}."""
    with open(BUDGETS, encoding="ascii") as file:
        return json.load(file)


def write_budgets(medians):
    """Records these medians, leaving those of other operations as they are."""
    known = read_budgets() if os.path.exists(BUDGETS) else {}
    known.update(medians)
    with open(BUDGETS, "w", encoding="ascii") as file:
        json.dump({key: known[key] for key in costs() if key in known}, file, indent=2)
        file.write("\n")


def over_budget(median, recorded):
    """Whether a median has grown beyond what was recorded."""
    return median > recorded * (1 + TOLERANCE)
