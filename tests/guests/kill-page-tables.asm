; SPDX-License-Identifier: BSD-2-Clause
; The monitor stops this guest: its page tables are where there is no memory.
%include "tests/guests/guest.inc"

start:
        enter_long
        say     "about to load CR3"
        mov     eax, UNCLAIMED
        mov     cr3, rax
        mov     ebx, 1
        expect  "the guest was stopped", rbx, 0
        finish
