; SPDX-License-Identifier: BSD-2-Clause
; Does without end what could keep the monitor busy for the others or for itself: three processors
; that ring a line for each other, a level-triggered line that comes again at each end, messages to and
; fro, timers that are always due, long string instructions, zones that fill, a local APIC that moves,
; and a reset. One phase after another, round after round; the number of rounds is in CMOS RAM, which a
; reset keeps. tests/machine/hostile.py configures it, and a guest beside it, watch.asm, measures.
%define CPUS 3
%include "tests/guests/guest.inc"
%include "tests/guests/smp.inc"

LINE_BELL       equ 0x5000      ; pulses line 5
COUNT_BELL      equ 0x5001      ; only counts
LEVEL_BELL      equ 0x5010      ; raises line 10, with a level trigger
DRAIN_BELLS     equ 0x5020      ; each drains one of the zones
SCRATCH         equ COM1 + 7    ; in a zone
HOLE            equ 0xff000000  ; likewise

PHASE_US        equ 40000
ROUNDS_AT       equ 0x60        ; in CMOS RAM
INTERRUPTS_MAX  equ 500         ; of the timer and of the level-triggered line, in a phase
BURST           equ 64
STRING_BYTES    equ 0x200

LEVEL_VECTOR    equ 0x60
TIMER_VECTOR    equ 0x61
RTC_VECTOR      equ 0x63
HERE_VECTOR     equ 0x70
THERE_VECTOR    equ 0x71

        align   8
phase_end:      dq 0            ; the TSC
phase:          dd 0            ; of the other processors
interrupts:     dd 0

        bits    64
; Carry is set while the phase lasts. rax and rdx are lost.
phase_lasts:
        tsc
        cmp     rax, [phase_end]
        ret

; What a processor does in a phase, again and again. All registers except r12 to r15 may change.

idle:   pause
        ret

; ecx rings of the port dx.
ring_often:
        out     dx, al
        loop    ring_often
        ret

ring_line:
        mov     dx, LINE_BELL
        mov     ecx, BURST
        jmp     ring_often

ring_level:
        mov     dx, LEVEL_BELL
        mov     ecx, BURST
        jmp     ring_often

send_here:                              ; to the first processor
        mov     ecx, BURST
.next:  ipi     HERE_VECTOR, 0
        loop    .next
        ret

send_there:                             ; to all others
        mov     ecx, BURST
.next:  mov     dword [r15 + APIC_ICR], ICR_OTHERS | THERE_VECTOR
        loop    .next
        ret

look_at_rtc:                            ; its interrupt comes again only after this
        mov     al, 0x0c
        out     RTC, al
        in      al, RTC + 1
        ret

move_strings:
        cld
        mov     esi, 0x200000
        mov     ecx, STRING_BYTES
        mov     dx, COUNT_BELL
        rep     outsb
        mov     edi, 0x200000
        mov     ecx, STRING_BYTES
        rep     insb
        mov     edi, UNCLAIMED
        mov     ecx, STRING_BYTES
        rep     stosb
        ret

fill_zones:
        mov     ebx, HOLE
        mov     dx, SCRATCH
        mov     ecx, BURST
.next:  out     dx, al
        mov     [rbx], eax
        loop    .next
        ret

drain_zones:
        call    fill_zones
        mov     dx, DRAIN_BELLS
        out     dx, al
        inc     dx
        out     dx, al
        ret

move_first_apic:
        write_msr IA32_APIC_BASE, 0xd0000900
        write_msr IA32_APIC_BASE, 0xfee00900
        ret

move_apic:
        write_msr IA32_APIC_BASE, 0xd0001800
        write_msr IA32_APIC_BASE, 0xfee00800
        ret

stay:                                   ; without an exit
        call    phase_lasts
        jb      stay
        ret

; What the other processors do in each phase.
PHASE_COUNT     equ 8
        align   8
second: dq idle, ring_line, ring_level, send_here, idle, move_strings, fill_zones, stay
third:  dq idle, ring_line, ring_level, send_here, idle, move_strings, fill_zones, move_apic

%macro worker 1
        sti
%%next: pause
        call    phase_lasts
        jae     %%next
        mov     eax, [phase]
        call    [%1 + rax * 8]
        jmp     %%next
%endmacro

job_second:
        worker  second
job_third:
        worker  third

; Of the interrupts that would never let the program go on, only so many are taken in a phase.
on_interrupt:
        cmp     eax, LEVEL_VECTOR
        je      .count
        cmp     eax, TIMER_VECTOR
        jne     .done
.count: inc     dword [interrupts]
        cmp     dword [interrupts], INTERRUPTS_MAX
        jb      .done
        mov     dword [r15 + APIC_LVT_TIMER], LVT_MASKED
        mov     dword [r14], 0x10 + 2 * 10
        mov     dword [r14 + 0x10], LVT_MASKED
.done:  ret

; Runs a phase: its number, its name, what the first processor does again and again.
%macro run_phase 3
        cmp     r12d, 0
        jne     %%said
        say     %2
%%said: mov     dword [interrupts], 0
        mov     dword [phase], %1
        tsc
        mov     rcx, PHASE_US
        imul    rcx, [tsc_mhz]
        add     rax, rcx
        mov     [phase_end], rax
%%next: call    %3
        call    phase_lasts
        jb      %%next
%endmacro

; A byte of CMOS RAM at index %1.
%macro cmos_index 1
        mov     al, %1
        out     RTC, al
%endmacro

        bits    16
start:
        enter_long
        call    smp_setup
        call    smp_start
        mov     qword [PER_CPU(0) + PC_HOOK], on_interrupt
        begin_job 1, job_second
        begin_job 2, job_third
        cmos_index ROUNDS_AT
        in      al, RTC + 1
        movzx   r12d, al
        sti

        run_phase 1, "LINES", ring_line

        redirect 10, LEVEL_VECTOR | ICR_LEVEL, 0
        run_phase 2, "LEVELS", ring_level
        redirect 10, LVT_MASKED, 0

        run_phase 3, "MESSAGES", send_there

        ; The 8254 counts from 2, as fast as it can, and its line is masked.
        mov     al, 0x34
        out     PIT + 3, al
        mov     al, 2
        out     PIT, al
        mov     al, 0
        out     PIT, al
        cmos_index 0x0a
        mov     al, 0x23                ; 8192 Hz
        out     RTC + 1, al
        cmos_index 0x0b
        mov     al, 0x42                ; periodic interrupt, 24 hours
        out     RTC + 1, al
        redirect 8, RTC_VECTOR, 0
        mov     dword [r15 + APIC_DIVIDE], 0xb
        mov     dword [r15 + APIC_LVT_TIMER], LVT_PERIODIC | TIMER_VECTOR
        mov     dword [r15 + APIC_INITIAL], 1
        run_phase 4, "TIMERS", look_at_rtc
        mov     dword [r15 + APIC_INITIAL], 0
        mov     dword [r15 + APIC_LVT_TIMER], LVT_MASKED
        redirect 8, LVT_MASKED, 0
        cmos_index 0x0b
        mov     al, 0x02
        out     RTC + 1, al
        mov     al, 0x30
        out     PIT + 3, al

        run_phase 5, "STRINGS", move_strings
        run_phase 6, "ZONES", drain_zones
        cli
        run_phase 7, "MOVES", move_first_apic

        cmp     r12d, 0
        jne     .reset
        say     "RESETS"
.reset: inc     r12d
        jnz     .store
        inc     r12d
.store: cmos_index ROUNDS_AT
        mov     al, r12b
        out     RTC + 1, al
        mov     dx, 0xcf9
        mov     al, 2
        out     dx, al
        mov     al, 6
        out     dx, al
.end:   jmp     .end
