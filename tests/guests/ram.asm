; SPDX-License-Identifier: BSD-2-Clause
; All of RAM above 2 MiB, as CMOS RAM says how much there is: zero at the start, and each 64 KiB of it
; a place of its own. Behind its end nothing is stored.
%include "tests/guests/guest.inc"

FIRST           equ 0x400000        ; behind the program's page tables
STEP            equ 0x10000

        bits    16
start:
        enter_long
        mov     al, 0x34
        call    cmos_read
        movzx   ebx, ah
        mov     al, 0x35
        call    cmos_read
        movzx   ecx, ah
        shl     ecx, 8
        or      ebx, ecx
        shl     rbx, 16
        add     rbx, 0x1000000          ; the end of RAM below 4 GiB
        mov     eax, 0xc0000000
        cmp     rbx, rax
        expect_if "RAM ends at 3 GiB at the latest", be

        xor     edx, edx
        mov     esi, FIRST
.zero:  or      rdx, [rsi]
        or      rdx, [rsi + STEP - 8]
        mov     [rsi], rsi
        mov     [rsi + STEP - 8], rsi
        add     rsi, STEP
        cmp     rsi, rbx
        jb      .zero
        expect  "zero at the start", rdx, 0

        xor     edx, edx
        mov     esi, FIRST
.own:   cmp     [rsi], rsi
        je      .first
        inc     rdx
.first: cmp     [rsi + STEP - 8], rsi
        je      .last
        inc     rdx
.last:  add     rsi, STEP
        cmp     rsi, rbx
        jb      .own
        expect  "each place keeps what is its own", rdx, 0

        mov     qword [rbx], 5
        mov     rax, [rbx]
        expect  "nothing behind the end", rax, -1
        finish
