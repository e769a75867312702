; SPDX-License-Identifier: BSD-2-Clause
; What it takes to wake a vCPU that has halted, by an interrupt from another one: from before the
; write to the interrupt command register to the first instruction of the other's handler. Two
; processors, whose TSCs have to agree; xAPIC mode. The sender waits long enough for the other to be
; halted in the monitor, too, and beyond the time that KVM polls before it gives up the processor.
%include "tests/guests/guest.inc"
%include "bench/exits/measure.inc"

VECTOR          equ 0x40
TRAMPOLINE      equ 0x30000
SLEEPER_STACK   equ 0x40000
SETTLE_TICKS    equ 60000
START_TICKS     equ 500000      ; between the messages that start a processor
PATIENCE        equ 100000000   ; rounds of waiting; a host may give its one processor away

        bits    16
start:
        enter_long
        call    pic_setup
        mov     r15d, LOCAL_APIC
        mov     dword [r15 + APIC_SVR], 0x1ff
        gate    VECTOR, woken
        mov     esi, trampoline
        mov     edi, TRAMPOLINE
        mov     ecx, trampoline_end - trampoline
        cld
        rep     movsb
        mov     dword [r15 + APIC_ICR_HIGH], 1 << 24
        mov     dword [r15 + APIC_ICR], 0x4500          ; INIT
        mov     ecx, START_TICKS
        call    spin
        mov     dword [r15 + APIC_ICR], 0x4600 | TRAMPOLINE >> 12
        mov     ecx, START_TICKS
        call    spin
        mov     dword [r15 + APIC_ICR], 0x4600 | TRAMPOLINE >> 12

        call    begin_operation
        xor     r13d, r13d              ; how often it has slept
        xor     r14d, r14d
.round: mov     ecx, PATIENCE
.sleep: cmp     [sleeps], r13d
        ja      .asleep
        pause
        dec     ecx
        jnz     .sleep
        say     "FAIL the other processor does not sleep"
        jmp     .failed
.asleep:
        mov     r13d, [sleeps]
        mov     ecx, SETTLE_TICKS
        call    spin
        mov     ecx, PATIENCE
        rdtsc
        mov     [sent], eax
        mov     dword [r15 + APIC_ICR], 0x4000 | VECTOR
.wait:  cmp     [wakes], r14d
        ja      .awake
        pause
        dec     ecx
        jnz     .wait
        say     "FAIL the other processor does not wake up"
.failed:
        inc     dword [failure_count]
        finish
.awake: mov     r14d, [wakes]
        mov     eax, [received]
        sub     eax, [sent]
        push    rcx
        call    count_sample
        pop     rcx
        jnz     .round
        mov     esi, text_name
        call    end_operation
        expect  "every round was counted", [sample_count], ROUNDS
        finish

; Spins for ecx ticks.
spin:   rdtsc
        mov     esi, eax
.again: pause
        rdtsc
        sub     eax, esi
        cmp     eax, ecx
        jb      .again
        ret

text_name:      db "ipi-halted", 0
        align   64
sleeps:         dd 0
wakes:          dd 0
sent:           dd 0
received:       dd 0

woken:  rdtsc
        mov     [received], eax
        mov     dword [r15 + APIC_EOI], 0
        inc     dword [wakes]
        iretq

        bits    16
trampoline:                             ; copied to TRAMPOLINE, CS:IP is 3000:0000
        cli
        xor     ax, ax
        mov     ds, ax
        o32 lgdt [gdt_pointer]
        mov     eax, cr0
        and     eax, ~0x60000000        ; INIT leaves the caches off
        or      al, 1
        mov     cr0, eax
        jmp     dword CODE32:sleeper_32
trampoline_end:

        bits    32
sleeper_32:
        mov     ax, DATA
        mov     ds, ax
        mov     es, ax
        mov     ss, ax
        mov     eax, cr4
        or      eax, 1 << 5
        mov     cr4, eax
        mov     eax, PAGE_TABLES
        mov     cr3, eax
        mov     ecx, IA32_EFER
        rdmsr
        or      eax, 1 << 8
        wrmsr
        mov     eax, cr0
        or      eax, 1 << 31
        mov     cr0, eax
        jmp     CODE64:sleeper

        bits    64
sleeper:
        mov     esp, SLEEPER_STACK
        lidt    [idt_pointer]
        mov     r15d, LOCAL_APIC
        mov     dword [r15 + APIC_SVR], 0x1ff
.again: inc     dword [sleeps]
        sti
        hlt
        cli
        jmp     .again
