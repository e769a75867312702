// SPDX-License-Identifier: BSD-2-Clause
#include "vmm/loader/loader.h"

#include "vmm/base/bits.h"
#include "vmm/base/format.h"
#include "vmm/loader/bios_area.h"
#include "vmm/loader/foreign.h"
#include "vmm/loader/format.h"
#include "vmm/loader/memory_layout.h"
#include "vmm/loader/multiboot_image.h"

static enum status refuse_multiboot2(const struct guest_config *guest,
                                     const struct loader_report *report)
{
    (void)guest;
    return loader_refuse(report, report->kernel_file, STATUS_UNSUPPORTED,
                         "this is a Multiboot2 kernel without a Multiboot 1 header, which this "
                         "version does not start; build it with one");
}

static enum status refuse_elf(const struct guest_config *guest, const struct loader_report *report)
{
    (void)guest;
    return loader_refuse(report, report->kernel_file, STATUS_UNSUPPORTED,
                         "this is an ELF file, which does not start by itself; for Linux use the "
                         "bzImage (/boot/vmlinuz-...), not vmlinux");
}

static enum status refuse_foreign(const struct guest_config *guest,
                                  const struct loader_report *report)
{
    const struct foreign_kind *kind = foreign_find(guest->kernel);

    return loader_refuse(report, report->kernel_file, STATUS_UNSUPPORTED,
                         "this is %s, not a kernel; %s", kind->what, kind->remedy);
}

static const struct loader loader_multiboot2 = {.name = "Multiboot2 kernel",
                                                .check = refuse_multiboot2};
static const struct loader loader_elf = {.name = "ELF", .check = refuse_elf};
static const struct loader loader_foreign = {.name = "no kernel", .check = refuse_foreign};

static const struct loader *const loaders[] = {
    [GUEST_FORMAT_BZIMAGE] = &loader_bzimage,       [GUEST_FORMAT_MULTIBOOT] = &loader_multiboot,
    [GUEST_FORMAT_MULTIBOOT2] = &loader_multiboot2, [GUEST_FORMAT_ELF] = &loader_elf,
    [GUEST_FORMAT_FOREIGN] = &loader_foreign,       [GUEST_FORMAT_FLAT] = &loader_flat,
};

/* Recognition. */

/* Returns whether the file has a Multiboot2 header. Multiboot2 2.0, 3.1: within the first 32768
 * bytes, 8-byte aligned; magic, architecture, header length and checksum add up to 0. */
static bool has_multiboot2_header(struct blob file)
{
    uint64_t end = file.size_bytes < 32768 ? file.size_bytes : 32768;

    for (uint64_t at = 0; at + 16 <= end; at += 8)
        if (load_u32(file.data + at) == 0xe85250d6 &&
            (uint32_t)(load_u32(file.data + at) + load_u32(file.data + at + 4) +
                       load_u32(file.data + at + 8) + load_u32(file.data + at + 12)) == 0)
            return true;
    return false;
}

enum guest_format guest_format_of(struct blob kernel)
{
    if (kernel.size_bytes >= 0x206 && load_u16(kernel.data + 0x1fe) == 0xaa55 &&
        memcmp(kernel.data + 0x202, "HdrS", 4) == 0)
        return GUEST_FORMAT_BZIMAGE;
    if (multiboot_find_header(kernel, NULL))
        return GUEST_FORMAT_MULTIBOOT;
    if (has_multiboot2_header(kernel))
        return GUEST_FORMAT_MULTIBOOT2;
    if (kernel.size_bytes >= 4 && memcmp(kernel.data, "\177ELF", 4) == 0)
        return GUEST_FORMAT_ELF;
    if (foreign_find(kernel) != NULL)
        return GUEST_FORMAT_FOREIGN;
    return GUEST_FORMAT_FLAT;
}

const char *loader_format_name(enum guest_format format)
{
    return (size_t)format < ARRAY_COUNT(loaders) ? loaders[format]->name : "unknown";
}

/* The interface. */

enum status loader_check(const struct guest_config *guest, const char *kernel_file,
                         const char *initrd_file, char *message, size_t message_bytes)
{
    const struct loader_report report = {.guest_name = guest->name,
                                         .kernel_file = kernel_file,
                                         .initrd_file = initrd_file,
                                         .message = message,
                                         .message_bytes = message_bytes};

    if (message_bytes > 0)
        message[0] = '\0';
    if (guest->kernel.size_bytes == 0)
        return loader_refuse(&report, kernel_file, STATUS_INVALID,
                             "the file is empty; copy it to the volume again");
    if (guest->memory_bytes < GUEST_RAM_BYTES_MIN ||
        !is_aligned(guest->memory_bytes, PAGE_SIZE_LARGE))
        return loader_refuse(&report, kernel_file, STATUS_OUT_OF_RANGE,
                             "%llu bytes of memory are not a positive multiple of 2 MiB",
                             (unsigned long long)guest->memory_bytes);
    return loaders[guest_format_of(guest->kernel)]->check(guest, &report);
}

enum status loader_load(const struct guest_config *guest, uint8_t *ram, gpa_t acpi_rsdp,
                        struct loader_entry *entry)
{
    enum status status = loader_check(guest, "", "", NULL, 0);

    if (status != STATUS_OK)
        return status;
    *entry = (struct loader_entry){0};
    bios_area_write(ram);
    loaders[guest_format_of(guest->kernel)]->load(guest, ram, acpi_rsdp, entry);
    return STATUS_OK;
}
