/* A guest: its memory, its buses, its board and its processor, from creation to end. */
#ifndef VMM_GUEST_H
#define VMM_GUEST_H

#include "arch/x86/memory/ept.h"
#include "vmm/boot_info.h"
#include "vmm/machine.h"
#include "vmm/vcpu.h"

enum guest_state {
    GUEST_RUNNING,
    GUEST_WANTS_RESET, /* through the keyboard controller, ACPI or port 0xcf9 */
    GUEST_POWERED_OFF, /* ACPI S5: exit code 0 */
    GUEST_EXITED,      /* the debug exit port */
    GUEST_STOPPED,     /* by the monitor, with a dump */
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

struct guest_end {
    enum guest_state kind;
    uint64_t exit_code;
    char reason[GUEST_END_REASON_BYTES];
};

#define GUEST_DEBUG_LINE_BYTES 160

struct guest {
    const struct guest_config *config;
    uint8_t *ram; /* behind the guest's memory, as vmm/loader/memory_layout.h lays it out */
    struct ept ept;
    struct iobus ports;
    struct iobus mmio;
    struct machine machine;
    struct vcpu vcpu;
    struct guest_end end;
    uint32_t start_count;

    char
        debug_line[GUEST_DEBUG_LINE_BYTES]; /* what came through port 0xe9 since the last newline */
    size_t debug_length;
};

/* What all guests of this monitor are made with. */
struct guest_environment {
    const struct boot_info *boot;
    const struct vmx_capabilities *capabilities;
    struct heap *heap;
};

/* Builds the guest on this processor; nothing runs yet. On failure everything is undone. */
enum status guest_create(struct guest *guest, const struct guest_config *config,
                         const struct guest_environment *environment, uint16_t vpid) MUST_USE;

void guest_destroy(struct guest *guest, const struct guest_environment *environment);

/* Power-on or reset: clears the RAM, loads the image anew, puts board and processor to their
 * initial state. STATUS_* of the loader, with its message in guest->end.reason and the guest
 * stopped. */
enum status guest_start(struct guest *guest, const struct guest_environment *environment) MUST_USE;

/* Stops the guest for something it did or ran into: prints the reason and a dump of its processor.
 */
void guest_stop(struct guest *guest, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Ends the guest in an orderly way. */
void guest_end(struct guest *guest, enum guest_state kind, uint64_t exit_code, const char *reason);

/* Prints what came through the debug console since its last newline, if anything. */
void guest_flush_debug_line(struct guest *guest);

/* The host memory behind [gpa, +size_bytes), null unless all of it is the guest's RAM in one piece.
 */
uint8_t *guest_memory(const struct guest *guest, gpa_t gpa, uint64_t size_bytes);

/* Registers, segments, control registers and code at RIP, through log_text. Its VMCS is current. */
void guest_dump(struct guest *guest);

#endif
