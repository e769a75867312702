; SPDX-License-Identifier: BSD-2-Clause
; Control registers: reserved bits and forbidden combinations are #GP and change nothing. Intel SDM
; vol. 2B, "MOV - Move to/from Control Registers".
%include "tests/guests/guest.inc"

%macro refuses_cr 3     ; name, register, value in rax
        mov     rax, %3
        expect_fault %1, EXCEPTION_GP, 0, mov %2, rax
%endmacro

start:
        mov     eax, 0x1fff
        smsw    eax
        and     eax, 0xffff
        expect  "smsw in real mode", eax, 0x10

        enter_protected
        ; IA-32e mode needs PAE: LME set, CR4.PAE clear.
        mov     ecx, IA32_EFER
        rdmsr
        or      eax, 0x100
        wrmsr
        mov     eax, PAGE_TABLES
        mov     cr3, eax
        mov     eax, cr0
        or      eax, 0x80000000
        expect_fault "paging with LME without PAE", EXCEPTION_GP, 0, mov cr0, eax
        mov     eax, cr0
        and     eax, 0x7ffffffe
        or      eax, 0x80000000
        expect_fault "PG without PE", EXCEPTION_GP, 0, mov cr0, eax
        mov     eax, cr4
        or      eax, 1 << 17
        expect_fault "PCIDE outside IA-32e mode", EXCEPTION_GP, 0, mov cr4, eax

        enter_long
        mov     r12, cr0
        btr     r12, 30                 ; CD and NW, as they may be at reset
        btr     r12, 29
        mov     cr0, r12
        mov     rbx, 0x80000011
        expect  "CR0", r12, rbx
        mov     r13, cr4
        expect  "CR4", r13, 0x20

        mov     rbx, r12
        or      rbx, 1 << 29
        refuses_cr "NW without CD", cr0, rbx
        mov     rbx, r12
        bts     rbx, 32
        refuses_cr "CR0 bit 32", cr0, rbx
        mov     rbx, r12
        bts     rbx, 63
        refuses_cr "CR0 bit 63", cr0, rbx
        mov     rbx, r12
        btr     rbx, 31
        refuses_cr "PG clear in 64-bit code", cr0, rbx
        mov     rbx, r12
        btr     rbx, 0
        refuses_cr "PE clear while paging", cr0, rbx
        mov     rax, cr0
        expect  "CR0 unchanged", rax, r12

        ; Reserved bits below 32 are ignored, ET stays set.
        mov     rax, r12
        btr     rax, 4
        bts     rax, 6
        bts     rax, 28
        mov     cr0, rax
        mov     rax, cr0
        expect  "CR0 reserved bits and ET", rax, r12

        ; NE, CD and NW read back as written, whatever the monitor needs of them.
        mov     rax, r12
        or      rax, 1 << 5 | 1 << 30 | 1 << 29
        mov     cr0, rax
        mov     rbx, rax
        mov     rax, cr0
        expect  "CR0 NE, CD, NW", rax, rbx
        mov     rax, r12
        mov     cr0, rax
        mov     rax, cr0
        expect  "CR0 without them", rax, r12

        ; TS by MOV, CLTS and LMSW.
        mov     rax, r12
        or      rax, 8
        mov     cr0, rax
        expect_fault "x87 with TS", EXCEPTION_NM, 0, fnop
        clts
        expect_no_fault "x87 after CLTS", fnop
        mov     ax, 0x0b
        lmsw    ax
        mov     rax, cr0
        mov     rbx, r12
        or      rbx, 0x0a
        expect  "LMSW sets MP and TS", rax, rbx
        xor     eax, eax
        lmsw    ax
        mov     rax, cr0
        expect  "LMSW clears them but not PE", rax, r12

        mov     rbx, r13
        bts     rbx, 13
        refuses_cr "CR4.VMXE", cr4, rbx
        mov     rbx, r13
        bts     rbx, 14
        refuses_cr "CR4.SMXE", cr4, rbx
        mov     rbx, r13
        bts     rbx, 6
        refuses_cr "CR4.MCE without the feature", cr4, rbx
        mov     rbx, r13
        bts     rbx, 15
        refuses_cr "CR4 bit 15", cr4, rbx
        mov     rbx, r13
        bts     rbx, 31
        refuses_cr "CR4 bit 31", cr4, rbx
        mov     rbx, r13
        bts     rbx, 32
        refuses_cr "CR4 bit 32", cr4, rbx
        mov     rbx, r13
        btr     rbx, 5
        refuses_cr "PAE clear in IA-32e mode", cr4, rbx
        mov     rax, cr4
        expect  "CR4 unchanged", rax, r13
        mov     rax, r13
        or      rax, 1 << 2 | 1 << 7 | 1 << 9 | 1 << 10
        mov     rbx, rax
        mov     cr4, rax
        mov     rax, cr4
        expect  "CR4 TSD, PGE, OSFXSR, OSXMMEXCPT", rax, rbx
        mov     cr4, r13

        ; CR3 keeps what is written; reserved high bits are #GP.
        mov     rax, PAGE_TABLES + 0x18
        mov     cr3, rax
        mov     rbx, rax
        mov     rax, cr3
        expect  "CR3 with PWT and PCD", rax, rbx
        mov     rbx, PAGE_TABLES
        mov     cr3, rbx
        mov     rbx, PAGE_TABLES | 1 << 62
        refuses_cr "CR3 bit 62", cr3, rbx

        ; CR8 is a register even where there is no local APIC.
        mov     eax, 9
        mov     cr8, rax
        mov     rbx, cr8
        expect  "CR8", rbx, 9
        refuses_cr "CR8 bit 4", cr8, 0x10
        mov     rbx, cr8
        expect  "CR8 unchanged", rbx, 9
        xor     eax, eax
        mov     cr8, rax

        mov     rax, 0x123456789abc
        mov     cr2, rax
        mov     rbx, cr2
        expect  "CR2", rbx, rax

        expect_fault "CR1", EXCEPTION_UD, 0, db 0x0f, 0x20, 0xc8
        expect_fault "CR5", EXCEPTION_UD, 0, db 0x0f, 0x20, 0xe8
        finish
