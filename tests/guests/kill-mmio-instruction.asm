; The monitor stops this guest: it stores an SSE register to where there is no memory, which the
; monitor, built without those registers, does not execute.
%include "tests/guests/guest.inc"

start:
        enter_long
        mov     rax, cr4
        or      rax, 1 << 9             ; OSFXSR
        mov     cr4, rax
        say     "about to store XMM0 to nothing"
        mov     eax, UNCLAIMED
        movaps  [rax], xmm0
        mov     ebx, 1
        expect  "the guest was stopped", rbx, 0
        finish
