// SPDX-License-Identifier: BSD-2-Clause
/* The fake machine has no paging: a guest's RAM and files are where the test has put them. */
#ifndef VMM_HOST_WINDOW_H
#define VMM_HOST_WINDOW_H

#include "vmm/host/address_space.h"

static inline uint8_t *window_ram(const struct guest_config *guest)
{
    return (uint8_t *)guest->ram.piece[0].base.value;
}

static inline struct guest_config window_config(const struct guest_config *guest)
{
    return *guest;
}

#endif
