; SPDX-License-Identifier: BSD-2-Clause
; Ends while writes to the 8254 and to COM1 wait in zones, and while a level trigger holds its line.
%include "tests/guests/guest.inc"

COM1    equ 0x3f8
PIT     equ 0x40
PIC     equ 0x20
BELLS   equ 0x7000

start:  mov     al, 0xff
        out     PIC + 1, al
        mov     al, 0x34                ; counter 0: rate generator, both bytes
        out     PIT + 3, al
        mov     al, 0x10
        out     PIT, al
        out     PIT, al
        mov     dx, BELLS + 2
        out     dx, al
        mov     si, queued_text
.next:  lodsb
        mov     dx, COM1
        out     dx, al
        test    al, al
        jnz     .next
        mov     eax, 1
        expect  "the writes wait", eax, 1
        finish

queued_text: db "WRITTEN LATE", 13, 10, 0
