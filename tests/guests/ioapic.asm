; SPDX-License-Identifier: BSD-2-Clause
; The I/O APIC: edges and levels from the PIT and from lines that the program drives, masks, remote
; IRR, a level that several causes share, the ends of level interrupts by broadcast, by the EOI
; register and by switching to edge, destinations, ExtINT through pin 0 and virtual wire through
; LINT0, a line that 8259A and I/O APIC both see. 82093AA datasheet; SDM vol. 3A, "Local Vector
; Table"; MultiProcessor Specification 1.4, "Virtual Wire Mode". For four processors, with the test
; device.
%include "tests/guests/guest.inc"
%include "tests/guests/smp.inc"

IOWIN           equ 0x10
EOIR            equ 0x40
IOAPIC_ID       equ 0
IOAPIC_VERSION  equ 1
IOAPIC_ARB      equ 2

REDIRECT_LOWEST equ 1 << 8
REDIRECT_LOGICAL equ 1 << 11
REDIRECT_PENDING equ 1 << 12
REDIRECT_LOW    equ 1 << 13
REDIRECT_IRR    equ 1 << 14
REDIRECT_LEVEL  equ 1 << 15
REDIRECT_MASKED equ 1 << 16
REDIRECT_EXTINT equ 7 << 8
REDIRECT_NMI    equ 4 << 8

SUPPRESS        equ 1 << 12     ; of SVR: no EOI broadcast

LINE            equ 20          ; no 8259A has it
LINE_ISA        equ 5
TEST_LINE       equ 0x2000

%macro drive 2                  ; line, level
        mov     dx, TEST_LINE + (%1)
        mov     al, %2
        out     dx, al
%endmacro

%macro pulse 1
        drive   %1, 1
        drive   %1, 0
%endmacro

%macro select 1
        mov     dword [r14], %1
%endmacro

; Vector %2 has come %3 times here.
%macro expect_count 3
        window
        expect_dword %1, [COUNT(0, %2)], %3
%endmacro

; Hook of the handlers that lower the line before the EOI.
lower_line:
        drive   LINE, 0
        ret

; The same where two lines share the vector: the first at once, the second when it comes for the third
; time. (Nothing is said about how much of what was interrupted is executed in between.)
shared_count:   dd 0
lower_shared:
        inc     dword [shared_count]
        cmp     dword [shared_count], 3
        je      .second
        drive   LINE, 0
        ret
.second:
        drive   LINE + 1, 0
        ret

        set_flat_job

        bits    16
start:
        enter_long
        call    smp_setup
        call    smp_start

        ; Registers.
        select  IOAPIC_VERSION
        mov     eax, [r14 + IOWIN]
        expect  "24 entries, version 20h", rax, 0x170020
        select  IOAPIC_ID
        mov     dword [r14 + IOWIN], 0x0f000000
        mov     eax, [r14 + IOWIN]
        expect  "ID can be written", rax, 0x0f000000
        select  IOAPIC_ARB
        mov     eax, [r14 + IOWIN]
        expect  "arbitration ID follows", rax, 0x0f000000
        mov     eax, [r14]
        expect  "IOREGSEL reads back", rax, IOAPIC_ARB
        select  IOAPIC_ID
        mov     dword [r14 + IOWIN], 0
        entry_of LINE
        expect  "entries start masked", rax, REDIRECT_MASKED
        mov     dword [r14 + IOWIN], 0xffffffff ; masked, so nothing is sent
        entry_of LINE
        expect  "what can be written, low", rax, 0x1afff
        select  0x11 + 2 * LINE
        mov     dword [r14 + IOWIN], 0xffffffff
        mov     eax, [r14 + IOWIN]
        expect  "what can be written, high", rax, 0xff000000
        select  0x40                            ; behind the last entry
        mov     eax, [r14 + IOWIN]
        expect  "no register", rax, 0

        ; Edges: each rise once; level and fall are nothing.
        redirect LINE, 0x50, 0
        expect_count "quiet", 0x50, 0
        drive   LINE, 1
        expect_count "edge", 0x50, 1
        expect_count "once for a level", 0x50, 1
        drive   LINE, 0
        expect_count "not for its fall", 0x50, 1
        pulse   LINE
        expect_count "second edge", 0x50, 2
        pulse   LINE
        pulse   LINE
        expect_count "two edges before it was taken are one", 0x50, 3
        redirect LINE, REDIRECT_MASKED | 0x50, 0
        pulse   LINE
        redirect LINE, 0x50, 0
        expect_count "an edge while masked is lost", 0x50, 3
        redirect LINE, REDIRECT_MASKED | 0x50, 0
        drive   LINE, 1
        redirect LINE, 0x50, 0
        expect_count "a line that is high already has no edge", 0x50, 3
        drive   LINE, 0

        ; Levels: remote IRR from acceptance to EOI, and again while the line is high.
        call    forget
        mov     dword [gs:PC_MANUAL_EOI], 1
        redirect LINE, REDIRECT_LEVEL | 0x51, 0
        entry_of LINE
        expect  "no remote IRR yet", rax, REDIRECT_LEVEL | 0x51
        drive   LINE, 1
        entry_of LINE
        expect  "remote IRR", rax, REDIRECT_LEVEL | REDIRECT_IRR | 0x51
        mov     eax, [r15 + APIC_TMR + 0x20]
        expect  "TMR says level", rax, 1 << 17
        expect_count "level", 0x51, 1
        expect_count "once before EOI", 0x51, 1
        mov     dword [r15 + APIC_EOI], 0
        entry_of LINE
        expect  "remote IRR again, as the line is high", rax, REDIRECT_LEVEL | REDIRECT_IRR | 0x51
        expect_count "and again", 0x51, 2
        drive   LINE, 0
        entry_of LINE
        expect  "remote IRR lasts until EOI", rax, REDIRECT_LEVEL | REDIRECT_IRR | 0x51
        mov     dword [r15 + APIC_EOI], 0
        entry_of LINE
        expect  "EOI ends it", rax, REDIRECT_LEVEL | 0x51
        expect_count "no more", 0x51, 2
        drive   LINE, 1
        drive   LINE, 0
        expect_count "a level that has gone was accepted all the same", 0x51, 3
        mov     dword [r15 + APIC_EOI], 0

        ; Mask: what is high behind it comes when it goes.
        redirect LINE, REDIRECT_LEVEL | REDIRECT_MASKED | 0x51, 0
        drive   LINE, 1
        expect_count "masked level", 0x51, 3
        redirect LINE, REDIRECT_LEVEL | 0x51, 0
        expect_count "unmasked level", 0x51, 4

        ; Polarity is the board's affair: a low-active entry behaves the same.
        drive   LINE, 0
        mov     dword [r15 + APIC_EOI], 0
        redirect LINE, REDIRECT_LEVEL | REDIRECT_LOW | 0x51, 0
        expect_count "low-active: not asserted", 0x51, 4
        drive   LINE, 1
        expect_count "low-active: asserted", 0x51, 5
        drive   LINE, 0
        mov     dword [r15 + APIC_EOI], 0

        ; Switching to edge and back clears remote IRR, as software without EOI register does it.
        redirect LINE, REDIRECT_LEVEL | 0x51, 0
        drive   LINE, 1
        drive   LINE, 0
        expect_count "in service", 0x51, 6
        select  0x10 + 2 * LINE
        mov     dword [r14 + IOWIN], REDIRECT_MASKED | 0x51
        mov     dword [r14 + IOWIN], REDIRECT_LEVEL | 0x51
        entry_of LINE
        expect  "edge and back: remote IRR is gone", rax, REDIRECT_LEVEL | 0x51
        mov     dword [r15 + APIC_EOI], 0

        ; EOI broadcast suppressed: the EOI register ends it, and only for its vector.
        mov     dword [r15 + APIC_SVR], SUPPRESS | 0x1ff
        call    forget
        drive   LINE, 1
        expect_count "suppressed: level", 0x51, 1
        mov     dword [r15 + APIC_EOI], 0
        entry_of LINE
        expect  "suppressed: EOI leaves remote IRR", rax, REDIRECT_LEVEL | REDIRECT_IRR | 0x51
        expect_count "suppressed: nothing new", 0x51, 1
        mov     dword [r14 + EOIR], 0x52
        expect_count "EOI register, another vector", 0x51, 1
        mov     dword [r14 + EOIR], 0x51
        expect_count "EOI register: again, as the line is high", 0x51, 2
        drive   LINE, 0
        mov     dword [r15 + APIC_EOI], 0
        mov     dword [r14 + EOIR], 0x51
        entry_of LINE
        expect  "EOI register ends it", rax, REDIRECT_LEVEL | 0x51
        mov     dword [r15 + APIC_SVR], 0x1ff

        ; Two pins with one vector: one EOI ends both, and either comes again while it is high.
        call    forget
        mov     dword [gs:PC_MANUAL_EOI], 0
        redirect LINE + 1, REDIRECT_LEVEL | 0x51, 0
        drive   LINE + 1, 1
        mov     qword [gs:PC_HOOK], lower_shared
        drive   LINE, 1
        sti
        spin_us 500
        cli
        expect_dword "shared vector: comes as long as one is high", [COUNT(0, 0x51)], 3
        mov     qword [gs:PC_HOOK], 0
        call    forget
        sti
        spin_us 500
        cli
        expect_dword "shared vector: quiet when both are low", [COUNT(0, 0x51)], 0
        entry_of LINE
        expect  "shared vector: no remote IRR, first", rax, REDIRECT_LEVEL | 0x51
        entry_of LINE + 1
        expect  "shared vector: no remote IRR, second", rax, REDIRECT_LEVEL | 0x51
        redirect LINE, REDIRECT_MASKED, 0
        redirect LINE + 1, REDIRECT_MASKED, 0

        ; A level line that a device and the program share: COM1's transmitter and the test device
        ; both hold line 4.
        call    forget
        mov     dword [gs:PC_MANUAL_EOI], 1
        redirect 4, REDIRECT_LEVEL | 0x54, 0
        mov     dx, COM1 + 4            ; OUT2 lets its interrupt out
        mov     al, 0x08
        out     dx, al
        drive   4, 1
        mov     dx, COM1 + 1            ; transmitter empty
        mov     al, 0x02
        out     dx, al
        expect_count "shared line", 0x54, 1
        drive   4, 0
        mov     dword [r15 + APIC_EOI], 0
        expect_count "shared line: the other still holds it", 0x54, 2
        mov     dx, COM1 + 1
        mov     al, 0
        out     dx, al
        mov     dword [r15 + APIC_EOI], 0
        expect_count "shared line: both let go", 0x54, 2
        redirect 4, REDIRECT_MASKED, 0
        mov     dword [gs:PC_MANUAL_EOI], 0

        ; The PIT, at pin 2: a hundred edges.
        call    forget
        redirect 2, 0x42, 0
        mov     al, 0x34
        out     PIT + 3, al
        mov     al, 1193 & 0xff
        out     PIT, al
        mov     al, 1193 >> 8
        out     PIT, al
        call    timer_start
        sti
.pit:   cmp     dword [COUNT(0, 0x42)], 100
        jae     .counted
        call    timer_elapsed
        cmp     eax, 1000 * TICKS_PER_MS
        jb      .pit
.counted:
        cli
        call    timer_elapsed
        expect_dword "PIT: a hundred edges", [COUNT(0, 0x42)], 100
        cmp     eax, 98 * TICKS_PER_MS
        expect_if "PIT: not too early", ae
        cmp     eax, 102 * TICKS_PER_MS
        expect_if "PIT: not too late", b
        redirect 2, REDIRECT_MASKED, 0
        mov     al, 0x30
        out     PIT + 3, al

        ; Destinations.
        mov     ebx, 1
.flat:  imul    eax, ebx, PC_BYTES
        mov     qword [PER_CPU(0) + rax + PC_JOB], set_flat
        inc     ebx
        cmp     ebx, CPU_MAX
        jb      .flat
        call    set_flat
        end_job "1 is flat", 1
        end_job "2 is flat", 2
        end_job "3 is flat", 3
        begin_job 1, job_wait_interrupts
        begin_job 2, job_wait_interrupts
        begin_job 3, job_wait_interrupts
        redirect LINE, 0x61, 2
        pulse   LINE
        await   "physical: 2", [COUNT(2, 0x61)], 1
        redirect LINE, REDIRECT_LOGICAL | 0x62, 0x0a
        pulse   LINE
        await   "logical: 1", [COUNT(1, 0x62)], 1
        await   "logical: 3", [COUNT(3, 0x62)], 1
        expect_dword "logical: not 2", [COUNT(2, 0x62)], 0
        redirect LINE, 0x63, 0xff
        pulse   LINE
        await   "broadcast: 1", [COUNT(1, 0x63)], 1
        await   "broadcast: 2", [COUNT(2, 0x63)], 1
        await   "broadcast: 3", [COUNT(3, 0x63)], 1
        expect_count "broadcast: 0", 0x63, 1
        redirect LINE, REDIRECT_NMI, 3
        pulse   LINE
        await   "NMI: 3", [COUNT(3, 2)], 1
        redirect LINE, REDIRECT_LOGICAL | REDIRECT_LOWEST | 0x64, 0x0e
        mov     r12d, 30
.lowest:
        pulse   LINE
        spin_us 100
        dec     r12d
        jnz     .lowest
        spin_us 300
        mov     eax, [COUNT(1, 0x64)]
        add     eax, [COUNT(2, 0x64)]
        add     eax, [COUNT(3, 0x64)]
        expect  "lowest priority: each edge to one", rax, 30
        expect_dword "lowest priority: 1's turns", [COUNT(1, 0x64)], 10
        expect_dword "lowest priority: 2's turns", [COUNT(2, 0x64)], 10
        ; A level interrupt that another processor takes: its EOI ends it here.
        mov     qword [PER_CPU(3) + PC_HOOK], lower_line
        redirect LINE, REDIRECT_LEVEL | 0x65, 3
        mov     r12d, 20
.remote:
        drive   LINE, 1
        spin_us 100
        dec     r12d
        jnz     .remote
        await   "level at another processor", [COUNT(3, 0x65)], 20
        spin_us 300
        entry_of LINE
        expect  "its EOI has arrived", rax, REDIRECT_LEVEL | 0x65
        redirect LINE, REDIRECT_MASKED, 0
        mov     dword [PER_CPU(1) + PC_FREE], 1
        mov     dword [PER_CPU(2) + PC_FREE], 1
        mov     dword [PER_CPU(3) + PC_FREE], 1
        end_job "1 dismissed", 1
        end_job "2 dismissed", 2
        end_job "3 dismissed", 3
        expect_dword "physical: only 2", [COUNT(3, 0x61)], 0

        ; The 8259As through LINT0, which masked lets nothing in. Their vectors get a PIC's EOI.
        call    forget
        mov     dword [gs:PC_MANUAL_EOI], 1
        mov     dword [r15 + APIC_LVT_LINT0], LVT_MASKED | LVT_EXTINT
        mov     ax, 1 << LINE_ISA
        call    pic_unmask
        pulse   LINE_ISA                ; too short for an 8259A: the request is gone before it is
        expect_count "LINT0 masked", IRQ_BASE + LINE_ISA, 0
        drive   LINE_ISA, 1
        expect_count "LINT0 masked, line high", IRQ_BASE + LINE_ISA, 0
        mov     dword [r15 + APIC_LVT_LINT0], LVT_EXTINT
        expect_count "virtual wire through LINT0", IRQ_BASE + LINE_ISA, 1
        mov     eax, [r15 + APIC_ISR + 0x10]
        expect  "ExtINT is not in service in the APIC", rax, 0
        mov     al, 0x20
        out     PIC_MASTER, al
        drive   LINE_ISA, 0
        drive   LINE_ISA, 1
        expect_count "virtual wire: the next edge", IRQ_BASE + LINE_ISA, 2
        mov     al, 0x20
        out     PIC_MASTER, al
        drive   LINE_ISA, 0

        ; TPR does not keep ExtINT back.
        mov     dword [r15 + APIC_TPR], 0xf0
        drive   LINE_ISA, 1
        expect_count "virtual wire whatever TPR", IRQ_BASE + LINE_ISA, 3
        mov     dword [r15 + APIC_TPR], 0
        mov     al, 0x20
        out     PIC_MASTER, al
        drive   LINE_ISA, 0
        mov     dword [r15 + APIC_LVT_LINT0], LVT_MASKED | LVT_EXTINT

        ; The same through pin 0 of the I/O APIC.
        call    forget
        redirect 0, REDIRECT_EXTINT, 0
        drive   LINE_ISA, 1
        expect_count "virtual wire through the I/O APIC", IRQ_BASE + LINE_ISA, 1
        mov     al, 0x20
        out     PIC_MASTER, al
        drive   LINE_ISA, 0
        drive   LINE_ISA, 1
        expect_count "and once more", IRQ_BASE + LINE_ISA, 2
        mov     al, 0x20
        out     PIC_MASTER, al
        drive   LINE_ISA, 0
        redirect 0, REDIRECT_MASKED, 0

        ; LINT0 as a fixed interrupt: INTR's edge.
        mov     dword [r15 + APIC_LVT_LINT0], 0x57
        drive   LINE_ISA, 1
        expect_count "LINT0 fixed", 0x57, 1
        mov     dword [r15 + APIC_EOI], 0
        mov     dword [r15 + APIC_LVT_LINT0], LVT_EXTINT
        expect_count "what the 8259A had is still there", IRQ_BASE + LINE_ISA, 3
        mov     al, 0x20
        out     PIC_MASTER, al
        drive   LINE_ISA, 0

        ; One line, both controllers.
        call    forget
        redirect LINE_ISA, 0x58, 0
        drive   LINE_ISA, 1
        sti
        spin_us 10
        cli
        expect_dword "both see it: the 8259A", [COUNT(0, IRQ_BASE + LINE_ISA)], 1
        expect_dword "both see it: the I/O APIC", [COUNT(0, 0x58)], 1
        mov     al, 0x20
        out     PIC_MASTER, al
        mov     dword [r15 + APIC_EOI], 0
        drive   LINE_ISA, 0
        finish
