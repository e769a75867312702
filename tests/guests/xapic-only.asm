; SPDX-License-Identifier: BSD-2-Clause
; Local APICs without x2APIC mode, `x2apic = off`: CPUID does not show the mode, IA32_APIC_BASE.EXTD
; is a reserved bit from every state, the mode's MSRs do not exist, and the xAPIC works on. Intel SDM
; vol. 3A, "Detecting and Enabling x2APIC Mode", "x2APIC State Transitions".
%include "tests/guests/guest.inc"
%include "tests/guests/smp.inc"

EN              equ 1 << 11
EXTD            equ 1 << 10
BSP             equ 1 << 8
X2APIC_FIRST    equ 0x800
X2APIC_LAST     equ 0x83f

%macro refuse_base 2
        refuse_write %1, IA32_APIC_BASE, LOCAL_APIC | BSP | (%2)
%endmacro

        bits    16
start:
        enter_long
        call    smp_setup

        mov     eax, 1
        cpuid
        bt      ecx, 21
        expect_if "CPUID: no x2APIC", nc
        bt      ecx, 24
        expect_if "CPUID: TSC deadline", c
        bt      edx, 9
        expect_if "CPUID: local APIC", c

        refuse_base "xAPIC to x2APIC", EN | EXTD
        refuse_base "EXTD without EN", EXTD
        expect_msr "both left it as it was", IA32_APIC_BASE, LOCAL_APIC | EN | BSP
        mov     ecx, X2APIC_FIRST
        mov     ebx, X2APIC_LAST - X2APIC_FIRST + 1
.next:  expect_fault "no MSRs", EXCEPTION_GP, 0, rdmsr
        inc     ecx
        dec     ebx
        jnz     .next

        write_msr IA32_APIC_BASE, LOCAL_APIC | BSP
        refuse_base "disabled to x2APIC", EN | EXTD
        refuse_base "EXTD alone", EXTD
        write_msr IA32_APIC_BASE, LOCAL_APIC | EN | BSP
        expect_msr "xAPIC again", IA32_APIC_BASE, LOCAL_APIC | EN | BSP

        mov     dword [r15 + APIC_SVR], 0x1ff
        call    forget
        mov     dword [r15 + APIC_ICR], ICR_SELF | 0x48
        window
        expect_log "an interrupt", 0x48
        finish
