; SPDX-License-Identifier: BSD-2-Clause
; Prints numbered lines on COM1, more than the monitor's queue holds, as fast as the transmitter takes
; them; then waits, halted, for what is typed, prints it back, and ends at "q"
; (tests/machine/line.py, which has the count, too).
%include "tests/guests/guest.inc"

LINES           equ 1600
LAST_KEY        equ "q"

RBR             equ COM1
IER             equ COM1 + 1
MCR             equ COM1 + 4
DATA_READY      equ 0x01

text:           db "line 0000 of what COM1 has to carry, each byte once.", 13, 10, 0
number_end      equ text + 9
waiting:        db "waiting", 13, 10, 0

%include "tests/guests/com1.inc"

        bits    16
start:
        enter_long
        call    pic_setup
        mov     ebx, LINES
.next:  mov     esi, text
        call    put_text
        call    count
        dec     ebx
        jnz     .next
        mov     esi, waiting
        call    put_text

        mov     al, 0x30                ; stops the 8254, whose ticks would have the monitor look about
        out     PIT + 3, al
        mov     ax, 0x0010              ; line 4
        call    pic_unmask
        mov     dx, MCR
        mov     al, 0x0b
        out     dx, al
        mov     dx, IER
        mov     al, 1
        out     dx, al
.halt:  sti
        hlt
        cli
.key:   mov     dx, LSR
        in      al, dx
        test    al, DATA_READY
        jz      .halt
        mov     dx, RBR
        in      al, dx
        cmp     al, LAST_KEY
        je      .end
        call    put
        jmp     .key
.end:   mov     eax, [irq_counts + (IRQ_BASE + 4) * 4]
        mov     ecx, [irq_log_count]
        expect  "woken by COM1 alone", rax, rcx
        test    eax, eax
        expect_if "woken at all", nz
        finish
