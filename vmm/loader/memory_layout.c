// SPDX-License-Identifier: BSD-2-Clause
#include "vmm/loader/memory_layout.h"

size_t guest_ram_layout(uint64_t memory_bytes, struct guest_ram_range ranges[GUEST_RAM_RANGES_MAX])
{
    uint64_t low_end = guest_ram_low_end(memory_bytes);
    size_t count = 0;

    ranges[count++] = (struct guest_ram_range){.gpa = GPA(0),
                                               .size_bytes = GUEST_EXTENDED_BIOS_DATA,
                                               .offset_bytes = 0,
                                               .kind = GUEST_RAM_USABLE};
    ranges[count++] =
        (struct guest_ram_range){.gpa = GPA(GUEST_EXTENDED_BIOS_DATA),
                                 .size_bytes = GUEST_LOW_HOLE - GUEST_EXTENDED_BIOS_DATA,
                                 .offset_bytes = GUEST_EXTENDED_BIOS_DATA,
                                 .kind = GUEST_RAM_RESERVED};
    ranges[count++] =
        (struct guest_ram_range){.gpa = GPA(GUEST_FIRMWARE_AREA),
                                 .size_bytes = GUEST_EXTENDED_MEMORY - GUEST_FIRMWARE_AREA,
                                 .offset_bytes = GUEST_FIRMWARE_AREA,
                                 .kind = GUEST_RAM_FIRMWARE};
    ranges[count++] = (struct guest_ram_range){.gpa = GPA(GUEST_EXTENDED_MEMORY),
                                               .size_bytes = low_end - GUEST_EXTENDED_MEMORY,
                                               .offset_bytes = GUEST_EXTENDED_MEMORY,
                                               .kind = GUEST_RAM_USABLE};
    if (memory_bytes > GUEST_HIGH_HOLE)
        ranges[count++] = (struct guest_ram_range){.gpa = GPA(GUEST_HIGH_MEMORY),
                                                   .size_bytes = memory_bytes - GUEST_HIGH_HOLE,
                                                   .offset_bytes = GUEST_HIGH_HOLE,
                                                   .kind = GUEST_RAM_USABLE};
    return count;
}

size_t guest_ram_blocks(uint64_t memory_bytes, struct guest_ram_block blocks[GUEST_RAM_BLOCKS_MAX])
{
    struct guest_ram_range ranges[GUEST_RAM_RANGES_MAX];
    size_t range_count = guest_ram_layout(memory_bytes, ranges), count = 0;

    for (size_t i = 0; i < range_count; i++) {
        struct guest_ram_block *last = count > 0 ? &blocks[count - 1] : NULL;

        if (last != NULL && last->gpa.value + last->size_bytes == ranges[i].gpa.value &&
            last->offset_bytes + last->size_bytes == ranges[i].offset_bytes)
            last->size_bytes += ranges[i].size_bytes;
        else
            blocks[count++] = (struct guest_ram_block){.gpa = ranges[i].gpa,
                                                       .size_bytes = ranges[i].size_bytes,
                                                       .offset_bytes = ranges[i].offset_bytes};
    }
    return count;
}

bool guest_ram_offset(uint64_t memory_bytes, gpa_t gpa, uint64_t size_bytes, uint64_t *offset_bytes)
{
    struct guest_ram_block blocks[GUEST_RAM_BLOCKS_MAX];
    size_t count = guest_ram_blocks(memory_bytes, blocks);

    for (size_t i = 0; i < count; i++) {
        uint64_t into = gpa.value - blocks[i].gpa.value;

        if (gpa.value >= blocks[i].gpa.value && into <= blocks[i].size_bytes &&
            size_bytes <= blocks[i].size_bytes - into) {
            *offset_bytes = blocks[i].offset_bytes + into;
            return true;
        }
    }
    return false;
}
