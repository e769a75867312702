; SPDX-License-Identifier: BSD-2-Clause
; INVD and WBINVD: allowed at privilege level 0, and no data is lost.
%include "tests/guests/guest.inc"

start:
        enter_long
        mov     edi, 0x300000
        mov     ecx, 4096
        mov     rax, 0x0123456789abcdef
        rep     stosq
        expect_no_fault "wbinvd", wbinvd
        expect  "first after WBINVD", [0x300000], rax
        mov     rbx, rax
        not     rbx
        mov     [0x300000], rbx
        mov     [0x307ff8], rbx
        expect_no_fault "invd", invd
        expect  "first after INVD", [0x300000], rbx
        expect  "last after INVD", [0x307ff8], rbx
        expect  "between", [0x304000], rax
        expect_no_fault "invlpg", invlpg [0x300000]
        expect_no_fault "clflush", clflush [0x300000]
        finish
