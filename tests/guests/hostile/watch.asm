; SPDX-License-Identifier: BSD-2-Clause
; Measures, beside a hostile guest, what that makes it wait: the longest time that one of its own port
; accesses takes, and the longest time between two keys, which come from the serial line at a steady
; rate as long as the monitor looks after it. Begins with the first key; after that it drops what
; comes. tests/machine/hostile.py types, and judges.
%define CPUS 1
%include "tests/guests/guest.inc"
%include "tests/guests/smp.inc"

MEASURE_US      equ 1200000

RBR             equ COM1
LSR             equ COM1 + 5

; r8: the longest access; r9: the longest time between keys; r10: the last key; r11: the number of
; keys; r12: the end.
        bits    64
; Waits for a key.
await_key:
        mov     dx, LSR
        in      al, dx
        test    al, 1
        jz      await_key
        mov     dx, RBR
        in      al, dx
        ret

        bits    16
start:
        enter_long
        call    smp_setup
        say     "WAITING"
        call    await_key
        xor     r8d, r8d
        xor     r9d, r9d
        xor     r11d, r11d
        tsc
        mov     r10, rax
        mov     r12, MEASURE_US
        imul    r12, [tsc_mhz]
        add     r12, rax

.next:  tsc
        mov     rsi, rax
        mov     dx, LSR
        in      al, dx
        mov     ebx, eax
        tsc
        mov     rdi, rax
        sub     rax, rsi
        cmp     rax, r8
        cmova   r8, rax
        mov     rax, rdi
        sub     rax, r10                ; the last key's wait may still go on
        cmp     rax, r9
        cmova   r9, rax
        test    bl, 1
        jz      .look
        mov     dx, RBR
        in      al, dx
        mov     r10, rdi
        inc     r11d
.look:  cmp     rdi, r12
        jb      .next

        report  "ticks a microsecond: ", [tsc_mhz]
        report  "keys: ", r11
        report  "longest access, ticks: ", r8
        report  "longest wait for a key, ticks: ", r9
        say     "MEASURED"
.drop:  call    await_key
        jmp     .drop
