// SPDX-License-Identifier: BSD-2-Clause
/* A guest: its memory, its buses, its board and its processors, from creation to end. */
#ifndef VMM_GUEST_GUEST_H
#define VMM_GUEST_GUEST_H

#include "arch/x86/memory/ept.h"
#include "vmm/attachments/attachments.h"
#include "vmm/board/board.h"
#include "vmm/boot_info.h"
#include "vmm/console/console.h"
#include "vmm/guest/notes.h"
#include "vmm/loader/memory_layout.h"

struct heap;
struct vcpu;

enum guest_state {
    GUEST_RUNNING,
    GUEST_WANTS_RESET, /* through the keyboard controller, ACPI or port 0xcf9 */
    GUEST_POWERED_OFF, /* ACPI S5: exit code 0 */
    GUEST_EXITED,      /* the debug exit port */
    GUEST_STOPPED,     /* by the monitor, with a dump */
    GUEST_QUIT,        /* at the prompt */
};

/* Exit codes of guests that gave none themselves. Even, so that the debug exit port cannot write
 * them. */
#define EXIT_CODE_POWER_OFF 0
#define EXIT_CODE_STOPPED   254

/* Success by the customs of QEMU's isa-debug-exit: power-off, or a 0 written to the port. */
static inline bool exit_code_is_success(uint64_t code)
{
    return code <= 1;
}

#define GUEST_END_REASON_BYTES 160

struct guest_outcome {
    _Atomic enum guest_state kind; /* written last */
    uint64_t exit_code;
    char reason[GUEST_END_REASON_BYTES];
};

#define GUEST_DEBUG_LINE_BYTES 160

/* A page other than the usual one where vCPUs have their local APICs. */
struct guest_apic_page {
    uint64_t page;
    uint32_t user_count; /* 0: this entry is free */
    struct iobus_handle handle;
};

#define GUEST_APIC_PAGES_MAX 4

struct guest {
    const struct guest_config *config;
    uint8_t *testdev_memory; /* null without a test device */
    uint8_t *ram; /* behind the guest's memory, as vmm/loader/memory_layout.h lays it out */
    struct guest_ram_block ram_blocks[GUEST_RAM_BLOCKS_MAX];
    size_t ram_block_count;
    struct ept ept;
    struct iobus ports;
    struct iobus mmio;
    struct board board;
    struct attachments attachments;
    _Atomic bool has_garbage; /* replaced tables of the buses wait to be freed */
    struct vcpu *vcpus;
    struct vcpu_notes *notes[GUEST_CPUS_MAX]; /* to each of them */
    uint32_t vcpu_count;
    _Atomic uint32_t dead_count; /* vCPUs that only another one can wake */
    uint8_t *apic_access_page;   /* null: the local APICs are emulated */
    bool apic_access_is_mapped;
    struct guest_apic_page apic_pages[GUEST_APIC_PAGES_MAX];
    struct spinlock apic_pages_lock;
    struct spinlock end_lock; /* only one way to end */
    struct guest_outcome end;
    uint32_t start_count;

    struct console_client console; /* COM1's other end */
    char
        debug_line[GUEST_DEBUG_LINE_BYTES]; /* what came through port 0xe9 since the last newline */
    size_t debug_length;
};

/* What all guests of this monitor are made with. */
struct guest_environment {
    const struct boot_info *boot;
    struct heap *heap;
};

/* Builds the guest; nothing runs yet. Its vCPUs belong to this processor and the
 * config->cpu_count - 1 that follow it, which are idle. On failure everything is undone. */
enum status guest_create(struct guest *guest, const struct guest_config *config,
                         const struct guest_environment *environment) MUST_USE;

/* On the same processor. */
void guest_destroy(struct guest *guest, const struct guest_environment *environment);

/* Power-on or reset: clears the RAM, loads the image anew, puts board and processors to their
 * initial state. STATUS_* of the loader, with its message in guest->end.reason and the guest
 * stopped. */
enum status guest_start(struct guest *guest, const struct guest_environment *environment) MUST_USE;

/* After guest_start, on the same processor: runs all vCPUs until the guest is no longer running and
 * all of them are back. */
void guest_run(struct guest *guest);

static inline bool guest_is_running(const struct guest *guest)
{
    return atomic_load_explicit(&guest->end.kind, memory_order_acquire) == GUEST_RUNNING;
}

/* When guest_work has something to do, on the processor's TSC. */
uint64_t guest_deadline_tsc(const struct guest *guest);

/* What is to be done for the guest as a whole between two exits: timers that are due, what
 * doorbells have left to do, memory that no vCPU uses any more. By the first vCPU. */
bool guest_work(struct guest *guest, uint64_t now_tsc);

/* Somebody has changed what is on the guest's buses: frees what that replaced as soon as every vCPU
 * has been back in the guest, which it is asked to. */
void guest_collect_garbage(struct guest *guest);

/* One vCPU more that only another one's NMI, INIT or start-up message can wake. True: all are like
 * that, and nothing is on its way to any. */
MUST_USE bool guest_add_dead(struct guest *guest);

/* One vCPU less of that kind. */
void guest_remove_dead(struct guest *guest);

/* A vCPU has moved the page of its local APIC: the bus answers there, as long as one vCPU has it
 * there. RAM at this place stays visible to all. */
void guest_move_apic_page(struct guest *guest, uint64_t old_page, uint64_t new_page);

/* After a reset all local APICs are where they were at first. No vCPU runs. */
void guest_reset_apic_pages(struct guest *guest);

/* Gives the guest an APIC-access page, if all of its processors virtualize the APIC and the
 * configuration does not forbid it. STATUS_NO_MEMORY. Before its vCPUs are created. */
MUST_USE enum status guest_create_apic_access_page(struct guest *guest, struct heap *heap);

/* From now on accesses to local APICs at the usual place are EPT violations, until
 * guest_reset_apic_pages: a vCPU that goes over to x2APIC mode would have memory there. It executes
 * INVEPT itself; others may do so when they follow it. */
void guest_hide_apic_access_page(struct guest *guest);

/* Leaves a note with every vCPU. */
void guest_notify_all(struct guest *guest, uint32_t attention);

/* Stops the guest for the reason given, if it runs, and prints that. False: it did not run. */
bool guest_stop(struct guest *guest, const char *reason);

/* Ends the guest in an orderly way, or asks for a reset, if it runs. */
void guest_end(struct guest *guest, enum guest_state kind, uint64_t exit_code, const char *reason);

/* Prints what came through the debug console since its last newline, if anything. */
void guest_flush_debug_line(struct guest *guest);

/* The host memory behind [gpa, +size_bytes), null unless all of it is the guest's RAM in one piece.
 */
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
