; SPDX-License-Identifier: BSD-2-Clause
; When a pending interrupt may come: after STI one instruction later, after MOV SS one later, after
; POPF and IRET at once; exactly at that instruction. Intel SDM vol. 3A, "Masking Maskable Hardware
; Interrupts" and "Masking Exceptions and Interrupts When Switching Stacks".
%include "tests/guests/guest.inc"

; Makes line 0 pending, IF clear.
pend:   bits    64
        push    rax
        push    rcx
        mov     al, 0x30
        out     PIT + 3, al
        mov     al, 50
        out     PIT, al
        xor     al, al
        out     PIT, al
        mov     ecx, TICKS_PER_MS
        call    timer_wait
        mov     dword [irq_log_count], 0
        pop     rcx
        pop     rax
        ret

; The hook: where was it? The return address lies above rA, rD, vector, error code and ours.
where:  mov     rax, [rsp + 8 + 4 * 8]
        mov     [came_at], rax
        ret
        align   8
came_at: dq     0
        bits    16

start:
        enter_long
        call    pic_setup
        mov     ax, 1
        call    pic_unmask
        mov     qword [irq_hook], where

        call    pend
        sti
        nop
.after_sti:
        nop
        cli
        expect  "sti: came", [irq_log_count], 1
        expect  "sti: one instruction later", [came_at], .after_sti

        ; CLI in the shadow: nothing comes.
        call    pend
        sti
        cli
        nop
        expect  "sti; cli", [irq_log_count], 0
        ; IF already set: a second STI has no shadow, but the interrupt has come by then.
        sti
        nop
        nop
        cli
        expect  "still pending", [irq_log_count], 1

        ; POPF.
        call    pend
        pushfq
        or      dword [rsp], 1 << 9
        popfq
.after_popf:
        nop
        cli
        expect  "popf: came", [irq_log_count], 1
        expect  "popf: at once", [came_at], .after_popf

        ; STI; MOV SS: the one shadow ends, the other holds for one more.
        call    pend
        mov     ax, DATA
        sti
        mov     ss, ax
        nop
.after_ss:
        nop
        cli
        expect  "mov ss: came", [irq_log_count], 1
        expect  "mov ss: one instruction later", [came_at], .after_ss

        ; IRET.
        call    pend
        mov     rax, rsp
        push    DATA
        push    rax
        pushfq
        or      dword [rsp], 1 << 9
        push    CODE64
        push    .after_iret
        iretq
.after_iret:
        nop
        cli
        expect  "iret: came", [irq_log_count], 1
        expect  "iret: at once", [came_at], .after_iret

        ; In the shadow of STI stands an instruction that leaves the guest for the monitor.
        call    pend
        sti
        in      al, 0x80
.after_in:
        nop
        cli
        expect  "sti; in: came", [irq_log_count], 1
        expect  "sti; in: after it", [came_at], .after_in
        call    pend
        xor     eax, eax
        sti
        cpuid
.after_cpuid:
        nop
        cli
        expect  "sti; cpuid: came", [irq_log_count], 1
        expect  "sti; cpuid: after it", [came_at], .after_cpuid

        ; And one that does so on memory that is not there.
        call    pend
        mov     ebx, UNCLAIMED
        sti
        mov     eax, [rbx]
.after_mmio:
        nop
        cli
        expect  "sti; mmio: came", [irq_log_count], 1
        expect  "sti; mmio: after it", [came_at], .after_mmio

        ; Unmasking at the PIC with IF set: it comes no later than two instructions on.
        mov     ax, 0
        call    pic_unmask
        call    pend
        sti
        nop
        mov     al, 0xfe
        out     PIC_MASTER + 1, al
        nop
        nop
        cli
        expect  "unmasked", [irq_log_count], 1
        finish
