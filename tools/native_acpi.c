// SPDX-License-Identifier: BSD-2-Clause
#include "tools/native_acpi.h"

#define LOCAL_APIC_ADDRESS 0xfee00000
#define IO_APIC_ADDRESS    0xfec00000
#define TIMER_LINE         0
#define TIMER_PIN          2
#define SCI_LINE           9
#define PM_BASE            0xb000

/* Offsets of the tables in the memory. */
enum { AT_RSDP = 0, AT_XSDT = 0x40, AT_FADT = 0x100, AT_DSDT = 0x200, AT_MADT = 0x300 };

struct rsdp {
    UINT8 signature[8], checksum, oem[6], revision;
    UINT32 rsdt, length_bytes;
    UINT64 xsdt;
    UINT8 extended_checksum, reserved[3];
} __attribute__((packed));

struct header {
    UINT8 signature[4];
    UINT32 length_bytes;
    UINT8 revision, checksum, oem[6], oem_table[8];
    UINT32 oem_revision;
    UINT8 creator[4];
    UINT32 creator_revision;
} __attribute__((packed));

struct xsdt {
    struct header header;
    UINT64 tables[2];
} __attribute__((packed));

#define FADT_REVISION       3
#define BOOT_LEGACY_DEVICES 1
#define FADT_WBINVD         (1u << 0)
#define FADT_PROC_C1        (1u << 2)

/* Of revision 3; the wide forms of the ports' addresses stay 0, so the short ones count. */
struct fadt {
    struct header header;
    UINT32 facs, dsdt;
    UINT8 model, profile;
    UINT16 sci;
    UINT32 smi_command;
    UINT8 acpi_enable, acpi_disable, s4_bios, pstate_control;
    UINT32 pm1a_event, pm1b_event, pm1a_control, pm1b_control, pm2_control, pm_timer, gpe0, gpe1;
    UINT8 pm1_event_bytes, pm1_control_bytes, pm2_control_bytes, pm_timer_bytes;
    UINT8 gpe0_bytes, gpe1_bytes, gpe1_base, cstate_control;
    UINT16 c2_latency, c3_latency, flush_bytes, flush_stride;
    UINT8 duty_offset, duty_width, day_alarm, month_alarm, century;
    UINT16 boot_architecture;
    UINT8 reserved;
    UINT32 flags;
    UINT8 reset_register[12], reset_value, reserved_too[3];
    UINT64 x_facs, x_dsdt;
    UINT8 x_ports[8][12];
} __attribute__((packed));

#define MADT_REVISION     3
#define MADT_PCAT         1 /* 8259s are there, too */
#define EVERY_PROCESSOR   0xff
#define PROCESSOR_ENABLED 1
#define LEVEL_ACTIVE_HIGH 0xd

struct madt {
    struct header header;
    UINT32 local_apic, flags;
} __attribute__((packed));

struct madt_processor {
    UINT8 type, bytes, id, apic_id;
    UINT32 flags;
} __attribute__((packed));

struct madt_io_apic {
    UINT8 type, bytes, id, reserved;
    UINT32 address, first_pin;
} __attribute__((packed));

struct madt_override {
    UINT8 type, bytes, bus, line;
    UINT32 pin;
    UINT16 flags;
} __attribute__((packed));

struct madt_nmi {
    UINT8 type, bytes, processor;
    UINT16 flags;
    UINT8 lint;
} __attribute__((packed));

_Static_assert(sizeof(struct rsdp) == 36, "ACPI 6.4, 5.2.5.3");
_Static_assert(sizeof(struct header) == 36, "ACPI 6.4, 5.2.6");
_Static_assert(sizeof(struct fadt) == 244, "ACPI 6.4, 5.2.9, up to X_GPE1_BLK");
_Static_assert(AT_MADT + sizeof(struct madt) +
                       NATIVE_ACPI_PROCESSORS_MAX * sizeof(struct madt_processor) + 64 <=
                   NATIVE_ACPI_BYTES,
               "the last table has room");

/* Name (_S5, Package () {0, 0, 0, 0}): SLP_TYP 0 of this chipset is off. */
static const UINT8 dsdt_code[] = {0x08, '_', 'S', '5', '_', 0x12, 0x06, 0x04, 0, 0, 0, 0};

static void copy(void *to, const void *from, UINTN bytes)
{
    UINT8 *target = to;
    const UINT8 *source = from;

    while (bytes-- > 0)
        *target++ = *source++;
}

/* What makes the sum of these bytes 0. */
static UINT8 checksum(const void *data, UINTN bytes)
{
    const UINT8 *byte = data;
    UINT8 sum = 0;

    while (bytes-- > 0)
        sum = (UINT8)(sum + *byte++);
    return (UINT8)-sum;
}

static void begin(struct header *header, const char *signature, UINT8 revision, UINTN bytes)
{
    copy(header->signature, signature, 4);
    header->length_bytes = (UINT32)bytes;
    header->revision = revision;
    copy(header->oem, "NATIVE", 6);
    copy(header->oem_table, "NATIVE  ", 8);
    copy(header->creator, "NATV", 4);
}

static void end(struct header *header)
{
    header->checksum = checksum(header, header->length_bytes);
}

static void add(struct madt *madt, const void *entry, UINTN bytes)
{
    copy((UINT8 *)madt + madt->header.length_bytes, entry, bytes);
    madt->header.length_bytes += (UINT32)bytes;
}

static void make_fadt(struct fadt *fadt, UINT64 dsdt)
{
    begin(&fadt->header, "FACP", FADT_REVISION, sizeof(*fadt));
    fadt->dsdt = (UINT32)dsdt;
    fadt->x_dsdt = dsdt;
    fadt->sci = SCI_LINE;
    fadt->pm1a_event = PM_BASE;
    fadt->pm1_event_bytes = 4;
    fadt->pm1a_control = PM_BASE + 4;
    fadt->pm1_control_bytes = 2;
    fadt->pm_timer = PM_BASE + 8;
    fadt->pm_timer_bytes = 4;
    fadt->c2_latency = 0xffff; /* no such state */
    fadt->c3_latency = 0xffff;
    fadt->boot_architecture = BOOT_LEGACY_DEVICES;
    fadt->flags = FADT_WBINVD | FADT_PROC_C1;
    end(&fadt->header);
}

static void make_madt(struct madt *madt, unsigned processors)
{
    const struct madt_io_apic io_apic = {
        .type = 1, .bytes = sizeof(io_apic), .id = (UINT8)processors, .address = IO_APIC_ADDRESS};
    const struct madt_override overrides[] = {
        {.type = 2, .bytes = sizeof(overrides[0]), .line = TIMER_LINE, .pin = TIMER_PIN},
        {.type = 2,
         .bytes = sizeof(overrides[0]),
         .line = SCI_LINE,
         .pin = SCI_LINE,
         .flags = LEVEL_ACTIVE_HIGH},
    };
    const struct madt_nmi nmi = {
        .type = 4, .bytes = sizeof(nmi), .processor = EVERY_PROCESSOR, .lint = 1};

    begin(&madt->header, "APIC", MADT_REVISION, sizeof(*madt));
    madt->local_apic = LOCAL_APIC_ADDRESS;
    madt->flags = MADT_PCAT;
    for (unsigned id = 0; id < processors; id++) {
        const struct madt_processor processor = {.bytes = sizeof(processor),
                                                 .id = (UINT8)id,
                                                 .apic_id = (UINT8)id,
                                                 .flags = PROCESSOR_ENABLED};
        add(madt, &processor, sizeof(processor));
    }
    add(madt, &io_apic, sizeof(io_apic));
    add(madt, overrides, sizeof(overrides));
    add(madt, &nmi, sizeof(nmi));
    end(&madt->header);
}

void native_acpi_make(UINT8 *memory, UINT64 address, unsigned processors)
{
    struct rsdp *rsdp = (struct rsdp *)(memory + AT_RSDP);
    struct xsdt *xsdt = (struct xsdt *)(memory + AT_XSDT);
    struct header *dsdt = (struct header *)(memory + AT_DSDT);

    for (UINTN i = 0; i < NATIVE_ACPI_BYTES; i++)
        memory[i] = 0;
    begin(dsdt, "DSDT", 2, sizeof(*dsdt) + sizeof(dsdt_code));
    copy(dsdt + 1, dsdt_code, sizeof(dsdt_code));
    end(dsdt);
    make_fadt((struct fadt *)(memory + AT_FADT), address + AT_DSDT);
    make_madt((struct madt *)(memory + AT_MADT), processors);
    begin(&xsdt->header, "XSDT", 1, sizeof(*xsdt));
    xsdt->tables[0] = address + AT_FADT;
    xsdt->tables[1] = address + AT_MADT;
    end(&xsdt->header);
    copy(rsdp->signature, "RSD PTR ", 8);
    copy(rsdp->oem, "NATIVE", 6);
    rsdp->revision = 2;
    rsdp->length_bytes = sizeof(*rsdp);
    rsdp->xsdt = address + AT_XSDT;
    rsdp->checksum = checksum(rsdp, 20); /* what revision 0 had */
    rsdp->extended_checksum = checksum(rsdp, sizeof(*rsdp));
}
