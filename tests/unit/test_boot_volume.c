// SPDX-License-Identifier: BSD-2-Clause
/* Reading files and choosing memory, with a firmware whose disk controller reaches no memory above
 * 4 GiB, and which does not say so. */
#include "tests/unit/unit.h"

#include "arch/x86/host_acpi.c"
#include "boot/uefi.c"
#include "boot/volume.c"

#include <stdlib.h>
#include <sys/mman.h>

#define LOW_BYTES  (4 * MIB)
#define HIGH_BYTES (64 * MIB)

/* --- Memory: a piece below 4 GiB, and a larger one above --- */

static struct {
    uint8_t *low, *high;
    EFI_MEMORY_DESCRIPTOR map[2];
    unsigned pages_taken;
    uint64_t refused_from; /* memory from here on is listed as free, and refused; 0: none is */
    unsigned refusals;
} memory;

static EFI_STATUS EFIAPI get_memory_map(UINTN *size_bytes, EFI_MEMORY_DESCRIPTOR *map, UINTN *key,
                                        UINTN *descriptor_bytes, UINT32 *version)
{
    UINTN capacity_bytes = *size_bytes;

    *size_bytes = sizeof(memory.map);
    *descriptor_bytes = sizeof(memory.map[0]);
    *version = 1;
    *key = 1;
    if (capacity_bytes < sizeof(memory.map))
        return EFI_BUFFER_TOO_SMALL;
    memcpy(map, memory.map, sizeof(memory.map));
    return EFI_SUCCESS;
}

/* From the ends of the two pieces, as the monitor asks for the highest place. Below refused_from, any
 * place is taken, and the map is left alone. */
static EFI_STATUS EFIAPI allocate_pages(EFI_ALLOCATE_TYPE type, EFI_MEMORY_TYPE memory_type,
                                        UINTN page_count, EFI_PHYSICAL_ADDRESS *base)
{
    (void)memory_type;
    if (memory.refused_from != 0 && type == AllocateAddress) {
        bool is_refused = *base + page_count * PAGE_SIZE > memory.refused_from;

        memory.refusals += is_refused;
        return is_refused ? EFI_NOT_FOUND : EFI_SUCCESS;
    }
    memory.pages_taken += (unsigned)page_count;
    if (type == AllocateAnyPages) { /* the memory map: anywhere */
        *base = (EFI_PHYSICAL_ADDRESS)aligned_alloc(PAGE_SIZE, page_count * PAGE_SIZE);
        return EFI_SUCCESS;
    }
    for (size_t i = 0; i < ARRAY_COUNT(memory.map); i++) {
        EFI_MEMORY_DESCRIPTOR *piece = &memory.map[i];

        if (*base >= piece->PhysicalStart &&
            *base + page_count * PAGE_SIZE ==
                piece->PhysicalStart + piece->NumberOfPages * PAGE_SIZE) {
            piece->NumberOfPages -= page_count;
            return EFI_SUCCESS;
        }
    }
    return EFI_NOT_FOUND;
}

static EFI_STATUS EFIAPI free_pages(EFI_PHYSICAL_ADDRESS base, UINTN page_count)
{
    memory.pages_taken -= (unsigned)page_count;
    for (size_t i = 0; i < ARRAY_COUNT(memory.map); i++) {
        EFI_MEMORY_DESCRIPTOR *piece = &memory.map[i];

        if (base == piece->PhysicalStart + piece->NumberOfPages * PAGE_SIZE) {
            piece->NumberOfPages += page_count;
            return EFI_SUCCESS;
        }
    }
    free((void *)base);
    return EFI_SUCCESS;
}

/* --- The console --- */

static char said[4096];

static EFI_STATUS EFIAPI output_string(SIMPLE_TEXT_OUTPUT_INTERFACE *console, CHAR16 *text)
{
    size_t length = strlen(said);

    (void)console;
    for (; *text != 0 && length < sizeof(said) - 1; text++) {
        if (*text != '\r')
            said[length++] = (char)*text;
    }
    said[length] = '\0';
    return EFI_SUCCESS;
}

/* --- The volume --- */

#define FILES_MAX 3

struct fake_file {
    struct _EFI_FILE_HANDLE protocol; /* first: the handle is its address */
    const char *path;
    const uint8_t *data;
    uint64_t size_bytes;
    uint64_t folder_bytes; /* the size that its folder tells */
    uint64_t at;
};

static struct {
    struct _EFI_FILE_HANDLE root;
    EFI_SIMPLE_FILE_SYSTEM_PROTOCOL file_system;
    EFI_LOADED_IMAGE_PROTOCOL image;
    struct fake_file files[FILES_MAX];
    enum { REACHES_ALL, REFUSES_HIGH, SPOILS_HIGH } controller;
    UINTN read_bytes_max; /* of one Read */
    bool claims_too_much;
    unsigned reads;
} disk;

static EFI_STATUS EFIAPI file_open(EFI_FILE_HANDLE root, EFI_FILE_HANDLE *handle, CHAR16 *path,
                                   UINT64 mode, UINT64 attributes)
{
    assert_ptr_equal(root, &disk.root);
    assert_int_equal(mode, EFI_FILE_MODE_READ);
    assert_int_equal(attributes, 0);
    for (size_t i = 0; i < FILES_MAX && disk.files[i].path != NULL; i++) {
        const char *name = disk.files[i].path;
        size_t length = 0;

        while (name[length] != '\0' && path[length] == (CHAR16)name[length])
            length++;
        if (name[length] == '\0' && path[length] == 0) {
            disk.files[i].at = 0;
            *handle = &disk.files[i].protocol;
            return EFI_SUCCESS;
        }
    }
    return EFI_NOT_FOUND;
}

static EFI_STATUS EFIAPI file_close(EFI_FILE_HANDLE handle)
{
    (void)handle;
    return EFI_SUCCESS;
}

static EFI_STATUS EFIAPI file_get_info(EFI_FILE_HANDLE handle, EFI_GUID *type, UINTN *size_bytes,
                                       void *buffer)
{
    struct fake_file *file = (struct fake_file *)handle;
    EFI_FILE_INFO *info = buffer;

    (void)type;
    assert_true(*size_bytes >= sizeof(*info));
    memset(info, 0, sizeof(*info));
    info->FileSize = file->folder_bytes;
    return EFI_SUCCESS;
}

static EFI_STATUS EFIAPI file_read(EFI_FILE_HANDLE handle, UINTN *size_bytes, void *buffer)
{
    struct fake_file *file = (struct fake_file *)handle;
    bool is_high = (uint64_t)buffer + *size_bytes > 4 * GIB;

    disk.reads++;
    if (is_high && disk.controller == REFUSES_HIGH)
        return EFI_DEVICE_ERROR;
    if (*size_bytes > disk.read_bytes_max)
        *size_bytes = disk.read_bytes_max;
    if (*size_bytes > file->size_bytes - file->at)
        *size_bytes = file->size_bytes - file->at;
    memcpy(buffer, file->data + file->at, *size_bytes);
    if (is_high && disk.controller == SPOILS_HIGH)
        memset(buffer, 0x5a, *size_bytes);
    file->at += *size_bytes;
    if (disk.claims_too_much)
        (*size_bytes)++;
    return EFI_SUCCESS;
}

static EFI_STATUS EFIAPI open_volume(EFI_SIMPLE_FILE_SYSTEM_PROTOCOL *file_system,
                                     EFI_FILE_HANDLE *root)
{
    assert_ptr_equal(file_system, &disk.file_system);
    *root = &disk.root;
    return EFI_SUCCESS;
}

static EFI_STATUS EFIAPI open_protocol(EFI_HANDLE handle, EFI_GUID *protocol, void **interface,
                                       EFI_HANDLE agent, EFI_HANDLE controller, UINT32 attributes)
{
    (void)handle;
    (void)agent;
    (void)controller;
    (void)attributes;
    if (memcmp(protocol, &loaded_image_guid, sizeof(*protocol)) == 0)
        *interface = &disk.image;
    else
        *interface = &disk.file_system;
    return EFI_SUCCESS;
}

static EFI_STATUS EFIAPI close_protocol(EFI_HANDLE handle, EFI_GUID *protocol, EFI_HANDLE agent,
                                        EFI_HANDLE controller)
{
    (void)handle;
    (void)protocol;
    (void)agent;
    (void)controller;
    return EFI_SUCCESS;
}

/* --- One boot --- */

static SIMPLE_TEXT_OUTPUT_INTERFACE con_out = {.OutputString = output_string};
static EFI_SYSTEM_TABLE system_table = {.ConOut = &con_out};
static EFI_BOOT_SERVICES boot_services = {
    .GetMemoryMap = get_memory_map,
    .AllocatePages = allocate_pages,
    .FreePages = free_pages,
    .OpenProtocol = open_protocol,
    .CloseProtocol = close_protocol,
};
static struct uefi uefi;
static struct volume volume;
static struct blob blob;

static void put_file(const char *path, const void *data, uint64_t size_bytes)
{
    size_t i = 0;

    while (disk.files[i].path != NULL)
        i++;
    assert_true(i < FILES_MAX);
    disk.files[i] = (struct fake_file){
        .protocol = {.Close = file_close, .Read = file_read, .GetInfo = file_get_info},
        .path = path,
        .data = data,
        .size_bytes = size_bytes,
        .folder_bytes = size_bytes,
    };
}

static int set_up(void **state)
{
    (void)state;
    memory.low = mmap(NULL, LOW_BYTES, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);
    memory.high =
        mmap(NULL, HIGH_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory.low == MAP_FAILED || memory.high == MAP_FAILED || (uint64_t)memory.high < 4 * GIB)
        return -1;
    memory.map[0] = (EFI_MEMORY_DESCRIPTOR){.Type = EfiConventionalMemory,
                                            .PhysicalStart = (uint64_t)memory.low,
                                            .NumberOfPages = LOW_BYTES / PAGE_SIZE};
    memory.map[1] = (EFI_MEMORY_DESCRIPTOR){.Type = EfiConventionalMemory,
                                            .PhysicalStart = (uint64_t)memory.high,
                                            .NumberOfPages = HIGH_BYTES / PAGE_SIZE};
    memory.pages_taken = 0;
    memory.refused_from = 0;
    memory.refusals = 0;
    memset(&disk, 0, sizeof(disk));
    disk.root.Open = file_open;
    disk.root.Close = file_close;
    disk.file_system.OpenVolume = open_volume;
    disk.image.DeviceHandle = &disk;
    disk.read_bytes_max = UINT64_MAX;
    said[0] = '\0';
    uefi = (struct uefi){.system = &system_table, .services = &boot_services};
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    volume_close(&uefi, &volume);
    uefi_release_all(&uefi);
    assert_int_equal(memory.pages_taken, 0);
    munmap(memory.low, LOW_BYTES);
    munmap(memory.high, HIGH_BYTES);
    return 0;
}

static uint8_t *make_content(uint64_t size_bytes)
{
    uint8_t *content = malloc(size_bytes);
    uint64_t random = 1;

    assert_non_null(content);
    for (uint64_t i = 0; i < size_bytes; i++) {
        random = random * UINT64_C(6364136223846793005) + 1442695040888963407;
        content[i] = (uint8_t)(random >> 56);
    }
    return content;
}

static void assert_said(const char *words)
{
    if (strstr(said, words) == NULL)
        fail_msg("'%s' is not in what was said: %s", words, said);
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
    disk.files[0].folder_bytes = 6000;
    assert_int_equal(volume_read(&uefi, &volume, "\\kernel", UINT64_MAX, &blob), EFI_DEVICE_ERROR);
    assert_said("\\kernel cannot be read (EFI_END_OF_FILE)");

    disk.files[0].folder_bytes = 5000;
    disk.claims_too_much = true;
    assert_int_equal(volume_read(&uefi, &volume, "\\kernel", UINT64_MAX, &blob), EFI_DEVICE_ERROR);
    assert_said("\\kernel cannot be read (EFI_DEVICE_ERROR)");

    disk.files[0].folder_bytes = HIGH_BYTES + MIB;
    assert_int_equal(volume_read(&uefi, &volume, "\\kernel", UINT64_MAX, &blob),
                     EFI_OUT_OF_RESOURCES);
    assert_said("\\kernel needs 65 MiB, and the largest free piece of memory has 63 MiB");
    free(content);
}

/* A firmware that lists memory as free and refuses it: lower places are tried, each further away, and
 * their number is bounded. */
static void test_refused_places(void **state)
{
    uint64_t top = (uint64_t)memory.high + HIGH_BYTES;

    (void)state;
    memory.refused_from = top - 5 * PAGE_SIZE;
    assert_in_range(uefi_allocate(&uefi, PAGE_SIZE, PAGE_SIZE), top - 16 * PAGE_SIZE,
                    memory.refused_from - PAGE_SIZE);
    assert_in_range(memory.refusals, 1, 5);
    memory.refused_from = (uint64_t)memory.high + PAGE_SIZE; /* nearly all of the upper piece */
    assert_non_null(uefi_allocate(&uefi, PAGE_SIZE, PAGE_SIZE));
    memory.refused_from = 1;
    memory.refusals = 0;
    assert_null(uefi_allocate(&uefi, PAGE_SIZE, PAGE_SIZE));
    assert_in_range(memory.refusals, 2, 64);
    uefi.allocation_count = 0; /* the fake gave nothing away */
}

static void test_no_low_memory(void **state)
{
    (void)state;
    memory.map[0].NumberOfPages = 255;
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
    disk.files[1].data = (const uint8_t *)"12345678?";
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
