// SPDX-License-Identifier: BSD-2-Clause
/* Reads the configuration file, \portcullis\portcullis.conf on the monitor's volume.
 *
 *     ; a comment stands on a line of its own, and begins with ; or #
 *     [monitor]
 *     console      = com1             ; com1 to com4, or an I/O port, 0x2f8 (default com1)
 *     baud         = 115200           ; divides 115200                    (default 115200)
 *     console_irq  = 4                ; 1 to 255                (default by the port)
 *     on_last_exit = prompt           ; prompt or poweroff                (default prompt)
 *     on_bad_guest = refuse           ; refuse or skip                    (default refuse)
 *     schedule     = parallel         ; parallel or sequence              (default parallel)
 *     heap         = plain            ; plain or poison                   (default plain)
 *
 *     [guest NAME]
 *     kernel  = \portcullis\vmlinuz   ; required
 *     initrd  = initrd.gz             ; begins in this file's folder, unless it begins with \
 *     cmdline = console=ttyS0         ; everything up to the end of the line
 *     memory  = 256M                  ; required; K, M or G, a multiple of 2 MiB
 *     heap    = 4M                    ; K, M or G                         (default by need)
 *     cpus    = 1                     ; at most as many as the machine has (default 1)
 *     testdev = off                   ; on or off                         (default off)
 *     apic    = auto                  ; auto, emulated or virtual         (default auto)
 *     x2apic  = on                    ; on or off                         (default on)
 *     on_reset = restart              ; restart or stop                   (default restart)
 *     timeout = 60                    ; seconds                           (default none)
 *     doorbell = ...                  ; these three as often as needed;
 *     zone     = ...                  ; vmm/attachments/attachment_spec.h describes the values
 *     trigger  = ...
 *
 * (The remarks at the line ends above are explanations; a real file cannot have them there.) Lines
 * end in LF or CR LF; the last line needs no end; a UTF-8 byte order mark at the start is skipped.
 * Names of sections and keys are in lower case and appear once each, except doorbell, zone and
 * trigger: a guest may have GUEST_ATTACHMENTS_MAX of these, in any order, each with a name of its
 * own. */
#ifndef BOOT_CONFIG_CONFIG_H
#define BOOT_CONFIG_CONFIG_H

#include "vmm/attachments/attachment_spec.h"
#include "vmm/base/status.h"
#include "vmm/base/types.h"
#include "vmm/boot_info.h"

#define CONFIG_FILE_NAME          "portcullis.conf"
#define CONFIG_FOLDER             "\\portcullis\\"
#define CONFIG_FILE_BYTES_MAX     (1 * MIB) /* a larger file is refused before it is read */
#define CONFIG_PATH_BYTES         256       /* the longest FAT path, closing NUL included */
#define CONFIG_LINE_CHARS_MAX     4000      /* without the line's end */
#define CONFIG_MEMORY_BYTES_MAX   (512 * GIB)
#define CONFIG_HEAP_BYTES_MAX     (1 * GIB)
#define CONFIG_MESSAGE_BYTES      512
#define CONFIG_CONSOLE_PORT_MIN   0x100
#define CONFIG_CONSOLE_PORT_MAX   0xfff8
#define CONFIG_CONSOLE_BAUD_CLOCK 115200 /* a 16550's 1.8432 MHz, divided by 16 */
#define CONFIG_CONSOLE_BAUD_MIN   50
/* For all guests together: room for GUEST_ATTACHMENTS_MAX in each of 64 guests would be 300 KiB of
 * zeros in the file that the firmware loads. */
#define CONFIG_ATTACHMENTS_MAX 512

struct config_guest {
    char name[GUEST_NAME_BYTES];
    char kernel[CONFIG_PATH_BYTES]; /* from the volume's root, with backslashes */
    char initrd[CONFIG_PATH_BYTES]; /* "" if there is none */
    char cmdline[GUEST_CMDLINE_BYTES];
    uint64_t memory_bytes;
    uint64_t heap_bytes; /* 0: the key was not given */
    uint32_t cpu_count;
    bool has_testdev;
    enum guest_apic apic;
    bool has_no_x2apic;
    enum on_reset on_reset;
    uint32_t timeout_seconds; /* 0: there is none */
    /* The guest's attachments in struct config. */
    size_t attachment_first;
    size_t attachment_count; /* up to GUEST_ATTACHMENTS_MAX */
    /* The lines, counted from 1, for later messages; 0: the key was not given. */
    unsigned line, kernel_line, initrd_line, memory_line, heap_line;
};

struct config {
    uint16_t console_port; /* I/O port of the 16550 */
    unsigned console_line; /* counted from 1; 0: the key was not given */
    uint32_t console_baud;
    uint32_t console_irq; /* as in struct boot_info */
    enum on_last_exit on_last_exit;
    enum schedule schedule;
    bool skips_bad_guests; /* a guest that cannot be started is left out */
    bool heap_poisons;     /* as in struct boot_info */
    size_t guest_count;    /* at least 1 */
    struct config_guest guests[BOOT_GUESTS_MAX];
    /* The attachments of all guests, those of one guest side by side, and their lines. */
    size_t attachment_count;
    struct attachment_spec attachments[CONFIG_ATTACHMENTS_MAX];
    unsigned attachment_lines[CONFIG_ATTACHMENTS_MAX];
};

/* Parses a configuration for a machine that gives cpu_count processors (at least 1) to guests. On
 * success config is complete and message is "". After an error config's content is undefined, and
 * message says "portcullis.conf:LINE: " with the cause and the remedy. Has no other side effects.
 *   text, size_bytes: the file; it may contain any bytes;
 *   message, message_bytes: CONFIG_MESSAGE_BYTES suffice.
 * Errors
 *   STATUS_INVALID: the line is not understood.
 *   STATUS_OUT_OF_RANGE: a value is outside its range, or there are too many guests or attachments.
 *   STATUS_CONFLICT: something is given twice.
 *   STATUS_NOT_FOUND: something required is missing, or what a doorbell refers to.
 *   STATUS_UNSUPPORTED: valid, but this version or machine does not support it. */
MUST_USE enum status config_parse(const char *text, size_t size_bytes, uint32_t cpu_count,
                                  struct config *config, char *message, size_t message_bytes);

#endif
