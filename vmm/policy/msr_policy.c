// SPDX-License-Identifier: BSD-2-Clause
#include "vmm/policy/msr_policy.h"

#include "arch/x86/msr.h"

#include <string.h>

/* What a read or a write of a register does. */
enum msr_action {
    ACTION_GP = 0,
    ACTION_PASS,    /* the MSR bitmap lets the access through */
    ACTION_CONST,   /* read: returns the row's constant */
    ACTION_STORAGE, /* read: returns the slot; write: checks the value, then sets the slot */
    ACTION_IGNORE,  /* write: has no effect */
    ACTION_EFER,
    ACTION_TSC,
    ACTION_DEBUGCTL,
    ACTION_APIC_BASE,
    ACTION_X2APIC,
    ACTION_TSC_DEADLINE,
};

/* The check of the values that a write may have. */
enum msr_check {
    CHECK_ANY,
    CHECK_ZERO,
    CHECK_APIC_BASE,
    CHECK_DEBUGCTL,
    CHECK_MISC_ENABLE,
    CHECK_PAT,
    CHECK_MTRR_DEF_TYPE,
    CHECK_MTRR_FIXED,
    CHECK_MTRR_VARIABLE, /* bases at even, masks at odd indices */
};

/* The feature on which a register depends. */
enum msr_presence {
    PRESENT,
    PRESENT_WITH_RDTSCP,
    PRESENT_WITH_XSAVES,
    PRESENT_WITH_APIC,
    PRESENT_WITHOUT_APIC,
};

struct msr_row {
    uint32_t first;
    uint32_t count; /* consecutive indices, consecutive slots */
    const char *name;
    enum msr_action read, write;
    enum msr_check check;
    enum msr_presence presence;
    bool is_in_vmcs; /* passes through, and the processor switches it at exits and entries */
    uint64_t constant;
    uint16_t slot; /* offset in struct msr_state of the first register's storage */
};

#define PASS_IN_VMCS .read = ACTION_PASS, .write = ACTION_PASS, .is_in_vmcs = true
#define PASS_UNSAVED .read = ACTION_PASS, .write = ACTION_PASS
#define STORED(member)                                                                             \
    .read = ACTION_STORAGE, .write = ACTION_STORAGE, .slot = offsetof(struct msr_state, member)

/* Writes to these bits of IA32_MISC_ENABLE are ignored. */
#define MISC_ENABLE_READ_ONLY                                                                      \
    (MISC_ENABLE_PERFMON | MISC_ENABLE_BTS_UNAVAILABLE | MISC_ENABLE_PEBS_UNAVAILABLE)

/* Eight variable ranges, the fixed ranges, and the type write-combining. */
#define MTRRCAP_VALUE (MTRR_VARIABLE_COUNT | MTRRCAP_FIX | MTRRCAP_WC)

/* The registers in ascending order. Of several rows for one register at most one is present.
 * These registers are missing on purpose:
 *   IA32_TSC_ADJUST: CPUID does not show it.
 *   IA32_SPEC_CTRL, IA32_PRED_CMD, IA32_FLUSH_CMD, IA32_ARCH_CAPABILITIES: CPUID does not show
 *     them. They act on the whole logical processor, and the monitor does not switch them.
 *   Machine-check banks, thermal, power, performance monitoring, LBR, VMX capabilities, SMM:
 *     CPUID shows none of these features, and a processor without the feature has no such
 *     registers.
 *   MSR_PLATFORM_INFO and other registers of single models: no CPUID bit announces them, so
 *     software has to expect #GP under a hypervisor.
 * The system-call registers pass through, because the monitor executes neither SYSCALL nor
 * SWAPGS. */
static const struct msr_row rows[] = {
    {.first = IA32_TIME_STAMP_COUNTER,
     .count = 1,
     .name = "IA32_TIME_STAMP_COUNTER",
     .read = ACTION_TSC, /* a RDMSR that passes through applies the TSC offset */
     .write = ACTION_TSC},
    {.first = IA32_PLATFORM_ID, .count = 1, .name = "IA32_PLATFORM_ID", .read = ACTION_CONST},
    {.first = IA32_APIC_BASE,
     .count = 1,
     .name = "IA32_APIC_BASE",
     .presence = PRESENT_WITH_APIC,
     .read = ACTION_APIC_BASE,
     .write = ACTION_APIC_BASE},
    /* A processor whose CPUID shows no APIC and whose register has EN clear is one whose APIC the
     * firmware switched off. Then "enabling the APIC again needs a reset" (SDM vol. 3A, "Enabling
     * or Disabling the Local APIC"), so a write changes nothing. It is the only processor and
     * therefore the BSP. */
    {.first = IA32_APIC_BASE,
     .count = 1,
     .name = "IA32_APIC_BASE",
     .presence = PRESENT_WITHOUT_APIC,
     .read = ACTION_CONST,
     .constant = 0xfee00000 | APIC_BASE_BSP,
     .write = ACTION_IGNORE,
     .check = CHECK_APIC_BASE},
    {.first = IA32_FEATURE_CONTROL, /* locked, with VMX and SMX off; a write to the locked register
                                       causes #GP */
     .count = 1,
     .name = "IA32_FEATURE_CONTROL",
     .read = ACTION_CONST,
     .constant = FEATURE_CONTROL_LOCK},
    {.first = IA32_BIOS_SIGN_ID, /* no update is loaded: software writes 0, runs CPUID, reads 0 */
     .count = 1,
     .name = "IA32_BIOS_SIGN_ID",
     .read = ACTION_CONST,
     .write = ACTION_IGNORE},
    {.first = IA32_MTRRCAP,
     .count = 1,
     .name = "IA32_MTRRCAP",
     .read = ACTION_CONST,
     .constant = MTRRCAP_VALUE},
    {.first = IA32_SYSENTER_CS, .count = 3, .name = "IA32_SYSENTER_CS", PASS_IN_VMCS},
    {.first = IA32_MCG_CAP, /* no banks and no IA32_MCG_CTL: software that reads this without a look
                               at CPUID finds nothing to use */
     .count = 1,
     .name = "IA32_MCG_CAP",
     .read = ACTION_CONST},
    {.first = IA32_MISC_ENABLE,
     .count = 1,
     .name = "IA32_MISC_ENABLE",
     STORED(misc_enable),
     .check = CHECK_MISC_ENABLE},
    {.first = IA32_DEBUGCTL,
     .count = 1,
     .name = "IA32_DEBUGCTL",
     .read = ACTION_DEBUGCTL,
     .write = ACTION_DEBUGCTL,
     .check = CHECK_DEBUGCTL},
    {.first = IA32_MTRR_PHYSBASE0,
     .count = 2 * MTRR_VARIABLE_COUNT,
     .name = "IA32_MTRR_PHYSBASE0",
     STORED(mtrr_variable),
     .check = CHECK_MTRR_VARIABLE},
    {.first = IA32_MTRR_FIX64K_00000,
     .count = 1,
     .name = "IA32_MTRR_FIX64K_00000",
     STORED(mtrr_fixed[0]),
     .check = CHECK_MTRR_FIXED},
    {.first = IA32_MTRR_FIX16K_80000,
     .count = 2,
     .name = "IA32_MTRR_FIX16K_80000",
     STORED(mtrr_fixed[1]),
     .check = CHECK_MTRR_FIXED},
    {.first = IA32_MTRR_FIX4K_C0000,
     .count = 8,
     .name = "IA32_MTRR_FIX4K_C0000",
     STORED(mtrr_fixed[3]),
     .check = CHECK_MTRR_FIXED},
    {.first = IA32_PAT, .count = 1, .name = "IA32_PAT", STORED(pat), .check = CHECK_PAT},
    {.first = IA32_MTRR_DEF_TYPE,
     .count = 1,
     .name = "IA32_MTRR_DEF_TYPE",
     STORED(mtrr_def_type),
     .check = CHECK_MTRR_DEF_TYPE},
    {.first = IA32_TSC_DEADLINE,
     .count = 1,
     .name = "IA32_TSC_DEADLINE",
     .presence = PRESENT_WITH_APIC,
     .read = ACTION_TSC_DEADLINE,
     .write = ACTION_TSC_DEADLINE},
    {.first = IA32_X2APIC_FIRST, /* all exit: the APIC knows which registers exist, and in which
                                    mode */
     .count = IA32_X2APIC_LAST - IA32_X2APIC_FIRST + 1,
     .name = "x2APIC",
     .presence = PRESENT_WITH_APIC,
     .read = ACTION_X2APIC,
     .write = ACTION_X2APIC},
    {.first = IA32_XSS, /* there are no supervisor state components, so all bits are reserved */
     .count = 1,
     .name = "IA32_XSS",
     .presence = PRESENT_WITH_XSAVES,
     .read = ACTION_CONST,
     .write = ACTION_IGNORE,
     .check = CHECK_ZERO},
    {.first = IA32_EFER,
     .count = 1,
     .name = "IA32_EFER",
     .read = ACTION_EFER,
     .write = ACTION_EFER},
    {.first = IA32_STAR, .count = 1, .name = "IA32_STAR", PASS_UNSAVED},
    {.first = IA32_LSTAR, .count = 1, .name = "IA32_LSTAR", PASS_UNSAVED},
    {.first = IA32_CSTAR, .count = 1, .name = "IA32_CSTAR", PASS_UNSAVED},
    {.first = IA32_FMASK, .count = 1, .name = "IA32_FMASK", PASS_UNSAVED},
    {.first = IA32_FS_BASE, .count = 1, .name = "IA32_FS_BASE", PASS_IN_VMCS},
    {.first = IA32_GS_BASE, .count = 1, .name = "IA32_GS_BASE", PASS_IN_VMCS},
    {.first = IA32_KERNEL_GS_BASE, .count = 1, .name = "IA32_KERNEL_GS_BASE", PASS_UNSAVED},
    {.first = IA32_TSC_AUX,
     .count = 1,
     .name = "IA32_TSC_AUX",
     .presence = PRESENT_WITH_RDTSCP,
     PASS_UNSAVED},
};

static bool is_present(const struct msr_state *state, const struct msr_row *row)
{
    switch (row->presence) {
    case PRESENT: return true;
    case PRESENT_WITH_RDTSCP: return state->has_tsc_aux;
    case PRESENT_WITH_XSAVES: return state->has_xss;
    case PRESENT_WITH_APIC: return state->has_apic;
    case PRESENT_WITHOUT_APIC: return !state->has_apic;
    }
    return false;
}

static bool is_for(const struct msr_row *row, uint32_t index)
{
    return index - row->first < row->count;
}

/* Returns the row of the register; null if the guest has no such register. */
static const struct msr_row *find_row(const struct msr_state *state, uint32_t index)
{
    for (size_t i = 0; i < ARRAY_COUNT(rows); i++)
        if (is_for(&rows[i], index) && is_present(state, &rows[i]))
            return &rows[i];
    return NULL;
}

static uint64_t *slot_of(struct msr_state *state, const struct msr_row *row, uint32_t index)
{
    uint64_t *first = (uint64_t *)(void *)((char *)state + row->slot);
    return first + (index - row->first);
}

/* SDM vol. 3A, table "Memory Types That Can Be Encoded in MTRRs". */
static bool is_mtrr_type(uint64_t type)
{
    return type == MEMORY_TYPE_UC || type == MEMORY_TYPE_WC || type == MEMORY_TYPE_WT ||
           type == MEMORY_TYPE_WP || type == MEMORY_TYPE_WB;
}

/* Returns whether each of the eight bytes is a memory type. The PAT allows UC- as well (SDM vol.
 * 3A, "IA32_PAT MSR"). */
static bool are_types(uint64_t value, bool is_pat)
{
    for (unsigned shift = 0; shift < 64; shift += 8) {
        uint64_t type = value >> shift & 0xff;
        if (!is_mtrr_type(type) && !(is_pat && type == MEMORY_TYPE_UC_MINUS))
            return false;
    }
    return true;
}

/* Returns the bits that software may change. The bits for fast strings, thermal control, SpeedStep
 * and xTPR messages have no effect that software can notice. The instruction MONITOR stays
 * undefined and CPUID does not show it, whatever bit 18 holds. The CPUID limit and XD disable have
 * their effect. Bits that are neither here nor read-only are reserved. */
static uint64_t misc_enable_writable(const struct msr_state *state)
{
    return MISC_ENABLE_FAST_STRINGS | MISC_ENABLE_THERMAL_CONTROL | MISC_ENABLE_SPEEDSTEP |
           MISC_ENABLE_MONITOR | MISC_ENABLE_LIMIT_CPUID_MAXVAL | MISC_ENABLE_XTPR_DISABLE |
           (state->has_execute_disable ? MISC_ENABLE_XD_DISABLE : 0);
}

static bool value_is_valid(const struct msr_state *state, const struct msr_row *row, uint32_t index,
                           uint64_t value)
{
    uint64_t beyond_address = ~(BIT(state->physical_address_bits) - 1);

    switch (row->check) {
    case CHECK_ANY: return true;
    case CHECK_ZERO: return value == 0;
    case CHECK_APIC_BASE: /* EXTD is reserved if CPUID shows no x2APIC */
        return (value & (beyond_address | 0xff | BIT(9) | APIC_BASE_EXTD)) == 0;
    case CHECK_DEBUGCTL: /* LBR and the trace bits are reserved: the registers behind them do not
                            exist */
        return (value & ~DEBUGCTL_BTF) == 0;
    case CHECK_MISC_ENABLE:
        return (value & ~(MISC_ENABLE_READ_ONLY | misc_enable_writable(state))) == 0;
    case CHECK_PAT: return are_types(value, true);
    case CHECK_MTRR_DEF_TYPE:
        return (value & ~(MTRR_DEF_TYPE_E | MTRR_DEF_TYPE_FE | 0xff)) == 0 &&
               is_mtrr_type(value & 0xff);
    case CHECK_MTRR_FIXED: return are_types(value, false);
    case CHECK_MTRR_VARIABLE:
        if ((index - row->first) % 2 == 0)
            return (value & (beyond_address | 0xf00)) == 0 && is_mtrr_type(value & 0xff);
        return (value & (beyond_address | (MTRR_PHYSMASK_VALID - 1))) == 0;
    }
    return false;
}

void msr_policy_reset(struct msr_state *state, const struct cpuid_board *board)
{
    enum { FIXED_A0000 = 2 };
    const uint64_t all_wb = UINT64_C(0x0606060606060606);
    const uint64_t hole_start = 3 * GIB; /* the range for devices ends at 4 GiB */

    *state = (struct msr_state){
        .pat = PAT_RESET,
        .misc_enable =
            MISC_ENABLE_FAST_STRINGS | MISC_ENABLE_BTS_UNAVAILABLE | MISC_ENABLE_PEBS_UNAVAILABLE,
        .mtrr_def_type = MTRR_DEF_TYPE_E | MTRR_DEF_TYPE_FE | MEMORY_TYPE_WB,
        .physical_address_bits = (uint8_t)cpuid_physical_address_bits(board),
        .has_apic = board->has_apic,
        .has_execute_disable = cpuid_has(board, CPUID_EXECUTE_DISABLE),
        .has_tsc_aux = cpuid_has(board, CPUID_RDTSCP) || cpuid_has(board, CPUID_RDPID),
        .has_xss = cpuid_has(board, CPUID_XSAVES),
    };
    for (size_t i = 0; i < MTRR_FIXED_COUNT; i++)
        state->mtrr_fixed[i] = i == FIXED_A0000 ? 0 : all_wb;
    state->mtrr_variable[0] = hole_start | MEMORY_TYPE_UC;
    state->mtrr_variable[1] =
        ((BIT(state->physical_address_bits) - 1) & ~(GIB - 1)) | MTRR_PHYSMASK_VALID;
}

/* Returns where the caller finds the value of a register that is not kept here, for reads and
 * writes alike. */
static enum msr_outcome outcome_elsewhere(enum msr_action action)
{
    switch (action) {
    case ACTION_PASS: return MSR_IS_PASSED;
    case ACTION_EFER: return MSR_IS_EFER;
    case ACTION_TSC: return MSR_IS_TSC;
    case ACTION_DEBUGCTL: return MSR_IS_DEBUGCTL;
    case ACTION_APIC_BASE: return MSR_IS_APIC_BASE;
    case ACTION_X2APIC: return MSR_IS_X2APIC;
    case ACTION_TSC_DEADLINE: return MSR_IS_TSC_DEADLINE;
    case ACTION_CONST:
    case ACTION_STORAGE:
    case ACTION_IGNORE:
    case ACTION_GP: break;
    }
    return MSR_GP;
}

enum msr_outcome msr_policy_read(const struct msr_state *state, uint32_t index, uint64_t *value)
{
    const struct msr_row *row = find_row(state, index);

    if (row == NULL)
        return MSR_GP;
    switch (row->read) {
    case ACTION_CONST: *value = row->constant; return MSR_DONE;
    case ACTION_STORAGE: *value = *slot_of((struct msr_state *)state, row, index); return MSR_DONE;
    default: return outcome_elsewhere(row->read);
    }
}

enum msr_outcome msr_policy_write(struct msr_state *state, uint32_t index, uint64_t value)
{
    const struct msr_row *row = find_row(state, index);

    if (row == NULL || !value_is_valid(state, row, index, value))
        return MSR_GP;
    switch (row->write) {
    case ACTION_STORAGE:
        if (index == IA32_MISC_ENABLE) {
            state->misc_enable =
                (value & ~MISC_ENABLE_READ_ONLY) | (state->misc_enable & MISC_ENABLE_READ_ONLY);
            return MSR_IS_MISC_ENABLE;
        }
        *slot_of(state, row, index) = value;
        return index == IA32_PAT ? MSR_IS_PAT : MSR_DONE;
    case ACTION_IGNORE: return MSR_DONE;
    default: return outcome_elsewhere(row->write);
    }
}

/* SDM vol. 3C, "MSR-Bitmap Address": reads of 0-0x1fff, reads of 0xc0000000-0xc0001fff, then writes
 * of both, 1 KiB for each. A clear bit lets the access through. */
void msr_bitmap_pass(uint8_t bitmap[MSR_BITMAP_BYTES], uint32_t index, bool is_write, bool passes)
{
    uint32_t bit = index & 0x1fff;
    size_t quarter = (index >= 0xc0000000 ? 1 : 0) + (is_write ? 2 : 0);

    uint8_t *byte = &bitmap[quarter * 1024 + bit / 8];
    uint8_t mask = (uint8_t)(1u << bit % 8);

    *byte = passes ? *byte & (uint8_t)~mask : *byte | mask;
}

void msr_policy_fill_bitmap(const struct msr_state *state, uint8_t bitmap[MSR_BITMAP_BYTES])
{
    memset(bitmap, 0xff, MSR_BITMAP_BYTES);
    for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
        const struct msr_row *row = &rows[i];
        if (!is_present(state, row))
            continue;
        bool pass_read = row->read == ACTION_PASS || row->read == ACTION_TSC ||
                         row->read == ACTION_EFER || row->read == ACTION_DEBUGCTL;
        for (uint32_t n = 0; n < row->count; n++) {
            if (pass_read)
                msr_bitmap_pass(bitmap, row->first + n, false, true);
            if (row->write == ACTION_PASS)
                msr_bitmap_pass(bitmap, row->first + n, true, true);
        }
    }
}

size_t msr_policy_unsaved(const struct msr_state *state, uint32_t indices[MSR_PASS_THROUGH_MAX])
{
    size_t count = 0;

    for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
        const struct msr_row *row = &rows[i];
        if (row->write != ACTION_PASS || row->is_in_vmcs || !is_present(state, row))
            continue;
        for (uint32_t n = 0; n < row->count && count < MSR_PASS_THROUGH_MAX; n++)
            indices[count++] = row->first + n;
    }
    return count;
}

const char *msr_name(uint32_t index)
{
    for (size_t i = 0; i < ARRAY_COUNT(rows); i++)
        if (is_for(&rows[i], index))
            return rows[i].name;
    return NULL;
}
