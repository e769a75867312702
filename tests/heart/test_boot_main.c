// SPDX-License-Identifier: BSD-2-Clause
/* The whole boot stage with a firmware of its own: each of its calls fails once, and its memory map
 * changes while the monitor leaves it. */
#include "tests/unit/unit.h"

#include "boot/main.c"

#include "arch/x86/msr.h"
#include "tests/fake/fake.h"
#include "tests/fake/serial.h"
#include "vmm/base/bits.h"

#include <string.h>
#include <sys/mman.h>

#define ARENA_BYTES      (512 * MIB)
#define RANGES_MAX       400
#define DESCRIPTOR_BYTES 56 /* larger than the struct, as the specification allows */
#define RESERVED_BASE    (1024 * GIB)
#define NO_CALL          UINT32_MAX

/* The image that the monitor believes to be. */
char image_begin[1], image_end[1], text_begin[1], text_end[1], data_begin[1], data_end[1];

/* --- Calls, one of which fails --- */

static struct {
    unsigned calls, fail_at; /* NO_CALL: none fails */
    const char *failed;      /* its name */
    EFI_STATUS error;
    bool is_leaving; /* ExitBootServices was called: only the memory map may be asked for */
    bool has_left;
} firmware;

static bool fails(const char *name)
{
    assert_false(firmware.has_left);
    if (firmware.calls++ != firmware.fail_at)
        return false;
    firmware.failed = name;
    return true;
}

#define SERVICE(name)                                                                              \
    do {                                                                                           \
        assert_false(firmware.is_leaving);                                                         \
        if (fails(name))                                                                           \
            return firmware.error;                                                                 \
    } while (0)

/* --- Memory --- */

static struct {
    uint8_t *arena;
    EFI_MEMORY_DESCRIPTOR ranges[RANGES_MAX];
    size_t range_count;
    UINTN pages_taken;
    UINTN key;
    unsigned changes_left;  /* the map changes as often at ExitBootServices */
    size_t ranges_a_change; /* a change adds so many */
    UINTN last_key;         /* of the map that was read last */
} memory;

static uint64_t end_of(const EFI_MEMORY_DESCRIPTOR *range)
{
    return range->PhysicalStart + range->NumberOfPages * PAGE_SIZE;
}

static void add_range(uint32_t type, uint64_t base, uint64_t size_bytes)
{
    assert_true(memory.range_count < RANGES_MAX);
    memory.ranges[memory.range_count++] = (EFI_MEMORY_DESCRIPTOR){
        .Type = type, .PhysicalStart = base, .NumberOfPages = size_bytes / PAGE_SIZE};
}

static EFI_STATUS EFIAPI get_memory_map(UINTN *size_bytes, EFI_MEMORY_DESCRIPTOR *map, UINTN *key,
                                        UINTN *descriptor_bytes, UINT32 *version)
{
    UINTN capacity_bytes = *size_bytes;

    if (fails("GetMemoryMap"))
        return firmware.error;
    *size_bytes = memory.range_count * DESCRIPTOR_BYTES;
    *descriptor_bytes = DESCRIPTOR_BYTES;
    *version = EFI_MEMORY_DESCRIPTOR_VERSION;
    if (capacity_bytes < *size_bytes)
        return EFI_BUFFER_TOO_SMALL;
    for (size_t i = 0; i < memory.range_count; i++) {
        memset((char *)map + i * DESCRIPTOR_BYTES, 0x5a, DESCRIPTOR_BYTES);
        memcpy((char *)map + i * DESCRIPTOR_BYTES, &memory.ranges[i], sizeof(memory.ranges[i]));
    }
    *key = memory.last_key = memory.key;
    return EFI_SUCCESS;
}

/* The highest pages of the arena, or just those that are asked for. */
static EFI_STATUS EFIAPI allocate_pages(EFI_ALLOCATE_TYPE type, EFI_MEMORY_TYPE memory_type,
                                        UINTN page_count, EFI_PHYSICAL_ADDRESS *base)
{
    SERVICE("AllocatePages");
    assert_int_equal(memory_type, EfiLoaderData);
    if (type == AllocateAnyPages) /* the map's buffer: with nothing mapped behind its last page */
        *base = (EFI_PHYSICAL_ADDRESS)memory.arena + memory.ranges[0].NumberOfPages * PAGE_SIZE -
                page_count * PAGE_SIZE;
    for (size_t i = 0; i < memory.range_count; i++) {
        EFI_MEMORY_DESCRIPTOR *range = &memory.ranges[i];
        EFI_MEMORY_DESCRIPTOR above = *range;
        uint64_t end = *base + page_count * PAGE_SIZE;

        if (range->Type != EfiConventionalMemory || *base < range->PhysicalStart ||
            end > end_of(range))
            continue;
        range->NumberOfPages = (*base - range->PhysicalStart) / PAGE_SIZE;
        add_range(EfiLoaderData, *base, page_count * PAGE_SIZE);
        if (end < end_of(&above))
            add_range(EfiConventionalMemory, end, end_of(&above) - end);
        memory.pages_taken += page_count;
        memory.key++;
        return EFI_SUCCESS;
    }
    return EFI_NOT_FOUND;
}

static EFI_STATUS EFIAPI free_pages(EFI_PHYSICAL_ADDRESS base, UINTN page_count)
{
    (void)fails("FreePages");
    for (size_t i = 0; i < memory.range_count; i++) {
        if (memory.ranges[i].PhysicalStart != base || memory.ranges[i].Type != EfiLoaderData)
            continue;
        assert_int_equal(memory.ranges[i].NumberOfPages, page_count);
        memory.ranges[i].Type = EfiConventionalMemory;
        memory.pages_taken -= page_count;
        /* The latest allocation lies on top of the first range, which grows again. */
        if (end_of(&memory.ranges[0]) == base) {
            memory.ranges[0].NumberOfPages += page_count;
            memory.ranges[i] = memory.ranges[--memory.range_count];
        }
        return EFI_SUCCESS;
    }
    fail_msg("0x%lx is given back and was not taken", (unsigned long)base);
    return EFI_NOT_FOUND;
}

/* --- Screen, keyboard, time --- */

static char said[8192];

static EFI_STATUS EFIAPI output_string(SIMPLE_TEXT_OUTPUT_INTERFACE *console, CHAR16 *text)
{
    size_t length = strlen(said);

    (void)console;
    for (; *text != 0 && length < sizeof(said) - 1; text++) {
        if (*text != '\r')
            said[length++] = (char)*text;
    }
    said[length] = '\0';
    return fails("OutputString") ? firmware.error : EFI_SUCCESS;
}

static EFI_STATUS EFIAPI clear_screen(SIMPLE_TEXT_OUTPUT_INTERFACE *console)
{
    (void)console;
    SERVICE("ClearScreen");
    return EFI_SUCCESS;
}

/* A key is there already, and after a while another one. */
static EFI_STATUS EFIAPI read_key_stroke(SIMPLE_INPUT_INTERFACE *keyboard, EFI_INPUT_KEY *key)
{
    static unsigned looks;

    (void)keyboard;
    if (fails("ReadKeyStroke"))
        return firmware.error;
    memset(key, 0, sizeof(*key));
    return looks++ % 5 == 0 ? EFI_SUCCESS : EFI_NOT_READY;
}

static EFI_STATUS EFIAPI stall_for(UINTN microseconds)
{
    if (fails("Stall"))
        return firmware.error;
    fake_advance(microseconds * (FAKE_TSC_HZ / 1000000));
    return EFI_SUCCESS;
}

static EFI_STATUS EFIAPI set_watchdog_timer(UINTN seconds, UINT64 code, UINTN size, CHAR16 *text)
{
    (void)code;
    (void)size;
    (void)text;
    assert_int_equal(seconds, 0);
    SERVICE("SetWatchdogTimer");
    return EFI_SUCCESS;
}

static EFI_TPL EFIAPI raise_tpl(EFI_TPL level)
{
    assert_int_equal(level, TPL_HIGH_LEVEL);
    return TPL_APPLICATION;
}

static void EFIAPI restore_tpl(EFI_TPL level)
{
    assert_int_equal(level, TPL_APPLICATION);
}

static EFI_STATUS EFIAPI get_time(EFI_TIME *time, EFI_TIME_CAPABILITIES *capabilities)
{
    (void)capabilities;
    memset(time, 0, sizeof(*time));
    SERVICE("GetTime");
    *time = (EFI_TIME){.Year = 2026, .Month = 11, .Day = 30, .TimeZone = EFI_UNSPECIFIED_TIMEZONE};
    return EFI_SUCCESS;
}

/* --- The volume --- */

struct fake_file {
    struct _EFI_FILE_HANDLE protocol; /* first: the handle is its address */
    const char *path;
    const void *data;
    uint64_t size_bytes, at;
};

static const char conf[] = "[monitor]\nschedule = parallel\n"
                           "[guest a]\nkernel = a.bin\nmemory = 4M\ncpus = 2\n"
                           "[guest b]\nkernel = b.bin\nmemory = 2M\n";
static const uint8_t code[] = {0xf4, 0xeb, 0xfd};

static struct fake_file files[] = {
    {.path = "\\portcullis\\portcullis.conf"},
    {.path = "\\portcullis\\a.bin", .data = code, .size_bytes = sizeof(code)},
    {.path = "\\portcullis\\b.bin", .data = code, .size_bytes = sizeof(code)},
};
static unsigned files_open, protocols_open;
static struct _EFI_FILE_HANDLE root;
static EFI_SIMPLE_FILE_SYSTEM_PROTOCOL file_system;
static EFI_LOADED_IMAGE_PROTOCOL loaded_image;

static EFI_STATUS EFIAPI file_open(EFI_FILE_HANDLE folder, EFI_FILE_HANDLE *handle, CHAR16 *path,
                                   UINT64 mode, UINT64 attributes)
{
    (void)folder;
    (void)mode;
    (void)attributes;
    SERVICE("Open");
    for (size_t i = 0; i < ARRAY_COUNT(files); i++) {
        const char *name = files[i].path;
        size_t n = 0;

        while (name[n] != '\0' && path[n] == (CHAR16)name[n])
            n++;
        if (name[n] != '\0' || path[n] != 0)
            continue;
        files[i].at = 0;
        files_open++;
        *handle = &files[i].protocol;
        return EFI_SUCCESS;
    }
    return EFI_NOT_FOUND;
}

static EFI_STATUS EFIAPI file_close(EFI_FILE_HANDLE handle)
{
    (void)handle;
    files_open--;
    return fails("Close") ? firmware.error : EFI_SUCCESS;
}

static EFI_STATUS EFIAPI file_get_info(EFI_FILE_HANDLE handle, EFI_GUID *type, UINTN *size_bytes,
                                       void *buffer)
{
    EFI_FILE_INFO *info = buffer;

    (void)type;
    SERVICE("GetInfo");
    assert_true(*size_bytes >= sizeof(*info));
    memset(info, 0, sizeof(*info));
    info->FileSize = ((struct fake_file *)handle)->size_bytes;
    return EFI_SUCCESS;
}

static EFI_STATUS EFIAPI file_read(EFI_FILE_HANDLE handle, UINTN *size_bytes, void *buffer)
{
    struct fake_file *file = (struct fake_file *)handle;

    SERVICE("Read");
    if (*size_bytes > file->size_bytes - file->at)
        *size_bytes = file->size_bytes - file->at;
    memcpy(buffer, (const char *)file->data + file->at, *size_bytes);
    file->at += *size_bytes;
    return EFI_SUCCESS;
}

static EFI_STATUS EFIAPI open_volume(EFI_SIMPLE_FILE_SYSTEM_PROTOCOL *from, EFI_FILE_HANDLE *handle)
{
    (void)from;
    SERVICE("OpenVolume");
    files_open++;
    *handle = &root;
    return EFI_SUCCESS;
}

/* --- Protocols --- */

struct mp_services_fake {
    EFI_STATUS(EFIAPI *get_number)(void *self, UINTN *all, UINTN *enabled);
    EFI_STATUS(EFIAPI *get_info)(void *self, UINTN number, void *information);
};

static EFI_STATUS EFIAPI get_number_of_processors(void *self, UINTN *all, UINTN *enabled)
{
    (void)self;
    SERVICE("GetNumberOfProcessors");
    *all = 4;
    *enabled = 3;
    return EFI_SUCCESS;
}

/* The third one is not healthy. */
static EFI_STATUS EFIAPI get_processor_info(void *self, UINTN number, void *information)
{
    struct {
        UINT64 id;
        UINT32 flags;
    } *processor = information;

    (void)self;
    SERVICE("GetProcessorInfo");
    processor->id = 2 * number;
    processor->flags = number == 2 ? 2 : 6;
    return EFI_SUCCESS;
}

static struct mp_services_fake mp_services = {get_number_of_processors, get_processor_info};

static EFI_STATUS EFIAPI locate_protocol(EFI_GUID *guid, void *registration, void **interface)
{
    static const EFI_GUID screen = EFI_GRAPHICS_OUTPUT_PROTOCOL_GUID;

    (void)registration;
    SERVICE("LocateProtocol");
    *interface = &mp_services;
    return memcmp(guid, &screen, sizeof(screen)) == 0 ? EFI_NOT_FOUND : EFI_SUCCESS;
}

static EFI_STATUS EFIAPI locate_handle_buffer(EFI_LOCATE_SEARCH_TYPE type, EFI_GUID *guid,
                                              void *key, UINTN *count, EFI_HANDLE **handles)
{
    (void)type;
    (void)guid;
    (void)key;
    (void)count;
    (void)handles;
    SERVICE("LocateHandleBuffer");
    return EFI_NOT_FOUND; /* no PCI devices */
}

static EFI_STATUS EFIAPI open_protocol(EFI_HANDLE handle, EFI_GUID *protocol, void **interface,
                                       EFI_HANDLE agent, EFI_HANDLE controller, UINT32 attributes)
{
    static const EFI_GUID image = EFI_LOADED_IMAGE_PROTOCOL_GUID;

    (void)handle;
    (void)agent;
    (void)controller;
    (void)attributes;
    SERVICE("OpenProtocol");
    *interface = &file_system;
    if (memcmp(protocol, &image, sizeof(image)) == 0)
        *interface = &loaded_image;
    protocols_open++;
    return EFI_SUCCESS;
}

static EFI_STATUS EFIAPI close_protocol(EFI_HANDLE handle, EFI_GUID *protocol, EFI_HANDLE agent,
                                        EFI_HANDLE controller)
{
    (void)handle;
    (void)protocol;
    (void)agent;
    (void)controller;
    protocols_open--;
    return fails("CloseProtocol") ? firmware.error : EFI_SUCCESS;
}

/* --- The end of boot services --- */

static EFI_STATUS EFIAPI exit_boot_services(EFI_HANDLE image, UINTN key)
{
    (void)image;
    firmware.is_leaving = true;
    if (fails("ExitBootServices"))
        return firmware.error;
    if (memory.changes_left > 0) {
        memory.changes_left--;
        memory.key++;
        for (size_t i = 0; i < memory.ranges_a_change; i++)
            add_range(EfiReservedMemoryType, RESERVED_BASE + memory.range_count * 2 * PAGE_SIZE,
                      PAGE_SIZE);
    }
    if (key != memory.key)
        return EFI_INVALID_PARAMETER;
    assert_int_equal(key, memory.last_key);
    firmware.has_left = true;
    return EFI_SUCCESS;
}

static EFI_BOOT_SERVICES services = {
    .GetMemoryMap = get_memory_map,
    .AllocatePages = allocate_pages,
    .FreePages = free_pages,
    .Stall = stall_for,
    .SetWatchdogTimer = set_watchdog_timer,
    .RaiseTPL = raise_tpl,
    .RestoreTPL = restore_tpl,
    .LocateProtocol = locate_protocol,
    .LocateHandleBuffer = locate_handle_buffer,
    .OpenProtocol = open_protocol,
    .CloseProtocol = close_protocol,
    .ExitBootServices = exit_boot_services,
};
static EFI_RUNTIME_SERVICES runtime_services = {.GetTime = get_time};
static SIMPLE_TEXT_OUTPUT_INTERFACE con_out = {.OutputString = output_string,
                                               .ClearScreen = clear_screen};
static SIMPLE_INPUT_INTERFACE con_in = {.ReadKeyStroke = read_key_stroke};
static EFI_SYSTEM_TABLE system_table = {
    .BootServices = &services,
    .RuntimeServices = &runtime_services,
    .ConOut = &con_out,
    .ConIn = &con_in,
};

/* --- One boot --- */

static jmp_buf monitor_started;

/* In place of the monitor: what it is given makes sense. */
void monitor_main(const struct boot_info *info)
{
    uint64_t end = 0;

    assert_true(firmware.has_left);
    assert_int_equal(info->guest_count, 2);
    assert_int_equal(info->guests[0].cpu_count, 2);
    assert_true(is_aligned(info->heap.value, PAGE_SIZE_LARGE));
    assert_true(info->heap_bytes > 0);
    for (size_t i = 0; i < info->guest_count; i++) {
        assert_int_equal(ram_pieces_bytes(&info->guests[i].ram), info->guests[i].memory_bytes);
        for (size_t piece = 0; piece < info->guests[i].ram.count; piece++)
            assert_true(is_aligned(info->guests[i].ram.piece[piece].base.value, PAGE_SIZE_LARGE));
        assert_true(info->guests[i].kernel.size_bytes == sizeof(code));
        assert_memory_equal(info->guests[i].kernel.data, code, sizeof(code));
    }
    assert_true(info->memory_count > 0);
    for (size_t i = 0; i < info->memory_count; i++) {
        assert_true(info->memory[i].base.value >= end);
        end = info->memory[i].base.value + info->memory[i].size_bytes;
    }
    longjmp(monitor_started, 1);
}

static void reset_firmware(unsigned fail_at)
{
    memset(&firmware, 0, sizeof(firmware));
    firmware.fail_at = fail_at;
    firmware.error = EFI_DEVICE_ERROR;
    memory.range_count = 0;
    add_range(EfiConventionalMemory, (uint64_t)memory.arena, ARENA_BYTES);
    add_range(EfiConventionalMemory, 0x10000, 0x8f000);
    add_range(EfiMemoryMappedIO, 0xfec00000, PAGE_SIZE);
    add_range(EfiRuntimeServicesData, 0x7ff00000, MIB);
    memory.pages_taken = 0;
    memory.changes_left = 0;
    memory.ranges_a_change = 0;
    files_open = protocols_open = 0;
    said[0] = '\0';
    /* The boot stage runs once in a machine's life. */
    memset(&uefi, 0, sizeof(uefi));
    memset(&volume, 0, sizeof(volume));
    memset(&config, 0, sizeof(config));
    memset(&boot, 0, sizeof(boot));
}

/* Boots. Returns whether the monitor started. If not, all is given back, and a message says why. */
static bool boots(void)
{
    EFI_STATUS status;

    if (setjmp(monitor_started) != 0)
        return true;
    status = boot_main(&loaded_image, &system_table);
    if (!EFI_ERROR(status))
        fail_msg("success, with %s failed", firmware.failed);
    assert_int_equal(memory.pages_taken, 0);
    assert_int_equal(files_open, 0);
    assert_int_equal(protocols_open, 0);
    assert_non_null(strstr(said, "portcullis: nothing was started"));
    return false;
}

static int set_up(void **state)
{
    (void)state;
    if (memory.arena == NULL) {
        /* Below 4 GiB, where files are read to. */
        memory.arena = mmap(NULL, ARENA_BYTES + PAGE_SIZE_LARGE, PROT_READ | PROT_WRITE,
                            MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_32BIT, -1, 0);
        if (memory.arena == MAP_FAILED)
            return -1;
        memory.arena = (uint8_t *)align_up((uint64_t)memory.arena, PAGE_SIZE_LARGE);
    }
    for (size_t i = 0; i < ARRAY_COUNT(files); i++)
        files[i].protocol = (struct _EFI_FILE_HANDLE){
            .Close = file_close, .Read = file_read, .GetInfo = file_get_info};
    files[0].data = conf;
    files[0].size_bytes = sizeof(conf) - 1;
    root = (struct _EFI_FILE_HANDLE){.Open = file_open, .Close = file_close};
    file_system.OpenVolume = open_volume;
    loaded_image.DeviceHandle = &files;
    reset_firmware(NO_CALL);
    return 0;
}

static void test_boots(void **state)
{
    (void)state;
    if (!boots())
        fail_msg("refused: %s", said);
    assert_non_null(strstr(said, "guest 'a': "));
    assert_int_equal(boot.cpu_count, 3);
    assert_int_equal(boot.cpu_apic_ids[2], 6);
    assert_int_equal(boot.console_port, 0x3f8);
    assert_true(boot.ap_area.value != 0 && boot.ap_area.value < MIB);
    assert_int_equal(boot.wall_clock_seconds, 1795996800);
    assert_int_equal(boot.tsc.frequency_hz, FAKE_TSC_HZ);
}

/* Whichever call fails, the monitor starts without what it asked for, or refuses and leaves nothing
 * behind. */
static void fail_each_call(EFI_STATUS error)
{
    unsigned starts = 0, refusals = 0, call;

    for (call = 0;; call++) {
        reset_firmware(call);
        firmware.error = error;
        if (boots())
            starts++;
        else
            refusals++;
        if (firmware.failed == NULL)
            break;
    }
    assert_true(call > 100);
    assert_true(starts > 10);
    assert_true(refusals > 10);
}

static void test_each_call_fails_once(void **state)
{
    (void)state;
    fail_each_call(EFI_DEVICE_ERROR);
    fail_each_call(EFI_OUT_OF_RESOURCES);
    fail_each_call(EFI_NOT_FOUND);
}

static size_t count_reserved(void)
{
    size_t count = 0;

    for (size_t i = 0; i < boot.memory_count; i++)
        count += boot.memory[i].base.value >= RESERVED_BASE;
    return count;
}

/* The map changes between GetMemoryMap and ExitBootServices: the monitor takes the last one, and
 * tries eight times in all. */
static void test_map_changes(void **state)
{
    (void)state;
    for (unsigned changes = 0; changes < 8; changes++) {
        reset_firmware(NO_CALL);
        memory.changes_left = changes;
        memory.ranges_a_change = 3;
        assert_true(boots());
        assert_int_equal(count_reserved(), 3 * changes);
    }
    reset_firmware(NO_CALL);
    memory.changes_left = 8;
    assert_false(boots());
    assert_non_null(strstr(said, "does not let go of the machine (EFI_INVALID_PARAMETER)"));
}

/* The map outgrows the buffer, which has room for 64 more descriptors and the rest of its page. */
static void test_map_grows(void **state)
{
    (void)state;
    memory.changes_left = 1;
    memory.ranges_a_change = 60;
    assert_true(boots());
    assert_int_equal(count_reserved(), 60);
    reset_firmware(NO_CALL);
    memory.changes_left = 1;
    memory.ranges_a_change = 300;
    assert_false(boots());
    assert_non_null(strstr(said, "gives no memory map (EFI_BUFFER_TOO_SMALL)"));
}

static void expect_refusal(const char *text)
{
    assert_false(boots());
    if (strstr(said, text) == NULL)
        fail_msg("expected '%s' in: %s", text, said);
}

/* A reserved hole of 64 MiB in the arena: RAM that does not fit on one side lies on both. */
static void boot_with_a_hole(const char *text)
{
    uint64_t hole = (uint64_t)memory.arena + 192 * MIB;

    reset_firmware(NO_CALL);
    memory.ranges[0].NumberOfPages = 192 * MIB / PAGE_SIZE;
    add_range(EfiReservedMemoryType, hole, 64 * MIB);
    add_range(EfiConventionalMemory, hole + 64 * MIB, ARENA_BYTES - 256 * MIB);
    files[0].data = text;
    files[0].size_bytes = strlen(text);
}

static void test_ram_in_pieces(void **state)
{
    (void)state;
    boot_with_a_hole("[guest a]\nkernel = a.bin\nmemory = 320M\ncpus = 2\n"
                     "[guest b]\nkernel = b.bin\nmemory = 2M\n");
    assert_true(boots());
    assert_int_equal(boot.guests[0].ram.count, 2);
    assert_int_equal(boot.guests[1].ram.count, 1);
    /* The guests of a sequence share the largest one's. */
    boot_with_a_hole("[monitor]\nschedule = sequence\n"
                     "[guest a]\nkernel = a.bin\nmemory = 4M\ncpus = 2\n"
                     "[guest b]\nkernel = b.bin\nmemory = 320M\n");
    assert_true(boots());
    assert_int_equal(boot.guests[1].ram.count, 2);
    assert_int_equal(boot.guests[0].ram.count, 1);
    assert_int_equal(boot.guests[0].ram.piece[0].base.value,
                     boot.guests[1].ram.piece[0].base.value);
    boot_with_a_hole("[guest a]\nkernel = a.bin\nmemory = 600M\n");
    assert_false(boots());
    assert_non_null(strstr(said, "portcullis.conf:3: guest 'a' wants 600 MiB of memory"));
    assert_non_null(strstr(said, "write memory = "));
}

static void test_refusals(void **state)
{
    static const char too_large[] = "[guest a]\nkernel = a.bin\nmemory = 1G\n";
    static const char no_kernel[] = "[guest a]\nkernel = c.bin\nmemory = 4M\n";
    static const char wrong[] = "[guest a]\nkernal = a.bin\n";
    static const struct {
        const char *conf, *text;
    } cases[] = {
        {too_large, "guest 'a' wants 1024 MiB of memory, and"},
        {no_kernel, "portcullis.conf:2: there is no \\portcullis\\c.bin on the volume"},
        {wrong, "portcullis.conf:2: unknown key 'kernal'"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        reset_firmware(NO_CALL);
        files[0].data = cases[i].conf;
        files[0].size_bytes = strlen(cases[i].conf);
        expect_refusal(cases[i].text);
    }
    reset_firmware(NO_CALL);
    files[0].size_bytes = 2 * MIB;
    expect_refusal("portcullis.conf has 2097152 bytes");
    reset_firmware(NO_CALL);
    loaded_image.DeviceHandle = NULL;
    expect_refusal("cannot be read (EFI_NOT_FOUND)");
}

/* The serial port is missing: without a screen the monitor refuses, with one it goes on unseen, and
 * refuses if the port is configured. */
static void test_no_serial_port(void **state)
{
    static const char text[] =
        "[monitor]\nconsole = 0x9000\n[guest a]\nkernel = a.bin\nmemory = 4M\n";

    (void)state;
    files[0].data = text;
    files[0].size_bytes = strlen(text);
    expect_refusal("portcullis.conf:2: there is no serial port at I/O port 0x9000");
}

/* A processor without VT-x is refused by name, and a firmware that has locked VT-x out. */
static void test_processors_without_vmx(void **state)
{
    struct cpuid_result features = fake_get_cpuid(1, 0), without = features;
    uint64_t control = fake_get_msr(0, IA32_FEATURE_CONTROL);

    (void)state;
    without.ecx &= ~(uint32_t)BIT(5);
    fake_set_cpuid(1, 0, without);
    expect_refusal("VT-x");
    fake_set_cpuid(1, 0, features);
    reset_firmware(NO_CALL);
    fake_set_msr(-1, IA32_FEATURE_CONTROL, 1);
    expect_refusal("firmware");
    fake_set_msr(-1, IA32_FEATURE_CONTROL, control);
    reset_firmware(NO_CALL);
    assert_true(boots());
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_boots, set_up),
        cmocka_unit_test_setup(test_each_call_fails_once, set_up),
        cmocka_unit_test_setup(test_map_changes, set_up),
        cmocka_unit_test_setup(test_map_grows, set_up),
        cmocka_unit_test_setup(test_ram_in_pieces, set_up),
        cmocka_unit_test_setup(test_refusals, set_up),
        cmocka_unit_test_setup(test_no_serial_port, set_up),
        cmocka_unit_test_setup(test_processors_without_vmx, set_up),
    };

    fake_begin(1);
    fake_serial_begin(false);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
