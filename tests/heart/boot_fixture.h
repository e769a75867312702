// SPDX-License-Identifier: BSD-2-Clause
/* The whole boot stage with a firmware of its own, from its first call to the monitor's start. */
#ifndef TESTS_HEART_BOOT_FIXTURE_H
#define TESTS_HEART_BOOT_FIXTURE_H

#include "tests/unit/firmware_fixture.h"

#include "boot/main.c"

#include "tests/fake/fake.h"
#include "tests/fake/serial.h"

#include <sys/mman.h>

#define ARENA_BYTES   (512 * MIB)
#define RESERVED_BASE (1024 * GIB)

/* The image that the monitor believes to be. */
char image_begin[1], image_end[1], text_begin[1], text_end[1], data_begin[1], data_end[1];

static uint8_t *arena; /* the free memory above 1 MiB */

/* --- Keyboard, time --- */

/* A key is there already, and after a while another one. */
static EFI_STATUS EFIAPI read_key_stroke(SIMPLE_INPUT_INTERFACE *keyboard, EFI_INPUT_KEY *key)
{
    static unsigned looks;

    (void)keyboard;
    if (firmware_fails("ReadKeyStroke"))
        return firmware.error;
    memset(key, 0, sizeof(*key));
    return looks++ % 5 == 0 ? EFI_SUCCESS : EFI_NOT_READY;
}

static EFI_STATUS EFIAPI stall_for(UINTN microseconds)
{
    if (firmware_fails("Stall"))
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
    FIRMWARE_CALL("SetWatchdogTimer");
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
    FIRMWARE_CALL("GetTime");
    *time = (EFI_TIME){.Year = 2026, .Month = 11, .Day = 30, .TimeZone = EFI_UNSPECIFIED_TIMEZONE};
    return EFI_SUCCESS;
}

/* --- Processors; no screen adapter, no PCI devices --- */

struct mp_services_fake {
    EFI_STATUS(EFIAPI *get_number)(void *self, UINTN *all, UINTN *enabled);
    EFI_STATUS(EFIAPI *get_info)(void *self, UINTN number, void *information);
};

static EFI_STATUS EFIAPI get_number_of_processors(void *self, UINTN *all, UINTN *enabled)
{
    (void)self;
    FIRMWARE_CALL("GetNumberOfProcessors");
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
    FIRMWARE_CALL("GetProcessorInfo");
    processor->id = 2 * number;
    processor->flags = number == 2 ? 2 : 6;
    return EFI_SUCCESS;
}

static struct mp_services_fake mp_services = {get_number_of_processors, get_processor_info};

static EFI_STATUS EFIAPI locate_protocol(EFI_GUID *guid, void *registration, void **interface)
{
    static const EFI_GUID screen = EFI_GRAPHICS_OUTPUT_PROTOCOL_GUID;

    (void)registration;
    FIRMWARE_CALL("LocateProtocol");
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
    FIRMWARE_CALL("LocateHandleBuffer");
    return EFI_NOT_FOUND; /* no PCI devices */
}

/* --- The end of boot services --- */

static struct {
    unsigned left; /* the map changes as often at ExitBootServices */
    size_t ranges; /* a change adds so many */
} map_changes;

static EFI_STATUS EFIAPI exit_boot_services(EFI_HANDLE image, UINTN key)
{
    (void)image;
    firmware.is_leaving = true;
    if (firmware_fails("ExitBootServices"))
        return firmware.error;
    if (map_changes.left > 0) {
        map_changes.left--;
        firmware.key++;
        for (size_t i = 0; i < map_changes.ranges; i++)
            firmware_add_range(EfiReservedMemoryType,
                               RESERVED_BASE + firmware.range_count * 2 * PAGE_SIZE, PAGE_SIZE);
    }
    if (key != firmware.key)
        return EFI_INVALID_PARAMETER;
    assert_int_equal(key, firmware.last_key);
    firmware.has_left = true;
    return EFI_SUCCESS;
}

/* --- One boot --- */

static const char conf[] = "[monitor]\nschedule = parallel\n"
                           "[guest a]\nkernel = a.bin\nmemory = 4M\ncpus = 2\n"
                           "[guest b]\nkernel = b.bin\nmemory = 2M\n";
static const uint8_t code[] = {0xf4, 0xeb, 0xfd};

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

static inline void set_configuration(const char *text)
{
    firmware_put_file("\\portcullis\\portcullis.conf", text, strlen(text));
}

/* Switches the machine on, with a firmware whose call of this number fails. */
static inline void reset(unsigned fail_at)
{
    static EFI_RUNTIME_SERVICES runtime_services = {.GetTime = get_time};
    static SIMPLE_INPUT_INTERFACE keyboard = {.ReadKeyStroke = read_key_stroke};

    firmware_reset();
    firmware.fail_at = fail_at;
    firmware.any_is_in_first_range = true;
    firmware_add_range(EfiConventionalMemory, (uint64_t)arena, ARENA_BYTES);
    firmware_add_range(EfiConventionalMemory, 0x10000, 0x8f000);
    firmware_add_range(EfiMemoryMappedIO, 0xfec00000, PAGE_SIZE);
    firmware_add_range(EfiRuntimeServicesData, 0x7ff00000, MIB);
    memset(&map_changes, 0, sizeof(map_changes));
    set_configuration(conf);
    firmware_put_file("\\portcullis\\a.bin", code, sizeof(code));
    firmware_put_file("\\portcullis\\b.bin", code, sizeof(code));
    firmware.services.Stall = stall_for;
    firmware.services.SetWatchdogTimer = set_watchdog_timer;
    firmware.services.RaiseTPL = raise_tpl;
    firmware.services.RestoreTPL = restore_tpl;
    firmware.services.LocateProtocol = locate_protocol;
    firmware.services.LocateHandleBuffer = locate_handle_buffer;
    firmware.services.ExitBootServices = exit_boot_services;
    firmware.system.RuntimeServices = &runtime_services;
    firmware.system.ConIn = &keyboard;
    /* The boot stage runs once in a machine's life. */
    memset(&uefi, 0, sizeof(uefi));
    memset(&volume, 0, sizeof(volume));
    memset(&config, 0, sizeof(config));
    memset(&boot, 0, sizeof(boot));
}

/* Boots. Returns whether the monitor started. If not, all is given back, and a message says why. */
static inline bool boots(void)
{
    EFI_STATUS status;

    if (setjmp(monitor_started) != 0)
        return true;
    status = boot_main(&firmware.image, &firmware.system);
    if (!EFI_ERROR(status))
        fail_msg("success, with %s failed", firmware.failed);
    assert_int_equal(firmware.pages_taken, 0);
    assert_int_equal(firmware.files_open, 0);
    assert_int_equal(firmware.protocols_open, 0);
    assert_non_null(strstr(firmware.said, "portcullis: nothing was started"));
    return false;
}

/* Boots, and fails the test unless the monitor refuses to start with this text. */
static inline void expect_refusal(const char *text)
{
    assert_false(boots());
    assert_said(text);
}

static inline int set_up(void **state)
{
    (void)state;
    if (arena == NULL) {
        /* Below 4 GiB, where files are read to. */
        arena = mmap(NULL, ARENA_BYTES + PAGE_SIZE_LARGE, PROT_READ | PROT_WRITE,
                     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_32BIT, -1, 0);
        if (arena == MAP_FAILED)
            return -1;
        arena = (uint8_t *)align_up((uint64_t)arena, PAGE_SIZE_LARGE);
    }
    reset(FIRMWARE_NO_CALL);
    return 0;
}

#endif
