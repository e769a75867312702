// SPDX-License-Identifier: BSD-2-Clause
#include "arch/x86/insn/insn_multiply.h"

#include "arch/x86/insn/insn_address.h"

/* A number of twice the operand's width, as two halves of 8 to 64 bits each. */
struct wide {
    uint64_t high, low;
};

static bool is_negative(uint64_t value, unsigned bits)
{
    return value >> (bits - 1) & 1;
}

static uint64_t negated(uint64_t value, unsigned bits)
{
    return -value & (UINT64_MAX >> (64 - bits));
}

static struct wide wide_negated(struct wide a, unsigned bits)
{
    uint64_t mask = UINT64_MAX >> (64 - bits);

    return (struct wide){(~a.high + (a.low == 0)) & mask, -a.low & mask};
}

/* Multiplies by one bit of b at a time: there is no portable type of 128 bits. */
static struct wide unsigned_product(uint64_t a, uint64_t b, unsigned bits)
{
    struct wide product = {0, 0};

    for (unsigned i = bits; i-- > 0;) {
        uint64_t mask = UINT64_MAX >> (64 - bits);

        product.high = (product.high << 1 & mask) | (product.low >> (bits - 1) & 1);
        product.low = product.low << 1 & mask;
        if (b >> i & 1) {
            product.low = (product.low + a) & mask;
            product.high += product.low < a;
        }
    }
    return product;
}

static struct wide signed_product(uint64_t a, uint64_t b, unsigned bits)
{
    bool negative = is_negative(a, bits) != is_negative(b, bits);
    struct wide product = unsigned_product(is_negative(a, bits) ? negated(a, bits) : a,
                                           is_negative(b, bits) ? negated(b, bits) : b, bits);

    return negative ? wide_negated(product, bits) : product;
}

/* Sets CF and OF if the upper half holds more than copies of the lower half's sign, else clears
 * them. */
static void set_overflow(struct wide product, bool is_signed, unsigned bits, uint64_t *rflags)
{
    uint64_t fill = is_signed && is_negative(product.low, bits) ? UINT64_MAX >> (64 - bits) : 0;

    *rflags &= ~(RFLAGS_CF | RFLAGS_OF);
    if (product.high != fill)
        *rflags |= RFLAGS_CF | RFLAGS_OF;
}

uint64_t insn_signed_product(unsigned size_bytes, uint64_t a, uint64_t b, uint64_t *rflags)
{
    uint64_t mask = bytes_mask(size_bytes);
    struct wide product = signed_product(a & mask, b & mask, 8 * size_bytes);

    set_overflow(product, true, 8 * size_bytes, rflags);
    return product.low;
}

/* Returns the quotient in low and the remainder in high. Returns false if the quotient does not
 * fit. */
static bool unsigned_quotient(struct wide a, uint64_t divisor, unsigned bits, struct wide *result)
{
    uint64_t rest = a.high, quotient = 0;

    if (rest >= divisor) /* true also for a divisor of 0 */
        return false;
    for (unsigned i = bits; i-- > 0;) {
        bool carry = is_negative(rest, bits);

        rest = (rest << 1 & (UINT64_MAX >> (64 - bits))) | (a.low >> i & 1);
        quotient <<= 1;
        if (carry || rest >= divisor) {
            rest = (rest - divisor) & (UINT64_MAX >> (64 - bits));
            quotient |= 1;
        }
    }
    *result = (struct wide){.high = rest, .low = quotient};
    return true;
}

/* Divides with signs: the quotient is rounded towards zero, the remainder has the dividend's sign.
 * Returns false if the quotient does not fit. */
static bool signed_quotient(struct wide a, uint64_t divisor, unsigned bits, struct wide *result)
{
    bool a_negative = is_negative(a.high, bits), divisor_negative = is_negative(divisor, bits);
    bool negative = a_negative != divisor_negative;
    uint64_t limit = UINT64_C(1) << (bits - 1); /* the first magnitude that is too large */

    if (!unsigned_quotient(a_negative ? wide_negated(a, bits) : a,
                           divisor_negative ? negated(divisor, bits) : divisor, bits, result) ||
        result->low >= limit + negative)
        return false;
    if (negative)
        result->low = negated(result->low, bits);
    if (a_negative)
        result->high = negated(result->high, bits);
    return true;
}

enum insn_outcome insn_multiply_divide(const struct insn *insn, uint64_t operand,
                                       struct insn_state *state, struct insn_fault *fault)
{
    uint8_t size_bytes = insn->operand_size_bytes;
    unsigned bits = 8 * size_bytes;
    bool is_signed = insn->op == INSN_IMUL || insn->op == INSN_IDIV;
    const struct insn_operand low = {INSN_OPERAND_REGISTER, INSN_RAX, false, size_bytes};
    const struct insn_operand high =
        size_bytes == 1 ? (struct insn_operand){INSN_OPERAND_REGISTER, INSN_RAX, true, 1}
                        : (struct insn_operand){INSN_OPERAND_REGISTER, INSN_RDX, false, size_bytes};
    struct wide a = {insn_register_read(state, &high), insn_register_read(state, &low)};
    struct wide result;

    if (insn->op == INSN_MUL || insn->op == INSN_IMUL) {
        result = is_signed ? signed_product(a.low, operand, bits)
                           : unsigned_product(a.low, operand, bits);
        set_overflow(result, is_signed, bits, &state->rflags);
    } else if (!(is_signed ? signed_quotient(a, operand, bits, &result)
                           : unsigned_quotient(a, operand, bits, &result))) {
        *fault = (struct insn_fault){.vector = VECTOR_DE};
        return INSN_FAULT;
    }
    insn_register_write(state, &low, result.low);
    insn_register_write(state, &high, result.high);
    return INSN_DONE;
}
