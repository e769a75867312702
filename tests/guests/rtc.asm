; SPDX-License-Identifier: BSD-2-Clause
; The MC146818: update cycle, interrupts at line 8, alarm, CMOS memory. Motorola MC146818A datasheet.
%include "tests/guests/guest.inc"

%macro set 2
        mov     ax, (%2) << 8 | (%1)
        call    cmos_write
%endmacro

; Register %1 in rax.
%macro fetch 1
        mov     al, %1
        call    cmos_read
        movzx   eax, ah
%endmacro

        bits    64
; Register C lets line 8 go; what it held is collected.
release:
        push    rax
        mov     al, 0x0c
        call    cmos_read
        or      [causes], ah
        pop     rax
        ret
        align   4
causes: dd      0
        bits    16

start:
        enter_long
        call    pic_setup
        set     0x0b, 0x02              ; BCD, 24 hours, no interrupts
        fetch   0x0c

        fetch   0x0d
        expect  "D: valid RAM and time", rax, 0x80
        set     0x0a, 0x26
        fetch   0x0a
        and     eax, 0x7f
        expect  "A: 32 kHz, 1024 Hz", rax, 0x26

        ; CMOS memory keeps what is written, each byte its own.
        set     0x50, 0xa5
        set     0x51, 0x5a
        fetch   0x50
        expect  "CMOS byte", rax, 0xa5
        fetch   0x51
        expect  "next CMOS byte", rax, 0x5a

        ; A plausible date: BCD digits, month 1-12.
        fetch   0x08
        mov     ebx, eax
        and     ebx, 15
        shr     eax, 4
        imul    eax, 10
        add     eax, ebx
        cmp     eax, 13
        expect_if "month", b
        fetch   0x32
        expect  "century", rax, 0x20

        ; UIP goes up before each update, and the second changes within it.
        call    timer_start
.no_uip:
        call    timer_elapsed
        cmp     eax, PM_TIMER_HZ * 2
        ja      .seen
        fetch   0x0a
        test    al, 0x80
        jz      .no_uip
.seen:  fetch   0x0a
        mov     r12d, eax
.uip:   call    timer_elapsed
        cmp     eax, PM_TIMER_HZ * 4
        ja      .over
        fetch   0x0a
        test    al, 0x80
        jnz     .uip
.over:  fetch   0x0a
        mov     r13d, eax
        fetch   0
        mov     ebx, eax
        call    timer_start             ; a whole second from one update's end to the next
.same:  fetch   0
        cmp     eax, ebx
        jne     .changed
        call    timer_elapsed
        cmp     eax, 2 * PM_TIMER_HZ
        jb      .same
.changed:
        call    timer_elapsed
        test    r12b, 0x80
        expect_if "UIP seen", nz
        test    r13b, 0x80
        expect_if "UIP over", z
        cmp     eax, PM_TIMER_HZ * 99 / 100
        expect_if "a second is not too short", ae
        cmp     eax, PM_TIMER_HZ * 103 / 100
        expect_if "a second is not too long", b

        ; Periodic interrupts at 1024 Hz for a tenth of a second.
        mov     qword [irq_hook], release
        mov     ax, 0x0104
        call    pic_unmask
        set     0x0b, 0x42
        fetch   0x0c
        sti
        mov     ecx, 100 * TICKS_PER_MS
        call    timer_wait
        cli
        mov     ebx, [irq_counts + (IRQ_BASE + 8) * 4]
        cmp     ebx, 96
        expect_if "1024 Hz: not too few", ae
        cmp     ebx, 105
        expect_if "1024 Hz: not too many", be
        mov     al, [causes]
        and     eax, 0xe0
        expect  "cause: IRQF, PF, no AF", rax, 0xc0

        ; Line 8 stays up until C is read: one interrupt only.
        mov     qword [irq_hook], 0
        fetch   0x0c
        mov     dword [irq_counts + (IRQ_BASE + 8) * 4], 0
        sti
        mov     ecx, 20 * TICKS_PER_MS
        call    timer_wait
        cli
        mov     ebx, [irq_counts + (IRQ_BASE + 8) * 4]
        expect  "unread C: one interrupt", rbx, 1

        ; The alarm with don't-care codes comes every second; with an hour that is not, never.
        set     0x0b, 0x02
        set     0x01, 0xff
        set     0x03, 0xc0
        set     0x05, 0xff
        fetch   0x0c
        mov     dword [causes], 0
        mov     dword [irq_counts + (IRQ_BASE + 8) * 4], 0
        mov     qword [irq_hook], release
        set     0x0b, 0x22
        sti
        call    timer_start
.alarm: call    timer_elapsed
        cmp     eax, PM_TIMER_HZ * 12 / 10
        jb      .alarm
        cli
        mov     ebx, [irq_counts + (IRQ_BASE + 8) * 4]
        cmp     ebx, 1
        expect_if "alarm came", ae
        mov     al, [causes]
        and     eax, 0xa0
        expect  "cause: alarm", rax, 0xa0

        ; SET stops updates: the time can be written, and reads back.
        set     0x0b, 0x82
        set     0x04, 0x23
        set     0x02, 0x59
        set     0x00, 0x58
        mov     ecx, 10 * TICKS_PER_MS
        call    timer_wait
        fetch   0x00
        expect  "SET: second stands", rax, 0x58
        fetch   0x04
        expect  "SET: hour", rax, 0x23
        set     0x0b, 0x06              ; binary; what is there is not converted by this
        set     0x0b, 0x86
        set     0x00, 58
        set     0x02, 59
        set     0x04, 23
        set     0x07, 31
        set     0x08, 12
        set     0x09, 99
        set     0x0b, 0x06
        mov     ecx, PM_TIMER_HZ * 5 / 2
        call    timer_wait
        fetch   0x04
        expect  "midnight: hour", rax, 0
        fetch   0x02
        expect  "midnight: minute", rax, 0
        fetch   0x07
        expect  "new year: day", rax, 1
        fetch   0x08
        expect  "new year: month", rax, 1
        fetch   0x09
        expect  "new year: year", rax, 0
        set     0x0b, 0x02
        finish
