; SPDX-License-Identifier: BSD-2-Clause
; COM1 as a 16550A: registers, loopback, FIFO, and its interrupts at line 4. Nothing is sent out of
; it. National PC16550D datasheet.
%include "tests/guests/guest.inc"

RBR     equ 0
IER     equ 1
IIR     equ 2
FCR     equ 2
LCR     equ 3
MCR     equ 4
LSR     equ 5
MSR     equ 6
SCR     equ 7

%macro set 2
        mov     dx, COM1 + %1
        mov     al, %2
        out     dx, al
%endmacro

%macro fetch 1
        mov     dx, COM1 + %1
        in      al, dx
        movzx   eax, al
%endmacro

start:
        enter_long
        call    pic_setup
        set     LCR, 0x80               ; divisor 1: 115200, so that a character takes 87 us
        set     0, 1
        set     1, 0
        fetch   0
        expect  "divisor", rax, 1
        set     LCR, 3
        set     IER, 0
        set     MCR, 0
        set     FCR, 0
        fetch   IIR
        expect  "no interrupt, no FIFO", rax, 1
        fetch   LSR
        expect  "transmitter empty", rax, 0x60
        set     SCR, 0xa5
        fetch   SCR
        expect  "scratch", rax, 0xa5
        set     SCR, 0x5a
        fetch   SCR
        expect  "scratch again", rax, 0x5a
        set     IER, 0xff
        fetch   IER
        expect  "IER bits 7:4 are 0", rax, 0x0f
        set     IER, 0
        set     FCR, 1
        fetch   IIR
        expect  "FIFO: a 16550A", rax, 0xc1
        set     FCR, 0

        ; Loopback: the modem's outputs are its inputs.
        set     MCR, 0x10
        fetch   MSR
        fetch   MSR
        expect  "loopback: nothing", rax, 0
        set     MCR, 0x1f
        fetch   MSR
        and     eax, 0xf0
        expect  "loopback: all", rax, 0xf0
        set     MCR, 0x12
        fetch   MSR
        and     eax, 0xf0
        expect  "loopback: RTS is CTS", rax, 0x10
        set     MCR, 0x11
        fetch   MSR
        and     eax, 0xf0
        expect  "loopback: DTR is DSR", rax, 0x20
        set     MCR, 0x14
        fetch   MSR
        expect  "loopback: OUT1 is RI, DTR's change shows", rax, 0x42
        fetch   MSR
        expect  "changes are read once", rax, 0x40

        ; And what is sent comes back.
        set     MCR, 0x10
        set     RBR, 'x'
        mov     ecx, TICKS_PER_MS
        call    timer_wait
        fetch   LSR
        expect  "loopback: data ready", rax, 0x61
        fetch   RBR
        expect  "loopback: the byte", rax, 'x'
        fetch   LSR
        expect  "loopback: taken", rax, 0x60

        ; Five bits: the others are cut off.
        set     LCR, 0
        set     RBR, 0xff
        mov     ecx, TICKS_PER_MS
        call    timer_wait
        fetch   RBR
        expect  "five bits", rax, 0x1f
        set     LCR, 3

        ; A FIFO of sixteen; the trigger level and the time-out.
        set     FCR, 0x87               ; on, both emptied, trigger at 8
        set     IER, 1
        mov     ecx, 5
.send:  set     RBR, cl
        loop    .send
        mov     ecx, TICKS_PER_MS * 2
        call    timer_wait
        fetch   IIR
        expect  "time-out below the trigger", rax, 0xcc
        mov     ecx, 5
.take:  fetch   RBR
        cmp     eax, ecx
        loope   .take
        expect_if "FIFO order", e
        fetch   IIR
        expect  "time-out gone", rax, 0xc1
        mov     ecx, 8
.more:  set     RBR, cl
        loop    .more
        mov     ecx, TICKS_PER_MS * 2
        call    timer_wait
        fetch   IIR
        expect  "trigger level", rax, 0xc4
        set     FCR, 3                  ; receiver emptied
        fetch   LSR
        expect  "FIFO reset", rax, 0x60
        set     IER, 0
        set     MCR, 0

        ; The transmitter-empty interrupt: on being enabled, gone by reading IIR, back by IER.
        set     IER, 2
        fetch   IIR
        expect  "THRE", rax, 0xc2
        fetch   IIR
        expect  "THRE is read once", rax, 0xc1
        set     IER, 0
        set     IER, 2
        fetch   IIR
        expect  "THRE again", rax, 0xc2
        set     IER, 0

        ; At the PIC: OUT2 gates it.
        mov     ax, 1 << 4
        call    pic_unmask
        set     IER, 2
        sti
        nop
        nop
        cli
        mov     ebx, [irq_counts + (IRQ_BASE + 4) * 4]
        expect  "no OUT2: no interrupt", rbx, 0
        set     MCR, 8
        sti
        nop
        nop
        cli
        mov     ebx, [irq_counts + (IRQ_BASE + 4) * 4]
        expect  "OUT2: one interrupt", rbx, 1
        set     IER, 0
        finish
