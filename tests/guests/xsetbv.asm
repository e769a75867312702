; SPDX-License-Identifier: BSD-2-Clause
; XCR0: Intel SDM vol. 2D, "XSETBV", and vol. 1, "Enabling the XSAVE Feature Set". On a processor
; without XSAVE the instruction is #UD, and that is all there is to check.
%include "tests/guests/guest.inc"

%macro set_xcr 3        ; index, edx, eax
        mov     ecx, %1
        mov     edx, %2
        mov     eax, %3
%endmacro

start:
        enter_long
        set_xcr 0, 0, 1
        expect_fault "xsetbv without OSXSAVE", EXCEPTION_UD, 0, xsetbv
        expect_fault "xgetbv without OSXSAVE", EXCEPTION_UD, 0, xgetbv
        mov     eax, 1
        xor     ecx, ecx
        cpuid
        bt      ecx, 26
        jc      .has_xsave
        mov     rax, cr4
        bts     rax, 18
        expect_fault "CR4.OSXSAVE without XSAVE", EXCEPTION_GP, 0, mov cr4, rax
        finish

.has_xsave:
        mov     rax, cr4
        bts     rax, 18
        mov     cr4, rax
        xor     ecx, ecx
        xgetbv
        expect  "XCR0 at reset", rax, 1
        expect  "XCR0 at reset, high", rdx, 0
        mov     eax, 0xd
        xor     ecx, ecx
        cpuid
        mov     r14d, eax               ; what may be set

        set_xcr 0, 0, 3
        expect_no_fault "x87 and SSE", xsetbv
        set_xcr 0, 0, 0
        expect_fault "nothing", EXCEPTION_GP, 0, xsetbv
        set_xcr 0, 0, 2
        expect_fault "SSE without x87", EXCEPTION_GP, 0, xsetbv
        set_xcr 0, 0, 5
        expect_fault "AVX without SSE", EXCEPTION_GP, 0, xsetbv
        set_xcr 0, 0, 0x27
        expect_fault "part of AVX-512", EXCEPTION_GP, 0, xsetbv
        set_xcr 0, 0, 0xe3
        expect_fault "AVX-512 without AVX", EXCEPTION_GP, 0, xsetbv
        set_xcr 0, 0, 0x1b
        expect_fault "MPX", EXCEPTION_GP, 0, xsetbv
        set_xcr 0, 0, 0x103
        expect_fault "supervisor component", EXCEPTION_GP, 0, xsetbv
        set_xcr 0, 0x80000000, 3
        expect_fault "bit 63", EXCEPTION_GP, 0, xsetbv
        set_xcr 0, 1, 3
        expect_fault "bit 32", EXCEPTION_GP, 0, xsetbv
        set_xcr 1, 0, 3
        expect_fault "XCR1", EXCEPTION_GP, 0, xsetbv
        set_xcr 0xffffffff, 0, 3
        expect_fault "XCR 0xffffffff", EXCEPTION_GP, 0, xsetbv
        xor     ecx, ecx
        xgetbv
        expect  "XCR0 unchanged", rax, 3
        set_xcr 0, 0, r14d
        expect_no_fault "all that CPUID offers", xsetbv
        xor     ecx, ecx
        xgetbv
        mov     ebx, r14d
        expect  "XCR0 holds it", rax, rbx

        ; The states are the guest's own and survive exits.
        bt      r14d, 2
        jnc     .no_avx
        mov     rax, cr4
        or      rax, 1 << 9 | 1 << 10
        mov     cr4, rax
        mov     rax, 0x1122334455667788
        vmovq   xmm5, rax
        vpunpcklqdq xmm5, xmm5, xmm5
        vinsertf128 ymm5, ymm5, xmm5, 1
        mov     eax, 0
        cpuid
        in      al, 0x80
        vextractf128 xmm6, ymm5, 1
        vmovq   rbx, xmm6
        mov     rax, 0x1122334455667788
        expect  "YMM register after exits", rbx, rax
.no_avx:
        finish
