; SPDX-License-Identifier: BSD-2-Clause
; The 8254: modes, latches, read-back, counter 2 behind port 0x61, and interrupts that keep time with
; the PM timer. Intel 8254 datasheet (231164).
%include "tests/guests/guest.inc"

%macro control 1
        mov     al, %1
        out     PIT + 3, al
%endmacro

; Counts, low byte first.
%macro load 2
        mov     eax, %2
        out     PIT + %1, al
        mov     al, ah
        out     PIT + %1, al
%endmacro

; Reads two bytes of counter %1 into rax.
%macro fetch 1
        in      al, PIT + %1
        mov     ah, al
        in      al, PIT + %1
        xchg    al, ah
        movzx   eax, ax
%endmacro

; The status of counter %1 by the read-back command, in rax.
%macro status 1
        control 0xe0 | (2 << (%1))
        in      al, PIT + %1
        movzx   eax, al
%endmacro

start:
        enter_long
        call    pic_setup

        ; Counter 2, gate off: the count waits in the counter. Status: OUT, null count, mode.
        xor     al, al
        out     PORT_61, al
        control 0xb0                    ; mode 0, both bytes
        status  2
        expect  "mode 0: OUT low, no count", rax, 0x70
        load    2, 0x1234
        mov     ecx, 100
        call    timer_wait
        status  2
        expect  "mode 0: count loaded", rax, 0x30
        control 0x80
        fetch   2
        expect  "gate low: not counting", rax, 0x1234

        ; Gate on: a millisecond and a half until OUT rises.
        in      al, PORT_61
        and     al, 0xfc
        out     PORT_61, al
        control 0xb0
        load    2, 1790
        call    timer_start
        in      al, PORT_61
        or      al, 1
        out     PORT_61, al
        in      al, PORT_61
        mov     ebx, eax
        and     ebx, 0x20
.wait:  in      al, PORT_61
        test    al, 0x20
        jnz     .high
        call    timer_elapsed
        cmp     eax, 200 * TICKS_PER_MS
        jb      .wait
.high:  call    timer_elapsed
        expect  "port 61: OUT2 low", rbx, 0
        cmp     eax, 5360               ; 1790 periods of 838 ns, 5370 ticks of 279 ns
        expect_if "mode 0: not too early", ae
        cmp     eax, 5360 + 2 * TICKS_PER_MS
        expect_if "mode 0: not too late", b
        status  2
        expect  "mode 0: OUT high", rax, 0xb0

        ; The refresh bit of port 0x61 goes on toggling.
        in      al, PORT_61
        mov     bl, al
        mov     ecx, 1000000
.toggle:
        in      al, PORT_61
        xor     al, bl
        test    al, 0x10
        loopz   .toggle
        expect_if "port 61: refresh toggles", nz

        ; Latches: the first holds, the count goes on beneath.
        control 0xb4                    ; counter 2, mode 2
        load    2, 0
        control 0x80
        mov     ecx, TICKS_PER_MS
        call    timer_wait
        control 0x80                    ; ignored, the first has not been read
        fetch   2
        mov     ebx, eax
        control 0x80
        fetch   2
        sub     ebx, eax
        and     ebx, 0xffff
        cmp     ebx, 1100               ; a millisecond lies between the two
        expect_if "latch holds", ae
        control 0xc8                    ; read-back: status and count of counter 2
        in      al, PIT + 2
        movzx   ecx, al
        fetch   2
        mov     ebx, eax
        control 0x80
        fetch   2
        expect  "read-back: status first", rcx, 0xb4
        sub     ebx, eax
        and     ebx, 0xffff
        cmp     ebx, 4000               ; what a few accesses take, even where each is an exit of exits
        expect_if "read-back: then the count", b

        ; One byte only.
        control 0x90                    ; counter 2, mode 0, low byte
        in      al, PORT_61
        and     al, 0xfc
        out     PORT_61, al
        mov     al, 0x77
        out     PIT + 2, al
        mov     ecx, 100
        call    timer_wait
        in      al, PIT + 2
        movzx   eax, al
        expect  "low byte alone", rax, 0x77
        control 0xa0                    ; high byte
        mov     al, 0x77
        out     PIT + 2, al
        mov     ecx, 100
        call    timer_wait
        in      al, PIT + 2
        movzx   eax, al
        expect  "high byte alone", rax, 0x77

        ; Mode 3 counts by two: even counts alone.
        in      al, PORT_61
        or      al, 1
        out     PORT_61, al
        control 0xb6
        load    2, 1000
        mov     ecx, 64
.even:  control 0x80
        fetch   2
        test    al, 1
        loopz   .even
        expect_if "mode 3: even counts", z
        status  2
        and     eax, 0x3f
        expect  "mode 3: status", rax, 0x36

        ; Mode 4: OUT is high before and after the strobe.
        control 0xb8
        load    2, 100
        status  2
        and     eax, 0xbf
        expect  "mode 4: OUT high", rax, 0xb8
        mov     ecx, TICKS_PER_MS
        call    timer_wait
        status  2
        expect  "mode 4: high again", rax, 0xb8

        ; BCD.
        in      al, PORT_61
        and     al, 0xfc
        out     PORT_61, al
        control 0xb1
        load    2, 0x9876
        mov     ecx, 100
        call    timer_wait
        control 0x80
        fetch   2
        expect  "BCD count", rax, 0x9876

        ; Line 0 at 1193182 / 11932 = 100 Hz, for a fifth of a second of the PM timer.
        mov     ax, 1
        call    pic_unmask
        control 0x34
        load    0, 11932
        call    timer_start
        sti
.count: call    timer_elapsed
        cmp     eax, 200 * TICKS_PER_MS
        jb      .count
        cli
        mov     ebx, [irq_counts + IRQ_BASE * 4]
        cmp     ebx, 18
        expect_if "100 Hz: not too few", ae
        cmp     ebx, 21
        expect_if "100 Hz: not too many", be

        ; Mode 0: one interrupt and no more.
        mov     dword [irq_counts + IRQ_BASE * 4], 0
        control 0x30
        load    0, 1000
        sti
        mov     ecx, 20 * TICKS_PER_MS
        call    timer_wait
        cli
        mov     ebx, [irq_counts + IRQ_BASE * 4]
        expect  "mode 0: one interrupt", rbx, 1
        finish
