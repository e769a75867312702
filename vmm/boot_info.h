// SPDX-License-Identifier: BSD-2-Clause
/* The facts that the boot stage gives to the monitor when the firmware's boot services have
 * ended. All addresses are host-physical. Where the monitor maps something one to one
 * (vmm/host/address_space.h), they are pointers as well. */
#ifndef VMM_BOOT_INFO_H
#define VMM_BOOT_INFO_H

#include "arch/x86/host_acpi.h"
#include "arch/x86/tsc_rate.h"
#include "vmm/attachments/attachment_spec.h"
#include "vmm/base/types.h"
#include "vmm/memory/ram_pieces.h"

#define BOOT_GUESTS_MAX        64
#define BOOT_CPUS_MAX          256
#define BOOT_MEMORY_RANGES_MAX 512
#define GUEST_CPUS_MAX         64
#define GUEST_NAME_BYTES       32
#define GUEST_CMDLINE_BYTES    2048
#define GUEST_ATTACHMENTS_MAX  32

/* The kinds of memory in the firmware's memory map that the monitor's page tables distinguish. */
enum memory_kind {
    MEMORY_RAM,          /* conventional, loader and boot-services memory */
    MEMORY_RUNTIME_CODE, /* EfiRuntimeServicesCode, executed when the machine is switched off */
    MEMORY_RUNTIME_DATA, /* EfiRuntimeServicesData, ACPI NVS */
    MEMORY_ACPI,         /* EfiACPIReclaimMemory */
    MEMORY_MMIO,
    MEMORY_RESERVED,
};

struct memory_range {
    hpa_t base;          /* page aligned */
    uint64_t size_bytes; /* whole pages */
    enum memory_kind kind;
};

struct blob {
    const uint8_t *data; /* null: there is none */
    uint64_t size_bytes;
};

/* Who does the work of the local APICs. */
enum guest_apic {
    GUEST_APIC_AUTO,     /* the processors, if all of the guest's can and none is known to err */
    GUEST_APIC_EMULATED, /* the monitor */
    GUEST_APIC_VIRTUAL,  /* the processors, if all of the guest's can */
};

#define GUEST_TIMEOUT_SECONDS_MAX 1000000 /* eleven days */

/* What happens to a guest that resets itself. */
enum on_reset {
    ON_RESET_RESTART, /* it starts anew */
    ON_RESET_STOP,    /* it is stopped */
};

/* One [guest NAME] section after all checks: its files are in memory and their formats are
 * known. */
struct guest_config {
    uint32_t number; /* its place in boot_info.guests */
    char name[GUEST_NAME_BYTES];
    struct blob kernel;
    struct blob initrd;
    char cmdline[GUEST_CMDLINE_BYTES];
    const char *format_name; /* of the kernel, for messages */
    const char *kernel_name; /* the files' names without folders; null: unknown */
    const char *initrd_name;
    uint32_t cpu_count; /* 1..GUEST_CPUS_MAX */
    bool has_testdev;   /* the board has the devices that test suites use */
    enum guest_apic apic;
    bool has_no_x2apic; /* its local APICs have xAPIC mode only */
    enum on_reset on_reset;
    uint32_t timeout_seconds; /* it is stopped when it has run for so long, resets included; 0:
                                 never */
    uint64_t memory_bytes;    /* multiple of 2 MiB */
    uint64_t heap_bytes;   /* of the monitor's memory, for what the guest's actions allocate; 0: by
                              need (vmm/monitor/demand.h) */
    struct ram_pieces ram; /* memory_bytes in all; the guests of a sequence share it */
    const struct attachment_spec *attachments; /* attached before the guest starts; up to
                                                  GUEST_ATTACHMENTS_MAX */
    size_t attachment_count;
};

#define LEFT_OUT_REASON_BYTES 256

/* A guest that cannot be started and was left out. */
struct left_out_guest {
    char name[GUEST_NAME_BYTES];
    char reason[LEFT_OUT_REASON_BYTES]; /* the boot stage's message, perhaps cut */
};

enum on_last_exit {
    ON_LAST_EXIT_PROMPT,   /* stay at the monitor's prompt */
    ON_LAST_EXIT_POWEROFF, /* switch the machine off through the firmware */
};

enum schedule {
    SCHEDULE_PARALLEL, /* all guests run at once, each on CPUs of its own */
    SCHEDULE_SEQUENCE, /* guests run one after the other, in the order of the file, on the same CPUs
                          and RAM */
};

#define BOOT_NO_CONSOLE     0 /* no serial line: nothing is shown, no key is seen */
#define CONSOLE_IRQ_OF_PORT 0 /* 4 for COM1 and COM3, else 3 */
#define CONSOLE_IRQ_MAX     255

struct boot_info {
    /* The loaded image, for W^X: [image, image + image_bytes) is read-only except for the parts
     * below. */
    hpa_t image;
    uint64_t image_bytes;
    hpa_t text; /* executable, page aligned */
    uint64_t text_bytes;
    hpa_t data; /* writable, page aligned; includes .bss */
    uint64_t data_bytes;

    hpa_t heap; /* the monitor's own memory, 2 MiB aligned */
    uint64_t heap_bytes;
    bool heap_poisons; /* as heap_poison of vmm/memory/heap.h has it; for tests */

    struct memory_range memory[BOOT_MEMORY_RANGES_MAX]; /* ascending, disjoint */
    size_t memory_count;

    size_t cpu_count; /* at least 1 */
    uint32_t cpu_apic_ids[BOOT_CPUS_MAX];
    hpa_t ap_area; /* AP_START_PAGES pages below 1 MiB (arch/x86/ap_start.h); 0: there are none.
                      Nobody writes to them before the firmware's page tables and stack are no
                      longer in use */

    struct host_acpi acpi;       /* valid even if the firmware had no ACPI tables */
    struct tsc_calibration tsc;  /* one of the clocks is chosen */
    uint64_t wall_clock_seconds; /* Unix time, UTC */
    uint64_t wall_clock_tsc;     /* the TSC when wall_clock_seconds was read */
    /* Asks the platform to switch off, through ResetSystem of the EFI_RUNTIME_SERVICES given (UEFI
     * 2.10, 8.5.1). If the firmware cannot do it, the function returns or faults. All memory that
     * it may use is mapped executable and writable. */
    void (*firmware_power_off)(hpa_t efi_runtime_services);
    hpa_t efi_runtime_services;

    uint16_t console_port; /* I/O port of the serial line's 16550, 0x3f8 for COM1; or
                              BOOT_NO_CONSOLE */
    uint32_t console_baud;
    uint32_t console_irq; /* CONSOLE_IRQ_OF_PORT, an ISA IRQ 1..15, or a GSI 16..CONSOLE_IRQ_MAX */
    enum on_last_exit on_last_exit;
    enum schedule schedule;

    size_t guest_count;
    struct guest_config guests[BOOT_GUESTS_MAX];
    size_t left_out_count; /* with on_bad_guest = skip */
    struct left_out_guest left_out[BOOT_GUESTS_MAX];
};

/* Runs the monitor on the processor that booted, at first on the firmware's stack and page tables.
 * Boot services have ended and interrupts are off. Never returns. */
_Noreturn void monitor_main(const struct boot_info *boot);

#endif
