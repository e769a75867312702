// SPDX-License-Identifier: BSD-2-Clause
#include "vmm/acpi/table.h"

#include <string.h>

uint8_t acpi_checksum(const void *bytes, size_t size_bytes)
{
    const uint8_t *byte = bytes;
    uint8_t sum = 0;

    for (size_t i = 0; i < size_bytes; i++)
        sum = (uint8_t)(sum + byte[i]);
    return (uint8_t)(0 - sum);
}

struct acpi_header acpi_begin(const char *signature, uint8_t revision, size_t length_bytes)
{
    struct acpi_header result = {
        .length = (uint32_t)length_bytes,
        .revision = revision,
        .oem_revision = 1,
        .creator_revision = 1,
    };

    memcpy(result.signature, signature, sizeof(result.signature));
    memcpy(result.oem_id, ACPI_OEM_ID, sizeof(result.oem_id));
    memcpy(result.oem_table_id, ACPI_OEM_TABLE_ID, sizeof(result.oem_table_id));
    memcpy(result.creator_id, ACPI_OEM_ID, sizeof(result.creator_id));
    return result;
}

void acpi_finish(uint8_t *at, size_t size_bytes)
{
    at[offsetof(struct acpi_header, checksum)] = acpi_checksum(at, size_bytes);
}
