// SPDX-License-Identifier: BSD-2-Clause
/* The BIOS's area: its handlers are compared with what NASM makes of the same program, written down
 * here once more. */
#include "tests/unit/unit.h"

#include "vmm/devices/i8254.h"
#include "vmm/devices/i8259.h"
#include "vmm/loader/bios_area.h"
#include "vmm/loader/loader.h"
#include "vmm/loader/memory_layout.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static uint8_t ram[1024 * 1024];

static unsigned get16(size_t gpa)
{
    return ram[gpa] | (unsigned)ram[gpa + 1] << 8;
}

static int set_up(void **state)
{
    (void)state;
    memset(ram, 0, sizeof(ram));
    bios_area_write(ram);
    return 0;
}

/* Each handler begins on 64 bytes, in this order. */
static const char source[] = "bits 16\n"
                             "%macro slot 1\n"
                             "times %1 * 64 - ($-$$) db 0\n"
                             "%endmacro\n"
                             "slot 0\n"
                             " iret\n"
                             "slot 1\n" /* timer */
                             " push ds\n"
                             " push dx\n"
                             " push ax\n"
                             " xor ax, ax\n"
                             " mov ds, ax\n"
                             " inc word [0x46c]\n"
                             " jnz compare\n"
                             " inc word [0x46e]\n"
                             "compare:\n"
                             " cmp word [0x46e], 0x18\n"
                             " jne tell\n"
                             " cmp word [0x46c], 0x00b0\n"
                             " jb tell\n"
                             " mov [0x46c], ax\n"
                             " mov [0x46e], ax\n"
                             " mov byte [0x470], 1\n"
                             "tell: int 0x1c\n"
                             " mov al, 0x20\n"
                             " out 0x20, al\n"
                             " pop ax\n"
                             " pop dx\n"
                             " pop ds\n"
                             " iret\n"
                             "slot 2\n" /* keyboard */
                             " push ax\n"
                             " in al, 0x60\n"
                             " mov al, 0x20\n"
                             " out 0x20, al\n"
                             " pop ax\n"
                             " iret\n"
                             "slot 3\n" /* the master's other lines */
                             " push ax\n"
                             " mov al, 0x20\n"
                             " out 0x20, al\n"
                             " pop ax\n"
                             " iret\n"
                             "slot 4\n" /* RTC */
                             " push ax\n"
                             " mov al, 0x0c\n"
                             " out 0x70, al\n"
                             " in al, 0x71\n"
                             " mov al, 0x20\n"
                             " out 0xa0, al\n"
                             " out 0x20, al\n"
                             " pop ax\n"
                             " iret\n"
                             "slot 5\n" /* mouse */
                             " push ax\n"
                             " in al, 0x60\n"
                             " mov al, 0x20\n"
                             " out 0xa0, al\n"
                             " out 0x20, al\n"
                             " pop ax\n"
                             " iret\n"
                             "slot 6\n" /* the slave's other lines */
                             " push ax\n"
                             " mov al, 0x20\n"
                             " out 0xa0, al\n"
                             " out 0x20, al\n"
                             " pop ax\n"
                             " iret\n"
                             "slot 7\n" /* equipment */
                             " push ds\n"
                             " xor ax, ax\n"
                             " mov ds, ax\n"
                             " mov ax, [0x410]\n"
                             " pop ds\n"
                             " iret\n"
                             "slot 8\n" /* memory size */
                             " push ds\n"
                             " xor ax, ax\n"
                             " mov ds, ax\n"
                             " mov ax, [0x413]\n"
                             " pop ds\n"
                             " iret\n"
                             "slot 9\n" /* unsupported: CF in the caller's flags */
                             " push bp\n"
                             " mov bp, sp\n"
                             " or byte [bp + 6], 1\n"
                             " pop bp\n"
                             " mov ah, 0x86\n"
                             " iret\n"
                             "slot 10\n" /* reset */
                             " cli\n"
                             " mov dx, 0xcf9\n"
                             " mov al, 2\n"
                             " out dx, al\n"
                             " mov al, 6\n"
                             " out dx, al\n"
                             " mov al, 0xfe\n"
                             " out 0x64, al\n"
                             "halt: hlt\n"
                             " jmp halt\n"
                             "slot 11\n";

static void test_handlers_are_the_program(void **state)
{
    char directory[] = "/tmp/portcullis-bios-XXXXXX", path[64], command[160];
    static uint8_t expected[11 * 64 + 1];
    FILE *file;

    (void)state;
    assert_non_null(mkdtemp(directory));
    snprintf(path, sizeof(path), "%s/bios.asm", directory);
    file = fopen(path, "w");
    assert_non_null(file);
    assert_int_equal(fwrite(source, 1, sizeof(source) - 1, file), sizeof(source) - 1);
    assert_int_equal(fclose(file), 0);
    snprintf(command, sizeof(command), "nasm -f bin -o %s/bios.bin %s", directory, path);
    assert_int_equal(system(command), 0);
    snprintf(path, sizeof(path), "%s/bios.bin", directory);
    file = fopen(path, "rb");
    assert_non_null(file);
    assert_int_equal(fread(expected, 1, sizeof(expected), file), 11 * 64);
    assert_int_equal(fclose(file), 0);
    assert_memory_equal(ram + 0xfe000, expected, 11 * 64);
    snprintf(command, sizeof(command), "rm -r %s", directory);
    assert_int_equal(system(command), 0);
}

static void test_vectors(void **state)
{
    static const struct {
        unsigned first, last, handler;
    } cases[] = {
        {0x00, 0x07, 0}, {0x08, 0x08, 1},  {0x09, 0x09, 2}, {0x0a, 0x0f, 3}, {0x10, 0x10, 0},
        {0x11, 0x11, 7}, {0x12, 0x12, 8},  {0x13, 0x13, 9}, {0x14, 0x14, 0}, {0x15, 0x15, 9},
        {0x16, 0x17, 0}, {0x18, 0x19, 10}, {0x1a, 0x6f, 0}, {0x70, 0x70, 4}, {0x71, 0x73, 6},
        {0x74, 0x74, 5}, {0x75, 0x77, 6},  {0x78, 0xff, 0},
    };
    unsigned next = 0;

    (void)state;
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        assert_int_equal(cases[i].first, next);
        for (; next <= cases[i].last; next++) {
            assert_int_equal(get16(next * 4), 0xe000 + cases[i].handler * 64);
            assert_int_equal(get16(next * 4 + 2), 0xf000);
        }
    }
    assert_int_equal(next, 256);
}

static void test_bios_data(void **state)
{
    static const uint8_t model[] = {0xea, 0x80, 0xe2, 0x00, 0xf0, '0', '1',  '/',
                                    '0',  '1',  '/',  '2',  '6',  0,   0xfc, 0};

    (void)state;
    assert_int_equal(get16(0x400), 0x3f8);
    assert_int_equal(get16(0x402), 0);
    assert_int_equal(get16(0x408), 0); /* no printer */
    assert_int_equal(get16(0x40e), 0x9fc0);
    assert_int_equal(get16(0x410), 0x0202);
    assert_int_equal(get16(0x413), 639);
    assert_int_equal(get16(0x41a), 0x1e);
    assert_int_equal(get16(0x41c), 0x1e);
    assert_int_equal(ram[0x449], 3);
    assert_int_equal(get16(0x44a), 80);
    assert_int_equal(get16(0x46c) | get16(0x46e), 0);
    assert_int_equal(get16(0x480), 0x1e);
    assert_int_equal(get16(0x482), 0x3e);
    assert_int_equal(ram[0x484], 24);
    assert_int_equal(ram[0x9fc00], 1);
    assert_memory_equal(ram + 0xffff0, model, 16);
    /* Nothing where the ACPI tables and the guest's own memory are. */
    for (size_t at = 0x500; at < 0x9fc00; at++)
        assert_int_equal(ram[at], 0);
    for (size_t at = 0x9fc01; at < 0xfe000; at++)
        assert_int_equal(ram[at], 0);
}

/* All formats have it; what the caller put into the ACPI tables' part stays. */
static void test_loader_writes_it(void **state)
{
    uint8_t *guest_ram = calloc(1, 2 * MIB);
    struct guest_config guest = {.name = "t",
                                 .memory_bytes = 2 * MIB,
                                 .kernel = {.data = (const uint8_t *)"\xeb\xfe", .size_bytes = 2}};
    struct loader_entry entry;

    (void)state;
    memset(guest_ram + GUEST_FIRMWARE_AREA, 0x5a,
           GUEST_BIOS_AREA + GUEST_BIOS_TABLES_BYTES - GUEST_FIRMWARE_AREA);
    memset(ram + GUEST_FIRMWARE_AREA, 0x5a,
           GUEST_BIOS_AREA + GUEST_BIOS_TABLES_BYTES - GUEST_FIRMWARE_AREA);
    memcpy(ram + 0x7c00, "\xeb\xfe", 2);
    assert_int_equal(loader_load(&guest, guest_ram, GPA(0xe0000), &entry), STATUS_OK);
    assert_memory_equal(guest_ram, ram, sizeof(ram));
    free(guest_ram);
}

static struct i8259_pair pic;
static struct i8254 pit;

/* What the chips are after the writes, as they themselves see it. */
static void test_port_writes(void **state)
{
    static const unsigned irqs[] = {0, 1, 8, 15};

    (void)state;
    i8259_pair_init(&pic, (struct line){0});
    i8259_pair_reset(&pic);
    i8254_reset(&pit, 0);
    for (size_t i = 0; i < bios_port_write_count; i++) {
        uint16_t port = bios_port_writes[i].port;
        uint8_t value = bios_port_writes[i].value;

        switch (port) {
        case 0x20 ... 0x21: i8259_write(&pic, I8259_MASTER, port & 1, value); break;
        case 0xa0 ... 0xa1: i8259_write(&pic, I8259_SLAVE, port & 1, value); break;
        case 0x40 ... 0x43: i8254_write(&pit, port & 3, value, 0); break;
        default: fail();
        }
    }
    assert_int_equal(i8259_read(&pic, I8259_MASTER, 1), 0xf8);
    assert_int_equal(i8259_read(&pic, I8259_SLAVE, 1), 0xff);
    i8259_pair_set_line(&pic, 4, true); /* masked */
    assert_false(i8259_pair_interrupt_pending(&pic));
    i8259_write(&pic, I8259_MASTER, 1, 0);
    i8259_write(&pic, I8259_SLAVE, 1, 0);
    i8259_pair_set_line(&pic, 4, false);
    for (size_t i = 0; i < ARRAY_COUNT(irqs); i++) {
        unsigned vector = irqs[i] < 8 ? 0x08 + irqs[i] : 0x70 + irqs[i] - 8;

        i8259_pair_set_line(&pic, irqs[i], true);
        assert_true(i8259_pair_interrupt_pending(&pic));
        assert_int_equal(i8259_pair_acknowledge(&pic), vector);
        i8259_pair_set_line(&pic, irqs[i], false);
        /* As the handlers do. */
        if (irqs[i] >= 8)
            i8259_write(&pic, I8259_SLAVE, 0, 0x20);
        i8259_write(&pic, I8259_MASTER, 0, 0x20);
        assert_false(i8259_pair_interrupt_pending(&pic));
    }

    /* Counter 0: mode 3 with 65536, 54.9 ms; counter 1: mode 2 with 18. */
    assert_int_equal(pit.counter[0].mode, 3);
    assert_int_equal(pit.counter[1].mode, 2);
    i8254_run(&pit, NS_PER_SECOND);
    assert_int_equal(pit.counter[0].count, 65536);
    assert_int_equal(pit.counter[1].count, 18);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_handlers_are_the_program, set_up),
        cmocka_unit_test_setup(test_vectors, set_up),
        cmocka_unit_test_setup(test_bios_data, set_up),
        cmocka_unit_test_setup(test_loader_writes_it, set_up),
        cmocka_unit_test(test_port_writes),
    };
    return cmocka_run_group_tests_name("loader_bios", tests, NULL, NULL);
}
