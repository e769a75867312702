#include "vmm/loader/loader.h"

#include "vmm/base/bits.h"
#include "vmm/base/format.h"
#include "vmm/loader/format.h"
#include "vmm/loader/memory_layout.h"

static enum status refuse_multiboot(const struct guest_config *guest,
                                    const struct loader_report *report)
{
    (void)guest;
    return loader_refuse(report, report->kernel_file, STATUS_UNSUPPORTED,
                         "this is a Multiboot kernel, which this version does not start; use a "
                         "Linux bzImage or a flat 16-bit binary");
}

static enum status refuse_elf(const struct guest_config *guest, const struct loader_report *report)
{
    (void)guest;
    return loader_refuse(report, report->kernel_file, STATUS_UNSUPPORTED,
                         "this is an ELF file, which does not start by itself; for Linux use the "
                         "bzImage (/boot/vmlinuz-...), not vmlinux");
}

static const struct loader loader_multiboot = {.name = "Multiboot", .check = refuse_multiboot};
static const struct loader loader_elf = {.name = "ELF", .check = refuse_elf};

static const struct loader *const loaders[] = {
    [GUEST_FORMAT_BZIMAGE] = &loader_bzimage,
    [GUEST_FORMAT_MULTIBOOT] = &loader_multiboot,
    [GUEST_FORMAT_ELF] = &loader_elf,
    [GUEST_FORMAT_FLAT] = &loader_flat,
};

/* --- Recognition --- */

/* Multiboot 0.6.96, 3.1: within the first 8192 bytes, 4-byte aligned; magic, flags and checksum add
 * up to 0. */
static bool has_multiboot_header(struct blob file)
{
    uint64_t end = file.size_bytes < 8192 ? file.size_bytes : 8192;

    for (uint64_t at = 0; at + 12 <= end; at += 4)
        if (load_u32(file.data + at) == 0x1badb002 &&
            (uint32_t)(load_u32(file.data + at) + load_u32(file.data + at + 4) +
                       load_u32(file.data + at + 8)) == 0)
            return true;
    return false;
}

/* Multiboot2 2.0, 3.1: within the first 32768 bytes, 8-byte aligned; magic, architecture, header
 * length and checksum add up to 0. */
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

enum guest_format guest_format(struct blob kernel)
{
    if (kernel.size_bytes >= 0x206 && load_u16(kernel.data + 0x1fe) == 0xaa55 &&
        memcmp(kernel.data + 0x202, "HdrS", 4) == 0)
        return GUEST_FORMAT_BZIMAGE;
    if (has_multiboot_header(kernel) || has_multiboot2_header(kernel))
        return GUEST_FORMAT_MULTIBOOT;
    if (kernel.size_bytes >= 4 && memcmp(kernel.data, "\177ELF", 4) == 0)
        return GUEST_FORMAT_ELF;
    return GUEST_FORMAT_FLAT;
}

const char *guest_format_name(enum guest_format format)
{
    return (size_t)format < ARRAY_COUNT(loaders) ? loaders[format]->name : "unknown";
}

/* --- The way in --- */

enum status loader_refuse(const struct loader_report *report, const char *file, enum status status,
                          const char *format, ...)
{
    va_list arguments;
    size_t used = format_text(report->message, report->message_bytes,
                              "guest '%s': %s: ", report->guest_name, file);

    if (used < report->message_bytes) {
        va_start(arguments, format);
        format_text_v(report->message + used, report->message_bytes - used, format, arguments);
        va_end(arguments);
    }
    return status;
}

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
    return loaders[guest_format(guest->kernel)]->check(guest, &report);
}

/* What a PC's firmware leaves for whoever asks how much memory there is and where the serial line
 * is. IBM PS/2 and PC BIOS Interface Technical Reference, "BIOS Data Area". */
static void write_bios_data(uint8_t *ram)
{
    store_u16(ram + GUEST_BIOS_DATA_AREA + 0x00, 0x3f8); /* COM1 */
    store_u16(ram + GUEST_BIOS_DATA_AREA + 0x0e, GUEST_EXTENDED_BIOS_DATA >> 4);
    store_u16(ram + GUEST_BIOS_DATA_AREA + 0x13, GUEST_EXTENDED_BIOS_DATA / 1024); /* KiB of RAM */
    ram[GUEST_EXTENDED_BIOS_DATA] = (GUEST_LOW_HOLE - GUEST_EXTENDED_BIOS_DATA) / 1024;
}

enum status loader_load(const struct guest_config *guest, uint8_t *ram, gpa_t acpi_rsdp,
                        struct loader_entry *entry)
{
    enum status status = loader_check(guest, "", "", NULL, 0);

    if (status != STATUS_OK)
        return status;
    *entry = (struct loader_entry){0};
    write_bios_data(ram);
    loaders[guest_format(guest->kernel)]->load(guest, ram, acpi_rsdp, entry);
    return STATUS_OK;
}
