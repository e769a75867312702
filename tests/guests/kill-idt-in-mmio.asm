; SPDX-License-Identifier: BSD-2-Clause
; The monitor stops this guest: its IDT is where there is no memory, and an exception goes there.
%include "tests/guests/guest.inc"

start:
        enter_long
        say     "about to take an exception"
        lidt    [far_idt]
        int3
        mov     ebx, 1
        expect  "the guest was stopped", rbx, 0
        finish

far_idt:
        dw      0xfff
        dq      UNCLAIMED
