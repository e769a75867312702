// SPDX-License-Identifier: BSD-2-Clause
/* How a program that changes the firmware goes on to the monitor. */
#ifndef TESTS_FIRMWARE_START_MONITOR_H
#define TESTS_FIRMWARE_START_MONITOR_H

#include <efi.h>

/* Calls prepare with the volume that image was started from, then loads \test\monitor.efi of that
 * volume and starts it. Returns the status of the step that failed, or the monitor's. */
EFI_STATUS start_monitor(EFI_HANDLE image, EFI_STATUS (*prepare)(EFI_HANDLE volume));

#endif
