// SPDX-License-Identifier: BSD-2-Clause
#include "vmm/acpi/aml.h"

#include <string.h>

/* ACPI 6.5, table 20.2 "AML Byte Stream Byte Values". */
enum {
    AML_ZERO_OP = 0x00,
    AML_ONE_OP = 0x01,
    AML_NAME_OP = 0x08,
    AML_BYTE_PREFIX = 0x0a,
    AML_WORD_PREFIX = 0x0b,
    AML_DWORD_PREFIX = 0x0c,
    AML_STRING_PREFIX = 0x0d,
    AML_QWORD_PREFIX = 0x0e,
    AML_SCOPE_OP = 0x10,
    AML_BUFFER_OP = 0x11,
    AML_PACKAGE_OP = 0x12,
    AML_EXT_OP_PREFIX = 0x5b,
    AML_DEVICE_OP = 0x82, /* comes after AML_EXT_OP_PREFIX */
};

/* Small resource items, with their length in bits 2:0 (6.4.2), and large resource items (6.4.3). */
enum {
    RESOURCE_MEMORY_32_FIXED = 0x86,
    RESOURCE_IRQ_NO_FLAGS = 0x22,
    RESOURCE_IO_PORT = 0x47,
    RESOURCE_END_TAG = 0x79,
};

static void put(struct aml *aml, uint8_t byte)
{
    if (aml->used_bytes == aml->capacity_bytes)
        aml->is_full = true;
    else
        aml->buffer[aml->used_bytes++] = byte;
}

static void put_little_endian(struct aml *aml, uint64_t value, unsigned size_bytes)
{
    for (unsigned i = 0; i < size_bytes; i++)
        put(aml, (uint8_t)(value >> 8 * i));
}

static void put_name(struct aml *aml, const char *name)
{
    if (*name == '\\')
        put(aml, (uint8_t)*name++);
    for (unsigned i = 0; i < 4; i++)
        put(aml, *name != '\0' ? (uint8_t)*name++ : '_');
}

/* Returns the position at which aml_end inserts the PkgLength and at which the contents start. */
static aml_package begin(const struct aml *aml)
{
    return aml->used_bytes;
}

aml_package aml_scope_begin(struct aml *aml, const char *name)
{
    put(aml, AML_SCOPE_OP);
    aml_package package = begin(aml);
    put_name(aml, name);
    return package;
}

aml_package aml_device_begin(struct aml *aml, const char *name)
{
    put(aml, AML_EXT_OP_PREFIX);
    put(aml, AML_DEVICE_OP);
    aml_package package = begin(aml);
    put_name(aml, name);
    return package;
}

aml_package aml_package_begin(struct aml *aml, uint8_t element_count)
{
    put(aml, AML_PACKAGE_OP);
    aml_package package = begin(aml);
    put(aml, element_count);
    return package;
}

/* 20.2.4 "Package Length Encoding": the length includes its own bytes. One byte holds a length up
 * to 63. A longer length has its lowest four bits in the first byte, whose top two bits count the
 * bytes that follow. */
void aml_end(struct aml *aml, aml_package package)
{
    size_t content_bytes = aml->used_bytes - package;
    unsigned length_bytes = 1;

    if (content_bytes + 1 > 63)
        for (length_bytes = 2; content_bytes + length_bytes >= (size_t)1 << (8 * length_bytes - 4);)
            length_bytes++;
    if (length_bytes > 4 || aml->capacity_bytes - aml->used_bytes < length_bytes) {
        aml->is_full = true;
        return;
    }

    uint8_t *start = aml->buffer + package;
    size_t length = content_bytes + length_bytes;
    memmove(start + length_bytes, start, content_bytes);
    aml->used_bytes += length_bytes;
    if (length_bytes == 1) {
        start[0] = (uint8_t)length;
        return;
    }
    start[0] = (uint8_t)((length_bytes - 1) << 6 | (length & 0xf));
    for (unsigned i = 1; i < length_bytes; i++)
        start[i] = (uint8_t)(length >> (8 * i - 4));
}

void aml_name(struct aml *aml, const char *name)
{
    put(aml, AML_NAME_OP);
    put_name(aml, name);
}

void aml_integer(struct aml *aml, uint64_t value)
{
    if (value <= 1) {
        put(aml, value == 0 ? AML_ZERO_OP : AML_ONE_OP);
    } else if (value <= UINT8_MAX) {
        put(aml, AML_BYTE_PREFIX);
        put_little_endian(aml, value, 1);
    } else if (value <= UINT16_MAX) {
        put(aml, AML_WORD_PREFIX);
        put_little_endian(aml, value, 2);
    } else if (value <= UINT32_MAX) {
        put(aml, AML_DWORD_PREFIX);
        put_little_endian(aml, value, 4);
    } else {
        put(aml, AML_QWORD_PREFIX);
        put_little_endian(aml, value, 8);
    }
}

void aml_string(struct aml *aml, const char *text)
{
    put(aml, AML_STRING_PREFIX);
    do
        put(aml, (uint8_t)*text);
    while (*text++ != '\0');
}

static uint32_t hex_digit(char digit)
{
    return (uint32_t)(digit <= '9' ? digit - '0' : digit - 'A' + 10) & 0xf;
}

/* 19.3.4 "ASL Macros", EISAID: five bits for each letter, four for each digit, most significant
 * byte first. */
void aml_eisa_id(struct aml *aml, const char *id)
{
    uint32_t value = 0;

    for (unsigned i = 0; i < 3; i++)
        value = value << 5 | ((uint32_t)(id[i] - '@') & 0x1f);
    for (unsigned i = 3; i < 7; i++)
        value = value << 4 | hex_digit(id[i]);
    aml_integer(aml, __builtin_bswap32(value));
}

static void put_descriptor(struct aml_resources *resources, const uint8_t *bytes, size_t size_bytes)
{
    /* Two bytes stay reserved: the end tag and its checksum. */
    if (sizeof(resources->bytes) - 2 - resources->used_bytes < size_bytes) {
        resources->is_full = true;
        return;
    }
    memcpy(resources->bytes + resources->used_bytes, bytes, size_bytes);
    resources->used_bytes += size_bytes;
}

void aml_resource_ports(struct aml_resources *resources, uint16_t first, uint8_t count)
{
    const uint8_t low = first & 0xff, high = (uint8_t)(first >> 8);
    const uint8_t descriptor[] = {
        RESOURCE_IO_PORT, 1 /* _DEC: 16 bits */, low, high, low, high, 1 /* _ALN */, count};

    put_descriptor(resources, descriptor, sizeof(descriptor));
}

void aml_resource_irq(struct aml_resources *resources, unsigned irq)
{
    uint16_t lines = (uint16_t)(1u << (irq & 15));
    const uint8_t descriptor[] = {RESOURCE_IRQ_NO_FLAGS, lines & 0xff, (uint8_t)(lines >> 8)};

    put_descriptor(resources, descriptor, sizeof(descriptor));
}

void aml_resource_memory(struct aml_resources *resources, uint32_t base, uint32_t size_bytes)
{
    uint8_t descriptor[12] = {RESOURCE_MEMORY_32_FIXED, 9, 0, 1 /* writable */};

    for (unsigned i = 0; i < 4; i++) {
        descriptor[4 + i] = (uint8_t)(base >> 8 * i);
        descriptor[8 + i] = (uint8_t)(size_bytes >> 8 * i);
    }
    put_descriptor(resources, descriptor, sizeof(descriptor));
}

void aml_resources_end(struct aml *aml, struct aml_resources *resources)
{
    if (resources->is_full)
        aml->is_full = true;
    resources->bytes[resources->used_bytes++] = RESOURCE_END_TAG;
    resources->bytes[resources->used_bytes++] = 0; /* "treated as if the checksum was valid" */

    aml_name(aml, "_CRS");
    put(aml, AML_BUFFER_OP);
    aml_package package = begin(aml);
    aml_integer(aml, resources->used_bytes);
    for (size_t i = 0; i < resources->used_bytes; i++)
        put(aml, resources->bytes[i]);
    aml_end(aml, package);
}
