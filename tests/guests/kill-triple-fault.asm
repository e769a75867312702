; SPDX-License-Identifier: BSD-2-Clause
; The monitor stops this guest: a triple fault. No IDT, so that the first exception finds no handler
; and neither does the double fault (SDM vol. 3A, "Interrupt 8 - Double Fault Exception").
%include "tests/guests/guest.inc"

start:
        enter_long
        say     "about to fault without an IDT"
        lidt    [no_idt]
        ud2
        mov     ebx, 1
        expect  "the guest was stopped", rbx, 0
        finish

no_idt: dw      0
        dq      0
