// SPDX-License-Identifier: BSD-2-Clause
/* Linux's bzImage, started at its 64-bit entry. All of this follows "The Linux/x86 Boot Protocol"
 * (Documentation/arch/x86/boot.rst), section "64-bit BOOT PROTOCOL", and the layout of boot_params
 * in "Zero Page" (Documentation/arch/x86/zero-page.rst). */
#include "vmm/base/bits.h"
#include "vmm/loader/format.h"
#include "vmm/loader/memory_layout.h"

/* The file's and boot_params' fields. */

/* The setup header has the same offsets in the file and in boot_params. */
enum setup_header {
    SETUP_SECTS = 0x1f1,
    SYSSIZE = 0x1f4, /* in units of 16 bytes */
    VID_MODE = 0x1fa,
    JUMP_LENGTH = 0x201, /* the header ends this many bytes after HEADER_MAGIC */
    HEADER_MAGIC = 0x202,
    PROTOCOL_VERSION = 0x206,
    TYPE_OF_LOADER = 0x210,
    LOADFLAGS = 0x211,
    CODE32_START = 0x214,
    RAMDISK_IMAGE = 0x218,
    RAMDISK_SIZE = 0x21c,
    CMD_LINE_PTR = 0x228,
    INITRD_ADDR_MAX = 0x22c,
    KERNEL_ALIGNMENT = 0x230,
    RELOCATABLE_KERNEL = 0x234,
    XLOADFLAGS = 0x236,
    CMDLINE_SIZE = 0x238,
    SETUP_DATA = 0x250,
    PREF_ADDRESS = 0x258,
    INIT_SIZE = 0x260,
    SETUP_HEADER_2_12_END = 0x268,
};

enum boot_params {
    ACPI_RSDP_ADDR = 0x070,
    EXT_RAMDISK_IMAGE = 0x0c0,
    EXT_RAMDISK_SIZE = 0x0c4,
    E820_ENTRIES = 0x1e8,
    SETUP_HEADER_LIMIT = 0x290, /* edd_mbr_sig_buffer begins here */
    E820_TABLE = 0x2d0,
    E820_ENTRY_BYTES = 20,
};

#define SETUP_SECTOR_BYTES    512
#define SETUP_SECTS_OLD       4 /* a SETUP_SECTS of 0 means this */
#define PROTOCOL_2_12         0x020c
#define LOADFLAG_LOADED_HIGH  BIT(0)
#define XLF_KERNEL_64         BIT(0)
#define XLF_ABOVE_4G          BIT(1) /* the kernel and its data may be above 4 GiB */
#define ENTRY_64_OFFSET       0x200
#define LOADER_TYPE_UNDEFINED 0xff
#define VID_MODE_NORMAL       0xffff

/* Where things go in the guest. */

#define BOOT_PARAMS_GPA UINT64_C(0x10000)
#define GDT_GPA         UINT64_C(0x11000)
#define STACK_TOP_GPA   UINT64_C(0x20000)
#define CMDLINE_GPA     UINT64_C(0x20000)
#define PML4_GPA        UINT64_C(0x30000)
#define PDPT_GPA        UINT64_C(0x31000)
#define PD_GPA          UINT64_C(0x32000) /* one page for each GiB mapped */
#define MAPPED_GIB_MIN  4
#define MAPPED_GIB_MAX  64

_Static_assert(CMDLINE_GPA + GUEST_CMDLINE_BYTES <= PML4_GPA, "the command line has its place");
_Static_assert(PD_GPA + MAPPED_GIB_MAX * PAGE_SIZE <= GUEST_EXTENDED_BIOS_DATA,
               "the page tables end below the reserved part of low memory");

struct plan {
    const uint8_t *code; /* the protected-mode part of the file */
    uint64_t code_bytes;
    uint64_t load;       /* guest-physical */
    uint64_t kernel_end; /* the end of the memory that the kernel needs to unpack itself */
    uint64_t initrd;     /* guest-physical; 0: none */
    unsigned mapped_gib;
};

static uint64_t round_up_mib(uint64_t bytes)
{
    return align_up(bytes, PAGE_SIZE_LARGE) / MIB;
}

/* Checks. */

static enum status check_header(const struct blob *file, const struct loader_report *report,
                                struct plan *plan)
{
    const uint8_t *header = file->data;
    uint64_t setup_bytes, code_bytes;
    unsigned version;

    /* The recognition has not read further than this; the version decides how long the header
     * is. */
    if (file->size_bytes < SETUP_HEADER_2_12_END)
        return loader_refuse(
            report, report->kernel_file, STATUS_INVALID,
            "the Linux bzImage is truncated within its header, at %llu bytes; copy "
            "it to the volume again",
            (unsigned long long)file->size_bytes);
    version = load_u16(header + PROTOCOL_VERSION);
    if (version < PROTOCOL_2_12)
        return loader_refuse(report, report->kernel_file, STATUS_UNSUPPORTED,
                             "the Linux bzImage has boot protocol %u.%02u, and 2.12 is needed; use "
                             "Linux 3.8 or later",
                             version >> 8, version & 0xff);
    if (!(load_u16(header + XLOADFLAGS) & XLF_KERNEL_64))
        return loader_refuse(
            report, report->kernel_file, STATUS_UNSUPPORTED,
            "the Linux bzImage has no 64-bit entry; use a kernel built for x86-64");
    if (!(header[LOADFLAGS] & LOADFLAG_LOADED_HIGH) ||
        HEADER_MAGIC + header[JUMP_LENGTH] < INIT_SIZE + 4)
        return loader_refuse(report, report->kernel_file, STATUS_INVALID,
                             "the Linux bzImage's header contradicts itself; copy the file to the "
                             "volume again");

    setup_bytes = header[SETUP_SECTS] != 0 ? header[SETUP_SECTS] : SETUP_SECTS_OLD;
    setup_bytes = (setup_bytes + 1) * SETUP_SECTOR_BYTES;
    code_bytes = UINT64_C(16) * load_u32(header + SYSSIZE);
    /* SYSSIZE is rounded up, so the last unit may have up to 15 bytes less. */
    if (file->size_bytes + 15 < setup_bytes + code_bytes)
        return loader_refuse(
            report, report->kernel_file, STATUS_INVALID,
            "the Linux bzImage is truncated: it has %llu bytes of %llu; copy it to "
            "the volume again",
            (unsigned long long)file->size_bytes, (unsigned long long)(setup_bytes + code_bytes));
    if (code_bytes > file->size_bytes - setup_bytes)
        code_bytes = file->size_bytes - setup_bytes;
    if (code_bytes <= ENTRY_64_OFFSET)
        return loader_refuse(
            report, report->kernel_file, STATUS_INVALID,
            "the Linux bzImage ends before its 64-bit entry; copy it to the volume "
            "again");
    plan->code = header + setup_bytes;
    plan->code_bytes = code_bytes;
    return STATUS_OK;
}

/* Chooses where the kernel runs, by the rule of "INIT_SIZE" in the boot protocol. A kernel that is
 * loaded below its preferred address would move itself there, so an address below it is never a
 * solution. */
static enum status place_kernel(const uint8_t *header, const struct loader_report *report,
                                struct plan *plan)
{
    uint64_t load = load_u64(header + PREF_ADDRESS);
    uint64_t alignment = load_u32(header + KERNEL_ALIGNMENT);
    uint64_t size_bytes = load_u32(header + INIT_SIZE);

    if (size_bytes < plan->code_bytes)
        size_bytes = plan->code_bytes;
    if (load < GUEST_HIGH_HOLE && header[RELOCATABLE_KERNEL]) {
        if (alignment == 0 || (alignment & (alignment - 1)) != 0)
            return loader_refuse(
                report, report->kernel_file, STATUS_INVALID,
                "the Linux bzImage's header asks for an alignment of 0x%llx, which "
                "is no power of two; copy the file to the volume again",
                (unsigned long long)alignment);
        if (load < GUEST_EXTENDED_MEMORY)
            load = GUEST_EXTENDED_MEMORY;
        load = align_up(load, alignment);
    }
    if (load < GUEST_EXTENDED_MEMORY || load >= GUEST_HIGH_HOLE ||
        size_bytes > GUEST_HIGH_HOLE - load)
        return loader_refuse(report, report->kernel_file, STATUS_UNSUPPORTED,
                             "the Linux bzImage wants 0x%llx bytes at 0x%llx, which is not between "
                             "1 MiB and 3 GiB; use a kernel built with CONFIG_RELOCATABLE=y",
                             (unsigned long long)size_bytes, (unsigned long long)load);
    plan->load = load;
    plan->kernel_end = load + size_bytes;
    return STATUS_OK;
}

/* Returns the highest page-aligned place for size_bytes within [bottom, top); 0: there is none. */
static uint64_t highest_place(uint64_t bottom, uint64_t top, uint64_t size_bytes)
{
    uint64_t place;

    if (top < bottom || top - bottom < size_bytes)
        return 0;
    place = align_down(top - size_bytes, PAGE_SIZE);
    return place >= bottom ? place : 0;
}

/* Returns the initrd's place in a guest of memory_bytes; 0: there is none. */
static uint64_t find_initrd_place(const uint8_t *header, const struct plan *plan,
                                  uint64_t memory_bytes, uint64_t size_bytes)
{
    uint64_t low_end = memory_bytes < GUEST_HIGH_HOLE ? memory_bytes : GUEST_HIGH_HOLE;
    uint64_t limit = UINT64_C(1) + load_u32(header + INITRD_ADDR_MAX);
    uint64_t top = low_end < limit ? low_end : limit;
    uint64_t place = highest_place(plan->kernel_end, top, size_bytes);

    if (place == 0)
        place =
            highest_place(GUEST_EXTENDED_MEMORY, plan->load < top ? plan->load : top, size_bytes);
    if (place == 0 && (load_u16(header + XLOADFLAGS) & XLF_ABOVE_4G) &&
        memory_bytes > GUEST_HIGH_HOLE && size_bytes <= memory_bytes - GUEST_HIGH_HOLE &&
        size_bytes <= MAPPED_GIB_MAX * GIB - GUEST_HIGH_MEMORY)
        place = GUEST_HIGH_MEMORY;
    return place;
}

/* Returns the smallest memory, in bytes, with which the guest fits; 0: it never fits. */
static uint64_t memory_needed(const uint8_t *header, const struct plan *plan, uint64_t initrd_bytes)
{
    const uint64_t candidates[] = {
        align_up(plan->kernel_end, PAGE_SIZE_LARGE),
        align_up(align_up(plan->kernel_end, PAGE_SIZE) + initrd_bytes, PAGE_SIZE_LARGE),
        GUEST_HIGH_HOLE + align_up(initrd_bytes, PAGE_SIZE_LARGE),
    };

    for (size_t i = 0; i < ARRAY_COUNT(candidates); i++)
        if (initrd_bytes == 0 || find_initrd_place(header, plan, candidates[i], initrd_bytes) != 0)
            return candidates[i];
    return 0;
}

static enum status place_initrd(const struct guest_config *guest,
                                const struct loader_report *report, struct plan *plan)
{
    const uint8_t *header = guest->kernel.data;
    uint64_t needed_bytes = memory_needed(header, plan, guest->initrd.size_bytes);
    uint64_t initrd_end;

    plan->mapped_gib = MAPPED_GIB_MIN;
    if (needed_bytes == 0)
        return loader_refuse(
            report, report->initrd_file, STATUS_OUT_OF_RANGE,
            "an initrd of %llu MiB is more than the kernel takes, which wants it "
            "below %llu MiB; use a smaller one",
            (unsigned long long)(guest->initrd.size_bytes / MIB),
            (unsigned long long)((UINT64_C(1) + load_u32(header + INITRD_ADDR_MAX)) / MIB));
    if (guest->memory_bytes < needed_bytes)
        return loader_refuse(
            report,
            guest->memory_bytes < plan->kernel_end ? report->kernel_file : report->initrd_file,
            STATUS_OUT_OF_RANGE,
            "it needs at least %llu MiB, and the guest has %llu; write memory = %lluM",
            (unsigned long long)round_up_mib(needed_bytes),
            (unsigned long long)(guest->memory_bytes / MIB),
            (unsigned long long)round_up_mib(needed_bytes));
    if (guest->initrd.size_bytes == 0)
        return STATUS_OK;

    plan->initrd = find_initrd_place(header, plan, guest->memory_bytes, guest->initrd.size_bytes);
    initrd_end = plan->initrd + guest->initrd.size_bytes;
    if (initrd_end > plan->mapped_gib * GIB)
        plan->mapped_gib = (unsigned)(align_up(initrd_end, GIB) / GIB);
    return STATUS_OK;
}

static enum status make_plan(const struct guest_config *guest, const struct loader_report *report,
                             struct plan *plan)
{
    const uint8_t *header = guest->kernel.data;
    enum status status;

    *plan = (struct plan){0};
    status = check_header(&guest->kernel, report, plan);
    if (status != STATUS_OK)
        return status;
    if (strlen(guest->cmdline) > load_u32(header + CMDLINE_SIZE))
        return loader_refuse(report, report->kernel_file, STATUS_OUT_OF_RANGE,
                             "the kernel takes a command line of at most %u characters, and "
                             "cmdline has %zu; shorten it",
                             load_u32(header + CMDLINE_SIZE), strlen(guest->cmdline));
    status = place_kernel(header, report, plan);
    if (status != STATUS_OK)
        return status;
    return place_initrd(guest, report, plan);
}

static enum status bzimage_check(const struct guest_config *guest,
                                 const struct loader_report *report)
{
    struct plan plan;

    return make_plan(guest, report, &plan);
}

/* Writing the guest. */

static void write_e820(uint8_t *boot_params, uint64_t memory_bytes)
{
    struct guest_ram_range ranges[GUEST_RAM_RANGES_MAX];
    size_t count = guest_ram_layout(memory_bytes, ranges);

    for (size_t i = 0; i < count; i++) {
        uint8_t *entry = boot_params + E820_TABLE + i * E820_ENTRY_BYTES;

        store_u64(entry, ranges[i].gpa.value);
        store_u64(entry + 8, ranges[i].size_bytes);
        store_u32(entry + 16, guest_e820_type_of(ranges[i].kind));
    }
    boot_params[E820_ENTRIES] = (uint8_t)count;
}

/* Writes boot_params. All other fields stay zero; among them is screen_info, so the kernel looks
 * for no display. */
static void write_boot_params(const struct guest_config *guest, const struct plan *plan,
                              gpa_t acpi_rsdp, uint8_t *boot_params)
{
    const uint8_t *file = guest->kernel.data;
    size_t header_end = HEADER_MAGIC + file[JUMP_LENGTH];

    if (header_end > SETUP_HEADER_LIMIT)
        header_end = SETUP_HEADER_LIMIT;
    if (header_end > guest->kernel.size_bytes)
        header_end = guest->kernel.size_bytes;
    memcpy(boot_params + SETUP_SECTS, file + SETUP_SECTS, header_end - SETUP_SECTS);

    store_u16(boot_params + VID_MODE, VID_MODE_NORMAL);
    boot_params[TYPE_OF_LOADER] = LOADER_TYPE_UNDEFINED;
    store_u32(boot_params + CODE32_START, (uint32_t)plan->load);
    store_u32(boot_params + CMD_LINE_PTR, CMDLINE_GPA);
    store_u64(boot_params + SETUP_DATA, 0);
    store_u64(boot_params + ACPI_RSDP_ADDR, acpi_rsdp.value);

    store_u32(boot_params + RAMDISK_IMAGE, (uint32_t)plan->initrd);
    store_u32(boot_params + EXT_RAMDISK_IMAGE, (uint32_t)(plan->initrd >> 32));
    store_u32(boot_params + RAMDISK_SIZE, (uint32_t)guest->initrd.size_bytes);
    store_u32(boot_params + EXT_RAMDISK_SIZE, (uint32_t)(guest->initrd.size_bytes >> 32));

    write_e820(boot_params, guest->memory_bytes);
}

/* Writes page tables that map each guest-linear address to the same guest-physical address, in
 * pages of 2 MiB, present and writable. Intel SDM vol. 3A, "4-Level Paging". */
static void write_page_tables(uint8_t *ram, unsigned mapped_gib)
{
    const uint64_t table = BIT(0) | BIT(1), page = BIT(0) | BIT(1) | BIT(7);

    store_u64(ram + PML4_GPA, PDPT_GPA | table);
    for (unsigned i = 0; i < mapped_gib; i++)
        store_u64(ram + PDPT_GPA + i * 8, (PD_GPA + i * PAGE_SIZE) | table);
    for (uint64_t i = 0; i < UINT64_C(512) * mapped_gib; i++)
        store_u64(ram + PD_GPA + i * 8, i * PAGE_SIZE_LARGE | page);
}

/* Writes __BOOT_CS and __BOOT_DS: flat, 4 GiB, accessed. Intel SDM vol. 3A, "Segment
 * Descriptors". */
static void write_gdt(uint8_t *ram, struct loader_entry *entry)
{
    entry->gdt_base = GDT_GPA;
    entry->gdt_limit = 4 * 8 - 1;
    entry->code_selector = 0x10;
    entry->data_selector = 0x18;
    store_u64(ram + GDT_GPA + entry->code_selector, UINT64_C(0x00af9b000000ffff));
    store_u64(ram + GDT_GPA + entry->data_selector, UINT64_C(0x00cf93000000ffff));
}

static void bzimage_load(const struct guest_config *guest, uint8_t *ram, gpa_t acpi_rsdp,
                         struct loader_entry *entry)
{
    static const struct loader_report nobody = {
        .guest_name = "", .kernel_file = "", .initrd_file = ""};
    struct plan plan;
    uint64_t offset_bytes;

    if (make_plan(guest, &nobody, &plan) != STATUS_OK)
        return; /* not reached: bzimage_check succeeded before */

    memcpy(ram + plan.load, plan.code, plan.code_bytes);
    if (plan.initrd != 0 && guest_ram_offset(guest->memory_bytes, GPA(plan.initrd),
                                             guest->initrd.size_bytes, &offset_bytes))
        memcpy(ram + offset_bytes, guest->initrd.data, guest->initrd.size_bytes);
    memcpy(ram + CMDLINE_GPA, guest->cmdline, strlen(guest->cmdline) + 1);
    write_boot_params(guest, &plan, acpi_rsdp, ram + BOOT_PARAMS_GPA);
    write_page_tables(ram, plan.mapped_gib);
    write_gdt(ram, entry);

    entry->mode = LOADER_MODE_LONG64;
    entry->rip = plan.load + ENTRY_64_OFFSET;
    entry->rsp = STACK_TOP_GPA;
    entry->rflags = 0x2; /* interrupts off; bit 1 is always set */
    entry->rsi = BOOT_PARAMS_GPA;
    entry->cr3 = PML4_GPA;
}

const struct loader loader_bzimage = {
    .name = "Linux bzImage", .check = bzimage_check, .load = bzimage_load};
