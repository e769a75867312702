// SPDX-License-Identifier: BSD-2-Clause
/* Loads a guest's image into its RAM and defines the state in which its CPU starts. */
#ifndef VMM_LOADER_LOADER_H
#define VMM_LOADER_LOADER_H

#include "vmm/base/status.h"
#include "vmm/base/types.h"
#include "vmm/boot_info.h"

enum guest_format {
    GUEST_FORMAT_BZIMAGE,    /* Linux/x86 boot protocol, started at its 64-bit entry */
    GUEST_FORMAT_MULTIBOOT,  /* Multiboot 0.6.96: ELF32, or any file with the header's addresses */
    GUEST_FORMAT_MULTIBOOT2, /* recognised, but this version does not start it */
    GUEST_FORMAT_ELF,        /* an ELF file without a Multiboot header; this version does not start
                                it */
    GUEST_FORMAT_FOREIGN,    /* a compressed file, an archive, a text or the like: no kernel */
    GUEST_FORMAT_FLAT,       /* anything else: 16-bit code at 0000:7c00, like a boot sector */
};

/* Returns the format of the content; no side effects. The content itself decides: "HdrS" (Linux
 * boot protocol, "The Real-Mode Kernel Header"), a Multiboot header with a correct checksum
 * (Multiboot 0.6.96, 3.1.1; Multiboot2 2.0, 3.1.1), an ELF header, and what foreign.h knows. */
enum guest_format guest_format_of(struct blob kernel);

/* Returns the format's name for messages: "Linux bzImage". Never null. The monitor has this name in
 * guest_config.format_name: a processor has only its own guest's files mapped. */
const char *loader_format_name(enum guest_format format);

enum loader_mode {
    LOADER_MODE_REAL,        /* 16-bit real mode */
    LOADER_MODE_PROTECTED32, /* 32-bit protected mode, paging off */
    LOADER_MODE_LONG64,      /* 64-bit mode, paging on */
};

/* The state of the guest's CPU when it starts. Registers that are not listed have their values
 * after RESET. */
struct loader_entry {
    enum loader_mode mode;
    uint64_t rip, rsp, rflags;
    uint64_t rax, rbx; /* Multiboot: the magic number and the address of the information
                          structure */
    uint64_t rdx;      /* DL: the BIOS drive number of a real-mode entry */
    uint64_t rsi;      /* boot_params of a 64-bit entry */
    uint64_t cr3;      /* 64-bit mode: the top page table; the tables map all addresses one to
                          one */
    /* Protected and 64-bit mode: the GDTR; its table has the selectors below. Real mode: 0. */
    uint64_t gdt_base;
    uint16_t gdt_limit;
    /* Real mode: CS.base is 16 times the selector. Other modes: flat descriptors with a limit of 4
     * GiB; code (execute/read; D=1 in protected mode, L=1 in 64-bit mode) for CS, data (read/write,
     * B=1) for DS, ES, FS, GS and SS. */
    uint16_t code_selector, data_selector;
};

/* Checks whether the guest can be started: its format, its sizes, and that all parts fit into
 * guest->memory_bytes of RAM. Reads the guest's name, kernel, initrd, cmdline and memory_bytes.
 * kernel_file and initrd_file are used only in the message (initrd_file only if there is an
 * initrd). On success message is "". On failure message (message_bytes; 512 are enough) names the
 * guest, the file, the cause and the remedy, without an end of line. No other side effects.
 * STATUS_INVALID: the file is damaged or contradicts itself.
 * STATUS_UNSUPPORTED: this version does not start this format or this kind of kernel.
 * STATUS_OUT_OF_RANGE: the guest does not fit into its memory. */
MUST_USE enum status loader_check(const struct guest_config *guest, const char *kernel_file,
                                  const char *initrd_file, char *message, size_t message_bytes);

/* Writes everything that the guest finds at its start into its RAM: what a BIOS leaves there
 * (vmm/loader/bios_area.h), image, initrd, boot parameters, and page tables for a 64-bit entry.
 * Called at the start and at each reset. Sets *entry to the state in which the guest's CPU starts.
 * Errors are those of loader_check; RAM and *entry are then unchanged. A guest that passed
 * loader_check does not fail here.
 * ram: guest->memory_bytes of host memory behind the guest, zeroed, in the layout of
 * vmm/loader/memory_layout.h. The range from GUEST_FIRMWARE_AREA to GUEST_BIOS_AREA, which holds
 * the ACPI tables, is not changed.
 * acpi_rsdp: the guest-physical address of the ACPI root pointer; 0: there is none. */
MUST_USE enum status loader_load(const struct guest_config *guest, uint8_t *ram, gpa_t acpi_rsdp,
                                 struct loader_entry *entry);

#endif
