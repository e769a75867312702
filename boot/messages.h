// SPDX-License-Identifier: BSD-2-Clause
/* All messages of the boot stage, word for word. Each is one line on the firmware's console, after
 * "portcullis: ". The configuration parser and the loaders have the texts of their own refusals
 * (boot/config, vmm/loader). */
#ifndef BOOT_MESSAGES_H
#define BOOT_MESSAGES_H

/* Progress. */
#define MSG_BANNER   "a microhypervisor for Intel VT-x"
#define MSG_READING  "reading %s, %llu KiB"
#define MSG_GUEST    "guest '%s': %s, %llu MiB of memory"
#define MSG_PIECES   "guest '%s': its memory lies in %zu pieces, between the machine's holes"
#define MSG_NO_CLOCK "the firmware's clock cannot be read (%s); guests start in 1970"
#define MSG_NO_ACPI  "no usable ACPI tables (%s): assuming a PC's standard I/O APIC"
#define MSG_LEAVING  "leaving the firmware; what follows is on the serial line at I/O port 0x%x"
#define MSG_LEAVING_UNSEEN                                                                         \
    "leaving the firmware; without a serial port nothing is shown from here on, and no key is seen"
#define MSG_UNSEEN                                                                                  \
    "there is no serial port at I/O port 0x%x: guests run unseen, and the machine is switched off " \
    "when the last has ended; for a console enable the port in the firmware's setup, or set "       \
    "console in [monitor] to one that exists"
#define MSG_REFUSED_PLACES                                                                           \
    "the firmware refuses memory that its map lists as free: for %llu KiB %u places from 0x%llx to " \
    "0x%llx were tried"
#define MSG_STILL_HERE "nothing was started; back to the firmware at a key, or after %u seconds"

/* Refusals: first the cause, then the remedy. */
#define MSG_NO_VOLUME                                                                                \
    "the volume it was started from cannot be read (%s); start \\EFI\\BOOT\\BOOTX64.EFI from a FAT " \
    "volume"
#define MSG_NO_CONFIG                                                                               \
    "there is no \\portcullis\\portcullis.conf on the volume it was started from; create it, with " \
    "a section [guest NAME]"
#define MSG_CONFIG_TOO_LARGE                                                                          \
    "\\portcullis\\portcullis.conf has %llu bytes; at most %llu are read, it is probably not a text " \
    "file"
#define MSG_NO_GUEST_FILE                                                                          \
    "portcullis.conf:%u: there is no %s on the volume; copy it there or correct the path"
#define MSG_EMPTY_INITRD                                                                           \
    "portcullis.conf:%u: %s is empty; copy it to the volume again or leave the line initrd out"
#define MSG_LEFT_OUT "guest '%s' is left out (on_bad_guest = skip)"
#define MSG_BAD_GUESTS                                                                             \
    "%zu of %zu guests cannot be started, see above; correct them, or set on_bad_guest = skip in " \
    "[monitor] to leave them out"
#define MSG_FOLDER      "%s is a folder; a file is needed"
#define MSG_READ_FAILED "%s cannot be read (%s); check the volume"
#define MSG_DAMAGED                                                                                 \
    "%s is not as its checksum in \\portcullis\\checksums has it; copy it to the volume again, or " \
    "take its line out of that file if you have replaced it"
#define MSG_NO_READ_BUFFER                                                                         \
    "reading files takes %llu MiB of memory below 4 GiB, and there is no such piece; the machine " \
    "has too little memory"
#define MSG_FILE_TOO_LARGE                                                                         \
    "%s needs %llu MiB, and the largest free piece of memory has %llu MiB; use a smaller file"
#define MSG_GUEST_TOO_LARGE                                                                         \
    "portcullis.conf:%u: guest '%s' wants %llu MiB of memory, and %llu MiB are free; write memory " \
    "= %lluM or less"
#define MSG_NO_GUEST_MEMORY                                                                        \
    "portcullis.conf:%u: guest '%s' wants %llu MiB of memory, and none is left; give the guests "  \
    "less"
#define MSG_HEAP_TOO_SMALL                                                                          \
    "portcullis.conf:%u: guest '%s' has a heap of %lluK; its buses, doorbells, zones and triggers " \
    "need at least %lluK"
#define MSG_NO_HEAP                                                                                    \
    "the monitor needs %llu MiB of memory for itself (%llu for processors, %llu for guests, %llu for " \
    "doorbells, zones and triggers), and the largest free piece has %llu MiB; configure fewer of "     \
    "them, or give the machine more memory"
#define MSG_NO_SERIAL                                                                              \
    "portcullis.conf:%u: there is no serial port at I/O port 0x%x; enable it in the firmware's "   \
    "setup, set console to one that exists, or leave the line out to run guests unseen"
#define MSG_NO_CONSOLE                                                                             \
    "there is no serial port at I/O port 0x%x and no screen either; enable the port in the "       \
    "firmware's setup, or set console in [monitor] to one that exists"
#define MSG_NO_TIMER                                                                                 \
    "nothing tells how fast the TSC runs (%s); enable the HPET or the ACPI timer in the firmware's " \
    "setup, or switch clock gating of the 8254 off"
#define MSG_CLOCKS_DISAGREE                                                                        \
    "the clocks do not agree on how fast the TSC runs (%s); update the firmware, or report the "   \
    "machine's model"
#define MSG_NO_MAP_MEMORY "there is no memory left for the memory map; give the guests less"
#define MSG_MAP_TOO_LONG                                                                           \
    "the firmware's memory map has %zu separate ranges and at most %u are handled; please report " \
    "the machine's model"
#define MSG_NO_MAP  "the firmware gives no memory map (%s); update the firmware"
#define MSG_NO_EXIT "the firmware does not let go of the machine (%s); update the firmware"

#endif
