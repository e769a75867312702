// SPDX-License-Identifier: BSD-2-Clause
#include "vmm/acpi/acpi_tables.h"

#include "vmm/acpi/dsdt.h"
#include "vmm/acpi/madt.h"
#include "vmm/acpi/table.h"
#include "vmm/base/bits.h"

#include <string.h>

struct acpi_rsdp { /* 5.2.5.3 */
    char signature[8];
    uint8_t checksum; /* of the first 20 bytes */
    char oem_id[6];
    uint8_t revision;
    uint32_t rsdt_address;
    uint32_t length;
    uint64_t xsdt_address;
    uint8_t extended_checksum; /* of all 36 bytes */
    uint8_t reserved[3];
} __attribute__((packed));
_Static_assert(sizeof(struct acpi_rsdp) == 36, "RSDP");

#define ENTRIES_MAX 2 /* FADT, MADT */

struct acpi_rsdt {
    struct acpi_header header;
    uint32_t entries[ENTRIES_MAX];
} __attribute__((packed));

struct acpi_xsdt {
    struct acpi_header header;
    uint64_t entries[ENTRIES_MAX];
} __attribute__((packed));

/* Generic address structure (5.2.3.2). */
enum { GAS_SYSTEM_IO = 1 };
enum { GAS_ACCESS_BYTE = 1, GAS_ACCESS_WORD = 2, GAS_ACCESS_DWORD = 3 };

struct acpi_gas {
    uint8_t address_space;
    uint8_t register_bits;
    uint8_t register_offset;
    uint8_t access_size;
    uint64_t address;
} __attribute__((packed));

enum { /* 5.2.9.3 "IA-PC Boot Architecture Flags" */
       IAPC_LEGACY_DEVICES = 1 << 0,
       IAPC_8042 = 1 << 1,
       IAPC_VGA_NOT_PRESENT = 1 << 2,
       IAPC_MSI_NOT_SUPPORTED = 1 << 3,
       IAPC_CMOS_RTC_NOT_PRESENT = 1 << 5,
};

enum { /* 5.2.9, table "Fixed ACPI Description Table Fixed Feature Flags" */
       FADT_WBINVD = 1 << 0,
       FADT_PROC_C1 = 1 << 2,
       FADT_SLP_BUTTON = 1 << 5, /* set: fixed hardware has no sleep button */
       FADT_TMR_VAL_EXT = 1 << 8,
       FADT_RESET_REG_SUP = 1 << 10,
};

struct acpi_fadt { /* 5.2.9, revision 6 */
    struct acpi_header header;
    uint32_t firmware_ctrl;
    uint32_t dsdt;
    uint8_t reserved_44;
    uint8_t preferred_pm_profile;
    uint16_t sci_int;
    uint32_t smi_cmd;
    uint8_t acpi_enable, acpi_disable, s4bios_req, pstate_cnt;
    uint32_t pm1a_evt_blk, pm1b_evt_blk, pm1a_cnt_blk, pm1b_cnt_blk, pm2_cnt_blk, pm_tmr_blk;
    uint32_t gpe0_blk, gpe1_blk;
    uint8_t pm1_evt_len, pm1_cnt_len, pm2_cnt_len, pm_tmr_len, gpe0_blk_len, gpe1_blk_len;
    uint8_t gpe1_base, cst_cnt;
    uint16_t p_lvl2_lat, p_lvl3_lat, flush_size, flush_stride;
    uint8_t duty_offset, duty_width, day_alrm, mon_alrm, century;
    uint16_t iapc_boot_arch;
    uint8_t reserved_111;
    uint32_t flags;
    struct acpi_gas reset_reg;
    uint8_t reset_value;
    uint16_t arm_boot_arch;
    uint8_t minor_version;
    uint64_t x_firmware_ctrl, x_dsdt;
    struct acpi_gas x_pm1a_evt_blk, x_pm1b_evt_blk, x_pm1a_cnt_blk, x_pm1b_cnt_blk, x_pm2_cnt_blk;
    struct acpi_gas x_pm_tmr_blk, x_gpe0_blk, x_gpe1_blk, sleep_control_reg, sleep_status_reg;
    char hypervisor_vendor[8];
} __attribute__((packed));
_Static_assert(offsetof(struct acpi_fadt, iapc_boot_arch) == 109, "FADT");
_Static_assert(offsetof(struct acpi_fadt, x_dsdt) == 140, "FADT");
_Static_assert(sizeof(struct acpi_fadt) == 276, "FADT");

struct acpi_facs { /* 5.2.10 */
    char signature[4];
    uint32_t length, hardware_signature, firmware_waking_vector, global_lock, flags;
    uint64_t x_firmware_waking_vector;
    uint8_t version;
    uint8_t reserved[31];
} __attribute__((packed));
_Static_assert(sizeof(struct acpi_facs) == 64, "FACS");

/* The offset of each table from base. The MADT, if there is one, is the first table without a fixed
 * length; the DSDT follows it. */
enum {
    RSDP_OFFSET = 0,
    RSDT_OFFSET = 64,
    XSDT_OFFSET = 128,
    FACS_OFFSET = 192, /* aligned to 64 bytes (5.2.10) */
    FADT_OFFSET = 256,
    MADT_OFFSET = 576,
};
_Static_assert(FADT_OFFSET + sizeof(struct acpi_fadt) <= MADT_OFFSET, "tables overlap");
_Static_assert(RSDT_OFFSET + sizeof(struct acpi_rsdt) <= XSDT_OFFSET, "tables overlap");
_Static_assert(XSDT_OFFSET + sizeof(struct acpi_xsdt) <= FACS_OFFSET, "tables overlap");
_Static_assert(FACS_OFFSET % 64 == 0, "FACS alignment");

static const struct acpi_port_range pc_reserved[] = {
    {0x92, 1}, /* system control port A */
    {0xe9, 1}, /* debug console */
    {0xf4, 4}, /* debug exit */
};

static const struct acpi_irq_override pc_overrides[] = {
    {.isa_irq = 0, .gsi = 2, .polarity = ACPI_ACTIVE_HIGH, .trigger = ACPI_EDGE},
    {.isa_irq = 9, .gsi = 9, .polarity = ACPI_ACTIVE_HIGH, .trigger = ACPI_LEVEL},
};

const struct acpi_board acpi_board_pc = {
    .local_apic_address = 0xfee00000,
    .io_apic_address = 0xfec00000,
    .io_apic_id = 0,
    .overrides = pc_overrides,
    .override_count = ARRAY_COUNT(pc_overrides),
    .pm1_event_port = 0x600,
    .pm1_control_port = 0x604,
    .pm_timer_port = 0x608,
    .smi_command_port = 0xb2,
    .acpi_enable = 0xa0,
    .acpi_disable = 0xa1,
    .sci_irq = 9,
    .reset_port = 0xcf9,
    .reset_value = 0x06,
    .s5_sleep_type = 5,
    .century_index = 0x32,
    .com1 = true,
    .rtc = true,
    .i8042 = true,
    .reserved = pc_reserved,
    .reserved_count = ARRAY_COUNT(pc_reserved),
};

static struct acpi_gas ports(uint16_t first, unsigned register_bytes, uint8_t access_size)
{
    return (struct acpi_gas){
        .address_space = GAS_SYSTEM_IO,
        .register_bits = (uint8_t)(8 * register_bytes),
        .access_size = access_size,
        .address = first,
    };
}

static void write_rsdp(uint8_t *at, uint32_t base)
{
    struct acpi_rsdp rsdp = {
        .revision = 2,
        .rsdt_address = base + RSDT_OFFSET,
        .length = sizeof(rsdp),
        .xsdt_address = base + XSDT_OFFSET,
    };

    memcpy(rsdp.signature, "RSD PTR ", sizeof(rsdp.signature));
    memcpy(rsdp.oem_id, ACPI_OEM_ID, sizeof(rsdp.oem_id));
    rsdp.checksum = acpi_checksum(&rsdp, offsetof(struct acpi_rsdp, length));
    rsdp.extended_checksum = acpi_checksum(&rsdp, sizeof(rsdp));
    memcpy(at, &rsdp, sizeof(rsdp));
}

static void write_fadt(uint8_t *at, const struct acpi_board *board, uint32_t base, uint32_t dsdt)
{
    struct acpi_fadt fadt = {
        .header = acpi_begin("FACP", 6, sizeof(fadt)),
        .minor_version = 5,
        .firmware_ctrl = base + FACS_OFFSET,
        .x_firmware_ctrl = base + FACS_OFFSET,
        .dsdt = dsdt,
        .x_dsdt = dsdt,
        .preferred_pm_profile = 1, /* desktop */
        .sci_int = board->sci_irq,
        .smi_cmd = board->smi_command_port,
        .acpi_enable = board->acpi_enable,
        .acpi_disable = board->acpi_disable,
        .pm1a_evt_blk = board->pm1_event_port,
        .pm1a_cnt_blk = board->pm1_control_port,
        .pm_tmr_blk = board->pm_timer_port,
        .pm1_evt_len = 4,
        .pm1_cnt_len = 2,
        .pm_tmr_len = 4,
        .p_lvl2_lat = 101,  /* above 100: no C2 */
        .p_lvl3_lat = 1001, /* above 1000: no C3 */
        .century = board->century_index,
        .iapc_boot_arch = IAPC_LEGACY_DEVICES | IAPC_VGA_NOT_PRESENT | IAPC_MSI_NOT_SUPPORTED,
        .flags = FADT_WBINVD | FADT_PROC_C1 | FADT_SLP_BUTTON | FADT_TMR_VAL_EXT |
                 FADT_RESET_REG_SUP, /* PWR_BUTTON and FIX_RTC are clear: fixed hardware has both */
        .reset_reg = ports(board->reset_port, 1, GAS_ACCESS_BYTE),
        .reset_value = board->reset_value,
        .x_pm1a_evt_blk = ports(board->pm1_event_port, 4, GAS_ACCESS_WORD),
        .x_pm1a_cnt_blk = ports(board->pm1_control_port, 2, GAS_ACCESS_WORD),
        .x_pm_tmr_blk = ports(board->pm_timer_port, 4, GAS_ACCESS_DWORD),
    };

    if (board->i8042)
        fadt.iapc_boot_arch |= IAPC_8042;
    if (!board->rtc)
        fadt.iapc_boot_arch |= IAPC_CMOS_RTC_NOT_PRESENT;
    memcpy(fadt.hypervisor_vendor, ACPI_OEM_TABLE_ID, sizeof(fadt.hypervisor_vendor));
    memcpy(at, &fadt, sizeof(fadt));
    acpi_finish(at, sizeof(fadt));
}

static enum status write_dsdt(uint8_t *at, size_t size_bytes, const struct acpi_board *board,
                              size_t *length_bytes)
{
    struct aml aml = {
        .buffer = at, .capacity_bytes = size_bytes, .used_bytes = sizeof(struct acpi_header)};

    dsdt_write(&aml, board);
    if (aml.is_full)
        return STATUS_NO_MEMORY;

    /* Revision 2: integers have 64 bits. */
    struct acpi_header dsdt = acpi_begin("DSDT", 2, aml.used_bytes);
    memcpy(at, &dsdt, sizeof(dsdt));
    acpi_finish(at, aml.used_bytes);
    *length_bytes = aml.used_bytes;
    return STATUS_OK;
}

/* Writes the RSDT and the XSDT: the same list, with 32 and with 64 bits for each entry. */
static void write_lists(uint8_t *tables, const uint32_t *entries, size_t count)
{
    struct acpi_rsdt rsdt = {
        .header = acpi_begin("RSDT", 1, sizeof(rsdt.header) + count * sizeof(rsdt.entries[0]))};
    struct acpi_xsdt xsdt = {
        .header = acpi_begin("XSDT", 1, sizeof(xsdt.header) + count * sizeof(xsdt.entries[0]))};

    for (size_t i = 0; i < count; i++)
        rsdt.entries[i] = (uint32_t)(xsdt.entries[i] = entries[i]);
    memcpy(tables + RSDT_OFFSET, &rsdt, rsdt.header.length);
    memcpy(tables + XSDT_OFFSET, &xsdt, xsdt.header.length);
    acpi_finish(tables + RSDT_OFFSET, rsdt.header.length);
    acpi_finish(tables + XSDT_OFFSET, xsdt.header.length);
}

static bool is_valid(const struct acpi_board *board)
{
    if (board->sci_irq > 15 || board->s5_sleep_type > 7 || board->reserved_count > 8)
        return false;
    if (board->cpu_count == 0)
        return true;
    if (board->cpu_count > ACPI_CPUS_MAX || board->override_count > 16 ||
        !is_aligned(board->local_apic_address, PAGE_SIZE) ||
        !is_aligned(board->io_apic_address, PAGE_SIZE))
        return false;
    for (size_t i = 0; i < board->override_count; i++)
        if (board->overrides[i].isa_irq > 15 || board->overrides[i].gsi > 23)
            return false;
    return true;
}

enum status acpi_tables_build(const struct acpi_board *board, gpa_t base, uint8_t *buffer,
                              size_t size_bytes, size_t *used_bytes)
{
    size_t dsdt_offset = MADT_OFFSET, dsdt_bytes;

    if (!is_aligned(base.value, 64) || base.value < ACPI_SEARCH_FIRST ||
        base.value > ACPI_SEARCH_LAST || size_bytes > ACPI_SEARCH_LAST + 1 - base.value)
        return STATUS_OUT_OF_RANGE;
    if (!is_valid(board))
        return STATUS_INVALID;
    if (board->cpu_count != 0)
        dsdt_offset = align_up(MADT_OFFSET + madt_bytes(board), 64);
    if (size_bytes < dsdt_offset + sizeof(struct acpi_header))
        return STATUS_NO_MEMORY;

    uint32_t start = (uint32_t)base.value;
    uint32_t entries[ENTRIES_MAX] = {start + FADT_OFFSET, start + MADT_OFFSET};
    struct acpi_facs facs = {.length = sizeof(facs), .version = 2};

    memset(buffer, 0, dsdt_offset);
    enum status status =
        write_dsdt(buffer + dsdt_offset, size_bytes - dsdt_offset, board, &dsdt_bytes);
    if (status != STATUS_OK)
        return status;
    memcpy(facs.signature, "FACS", sizeof(facs.signature));
    memcpy(buffer + FACS_OFFSET, &facs, sizeof(facs));
    write_fadt(buffer + FADT_OFFSET, board, start, start + (uint32_t)dsdt_offset);
    if (board->cpu_count != 0)
        madt_write(buffer + MADT_OFFSET, board);
    write_lists(buffer, entries, board->cpu_count != 0 ? 2 : 1);
    write_rsdp(buffer + RSDP_OFFSET, start);
    *used_bytes = dsdt_offset + dsdt_bytes;
    return STATUS_OK;
}
