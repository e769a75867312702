; SPDX-License-Identifier: BSD-2-Clause
; Ways to reset the machine: each in turn, noted in the CMOS, which keeps its content through a reset
; as battery-backed memory does. After the last one everything else is as at the start.
%include "tests/guests/guest.inc"

PROGRESS equ 0x60               ; CMOS byte: how many resets so far, with MARK beside it
MARK     equ 0x61

start:
        mov     eax, [check_count]
        mov     ebp, eax
        enter_long
        mov     al, MARK
        call    cmos_read
        cmp     ah, 0xa7
        je      .marked
        mov     ax, 0xa7 << 8 | MARK
        call    cmos_write
        mov     ax, PROGRESS
        call    cmos_write
.marked:
        mov     al, PROGRESS
        call    cmos_read
        movzx   ebx, ah
        inc     ah
        call    cmos_write

        ; Fresh each time: program, memory and chips.
        mov     eax, ebp
        expect  "program loaded anew", rax, 0
        expect  "memory is clear", [0x300000], 0
        mov     qword [0x300000], 0x55
        mov     dx, COM1 + 1
        in      al, dx
        movzx   eax, al
        expect  "COM1 interrupts off", rax, 0
        mov     al, 0x0f
        out     dx, al

        cmp     ebx, 0
        je      .by_cf9
        cmp     ebx, 1
        je      .by_8042
        cmp     ebx, 2
        je      .by_port_92
        mov     ax, MARK
        call    cmos_write
        expect  "three resets", rbx, 3
        finish

.by_cf9:
        say     "reset through port 0xcf9"
        mov     dx, 0xcf9
        mov     al, 2
        out     dx, al
        mov     al, 6
        out     dx, al
        jmp     .stuck
.by_8042:
        say     "reset through the keyboard controller"
        mov     al, 0xfe
        out     0x64, al
        jmp     .stuck
.by_port_92:
        say     "reset through port 0x92"
        in      al, 0x92
        and     al, 0xfe
        out     0x92, al
        or      al, 1
        out     0x92, al
.stuck: mov     ecx, 100 * TICKS_PER_MS
        call    timer_wait
        expect  "reset happened", rbx, -1
        finish
