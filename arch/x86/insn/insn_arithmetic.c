// SPDX-License-Identifier: BSD-2-Clause
#include "arch/x86/insn/insn_arithmetic.h"

#define STATUS_FLAGS (RFLAGS_CF | RFLAGS_PF | RFLAGS_AF | RFLAGS_ZF | RFLAGS_SF | RFLAGS_OF)

static bool top_bit(uint64_t value, unsigned bits)
{
    return value >> (bits - 1) & 1;
}

static void set_flag(uint64_t *rflags, uint64_t flag, bool on)
{
    *rflags = on ? *rflags | flag : *rflags & ~flag;
}

/* Sets SF, ZF and PF. result has no bits beyond its size. */
static void set_result_flags(uint64_t *rflags, uint64_t result, unsigned bits)
{
    set_flag(rflags, RFLAGS_SF, top_bit(result, bits));
    set_flag(rflags, RFLAGS_ZF, result == 0);
    set_flag(rflags, RFLAGS_PF, !__builtin_parity((unsigned)(result & 0xff)));
}

static uint64_t add(uint64_t a, uint64_t b, unsigned carry, unsigned bits, uint64_t *rflags)
{
    uint64_t result = (a + b + carry) & (UINT64_MAX >> (64 - bits));

    *rflags &= ~STATUS_FLAGS;
    set_result_flags(rflags, result, bits);
    set_flag(rflags, RFLAGS_CF, top_bit((a & b) | ((a | b) & ~result), bits));
    set_flag(rflags, RFLAGS_OF, top_bit((a ^ result) & (b ^ result), bits));
    set_flag(rflags, RFLAGS_AF, (a ^ b ^ result) & 0x10);
    return result;
}

static uint64_t subtract(uint64_t a, uint64_t b, unsigned borrow, unsigned bits, uint64_t *rflags)
{
    uint64_t result = (a - b - borrow) & (UINT64_MAX >> (64 - bits));

    *rflags &= ~STATUS_FLAGS;
    set_result_flags(rflags, result, bits);
    set_flag(rflags, RFLAGS_CF, top_bit((~a & b) | ((~a | b) & result), bits));
    set_flag(rflags, RFLAGS_OF, top_bit((a ^ b) & (a ^ result), bits));
    set_flag(rflags, RFLAGS_AF, (a ^ b ^ result) & 0x10);
    return result;
}

static uint64_t logic(uint64_t result, unsigned bits, uint64_t *rflags)
{
    *rflags &= ~STATUS_FLAGS;
    set_result_flags(rflags, result, bits);
    return result;
}

/* Restores CF, which INC and DEC do not change. */
static uint64_t keep_carry(uint64_t result, uint64_t old_rflags, uint64_t *rflags)
{
    set_flag(rflags, RFLAGS_CF, old_rflags & RFLAGS_CF);
    return result;
}

static uint64_t rotate(enum insn_op op, uint64_t a, unsigned count, unsigned bits, uint64_t *rflags)
{
    bool carry = *rflags & RFLAGS_CF;
    bool left = op == INSN_ROL || op == INSN_RCL;

    /* At most 63 steps. Each step moves one bit out, and moves that bit or the old carry in. */
    for (unsigned i = 0; i < count; i++) {
        bool out = left ? top_bit(a, bits) : a & 1;
        bool in = op == INSN_ROL || op == INSN_ROR ? out : carry;

        a = left ? (a << 1 & (UINT64_MAX >> (64 - bits))) | in
                 : a >> 1 | (uint64_t)in << (bits - 1);
        carry = out;
    }
    set_flag(rflags, RFLAGS_CF, carry);
    set_flag(rflags, RFLAGS_OF, top_bit(a, bits) ^ (left ? carry : top_bit(a << 1, bits)));
    return a;
}

static uint64_t shift(enum insn_op op, uint64_t a, unsigned count, unsigned bits, uint64_t *rflags)
{
    uint64_t mask = UINT64_MAX >> (64 - bits), sign = UINT64_C(1) << (bits - 1), result;
    int64_t extended = (int64_t)((a ^ sign) - sign);
    bool carry, overflow;

    switch (op) {
    case INSN_SHL:
        result = a << count & mask;
        carry = count <= bits && (a >> (bits - count) & 1);
        overflow = top_bit(result, bits) ^ carry;
        break;
    case INSN_SHR:
        result = a >> count;
        carry = a >> (count - 1) & 1;
        overflow = top_bit(a, bits);
        break;
    default:
        result = (uint64_t)(extended >> count) & mask;
        carry = extended >> (count - 1) & 1;
        overflow = false;
        break;
    }
    logic(result, bits, rflags);
    set_flag(rflags, RFLAGS_CF, carry);
    set_flag(rflags, RFLAGS_OF, overflow);
    return result;
}

uint64_t insn_arithmetic(enum insn_op op, unsigned size_bytes, uint64_t a, uint64_t b,
                         uint64_t *rflags)
{
    uint64_t mask = bytes_mask(size_bytes), old = *rflags;
    unsigned bits = 8 * size_bytes, carry = old & RFLAGS_CF ? 1 : 0;
    unsigned count = b & (size_bytes == 8 ? 63 : 31);
    uint64_t bit = UINT64_C(1) << (b & (bits - 1));

    a &= mask;
    b &= mask;
    switch (op) {
    case INSN_ADD: return add(a, b, 0, bits, rflags);
    case INSN_ADC: return add(a, b, carry, bits, rflags);
    case INSN_INC: return keep_carry(add(a, 1, 0, bits, rflags), old, rflags);
    case INSN_SUB: return subtract(a, b, 0, bits, rflags);
    case INSN_SBB: return subtract(a, b, carry, bits, rflags);
    case INSN_DEC: return keep_carry(subtract(a, 1, 0, bits, rflags), old, rflags);
    case INSN_NEG: return subtract(0, a, 0, bits, rflags);
    case INSN_CMP: subtract(a, b, 0, bits, rflags); return a;
    case INSN_OR: return logic(a | b, bits, rflags);
    case INSN_AND: return logic(a & b, bits, rflags);
    case INSN_XOR: return logic(a ^ b, bits, rflags);
    case INSN_TEST: logic(a & b, bits, rflags); return a;
    case INSN_NOT: return ~a & mask;
    case INSN_ROL:
    case INSN_ROR:
    case INSN_RCL:
    case INSN_RCR: return count == 0 ? a : rotate(op, a, count, bits, rflags);
    case INSN_SHL:
    case INSN_SHR:
    case INSN_SAR: return count == 0 ? a : shift(op, a, count, bits, rflags);
    case INSN_BT: set_flag(rflags, RFLAGS_CF, a & bit); return a;
    case INSN_BTS: set_flag(rflags, RFLAGS_CF, a & bit); return a | bit;
    case INSN_BTR: set_flag(rflags, RFLAGS_CF, a & bit); return a & ~bit;
    case INSN_BTC: set_flag(rflags, RFLAGS_CF, a & bit); return a ^ bit;
    default: return a;
    }
}

uint64_t insn_double_shift(enum insn_op op, unsigned size_bytes, uint64_t a, uint64_t b,
                           unsigned count, uint64_t *rflags)
{
    uint64_t mask = bytes_mask(size_bytes), old = 0;
    unsigned bits = 8 * size_bytes;
    bool carry = false;

    count &= size_bytes == 8 ? 63 : 31;
    a &= mask;
    b &= mask;
    if (count == 0)
        return a;
    /* At most 63 steps. Each step moves one bit of a out and one bit of b in. */
    for (unsigned i = 0; i < count; i++) {
        old = a;
        if (op == INSN_SHLD) {
            carry = top_bit(a, bits);
            a = (a << 1 & mask) | top_bit(b, bits);
            b = (b << 1 & mask) | top_bit(b, bits);
        } else {
            carry = a & 1;
            a = a >> 1 | (b & 1) << (bits - 1);
            b = b >> 1 | (b & 1) << (bits - 1);
        }
    }
    logic(a, bits, rflags);
    set_flag(rflags, RFLAGS_CF, carry);
    set_flag(rflags, RFLAGS_OF, top_bit(a ^ old, bits)); /* the manual defines it for one step */
    return a;
}

uint64_t insn_bit_scan(enum insn_op op, unsigned size_bytes, uint64_t a)
{
    a &= bytes_mask(size_bytes);
    if (a == 0)
        return 0;
    return op == INSN_BSF ? (unsigned)__builtin_ctzll(a) : 63u - (unsigned)__builtin_clzll(a);
}

bool insn_condition_holds(uint8_t condition, uint64_t rflags)
{
    bool carry = rflags & RFLAGS_CF, zero = rflags & RFLAGS_ZF;
    bool less = ((rflags & RFLAGS_SF) != 0) != ((rflags & RFLAGS_OF) != 0);
    bool holds = false;

    switch (condition >> 1 & 7) {
    case 0: holds = rflags & RFLAGS_OF; break;
    case 1: holds = carry; break;
    case 2: holds = zero; break;
    case 3: holds = carry || zero; break;
    case 4: holds = rflags & RFLAGS_SF; break;
    case 5: holds = rflags & RFLAGS_PF; break;
    case 6: holds = less; break;
    default: holds = less || zero; break;
    }
    return holds != (condition & 1);
}
