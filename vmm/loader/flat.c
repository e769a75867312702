// SPDX-License-Identifier: BSD-2-Clause
/* A flat binary, started as a PC's firmware starts a boot sector: real mode, CS:IP = 0000:7c00, DL
 * = the drive from which it was loaded; here the first hard disk, 0x80. (BIOS Boot Specification
 * 1.01, 5.3.) There are two differences: the binary may be longer than a sector, and the stack is
 * set up below it. Interrupts are on, as after a BIOS; the handlers that acknowledge them are in
 * vmm/loader/bios_area.h. */
#include "vmm/loader/format.h"
#include "vmm/loader/memory_layout.h"

#define FLAT_BYTES_MAX (GUEST_EXTENDED_BIOS_DATA - GUEST_BOOT_SECTOR)

static enum status flat_check(const struct guest_config *guest, const struct loader_report *report)
{
    if (guest->kernel.size_bytes > FLAT_BYTES_MAX)
        return loader_refuse(report, report->kernel_file, STATUS_INVALID,
                             "neither a Linux bzImage nor a Multiboot kernel, and with %llu bytes "
                             "too large for a flat 16-bit binary, which may have %u",
                             (unsigned long long)guest->kernel.size_bytes, FLAT_BYTES_MAX);
    if (guest->initrd.size_bytes != 0)
        return loader_refuse(report, report->initrd_file, STATUS_INVALID,
                             "the kernel is a flat 16-bit binary, which takes no initrd; leave the "
                             "line initrd out");
    if (guest->cmdline[0] != '\0')
        return loader_refuse(report, report->kernel_file, STATUS_INVALID,
                             "a flat 16-bit binary, which takes no command line; leave the line "
                             "cmdline out");
    return STATUS_OK;
}

static void flat_load(const struct guest_config *guest, uint8_t *ram, gpa_t acpi_rsdp,
                      struct loader_entry *entry)
{
    (void)acpi_rsdp; /* the guest finds it by its signature in the firmware area */
    memcpy(ram + GUEST_BOOT_SECTOR, guest->kernel.data, guest->kernel.size_bytes);
    *entry = (struct loader_entry){.mode = LOADER_MODE_REAL,
                                   .rip = GUEST_BOOT_SECTOR,
                                   .rsp = GUEST_BOOT_SECTOR,
                                   .rflags = 0x202, /* IF; bit 1 is always set */
                                   .rdx = 0x80};
}

const struct loader loader_flat = {
    .name = "flat 16-bit binary", .check = flat_check, .load = flat_load};
