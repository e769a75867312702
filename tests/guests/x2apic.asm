; SPDX-License-Identifier: BSD-2-Clause
; x2APIC mode: every transition of IA32_APIC_BASE, what CPUID says to it, registers as MSRs with what
; they refuse, the 64-bit ICR, self IPI, logical IDs, interrupts between processors of both modes, and
; the page of the xAPIC moved and moved back. Intel SDM vol. 3A, "Extended XAPIC (x2APIC)". For four
; processors.
%include "tests/guests/guest.inc"
%include "tests/guests/smp.inc"

X2APIC_MSR      equ 0x800
%define MSR(reg) (X2APIC_MSR + ((reg) >> 4))
SELF_IPI        equ 0x83f

EN              equ 1 << 11
EXTD            equ 1 << 10
BSP             equ 1 << 8

MOVED           equ 0xfed40000  ; a page where nothing else is

%macro refuse_read 2
        mov     ecx, %2
        expect_fault %1, EXCEPTION_GP, 0, rdmsr
%endmacro

%macro set_base 1
        write_msr IA32_APIC_BASE, LOCAL_APIC | BSP | (%1)
%endmacro

%macro refuse_base 2
        refuse_write %1, IA32_APIC_BASE, LOCAL_APIC | BSP | (%2)
%endmacro

; The APIC flag of CPUID.
%macro expect_cpuid 2
        mov     eax, 1
        cpuid
        shr     edx, 9
        and     edx, 1
        expect  %1, rdx, %2
        mov     eax, 1
        cpuid
        shr     ecx, 21
        and     ecx, 1
        expect  "CPUID: x2APIC is there all the time", rcx, 1
%endmacro

; --- Jobs --------------------------------------------------------------------------------------------

enter_x2apic:
        mov     ecx, IA32_APIC_BASE
        rdmsr
        or      eax, EXTD
        wrmsr
        mov     dword [gs:PC_X2APIC], 1
        ret

read_base:
        mov     ecx, IA32_APIC_BASE
        rdmsr
        mov     [gs:PC_FREE + 8], eax
        ret

leave_x2apic:
        mov     ecx, IA32_APIC_BASE
        rdmsr
        and     eax, ~(EN | EXTD)
        wrmsr
        or      eax, EN
        wrmsr
        mov     dword [gs:PC_X2APIC], 0
        mov     dword [r15 + APIC_SVR], 0x1ff
        ret

        bits    16
start:
        enter_long
        call    smp_setup
        call    smp_start

        ; The registers that have been set are to be seen through both modes.
        mov     dword [r15 + APIC_TPR], 0x20
        mov     dword [r15 + APIC_LVT_ERROR], 0x3f
        expect_msr "xAPIC mode", IA32_APIC_BASE, LOCAL_APIC | EN | BSP
        expect_cpuid "CPUID: enabled", 1
        refuse_read "xAPIC mode: no MSRs to read", MSR(APIC_ID)
        refuse_write "xAPIC mode: no MSRs to write", MSR(APIC_TPR), 0
        refuse_base "xAPIC to EXTD without EN", EXTD
        refuse_base "reserved bit 0", EN | 1
        refuse_base "reserved bit 9", EN | 1 << 9
        refuse_base "reserved bit 63", EN | 1 << 63
        expect_msr "all that left it as it was", IA32_APIC_BASE, LOCAL_APIC | EN | BSP
        write_msr IA32_APIC_BASE, LOCAL_APIC | EN
        expect_msr "BSP cannot be written", IA32_APIC_BASE, LOCAL_APIC | EN | BSP

        set_base EN | EXTD
        mov     dword [gs:PC_X2APIC], 1
        expect_msr "x2APIC mode", IA32_APIC_BASE, LOCAL_APIC | EN | EXTD | BSP
        expect_cpuid "CPUID: enabled in x2APIC mode", 1
        refuse_base "x2APIC to xAPIC", EN
        refuse_base "x2APIC to EXTD without EN", EXTD
        set_base EN | EXTD
        expect_msr "x2APIC to itself", IA32_APIC_BASE, LOCAL_APIC | EN | EXTD | BSP

        ; Registers.
        expect_msr "ID", MSR(APIC_ID), 0
        read_msr MSR(APIC_VERSION)
        and     eax, 0xf0
        expect  "version", rax, 0x10
        expect_msr "TPR went over", MSR(APIC_TPR), 0x20
        expect_msr "LVT went over", MSR(APIC_LVT_ERROR), 0x3f
        expect_msr "SVR went over", MSR(APIC_SVR), 0x1ff
        expect_msr "logical ID", MSR(APIC_LDR), 1
        mov     eax, [r15 + APIC_VERSION]
        expect  "nothing at the page", rax, 0xffffffff
        refuse_write "ID is read-only", MSR(APIC_ID), 0
        refuse_write "version is read-only", MSR(APIC_VERSION), 0
        refuse_write "logical ID is read-only", MSR(APIC_LDR), 1
        refuse_write "PPR is read-only", MSR(APIC_PPR), 0
        refuse_write "current count is read-only", MSR(APIC_CURRENT), 0
        refuse_write "ISR is read-only", MSR(APIC_ISR), 0
        refuse_read "EOI is write-only", MSR(APIC_EOI)
        refuse_read "self IPI is write-only", SELF_IPI
        refuse_read "no DFR", MSR(APIC_DFR)
        refuse_read "no APR", 0x809
        refuse_read "no RRD", 0x80c
        refuse_read "no second half of ICR", MSR(APIC_ICR_HIGH)
        refuse_read "800h", 0x800
        refuse_read "840h", 0x840
        refuse_read "8FFh", 0x8ff
        refuse_write "EOI other than 0", MSR(APIC_EOI), 1
        refuse_write "ESR other than 0", MSR(APIC_ESR), 1
        refuse_write "TPR bit 8", MSR(APIC_TPR), 0x100
        refuse_write "TPR bit 32", MSR(APIC_TPR), 1 << 32
        refuse_write "SVR bit 10", MSR(APIC_SVR), 0x5ff
        refuse_write "timer bit 19", MSR(APIC_LVT_TIMER), 1 << 19
        refuse_write "divisor bit 2", MSR(APIC_DIVIDE), 4
        refuse_write "ICR bit 13", MSR(APIC_ICR), ICR_SELF | 1 << 13 | 0x50
        refuse_write "ICR bit 20", MSR(APIC_ICR), ICR_SELF | 1 << 20 | 0x50
        refuse_write "self IPI bit 8", SELF_IPI, 0x150
        expect_msr "TPR unharmed", MSR(APIC_TPR), 0x20
        mov     eax, 7
        mov     cr8, rax
        expect_msr "CR8", MSR(APIC_TPR), 0x70
        write_msr MSR(APIC_TPR), 0
        mov     rax, cr8
        expect  "and back", rax, 0
        call    forget
        sti
        nop
        cli
        expect_dword "nothing refused was sent", [gs:PC_LOG_COUNT], 0

        ; Self IPI, ICR as one register, errors.
        call    forget
        write_msr SELF_IPI, 0x50
        write_msr MSR(APIC_ICR), ICR_SELF | 0x51
        expect_msr "IRR", MSR(APIC_IRR) + 2, 1 << 16 | 1 << 17
        window
        expect_dword "self IPI", [gs:PC_COUNTS + 0x50 * 4], 1
        expect_dword "ICR to itself", [gs:PC_COUNTS + 0x51 * 4], 1
        write_msr MSR(APIC_ICR), 0x12345678_00000052
        expect_msr "ICR reads back", MSR(APIC_ICR), 0x12345678_00000052
        window
        expect_dword "to an ID nobody has", [gs:PC_COUNTS + 0x52 * 4], 0
        write_msr MSR(APIC_ESR), 0
        write_msr SELF_IPI, 5
        write_msr MSR(APIC_ESR), 0
        expect_msr "illegal vector", MSR(APIC_ESR), 0x20
        window                          ; the error interrupt
        write_msr MSR(APIC_LVT_ERROR), LVT_MASKED

        ; Between processors: 0 and 1 in x2APIC mode, 2 and 3 in xAPIC mode.
        begin_job 1, enter_x2apic
        end_job "1 enters x2APIC mode", 1
        %assign CPU 1
        %rep 3
        mov     dword [PER_CPU(CPU) + PC_FREE], 0
        begin_job CPU, job_wait_interrupts
        %assign CPU CPU + 1
        %endrep
        sti
        call    forget
        write_msr MSR(APIC_ICR), 1 << 32 | 0x61
        await   "physical, x2APIC to x2APIC", [COUNT(1, 0x61)], 1
        write_msr MSR(APIC_ICR), 2 << 32 | 0x62
        await   "physical, x2APIC to xAPIC", [COUNT(2, 0x62)], 1
        write_msr MSR(APIC_ICR), ICR_LOGICAL | 2 << 32 | 0x63
        await   "logical, bit 1 of cluster 0", [COUNT(1, 0x63)], 1
        write_msr MSR(APIC_ICR), ICR_LOGICAL | 3 << 32 | 0x64
        await   "logical, bits 0 and 1: 1", [COUNT(1, 0x64)], 1
        await   "logical, bits 0 and 1: 0", [COUNT(0, 0x64)], 1
        write_msr MSR(APIC_ICR), ICR_LOGICAL | 0x10003 << 32 | 0x65
        write_msr MSR(APIC_ICR), 0xff << 32 | 0x66
        write_msr MSR(APIC_ICR), 0xffffffff << 32 | 0x67
        await   "everybody: 0", [COUNT(0, 0x67)], 1
        await   "everybody: 1", [COUNT(1, 0x67)], 1
        await   "everybody: 2", [COUNT(2, 0x67)], 1
        await   "everybody: 3", [COUNT(3, 0x67)], 1
        write_msr MSR(APIC_ICR), ICR_OTHERS | 0x68
        await   "all but self: 1", [COUNT(1, 0x68)], 1
        await   "all but self: 3", [COUNT(3, 0x68)], 1
        spin_us 300
        expect_dword "all but self: not 0", [COUNT(0, 0x68)], 0
        expect_dword "cluster 1 has nobody: 0", [COUNT(0, 0x65)], 0
        expect_dword "cluster 1 has nobody: 1", [COUNT(1, 0x65)], 0
        expect_dword "FFh is an ID like others: 0", [COUNT(0, 0x66)], 0
        expect_dword "FFh is an ID like others: 1", [COUNT(1, 0x66)], 0
        expect_dword "logical 2 was not for 0", [COUNT(0, 0x63)], 0
        cli
        %assign CPU 1
        %rep 3
        mov     dword [PER_CPU(CPU) + PC_FREE], 1
        end_job "dismissed", CPU
        %assign CPU CPU + 1
        %endrep

        ; INIT leaves the mode.
        write_msr MSR(APIC_ICR), 1 << 32 | ICR_INIT | ICR_ASSERT
        spin_us 1000
        write_msr MSR(APIC_ICR), 1 << 32 | ICR_STARTUP | TRAMPOLINE_VECTOR
        await   "started once more", [PER_CPU(1) + PC_STARTS], 2
        begin_job 1, read_base
        end_job "1 looks at its base", 1
        expect_dword "x2APIC mode after INIT", [PER_CPU(1) + PC_FREE + 8], LOCAL_APIC | EN | EXTD
        begin_job 1, leave_x2apic
        end_job "1 leaves x2APIC mode", 1

        ; Disabled, and back.
        set_base 0
        expect_cpuid "CPUID: disabled", 0
        expect_msr "disabled", IA32_APIC_BASE, LOCAL_APIC | BSP
        refuse_read "disabled: no MSRs", MSR(APIC_ID)
        mov     eax, [r15 + APIC_VERSION]
        expect  "disabled: nothing at the page", rax, 0xffffffff
        refuse_base "disabled to x2APIC", EN | EXTD
        refuse_base "disabled to EXTD without EN", EXTD
        set_base EN
        mov     dword [gs:PC_X2APIC], 0
        expect_cpuid "CPUID: enabled again", 1
        mov     eax, [r15 + APIC_SVR]
        expect  "SVR after that is that of a reset", rax, 0xff
        mov     eax, [r15 + APIC_LVT_ERROR]
        expect  "LVT, too", rax, LVT_MASKED
        mov     eax, [r15 + APIC_DFR]
        expect  "DFR, too", rax, 0xffffffff
        mov     dword [r15 + APIC_SVR], 0x1ff
        call    forget
        mov     dword [r15 + APIC_ICR], ICR_SELF | 0x53
        window
        expect_dword "works", [gs:PC_COUNTS + 0x53 * 4], 1

        ; The page, moved: the processor's own only.
        write_msr IA32_APIC_BASE, MOVED | EN | BSP
        mov     ebx, MOVED
        mov     eax, [rbx + APIC_SVR]
        expect  "moved: there it is", rax, 0x1ff
        mov     eax, [r15 + APIC_SVR]
        expect  "moved: gone from where it was", rax, 0xffffffff
        mov     dword [gs:PC_MANUAL_EOI], 1
        call    forget
        mov     dword [rbx + APIC_ICR], ICR_SELF | 0x54
        window
        mov     dword [rbx + APIC_EOI], 0
        expect_dword "moved: works", [gs:PC_COUNTS + 0x54 * 4], 1
        mov     dword [PER_CPU(2) + PC_FREE], 0
        begin_job 2, job_wait_interrupts
        mov     dword [rbx + APIC_ICR_HIGH], 2 << 24
        mov     dword [rbx + APIC_ICR], 0x69
        await   "moved: reaches others, whose page has stayed", [COUNT(2, 0x69)], 1
        mov     dword [PER_CPU(2) + PC_FREE], 1
        end_job "2 dismissed", 2
        write_msr IA32_APIC_BASE, LOCAL_APIC | EN | BSP
        mov     eax, [r15 + APIC_SVR]
        expect  "moved back", rax, 0x1ff
        mov     eax, [rbx + APIC_SVR]
        expect  "nothing left there", rax, 0xffffffff
        refuse_write "beyond the physical addresses", IA32_APIC_BASE, 1 << 52 | EN | BSP
        finish
