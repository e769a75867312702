// SPDX-License-Identifier: BSD-2-Clause
/* Writes ACPI machine language, only the part of the grammar that a table of devices needs. ACPI
 * Specification 6.5, chapter 20 "ACPI Machine Language (AML) Specification"; resource descriptors
 * from section 6.4 "Resource Data Types for ACPI". */
#ifndef VMM_ACPI_AML_H
#define VMM_ACPI_AML_H

#include "vmm/base/types.h"

/* The output. Bytes go to buffer while they fit. After that the writer sets is_full and drops the
 * rest, so a caller checks is_full once, at the end. */
struct aml {
    uint8_t *buffer;
    size_t capacity_bytes;
    size_t used_bytes;
    bool is_full;
};

/* The position at which a package's contents begin: aml_..._begin returns it, aml_end takes it. */
typedef size_t aml_package;

/* Begin a scope or a device, which aml_end ends. name is a single segment, which is padded with '_'
 * to four characters ("_HID", "PIC"); a leading '\' is kept. */
aml_package aml_scope_begin(struct aml *aml, const char *name);
aml_package aml_device_begin(struct aml *aml, const char *name);

/* Begins a DefPackage of element_count elements. The caller writes the elements, then calls
 * aml_end. */
aml_package aml_package_begin(struct aml *aml, uint8_t element_count);

/* Ends a package: inserts its PkgLength, in as many bytes as it needs, where the package began. */
void aml_end(struct aml *aml, aml_package package);

/* Writes a DefName. The caller writes its value next. */
void aml_name(struct aml *aml, const char *name);
/* Writes an integer constant in its shortest form: Zero, One, or 1, 2, 4 or 8 bytes. */
void aml_integer(struct aml *aml, uint64_t value);

/* Writes a string constant in ASCII (20.2.3, "String"). */
void aml_string(struct aml *aml, const char *text);

/* Writes an EISA ID ("PNP0501", three capital letters and four hexadecimal digits) as an integer
 * (6.1.5). */
void aml_eisa_id(struct aml *aml, const char *id);

/* The descriptors that a _CRS returns, one after the other. */
struct aml_resources {
    uint8_t bytes[160];
    size_t used_bytes;
    bool is_full;
};

/* Adds the I/O ports first..first + count - 1, decoded with all 16 address bits, not movable
 * (6.4.2.5). */
void aml_resource_ports(struct aml_resources *resources, uint16_t first, uint8_t count);

/* Adds interrupt line irq, 0..15, edge-triggered, high-true, not shared, in the short form
 * (6.4.2.1). */
void aml_resource_irq(struct aml_resources *resources, unsigned irq);

/* Adds size_bytes of memory at base, writable, not movable (6.4.3.4). */
void aml_resource_memory(struct aml_resources *resources, uint32_t base, uint32_t size_bytes);

/* Writes Name (_CRS, Buffer) with all descriptors and the end tag. If a descriptor did not fit into
 * resources, sets aml->is_full. */
void aml_resources_end(struct aml *aml, struct aml_resources *resources);

#endif
