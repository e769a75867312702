; SPDX-License-Identifier: BSD-2-Clause
; Instructions on memory that is not there: reads are all ones, writes vanish, registers and flags are
; as the instruction makes them of that. In 16-, 32- and 64-bit code, and across the border between RAM
; and nothing.
%include "tests/guests/guest.inc"

HOLE    equ 0xa0000             ; RAM ends here
RAM     equ 0x40000
ONES    equ 0xffffffff

; The same instructions in every width of code. %1: the operand that addresses nothing.
%macro operations 1
        mov     eax, 0x11223344
        mov     al, %1
        expect  "mov al", rA, 0x112233ff
        mov     eax, 0x11223344
        mov     ah, %1
        expect  "mov ah", rA, 0x1122ff44
        mov     eax, 0x11223344
        mov     ax, %1
        expect  "mov ax", rA, 0x1122ffff
        mov     ebx, ONES
        mov     ecx, 0x11223344
        mov     ecx, %1
        expect  "mov ecx", rC, rB
        mov     eax, 0x11223344
        mov     %1, al
        mov     %1, ah
        mov     %1, ax
        mov     %1, eax
        mov     byte %1, 1
        mov     word %1, 2
        mov     dword %1, 3
        mov     ecx, %1
        expect  "writes vanish", rC, rB
        movzx   eax, byte %1
        expect  "movzx byte", rA, 0xff
        movzx   eax, word %1
        expect  "movzx word", rA, 0xffff
        movsx   eax, byte %1
        expect  "movsx byte", rA, rB
        movsx   eax, word %1
        expect  "movsx word", rA, rB
        mov     eax, 0x12345678
        xchg    %1, eax
        expect  "xchg", rA, rB

        mov     eax, 1
        add     eax, %1
        expect_if "add from: carry", c
        expect  "add from", rA, 0
        mov     eax, 0x12345678
        and     eax, %1
        expect  "and from", rA, 0x12345678
        or      eax, %1
        expect  "or from", rA, rB
        xor     eax, %1
        expect_if "xor from: zero", z
        stc
        mov     eax, 0
        adc     eax, %1
        expect_if "adc from: zero", z
        mov     eax, 0
        sub     eax, %1
        expect  "sub from", rA, 1
        clc
        mov     eax, 0
        sbb     eax, %1
        expect  "sbb from", rA, 1
        mov     eax, -1
        cmp     eax, %1
        expect_if "cmp equal", e
        cmp     byte %1, 0x7f
        expect_if "cmp byte: less, signed", l
        cmp     word %1, -1
        expect_if "cmp word sign-extended", e
        test    byte %1, 0x80
        expect_if "test: sign", s
        mov     eax, 0x100
        test    %1, eax
        expect_if "test from", nz

        add     dword %1, 1
        expect_if "add to: carry", c
        inc     dword %1
        expect_if "inc: zero", z
        dec     word %1
        expect_if "dec: sign", s
        neg     dword %1
        expect_if "neg: carry", c
        not     dword %1
        lock or dword %1, 5
        expect_if "lock or: sign", s
        lock and word %1, 0
        expect_if "lock and: zero", z
        lock sub byte %1, 1
        lock xor dword %1, 1
        stc
        adc     byte %1, 0
        expect_if "adc to: zero", z
        bt      dword %1, 31
        expect_if "bt", c
        lock btr dword %1, 3
        expect_if "btr", c
        lock bts dword %1, 3
        expect_if "bts", c
        btc     word %1, 3
        expect_if "btc", c
        mov     eax, 0x1003             ; 512 bytes further on
        clc
        bt      %1, eax
        expect_if "bt, bit 0x1003", c
        mov     eax, -1
        mov     ecx, 0x1234
        lock cmpxchg %1, ecx
        expect_if "cmpxchg equal", z
        mov     eax, 7
        cmpxchg %1, ecx
        expect_if "cmpxchg unequal", nz
        expect  "cmpxchg loads", rA, rB
        mov     eax, 1
        lock xadd %1, eax
        expect  "xadd", rA, rB
        mov     eax, -1
        mov     edx, -1
        push    rB
        mov     ebx, 1
        mov     ecx, 2
        lock cmpxchg8b %1
        pop     rB
        expect_if "cmpxchg8b equal", z
        mov     edx, 1
        cmpxchg8b %1
        expect_if "cmpxchg8b unequal", nz
        expect  "cmpxchg8b loads", rD, rB
        mov     ecx, 0x12345678
        movnti  %1, ecx
        mov     ecx, %1
        expect  "all writes vanish", rC, rB
%endmacro

; The second time the monitor knows the instructions.
%macro operations_twice 1
        mov     byte [rounds_left], 2
%%round:
        operations %1
        dec     byte [rounds_left]
        jnz     near %%round
%endmacro

; String instructions with flat addresses. %1: nothing; %2: RAM.
%macro strings 2
        cld
        mov     esi, %1
        mov     edi, %2
        mov     ecx, 8
        mov     rA, 0
        rep     stosb
        mov     edi, %2
        mov     ecx, 3
        rep     movsb
        expect  "movsb from: source", rS, %1 + 3
        expect  "movsb from: bytes", [%2], 0x00ffffff
        mov     ecx, 1
        mov     edi, %2
        rep     movsd
        mov     esi, %2
        mov     edi, %1
        mov     ecx, 5
        rep     movsw
        expect  "movsw to: count", rC, 0
        expect  "movsw to: destination", rDI, %1 + 10
        mov     edi, %1
        mov     ecx, 100
        xor     eax, eax
        rep     stosd
        expect  "stosd", rDI, %1 + 400
        mov     esi, %1 + 4
        std
        lodsd
        cld
        mov     ebx, ONES
        expect  "lodsd down", rA, rB
        expect  "lodsd down: source", rS, %1
        mov     edi, %1
        mov     al, 0xff
        mov     ecx, 10
        repe    scasb
        expect_if "scasb equal", e
        expect  "scasb count", rC, 0
        mov     edi, %1
        xor     eax, eax
        mov     ecx, 10
        repe    scasb
        expect  "scasb stops", rC, 9
        mov     esi, %1
        mov     edi, %2
        mov     dword [%2], 0x00ffffff
        mov     ecx, 4
        repe    cmpsb
        expect_if "cmpsb: above", a
        expect  "cmpsb count", rC, 0
        mov     dword [%2], 0xffff00ff
        mov     esi, %1
        mov     edi, %2
        mov     ecx, 4
        repe    cmpsb
        expect  "cmpsb stops", rC, 2
%endmacro

; Accesses that are half in RAM, half in nothing. %1 is the address of the last two bytes of RAM.
%macro border 1
        mov     word [%1], 0x1234
        mov     eax, [%1]
        mov     ebx, 0xffff1234
        expect  "border: read", rA, rB
        mov     dword [%1], 0x55667788
        mov     eax, [%1]
        mov     ebx, 0xffff7788
        expect  "border: write", rA, rB
        add     dword [%1], 1
        expect_if "border: add", s
        movzx   eax, word [%1]
        expect  "border: added", rA, 0x7789
        mov     ax, [%1 + 1]
        movzx   eax, ax
        expect  "border: word", rA, 0xff77
%endmacro

rounds_left:    db 0

start:
        ; --- 16-bit code: segment 0xd000 is in the hole, RAM's end at 0x9000:0xffff ---
        registers 16
  %define rB  ebx
  %define rDI edi
        say     "16-bit code"
        mov     ax, 0xd000
        mov     fs, ax
        mov     bp, 0x100
        operations_twice [fs:bp]
        mov     al, [fs:0x1234]
        movzx   eax, al
        expect  "16: moffs read", eax, 0xff
        mov     ax, 0x9000
        mov     es, ax
        mov     word [es:0xfffe], 0x4321
        mov     eax, [es:0xfffc]
        shr     eax, 16
        expect  "16: last word of RAM", eax, 0x4321
        mov     ax, 0x9fff
        mov     es, ax
        border  es:0x0e
        xor     ax, ax
        mov     es, ax
        mov     fs, ax

        ; --- 32-bit code ---
        enter_protected
        registers 32
        say     "32-bit code"
        mov     ebp, UNCLAIMED
        operations_twice [ebp + 0x10]
        mov     esi, 4
        mov     eax, [ebp + esi * 4 + 0x100]
        expect  "32: scaled index", eax, ONES
        mov     eax, [UNCLAIMED + 8]
        expect  "32: moffs", eax, ONES
        mov     [UNCLAIMED + 8], eax
        push    dword [ebp]
        pop     eax
        expect  "32: push", eax, ONES
        push    dword 5
        pop     dword [ebp]
        strings UNCLAIMED + 0x1000, RAM
        border  HOLE - 2

        ; --- 64-bit code ---
        enter_long
        registers 64
  %define rB  rbx
  %define rDI rdi
        say     "64-bit code"
        mov     ebp, UNCLAIMED
        mov     r13, rbp
        operations_twice [rbp + 0x10]
        mov     r12, -1
        mov     rax, [r13]
        expect  "64: mov rax", rax, r12
        mov     [r13], rax
        mov     qword [r13], 5
        mov     r9d, [r13 + 0x20]
        mov     ebx, ONES
        expect  "64: mov r9d clears above", r9, rbx
        movsxd  rax, dword [r13]
        expect  "64: movsxd", rax, r12
        movsx   rax, byte [r13]
        expect  "64: movsx", rax, r12
        movzx   rax, byte [r13]
        expect  "64: movzx", rax, 0xff
        mov     sil, [r13]
        movzx   eax, sil
        expect  "64: mov sil", rax, 0xff
        mov     rax, 1
        lock add [r13], rax
        expect_if "64: add", z
        lock xadd [r13 + 8], rax
        expect  "64: xadd", rax, r12
        mov     rax, -1
        mov     rdx, -1
        xor     ebx, ebx
        xor     ecx, ecx
        lock cmpxchg16b [r13]
        expect_if "64: cmpxchg16b equal", z
        bts     qword [r13], 63
        expect_if "64: bts", c
        a32 mov eax, [ebp]
        mov     ebx, ONES
        expect  "64: a32", rax, rbx
        push    qword [r13]
        pop     rax
        expect  "64: push", rax, r12
        push    rax
        pop     qword [r13]
        mov     eax, 1
        cpuid
        bt      ecx, 22
        jnc     .no_movbe
        movbe   rax, [r13]
        expect  "64: movbe", rax, r12
        movbe   [r13], eax
.no_movbe:
        mov     esi, UNCLAIMED
        mov     edi, RAM
        mov     ecx, 2
        mov     qword [RAM + 16], 0
        rep     movsq
        expect  "64: movsq", [RAM + 8], r12
        expect  "64: movsq no further", [RAM + 16], 0
        strings UNCLAIMED + 0x1000, RAM
        border  HOLE - 2
        mov     dword [HOLE - 4], 0x01020304
        mov     rax, [HOLE - 4]
        mov     rbx, 0xffffffff01020304
        expect  "64: border: quadword", rax, rbx
        ; A string that runs out of RAM, and back into it.
        mov     edi, HOLE - 8
        mov     ecx, 4
        mov     eax, 0x0badcafe
        rep     stosd
        mov     ebx, 0x0badcafe
        mov     eax, [HOLE - 4]
        expect  "64: stosd up to the border", rax, rbx
        mov     esi, HOLE + 4
        mov     edi, RAM + 12
        mov     ecx, 4
        std
        rep     movsd
        cld
        mov     eax, [RAM]
        expect  "64: movsd back over it: RAM", rax, rbx
        mov     eax, [RAM + 8]
        mov     ebx, ONES
        expect  "64: movsd back over it: hole", rax, rbx

        ; A fault on the second operand: the page tables say no.
        mov     qword [PAGE_DIRECTORY + 3 * 8], 0
        mov     rax, cr3
        mov     cr3, rax
        mov     esi, UNCLAIMED
        mov     edi, 0x600000
        expect_fault "64: movsb into no page", EXCEPTION_PF, 2, movsb
        expect  "64: movsb did not move on", rsi, UNCLAIMED
        ; And a write to memory that is not there through a read-only page.
        and     qword [PAGE_DIRECTORY + (UNCLAIMED >> 21) * 8], ~2
        mov     rax, cr0
        bts     rax, 16                 ; WP
        mov     cr0, rax
        mov     rax, cr3
        mov     cr3, rax
        expect_fault "64: read-only page", EXCEPTION_PF, 3, mov [rsi], al
        mov     rax, [rsi]
        expect  "64: still reads", rax, r12
        mov     rsi, 0x800000000000
        expect_fault "64: not canonical", EXCEPTION_GP, 0, mov [rsi], al
        finish

