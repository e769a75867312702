; SPDX-License-Identifier: BSD-2-Clause
; The machine as a BIOS leaves it to a boot sector: registers, interrupt vectors whose handlers
; acknowledge, 8259As and 8254, BIOS data areas, the few services. IBM, "PS/2 and PC BIOS Interface
; Technical Reference"; BIOS Boot Specification 1.01, 5.3.

        bits    16
        ; First of all: what the guest is started with.
        pushf
        cli
        cld
        mov     [cs:first.sp], sp
        mov     [cs:first.dx], dx
        pop     word [cs:first.flags]
        mov     [cs:first.cs], cs
        mov     [cs:first.ds], ds
        mov     [cs:first.es], es
        mov     [cs:first.ss], ss
        jmp     begin

        align   4
first:
.sp:    dd 0
.dx:    dd 0
.flags: dd 0
.cs:    dd 0
.ds:    dd 0
.es:    dd 0
.ss:    dd 0

begin:
%include "tests/guests/guest.inc"

BIOS_SEGMENT    equ 0xf000
TICKS           equ 0x46c
OVERFLOW        equ 0x470

user_ticks:     dd 0
slave_count:    dd 0
worst:          dd 0

; Zero-extends a word or byte in memory.
%macro expect_word 3
        movzx   eax, word %2
        expect  %1, eax, %3
%endmacro

%macro expect_byte 3
        movzx   eax, byte %2
        expect  %1, eax, %3
%endmacro

start:
        expect  "CS", [first.cs], 0
        expect  "DS", [first.ds], 0
        expect  "ES", [first.es], 0
        expect  "SS", [first.ss], 0
        expect  "stack below the boot sector", [first.sp], 0x7c00 - 2
        expect  "DL: the first hard disk", [first.dx], 0x80
        mov     eax, [first.flags]
        and     eax, 0x200
        expect  "interrupts are on", eax, 0x200

        ; All vectors lead into the BIOS, and to something that is there.
        xor     bx, bx
        mov     dword [worst], 0
.vector:
        cmp     word [bx + 2], BIOS_SEGMENT
        jne     .bad
        mov     si, [bx]
        push    ds
        push    word BIOS_SEGMENT
        pop     ds
        cmp     byte [si], 0
        pop     ds
        jne     .good
.bad:   inc     dword [worst]
.good:  add     bx, 4
        cmp     bx, 1024
        jb      .vector
        expect  "interrupt vectors that lead elsewhere", [worst], 0

        expect_word "BIOS data: COM1", [0x400], 0x3f8
        expect_word "BIOS data: no COM2", [0x402], 0
        expect_word "BIOS data: no LPT1", [0x408], 0
        expect_word "BIOS data: extended BIOS data area", [0x40e], 0x9fc0
        expect_word "BIOS data: KiB of low memory", [0x413], 639
        expect_word "BIOS data: keyboard buffer, head", [0x41a], 0x1e
        expect_word "BIOS data: keyboard buffer, tail", [0x41c], 0x1e
        expect_word "BIOS data: keyboard buffer, start", [0x480], 0x1e
        expect_word "BIOS data: keyboard buffer, end", [0x482], 0x3e
        push    ds
        push    word [0x40e]
        pop     ds
        movzx   eax, byte [0]
        pop     ds
        expect  "extended BIOS data area: its KiB", eax, 1
        push    ds
        push    word 0xffff
        pop     ds
        movzx   eax, byte [0]
        movzx   ecx, byte [14]
        pop     ds
        expect  "reset vector: a far jump", eax, 0xea
        expect  "model", ecx, 0xfc

        int     0x11
        movzx   eax, ax
        movzx   ecx, word [0x410]
        expect  "INT 11h", eax, ecx
        int     0x12
        movzx   eax, ax
        expect  "INT 12h", eax, 639
        mov     ax, 0xe820
        clc
        int     0x15
        expect_if "INT 15h: unsupported", c
        movzx   eax, ah
        expect  "INT 15h: its code", eax, 0x86
        mov     ax, 0x0201
        clc
        int     0x13
        expect_if "INT 13h: unsupported", c

        ; The 8259As as the BIOS leaves them.
        in      al, PIC_MASTER + 1
        movzx   eax, al
        expect  "master: timer, keyboard, cascade are open", eax, 0xf8
        in      al, PIC_SLAVE + 1
        movzx   eax, al
        expect  "slave: nothing is open", eax, 0xff

        ; The tick, 18.2 times a second: 1193182 / 65536 Hz, which is 196608 ticks of the PM timer.
        mov     word [0x1c * 4], on_user_tick
        mov     word [0x1c * 4 + 2], 0
        sti
        call    wait_for_tick
        mov     dword [user_ticks], 0
        mov     dx, PM_TIMER
        in      eax, dx
        mov     [timer_base], eax
        mov     ecx, 18
.tick:  call    wait_for_tick
        loop    .tick
        mov     dx, PM_TIMER
        in      eax, dx
        sub     eax, [timer_base]
        and     eax, 0xffffff
        cli
        expect  "INT 1Ch at each tick", [user_ticks], 18
        mov     ebx, eax
        sub     eax, 18 * 196608 - 20000        ; 5.6 ms of latency either way
        cmp     eax, 40000
        expect_if "18 ticks last 0.989 s", b
        cmp     eax, 40000
        jb      .in_time
        expect  "ticks of the PM timer in 18 of the BIOS", ebx, 18 * 196608
.in_time:

        ; Midnight.
        mov     dword [TICKS], 0x1800b0 - 2
        mov     byte [OVERFLOW], 0
        sti
        call    wait_for_tick
        cli
        expect  "a tick before midnight", [TICKS], 0x1800b0 - 1
        sti
        call    wait_for_tick
        cli
        expect  "midnight: the count starts anew", [TICKS], 0
        expect_byte "midnight: the overflow is reported", [OVERFLOW], 1

        ; The RTC's periodic interrupt through the BIOS's handler, which has to read register C and
        ; to acknowledge at both 8259As: else there is a first one only.
        mov     word [0x4a * 4], on_user_tick
        mov     ax, [0x70 * 4]
        mov     [old_rtc], ax
        mov     ax, [0x70 * 4 + 2]
        mov     [old_rtc + 2], ax
        mov     word [0x70 * 4], on_rtc
        mov     word [0x70 * 4 + 2], 0
        mov     al, 0x0a
        out     RTC, al
        mov     al, 0x2c                        ; 16 Hz
        out     RTC + 1, al
        mov     al, 0x0b
        out     RTC, al
        mov     al, 0x42                        ; periodic interrupts, 24 hours
        out     RTC + 1, al
        mov     al, 0x0c
        out     RTC, al
        in      al, RTC + 1
        mov     al, 0xfe
        out     PIC_SLAVE + 1, al
        sti
        mov     ecx, 40
.rtc:   hlt
        cmp     dword [slave_count], 4
        jae     .counted
        loop    .rtc
.counted:
        cli
        mov     al, 0xff
        out     PIC_SLAVE + 1, al
        cmp     dword [slave_count], 4
        expect_if "the BIOS's handler of vector 70h acknowledges", ae

        ; All hardware vectors by INT: they return, with nothing in service afterwards.
%assign vector 0x08
%rep 8
        int     vector
  %assign vector vector + 1
%endrep
%assign vector 0x70
%rep 8
        int     vector
  %assign vector vector + 1
%endrep
        mov     al, 0x0b
        out     PIC_MASTER, al
        in      al, PIC_MASTER
        movzx   eax, al
        expect  "master: nothing in service", eax, 0
        mov     al, 0x0b
        out     PIC_SLAVE, al
        in      al, PIC_SLAVE
        movzx   eax, al
        expect  "slave: nothing in service", eax, 0

        ; The keyboard controller's answer comes by interrupt and is read by the handler.
        mov     al, 0x60                        ; command byte: interrupt on
        out     0x64, al
        mov     al, 0x41
        out     0x60, al
        mov     al, 0xee                        ; keyboard: echo
        out     0x60, al
        sti
        mov     ecx, 40
.key:   in      al, 0x64
        hlt
        loop    .key
        cli
        in      al, 0x64
        and     eax, 1
        expect  "keyboard: its handler has read the answer", eax, 0
        finish

old_rtc:        dw 0, 0

on_user_tick:
        inc     dword [cs:user_ticks]
        iret

on_rtc: inc     dword [cs:slave_count]
        jmp     far [cs:old_rtc]

wait_for_tick:
        push    eax
        mov     ax, [TICKS]
.wait:  hlt
        cmp     ax, [TICKS]
        je      .wait
        pop     eax
        ret
