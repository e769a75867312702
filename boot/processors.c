// SPDX-License-Identifier: BSD-2-Clause
#include "boot/processors.h"

#include "arch/x86/ap_start.h"
#include "arch/x86/cpu.h"

/* The first two functions of EFI_MP_SERVICES_PROTOCOL. UEFI Platform Initialization Specification
 * 1.7, vol. 2, "EFI_MP_SERVICES_PROTOCOL". */
#define MP_SERVICES_GUID                                                                           \
    {                                                                                              \
        0x3fdda605, 0xa76e, 0x4f46,                                                                \
        {                                                                                          \
            0xad, 0x29, 0x12, 0xf4, 0x53, 0x1b, 0x3d, 0x08                                         \
        }                                                                                          \
    }
#define MP_PROCESSOR_ENABLED BIT(1)
#define MP_PROCESSOR_HEALTHY BIT(2)

struct mp_processor_information {
    UINT64 processor_id; /* the APIC ID */
    UINT32 status_flags;
    UINT32 package, core, thread;
    UINT32 extended[6]; /* used by later editions */
};

struct mp_services {
    EFI_STATUS(EFIAPI *get_number_of_processors)(struct mp_services *, UINTN *all, UINTN *enabled);
    EFI_STATUS(EFIAPI *get_processor_info)
    (struct mp_services *, UINTN number, struct mp_processor_information *);
};

static void add(struct boot_info *boot, uint32_t apic_id)
{
    if (boot->cpu_count < BOOT_CPUS_MAX)
        boot->cpu_apic_ids[boot->cpu_count++] = apic_id;
}

static void find_by_acpi(struct boot_info *boot)
{
    const struct host_acpi *acpi = &boot->acpi;

    for (size_t i = 0; i < acpi->cpu_count; i++) {
        if (acpi->cpus[i].is_enabled)
            add(boot, acpi->cpus[i].apic_id);
    }
}

static void find_by_mp_services(struct uefi *uefi, struct boot_info *boot)
{
    static EFI_GUID guid = MP_SERVICES_GUID;
    struct mp_services *services;
    UINTN count, enabled;

    if (EFI_ERROR(uefi->services->LocateProtocol(&guid, NULL, (void **)&services)) ||
        EFI_ERROR(services->get_number_of_processors(services, &count, &enabled)))
        return;
    for (UINTN i = 0; i < count; i++) {
        struct mp_processor_information information = {.status_flags = 0};
        const UINT32 usable = MP_PROCESSOR_ENABLED | MP_PROCESSOR_HEALTHY;

        if (EFI_ERROR(services->get_processor_info(services, i, &information)) ||
            (information.status_flags & usable) != usable)
            continue;
        add(boot, (uint32_t)information.processor_id);
    }
}

void processors_find(struct uefi *uefi, struct boot_info *boot)
{
    boot->cpu_count = 0;
    find_by_acpi(boot);
    if (boot->cpu_count == 0)
        find_by_mp_services(uefi, boot);
    if (boot->cpu_count == 0)
        add(boot, cpuid(1, 0).ebx >> 24);
}

void processors_allocate_area(struct uefi *uefi, struct boot_info *boot)
{
    void *area = uefi_allocate_below(uefi, AP_START_PAGES * PAGE_SIZE, PAGE_SIZE, MIB);

    boot->ap_area = HPA((uint64_t)area);
}
