// SPDX-License-Identifier: BSD-2-Clause
#include "boot/uefi.h"

#include "boot/messages.h"
#include "vmm/base/bits.h"
#include "vmm/base/format.h"

#include <string.h>

/* --- Console --- */

#define DROPPED_KEYS_MAX 256 /* a limit, as a key may be held down */
#define LOOKS_PER_SECOND 20

void uefi_print(struct uefi *uefi, const char *text)
{
    SIMPLE_TEXT_OUTPUT_INTERFACE *console = uefi->system->ConOut;
    CHAR16 piece[64];
    size_t used = 0;

    if (console == NULL)
        return; /* a machine without any console */
    for (; *text != '\0'; text++) {
        unsigned char c = (unsigned char)*text;

        if (c == '\n')
            piece[used++] = '\r';
        piece[used++] = c < 0x80 ? c : '?';
        if (used + 3 > ARRAY_COUNT(piece)) {
            piece[used] = 0;
            console->OutputString(console, piece);
            used = 0;
        }
    }
    piece[used] = 0;
    if (used > 0)
        console->OutputString(console, piece);
}

static void say(struct uefi *uefi, const char *format, va_list arguments)
{
    char text[701];

    format_text_v(text, sizeof(text), format, arguments);
    format_text(uefi->last_said, sizeof(uefi->last_said), "%s", text);
    uefi_print(uefi, "portcullis: ");
    uefi_print(uefi, text);
    uefi_print(uefi, "\n");
}

void uefi_say(struct uefi *uefi, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    say(uefi, format, arguments);
    va_end(arguments);
}

EFI_STATUS uefi_refuse(struct uefi *uefi, EFI_STATUS status, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    say(uefi, format, arguments);
    va_end(arguments);
    return status;
}

void uefi_clear_screen(struct uefi *uefi)
{
    SIMPLE_TEXT_OUTPUT_INTERFACE *console = uefi->system->ConOut;

    if (console != NULL)
        console->ClearScreen(console);
}

bool uefi_has_screen(struct uefi *uefi)
{
    static EFI_GUID guid = EFI_GRAPHICS_OUTPUT_PROTOCOL_GUID;
    void *adapter;

    return uefi->system->ConOut != NULL &&
           !EFI_ERROR(uefi->services->LocateProtocol(&guid, NULL, &adapter));
}

static bool read_key(struct uefi *uefi)
{
    SIMPLE_INPUT_INTERFACE *keyboard = uefi->system->ConIn;
    EFI_INPUT_KEY key;

    return keyboard != NULL && !EFI_ERROR(keyboard->ReadKeyStroke(keyboard, &key));
}

void uefi_drop_keys(struct uefi *uefi)
{
    for (unsigned i = 0; i < DROPPED_KEYS_MAX && read_key(uefi); i++)
        ;
}

void uefi_wait_for_key(struct uefi *uefi, unsigned seconds)
{
    for (unsigned i = 0; i < seconds * LOOKS_PER_SECOND && !read_key(uefi); i++)
        uefi->services->Stall(1000000 / LOOKS_PER_SECOND);
}

const char *uefi_status_name(EFI_STATUS status)
{
    static const char *const names[] = {
        [1] = "EFI_LOAD_ERROR",       [2] = "EFI_INVALID_PARAMETER",
        [3] = "EFI_UNSUPPORTED",      [4] = "EFI_BAD_BUFFER_SIZE",
        [5] = "EFI_BUFFER_TOO_SMALL", [6] = "EFI_NOT_READY",
        [7] = "EFI_DEVICE_ERROR",     [8] = "EFI_WRITE_PROTECTED",
        [9] = "EFI_OUT_OF_RESOURCES", [10] = "EFI_VOLUME_CORRUPTED",
        [11] = "EFI_VOLUME_FULL",     [12] = "EFI_NO_MEDIA",
        [13] = "EFI_MEDIA_CHANGED",   [14] = "EFI_NOT_FOUND",
        [15] = "EFI_ACCESS_DENIED",   [18] = "EFI_TIMEOUT",
        [21] = "EFI_ABORTED",         [26] = "EFI_SECURITY_VIOLATION",
        [31] = "EFI_END_OF_FILE",
    };
    UINTN code = status & ~EFI_ERROR_MASK;

    if (!EFI_ERROR(status))
        return status == EFI_SUCCESS ? "EFI_SUCCESS" : "a warning";
    return code < ARRAY_COUNT(names) && names[code] != NULL ? names[code] : "an unknown error";
}

/* --- ACPI --- */

/* Returns the root pointer of the newest revision that the firmware has; 0 if there is none. */
static hpa_t find_rsdp(const struct uefi *uefi)
{
    static const EFI_GUID acpi_20 = ACPI_20_TABLE_GUID, acpi_10 = ACPI_TABLE_GUID;
    const EFI_SYSTEM_TABLE *system = uefi->system;
    hpa_t rsdp = HPA(0);

    for (UINTN i = 0; i < system->NumberOfTableEntries; i++) {
        const EFI_CONFIGURATION_TABLE *table = &system->ConfigurationTable[i];

        if (memcmp(&table->VendorGuid, &acpi_20, sizeof(acpi_20)) == 0)
            return HPA((uint64_t)table->VendorTable);
        if (memcmp(&table->VendorGuid, &acpi_10, sizeof(acpi_10)) == 0)
            rsdp = HPA((uint64_t)table->VendorTable);
    }
    return rsdp;
}

/* Returns the address itself: the firmware's page tables map all that its tables point to. */
static const void *acpi_memory(void *context, uint64_t address, uint64_t size_bytes)
{
    (void)context;
    (void)size_bytes; /* the caller has checked that it does not wrap */
    return (const void *)address;
}

void uefi_read_acpi(struct uefi *uefi, struct host_acpi *acpi)
{
    enum status status = host_acpi_read(acpi, find_rsdp(uefi), acpi_memory, NULL);

    if (status != STATUS_OK)
        uefi_say(uefi, MSG_NO_ACPI, status_name(status));
}

/* --- Memory --- */

/* Each allocation may add descriptors, also the allocation for the map itself. */
#define MAP_SPARE_DESCRIPTORS 64

EFI_STATUS uefi_read_memory_map(struct uefi *uefi, struct uefi_memory_map *map)
{
    UINT32 version;
    EFI_STATUS status;

    if (map->descriptors == NULL) {
        UINTN wanted_bytes = 0;

        status = uefi->services->GetMemoryMap(&wanted_bytes, NULL, &map->key,
                                              &map->descriptor_bytes, &version);
        if (status != EFI_BUFFER_TOO_SMALL)
            return EFI_ERROR(status) ? status : EFI_DEVICE_ERROR;
        if (map->descriptor_bytes < sizeof(EFI_MEMORY_DESCRIPTOR))
            return EFI_INCOMPATIBLE_VERSION;
        wanted_bytes += MAP_SPARE_DESCRIPTORS * map->descriptor_bytes;
        map->capacity_bytes = align_up(wanted_bytes, PAGE_SIZE);
        if (uefi->allocation_count < UEFI_ALLOCATIONS_MAX) {
            EFI_PHYSICAL_ADDRESS base = 0;

            /* uefi_allocate cannot be used: it needs a map itself. */
            status = uefi->services->AllocatePages(AllocateAnyPages, EfiLoaderData,
                                                   map->capacity_bytes / PAGE_SIZE, &base);
            if (EFI_ERROR(status))
                return EFI_OUT_OF_RESOURCES;
            uefi->allocations[uefi->allocation_count++] = (struct uefi_allocation){
                .base = base, .page_count = map->capacity_bytes / PAGE_SIZE};
            map->descriptors = (void *)base;
        } else {
            return EFI_OUT_OF_RESOURCES;
        }
    }
    map->size_bytes = map->capacity_bytes;
    status = uefi->services->GetMemoryMap(&map->size_bytes, map->descriptors, &map->key,
                                          &map->descriptor_bytes, &version);
    if (!EFI_ERROR(status) && map->descriptor_bytes < sizeof(EFI_MEMORY_DESCRIPTOR))
        return EFI_INCOMPATIBLE_VERSION;
    return status;
}

/* Gives back the latest allocation. */
static void release_last(struct uefi *uefi)
{
    struct uefi_allocation *last = &uefi->allocations[--uefi->allocation_count];

    uefi->services->FreePages(last->base, last->page_count);
}

void uefi_release_newest(struct uefi *uefi, size_t count)
{
    while (count-- > 0 && uefi->allocation_count > 0)
        release_last(uefi);
}

void uefi_release_all(struct uefi *uefi)
{
    uefi_release_newest(uefi, uefi->allocation_count);
}

/* A request for memory, and the places that the firmware has refused although its map lists them as
 * free. */
struct request {
    uint64_t size_bytes, alignment_bytes, limit;
    unsigned refused_count;
    EFI_PHYSICAL_ADDRESS lowest_refused, highest_refused;
};

static bool take_place(struct uefi *uefi, struct request *request, EFI_PHYSICAL_ADDRESS place)
{
    if (!EFI_ERROR(uefi->services->AllocatePages(AllocateAddress, EfiLoaderData,
                                                 request->size_bytes / PAGE_SIZE, &place)))
        return true;
    if (request->refused_count++ == 0)
        request->highest_refused = place;
    request->lowest_refused = place;
    return false;
}

/* Tries places within a free range, whose highest is `place`, and returns the one that the firmware
 * gives; 0 if it refuses all. Each step down is twice as far as the last one, so that a few dozen
 * of them reach the range's lowest place, which is the last try. */
static EFI_PHYSICAL_ADDRESS take_within(struct uefi *uefi, struct request *request,
                                        const struct efi_range *range, EFI_PHYSICAL_ADDRESS place)
{
    uint64_t lowest = align_up(range->base.value, request->alignment_bytes);

    if (lowest == 0)
        lowest = request->alignment_bytes; /* address 0 is never used */
    for (uint64_t step = request->alignment_bytes;; step *= 2) {
        if (take_place(uefi, request, place))
            return place;
        if (place == lowest)
            return 0;
        place = place - lowest > step ? place - step : lowest;
    }
}

/* Returns the highest place for the request below `below` in the map's free ranges, and its range;
 * 0 if there is none. AllocateAnyPages has no alignment, so the monitor chooses places itself. */
static EFI_PHYSICAL_ADDRESS find_place(const struct uefi_memory_map *map,
                                       const struct request *request, uint64_t below,
                                       struct efi_range *range)
{
    EFI_PHYSICAL_ADDRESS best = 0;

    for (size_t i = 0; i < uefi_descriptor_count(map); i++) {
        const struct efi_range free = uefi_range(uefi_descriptor(map, i));
        uint64_t place = free.type == EfiConventionalMemory
                             ? memory_highest_place(&free, request->size_bytes,
                                                    request->alignment_bytes, request->limit)
                             : 0;

        if (place > best && place < below) {
            best = place;
            *range = free;
        }
    }
    return best;
}

/* Takes the highest place that the firmware gives. Some firmware lists memory as free and refuses
 * it all the same, OVMF for one: then the next lower place is tried, range by range. */
static EFI_PHYSICAL_ADDRESS take_highest(struct uefi *uefi, struct request *request)
{
    struct uefi_memory_map map = {.descriptors = NULL};
    EFI_PHYSICAL_ADDRESS place = UINT64_MAX, taken = 0;
    struct efi_range range;

    if (EFI_ERROR(uefi_read_memory_map(uefi, &map)))
        return 0;
    while (taken == 0 && (place = find_place(&map, request, place, &range)) != 0)
        taken = take_within(uefi, request, &range, place);
    release_last(uefi); /* the map */
    return taken;
}

/* Makes the allocation. Returns null if it cannot be made; *request says which places were tried. */
static void *allocate(struct uefi *uefi, struct request *request)
{
    EFI_PHYSICAL_ADDRESS place;

    if (uefi->allocation_count == UEFI_ALLOCATIONS_MAX)
        return NULL;
    place = take_highest(uefi, request);
    if (place == 0)
        return NULL;
    uefi->allocations[uefi->allocation_count++] =
        (struct uefi_allocation){.base = place, .page_count = request->size_bytes / PAGE_SIZE};
    return (void *)place;
}

static void say_refused(struct uefi *uefi, const struct request *request)
{
    if (request->refused_count != 0)
        uefi_say(uefi, MSG_REFUSED_PLACES, (unsigned long long)(request->size_bytes / 1024),
                 request->refused_count, (unsigned long long)request->lowest_refused,
                 (unsigned long long)request->highest_refused);
}

void *uefi_allocate_below(struct uefi *uefi, uint64_t size_bytes, uint64_t alignment_bytes,
                          uint64_t limit)
{
    struct request request = {.alignment_bytes = alignment_bytes, .limit = limit};
    void *memory;

    if (size_bytes == 0 || size_bytes > UINT64_MAX - PAGE_SIZE)
        return NULL;
    request.size_bytes = align_up(size_bytes, PAGE_SIZE);
    memory = allocate(uefi, &request);
    if (memory == NULL)
        say_refused(uefi, &request);
    return memory;
}

void *uefi_allocate(struct uefi *uefi, uint64_t size_bytes, uint64_t alignment_bytes)
{
    return uefi_allocate_below(uefi, size_bytes, alignment_bytes, UINT64_MAX);
}

void *uefi_allocate_piece(struct uefi *uefi, uint64_t *size_bytes, uint64_t alignment_bytes)
{
    struct request request = {.alignment_bytes = alignment_bytes, .limit = UINT64_MAX};
    uint64_t largest_bytes = uefi_largest_free(uefi, alignment_bytes);
    uint64_t wanted_bytes = *size_bytes < largest_bytes ? *size_bytes : largest_bytes;

    wanted_bytes = align_down(wanted_bytes, alignment_bytes);
    for (; wanted_bytes != 0; wanted_bytes = align_down(wanted_bytes / 2, alignment_bytes)) {
        void *memory;

        request.size_bytes = wanted_bytes;
        request.refused_count = 0;
        memory = allocate(uefi, &request);
        if (memory != NULL) {
            *size_bytes = wanted_bytes;
            return memory;
        }
    }
    say_refused(uefi, &request);
    return NULL;
}

uint64_t uefi_largest_free(struct uefi *uefi, uint64_t alignment_bytes)
{
    struct uefi_memory_map map = {.descriptors = NULL};
    uint64_t largest = 0;

    if (EFI_ERROR(uefi_read_memory_map(uefi, &map)))
        return 0;
    for (size_t i = 0; i < uefi_descriptor_count(&map); i++) {
        const EFI_MEMORY_DESCRIPTOR *descriptor = uefi_descriptor(&map, i);
        uint64_t start, end = descriptor->PhysicalStart + descriptor->NumberOfPages * PAGE_SIZE;

        if (descriptor->Type != EfiConventionalMemory)
            continue;
        start = align_up(descriptor->PhysicalStart, alignment_bytes);
        if (start == 0)
            start = alignment_bytes;
        if (end > start && align_down(end - start, alignment_bytes) > largest)
            largest = align_down(end - start, alignment_bytes);
    }
    release_last(uefi); /* the map */
    return largest;
}
