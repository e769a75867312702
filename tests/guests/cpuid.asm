; SPDX-License-Identifier: BSD-2-Clause
; CPUID shows what vmm/policy allows: a hypervisor, no VMX, no local APIC, one processor, and bits
; that follow the guest's own registers.
%include "tests/guests/guest.inc"

; Executes CPUID with leaf and subleaf; the result is in eax, ebx, ecx, edx, zero-extended.
%macro ask 2
        mov     eax, %1
        mov     ecx, %2
        cpuid
%endmacro

start:
        enter_long

        ask     0, 0
        expect  "highest basic leaf", rax, 0x16
        ask     0x40000000, 0
        expect  "highest hypervisor leaf", rax, 0x40000000
        expect  "signature 1", rbx, 'Port'
        expect  "signature 2", rcx, 'cull'
        expect  "signature 3", rdx, 'is  '

        ask     1, 0
        bt      ecx, 31
        expect_if "hypervisor bit", c
        bt      ecx, 5
        expect_if "no VMX", nc
        bt      ecx, 6
        expect_if "no SMX", nc
        bt      ecx, 3
        expect_if "no MONITOR", nc
        bt      ecx, 21
        expect_if "x2APIC", c
        bt      ecx, 24
        expect_if "TSC deadline", c
        bt      ecx, 15
        expect_if "no PDCM", nc
        bt      edx, 9
        expect_if "APIC", c
        bt      edx, 28
        expect_if "no HTT", nc
        bt      edx, 7
        expect_if "no MCE", nc
        bt      edx, 14
        expect_if "no MCA", nc
        bt      edx, 12
        expect_if "MTRR", c
        bt      edx, 16
        expect_if "PAT", c
        bt      edx, 5
        expect_if "MSR", c
        bt      ecx, 27
        expect_if "OSXSAVE clear at first", nc
        shr     ebx, 24
        expect  "initial APIC ID", rbx, 0

        ; OSXSAVE follows CR4 where there is XSAVE.
        mov     r8, rcx
        bt      ecx, 26
        jnc     .no_xsave
        mov     rax, cr4
        or      rax, 1 << 18
        mov     cr4, rax
        ask     1, 0
        bt      ecx, 27
        expect_if "OSXSAVE follows CR4", c
        ask     0xd, 0
        expect  "XSAVE size, x87 only", rbx, 576
        mov     r9, rax                 ; what XCR0 may hold
        mov     r10, rcx                ; its size with all of it
        and     eax, ~0x2e7
        expect  "XCR0 only as offered", rax, 0
        mov     eax, r9d
        xor     edx, edx
        xor     ecx, ecx
        xsetbv
        ask     0xd, 0
        expect  "XSAVE size, everything", rbx, r10
        ask     0xd, 1
        shr     eax, 4
        expect  "no XFD", rax, 0
        expect  "no supervisor states", rcx, 0
.no_xsave:

        ask     6, 0
        expect  "ARAT alone of the thermal leaf", rax, 4
        ask     0xa, 0
        expect  "no performance counters", rax, 0
        ask     0x14, 0
        expect  "no processor trace", rax, 0
        ask     0x15, 0
        expect  "TSC to crystal: denominator", rax, 1
        ask     0x16, 0
        expect  "no bus frequency", rcx, 0
        ask     0x12345678, 0
        expect  "above the highest leaf", rax, 0

        ask     7, 0
        bt      ebx, 2
        expect_if "no SGX", nc
        bt      ebx, 14
        expect_if "no MPX", nc
        bt      ebx, 25
        expect_if "no processor trace bit", nc
        bt      edx, 26
        expect_if "no IBRS", nc

        ; One thread, one core, one package: caches and topology say the same.
        ask     4, 0
        shr     eax, 14
        expect  "cache shared by one", rax, 0
        ask     0xb, 0
        expect  "SMT level shift", rax, 0
        expect  "SMT level count", rbx, 1
        expect  "SMT level type", rcx, 0x100
        ask     0xb, 1
        expect  "core level count", rbx, 1
        expect  "core level type", rcx, 0x201
        ask     0xb, 2
        expect  "end of levels", rbx, 0
        expect  "end of levels type", rcx, 2

        ask     0x80000000, 0
        expect  "highest extended leaf", rax, 0x80000008
        ask     0x80000001, 0
        bt      edx, 29
        expect_if "64-bit", c
        bt      edx, 11
        expect_if "SYSCALL in 64-bit mode", c
        ask     0x80000008, 0
        shr     eax, 8
        expect  "linear address bits", rax, 48

        ; The upper halves of the registers are cleared.
        mov     rbx, -1
        mov     rdx, -1
        mov     rax, 0xffffffff00000000
        mov     rcx, 0xffffffff00000000
        cpuid
        shr     rax, 32
        expect  "RAX cleared above", rax, 0
        shr     rbx, 32
        expect  "RBX cleared above", rbx, 0
        finish
