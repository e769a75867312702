// SPDX-License-Identifier: BSD-2-Clause
/* The interface that the loaders of all formats share; used only inside vmm/loader. */
#ifndef VMM_LOADER_FORMAT_H
#define VMM_LOADER_FORMAT_H

#include "vmm/loader/loader.h"

#include <string.h>

/* The names that a refusal mentions, and the buffer for its text. */
struct loader_report {
    const char *guest_name;
    const char *kernel_file;
    const char *initrd_file;
    char *message;
    size_t message_bytes;
};

/* Writes "guest 'NAME': FILE: TEXT" to the report's message and returns status. */
enum status loader_refuse(const struct loader_report *report, const char *file, enum status status,
                          const char *format, ...) __attribute__((format(printf, 4, 5)));

/* The loader of one format. check and load do what loader_check and loader_load do. */
struct loader {
    const char *name;
    enum status (*check)(const struct guest_config *guest, const struct loader_report *report);
    /* Called only after check succeeded. */
    void (*load)(const struct guest_config *guest, uint8_t *ram, gpa_t acpi_rsdp,
                 struct loader_entry *entry);
};

extern const struct loader loader_bzimage;
extern const struct loader loader_multiboot;
extern const struct loader loader_flat;

/* Read and write little-endian fields of files and of the guest's structures, at any alignment. */
static inline uint16_t load_u16(const uint8_t *from)
{
    uint16_t value;

    memcpy(&value, from, sizeof(value));
    return value;
}

static inline uint32_t load_u32(const uint8_t *from)
{
    uint32_t value;

    memcpy(&value, from, sizeof(value));
    return value;
}

static inline uint64_t load_u64(const uint8_t *from)
{
    uint64_t value;

    memcpy(&value, from, sizeof(value));
    return value;
}

static inline void store_u16(uint8_t *to, uint16_t value)
{
    memcpy(to, &value, sizeof(value));
}

static inline void store_u32(uint8_t *to, uint32_t value)
{
    memcpy(to, &value, sizeof(value));
}

static inline void store_u64(uint8_t *to, uint64_t value)
{
    memcpy(to, &value, sizeof(value));
}

#endif
