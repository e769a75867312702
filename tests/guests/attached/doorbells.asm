; SPDX-License-Identifier: BSD-2-Clause
; Doorbells, triggers and zones as a guest sees them; tests/machine/attachments.py configures them.
; In the end a million rings, counted against a million interrupts, while others come and go.
%include "tests/guests/guest.inc"

LINE            equ 5
LEVEL_LINE      equ 10

BELL            equ 0x5000      ; 4 bytes wide: line 5
DATA_BELLS      equ 0x5004      ; 2 bytes wide, data 7, 8, 9: line 5
LEVEL_BELL      equ 0x5010      ; a level trigger on line 10
KICK            equ 0x5020      ; drains the zone over the ports 0xe0-0xe3
TRACED          equ 0x5030
MMIO_BELL       equ 0xd0001008  ; any width: line 5
MMIO_DATA_BELL  equ 0xd0002000  ; 8 bytes wide, one value: line 5
MMIO_DATA       equ 0x123456789abcdef0
LATCH           equ 0xe0
MEMORY          equ 0xff000000  ; a zone lies over its first 256 bytes

RINGS           equ 1000000

; Rings by %1 and counts the interrupts of line 5 that come of it.
%macro expect_rings 3+          ; name, how many, instruction
        mov     dword [irq_counts + 4 * (IRQ_BASE + LINE)], 0
        %3
        expect  %1, [irq_counts + 4 * (IRQ_BASE + LINE)], %2
%endmacro

        bits    16
start:
        enter_long
        call    pic_setup
        mov     ax, 1 << LINE | 1 << LEVEL_LINE | 1 << 2
        call    pic_unmask
        mov     dx, ELCR + 1
        mov     al, 1 << (LEVEL_LINE - 8)
        out     dx, al
        sti

        ; Width and data.
        mov     dx, BELL
        mov     eax, 0x1234
        expect_rings "4 bytes", 1, out dx, eax
        expect_rings "2 bytes do not fit", 0, out dx, ax
        expect_rings "a read rings nothing", 0, in eax, dx
        mov     dx, DATA_BELLS
        mov     eax, 7
        expect_rings "first data", 1, out dx, ax
        mov     eax, 9
        expect_rings "last data", 1, out dx, ax
        mov     eax, 10
        expect_rings "other data", 0, out dx, ax
        mov     eax, 7
        expect_rings "data in another width", 0, out dx, al

        ; MMIO, any width, by instructions of several kinds.
        mov     edi, MMIO_BELL
        expect_rings "mov byte", 1, mov [rdi], al
        expect_rings "mov word, immediate", 1, mov word [rdi], 0x5555
        expect_rings "mov dword", 1, mov [rdi], eax
        expect_rings "mov qword", 1, mov [rdi], rax
        expect_rings "or", 1, or dword [rdi], 1
        expect_rings "stosd", 1, stosd
        expect  "stosd moves on", rdi, MMIO_BELL + 4
        expect_rings "beside it", 0, mov [rdi], eax
        mov     edi, MMIO_DATA_BELL
        mov     rax, MMIO_DATA
        expect_rings "8 bytes of data", 1, mov [rdi], rax
        inc     rax
        expect_rings "8 bytes of other data", 0, mov [rdi], rax

        ; A level trigger gives as many interrupts as it was raised.
        cli
        mov     dx, LEVEL_BELL
        out     dx, eax
        out     dx, eax
        out     dx, eax
        sti
        nop
        nop
        expect  "level: one interrupt a ring", [irq_counts + 4 * (IRQ_BASE + LEVEL_LINE)], 3

        ; A zone over the latch: a read sees every write before it, whatever waits.
        mov     al, 0x11
        out     LATCH, al
        mov     al, 0x22
        out     LATCH + 1, al
        mov     al, 0x33
        out     LATCH + 2, al
        mov     al, 0x44
        out     LATCH + 3, al
        in      eax, LATCH
        expect  "a read drains", rax, 0x44332211
        ; More than its ring holds.
        mov     ecx, 20
.fill:  mov     al, cl
        out     LATCH, al
        loop    .fill
        xor     eax, eax
        in      al, LATCH
        expect  "a full ring keeps the order", rax, 1
        mov     al, 0x77
        out     LATCH, al
        mov     dx, KICK
        out     dx, al
        xor     eax, eax
        in      al, LATCH
        expect  "a doorbell drains", rax, 0x77
        ; MMIO: the zone, and behind it.
        mov     edi, MEMORY
        mov     dword [rdi], 0x11111111
        mov     dword [rdi], 0x22222222
        mov     word [rdi + 2], 0x3333
        mov     dword [rdi + 0x200], 0x44444444
        expect  "zone in memory", [rdi], 0x33332222
        mov     eax, [rdi + 0x200]
        expect  "behind the zone", rax, 0x44444444

        mov     dx, TRACED
        mov     eax, 0xabcd
        out     dx, eax

        ; Rings and counts.
        say     "RINGING"
        mov     dword [irq_counts + 4 * (IRQ_BASE + LINE)], 0
        xor     ebx, ebx
        mov     dx, BELL
        xor     eax, eax
.ring:  inc     ebx
        out     dx, eax
        cmp     [irq_counts + 4 * (IRQ_BASE + LINE)], ebx
        jne     .lost
        cmp     ebx, RINGS
        jne     .ring
.lost:  mov     eax, [irq_counts + 4 * (IRQ_BASE + LINE)]
        expect  "as many interrupts as rings", rax, rbx
        expect  "a million of them", rbx, RINGS
        cli
        finish
