// SPDX-License-Identifier: BSD-2-Clause
#include "arch/x86/backtrace.h"

#include "arch/x86/paging.h"
#include "vmm/base/bits.h"
#include "vmm/base/log.h"

#define FRAMES_MAX 32

static backtrace_symbolizer *find_symbol;

void backtrace_set_symbolizer(backtrace_symbolizer *symbolizer)
{
    find_symbol = symbolizer;
}

/* Prints the name at rip. The symbol is looked up at `back` bytes before rip. Returns false if it
 * has no name. */
static bool print_symbol(uint64_t rip, uint64_t back)
{
    uint64_t offset = 0;
    const char *name = find_symbol == NULL ? NULL : find_symbol(rip - back, &offset);

    if (name == NULL)
        return false;
    log_text(" %s+0x%lx", name, (unsigned long)(offset + back));
    return true;
}

void backtrace_print_symbol(uint64_t rip)
{
    print_symbol(rip, 0);
}

/* Reads one stack frame. Returns false if it cannot be read. System V ABI, AMD64 supplement, "The
 * Stack Frame": [rbp] is the caller's rbp, [rbp + 8] the return address. */
static bool read_frame(uint64_t rbp, uint64_t *caller_rbp, uint64_t *return_address)
{
    /* An aligned pair of words may still lie on two pages. */
    if (rbp == 0 || !is_aligned(rbp, 8) || rbp > UINT64_MAX - 15 || !paging_is_mapped(rbp) ||
        !paging_is_mapped(rbp + 8))
        return false;
    *caller_rbp = *(const uint64_t *)rbp;
    *return_address = *(const uint64_t *)(rbp + 8);
    return true;
}

void backtrace_print(uint64_t rip, uint64_t rbp)
{
    uint64_t return_address;

    log_text("backtrace:\n  0x%016lx", (unsigned long)rip);
    print_symbol(rip, 0);
    log_text("\n");
    for (unsigned i = 0; i < FRAMES_MAX; i++) {
        if (!read_frame(rbp, &rbp, &return_address) || return_address == 0)
            return;
        log_text("  0x%016lx", (unsigned long)return_address);
        /* The call is before the return address. After a call that does not return, the return
         * address belongs to the next function. */
        bool is_known = print_symbol(return_address, 1);
        log_text("\n");
        if (find_symbol != NULL && !is_known)
            return;
    }
    log_text("  ...\n");
}
