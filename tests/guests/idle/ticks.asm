; SPDX-License-Identifier: BSD-2-Clause
; Halts until each tick of its local APIC's timer, which it programs anew each time. The monitor's prompt
; shows the exits that this causes (tests/machine/idle.py, which has the count, too). For one processor.
%include "tests/guests/guest.inc"
%include "tests/guests/smp.inc"

TICKS           equ 1000
TICK_HZ         equ 250
VECTOR          equ 0x50

        bits    16
start:
        enter_long
        call    smp_setup
        mov     al, 0x30                ; stops the 8254, which a BIOS leaves ticking: mode 0, no count
        out     PIT + 3, al
        mov     dword [r15 + APIC_DIVIDE], 0xb
        mov     dword [r15 + APIC_LVT_TIMER], VECTOR
        mov     rax, [tsc_hz]
        xor     edx, edx
        mov     ecx, TICK_HZ
        div     rcx
        mov     ebx, eax
        mov     r12d, TICKS
.next:  mov     [r15 + APIC_INITIAL], ebx
        sti
        hlt
        cli
        dec     r12d
        jnz     .next
        expect_dword "a tick for each HLT", [COUNT(0, VECTOR)], TICKS
        finish
