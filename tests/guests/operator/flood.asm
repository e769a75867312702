; SPDX-License-Identifier: BSD-2-Clause
; Prints lines on port 0xe9 without end, and resets the machine's picture of a terminal in each.
%include "tests/guests/guest.inc"

line:   db 27, "c flood flood flood flood flood flood flood flood flood flood flood flood", 10, 0

        bits    16
start:
        enter_long
.line:  mov     esi, line
.next:  lodsb
        test    al, al
        jz      .line
        out     DEBUG_CONSOLE, al
        jmp     .next
