// SPDX-License-Identifier: BSD-2-Clause
/* The loaders: a bzImage, a Multiboot kernel or any file, a few of whose fields are as the input
 * says. */
#include "vmm/loader/loader.h"
#include "tests/fuzz/input.h"
#include "vmm/base/bits.h"
#include "vmm/loader/memory_layout.h"

#include <sys/mman.h>

enum { FILE_BYTES_MAX = 0x4000, SETUP_SECTORS = 2 };

#define MEMORY_BYTES_MAX (64 * MIB) /* of a guest that is loaded: a kernel may clear all of it */

static struct guest_config guest;
static uint8_t *file;

static void put_u32(size_t offset, uint32_t value)
{
    if (offset + sizeof(value) <= guest.kernel.size_bytes)
        memcpy(file + offset, &value, sizeof(value));
}

/* Linux boot protocol, "The Real-Mode Kernel Header": one that loads. */
static void make_bzimage(void)
{
    put_u32(0x1f0, 0x00010000 | SETUP_SECTORS << 8);
    put_u32(0x1f4, 0x100);
    put_u32(0x1fc, 0xaa550000);
    put_u32(0x200, 0x64486aeb); /* a jump, and "HdrS" */
    put_u32(0x204, 0x020f5372);
    put_u32(0x210, 0x0100);
    put_u32(0x22c, 0x7fffffff);
    put_u32(0x230, 0x200000);
    put_u32(0x234, 0x00031501);
    put_u32(0x238, 0x7ff);
    put_u32(0x258, 0x1000000);
    put_u32(0x260, 0x20000);
}

/* Multiboot 0.6.96, 3.1: the header's own addresses, or an ELF file of one segment. */
static void make_multiboot(bool is_elf)
{
    uint32_t flags = is_elf ? 3 : 0x10003;

    put_u32(0x100, 0x1badb002);
    put_u32(0x104, flags);
    put_u32(0x108, -(0x1badb002 + flags));
    put_u32(0x10c, 0x100100);
    put_u32(0x110, 0x100000);
    put_u32(0x114, 0x100800);
    put_u32(0x118, 0x102000);
    put_u32(0x11c, 0x100200);
    if (!is_elf)
        return;
    put_u32(0, 0x464c457f);
    put_u32(4, 0x00010101);
    put_u32(16, 3 << 16 | 2);
    put_u32(20, 1);
    put_u32(24, 0x100200);
    put_u32(28, 52);
    put_u32(40, 52);
    put_u32(42, 32);
    put_u32(44, 1);
    put_u32(52, 1); /* PT_LOAD */
    put_u32(56, 0);
    put_u32(60, 0x100000);
    put_u32(64, 0x100000);
    put_u32(68, 0x800);
    put_u32(72, 0x2000);
}

static void make_file(struct input *input, unsigned kind)
{
    guest.kernel.size_bytes =
        kind == 0 ? (size_t)(input->end - input->next) : input_below(input, FILE_BYTES_MAX) + 1u;
    file = malloc(guest.kernel.size_bytes + !guest.kernel.size_bytes);
    memset(file, 0, guest.kernel.size_bytes);
    guest.kernel.data = file;
    switch (kind) {
    case 0: memcpy(file, input->next, guest.kernel.size_bytes); return;
    case 1: make_bzimage(); break;
    default: make_multiboot(kind == 2); break;
    }
    while (input_left(input)) {
        uint8_t where = input_u8(input);
        /* Mostly a field of the headers above. */
        size_t offset = where & 0x80 ? input_u16(input) % FILE_BYTES_MAX
                        : kind == 1  ? 0x1f0u + where % 0x80
                        : where & 1  ? 0x100u + where % 0x20
                                     : where % 0x60;

        put_u32(offset & ~1u, input_u32(input));
    }
}

static void check_entry(const struct loader_entry *entry)
{
    uint64_t offset;

    switch (entry->mode) {
    case LOADER_MODE_REAL: EXPECT(entry->rip == GUEST_BOOT_SECTOR && entry->gdt_base == 0); break;
    case LOADER_MODE_PROTECTED32: EXPECT(entry->rip <= UINT32_MAX); break;
    case LOADER_MODE_LONG64:
        EXPECT(is_aligned(entry->cr3, PAGE_SIZE));
        EXPECT(guest_ram_offset(guest.memory_bytes, GPA(entry->cr3), PAGE_SIZE, &offset));
        break;
    }
    if (entry->mode != LOADER_MODE_REAL)
        EXPECT(guest_ram_offset(guest.memory_bytes, GPA(entry->gdt_base), entry->gdt_limit + 1u,
                                &offset));
}

/* Loads into RAM with nothing mapped behind it. The ACPI tables' part stays untouched. */
static void load(void)
{
    static const uint8_t zeros[GUEST_BIOS_AREA - GUEST_FIRMWARE_AREA];
    static uint8_t *ram;
    struct loader_entry entry;

    if (ram == NULL)
        ram = mmap(NULL, MEMORY_BYTES_MAX + PAGE_SIZE, PROT_READ | PROT_WRITE,
                   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    EXPECT(ram != MAP_FAILED);
    EXPECT(mprotect(ram + guest.memory_bytes, PAGE_SIZE, PROT_NONE) == 0);
    EXPECT(loader_load(&guest, ram, GPA(GUEST_FIRMWARE_AREA), &entry) == STATUS_OK);
    check_entry(&entry);
    EXPECT(memcmp(ram + GUEST_FIRMWARE_AREA, zeros, sizeof(zeros)) == 0);
    EXPECT(mprotect(ram + guest.memory_bytes, PAGE_SIZE, PROT_READ | PROT_WRITE) == 0);
    EXPECT(madvise(ram, guest.memory_bytes, MADV_DONTNEED) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size_bytes)
{
    static const uint64_t memory_bytes[] = {2 * MIB,          4 * MIB, 16 * MIB,
                                            MEMORY_BYTES_MAX, 3 * GIB, 3 * GIB + 2 * MIB};
    static uint8_t initrd[0x2000];
    struct input input = {data, data + size_bytes};
    uint8_t what = input_u8(&input);
    char message[512];
    enum status status;

    guest = (struct guest_config){.name = "g", .cpu_count = 1};
    guest.memory_bytes = memory_bytes[(what >> 2) % ARRAY_COUNT(memory_bytes)];
    if (what & 0x80) {
        memset(guest.cmdline, 'c', input_below(&input, GUEST_CMDLINE_BYTES));
        guest.initrd = (struct blob){initrd, input_below(&input, sizeof(initrd)) + 1u};
    }
    make_file(&input, what % 4);
    memset(message, 'x', sizeof(message));
    status = loader_check(&guest, "kernel", "initrd", message, sizeof(message));
    EXPECT(memchr(message, '\0', sizeof(message)) != NULL);
    if (status == STATUS_OK) {
        EXPECT(message[0] == '\0');
        if (guest.memory_bytes <= MEMORY_BYTES_MAX)
            load();
    } else {
        EXPECT(strncmp(message, "guest 'g': ", 11) == 0);
        EXPECT(strchr(message, '\n') == NULL);
    }
    free(file);
    return 0;
}
