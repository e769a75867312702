// SPDX-License-Identifier: BSD-2-Clause
/* Multiboot kernels: where image, module and information are put, and the state in which the
 * processor starts. Multiboot Specification 0.6.96, 3.2 "Machine state" and 3.3 "Boot information
 * format".
 *
 *     0x7c00         stack pointer at the start; the specification promises none
 *     one page       information, module list, memory map, GDT and strings: 0x9000, or the next
 *                    page below 640 KiB that the image leaves free; never page 0, the BIOS data
 *     at its address the image: below 640 KiB except page 0, or between 1 MiB and 3 GiB
 *     behind it      the initrd, as the only module, page aligned; in front of the image if it does
 *                    not fit behind
 *
 * QEMU uses 0x9000 for the same structures, so kernels written for `qemu -kernel` do not overwrite
 * this page before they have read it. */
#include "vmm/base/bits.h"
#include "vmm/base/format.h"
#include "vmm/loader/format.h"
#include "vmm/loader/memory_layout.h"
#include "vmm/loader/multiboot_image.h"

#define BOOT_MAGIC UINT32_C(0x2badb002)
#define STACK_TOP  GUEST_BOOT_SECTOR

enum information { /* 3.3; fields that are not listed stay 0, with their flags clear */
                   FLAGS = 0,
                   MEM_LOWER = 4,
                   MEM_UPPER = 8,
                   CMDLINE = 16,
                   MODS_COUNT = 20,
                   MODS_ADDR = 24,
                   MMAP_LENGTH = 44,
                   MMAP_ADDR = 48,
                   BOOT_LOADER_NAME = 64,
                   INFORMATION_BYTES = 116,
};

#define HAS_MEMORY           BIT(0)
#define HAS_CMDLINE          BIT(2)
#define HAS_MODULES          BIT(3)
#define HAS_MMAP             BIT(6)
#define HAS_BOOT_LOADER_NAME BIT(9)

enum module {
    MOD_START = 0,
    MOD_END = 4, /* the first byte behind the module */
    MOD_STRING = 8,
    MODULE_BYTES = 16,
};

enum mmap_entry { /* SIZE does not count its own bytes */
                  MMAP_SIZE = 0,
                  MMAP_BASE_ADDR = 4,
                  MMAP_BYTES = 12,
                  MMAP_TYPE = 20,
                  MMAP_ENTRY_BYTES = 24,
};

/* The offsets in the page of information. */
enum page {
    PAGE_INFORMATION = 0,
    PAGE_MODULES = 128,
    PAGE_GDT = 160,
    PAGE_MMAP = 192,
    PAGE_STRINGS = 512,
};

enum gdt { GDT_CODE = 0x08, GDT_DATA = 0x10, GDT_BYTES = 0x18 };

#define GUEST_FILE_NAME_BYTES 256 /* longer names are cut */

static const char boot_loader_name[] = "Portcullis";
static const char module_string[] = "initrd";

_Static_assert(PAGE_INFORMATION + INFORMATION_BYTES <= PAGE_MODULES &&
                   PAGE_MODULES + MODULE_BYTES <= PAGE_GDT && PAGE_GDT + GDT_BYTES <= PAGE_MMAP &&
                   PAGE_MMAP + GUEST_RAM_RANGES_MAX * MMAP_ENTRY_BYTES <= PAGE_STRINGS,
               "the parts of the page are disjoint");
_Static_assert(PAGE_STRINGS + sizeof(boot_loader_name) + 2 * GUEST_FILE_NAME_BYTES +
                       GUEST_CMDLINE_BYTES <=
                   PAGE_SIZE,
               "the strings have their place");

#define PREFERRED_PAGE UINT64_C(0x9000)

struct plan {
    struct multiboot_image image;
    uint64_t page;   /* guest-physical address of the page of information */
    uint64_t module; /* guest-physical; 0: none */
};

static uint64_t round_up_mib(uint64_t bytes)
{
    return align_up(bytes, PAGE_SIZE_LARGE) / MIB;
}

static uint64_t low_memory_end(uint64_t memory_bytes)
{
    return memory_bytes < GUEST_HIGH_HOLE ? memory_bytes : GUEST_HIGH_HOLE;
}

/* Where things go. */

static enum status check_segment(const struct guest_config *guest,
                                 const struct multiboot_segment *segment,
                                 const struct loader_report *report)
{
    uint64_t end = segment->gpa + segment->memory_bytes;

    if (segment->gpa >= PAGE_SIZE && end <= GUEST_EXTENDED_BIOS_DATA)
        return STATUS_OK;
    if (segment->gpa < GUEST_EXTENDED_MEMORY || end > GUEST_HIGH_HOLE)
        return loader_refuse(report, report->kernel_file, STATUS_UNSUPPORTED,
                             "the Multiboot kernel wants 0x%llx bytes at 0x%llx, which is neither "
                             "within 0x1000-0x%x nor between 1 MiB and 3 GiB; link it elsewhere",
                             (unsigned long long)segment->memory_bytes,
                             (unsigned long long)segment->gpa, GUEST_EXTENDED_BIOS_DATA - 1);
    if (end > guest->memory_bytes)
        return loader_refuse(
            report, report->kernel_file, STATUS_OUT_OF_RANGE,
            "it needs at least %llu MiB, and the guest has %llu; write memory = %lluM",
            (unsigned long long)round_up_mib(end), (unsigned long long)(guest->memory_bytes / MIB),
            (unsigned long long)round_up_mib(end));
    return STATUS_OK;
}

static bool is_free(const struct multiboot_image *image, uint64_t gpa, uint64_t size_bytes)
{
    for (size_t i = 0; i < image->segment_count; i++) {
        const struct multiboot_segment *segment = &image->segments[i];

        if (gpa < segment->gpa + segment->memory_bytes && segment->gpa < gpa + size_bytes)
            return false;
    }
    return true;
}

/* Returns the page for the information; 0: none is free. */
static uint64_t find_page(const struct multiboot_image *image)
{
    uint64_t end = align_down(GUEST_EXTENDED_BIOS_DATA, PAGE_SIZE);

    for (uint64_t page = PREFERRED_PAGE; page < end; page += PAGE_SIZE)
        if (is_free(image, page, PAGE_SIZE))
            return page;
    for (uint64_t page = PAGE_SIZE; page < PREFERRED_PAGE; page += PAGE_SIZE)
        if (is_free(image, page, PAGE_SIZE))
            return page;
    return 0;
}

static bool module_fits(const struct multiboot_image *image, uint64_t place, uint64_t size_bytes,
                        uint64_t low_end)
{
    return place <= low_end && size_bytes <= low_end - place && is_free(image, place, size_bytes);
}

/* Returns the module's place in memory that ends at low_end: behind the image, or else the lowest
 * free place; 0: there is none. */
static uint64_t find_module_place(const struct multiboot_image *image, uint64_t size_bytes,
                                  uint64_t low_end)
{
    uint64_t lowest = 0;

    if (module_fits(image, GUEST_EXTENDED_MEMORY, size_bytes, low_end))
        lowest = GUEST_EXTENDED_MEMORY;
    for (size_t i = 0; i < image->segment_count; i++) {
        const struct multiboot_segment *segment = &image->segments[i];
        bool is_last = i + 1 == image->segment_count;
        uint64_t place = align_up(segment->gpa + segment->memory_bytes, PAGE_SIZE);

        if (place < GUEST_EXTENDED_MEMORY)
            place = GUEST_EXTENDED_MEMORY;
        if ((lowest == 0 || is_last) && module_fits(image, place, size_bytes, low_end))
            lowest = place;
    }
    return lowest;
}

static enum status place_module(const struct guest_config *guest,
                                const struct loader_report *report, struct plan *plan)
{
    uint64_t size_bytes = guest->initrd.size_bytes, place, needed_mib;

    if (size_bytes == 0)
        return STATUS_OK;
    plan->module = find_module_place(&plan->image, size_bytes, low_memory_end(guest->memory_bytes));
    if (plan->module != 0)
        return STATUS_OK;
    place = find_module_place(&plan->image, size_bytes, GUEST_HIGH_HOLE);
    if (place == 0)
        return loader_refuse(report, report->initrd_file, STATUS_OUT_OF_RANGE,
                             "an initrd of %llu MiB finds no room beside the Multiboot kernel "
                             "below 3 GiB; use a smaller one",
                             (unsigned long long)(size_bytes / MIB));
    needed_mib = round_up_mib(place + size_bytes);
    return loader_refuse(report, report->initrd_file, STATUS_OUT_OF_RANGE,
                         "it needs at least %llu MiB, and the guest has %llu; write memory = %lluM",
                         (unsigned long long)needed_mib,
                         (unsigned long long)(guest->memory_bytes / MIB),
                         (unsigned long long)needed_mib);
}

static enum status make_plan(const struct guest_config *guest, const struct loader_report *report,
                             struct plan *plan)
{
    enum status status;

    *plan = (struct plan){0};
    status = multiboot_read_image(guest->kernel, report, &plan->image);
    for (size_t i = 0; status == STATUS_OK && i < plan->image.segment_count; i++)
        status = check_segment(guest, &plan->image.segments[i], report);
    if (status != STATUS_OK)
        return status;
    plan->page = find_page(&plan->image);
    if (plan->page == 0)
        return loader_refuse(report, report->kernel_file, STATUS_UNSUPPORTED,
                             "the Multiboot kernel leaves no page free below 640 KiB for the "
                             "information it is to get; link it higher");
    return place_module(guest, report, plan);
}

static enum status multiboot_check(const struct guest_config *guest,
                                   const struct loader_report *report)
{
    struct plan plan;

    return make_plan(guest, report, &plan);
}

/* Writing the guest. */

static void load_image(const struct guest_config *guest, const struct plan *plan, uint8_t *ram)
{
    for (size_t i = 0; i < plan->image.segment_count; i++) {
        const struct multiboot_segment *segment = &plan->image.segments[i];

        memcpy(ram + segment->gpa, guest->kernel.data + segment->file_offset, segment->file_bytes);
        memset(ram + segment->gpa + segment->file_bytes, 0,
               segment->memory_bytes - segment->file_bytes);
    }
    if (plan->module != 0)
        memcpy(ram + plan->module, guest->initrd.data, guest->initrd.size_bytes);
}

static void write_modules(const struct guest_config *guest, const struct plan *plan, uint8_t *page,
                          uint32_t string)
{
    uint8_t *module = page + PAGE_MODULES;

    store_u32(page + MODS_ADDR, (uint32_t)plan->page + PAGE_MODULES);
    if (plan->module == 0)
        return;
    store_u32(page + MODS_COUNT, 1);
    store_u32(module + MOD_START, (uint32_t)plan->module);
    store_u32(module + MOD_END, (uint32_t)(plan->module + guest->initrd.size_bytes));
    store_u32(module + MOD_STRING, string);
}

/* Writes the memory map. mem_lower ends where the reserved part below 640 KiB begins, mem_upper
 * ends at the first hole. */
static void write_memory(const struct guest_config *guest, const struct plan *plan, uint8_t *page)
{
    struct guest_ram_range ranges[GUEST_RAM_RANGES_MAX];
    size_t count = guest_ram_layout(guest->memory_bytes, ranges);
    uint64_t upper_bytes = low_memory_end(guest->memory_bytes) - GUEST_EXTENDED_MEMORY;

    store_u32(page + MEM_LOWER, GUEST_EXTENDED_BIOS_DATA / KIB);
    store_u32(page + MEM_UPPER, (uint32_t)(upper_bytes / KIB));
    store_u32(page + MMAP_ADDR, (uint32_t)plan->page + PAGE_MMAP);
    store_u32(page + MMAP_LENGTH, (uint32_t)(count * MMAP_ENTRY_BYTES));
    for (size_t i = 0; i < count; i++) {
        uint8_t *entry = page + PAGE_MMAP + i * MMAP_ENTRY_BYTES;

        store_u32(entry + MMAP_SIZE, MMAP_ENTRY_BYTES - sizeof(uint32_t));
        store_u64(entry + MMAP_BASE_ADDR, ranges[i].gpa.value);
        store_u64(entry + MMAP_BYTES, ranges[i].size_bytes);
        store_u32(entry + MMAP_TYPE, guest_e820_type_of(ranges[i].kind));
    }
}

static void write_information(const struct guest_config *guest, const struct plan *plan,
                              uint8_t *page)
{
    char *strings = (char *)page + PAGE_STRINGS, *string = strings;
    uint32_t gpa = (uint32_t)plan->page + PAGE_STRINGS, string_gpa;

    /* The first word is the file's name, as every loader does it; kernels drop it. */
    store_u32(page + CMDLINE, gpa);
    string += format_text(string, GUEST_FILE_NAME_BYTES + GUEST_CMDLINE_BYTES, "%s%s%s",
                          guest->kernel_name != NULL ? guest->kernel_name : guest->name,
                          guest->cmdline[0] != '\0' ? " " : "", guest->cmdline) +
              1;
    store_u32(page + BOOT_LOADER_NAME, gpa + (uint32_t)(string - strings));
    memcpy(string, boot_loader_name, sizeof(boot_loader_name));
    string += sizeof(boot_loader_name);
    string_gpa = gpa + (uint32_t)(string - strings);
    format_text(string, GUEST_FILE_NAME_BYTES, "%s",
                guest->initrd_name != NULL ? guest->initrd_name : module_string);

    write_modules(guest, plan, page, string_gpa);
    write_memory(guest, plan, page);
    store_u32(page + FLAGS,
              HAS_MEMORY | HAS_CMDLINE | HAS_MODULES | HAS_MMAP | HAS_BOOT_LOADER_NAME);
}

/* Writes a GDT. 3.2 allows any GDTR. A valid one keeps kernels running that reload a segment
 * register before they have their own GDT. The selectors are those of QEMU's loader. */
static void write_gdt(const struct plan *plan, uint8_t *page, struct loader_entry *entry)
{
    entry->gdt_base = plan->page + PAGE_GDT;
    entry->gdt_limit = GDT_BYTES - 1;
    entry->code_selector = GDT_CODE;
    entry->data_selector = GDT_DATA;
    store_u64(page + PAGE_GDT + GDT_CODE, UINT64_C(0x00cf9b000000ffff));
    store_u64(page + PAGE_GDT + GDT_DATA, UINT64_C(0x00cf93000000ffff));
}

static void multiboot_load(const struct guest_config *guest, uint8_t *ram, gpa_t acpi_rsdp,
                           struct loader_entry *entry)
{
    static const struct loader_report nobody = {
        .guest_name = "", .kernel_file = "", .initrd_file = ""};
    struct plan plan;

    (void)acpi_rsdp; /* the guest finds it by its signature in the firmware area */
    if (make_plan(guest, &nobody, &plan) != STATUS_OK)
        return; /* not reached: multiboot_check succeeded before */
    /* All of it is below 3 GiB, where the offset and the address are the same. */
    load_image(guest, &plan, ram);
    write_information(guest, &plan, ram + plan.page);
    write_gdt(&plan, ram + plan.page, entry);

    entry->mode = LOADER_MODE_PROTECTED32;
    entry->rip = plan.image.entry;
    entry->rsp = STACK_TOP;
    entry->rflags = 0x2; /* VM and IF clear; bit 1 is always set */
    entry->rax = BOOT_MAGIC;
    entry->rbx = plan.page + PAGE_INFORMATION;
}

const struct loader loader_multiboot = {
    .name = "Multiboot kernel", .check = multiboot_check, .load = multiboot_load};
