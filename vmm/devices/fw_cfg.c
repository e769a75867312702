// SPDX-License-Identifier: BSD-2-Clause
#include "vmm/devices/fw_cfg.h"

#include "vmm/base/bits.h"

#define SIGNATURE        0x554d4551 /* "QEMU", with the first character in the lowest byte */
#define ID_TRADITIONAL   0x01
#define KEY_WRITE_ACCESS 0x4000
#define ITEM_BYTES_MAX   8

/* Returns the item's bytes, with the first one lowest, and zeros behind its end. */
static uint64_t item(const struct fw_cfg *cfg)
{
    switch (cfg->key) {
    case FW_CFG_SIGNATURE: return SIGNATURE;
    case FW_CFG_ID: return ID_TRADITIONAL;
    case FW_CFG_RAM_SIZE: return cfg->ram_bytes;
    case FW_CFG_NB_CPUS:
    case FW_CFG_MAX_CPUS: return cfg->cpu_count;
    case FW_CFG_IRQ0_OVERRIDE: return 1;
    default: return 0;
    }
}

void fw_cfg_reset(struct fw_cfg *cfg)
{
    cfg->key = FW_CFG_SIGNATURE;
    cfg->offset = 0;
}

void fw_cfg_init(struct fw_cfg *cfg, uint64_t ram_bytes, uint16_t cpu_count)
{
    *cfg = (struct fw_cfg){.ram_bytes = ram_bytes, .cpu_count = cpu_count};
    fw_cfg_reset(cfg);
}

uint16_t fw_cfg_read(struct fw_cfg *cfg, unsigned offset, unsigned size_bytes)
{
    if (offset != FW_CFG_DATA || size_bytes != 1)
        return (uint16_t)bytes_mask(size_bytes);
    if (cfg->offset >= ITEM_BYTES_MAX)
        return 0;
    return (uint8_t)(item(cfg) >> 8 * cfg->offset++);
}

void fw_cfg_write(struct fw_cfg *cfg, unsigned offset, unsigned size_bytes, uint16_t value)
{
    if (offset != FW_CFG_SELECTOR || size_bytes != 2)
        return;
    cfg->key = value & (uint16_t)~KEY_WRITE_ACCESS;
    cfg->offset = 0;
}
