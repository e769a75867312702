// SPDX-License-Identifier: BSD-2-Clause
#include "boot/firmware/pci_bars.h"

#include "vmm/base/bits.h"

#define BAR_IO             BIT(0)
#define BAR_MEMORY_TYPE(b) BITS(b, 2, 1)
#define BAR_MEMORY_64      2
#define IO_PORTS_MAX       256

uint16_t pci_bars_find_port(const uint32_t bars[PCI_BARS], uint16_t port)
{
    uint32_t best = 0;

    for (size_t i = 0; i < PCI_BARS; i++) {
        uint32_t base = bars[i] & ~UINT32_C(3);

        if ((bars[i] & BAR_IO) == 0) {
            if (BAR_MEMORY_TYPE(bars[i]) == BAR_MEMORY_64)
                i++; /* the next register is the upper half */
            continue;
        }
        if (base <= port && port - base < IO_PORTS_MAX && base > best)
            best = base;
    }
    return (uint16_t)best;
}
