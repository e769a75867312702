// SPDX-License-Identifier: BSD-2-Clause
#include "tests/unit/loader_file.h"
#include "tests/unit/random.h"
#include "tests/unit/rounds.h"

#include "vmm/loader/memory_layout.h"

#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

/* A bzImage as the boot protocol describes it: four setup sectors behind the first, then the
 * protected-mode part, each byte of which is its offset's low byte. */
#define SETUP_BYTES (5 * 512)
#define CODE_BYTES  0x3000
#define FILE_BYTES  (SETUP_BYTES + CODE_BYTES)

static void put16(size_t offset, uint16_t value)
{
    memcpy(file + offset, &value, 2);
}

static void put32(size_t offset, uint32_t value)
{
    memcpy(file + offset, &value, 4);
}

static void put64(size_t offset, uint64_t value)
{
    memcpy(file + offset, &value, 8);
}

static uint64_t get(const uint8_t *from, size_t size)
{
    uint64_t value = 0;

    memcpy(&value, from, size);
    return value;
}

static int set_up(void **state)
{
    (void)state;
    guest = (struct guest_config){
        .name = "debian", .cmdline = "console=ttyS0", .memory_bytes = 64 * MIB};
    resize(FILE_BYTES);
    memset(file, 0, FILE_BYTES);
    for (size_t i = 0; i < CODE_BYTES; i++)
        file[SETUP_BYTES + i] = (uint8_t)i;
    file[0x1f1] = 4;                 /* setup_sects */
    put16(0x1f2, 1);                 /* root_flags */
    put32(0x1f4, CODE_BYTES / 16);   /* syssize */
    put16(0x1fe, 0xaa55);            /* boot_flag */
    put16(0x200, 0x6aeb);            /* jump: the header ends at 0x26c */
    memcpy(file + 0x202, "HdrS", 4); /* header */
    put16(0x206, 0x020f);            /* version */
    file[0x211] = 1;                 /* loadflags: LOADED_HIGH */
    put32(0x22c, 0x7fffffff);        /* initrd_addr_max */
    put32(0x230, 0x200000);          /* kernel_alignment */
    file[0x234] = 1;                 /* relocatable_kernel */
    put16(0x236, 0x3);               /* xloadflags: KERNEL_64, CAN_BE_LOADED_ABOVE_4G */
    put32(0x238, 2047);              /* cmdline_size */
    put64(0x258, 16 * MIB);          /* pref_address */
    put32(0x260, 32 * MIB);          /* init_size */
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    release_files();
    return 0;
}

/* RAM that costs only what is touched. */
static uint8_t *make_ram(uint64_t bytes)
{
    uint8_t *ram = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

    assert_ptr_not_equal(ram, MAP_FAILED);
    return ram;
}

/* What the guest's page tables make of a linear address; all ones when nothing. */
static uint64_t translate(const uint8_t *ram, uint64_t cr3, uint64_t linear)
{
    uint64_t entry = get(ram + cr3 + (linear >> 39 & 511) * 8, 8);

    if ((entry & 3) != 3)
        return UINT64_MAX;
    entry = get(ram + (entry & ~UINT64_C(0xfff)) + (linear >> 30 & 511) * 8, 8);
    if ((entry & 0x83) != 3)
        return UINT64_MAX;
    entry = get(ram + (entry & ~UINT64_C(0xfff)) + (linear >> 21 & 511) * 8, 8);
    if ((entry & 0x83) != 0x83)
        return UINT64_MAX;
    return (entry & ~UINT64_C(0x1fffff)) + (linear & 0x1fffff);
}

static void test_load(void **state)
{
    uint8_t *ram = make_ram(64 * MIB), *params;
    struct loader_entry entry;
    static const struct {
        uint64_t base, size, type;
    } e820[] = {
        {0, 0x9fc00, 1}, {0x9fc00, 0x400, 2}, {0xe0000, 0x20000, 2}, {0x100000, 63 * MIB, 1}};

    (void)state;
    set_initrd(5000);
    assert_int_equal(check(), STATUS_OK);
    assert_string_equal(message, "");
    assert_int_equal(loader_load(&guest, ram, GPA(0xe0010), &entry), STATUS_OK);

    assert_int_equal(entry.mode, LOADER_MODE_LONG64);
    assert_int_equal(entry.rip, 16 * MIB + 0x200);
    assert_int_equal(entry.rflags, 2);
    assert_int_equal(entry.code_selector, 0x10);
    assert_int_equal(entry.data_selector, 0x18);
    assert_true(entry.gdt_limit >= 0x1f);
    assert_int_equal(get(ram + entry.gdt_base + 0x10, 8), 0x00af9b000000ffff);
    assert_int_equal(get(ram + entry.gdt_base + 0x18, 8), 0x00cf93000000ffff);
    assert_memory_equal(ram + 16 * MIB, file + SETUP_BYTES, CODE_BYTES);

    params = ram + entry.rsi;
    assert_int_equal(get(params + 0x70, 8), 0xe0010);
    assert_int_equal(params[0x0f], 0);  /* orig_video_isVGA */
    assert_int_equal(params[0x1ef], 0); /* sentinel */
    assert_int_equal(params[0x1f1], 4);
    assert_int_equal(get(params + 0x1f2, 2), 1);
    assert_int_equal(get(params + 0x1fa, 2), 0xffff);
    assert_memory_equal(params + 0x202, "HdrS", 4);
    assert_int_equal(params[0x210], 0xff);
    assert_int_equal(params[0x211], 1);
    assert_int_equal(get(params + 0x214, 4), 16 * MIB);
    assert_string_equal(ram + get(params + 0x228, 4), "console=ttyS0");
    assert_int_equal(get(params + 0x250, 8), 0);
    assert_int_equal(get(params + 0x260, 4), 32 * MIB);
    assert_int_equal(get(params + 0x26c, 4), 0);

    assert_int_equal(get(params + 0x218, 4), 64 * MIB - 8192);
    assert_int_equal(get(params + 0x21c, 4), 5000);
    assert_int_equal(get(params + 0xc0, 8), 0);
    assert_memory_equal(ram + 64 * MIB - 8192, initrd, 5000);

    assert_int_equal(params[0x1e8], ARRAY_COUNT(e820));
    for (size_t i = 0; i < ARRAY_COUNT(e820); i++) {
        assert_int_equal(get(params + 0x2d0 + i * 20, 8), e820[i].base);
        assert_int_equal(get(params + 0x2d0 + i * 20 + 8, 8), e820[i].size);
        assert_int_equal(get(params + 0x2d0 + i * 20 + 16, 4), e820[i].type);
    }

    assert_int_equal(translate(ram, entry.cr3, 0), 0);
    assert_int_equal(translate(ram, entry.cr3, entry.rip), entry.rip);
    assert_int_equal(translate(ram, entry.cr3, 0xfee00300), 0xfee00300);
    assert_int_equal(translate(ram, entry.cr3, 4 * GIB - 1), 4 * GIB - 1);
    assert_int_equal(translate(ram, entry.cr3, 4 * GIB), UINT64_MAX);

    assert_int_equal(get(ram + 0x400, 2), 0x3f8);
    assert_int_equal(get(ram + 0x40e, 2), 0x9fc0);
    assert_int_equal(get(ram + 0x413, 2), 639);
    assert_int_equal(ram[0x9fc00], 1);
    /* The ACPI tables' place is the caller's. */
    for (size_t i = 0xa0000; i < 0xf0000; i++)
        assert_int_equal(ram[i], 0);

    munmap(ram, 64 * MIB);
}

/* A header longer than boot_params' place for it is cut: what lies behind belongs to others. */
static void test_long_header(void **state)
{
    uint8_t *ram = make_ram(64 * MIB);
    struct loader_entry entry;

    (void)state;
    memset(file + 0x26c, 0xcc, 0x100);
    file[0x201] = 0xff;
    assert_int_equal(loader_load(&guest, ram, GPA(0), &entry), STATUS_OK);
    assert_int_equal(ram[entry.rsi + 0x28f], 0xcc);
    assert_int_equal(get(ram + entry.rsi + 0x290, 8), 0);
    munmap(ram, 64 * MIB);
}

/* Memory beyond the hole: five E820 entries; and an initrd that the kernel takes only there. */
static void test_load_above_4g(void **state)
{
    uint64_t bytes = 5 * GIB;
    uint8_t *ram = make_ram(bytes), *params;
    struct loader_entry entry;

    (void)state;
    guest.memory_bytes = bytes;
    set_initrd(3 * MIB + 1);
    put32(0x22c, 1 * MIB); /* initrd_addr_max: nowhere below 4 GiB */
    assert_int_equal(check(), STATUS_OK);
    assert_int_equal(loader_load(&guest, ram, GPA(0), &entry), STATUS_OK);
    params = ram + entry.rsi;
    assert_int_equal(get(params + 0x218, 4), 0);
    assert_int_equal(get(params + 0xc0, 4), 1);
    assert_int_equal(get(params + 0x21c, 4), 3 * MIB + 1);
    assert_memory_equal(ram + 3 * GIB, initrd, 3 * MIB + 1);
    assert_int_equal(translate(ram, entry.cr3, 4 * GIB + 3 * MIB), 4 * GIB + 3 * MIB);
    assert_int_equal(params[0x1e8], 5);
    assert_int_equal(get(params + 0x2d0 + 3 * 20 + 8, 8), 3 * GIB - 1 * MIB);
    assert_int_equal(get(params + 0x2d0 + 4 * 20, 8), 4 * GIB);
    assert_int_equal(get(params + 0x2d0 + 4 * 20 + 8, 8), 2 * GIB);

    put16(0x236, 0x1); /* without CAN_BE_LOADED_ABOVE_4G */
    REFUSED(STATUS_OUT_OF_RANGE, "guest 'debian': \\i: an initrd of 3 MiB is more than the kernel "
                                 "takes, which wants it below 1 MiB; use a smaller one");
    munmap(ram, bytes);
}

static void test_places(void **state)
{
    uint8_t *ram = make_ram(64 * MIB);
    struct loader_entry entry;

    (void)state;
    /* Room above the kernel is missing, below it there is some. */
    guest.memory_bytes = 48 * MIB;
    set_initrd(1 * MIB);
    assert_int_equal(loader_load(&guest, ram, GPA(0), &entry), STATUS_OK);
    assert_int_equal(get(ram + entry.rsi + 0x218, 4), 15 * MIB);

    /* initrd_addr_max is the last byte's address. */
    guest.memory_bytes = 64 * MIB;
    put32(0x22c, 56 * MIB - 1);
    assert_int_equal(loader_load(&guest, ram, GPA(0), &entry), STATUS_OK);
    assert_int_equal(get(ram + entry.rsi + 0x218, 4), 55 * MIB);

    /* A preferred address off the alignment is rounded up, one below 1 MiB raised to it. */
    put64(0x258, 16 * MIB + 1);
    assert_int_equal(loader_load(&guest, ram, GPA(0), &entry), STATUS_OK);
    assert_int_equal(entry.rip, 18 * MIB + 0x200);
    put64(0x258, 0);
    assert_int_equal(loader_load(&guest, ram, GPA(0), &entry), STATUS_OK);
    assert_int_equal(entry.rip, 2 * MIB + 0x200);

    /* Not relocatable: exactly there. */
    file[0x234] = 0;
    put64(0x258, 17 * MIB);
    assert_int_equal(loader_load(&guest, ram, GPA(0), &entry), STATUS_OK);
    assert_int_equal(entry.rip, 17 * MIB + 0x200);
    munmap(ram, 64 * MIB);
}

static void test_recognised(void **state)
{
    (void)state;
    assert_int_equal(guest_format_of(guest.kernel), GUEST_FORMAT_BZIMAGE);
    file[0x202] = 'h';
    assert_int_equal(guest_format_of(guest.kernel), GUEST_FORMAT_FLAT);
    file[0x202] = 'H';
    put16(0x1fe, 0);
    assert_int_equal(guest_format_of(guest.kernel), GUEST_FORMAT_FLAT);
    assert_string_equal(loader_format_name(GUEST_FORMAT_BZIMAGE), "Linux bzImage");
}

static void test_truncated(void **state)
{
    (void)state;
    resize(0x206);
    REFUSED(STATUS_INVALID,
            "guest 'debian': \\k: the Linux bzImage is truncated within its header, "
            "at 518 bytes; copy it to the volume again");
    set_up(state);
    resize(FILE_BYTES - 16);
    REFUSED(STATUS_INVALID,
            "guest 'debian': \\k: the Linux bzImage is truncated: it has 14832 bytes "
            "of 14848; copy it to the volume again");
    set_up(state);
    resize(FILE_BYTES - 15);
    assert_int_equal(check(), STATUS_OK);
    set_up(state);
    put32(0x1f4, UINT32_MAX);
    assert_int_equal(check(), STATUS_INVALID);
    put32(0x1f4, 0x200 / 16);
    REFUSED(STATUS_INVALID, "guest 'debian': \\k: the Linux bzImage ends before its 64-bit entry; "
                            "copy it to the volume again");
    file[0x1f1] = 0; /* stands for 4 */
    put32(0x1f4, CODE_BYTES / 16);
    assert_int_equal(check(), STATUS_OK);
    /* What stands behind the protected-mode part, such as a signature, does no harm. */
    set_up(state);
    resize(FILE_BYTES + 1000);
    memset(file + FILE_BYTES, 0xcc, 1000);
    assert_int_equal(check(), STATUS_OK);
    resize(0);
    REFUSED(STATUS_INVALID, "guest 'debian': \\k: the file is empty; copy it to the volume again");
}

static void test_wrong_kernels(void **state)
{
    (void)state;
    put16(0x206, 0x020b);
    REFUSED(STATUS_UNSUPPORTED,
            "guest 'debian': \\k: the Linux bzImage has boot protocol 2.11, and "
            "2.12 is needed; use Linux 3.8 or later");
    put16(0x206, 0x020c);
    assert_int_equal(check(), STATUS_OK);
    put16(0x236, 0x2);
    REFUSED(STATUS_UNSUPPORTED, "guest 'debian': \\k: the Linux bzImage has no 64-bit entry; use a "
                                "kernel built for x86-64");
    set_up(state);
    file[0x211] = 0;
    REFUSED(STATUS_INVALID, "guest 'debian': \\k: the Linux bzImage's header contradicts itself; "
                            "copy the file to the volume again");
    set_up(state);
    file[0x201] = 0x61; /* the header ends within init_size */
    assert_int_equal(check(), STATUS_INVALID);
    file[0x201] = 0xff; /* it ends beyond boot_params' place for it */
    assert_int_equal(check(), STATUS_OK);
    set_up(state);
    put32(0x230, 0x300000);
    REFUSED(STATUS_INVALID, "guest 'debian': \\k: the Linux bzImage's header asks for an alignment "
                            "of 0x300000, which is no power of two; copy the file to the volume "
                            "again");
    put32(0x230, 0);
    assert_int_equal(check(), STATUS_INVALID);
    put32(0x230, 0x80000000);
    assert_int_equal(check(), STATUS_OUT_OF_RANGE); /* at 2 GiB: more memory would do */
    put64(0x258, UINT64_MAX);
    assert_int_equal(check(), STATUS_UNSUPPORTED);
    set_up(state);
    file[0x234] = 0;
    put64(0x258, 0x10000);
    REFUSED(STATUS_UNSUPPORTED, "guest 'debian': \\k: the Linux bzImage wants 0x2000000 bytes at "
                                "0x10000, which is not between 1 MiB and 3 GiB; use a kernel built "
                                "with CONFIG_RELOCATABLE=y");
    put64(0x258, 3 * GIB - 1 * MIB);
    assert_int_equal(check(), STATUS_UNSUPPORTED);
}

static void test_too_large(void **state)
{
    (void)state;
    guest.memory_bytes = 46 * MIB;
    REFUSED(STATUS_OUT_OF_RANGE, "guest 'debian': \\k: it needs at least 48 MiB, and the guest has "
                                 "46; write memory = 48M");
    set_initrd(16 * MIB);
    REFUSED(STATUS_OUT_OF_RANGE, "guest 'debian': \\k: it needs at least 64 MiB, and the guest has "
                                 "46; write memory = 64M");
    guest.memory_bytes = 62 * MIB;
    REFUSED(STATUS_OUT_OF_RANGE, "guest 'debian': \\i: it needs at least 64 MiB, and the guest has "
                                 "62; write memory = 64M");
    guest.memory_bytes = 64 * MIB;
    assert_int_equal(check(), STATUS_OK);
    put32(0x260, 0xffffffff); /* init_size */
    assert_int_equal(check(), STATUS_UNSUPPORTED);
    put32(0x260, 0); /* then the file's own size counts */
    guest.initrd = (struct blob){0};
    guest.memory_bytes = 18 * MIB;
    assert_int_equal(check(), STATUS_OK);
    guest.memory_bytes = 16 * MIB;
    assert_int_equal(check(), STATUS_OUT_OF_RANGE);
}

static void test_command_line(void **state)
{
    (void)state;
    put32(0x238, 13);
    assert_int_equal(check(), STATUS_OK);
    put32(0x238, 12);
    REFUSED(STATUS_OUT_OF_RANGE, "guest 'debian': \\k: the kernel takes a command line of at most "
                                 "12 characters, and cmdline has 13; shorten it");
    put32(0x238, 0xffffffff);
    memset(guest.cmdline, 'x', GUEST_CMDLINE_BYTES - 1);
    assert_int_equal(check(), STATUS_OK);
}

/* The needed memory that a refusal names is enough, and 2 MiB less is not. */
static void test_needed_is_exact(void **state)
{
    static const uint32_t initrd_kib[] = {0, 1, 4, 1024, 15360, 15361, 20000};
    static const uint32_t init_mib[] = {1, 3, 32, 100};

    (void)state;
    for (size_t i = 0; i < ARRAY_COUNT(initrd_kib); i++)
        for (size_t k = 0; k < ARRAY_COUNT(init_mib); k++) {
            unsigned long long needed;

            set_initrd(initrd_kib[i] * KIB + 1);
            put32(0x260, init_mib[k] * (uint32_t)MIB);
            guest.memory_bytes = 2 * MIB;
            assert_int_equal(check(), STATUS_OUT_OF_RANGE);
            assert_int_equal(sscanf(strstr(message, "memory = "), "memory = %lluM", &needed), 1);
            guest.memory_bytes = needed * MIB;
            assert_int_equal(check(), STATUS_OK);
            guest.memory_bytes -= 2 * MIB;
            assert_int_equal(check(), STATUS_OUT_OF_RANGE);
        }
}

/* Whatever the header says: no fault, and what is accepted stays inside the guest's RAM. */
static void test_mutations(void **state)
{
    uint32_t random = 0;
    unsigned accepted = 0, refused = 0;
    uint8_t *ram = make_ram(64 * MIB + PAGE_SIZE);

    (void)state;
    assert_int_equal(mprotect(ram + 64 * MIB, PAGE_SIZE, PROT_NONE), 0);
    for (unsigned round = 0; round < rounds(20000); round++) {
        struct loader_entry entry;

        set_up(state);
        put32(0x260, 0x8000);
        if (round % 3 == 0)
            set_initrd(100);
        for (unsigned i = 0; i < 1 + round % 3; i++) {
            random = (uint32_t)random_u64();
            file[0x1f1 + (random >> 8) % 0x80] ^= (uint8_t)(1 << (random >> 28 & 7));
        }
        if (round % 16 == 0)
            resize((random >> 4) % FILE_BYTES + 1);
        if (check() != STATUS_OK) {
            refused++;
            assert_memory_equal(message, "guest 'debian': \\", 17);
            continue;
        }
        accepted++;
        assert_int_equal(loader_load(&guest, ram, GPA(0xe0000), &entry), STATUS_OK);
        assert_true(entry.rip < 64 * MIB);
    }
    assert_true(accepted > rounds(1000) && refused > rounds(1000));
    munmap(ram, 64 * MIB + PAGE_SIZE);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(test_load),          TEST(test_long_header),
        TEST(test_load_above_4g), TEST(test_places),
        TEST(test_recognised),    TEST(test_truncated),
        TEST(test_wrong_kernels), TEST(test_too_large),
        TEST(test_command_line),  TEST(test_needed_is_exact),
        TEST(test_mutations),
    };
    return cmocka_run_group_tests_name("bzimage", tests, NULL, NULL);
}
