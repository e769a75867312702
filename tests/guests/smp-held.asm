; SPDX-License-Identifier: BSD-2-Clause
; Interrupts that RFLAGS.IF holds back stay held, whatever else comes to the processor meanwhile: those
; that it sent to itself, and those that EOI leaves to be next. Intel SDM vol. 3A, "Masking Maskable
; Hardware Interrupts". For four processors, two of which have a part in it.
%include "tests/guests/guest.inc"
%include "tests/guests/smp.inc"

LOW             equ 0x31        ; a processor's interrupts to itself
HIGH            equ 0x61
OTHER           equ 0x51        ; another one's to it
ROUNDS          equ 8
MEANWHILE       equ 20000       ; ticks of the TSC for what was sent to get here

        align   8
taken_early:    dq 0            ; interrupts that came with IF clear

; The hook. The flags of the code that was interrupted are behind the return address, the registers
; that the handler has pushed, vector, RIP and CS.
on_interrupt:
        test    dword [rsp + 48], 1 << 9
        jnz     .was_on
        inc     qword [taken_early]
.was_on:
        xor     edx, edx
        cmp     eax, HIGH
        sete    dl
        mov     [gs:PC_MANUAL_EOI], edx
        jne     .done
        mov     edx, LOCAL_APIC
        mov     dword [rdx + APIC_EOI], 0 ; LOW is next; IF is clear
        call    meanwhile
.done:  ret

; The other processor sends OTHER.
send_other:
        ipi     OTHER, 0
        ret

; It does, and for a while nothing else happens.
meanwhile:
        push    rcx
        begin_job 1, send_other
.sends: pause
        cmp     qword [PER_CPU(1) + PC_JOB], 0
        jne     .sends
        mov     ecx, MEANWHILE
        call    spin_ticks
        pop     rcx
        ret

; Interrupts on, off, and an exit while they are on, if there is a monitor: processors look at IF when
; it changes and when they enter a guest.
settle:
        sti
        in      al, 0x80
        nop
        cli
        ret

; All that was sent comes in the end, and nothing came too early. The vector that the processor sent
; to itself.
%macro expect_held 2
  %strcat EACH %1, ": each came"
  %strcat OTHERS %1, ": of the other one's, too"
  %strcat EARLY %1, ": none with IF clear"
        sti
        await   EACH, [gs:PC_COUNTS + (%2) * 4], ROUNDS
        await   OTHERS, [gs:PC_COUNTS + OTHER * 4], ROUNDS
        cli
        expect  EARLY, [taken_early], 0
%endmacro

        bits    16
start:
        enter_long
        call    smp_setup
        call    smp_start
        mov     qword [gs:PC_HOOK], on_interrupt

        ; Sent to itself, IF clear.
        mov     r12d, ROUNDS
.to_itself:
        call    settle
        self_ipi LOW
        call    meanwhile
        window
        dec     r12d
        jnz     .to_itself
        expect_held "to itself", LOW

        ; Two to itself; the EOI of the first, in its handler, makes way for the second.
        call    forget
        mov     qword [taken_early], 0
        mov     r12d, ROUNDS
.after_eoi:
        call    settle
        self_ipi LOW
        self_ipi HIGH
        window
        dec     r12d
        jnz     .after_eoi
        expect_held "after EOI", HIGH
        finish
