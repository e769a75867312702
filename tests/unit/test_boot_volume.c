// SPDX-License-Identifier: BSD-2-Clause
/* Reading files and choosing memory, with a firmware whose disk controller reaches no memory above
 * 4 GiB, and which does not say so. */
#include "tests/unit/firmware_fixture.h"
#include "tests/unit/random.h"

#include "arch/x86/host_acpi.c"
#include "boot/uefi.c"
#include "boot/volume.c"

#include <sys/mman.h>

#define LOW_BYTES  (4 * MIB)
#define HIGH_BYTES (64 * MIB)

/* --- The disk: a controller that may not reach all memory, and what it may do wrong --- */

static struct {
    enum { REACHES_ALL, REFUSES_HIGH, SPOILS_HIGH } controller;
    UINTN read_bytes_max; /* of one Read */
    bool claims_too_much;
    unsigned reads;
} disk;

static EFI_STATUS EFIAPI disk_read(EFI_FILE_HANDLE handle, UINTN *size_bytes, void *buffer)
{
    bool is_high = (uint64_t)buffer + *size_bytes > 4 * GIB;
    EFI_STATUS status;

    disk.reads++;
    if (is_high && disk.controller == REFUSES_HIGH)
        return EFI_DEVICE_ERROR;
    if (*size_bytes > disk.read_bytes_max)
        *size_bytes = disk.read_bytes_max;
    status = firmware_read(handle, size_bytes, buffer);
    if (is_high && disk.controller == SPOILS_HIGH)
        memset(buffer, 0x5a, *size_bytes);
    if (disk.claims_too_much)
        (*size_bytes)++;
    return status;
}

/* --- One boot --- */

static uint8_t *low, *high; /* memory: a piece below 4 GiB, and a larger one above */
static struct uefi uefi;
static struct volume volume;
static struct blob blob;

static void put_file(const char *path, const void *data, uint64_t size_bytes)
{
    firmware_put_file(path, data, size_bytes);
    for (size_t i = 0; i < FIRMWARE_FILES_MAX; i++)
        firmware.files[i].protocol.Read = disk_read;
}

static int set_up(void **state)
{
    (void)state;
    low = mmap(NULL, LOW_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1,
               0);
    high = mmap(NULL, HIGH_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (low == MAP_FAILED || high == MAP_FAILED || (uint64_t)high < 4 * GIB)
        return -1;
    firmware_reset();
    firmware_add_range(EfiConventionalMemory, (uint64_t)low, LOW_BYTES);
    firmware_add_range(EfiConventionalMemory, (uint64_t)high, HIGH_BYTES);
    memset(&disk, 0, sizeof(disk));
    disk.read_bytes_max = UINT64_MAX;
    uefi = (struct uefi){.system = &firmware.system, .services = &firmware.services};
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    volume_close(&uefi, &volume);
    uefi_release_all(&uefi);
    assert_int_equal(firmware.pages_taken, 0);
    munmap(low, LOW_BYTES);
    munmap(high, HIGH_BYTES);
    return 0;
}

static uint8_t *make_content(uint64_t size_bytes)
{
    uint8_t *content = malloc(size_bytes);

    assert_non_null(content);
    for (uint64_t i = 0; i < size_bytes; i++)
        content[i] = (uint8_t)random_u64();
    return content;
}

/* The file lies above 4 GiB, whole, whatever the controller does there. */
static void test_high_memory(void **state)
{
    const uint64_t size_bytes = 20 * MIB + 123;
    uint8_t *content = make_content(size_bytes);

    (void)state;
    put_file("\\kernel", content, size_bytes);
    assert_int_equal(volume_open(&uefi, &volume), EFI_SUCCESS);
    for (unsigned controller = REACHES_ALL; controller <= SPOILS_HIGH; controller++) {
        disk.controller = controller;
        disk.reads = 0;
        assert_int_equal(volume_read(&uefi, &volume, "\\kernel", UINT64_MAX, &blob), EFI_SUCCESS);
        assert_int_equal(blob.size_bytes, size_bytes);
        assert_true((uint64_t)blob.data > 4 * GIB);
        assert_memory_equal(blob.data, content, size_bytes);
        assert_int_equal(disk.reads, 21);
    }
    assert_said("portcullis: reading \\kernel, 20481 KiB\n  16 of 20 MiB");
    assert_said("  20 of 20 MiB\n");
    free(content);
}

static void test_pieces(void **state)
{
    uint8_t *content = make_content(5000);

    (void)state;
    put_file("\\kernel", content, 5000);
    put_file("\\empty", content, 0);
    disk.read_bytes_max = 999;
    assert_int_equal(volume_open(&uefi, &volume), EFI_SUCCESS);
    assert_int_equal(volume_read(&uefi, &volume, "\\kernel", UINT64_MAX, &blob), EFI_SUCCESS);
    assert_memory_equal(blob.data, content, 5000);
    assert_int_equal(disk.reads, 6);
    assert_int_equal(volume_read(&uefi, &volume, "\\empty", UINT64_MAX, &blob), EFI_SUCCESS);
    assert_null(blob.data);
    assert_int_equal(volume_read(&uefi, &volume, "\\none", UINT64_MAX, &blob), EFI_NOT_FOUND);
    assert_int_equal(volume_read(&uefi, &volume, "\\kernel", 4999, &blob), EFI_BAD_BUFFER_SIZE);
    assert_int_equal(blob.size_bytes, 5000);
    free(content);
}

static void test_refused(void **state)
{
    uint8_t *content = make_content(5000);

    (void)state;
    put_file("\\kernel", content, 5000);
    assert_int_equal(volume_open(&uefi, &volume), EFI_SUCCESS);
    firmware.files[0].folder_bytes = 6000;
    assert_int_equal(volume_read(&uefi, &volume, "\\kernel", UINT64_MAX, &blob), EFI_DEVICE_ERROR);
    assert_said("\\kernel cannot be read (EFI_END_OF_FILE)");

    firmware.files[0].folder_bytes = 5000;
    disk.claims_too_much = true;
    assert_int_equal(volume_read(&uefi, &volume, "\\kernel", UINT64_MAX, &blob), EFI_DEVICE_ERROR);
    assert_said("\\kernel cannot be read (EFI_DEVICE_ERROR)");

    firmware.files[0].folder_bytes = HIGH_BYTES + MIB;
    assert_int_equal(volume_read(&uefi, &volume, "\\kernel", UINT64_MAX, &blob),
                     EFI_OUT_OF_RESOURCES);
    assert_said("\\kernel needs 65 MiB, and the largest free piece of memory has 63 MiB");
    free(content);
}

/* A firmware that lists memory as free and refuses it: lower places are tried, each further away, and
 * their number is bounded. */
static void test_refused_places(void **state)
{
    uint64_t top = (uint64_t)high + HIGH_BYTES, refused = top - 5 * PAGE_SIZE;

    (void)state;
    firmware_refuse(refused, UINT64_MAX);
    assert_in_range(uefi_allocate(&uefi, PAGE_SIZE, PAGE_SIZE), top - 16 * PAGE_SIZE,
                    refused - PAGE_SIZE);
    assert_in_range(firmware.refusals, 1, 5);
    firmware_refuse((uint64_t)high + PAGE_SIZE, UINT64_MAX); /* nearly all of the upper piece */
    assert_non_null(uefi_allocate(&uefi, PAGE_SIZE, PAGE_SIZE));
    firmware_refuse(0, UINT64_MAX);
    firmware.refusals = 0;
    assert_null(uefi_allocate(&uefi, PAGE_SIZE, PAGE_SIZE));
    assert_in_range(firmware.refusals, 2, 64);
}

static void test_no_low_memory(void **state)
{
    (void)state;
    firmware.ranges[0].NumberOfPages = 255;
    assert_int_equal(volume_open(&uefi, &volume), EFI_OUT_OF_RESOURCES);
    assert_said("reading files takes 1 MiB of memory below 4 GiB");
}

static void test_checksums(void **state)
{
    static const char listed[] = "cbf43926 \\Portcullis\\digits\r\ncbf43926 \\other\n";

    (void)state;
    put_file(VOLUME_CHECKSUMS_PATH, listed, sizeof(listed) - 1);
    put_file("\\portcullis\\digits", "123456789", 9);
    put_file("\\unlisted", "12345678?", 9);
    assert_int_equal(volume_open(&uefi, &volume), EFI_SUCCESS);
    assert_int_equal(volume_read(&uefi, &volume, "\\portcullis\\digits", UINT64_MAX, &blob),
                     EFI_SUCCESS);
    assert_int_equal(volume_read(&uefi, &volume, "\\unlisted", UINT64_MAX, &blob), EFI_SUCCESS);
    firmware.files[1].data = (const uint8_t *)"12345678?";
    assert_int_equal(volume_read(&uefi, &volume, "\\portcullis\\digits", UINT64_MAX, &blob),
                     EFI_INVALID_PARAMETER);
    assert_said("\\portcullis\\digits is not as its checksum in \\portcullis\\checksums has it");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_high_memory, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_pieces, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_refused, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_refused_places, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_no_low_memory, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_checksums, set_up, tear_down),
    };
    return cmocka_run_group_tests_name("boot_volume", tests, NULL, NULL);
}
