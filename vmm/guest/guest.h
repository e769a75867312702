// SPDX-License-Identifier: BSD-2-Clause
/* A guest: its memory, its buses, its board and its vCPUs, from creation to end. */
#ifndef VMM_GUEST_GUEST_H
#define VMM_GUEST_GUEST_H

#include "arch/x86/memory/ept.h"
#include "vmm/attachments/attachments.h"
#include "vmm/board/board.h"
#include "vmm/boot_info.h"
#include "vmm/console/console.h"
#include "vmm/guest/notes.h"
#include "vmm/host/address_space.h"
#include "vmm/loader/memory_layout.h"
#include "vmm/memory/heap.h"

struct vcpu;

enum guest_state {
    GUEST_RUNNING,
    GUEST_WANTS_RESET, /* through the keyboard controller, ACPI or port 0xcf9 */
    GUEST_POWERED_OFF, /* ACPI S5: exit code 0 */
    GUEST_EXITED,      /* the guest wrote to the debug exit port */
    GUEST_STOPPED,     /* the monitor stopped it, with a dump */
    GUEST_QUIT,        /* ended at the prompt */
};

/* The exit codes of guests that gave none themselves. They are even, so that the debug exit port
 * cannot write them. */
#define EXIT_CODE_POWER_OFF 0
#define EXIT_CODE_STOPPED   254

/* Returns whether an exit code means success by the convention of QEMU's isa-debug-exit: power-off,
 * or a 0 written to the port. */
static inline bool exit_code_is_success(uint64_t code)
{
    return code <= 1;
}

#define GUEST_END_REASON_BYTES 160

struct guest_outcome {
    _Atomic enum guest_state kind; /* written last: then the other fields are valid */
    uint64_t exit_code;
    char reason[GUEST_END_REASON_BYTES];
};

#define GUEST_DEBUG_LINE_BYTES 160

/* A page at which vCPUs have their local APICs, other than the usual one. */
struct guest_apic_page {
    uint64_t page;
    uint32_t user_count; /* 0: this entry is free */
    struct iobus_handle handle;
};

#define GUEST_APIC_PAGES_MAX 4

struct guest {
    const struct guest_config *config;
    uint8_t *testdev_memory; /* null without a test device */
    uint8_t *ram; /* the guest's RAM in its window, which only the processors of its vCPUs have; in
                   * the layout of vmm/loader/memory_layout.h */
    struct page_table window;
    struct guest_ram_block ram_blocks[GUEST_RAM_BLOCKS_MAX];
    size_t ram_block_count;
    struct ept ept;
    /* What the guest's actions allocate comes from a heap of its own, and so cannot use up what
     * other guests have: bus tables, attachments, moves of local APICs. */
    struct heap heap;
    struct iobus ports;
    struct iobus mmio;
    struct board board;
    struct attachments attachments;
    _Atomic bool has_garbage; /* replaced tables of the buses wait to be freed */
    struct vcpu *vcpus;
    struct vcpu_notes *notes[GUEST_CPUS_MAX]; /* of each vCPU */
    uint32_t vcpu_count;
    _Atomic uint32_t dead_count; /* vCPUs that only another one can wake */
    uint8_t *apic_access_page;   /* null: the local APICs are emulated */
    bool apic_access_is_mapped;
    struct guest_apic_page apic_pages[GUEST_APIC_PAGES_MAX];
    struct spinlock apic_pages_lock;
    uint64_t apic_refusals;        /* how often an APIC's new page was refused */
    uint64_t apic_refusal_said_ns; /* when that was logged last */
    struct spinlock end_lock;      /* held while the guest ends, so that it ends only once */
    struct guest_outcome end;
    uint32_t start_count;
    uint64_t timeout_tsc; /* when the guest is stopped, on the processor's TSC; UINT64_MAX: never */

    struct console_client console;           /* the other end of COM1 */
    char debug_line[GUEST_DEBUG_LINE_BYTES]; /* what port 0xe9 got since the last newline */
    size_t debug_length;
};

/* What all guests of this monitor are created with. */
struct guest_environment {
    const struct boot_info *boot;
    struct heap *heap;
};

/* Builds the guest; nothing runs yet. Its vCPUs belong to this processor and to the
 * config->cpu_count - 1 processors after it, which are idle. On failure everything is undone.
 * Returns the error of the step that failed: STATUS_NO_MEMORY if the heap does not suffice; for a
 * configured attachment that of attachments_attach_all, whose message is logged. */
enum status guest_create(struct guest *guest, const struct guest_config *config,
                         const struct guest_environment *environment) MUST_USE;

/* Undoes guest_create, step by step in the reverse order. No vCPU runs, and the first processor does
 * no work of the console meanwhile. What zones have queued reaches the board first. When the
 * function returns, nothing refers to the guest any more: no console, no bus, no attachment, no
 * note. */
void guest_destroy(struct guest *guest, const struct guest_environment *environment);

/* Powers the guest on, or resets it: clears the RAM, loads the image again, and puts the board and
 * the vCPUs into their initial state. On the same processor as guest_create. On an error of
 * loader_load returns its status; the guest is then stopped, with the reason in
 * guest->end.reason. */
enum status guest_start(struct guest *guest, const struct guest_environment *environment) MUST_USE;

/* Runs all vCPUs until the guest is no longer running and all of them have come back. Called after
 * guest_start, on the same processor. */
void guest_run(struct guest *guest);

static inline bool guest_is_running(const struct guest *guest)
{
    return atomic_load_explicit(&guest->end.kind, memory_order_acquire) == GUEST_RUNNING;
}

/* Returns when guest_work has a timer to run, on the processor's TSC; UINT64_MAX: never. */
uint64_t guest_deadline_tsc(const struct guest *guest);

/* Does the guest's common work between two exits: timers that are due by now_tsc, a share of the
 * work that doorbells have left, and memory that no vCPU uses any more. Only the first vCPU calls
 * it. Returns whether work is left. */
bool guest_work(struct guest *guest, uint64_t now_tsc);

/* Frees the bus tables that a change has replaced, as soon as every vCPU has been back in the
 * guest. Called after a change of the guest's buses. Leaves a note with all vCPUs if tables have to
 * wait. */
void guest_collect_garbage(struct guest *guest);

/* So many replaced bus tables may wait until vCPUs exit by themselves. */
#define GUEST_GARBAGE_TABLES 8

/* Does guest_collect_garbage if GUEST_GARBAGE_TABLES or more replaced bus tables wait. Called after
 * a change of the buses that the guest has caused; it may cause them without end, and not all of its
 * vCPUs need exit. */
void guest_limit_garbage(struct guest *guest);

/* Counts one more vCPU that only another vCPU's NMI, INIT or start-up message can wake. Returns
 * true if all vCPUs are like that, and no message is on its way to any of them. */
MUST_USE bool guest_add_dead(struct guest *guest);

/* Counts one vCPU less of those that guest_add_dead counts. */
void guest_remove_dead(struct guest *guest);

/* Moves the page of one vCPU's local APIC, after that vCPU has moved it. The MMIO bus answers at a
 * page as long as one vCPU has its APIC there. RAM at the new page stays visible to all vCPUs. If
 * the bus cannot take the page, or the guest's heap has no memory for that, logs it, once a second
 * at most, and the APIC does not answer there. counted_page: what the last call for this vCPU
 * returned, LOCAL_APIC_DEFAULT_BASE before the first. Returns new_page, or LOCAL_APIC_DEFAULT_BASE
 * if it was refused. */
MUST_USE uint64_t guest_move_apic_page(struct guest *guest, uint64_t counted_page,
                                       uint64_t new_page);

/* Puts the pages of all local APICs back to where they were at first, after a reset. No vCPU
 * runs. */
void guest_reset_apic_pages(struct guest *guest);

/* Gives the guest an APIC-access page if all of its processors virtualize the APIC and the
 * configuration does not forbid it; otherwise does nothing. Called before its vCPUs are created.
 * STATUS_NO_MEMORY: there is no memory for the page or its EPT entries. */
MUST_USE enum status guest_create_apic_access_page(struct guest *guest, struct heap *heap);

/* Undoes guest_create_apic_access_page. The guest's vCPUs are gone, and no processor holds a
 * translation of its EPT. */
void guest_destroy_apic_access_page(struct guest *guest, struct heap *heap);

/* Hides the APIC-access page: until guest_reset_apic_pages, accesses to local APICs at the usual
 * place are EPT violations. Otherwise a vCPU that goes over to x2APIC mode would have memory there.
 * The caller executes INVEPT itself; other vCPUs may do so when they follow it into that mode. */
void guest_hide_apic_access_page(struct guest *guest);

/* Leaves a note with every vCPU. attention is of enum vcpu_attention. */
void guest_notify_all(struct guest *guest, uint32_t attention);

/* Stops the guest if it runs, and prints the reason. Returns false if it did not run; then nothing
 * has happened. */
bool guest_stop(struct guest *guest, const char *reason);

/* Ends the guest in an orderly way, or makes it reset, if it runs; otherwise does nothing. kind is
 * not GUEST_RUNNING. The vCPUs get a note. */
void guest_end(struct guest *guest, enum guest_state kind, uint64_t exit_code, const char *reason);

/* Prints what came through the debug console since its last newline, if there is anything. */
void guest_flush_debug_line(struct guest *guest);

/* Returns the host memory of [gpa, +size_bytes); null unless all of it is the guest's RAM in one
 * piece. */
static inline uint8_t *guest_memory(const struct guest *guest, gpa_t gpa, uint64_t size_bytes)
{
    for (size_t i = 0; i < guest->ram_block_count; i++) {
        const struct guest_ram_block *block = &guest->ram_blocks[i];
        uint64_t into = gpa.value - block->gpa.value;

        if (into < block->size_bytes && size_bytes <= block->size_bytes - into)
            return guest->ram + block->offset_bytes + into;
    }
    return NULL;
}

#endif
