// SPDX-License-Identifier: BSD-2-Clause
/* A guest for the executor's tests: 64 KiB of memory with holes, ports, and a trace of what was
 * accessed in which order. */
#ifndef TESTS_UNIT_INSN_MACHINE_H
#define TESTS_UNIT_INSN_MACHINE_H

#include "tests/unit/unit.h"

#include "arch/x86/insn/insn_execute.h"

#include <stdio.h>
#include <string.h>

#define DATA_RW      0x4093 /* present, writable, accessed, 32-bit */
#define DATA_RO      0x4091
#define DATA_DOWN_RW 0x4097
#define CODE_X       0x4099
#define CODE_RX      0x409b
#define UNUSABLE     0x10000

/* 64 KiB of memory at linear address 0 and, in the top page below 4 GiB, another; pages before
 * hole_end and from hole on are not there; those from read_only on take no writes. */
static uint8_t ram[0x10000], top_page[0x1000];
static uint64_t hole, hole_end, read_only;
static char trace[512];
static uint32_t port_value;
static bool ports_fail;

static void note(const char *what, uint64_t address, size_t size_bytes)
{
    size_t at = strlen(trace);

    snprintf(trace + at, sizeof(trace) - at, "%s%llx/%zu ", what, (unsigned long long)address,
             size_bytes);
}

static enum insn_access_result check_range(uint64_t address, size_t size_bytes, bool is_write,
                                           struct insn_fault *fault)
{
    for (size_t i = 0; i < size_bytes; i++) {
        uint64_t byte = address + i;
        bool absent = (byte >= hole && byte < hole_end) ||
                      (byte >= sizeof(ram) && (byte < 0xfffff000 || byte > UINT32_MAX));

        if (absent || (is_write && byte >= read_only && byte < sizeof(ram))) {
            *fault = (struct insn_fault){.vector = VECTOR_PF,
                                         .has_error_code = true,
                                         .error_code = (is_write ? 2 : 0) | !absent,
                                         .cr2 = byte};
            return INSN_ACCESS_FAULT;
        }
    }
    return INSN_ACCESS_OK;
}

static uint8_t *bytes_at(uint64_t address)
{
    return address < sizeof(ram) ? ram + address : top_page + (address - 0xfffff000);
}

static enum insn_access_result env_read(void *context, gva_t address, void *data, size_t size_bytes,
                                        struct insn_fault *fault)
{
    enum insn_access_result result = check_range(address.value, size_bytes, false, fault);

    (void)context;
    note("r", address.value, size_bytes);
    if (result == INSN_ACCESS_OK)
        memcpy(data, bytes_at(address.value), size_bytes);
    return result;
}

static enum insn_access_result env_write(void *context, gva_t address, const void *data,
                                         size_t size_bytes, struct insn_fault *fault)
{
    enum insn_access_result result = check_range(address.value, size_bytes, true, fault);

    (void)context;
    note("w", address.value, size_bytes);
    if (result == INSN_ACCESS_OK)
        memcpy(bytes_at(address.value), data, size_bytes);
    return result;
}

static enum insn_access_result env_probe(void *context, gva_t address, size_t size_bytes,
                                         bool is_write, struct insn_fault *fault)
{
    (void)context;
    note(is_write ? "pw" : "pr", address.value, size_bytes);
    return check_range(address.value, size_bytes, is_write, fault);
}

static enum insn_access_result env_port_read(void *context, uint16_t port, size_t size_bytes,
                                             uint32_t *value)
{
    (void)context;
    note("in", port, size_bytes);
    *value = port_value++;
    return ports_fail ? INSN_ACCESS_FAILED : INSN_ACCESS_OK;
}

static enum insn_access_result env_port_write(void *context, uint16_t port, size_t size_bytes,
                                              uint32_t value)
{
    (void)context;
    note("out", port, size_bytes);
    port_value = port_value << 8 | (value & 0xff);
    return ports_fail ? INSN_ACCESS_FAILED : INSN_ACCESS_OK;
}

static struct insn_env env;
static struct insn_state s;
static struct insn_fault fault;

static void reset(enum insn_mode mode)
{
    memset(ram, 0, sizeof(ram));
    hole = hole_end = 0;
    read_only = UINT64_MAX;
    trace[0] = 0;
    port_value = 0x10;
    ports_fail = false;
    env = (struct insn_env){.read = env_read,
                            .write = env_write,
                            .probe = env_probe,
                            .port_read = env_port_read,
                            .port_write = env_port_write};
    s = (struct insn_state){.mode = mode,
                            .protected_mode = true,
                            .rflags = 2,
                            .rip = 0x1000,
                            .linear_address_bits = 48};
    for (unsigned i = 0; i < INSN_SEGMENT_COUNT; i++)
        s.segments[i] = (struct insn_segment){0, UINT32_MAX, DATA_RW};
    s.segments[INSN_CS].access_rights = CODE_RX;
}

static enum insn_outcome run_times(const char *bytes, size_t count, unsigned iterations_max)
{
    struct insn insn;
    uint8_t buffer[15] = {0};

    trace[0] = 0;
    memcpy(buffer, bytes, count);
    assert_int_equal(insn_decode(buffer, count, s.mode, &insn), INSN_DECODED);
    assert_int_equal(insn.length, count);
    return insn_execute(&insn, &s, &env, iterations_max, &fault);
}

#define RUN(bytes) run_times(bytes, sizeof(bytes) - 1, 1000)

/* Runs it, wants this fault, and nothing else changed. */
static __attribute__((unused)) void expect_fault_(const char *bytes, size_t count, uint8_t vector)
{
    static uint8_t before_ram[sizeof(ram)];
    struct insn_state before = s;

    memcpy(before_ram, ram, sizeof(ram));
    fault = (struct insn_fault){0};
    assert_int_equal(run_times(bytes, count, 1000), INSN_FAULT);
    assert_int_equal(fault.vector, vector);
    assert_memory_equal(&before, &s, sizeof(s));
    assert_memory_equal(before_ram, ram, sizeof(ram));
}

#define EXPECT_FAULT(bytes, vector) expect_fault_(bytes, sizeof(bytes) - 1, vector)

#endif
