; SPDX-License-Identifier: BSD-2-Clause
; Messages to the local APICs, as doorbells and triggers send them; tests/machine/attachments.py
; configures them. In the end as many rings as it takes until somebody at the prompt has raised a
; trigger three times, each counted against its interrupt, while doorbells come and go. Intel SDM
; vol. 3A, "Message Signalled Interrupts", "Interrupt Acceptance for Fixed Interrupts". For four
; processors.
%include "tests/guests/guest.inc"
%include "tests/guests/smp.inc"

SELF            equ 0x5000      ; each of these sends one message; to processor 0: 0x51
HIGHER          equ 0x5001      ; likewise: 0x81
LOWER           equ 0x5002      ; likewise: 0x41
NAMED           equ 0x5003      ; raises a trigger: 0x61 to processor 1
ALL             equ 0x5004      ; 0x52 to everybody
LOGICAL         equ 0x5005      ; 0x53 to the logical destination 1010b
LOWEST_BELL     equ 0x5006      ; 0x54 to one of the logical destination 0110b
NMI_BELL        equ 0x5007
LEVEL_BELL      equ 0x5008      ; 0x55, level-triggered
DATA_BELL       equ 0x500a      ; 0x57, for four bytes of 7
NOBODY          equ 0x500b      ; raises a trigger whose destination there is not
BOTH            equ 0x500c      ; 0x59 to processor 0, and the trigger's to 1
LINE_TOO        equ 0x500d      ; 0x5a, and line 5
SLEEPER         equ 0x500e      ; 0x5b to processor 2
MMIO            equ 0xd0000000  ; 0x56

OUTSIDE         equ 0x5c        ; the vector of who is raised at the prompt
RAISES          equ 3
RINGS_MIN       equ 100000
RINGS_MAX       equ 100000000

; Rings a port and checks at once how often the vector has come here altogether.
%macro expect_ring 4            ; name, port, vector, count
        mov     dx, %2
        out     dx, al
        expect_dword %1, [gs:PC_COUNTS + (%3) * 4], %4
%endmacro

        set_flat_job

; Rings from within the handler: the higher one comes at once, the lower one has to wait.
nested: cmp     eax, 0x51
        jne     .done
        sti
        mov     dx, LOWER
        out     dx, al
        mov     dx, HIGHER
        out     dx, al
        nop
        cli
.done:  ret

        bits    16
start:
        enter_long
        call    smp_setup
        call    smp_start
        begin_job 1, set_flat
        begin_job 2, set_flat
        begin_job 3, set_flat
        call    set_flat
        end_job "flat at 1", 1
        end_job "flat at 2", 2
        end_job "flat at 3", 3

        ; To itself: the interrupt comes behind the ring.
        sti
        expect_ring "one ring", SELF, 0x51, 1
        expect_ring "another one", SELF, 0x51, 2
        mov     edi, MMIO
        mov     [rdi], eax
        expect_dword "by MMIO", [gs:PC_COUNTS + 0x56 * 4], 1
        mov     dx, DATA_BELL
        mov     eax, 7
        out     dx, eax
        inc     eax
        out     dx, eax
        expect_dword "the data that fits", [gs:PC_COUNTS + 0x57 * 4], 1
        expect_ring "nobody is there", NOBODY, 0x58, 0

        ; Held back: by IF, by the shadows of STI and MOV SS, by TPR. What waits is one.
        call    forget
        cli
        mov     dx, LOWER
        out     dx, al
        mov     dx, SELF
        out     dx, al
        out     dx, al
        mov     dx, HIGHER
        out     dx, al
        expect_dword "none without IF", [gs:PC_LOG_COUNT], 0
        window
        expect_log "by priority", 0x81, 0x51, 0x41
        call    forget
        mov     dx, SELF
        sti
        out     dx, al
        expect_dword "behind the shadow of STI", [gs:PC_LOG_COUNT], 1
        mov     eax, ss
        mov     ss, eax
        out     dx, al
        expect_dword "behind the shadow of MOV SS", [gs:PC_LOG_COUNT], 2
        mov     dword [r15 + APIC_TPR], 0x50
        out     dx, al
        expect_dword "not above TPR", [gs:PC_LOG_COUNT], 2
        mov     dx, HIGHER
        out     dx, al
        expect_dword "but the higher one", [gs:PC_LOG_COUNT], 3
        mov     dword [r15 + APIC_TPR], 0
        nop
        expect_log "and then it", 0x51, 0x51, 0x81, 0x51

        ; In one another.
        call    forget
        mov     qword [gs:PC_HOOK], nested
        mov     dx, SELF
        out     dx, al
        mov     qword [gs:PC_HOOK], 0
        expect_log "nested", 0x51, 0x81, 0x41

        ; Other kinds.
        call    forget
        cli
        expect_ring "NMI, without IF", NMI_BELL, 2, 1
        mov     dx, LEVEL_BELL
        out     dx, al
        mov     eax, [r15 + APIC_TMR + 0x20]
        shr     eax, 0x55 - 0x40
        and     eax, 1
        expect  "level, in TMR", rax, 1
        window
        expect_dword "level, once", [gs:PC_COUNTS + 0x55 * 4], 1
        window
        expect_dword "level, nothing asserts it still", [gs:PC_COUNTS + 0x55 * 4], 1
        sti

        ; To others.
        call    forget
        begin_job 1, job_wait_interrupts
        begin_job 3, job_wait_interrupts
        mov     dx, NAMED
        out     dx, al
        await   "a named trigger", [COUNT(1, 0x61)], 1
        mov     dx, BOTH
        out     dx, al
        await   "message and trigger: the trigger", [COUNT(1, 0x61)], 2
        expect_dword "message and trigger: the message", [gs:PC_COUNTS + 0x59 * 4], 1
        mov     dx, ALL
        out     dx, al
        await   "all: 0", [COUNT(0, 0x52)], 1
        await   "all: 1", [COUNT(1, 0x52)], 1
        await   "all: 2", [COUNT(2, 0x52)], 1
        await   "all: 3", [COUNT(3, 0x52)], 1
        mov     dx, LOGICAL
        out     dx, al
        await   "logical: 1", [COUNT(1, 0x53)], 1
        await   "logical: 3", [COUNT(3, 0x53)], 1
        mov     eax, [COUNT(0, 0x53)]
        add     eax, [COUNT(2, 0x53)]
        expect  "logical: no others", rax, 0
        mov     ecx, 10
.lowest:
        mov     dx, LOWEST_BELL
        out     dx, al
        spin_us 300
        loop    .lowest
        mov     eax, [COUNT(1, 0x54)]
        add     eax, [COUNT(2, 0x54)]
        expect  "lowest priority: one each time", rax, 10
        mov     dword [PER_CPU(1) + PC_FREE], 1
        mov     dword [PER_CPU(3) + PC_FREE], 1
        end_job "1 is done", 1
        end_job "3 is done", 3
        mov     ax, 1 << 5
        call    pic_unmask
        expect_ring "message and line: the message", LINE_TOO, 0x5a, 1
        mov     al, 0x60 | 5            ; the handler ends interrupts at the APIC alone
        out     PIC_MASTER, al
        expect_dword "message and line: the line", [gs:PC_COUNTS + (IRQ_BASE + 5) * 4], 1
        mov     ax, 0
        call    pic_unmask

        ; One that has halted, again and again.
        begin_job 2, job_halt
        xor     ebx, ebx
.wake:  inc     ebx
        await   "it is about to halt", [PER_CPU(2) + PC_FREE + 4], 1
        spin_us 50
        mov     dword [PER_CPU(2) + PC_FREE + 4], 0
        mov     dx, SLEEPER
        cmp     ebx, 20
        jne     .ring
        mov     dword [PER_CPU(2) + PC_FREE], 1
.ring:  out     dx, al
        await   "it wakes up", [COUNT(2, 0x5b)], ebx
        cmp     ebx, 20
        jb      .wake
        end_job "it goes on", 2

        ; Rings and counts. A million instructions pass in between where nobody is at the prompt.
        say     "RINGING"
        call    forget
        xor     ebx, ebx
        mov     dx, SELF
.again: inc     ebx
        out     dx, al
        cmp     [gs:PC_COUNTS + 0x51 * 4], ebx
        jne     .lost
        cmp     ebx, RINGS_MAX
        je      .lost
        cmp     ebx, RINGS_MIN
        jb      .again
        cmp     dword [gs:PC_COUNTS + OUTSIDE * 4], RAISES
        jb      .again
.lost:  mov     eax, [gs:PC_COUNTS + 0x51 * 4]
        expect  "as many interrupts as rings", rax, rbx
        expect_dword "and those of the prompt", [gs:PC_COUNTS + OUTSIDE * 4], RAISES
        cli
        finish
