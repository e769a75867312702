// SPDX-License-Identifier: BSD-2-Clause
/* Port 0x61, "NMI Status and Control", which all chipsets since the 82371 have: it says whether the
 * chipset raised an NMI for an error. Intel 82371AB (PIIX4) datasheet, "NMISC - NMI Status and
 * Control Register". */
#ifndef ARCH_X86_NMI_STATUS_H
#define ARCH_X86_NMI_STATUS_H

#include "vmm/base/bits.h"

#include <stdbool.h>
#include <stdint.h>

#define NMI_STATUS_PORT  0x61
#define NMI_STATUS_SERR  BIT(7) /* an error on the bus */
#define NMI_STATUS_IOCHK BIT(6) /* an error of memory, or of a card */

/* Returns whether the port's value reports an error. A machine without the port reads all ones. */
static inline bool nmi_status_has_error(uint8_t status)
{
    return status != 0xff && (status & (NMI_STATUS_SERR | NMI_STATUS_IOCHK)) != 0;
}

#endif
