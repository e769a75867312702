// SPDX-License-Identifier: BSD-2-Clause
/* Where the monitor has a guest's RAM and files, on the processors that run the guest. */
#ifndef VMM_HOST_WINDOW_H
#define VMM_HOST_WINDOW_H

#include "vmm/host/address_space.h"

/* Returns the guest's RAM in its window: memory_bytes without gaps. */
static inline uint8_t *window_ram(const struct guest_config *guest)
{
    return (uint8_t *)window_ram_address(guest);
}

/* Returns the guest's configuration with its files as the window has them. */
static inline struct guest_config window_config(const struct guest_config *guest)
{
    struct guest_config config = *guest;

    config.kernel.data = (const uint8_t *)window_kernel_address(guest);
    if (config.initrd.data != NULL)
        config.initrd.data = (const uint8_t *)window_initrd_address(guest);
    return config;
}

#endif
