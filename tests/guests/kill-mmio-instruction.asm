; SPDX-License-Identifier: BSD-2-Clause
; The monitor stops this guest: it adds numbers of vectors from where there is no memory, which is not
; among what the monitor executes in a guest's stead.
%include "tests/guests/guest.inc"

start:
        enter_long
        mov     rax, cr4
        or      rax, 1 << 9             ; OSFXSR
        mov     cr4, rax
        say     "about to add nothing to XMM0"
        mov     eax, UNCLAIMED
        addps   xmm0, [rax]
        mov     ebx, 1
        expect  "the guest was stopped", rbx, 0
        finish
