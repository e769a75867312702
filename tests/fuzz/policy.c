// SPDX-License-Identifier: BSD-2-Clause
/* CPUID, MSRs and control registers as a guest sees and sets them, on a processor of any CPUID. */
#include "tests/fuzz/input.h"
#include "vmm/base/bits.h"
#include "vmm/policy/control_registers.h"
#include "vmm/policy/msr_policy.h"
#include "vmm/policy/xcr0.h"

static struct cpuid_result leaves[8];
static uint32_t max_basic, max_extended;

/* The processor: leaves that exist, with bits from the input. */
static struct cpuid_result host(uint32_t leaf, uint32_t subleaf)
{
    struct cpuid_result result = leaves[(leaf * 5 + subleaf) % ARRAY_COUNT(leaves)];

    EXPECT(leaf <= max_basic || (leaf >= 0x80000000 && leaf <= max_extended) || leaf == 0 ||
           leaf == 0x80000000);
    if (leaf == 0)
        result.eax = max_basic;
    if (leaf == 0x80000000)
        result.eax = max_extended;
    return result;
}

static const struct {
    uint32_t leaf;
    unsigned reg, bit;
} features[] = {
#define FEATURE(name, leaf, subleaf, reg, bit, condition) {leaf, REG_##reg, bit},
#define REG_EAX                                           0
#define REG_EBX                                           1
#define REG_ECX                                           2
#define REG_EDX                                           3
    CPUID_FEATURES(FEATURE, FEATURE)};

static bool is_feature(uint32_t leaf, unsigned reg, unsigned bit)
{
    for (size_t i = 0; i < ARRAY_COUNT(features); i++) {
        if (features[i].leaf == leaf && features[i].reg == reg && features[i].bit == bit)
            return true;
    }
    return false;
}

/* No bit of a feature leaf that the list does not name. */
static void check_cpuid(const struct cpuid_board *board, const struct cpuid_guest *guest,
                        uint32_t leaf, uint32_t subleaf)
{
    struct cpuid_result result = cpuid_policy(board, guest, leaf, subleaf);
    struct cpuid_result again = cpuid_policy(board, guest, leaf, subleaf);

    EXPECT(memcmp(&result, &again, sizeof(result)) == 0);
    if (leaf == 1) {
        for (unsigned bit = 0; bit < 32; bit++) {
            EXPECT(!(result.ecx >> bit & 1) || is_feature(1, REG_ECX, bit) || bit == 27 ||
                   bit == 31); /* OSXSAVE, and the bit for hypervisors */
            EXPECT(!(result.edx >> bit & 1) || is_feature(1, REG_EDX, bit));
        }
    }
    if (leaf == 7 && subleaf == 0) {
        for (unsigned bit = 0; bit < 32; bit++)
            EXPECT(!(result.ebx >> bit & 1) || is_feature(7, REG_EBX, bit));
    }
    if (leaf > CPUID_MAX_BASIC && leaf < CPUID_HYPERVISOR_LEAF)
        EXPECT((result.eax | result.ebx | result.ecx | result.edx) == 0);
}

static void check_registers(const struct cpuid_board *board, struct control_registers *now,
                            struct input *input)
{
    uint64_t value = input_u64(input), result = 0x5a5a, allowed = cr4_allowed_mask(board);

    EXPECT((allowed & (BIT(13) | BIT(14) | BIT(6))) == 0); /* VMXE, SMXE, MCE */
    if (cr0_write(now, value, &result)) {
        EXPECT(result & BIT(4));                           /* ET */
        EXPECT(!(result & BIT(31)) || (result & BIT(0)));  /* PG without PE */
        EXPECT(!(result & BIT(29)) || (result & BIT(30))); /* NW without CD */
        EXPECT((result & ~UINT64_C(0xe005003f)) == 0);
        EXPECT(!(result & BIT(31)) || !(now->efer & BIT(8)) || (now->cr4 & BIT(5)));
        now->cr0 = result;
    } else {
        EXPECT(result == 0x5a5a);
    }
    value = input_u32(input);
    if (cr4_write(board, now, value)) {
        EXPECT((value & ~allowed) == 0);
        EXPECT((value & BIT(5)) || !(now->efer & BIT(10))); /* PAE in IA-32e mode */
        now->cr4 = value;
    }
    result = 0x5a5a;
    if (efer_write(board, now, input_u16(input), &result)) {
        EXPECT((result & ~(efer_allowed_mask(board) | BIT(10))) == 0);
        EXPECT(((result ^ now->efer) & BIT(10)) == 0);
        now->efer = result;
    } else {
        EXPECT(result == 0x5a5a);
    }
    value = input_u64(input);
    if (xcr0_is_valid(value, xcr0_allowed_mask(board)))
        EXPECT((value & 1) && (value & ~xcr0_allowed_mask(board)) == 0);
}

/* What is written and kept reads back; a refused write changes nothing; the bitmap passes only what
 * the table has. */
static void check_msr(struct msr_state *state, uint32_t index, uint64_t value)
{
    struct msr_state before = *state;
    uint64_t read = 0, old = 0;
    enum msr_outcome outcome = msr_policy_write(state, index, value);

    if (outcome == MSR_GP)
        EXPECT(memcmp(&before, state, sizeof(before)) == 0);
    if (memcmp(&before, state, sizeof(before)) != 0) {
        EXPECT(msr_policy_read(state, index, &read) == MSR_DONE);
        EXPECT(msr_policy_read(&before, index, &old) == MSR_DONE);
        EXPECT(((read ^ value) & (read ^ old)) == 0); /* read-only bits stay */
    }
    if (msr_name(index) == NULL)
        EXPECT(outcome == MSR_GP && msr_policy_read(state, index, &read) == MSR_GP);
}

static void check_bitmap(const struct msr_state *state)
{
    static uint8_t bitmap[MSR_BITMAP_BYTES];

    msr_policy_fill_bitmap(state, bitmap);
    for (unsigned bit = 0; bit < MSR_BITMAP_BYTES * 8; bit++) {
        uint32_t index = bit % 0x2000 + (bit / 0x2000 % 2 ? 0xc0000000 : 0);

        EXPECT((bitmap[bit / 8] >> bit % 8 & 1) || msr_name(index) != NULL);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size_bytes)
{
    static const uint32_t msrs[] = {0x10,  0x1b,  0x174,      0x1a0,      0x1d9,     0x200,
                                    0x250, 0x277, 0x2ff,      0x6e0,      0x800,     0xda0,
                                    0xe7,  0x8b,  0xc0000080, 0xc0000081, 0xc0000103};
    struct input input = {data, data + size_bytes};
    uint8_t what = input_u8(&input);
    struct cpuid_board board = {
        .host = host,
        .cpu_count = 1u + (what & 3),
        .has_apic = true,
        .rdtscp = what & 4,
        .invpcid = what & 8,
        .xsavec = what & 16,
        .xsaves = what & 32,
        .physical_address_bits = (uint8_t)(32 + input_below(&input, 17)),
        .tsc_hz = input_u64(&input) >> 1,
    };
    struct cpuid_guest guest = {.cr4 = input_u32(&input), .xcr0 = 1 | input_u16(&input)};
    struct control_registers registers = {.cr0 = 0x10};
    struct msr_state msr_state;

    guest.code64 = what & 64;
    guest.apic_enabled = what & 128;
    max_basic = input_u8(&input) % 0x20;
    max_extended = 0x80000000 + input_u8(&input) % 0x10;
    for (size_t i = 0; i < ARRAY_COUNT(leaves); i++)
        leaves[i] = (struct cpuid_result){input_u32(&input), input_u32(&input), input_u32(&input),
                                          input_u32(&input)};
    msr_policy_reset(&msr_state, &board);
    check_bitmap(&msr_state);
    while (input_left(&input)) {
        uint8_t step = input_u8(&input);

        switch (step % 4) {
        case 0: check_cpuid(&board, &guest, input_u8(&input) % 0x20, step >> 2); break;
        case 1:
            check_cpuid(&board, &guest, step & 4 ? input_u32(&input) : 0x80000000u + step / 8,
                        step >> 3);
            break;
        case 2: check_registers(&board, &registers, &input); break;
        default:
            check_msr(&msr_state,
                      step & 0x80
                          ? input_u32(&input)
                          : msrs[(step >> 2) % ARRAY_COUNT(msrs)] + (step & 4 ? step >> 3 : 0),
                      step & 0x40 ? input_u64(&input) : input_u16(&input));
            break;
        }
    }
    return 0;
}
