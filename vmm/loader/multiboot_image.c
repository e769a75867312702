// SPDX-License-Identifier: BSD-2-Clause
#include "vmm/loader/multiboot_image.h"

#include "vmm/base/bits.h"

#define HEADER_SEARCH_BYTES 8192
#define HEADER_MAGIC        UINT32_C(0x1badb002)

enum header { /* 3.1.1 "The layout of Multiboot header" */
              FLAGS = 4,
              CHECKSUM = 8,
              HEADER_BYTES = 12,
              HEADER_ADDR = 12,
              LOAD_ADDR = 16,
              LOAD_END_ADDR = 20,
              BSS_END_ADDR = 24,
              ENTRY_ADDR = 28,
              HEADER_WITH_ADDRESSES_BYTES = 32,
};

/* 3.1.2 "The magic fields of Multiboot header". A loader has to understand bits 0-15 or refuse the
 * kernel. VIDEO_MODE asks for the video mode table. The board has no display, so the kernel finds
 * bits 11 and 12 of the information's flags clear. The loader does not refuse the kernel for that:
 * kernels that ask for a mode also run without one, as they do where QEMU loads them. */
#define FLAG_PAGE_ALIGN     BIT(0)
#define FLAG_MEMORY_INFO    BIT(1)
#define FLAG_VIDEO_MODE     BIT(2)
#define FLAG_ADDRESSES      BIT(16)
#define FLAGS_REQUIRED_MASK UINT32_C(0xffff)
#define FLAGS_UNDERSTOOD    (FLAG_PAGE_ALIGN | FLAG_MEMORY_INFO | FLAG_VIDEO_MODE)

enum elf32 { /* System V ABI, 4.1, "ELF Header", "Program Header" */
             E_IDENT_CLASS = 4,
             E_IDENT_DATA = 5,
             E_TYPE = 16,
             E_MACHINE = 18,
             E_ENTRY = 24,
             E_PHOFF = 28,
             E_PHENTSIZE = 42,
             E_PHNUM = 44,
             ELF_HEADER_BYTES = 52,

             P_TYPE = 0,
             P_OFFSET = 4,
             P_VADDR = 8,
             P_PADDR = 12,
             P_FILESZ = 16,
             P_MEMSZ = 20,
             PROGRAM_HEADER_BYTES = 32,

             ELFCLASS32 = 1,
             ELFCLASS64 = 2,
             ELFDATA2LSB = 1,
             ET_EXEC = 2,
             EM_386 = 3,
             PT_LOAD = 1,
};

bool multiboot_find_header(struct blob file, uint64_t *offset)
{
    uint64_t end = file.size_bytes < HEADER_SEARCH_BYTES ? file.size_bytes : HEADER_SEARCH_BYTES;

    for (uint64_t at = 0; at + HEADER_BYTES <= end; at += 4) {
        const uint8_t *header = file.data + at;

        if (load_u32(header) == HEADER_MAGIC &&
            HEADER_MAGIC + load_u32(header + FLAGS) + load_u32(header + CHECKSUM) == 0) {
            if (offset != NULL)
                *offset = at;
            return true;
        }
    }
    return false;
}

/* Adds a segment; segments stay in ascending order. Two segments that share a byte are refused,
 * because the order of loading would decide the kernel's content. */
static enum status add_segment(struct multiboot_image *image, const struct loader_report *report,
                               const struct multiboot_segment *segment)
{
    size_t at = image->segment_count;

    if (at == MULTIBOOT_SEGMENTS_MAX)
        return loader_refuse(report, report->kernel_file, STATUS_UNSUPPORTED,
                             "the Multiboot kernel has more than %d loadable segments; link it "
                             "with fewer",
                             MULTIBOOT_SEGMENTS_MAX);
    while (at > 0 && image->segments[at - 1].gpa > segment->gpa) {
        image->segments[at] = image->segments[at - 1];
        at--;
    }
    image->segments[at] = *segment;
    image->segment_count++;
    for (size_t i = at > 0 ? at - 1 : at; i <= at && i + 1 < image->segment_count; i++) {
        const struct multiboot_segment *low = &image->segments[i], *high = low + 1;

        if (low->gpa + low->memory_bytes > high->gpa)
            return loader_refuse(report, report->kernel_file, STATUS_INVALID,
                                 "the Multiboot kernel's segments at 0x%llx and 0x%llx overlap; "
                                 "link it again",
                                 (unsigned long long)low->gpa, (unsigned long long)high->gpa);
    }
    return STATUS_OK;
}

static enum status refuse_damaged_elf(const struct loader_report *report)
{
    return loader_refuse(report, report->kernel_file, STATUS_INVALID,
                         "the Multiboot kernel's ELF headers contradict themselves or the file is "
                         "truncated; copy it to the volume again");
}

static enum status check_elf_header(struct blob file, const struct loader_report *report)
{
    const uint8_t *elf = file.data;

    if (file.size_bytes < ELF_HEADER_BYTES || memcmp(elf, "\177ELF", 4) != 0)
        return loader_refuse(report, report->kernel_file, STATUS_INVALID,
                             "the Multiboot kernel is neither an ELF file nor does its header give "
                             "addresses (flag 16); build it as ELF32");
    if (elf[E_IDENT_CLASS] == ELFCLASS64)
        return loader_refuse(report, report->kernel_file, STATUS_UNSUPPORTED,
                             "the Multiboot kernel is a 64-bit ELF file, and Multiboot starts "
                             "32-bit code; convert it with objcopy -O elf32-i386");
    if (elf[E_IDENT_CLASS] != ELFCLASS32 || elf[E_IDENT_DATA] != ELFDATA2LSB ||
        load_u16(elf + E_MACHINE) != EM_386)
        return loader_refuse(report, report->kernel_file, STATUS_UNSUPPORTED,
                             "the Multiboot kernel is an ELF file for another machine than the "
                             "i386 (class %u, data %u, machine %u)",
                             elf[E_IDENT_CLASS], elf[E_IDENT_DATA], load_u16(elf + E_MACHINE));
    if (load_u16(elf + E_TYPE) != ET_EXEC)
        return loader_refuse(report, report->kernel_file, STATUS_UNSUPPORTED,
                             "the Multiboot kernel is an ELF file of type %u, and 2 (EXEC) is "
                             "needed; link it statically, at a fixed address",
                             load_u16(elf + E_TYPE));
    if (load_u16(elf + E_PHNUM) != 0 && load_u16(elf + E_PHENTSIZE) != PROGRAM_HEADER_BYTES)
        return refuse_damaged_elf(report);
    return STATUS_OK;
}

/* Returns the entry's guest-physical address. E_ENTRY is a virtual address. In a kernel that is
 * linked high, E_ENTRY is in a segment with another physical address. If the author wrote the
 * physical address instead, E_ENTRY is in no segment, or in one where both addresses are the
 * same. */
static uint32_t physical_entry(struct blob file)
{
    const uint8_t *elf = file.data;
    uint32_t entry = load_u32(elf + E_ENTRY);

    for (unsigned i = 0; i < load_u16(elf + E_PHNUM); i++) {
        const uint8_t *header = elf + load_u32(elf + E_PHOFF) + i * PROGRAM_HEADER_BYTES;
        uint32_t into = entry - load_u32(header + P_VADDR);

        if (load_u32(header + P_TYPE) == PT_LOAD && entry >= load_u32(header + P_VADDR) &&
            into < load_u32(header + P_MEMSZ))
            return load_u32(header + P_PADDR) + into;
    }
    return entry;
}

static enum status read_elf(struct blob file, const struct loader_report *report,
                            struct multiboot_image *image)
{
    const uint8_t *elf = file.data;
    enum status status = check_elf_header(file, report);
    uint64_t headers, header_count;

    if (status != STATUS_OK)
        return status;
    headers = load_u32(elf + E_PHOFF);
    header_count = load_u16(elf + E_PHNUM);
    if (headers > file.size_bytes ||
        header_count * PROGRAM_HEADER_BYTES > file.size_bytes - headers)
        return refuse_damaged_elf(report);
    for (uint64_t i = 0; i < header_count; i++) {
        const uint8_t *header = elf + headers + i * PROGRAM_HEADER_BYTES;
        struct multiboot_segment segment = {
            .gpa = load_u32(header + P_PADDR),
            .file_offset = load_u32(header + P_OFFSET),
            .file_bytes = load_u32(header + P_FILESZ),
            .memory_bytes = load_u32(header + P_MEMSZ),
        };

        if (load_u32(header + P_TYPE) != PT_LOAD)
            continue;
        if (segment.file_bytes > segment.memory_bytes ||
            segment.file_offset + segment.file_bytes > file.size_bytes)
            return refuse_damaged_elf(report);
        if (segment.memory_bytes == 0)
            continue;
        status = add_segment(image, report, &segment);
        if (status != STATUS_OK)
            return status;
    }
    if (image->segment_count == 0)
        return loader_refuse(report, report->kernel_file, STATUS_INVALID,
                             "the Multiboot kernel's ELF file has no loadable segment; link it "
                             "again");
    image->entry = physical_entry(file);
    return STATUS_OK;
}

/* 3.1.3 "The address fields of Multiboot header": these fields replace the format of the file
 * itself, whatever that is. */
static enum status read_addresses(struct blob file, uint64_t header_offset,
                                  const struct loader_report *report, struct multiboot_image *image)
{
    const uint8_t *header = file.data + header_offset;
    struct multiboot_segment *segment = &image->segments[0];
    uint64_t header_addr, load_addr, load_end_addr, bss_end_addr;

    if (file.size_bytes - header_offset < HEADER_WITH_ADDRESSES_BYTES)
        return loader_refuse(report, report->kernel_file, STATUS_INVALID,
                             "the Multiboot kernel is truncated within its header; copy it to the "
                             "volume again");
    header_addr = load_u32(header + HEADER_ADDR);
    load_addr = load_u32(header + LOAD_ADDR);
    load_end_addr = load_u32(header + LOAD_END_ADDR);
    bss_end_addr = load_u32(header + BSS_END_ADDR);
    if (load_addr > header_addr || header_addr - load_addr > header_offset)
        return loader_refuse(report, report->kernel_file, STATUS_INVALID,
                             "the Multiboot header's load_addr 0x%llx and header_addr 0x%llx put "
                             "the image's beginning outside the file; correct the header",
                             (unsigned long long)load_addr, (unsigned long long)header_addr);

    segment->gpa = load_addr;
    segment->file_offset = header_offset - (header_addr - load_addr);
    segment->file_bytes = file.size_bytes - segment->file_offset;
    if (load_end_addr != 0) { /* 0: up to the end of the file */
        if (load_end_addr <= load_addr)
            return loader_refuse(report, report->kernel_file, STATUS_INVALID,
                                 "the Multiboot header's load_end_addr 0x%llx is not above its "
                                 "load_addr 0x%llx; correct the header",
                                 (unsigned long long)load_end_addr, (unsigned long long)load_addr);
        if (load_end_addr - load_addr > segment->file_bytes)
            return loader_refuse(
                report, report->kernel_file, STATUS_INVALID,
                "the Multiboot kernel is truncated: it has %llu bytes of %llu; copy it to the "
                "volume again",
                (unsigned long long)file.size_bytes,
                (unsigned long long)(segment->file_offset + load_end_addr - load_addr));
        segment->file_bytes = load_end_addr - load_addr;
    }
    segment->memory_bytes = segment->file_bytes;
    if (bss_end_addr != 0) { /* 0: there is no bss */
        if (bss_end_addr < load_addr + segment->file_bytes)
            return loader_refuse(report, report->kernel_file, STATUS_INVALID,
                                 "the Multiboot header's bss_end_addr 0x%llx is below the end of "
                                 "what is loaded, 0x%llx; correct the header",
                                 (unsigned long long)bss_end_addr,
                                 (unsigned long long)(load_addr + segment->file_bytes));
        segment->memory_bytes = bss_end_addr - load_addr;
    }
    image->segment_count = 1;
    image->entry = load_u32(header + ENTRY_ADDR);
    return STATUS_OK;
}

static bool is_loaded(const struct multiboot_image *image, uint64_t gpa)
{
    for (size_t i = 0; i < image->segment_count; i++)
        if (gpa >= image->segments[i].gpa &&
            gpa - image->segments[i].gpa < image->segments[i].memory_bytes)
            return true;
    return false;
}

enum status multiboot_read_image(struct blob file, const struct loader_report *report,
                                 struct multiboot_image *image)
{
    uint64_t header_offset = 0;
    enum status status;
    uint32_t flags;

    image->segment_count = 0;
    if (!multiboot_find_header(file, &header_offset))
        return loader_refuse(report, report->kernel_file, STATUS_INVALID,
                             "this is no Multiboot kernel");
    flags = load_u32(file.data + header_offset + FLAGS);
    if ((flags & FLAGS_REQUIRED_MASK & ~FLAGS_UNDERSTOOD) != 0)
        return loader_refuse(report, report->kernel_file, STATUS_UNSUPPORTED,
                             "the Multiboot header requires what is not known here: flags 0x%04x, "
                             "of which 0x%04x are known",
                             flags & FLAGS_REQUIRED_MASK, (unsigned)FLAGS_UNDERSTOOD);
    status = flags & FLAG_ADDRESSES ? read_addresses(file, header_offset, report, image)
                                    : read_elf(file, report, image);
    if (status != STATUS_OK)
        return status;
    if (!is_loaded(image, image->entry))
        return loader_refuse(report, report->kernel_file, STATUS_INVALID,
                             "the Multiboot kernel's entry 0x%x is outside its image; link it "
                             "again",
                             image->entry);
    return STATUS_OK;
}
