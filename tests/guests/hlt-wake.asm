; SPDX-License-Identifier: BSD-2-Clause
; HLT waits for an interrupt, with STI's shadow before it, and the wait takes the time it should: the
; PIT wakes it, in both 64-bit code and after a count that is a single shot.
%include "tests/guests/guest.inc"

; Counter 0 once, %1 periods of 838 ns from now.
%macro one_shot 1
        mov     al, 0x30
        out     PIT + 3, al
        mov     eax, %1
        out     PIT, al
        mov     al, ah
        out     PIT, al
%endmacro

start:
        enter_long
        call    pic_setup
        mov     ax, 1
        call    pic_unmask

        one_shot 11932                  ; 10 ms
        call    timer_start
        sti
        hlt
        cli
        call    timer_elapsed
        expect  "woken once", [irq_log_count], 1
        cmp     eax, 10 * TICKS_PER_MS * 99 / 100
        expect_if "not too early", ae
        cmp     eax, 15 * TICKS_PER_MS
        expect_if "not too late", b

        ; STI's shadow: what is pending comes after HLT has begun, not before; no wake-up is lost.
        one_shot 50
        mov     ecx, TICKS_PER_MS
        call    timer_wait
        mov     dword [irq_log_count], 0
        sti
        hlt
        cli
        expect  "pending before STI; HLT", [irq_log_count], 1

        ; An interrupt that is masked at the PIC does not wake it; another one does.
        mov     ax, 0x0104
        call    pic_unmask
        mov     ax, 0x260a
        call    cmos_write
        mov     ax, 0x420b              ; RTC, 1024 Hz
        call    cmos_write
        mov     al, 0x0c
        call    cmos_read
        mov     dword [irq_log_count], 0
        one_shot 100
        sti
        hlt
        cli
        mov     ax, 0x020b
        call    cmos_write
        mov     al, 0x0c
        call    cmos_read
        expect  "woken by the other", [irq_log_count], 1
        movzx   eax, byte [irq_log]
        expect  "by line 8", rax, IRQ_BASE + 8

        ; Ten in a row at 1 kHz.
        call    pic_setup
        mov     ax, 1
        call    pic_unmask
        mov     dword [irq_log_count], 0
        mov     al, 0x34
        out     PIT + 3, al
        mov     al, 1193 & 0xff
        out     PIT, al
        mov     al, 1193 >> 8
        out     PIT, al
        call    timer_start
        mov     ecx, 10
.again: sti
        hlt
        cli
        loop    .again
        call    timer_elapsed
        cmp     dword [irq_log_count], 10
        expect_if "ten interrupts", ae
        cmp     eax, 9 * TICKS_PER_MS
        expect_if "ten: not too early", ae
        cmp     eax, 20 * TICKS_PER_MS
        expect_if "ten: not too late", b
        finish
