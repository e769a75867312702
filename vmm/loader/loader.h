// SPDX-License-Identifier: BSD-2-Clause
/* Puts a guest's image into its RAM and says how its CPU starts. */
#ifndef VMM_LOADER_LOADER_H
#define VMM_LOADER_LOADER_H

#include "vmm/base/status.h"
#include "vmm/base/types.h"
#include "vmm/boot_info.h"

enum guest_format {
    GUEST_FORMAT_BZIMAGE,    /* Linux/x86 boot protocol, by its 64-bit entry */
    GUEST_FORMAT_MULTIBOOT,  /* Multiboot 0.6.96: ELF32, or any file with the header's addresses */
    GUEST_FORMAT_MULTIBOOT2, /* recognised, not startable */
    GUEST_FORMAT_ELF,        /* an ELF file without a Multiboot header: not startable */
    GUEST_FORMAT_FLAT,       /* anything else: 16-bit code for 0000:7c00, as a boot sector */
};

/* Which format the content is; no side effects. The content's own marks decide: "HdrS" (Linux boot
 * protocol, "The Real-Mode Kernel Header"), a Multiboot header with a right checksum (Multiboot
 * 0.6.96, 3.1.1; Multiboot2 2.0, 3.1.1), an ELF header. */
enum guest_format guest_format(struct blob kernel);

/* For messages: "Linux bzImage". Never null. */
const char *guest_format_name(enum guest_format format);

enum loader_mode {
    LOADER_MODE_REAL,        /* 16-bit real mode */
    LOADER_MODE_PROTECTED32, /* 32-bit protected mode, paging off */
    LOADER_MODE_LONG64,      /* 64-bit mode, paging on */
};

/* The state of the guest's CPU when it starts. What is not listed is as after RESET. */
struct loader_entry {
    enum loader_mode mode;
    uint64_t rip, rsp, rflags;
    uint64_t rax, rbx; /* Multiboot: the magic number and the information structure's address */
    uint64_t rdx;      /* DL: the BIOS drive number of a real-mode entry */
    uint64_t rsi;      /* boot_params of a 64-bit entry */
    uint64_t cr3;      /* 64-bit: the first of the page tables, which map one to one */
    /* Protected and 64-bit mode: GDTR; the selectors below are in that table. Real mode: 0. */
    uint64_t gdt_base;
    uint16_t gdt_limit;
    /* Real mode: CS.base is 16 times the selector. Otherwise flat descriptors with 4 GiB limit,
     * code (execute/read; D=1 in protected mode, L=1 in 64-bit mode) for CS, data (read/write, B=1)
     * for DS, ES, FS, GS and SS. */
    uint16_t code_selector, data_selector;
};

/* Whether the guest can be started: format, sizes, and that everything finds its place in
 * guest->memory_bytes of RAM. Reads guest's name, kernel, initrd, cmdline and memory_bytes.
 * kernel_file and initrd_file are for the message only (initrd_file is not looked at when there is
 * no initrd). On failure message (of message_bytes; 512 suffice) names guest, file, cause and
 * remedy, without an end of line:
 *   STATUS_INVALID       the file is damaged or contradicts itself
 *   STATUS_UNSUPPORTED   a format, or a kind of kernel, that this version does not start
 *   STATUS_OUT_OF_RANGE  it does not fit
 * On success message is "". No other side effects. */
MUST_USE enum status loader_check(const struct guest_config *guest, const char *kernel_file,
                                  const char *initrd_file, char *message, size_t message_bytes);

/* Writes everything the guest finds at its start into its RAM: what a BIOS leaves
 * (vmm/loader/bios_area.h), image, initrd, boot parameters, and for 64-bit entries page tables.
 * Called at start and at each reset.
 * ram: the host memory behind the guest, guest->memory_bytes of it, zeroed, laid out as
 * vmm/loader/memory_layout.h has it; GUEST_FIRMWARE_AREA up to GUEST_BIOS_AREA, where the ACPI
 * tables are, is left alone. acpi_rsdp: where
 * in the guest the ACPI root pointer lies, 0 when there is none. Fails as loader_check does, and
 * never after loader_check succeeded with the same guest; ram is untouched then. */
MUST_USE enum status loader_load(const struct guest_config *guest, uint8_t *ram, gpa_t acpi_rsdp,
                                 struct loader_entry *entry);

#endif
