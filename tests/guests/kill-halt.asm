; SPDX-License-Identifier: BSD-2-Clause
; The monitor stops this guest: it halts with interrupts off, and nothing will ever wake it.
%include "tests/guests/guest.inc"

start:
        enter_long
        say     "about to halt for good"
        cli
        hlt
        mov     ebx, 1
        expect  "the guest was stopped", rbx, 0
        finish
