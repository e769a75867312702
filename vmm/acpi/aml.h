// SPDX-License-Identifier: BSD-2-Clause
/* Writes ACPI machine language: just the grammar that a table of devices needs. ACPI Specification
 * 6.5, chapter 20 "ACPI Machine Language (AML) Specification"; resource descriptors from section
 * 6.4 "Resource Data Types for ACPI". */
#ifndef VMM_ACPI_AML_H
#define VMM_ACPI_AML_H

#include "vmm/base/types.h"

/* Bytes go to buffer while they fit; when they no longer do, is_full is set and the rest dropped,
 * so a caller asks once, at the end. */
struct aml {
    uint8_t *buffer;
    size_t capacity_bytes;
    size_t used_bytes;
    bool is_full;
};

/* Where a package's contents begin, from aml_..._begin to aml_end. */
typedef size_t aml_package;

/* Names are single segments, padded here to four with '_' ("_HID", "PIC"); a leading '\' is kept.
 */
aml_package aml_scope_begin(struct aml *aml, const char *name);
aml_package aml_device_begin(struct aml *aml, const char *name);

/* DefPackage of element_count elements, which follow. */
aml_package aml_package_begin(struct aml *aml, uint8_t element_count);

/* Puts the PkgLength, in as many bytes as it takes, in front of what was written since begin. */
void aml_end(struct aml *aml, aml_package package);

/* DefName; its value follows. */
void aml_name(struct aml *aml, const char *name);
void aml_integer(struct aml *aml, uint64_t value);

/* A string constant, ASCII (20.2.3, "String"). */
void aml_string(struct aml *aml, const char *text);

/* An EISA ID ("PNP0501", three capitals and four hexadecimal digits) as an integer (6.1.5). */
void aml_eisa_id(struct aml *aml, const char *id);

/* What a _CRS returns: descriptors one after the other. */
struct aml_resources {
    uint8_t bytes[160];
    size_t used_bytes;
    bool is_full;
};

/* I/O ports first..first + count - 1, decoded with all 16 address bits, not movable (6.4.2.5). */
void aml_resource_ports(struct aml_resources *resources, uint16_t first, uint8_t count);

/* Interrupt line irq, 0..15, edge-triggered, high-true, not shared: the short form (6.4.2.1). */
void aml_resource_irq(struct aml_resources *resources, unsigned irq);

/* size_bytes of memory at base, writable, not movable (6.4.3.4). */
void aml_resource_memory(struct aml_resources *resources, uint32_t base, uint32_t size_bytes);

/* Name (_CRS, Buffer) with the end tag. Descriptors that did not fit make the aml full. */
void aml_resources_end(struct aml *aml, struct aml_resources *resources);

#endif
