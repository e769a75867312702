// SPDX-License-Identifier: BSD-2-Clause
#include "arch/x86/firmware_call.h"

#include "arch/x86/cpu.h"
#include "arch/x86/extended_state.h"

void firmware_state_read(struct firmware_state *state)
{
    state->cr4 = read_cr4();
    state->xcr0 = (state->cr4 & CR4_OSXSAVE) != 0 ? xgetbv(0) : 0;
}

bool firmware_call(const struct firmware_state *state, const struct page_table *table,
                   void (*function)(void *context), void *context, struct trap_fault *fault)
{
    const uint64_t cr4_firmware = CR4_DE | CR4_PSE | CR4_MCE | CR4_OSFXSR | CR4_OSXMMEXCPT |
                                  CR4_UMIP | CR4_FSGSBASE | CR4_OSXSAVE;
    uint64_t cr3 = read_cr3(), cr4 = read_cr4();
    bool is_whole;

    extended_state_reset();
    if (state->xcr0 != 0)
        (void)!xsetbv_safe(0, state->xcr0); /* cannot fail: the firmware had set this value */
    write_cr3(page_table_cr3(table));
    write_cr4((state->cr4 & cr4_firmware) | CR4_PAE | CR4_OSFXSR | CR4_OSXMMEXCPT |
              (cr4 & CR4_LA57));
    is_whole = trap_call_guarded(function, context, fault);
    write_cr4(cr4);
    write_cr3(cr3);
    return is_whole;
}
