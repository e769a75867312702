// SPDX-License-Identifier: BSD-2-Clause
#include "vmm/policy/cpuid_policy.h"

#include "vmm/base/bits.h"
#include "vmm/base/types.h"
#include "vmm/policy/xcr0.h"

#include <string.h>

enum cpuid_register { REGISTER_EAX, REGISTER_EBX, REGISTER_ECX, REGISTER_EDX };

enum cpuid_condition {
    CONDITION_ALWAYS,
    CONDITION_RDTSCP,
    CONDITION_INVPCID,
    CONDITION_XSAVEC,
    CONDITION_XSAVES,
    CONDITION_CODE64,
    CONDITION_XD_ON,
    CONDITION_LOCAL_APIC,
    CONDITION_HAS_X2APIC,
    CONDITION_APIC_ON,
    CONDITION_SEVERAL,
};

struct cpuid_feature_row {
    uint32_t leaf;
    uint32_t subleaf;
    enum cpuid_register reg;
    uint32_t mask;
    enum cpuid_condition condition;
    bool is_emulated; /* shown even if the processor lacks it */
    const char *name;
};

static const struct cpuid_feature_row features[CPUID_FEATURE_COUNT] = {
#define CPUID_FEATURE_ENTRY(name, leaf, subleaf, reg, bit, condition, emulated)                    \
    {                                                                                              \
        leaf, subleaf, REGISTER_##reg, UINT32_C(1) << (bit), CONDITION_##condition, emulated,      \
            #name                                                                                  \
    }
#define CPUID_FEATURE_ROW(name, ...) [CPUID_##name] = CPUID_FEATURE_ENTRY(name, __VA_ARGS__, false),
#define CPUID_FEATURE_EMULATED(name, ...)                                                          \
    [CPUID_##name] = CPUID_FEATURE_ENTRY(name, __VA_ARGS__, true),
    CPUID_FEATURES(CPUID_FEATURE_ROW, CPUID_FEATURE_EMULATED)
#undef CPUID_FEATURE_EMULATED
#undef CPUID_FEATURE_ROW
#undef CPUID_FEATURE_ENTRY
};

/* Bits that depend on the guest's registers or are not a feature of the processor. */
#define LEAF1_ECX_OSXSAVE    (UINT32_C(1) << 27)
#define LEAF1_ECX_HYPERVISOR (UINT32_C(1) << 31)
#define LEAF7_ECX_OSPKE      (UINT32_C(1) << 4)

static uint32_t *register_of(struct cpuid_result *result, enum cpuid_register reg)
{
    switch (reg) {
    case REGISTER_EAX: return &result->eax;
    case REGISTER_EBX: return &result->ebx;
    case REGISTER_ECX: return &result->ecx;
    case REGISTER_EDX: break;
    }
    return &result->edx;
}

/* Returns the processor's registers for a leaf; zeros for a leaf that the processor does not have.
 * The instruction itself would return the data of the highest basic leaf. */
static struct cpuid_result host_cpuid(const struct cpuid_board *board, uint32_t leaf,
                                      uint32_t subleaf)
{
    if (leaf > board->host(leaf & UINT32_C(0x80000000), 0).eax)
        return (struct cpuid_result){0};
    if (leaf == 7 && subleaf > board->host(7, 0).eax)
        return (struct cpuid_result){0};
    return board->host(leaf, subleaf);
}

static uint32_t cpu_count(const struct cpuid_board *board)
{
    return board->cpu_count == 0 ? 1 : board->cpu_count;
}

/* Returns the number of APIC ID bits that distinguish the guest's vCPUs. */
static unsigned id_bits(const struct cpuid_board *board)
{
    unsigned bits = 0;

    while (UINT64_C(1) << bits < cpu_count(board))
        bits++;
    return bits;
}

static bool condition_holds(const struct cpuid_board *board, const struct cpuid_guest *guest,
                            enum cpuid_condition condition)
{
    switch (condition) {
    case CONDITION_ALWAYS: return true;
    case CONDITION_RDTSCP: return board->rdtscp;
    case CONDITION_INVPCID: return board->invpcid;
    case CONDITION_XSAVEC: return board->xsavec;
    case CONDITION_XSAVES: return board->xsavec && board->xsaves;
    case CONDITION_CODE64: return guest->code64;
    case CONDITION_XD_ON: return !guest->disables_execute_disable;
    case CONDITION_LOCAL_APIC: return board->has_apic;
    case CONDITION_HAS_X2APIC: return board->has_apic && !board->has_no_x2apic;
    case CONDITION_APIC_ON: return board->has_apic && guest->apic_enabled;
    case CONDITION_SEVERAL: return cpu_count(board) > 1;
    }
    return false;
}

/* Returns whether the guest sees the bit. host: the processor's registers for the row's leaf and
 * subleaf. */
static bool is_shown(const struct cpuid_board *board, const struct cpuid_guest *guest,
                     const struct cpuid_feature_row *row, struct cpuid_result host)
{
    return condition_holds(board, guest, row->condition) &&
           (row->is_emulated || (*register_of(&host, row->reg) & row->mask) != 0);
}

/* Returns the bits of one leaf and subleaf that the table lists and the guest sees; all others are
 * 0. */
static struct cpuid_result listed_features(const struct cpuid_board *board,
                                           const struct cpuid_guest *guest, uint32_t leaf,
                                           uint32_t subleaf)
{
    struct cpuid_result host = host_cpuid(board, leaf, subleaf);
    struct cpuid_result shown = {0};

    for (size_t i = 0; i < CPUID_FEATURE_COUNT; i++) {
        const struct cpuid_feature_row *row = &features[i];
        if (row->leaf == leaf && row->subleaf == subleaf && is_shown(board, guest, row, host))
            *register_of(&shown, row->reg) |= row->mask;
    }
    return shown;
}

bool cpuid_has(const struct cpuid_board *board, enum cpuid_feature feature)
{
    static const struct cpuid_guest any_mode = {.code64 = true, .apic_enabled = true};

    if (feature >= CPUID_FEATURE_COUNT)
        return false;

    const struct cpuid_feature_row *row = &features[feature];
    return is_shown(board, &any_mode, row, host_cpuid(board, row->leaf, row->subleaf));
}

const char *cpuid_feature_name(enum cpuid_feature feature)
{
    return feature < CPUID_FEATURE_COUNT ? features[feature].name : "unknown";
}

unsigned cpuid_physical_address_bits(const struct cpuid_board *board)
{
    unsigned bits = host_cpuid(board, 0x80000008, 0).eax & 0xff;

    /* SDM: 36 bits if the processor has PAE and does not have the leaf. */
    if (bits == 0)
        bits = 36;
    return bits < board->physical_address_bits ? bits : board->physical_address_bits;
}

uint64_t xcr0_allowed_mask(const struct cpuid_board *board)
{
    if (!cpuid_has(board, CPUID_XSAVE))
        return 0;

    struct cpuid_result host = host_cpuid(board, 0xd, 0);
    uint64_t mask = XCR0_X87 | XCR0_SSE;

    if (cpuid_has(board, CPUID_AVX))
        mask |= XCR0_AVX;
    if (cpuid_has(board, CPUID_AVX512F))
        mask |= XCR0_AVX512;
    if (cpuid_has(board, CPUID_PKU))
        mask |= XCR0_PKRU;
    mask &= (uint64_t)host.edx << 32 | host.eax;
    return xcr0_is_valid(mask, mask) ? mask : XCR0_X87;
}

struct cpuid_summary cpuid_summarize(const struct cpuid_board *board)
{
    struct cpuid_summary summary = {
        .xcr0 = xcr0_allowed_mask(board),
        .version = host_cpuid(board, 1, 0).eax,
        .physical_address_bits = cpuid_physical_address_bits(board),
    };

    for (unsigned i = 0; i < CPUID_FEATURE_COUNT; i++) {
        if (cpuid_has(board, (enum cpuid_feature)i))
            summary.features[i / 64] |= BIT(i % 64);
    }
    return summary;
}

const char *cpuid_difference(const struct cpuid_summary *a, const struct cpuid_summary *b)
{
    const uint32_t stepping = 0xf;

    for (unsigned i = 0; i < CPUID_FEATURE_COUNT; i++) {
        if (((a->features[i / 64] ^ b->features[i / 64]) & BIT(i % 64)) != 0)
            return cpuid_feature_name((enum cpuid_feature)i);
    }
    if (a->xcr0 != b->xcr0)
        return "XCR0";
    if (((a->version ^ b->version) & ~stepping) != 0)
        return "family or model";
    return a->physical_address_bits != b->physical_address_bits ? "width of addresses" : NULL;
}

/* Returns the offset at which the last enabled component ends: SDM vol. 1, "Standard Format of the
 * Extended Region". The legacy region and the header, together 576 bytes, are always there. */
static uint32_t standard_size_bytes(const struct cpuid_board *board, uint64_t components)
{
    uint32_t size_bytes = 576;

    for (uint32_t i = 2; i < 63; i++) {
        if ((components & BIT(i)) == 0)
            continue;
        struct cpuid_result component = host_cpuid(board, 0xd, i);
        if (component.ebx + component.eax > size_bytes)
            size_bytes = component.ebx + component.eax;
    }
    return size_bytes;
}

/* Returns the size of all enabled components one after the other: SDM vol. 1, "Compacted Format of
 * the Extended Region". A component whose ECX bit 1 is set begins at a multiple of 64 bytes. */
static uint32_t compacted_size_bytes(const struct cpuid_board *board, uint64_t components)
{
    uint32_t size_bytes = 576;

    for (uint32_t i = 2; i < 63; i++) {
        if ((components & BIT(i)) == 0)
            continue;
        struct cpuid_result component = host_cpuid(board, 0xd, i);
        if (component.ecx & 2)
            size_bytes = (uint32_t)align_up(size_bytes, 64);
        size_bytes += component.eax;
    }
    return size_bytes;
}

static struct cpuid_result leaf_xsave(const struct cpuid_board *board,
                                      const struct cpuid_guest *guest, uint32_t subleaf)
{
    uint64_t allowed = xcr0_allowed_mask(board);
    struct cpuid_result result = {0};

    if (allowed == 0)
        return result;
    if (subleaf == 0) {
        result.eax = (uint32_t)allowed;
        result.ebx = standard_size_bytes(board, guest->xcr0 & allowed);
        result.ecx = standard_size_bytes(board, allowed);
        result.edx = (uint32_t)(allowed >> 32);
    } else if (subleaf == 1) {
        /* EDX:ECX, the bits that software may set in IA32_XSS, stay 0: there are no supervisor
         * components. */
        result = listed_features(board, guest, 0xd, 1);
        if (cpuid_has(board, CPUID_XSAVEC) || cpuid_has(board, CPUID_XSAVES))
            result.ebx = compacted_size_bytes(board, guest->xcr0 & allowed);
    } else if (subleaf < 63 && (allowed & BIT(subleaf)) != 0) {
        struct cpuid_result host = host_cpuid(board, 0xd, subleaf);
        result.eax = host.eax;
        result.ebx = host.ebx;
        result.ecx = host.ecx & 2;
    }
    return result;
}

static struct cpuid_result leaf_version(const struct cpuid_board *board,
                                        const struct cpuid_guest *guest)
{
    struct cpuid_result host = host_cpuid(board, 1, 0);
    struct cpuid_result result = listed_features(board, guest, 1, 0);

    result.eax = host.eax;
    /* The brand index and the CLFLUSH line size are the processor's. EBX 23:16 is the number of IDs
     * that the package has room for. */
    result.ebx =
        (host.ebx & 0xffff) | UINT32_C(1) << id_bits(board) << 16 | (board->vcpu_id & 0xff) << 24;
    result.ecx |= LEAF1_ECX_HYPERVISOR;
    if ((guest->cr4 & CR4_OSXSAVE) != 0 && cpuid_has(board, CPUID_XSAVE))
        result.ecx |= LEAF1_ECX_OSXSAVE;
    return result;
}

/* Returns the processor's cache and TLB descriptors, one in each byte. Descriptor 0xfe, "see leaf
 * 0x18", becomes 0, the null descriptor, because the guest does not see that leaf. The lowest byte
 * of EAX is not a descriptor; it reads 1. */
static struct cpuid_result leaf_descriptors(const struct cpuid_board *board)
{
    struct cpuid_result result = host_cpuid(board, 2, 0);

    for (int reg = REGISTER_EAX; reg <= REGISTER_EDX; reg++) {
        uint32_t *value = register_of(&result, (enum cpuid_register)reg);
        for (unsigned shift = reg == REGISTER_EAX ? 8 : 0; shift < 32; shift += 8)
            if ((*value >> shift & 0xff) == 0xfe)
                *value &= ~(UINT32_C(0xff) << shift);
    }
    return result;
}

/* Returns the caches. Size and type are the processor's. EAX 31:26 is the number of IDs that the
 * package has room for, minus one; EAX 25:14 is the same for the processors that share the cache.
 * Caches of level 1 and 2 belong to one core, and each vCPU is a core; higher levels belong to the
 * package. Type 0 ends the list. */
static struct cpuid_result leaf_caches(const struct cpuid_board *board, uint32_t subleaf)
{
    struct cpuid_result result = host_cpuid(board, 4, subleaf);
    uint32_t last_id = (UINT32_C(1) << id_bits(board)) - 1;
    uint32_t type = result.eax & 0x1f, level = result.eax >> 5 & 7;

    if (type == 0)
        return (struct cpuid_result){0};
    result.eax = (result.eax & 0x3fff) | (level > 2 ? last_id : 0) << 14 | last_id << 26;
    return result;
}

static struct cpuid_result leaf_structured_features(const struct cpuid_board *board,
                                                    const struct cpuid_guest *guest,
                                                    uint32_t subleaf)
{
    struct cpuid_result result = listed_features(board, guest, 7, subleaf);

    if (subleaf == 0) {
        result.eax = host_cpuid(board, 7, 0).eax >= 1 ? 1 : 0;
        if ((guest->cr4 & CR4_PKE) != 0 && cpuid_has(board, CPUID_PKU))
            result.ecx |= LEAF7_ECX_OSPKE;
    }
    return result;
}

/* Returns the topology: one thread in each core, all cores in one package. EAX is the number of
 * bits by which software shifts the x2APIC ID right to get the ID of the next level. EBX is the
 * number of logical processors at this level. */
static struct cpuid_result leaf_topology(const struct cpuid_board *board, uint32_t subleaf)
{
    enum { LEVEL_SMT = 1, LEVEL_CORE = 2 };
    struct cpuid_result result = {.ecx = subleaf & 0xff, .edx = board->vcpu_id};

    if (subleaf == 0) {
        result.ebx = 1;
        result.ecx |= LEVEL_SMT << 8;
    } else if (subleaf == 1) {
        result.eax = id_bits(board);
        result.ebx = cpu_count(board);
        result.ecx |= LEVEL_CORE << 8;
    }
    return result;
}

uint32_t cpuid_crystal_ratio(const struct cpuid_board *board)
{
    return (uint32_t)(board->tsc_hz >> 32) + 1;
}

uint64_t cpuid_crystal_hz(const struct cpuid_board *board)
{
    return board->tsc_hz / cpuid_crystal_ratio(board);
}

/* Returns the TSC's frequency as the monitor measured it, even if the processor's own leaf says
 * something else. The board's clocks are derived from the measured frequency, so a guest finds them
 * consistent with the leaf. EBX / EAX is the ratio of the TSC to the crystal; ECX is the crystal's
 * frequency in Hz. */
static struct cpuid_result leaf_tsc(const struct cpuid_board *board)
{
    if (board->tsc_hz == 0)
        return (struct cpuid_result){0};
    return (struct cpuid_result){
        .eax = 1, .ebx = cpuid_crystal_ratio(board), .ecx = (uint32_t)cpuid_crystal_hz(board)};
}

static struct cpuid_result leaf_hypervisor(void)
{
    struct cpuid_result result = {.eax = CPUID_HYPERVISOR_LEAF};

    memcpy(&result.ebx, &CPUID_HYPERVISOR_SIGNATURE[0], 4);
    memcpy(&result.ecx, &CPUID_HYPERVISOR_SIGNATURE[4], 4);
    memcpy(&result.edx, &CPUID_HYPERVISOR_SIGNATURE[8], 4);
    return result;
}

struct cpuid_result cpuid_policy(const struct cpuid_board *board, const struct cpuid_guest *guest,
                                 uint32_t leaf, uint32_t subleaf)
{
    struct cpuid_result result = {0};

    if (guest->limits_leaves && leaf > CPUID_MAX_LIMITED && leaf <= CPUID_MAX_BASIC)
        return result;
    switch (leaf) {
    case 0x0: /* the vendor's name is the processor's */
        result = host_cpuid(board, 0, 0);
        result.eax = guest->limits_leaves ? CPUID_MAX_LIMITED : CPUID_MAX_BASIC;
        break;
    case 0x1: result = leaf_version(board, guest); break;
    case 0x2: result = leaf_descriptors(board); break;
    case 0x4: result = leaf_caches(board, subleaf); break;
    case 0x6: result = listed_features(board, guest, 6, 0); break;
    case 0x7: result = leaf_structured_features(board, guest, subleaf); break;
    case 0xb: result = leaf_topology(board, subleaf); break;
    case 0xd: result = leaf_xsave(board, guest, subleaf); break;
    case 0x15: result = leaf_tsc(board); break;
    case 0x16: /* base and maximum frequency in MHz; the bus frequency reads 0 */
        result.eax = result.ebx = (uint32_t)((board->tsc_hz + 500000) / 1000000) & 0xffff;
        break;
    case CPUID_HYPERVISOR_LEAF: result = leaf_hypervisor(); break;
    case 0x80000000: result.eax = CPUID_MAX_EXTENDED; break;
    case 0x80000001:
    case 0x80000007: result = listed_features(board, guest, leaf, 0); break;
    case 0x80000002: /* 0x80000002..4: the processor's name */
    case 0x80000003:
    case 0x80000004: result = host_cpuid(board, leaf, 0); break;
    case 0x80000006: result.ecx = host_cpuid(board, leaf, 0).ecx; break; /* L2 cache */
    case 0x80000008: /* physical and linear address bits */
        result.eax = cpuid_physical_address_bits(board) | 48 << 8;
        break;
    default: break;
    }
    return result;
}
