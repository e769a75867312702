; SPDX-License-Identifier: BSD-2-Clause
; The monitor stops this guest: it fetches instructions from where there is no memory.
%include "tests/guests/guest.inc"

start:
        enter_long
        say     "about to jump to nothing"
        mov     eax, UNCLAIMED
        call    rax
        mov     ebx, 1
        expect  "the guest was stopped", rbx, 0
        finish
