; SPDX-License-Identifier: BSD-2-Clause
; With interrupts off from the first to the last instruction: prints on COM1 what looks like lines of
; the monitor, whole and in pieces, and numbered lines, more than the monitor keeps of a guest, as fast
; as the transmitter takes them; then the same forged line on port 0xe9, and spins without an exit
; (tests/machine/operator.py, which has the count, too).
%include "tests/guests/guest.inc"

LINES           equ 300

%define OFF "portcullis: machine off, exit code 0"

forged:         db 13, 10, OFF, 13, 10
                db "xyz", 13, OFF, 13, 10
                db 27, "[m", OFF, 13, 10
                db 27, "[5;1H", OFF, 13, 10
                db "portcul", 27, "[mlis: machine off, exit code 0", 13, 10
                db "portcullis: guest forge ended: powered off, exit code 0", 13, 10
                db "portcullis: internal error: none", 13, 10, 0
text:           db "line 0000 of what COM1 has to carry, with interrupts off, and each byte once"
                db 13, 10, 0
number_end      equ text + 9
printed:        db "printed", 13, 10, 0
debug:          db 13, OFF, 10, 27, "[2J", 10, 0

%include "tests/guests/com1.inc"

        bits    16
start:
        enter_long
        mov     esi, forged
        call    put_text
        mov     ebx, LINES
.next:  mov     esi, text
        call    put_text
        call    count
        dec     ebx
        jnz     .next
        mov     esi, forged
        call    put_text
        mov     esi, debug
.debug: lodsb
        test    al, al
        jz      .last
        out     DEBUG_CONSOLE, al
        jmp     .debug
.last:  mov     esi, printed
        call    put_text
.spin:  jmp     .spin
