// SPDX-License-Identifier: BSD-2-Clause
/* Which guests are started, refused and left out, with a volume on which some files are missing or
 * empty and memory for some of them. */
#include "tests/unit/unit.h"

#include "boot/guests.c"
#include "vmm/monitor/demand.c"

#include "vmm/base/format.h"

#include <stdio.h>
#include <stdlib.h>

static struct config config;
static struct boot_info boot;
static struct uefi uefi;
static struct volume volume;
static char said[4096];
static unsigned reads;

static void say(const char *format, va_list arguments)
{
    size_t length = strlen(said);

    format_text_v(uefi.last_said, sizeof(uefi.last_said), format, arguments);
    snprintf(said + length, sizeof(said) - length, "%s\n", uefi.last_said);
}

void uefi_say(struct uefi *self, const char *format, ...)
{
    va_list arguments;

    (void)self;
    va_start(arguments, format);
    say(format, arguments);
    va_end(arguments);
}

EFI_STATUS uefi_refuse(struct uefi *self, EFI_STATUS status, const char *format, ...)
{
    va_list arguments;

    (void)self;
    va_start(arguments, format);
    say(format, arguments);
    va_end(arguments);
    return status;
}

/* The machine's free memory: pieces, of which the first suffices or the largest is taken. */
static struct {
    uint64_t base, size_bytes;
} pieces[4];
static struct {
    size_t piece;
    uint64_t size_bytes;
} taken[16];
static size_t taken_count;

void *uefi_allocate_piece(struct uefi *self, uint64_t *size_bytes, uint64_t alignment_bytes)
{
    size_t largest = 0;

    (void)self;
    (void)alignment_bytes;
    for (size_t i = 1; i < sizeof(pieces) / sizeof(pieces[0]); i++)
        if (pieces[i].size_bytes > pieces[largest].size_bytes)
            largest = i;
    if (pieces[largest].size_bytes == 0)
        return NULL;
    if (*size_bytes > pieces[largest].size_bytes)
        *size_bytes = pieces[largest].size_bytes;
    pieces[largest].size_bytes -= *size_bytes;
    taken[taken_count].piece = largest;
    taken[taken_count++].size_bytes = *size_bytes;
    return (void *)(pieces[largest].base + pieces[largest].size_bytes); /* nobody reads it */
}

void uefi_release_newest(struct uefi *self, size_t count)
{
    (void)self;
    for (; count > 0; count--) {
        taken_count--;
        pieces[taken[taken_count].piece].size_bytes += taken[taken_count].size_bytes;
    }
}

static void set_memory(uint64_t first_mib, uint64_t second_mib)
{
    memset(pieces, 0, sizeof(pieces));
    taken_count = 0;
    pieces[0].base = 16 * MIB;
    pieces[0].size_bytes = first_mib * MIB;
    pieces[1].base = 1024 * MIB;
    pieces[1].size_bytes = second_mib * MIB;
}

EFI_STATUS volume_read(struct uefi *self, struct volume *of, const char *path,
                       uint64_t size_bytes_max, struct blob *blob)
{
    static const uint8_t code[] = {0xb0, 0x00, 0xe6, 0xf4, 0xfa, 0xf4};

    (void)self;
    (void)of;
    (void)size_bytes_max;
    reads++;
    if (strstr(path, "absent") != NULL)
        return EFI_NOT_FOUND;
    *blob = (struct blob){code, strstr(path, "empty") != NULL ? 0 : sizeof(code)};
    return EFI_SUCCESS;
}

/* Reads the guests of these kernels, "absent", "empty" or good ones; each has 16 MiB more than the
 * one before. */
static EFI_STATUS read(bool skips, size_t count, const char *const kernels[])
{
    memset(&config, 0, sizeof(config));
    memset(&boot, 0, sizeof(boot));
    said[0] = '\0';
    reads = 0;
    config.skips_bad_guests = skips;
    config.guest_count = count;
    for (size_t i = 0; i < count; i++) {
        struct config_guest *guest = &config.guests[i];

        snprintf(guest->name, sizeof(guest->name), "g%zu", i);
        snprintf(guest->kernel, sizeof(guest->kernel), "\\%s", kernels[i]);
        guest->kernel_line = (unsigned)(10 * i + 2);
        guest->memory_line = (unsigned)(10 * i + 3);
        guest->memory_bytes = (i + 1) * 16 * MIB;
        guest->cpu_count = 1;
    }
    return guests_read(&uefi, &volume, &config, &boot);
}

#define READ(SKIPS, ...)                                                                           \
    read(SKIPS, sizeof((const char *[]){__VA_ARGS__}) / sizeof(char *),                            \
         (const char *[]){__VA_ARGS__})

static void assert_guests(const char *want)
{
    char got[256] = "";

    for (size_t i = 0; i < boot.guest_count; i++) {
        size_t length = strlen(got);
        snprintf(got + length, sizeof(got) - length, "%s%s", i == 0 ? "" : " ",
                 boot.guests[i].name);
    }
    for (size_t i = 0; i < boot.left_out_count; i++) {
        size_t length = strlen(got);
        snprintf(got + length, sizeof(got) - length, " -%s", boot.left_out[i].name);
    }
    assert_string_equal(got, want);
}

static void test_good(void **state)
{
    (void)state;
    assert_int_equal(READ(false, "a", "b", "a"), EFI_SUCCESS);
    assert_guests("g0 g1 g2");
    assert_int_equal(reads, 2); /* a file of two guests only once */
    assert_ptr_equal(boot.guests[0].kernel.data, boot.guests[2].kernel.data);
    assert_int_equal(READ(true, "a"), EFI_SUCCESS);
    assert_guests("g0");
}

/* One of them is bad: nothing is started, and the state of each is said. */
static void test_refused(void **state)
{
    (void)state;
    assert_int_equal(READ(false, "a", "absent", "empty", "b"), EFI_NOT_FOUND);
    assert_non_null(strstr(said, "guest 'g0': flat 16-bit binary, 16 MiB of memory\n"
                                 "portcullis.conf:12: there is no \\absent on the volume; copy it "
                                 "there or correct the path\n"
                                 "guest 'g2': \\empty: the file is empty"));
    assert_non_null(strstr(said, "guest 'g3': flat 16-bit binary, 64 MiB of memory\n"
                                 "2 of 4 guests cannot be started, see above; correct them, or set "
                                 "on_bad_guest = skip in [monitor] to leave them out\n"));
    assert_int_equal(READ(false, "absent"), EFI_NOT_FOUND);
    assert_string_equal(said,
                        "portcullis.conf:2: there is no \\absent on the volume; copy it there "
                        "or correct the path\n");
}

static void test_left_out(void **state)
{
    (void)state;
    assert_int_equal(READ(true, "absent", "a", "empty", "a"), EFI_SUCCESS);
    assert_guests("g1 g3 -g0 -g2");
    assert_int_equal(boot.guests[0].memory_bytes, 32 * MIB);
    assert_int_equal(boot.guests[1].memory_bytes, 64 * MIB);
    assert_ptr_equal(boot.guests[0].kernel.data, boot.guests[1].kernel.data);
    assert_string_equal(boot.left_out[0].reason, "portcullis.conf:2: there is no \\absent on the "
                                                 "volume; copy it there or correct the path");
    assert_non_null(strstr(boot.left_out[1].reason, "guest 'g2': \\empty: the file is empty"));
    assert_non_null(strstr(said, "guest 'g0' is left out (on_bad_guest = skip)\n"));
    /* Nothing is left. */
    assert_int_equal(READ(true, "empty", "absent"), EFI_INVALID_PARAMETER);
    assert_non_null(strstr(said, "2 of 2 guests cannot be started"));
}

/* Memory for some: in parallel the guests that do not fit are left out, in a sequence those that are
 * too large. */
static void test_memory(void **state)
{
    (void)state;
    assert_int_equal(READ(true, "a", "b", "absent", "c", "d"), EFI_SUCCESS);
    set_memory(80, 60); /* 16, 32, 64 in two pieces, and not 80 */
    assert_int_equal(guests_allocate_ram(&uefi, &config, &boot), EFI_SUCCESS);
    assert_guests("g0 g1 g3 -g2 -g4");
    assert_int_equal(boot.guests[2].number, 2);
    assert_non_null(strstr(boot.left_out[1].reason, "portcullis.conf:43: guest 'g4' wants 80 MiB"));

    /* What one that is left out had taken of several pieces is the next one's. */
    assert_int_equal(READ(true, "absent", "a", "b", "c"), EFI_SUCCESS);
    config.schedule = SCHEDULE_SEQUENCE;
    set_memory(30, 20);
    assert_int_equal(guests_allocate_ram(&uefi, &config, &boot), EFI_SUCCESS);
    assert_guests("g1 g2 -g0 -g3");
    assert_int_equal(boot.guests[0].number, 0);
    assert_int_equal(boot.guests[0].ram.count, 2);
    assert_int_equal(boot.guests[1].ram.count, 2);
    assert_int_equal(boot.guests[1].ram.piece[0].size_bytes, 30 * MIB);
    assert_int_equal(boot.guests[1].ram.piece[1].size_bytes, 18 * MIB);

    for (unsigned sequence = 0; sequence < 2; sequence++) {
        assert_int_equal(READ(false, "a", "b"), EFI_SUCCESS);
        config.schedule = sequence != 0 ? SCHEDULE_SEQUENCE : SCHEDULE_PARALLEL;
        set_memory(16, 0);
        assert_int_equal(guests_allocate_ram(&uefi, &config, &boot), EFI_OUT_OF_RESOURCES);
        assert_int_equal(READ(true, "a"), EFI_SUCCESS);
        config.schedule = sequence != 0 ? SCHEDULE_SEQUENCE : SCHEDULE_PARALLEL;
        set_memory(0, 0);
        assert_int_equal(guests_allocate_ram(&uefi, &config, &boot), EFI_OUT_OF_RESOURCES);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_good),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_left_out),
        cmocka_unit_test(test_memory),
    };
    return cmocka_run_group_tests_name("boot_guests", tests, NULL, NULL);
}
