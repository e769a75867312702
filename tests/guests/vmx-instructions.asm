; SPDX-License-Identifier: BSD-2-Clause
; A processor without VMX and SMX: their instructions do not exist. Intel SDM vol. 3C, "VMX
; Instruction Reference": #UD.
%include "tests/guests/guest.inc"

start:
        enter_long
        expect_fault "vmcall", EXCEPTION_UD, 0, vmcall
        expect_fault "vmlaunch", EXCEPTION_UD, 0, vmlaunch
        expect_fault "vmresume", EXCEPTION_UD, 0, vmresume
        expect_fault "vmxoff", EXCEPTION_UD, 0, vmxoff
        expect_fault "vmxon", EXCEPTION_UD, 0, vmxon [region]
        expect_fault "vmclear", EXCEPTION_UD, 0, vmclear [region]
        expect_fault "vmptrld", EXCEPTION_UD, 0, vmptrld [region]
        expect_fault "vmptrst", EXCEPTION_UD, 0, vmptrst [region]
        expect_fault "vmread", EXCEPTION_UD, 0, vmread rax, rdx
        expect_fault "vmwrite", EXCEPTION_UD, 0, vmwrite rax, rdx
        expect_fault "invept", EXCEPTION_UD, 0, invept rax, [region]
        expect_fault "invvpid", EXCEPTION_UD, 0, invvpid rax, [region]
        xor     eax, eax
        expect_fault "vmfunc", EXCEPTION_UD, 0, vmfunc
        expect_fault "getsec", EXCEPTION_UD, 0, getsec
        expect_fault "monitor", EXCEPTION_UD, 0, monitor
        expect_fault "mwait", EXCEPTION_UD, 0, mwait
        expect_fault "rsm", EXCEPTION_UD, 0, rsm
        finish

        align   16
region: times 16 db 0
