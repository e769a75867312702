// SPDX-License-Identifier: BSD-2-Clause
/* The instruction decoder and the executor: any bytes, any registers and segments, memory with
 * holes. */
#include "arch/x86/insn/insn_execute.h"
#include "arch/x86/insn/insn_system.h"
#include "tests/fuzz/input.h"

enum {
    MEMORY_BYTES = 0x1000, /* at linear address 0, and seen again everywhere else */
    ITERATIONS_MAX = 64,
    /* Two accesses, each in two pieces where it wraps around: probed, probed as one, made. */
    CALLS_PER_ITERATION_MAX = 12,
};

static uint8_t memory[MEMORY_BYTES];
static uint64_t hole_mask; /* bit n: the n-th 64th of memory is not there */
static bool is_retried;    /* instead, an access to it is to be made again */
static unsigned calls, iterations;
static struct input device;

static enum insn_access_result reach(gva_t address, size_t size_bytes, bool is_write,
                                     struct insn_fault *fault)
{
    EXPECT(size_bytes >= 1 && size_bytes <= 16);
    EXPECT(address.value <= UINT64_MAX - size_bytes + 1 || address.value + size_bytes == 0);
    EXPECT(++calls <= CALLS_PER_ITERATION_MAX * iterations);
    if (hole_mask >> address.value % MEMORY_BYTES / 64 & 1) {
        if (is_retried)
            return INSN_ACCESS_RETRY;
        *fault = (struct insn_fault){.vector = VECTOR_PF,
                                     .has_error_code = true,
                                     .error_code = is_write ? 2 : 0,
                                     .cr2 = address.value};
        return INSN_ACCESS_FAULT;
    }
    return INSN_ACCESS_OK;
}

static enum insn_access_result env_read(void *context, gva_t address, void *data, size_t size_bytes,
                                        struct insn_fault *fault)
{
    (void)context;
    for (size_t i = 0; i < size_bytes; i++)
        ((uint8_t *)data)[i] = memory[(address.value + i) % MEMORY_BYTES];
    return reach(address, size_bytes, false, fault);
}

static enum insn_access_result env_write(void *context, gva_t address, const void *data,
                                         size_t size_bytes, struct insn_fault *fault)
{
    enum insn_access_result result = reach(address, size_bytes, true, fault);

    (void)context;
    for (size_t i = 0; i < size_bytes && result == INSN_ACCESS_OK; i++)
        memory[(address.value + i) % MEMORY_BYTES] = ((const uint8_t *)data)[i];
    return result;
}

static enum insn_access_result env_probe(void *context, gva_t address, size_t size_bytes,
                                         bool is_write, struct insn_fault *fault)
{
    (void)context;
    return reach(address, size_bytes, is_write, fault);
}

static enum insn_access_result env_port_read(void *context, uint16_t port, size_t size_bytes,
                                             uint32_t *value)
{
    (void)context;
    (void)port;
    EXPECT(size_bytes == 1 || size_bytes == 2 || size_bytes == 4);
    *value = input_u32(&device);
    return INSN_ACCESS_OK;
}

static enum insn_access_result env_port_write(void *context, uint16_t port, size_t size_bytes,
                                              uint32_t value)
{
    (void)context;
    (void)port;
    EXPECT(size_bytes == 1 || size_bytes == 2 || size_bytes == 4);
    EXPECT(size_bytes == 4 || value >> 8 * size_bytes == 0);
    return INSN_ACCESS_OK;
}

static enum insn_access_result env_vector_read(void *context, const struct insn_operand *operand,
                                               uint8_t bytes[16], struct insn_fault *fault)
{
    (void)context;
    (void)fault;
    EXPECT(operand->reg < (operand->kind == INSN_OPERAND_MMX ? 8 : 16));
    memset(bytes, 0x5a, 16);
    return INSN_ACCESS_OK;
}

static enum insn_access_result env_vector_write(void *context, const struct insn_operand *operand,
                                                const uint8_t bytes[16], struct insn_fault *fault)
{
    uint8_t copy[16];

    (void)context;
    (void)fault;
    EXPECT(operand->reg < (operand->kind == INSN_OPERAND_MMX ? 8 : 16));
    memcpy(copy, bytes, 16);
    return INSN_ACCESS_OK;
}

static const struct insn_env env = {
    .read = env_read,
    .write = env_write,
    .probe = env_probe,
    .port_read = env_port_read,
    .port_write = env_port_write,
    .vector_read = env_vector_read,
    .vector_write = env_vector_write,
};

static void read_state(struct input *input, struct insn_state *state)
{
    uint8_t flags = input_u8(input);

    *state = (struct insn_state){
        .mode = (enum insn_mode)(flags % 3),
        .protected_mode = flags & 0x84 || flags % 3 == INSN_MODE_64,
        .alignment_mask = flags & 8,
        .linear_address_bits = flags & 16 ? 57 : 48,
        .rflags = (input_u32(input) & 0x3f7fd5) | 2,
        .rip = input_u16(input),
    };
    if (state->protected_mode)
        state->cpl = flags >> 5 & 3;
    for (unsigned i = 0; i < INSN_GPR_COUNT; i++) {
        uint8_t size = input_u8(input);

        state->gpr[i] = input_bytes(input, size % 9);
        if (size & 0x80)
            state->gpr[i] = ~state->gpr[i];
    }
    for (unsigned i = 0; i < INSN_SEGMENT_COUNT; i++) {
        uint8_t kind = input_u8(input);
        uint32_t limit = kind & 0x40 ? UINT32_MAX : input_u16(input);

        state->segments[i] = (struct insn_segment){kind & 0x80 ? input_u32(input) : 0, limit,
                                                   (kind & 0xf) | 0x4090u | (kind & 0x10) << 12};
    }
}

/* Whatever cuts the bytes off, the decoder does not read beyond, and says so. */
static void check_decoder(const uint8_t *bytes, size_t count, enum insn_mode mode,
                          const struct insn *insn)
{
    struct insn again;
    uint8_t exact[INSN_LENGTH_MAX];

    EXPECT(insn->length >= 1 && insn->length <= INSN_LENGTH_MAX && insn->length <= count);
    EXPECT(insn->op <= INSN_OUTS);
    EXPECT(strlen(insn_op_name(insn->op)) > 0);
    memcpy(exact, bytes, insn->length);
    EXPECT(insn_decode(exact, insn->length, mode, &again) == INSN_DECODED);
    EXPECT(memcmp(&again, insn, sizeof(again)) == 0);
    EXPECT(insn_decode(exact, insn->length - 1u, mode, &again) == INSN_INCOMPLETE);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size_bytes)
{
    struct input input = {data, data + size_bytes};
    uint8_t bytes[INSN_LENGTH_MAX + 1], count = (uint8_t)input_below(&input, sizeof(bytes) + 1);
    struct insn_fault fault = {0};
    struct insn_state state, before;
    enum insn_outcome outcome;
    struct insn insn;

    for (unsigned i = 0; i < count; i++)
        bytes[i] = input_u8(&input);
    read_state(&input, &state);
    hole_mask = input_u64(&input);
    is_retried = input_u8(&input) & 1;
    iterations = 1 + input_below(&input, ITERATIONS_MAX);
    device = input;
    memset(memory, 0, sizeof(memory));
    for (unsigned i = 0; i < 64 && input_left(&input); i++)
        memory[i * 64] = input_u8(&input);

    if (insn_decode(bytes, count, state.mode, &insn) != INSN_DECODED) {
        EXPECT(insn.length <= INSN_LENGTH_MAX);
        return 0;
    }
    check_decoder(bytes, count, state.mode, &insn);

    uint8_t memory_before[MEMORY_BYTES];

    memcpy(memory_before, memory, sizeof(memory));
    before = state;
    calls = 0;
    outcome = insn_execute(&insn, &state, &env, iterations, &fault);
    EXPECT(state.cpl == before.cpl && state.mode == before.mode);
    EXPECT(state.rflags & 2);
    switch (outcome) {
    case INSN_DONE: break;
    case INSN_AGAIN: EXPECT(insn.repeat != INSN_REPEAT_NONE && insn.op >= INSN_MOVS); break;
    case INSN_FAULT:
    case INSN_RETRY:
        EXPECT(outcome == INSN_RETRY ? is_retried : fault.vector < 32);
        if (insn.op < INSN_MOVS || insn.repeat == INSN_REPEAT_NONE) {
            EXPECT(memcmp(&state, &before, sizeof(state)) == 0);
            EXPECT(memcmp(memory, memory_before, sizeof(memory)) == 0);
        }
        break;
    case INSN_FAILED: break;
    }
    return 0;
}
