// SPDX-License-Identifier: BSD-2-Clause
#include "vmm/iobus/fast.h"

/* Has 16 elements, so that an index masked with 15 is always valid. */
const uint64_t iobus_byte_masks[16] = {
    [1] = 0xff, [2] = 0xffff, [4] = 0xffffffff, [8] = UINT64_MAX};

uint64_t iobus_tsc(void)
{
    return iobus_read_tsc();
}

const struct iobus_entry *iobus_third_guess(const struct iobus_table *table,
                                            struct iobus_reader *reader, uint64_t address)
{
    uint64_t segment = iobus_clamp(iobus_tree_guess(table->tree, table->tree_levels, address),
                                   table->segment_count - 1);

    reader->last_segment = (uint32_t)segment;
    return iobus_entry_of(table, segment);
}
