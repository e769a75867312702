# SPDX-License-Identifier: BSD-2-Clause
"""What `make fuzz-mutants` breaks, to show that each fuzz target can fail."""

from typing import NamedTuple


class Mutant(NamedTuple):
    """One change of one source that a target has to notice."""
    target: str
    what: str
    file: str
    old: str  # stands there once
    new: str


MUTANTS = (
    Mutant("i8259", "a vector outside of the base", "vmm/devices/i8259.c",
           "vector = master->vector_base | (uint8_t)level;",
           "vector = (uint8_t)(master->vector_base + 8 * level);"),
    Mutant("i8254", "the quiet time is a pulse too long", "vmm/devices/i8254.c",
           ": c->mode == 2 ? c->ce - 1", ": c->mode == 2 ? c->ce + 1"),
    Mutant("mc146818", "a deadline is an edge late", "vmm/devices/mc146818.c",
           "periodic_edges(rtc->cycles, period) + 1, period",
           "periodic_edges(rtc->cycles, period) + 2, period"),
    Mutant("uart16550", "a full FIFO takes another byte", "vmm/devices/uart16550.c",
           "if (uart->received_count == capacity(uart)) {",
           "if (uart->received_count == capacity(uart) + 1) {"),
    Mutant("i8042", "an interrupt outlives its byte", "vmm/devices/i8042.c",
           "bool keyboard = controller->output_full && !controller->output_is_auxiliary;",
           "bool keyboard = !controller->output_is_auxiliary;"),
    Mutant("acpi_pm", "the timer's carry is rounded down", "vmm/devices/acpi_pm.c",
           "(rest * NS_PER_SECOND + ACPI_PM_TIMER_HZ - 1) / ACPI_PM_TIMER_HZ;",
           "rest * NS_PER_SECOND / ACPI_PM_TIMER_HZ;"),
    Mutant("i82093aa", "a masked edge stays pending", "vmm/devices/i82093aa.c",
           "if (can_send(entry) && !is_level(entry))", "if (!is_level(entry) || can_send(entry))"),
    Mutant("apics", "a request of the class in service is delivered",
           "vmm/devices/apic/local_apic.c",
           "(unsigned)requested >> 4 > ppr >> 4;", "(unsigned)requested >> 4 >= ppr >> 4;"),
    Mutant("iobus", "two doorbells of one address are not told apart", "vmm/iobus/layout.c",
           "return order != 0 ? order : compare(a->is_overlay, b->is_overlay);",
           "return order;"),
    Mutant("insn", "one iteration too many", "arch/x86/insn/insn_string.c",
           "if (done >= iterations_max && done != 0)", "if (done > 20 * iterations_max)"),
    Mutant("guest_paging", "a write leaves the page clean", "arch/x86/memory/guest_paging.c",
           "(is_dirty ? ENTRY_D : 0)", "(is_dirty ? 0 : 0)"),
    Mutant("config", "a guest's memory need not be whole large pages", "boot/config/values.c",
           "if (!is_aligned(bytes, PAGE_SIZE_LARGE))", "if (bytes == 0)"),
    Mutant("prompt", "a removed character stays on the screen", "vmm/prompt/line_editor.c",
           'echo(editor, "\\b \\b");', 'echo(editor, "\\b");'),
    Mutant("byte_ring", "what is behind the wrap is given, too", "vmm/prompt/byte_ring.c",
           "return used < to_end ? used : to_end;", "return used < to_end ? used : used;"),
    Mutant("attachment_spec", "a range may end behind the last address",
           "vmm/attachments/attachment_spec.c",
           "if (spec->address > last || length_bytes - 1 > last - spec->address)",
           "if (spec->address > last)"),
    Mutant("host_acpi", "an entry may end behind its table", "arch/x86/host_acpi.c",
           "entry[1] < 2 || entry[1] > left", "entry[1] < 2 || entry[1] > left + 8"),
    Mutant("policy", "paging without protection", "vmm/policy/control_registers.c",
           "if ((value & CR0_PG) != 0 && (value & CR0_PE) == 0)",
           "if ((value & CR0_PG) != 0 && (value & CR0_CD) == 0)"),
    Mutant("loader", "a segment may end behind the file", "vmm/loader/multiboot_image.c",
           "segment.file_offset + segment.file_bytes > file.size_bytes)",
           "segment.file_offset > file.size_bytes)"),
    Mutant("exits", "a read of ELCR keeps the board's lock", "vmm/board/address_map.c",
           "access->value = i8259_elcr_read(&board->pic, which);\n    return handled(board);",
           "access->value = i8259_elcr_read(&board->pic, which);\n    return IO_HANDLED;"),
    Mutant("exits", "bus tables come out of the monitor's heap", "vmm/monitor/guest_create.c",
           ".context = &guest->heap,", ".context = environment->heap,"),
)
