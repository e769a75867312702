// SPDX-License-Identifier: BSD-2-Clause
/* The boot stage, from the firmware's call to monitor_main. */
#ifndef BOOT_MAIN_H
#define BOOT_MAIN_H

#include <efi.h>

/* Reads the configuration and the guests, checks the machine, allocates memory, leaves the firmware
 * and runs the monitor. Returns only if something is missing. Then a message was printed on the
 * firmware's console and stayed there until a key was pressed, for a minute at most; all memory was
 * given back, and the status says the kind:
 *   EFI_NOT_FOUND: no configuration, no guest file, or something required is not configured.
 *   EFI_INVALID_PARAMETER: the configuration or a guest's file is wrong.
 *   EFI_UNSUPPORTED: the machine or this version does not support it.
 *   EFI_OUT_OF_RESOURCES: too little memory.
 *   others: as the firmware returned them. */
EFI_STATUS boot_main(EFI_HANDLE image, EFI_SYSTEM_TABLE *system);

#endif
