// SPDX-License-Identifier: BSD-2-Clause
/* The boot stage, from the firmware's call to monitor_main. */
#ifndef BOOT_MAIN_H
#define BOOT_MAIN_H

#include <efi.h>

/* Reads the configuration and the guests, checks the machine, takes memory, leaves the firmware and
 * runs the monitor. Returns only when something is missing: a message on the firmware's console has
 * said what, everything taken was given back, and the status tells the kind:
 *   EFI_NOT_FOUND           no configuration, no guest file, something required not said
 *   EFI_INVALID_PARAMETER   the configuration or a guest's file is wrong
 *   EFI_UNSUPPORTED         the machine, or this version, cannot do it
 *   EFI_OUT_OF_RESOURCES    too little memory
 *   others                  as the firmware gave them */
EFI_STATUS boot_main(EFI_HANDLE image, EFI_SYSTEM_TABLE *system);

#endif
