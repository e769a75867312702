; SPDX-License-Identifier: BSD-2-Clause
; What one exit costs, operation by operation: the same bytes as a guest of Portcullis and of KVM.
;
; The doorbells, zones and triggers are bench/exits/exits.conf's under Portcullis, all of them from
; the start. A host that would be slowed by those that an operation does not use learns from a write
; to SET which it needs from there on (bench/exits/kvm_host.c); Portcullis has nothing at that port.
%include "tests/guests/guest.inc"
%include "bench/exits/measure.inc"

SET             equ 0xf1
SET_NONE        equ 0
SET_PORTS       equ 1           ; 200 doorbells on neighbouring ports
SET_PORT_DATA   equ 2           ; 200 on one port, with data
SET_MMIO        equ 3           ; 200 at neighbouring addresses, any width
SET_MMIO_DATA   equ 4           ; 200 at one address, with data
SET_PORT_ZONE   equ 5
SET_MMIO_ZONE   equ 6
SET_PIN         equ 7           ; a doorbell that raises a pin of the I/O APIC
SET_MESSAGE     equ 8           ; a doorbell that sends MESSAGE_VECTOR straight to the local APIC

BELLS           equ 200
PORT_BELLS      equ 0x6000
PORT_DATA_BELL  equ 0x6100
PIN_BELL        equ 0x6200
MESSAGE_BELL    equ 0x6201
UNCLAIMED_PORT  equ 0x6800
MMIO_BELLS      equ 0xd0000000
MMIO_DATA_BELL  equ 0xd0001000
ZONE_PORT       equ 0xe0
ZONE_MMIO       equ 0xff000000

PIN             equ 20
PIN_VECTOR      equ 0x40
MESSAGE_VECTOR  equ 0x41
FAR_AWAY        equ 0x7fffffff  ; upper half of a TSC deadline that does not come
PATIENCE        equ 1000000     ; rounds of waiting for an interrupt

%macro with_set 1
        mov     al, %1
        out     SET, al
%endmacro

; From the write to the handler's first instruction. Name, port.
%macro interrupt_operation 2
        jmp     %%go
%%name: db      %1, 0
%%go:   call    begin_operation
        mov     r8d, 0
        mov     r9d, %2
        mov     ebp, 0
%%round:
        call    ring
        mov     eax, r13d
        call    count_sample
        jnz     %%round
        mov     ebp, 1
        call    ring
        mov     esi, %%name
        call    end_operation
%endmacro

        bits    16
start:
        enter_long
        call    pic_setup
        mov     r15d, LOCAL_APIC
        mov     r14d, IO_APIC
        mov     dword [r15 + APIC_SVR], 0x1ff
        gate    PIN_VECTOR, interrupt
        gate    MESSAGE_VECTOR, interrupt
        xor     r10d, r10d

        with_set SET_NONE
        operation "empty", 0, 0, 0
        mov     edx, ROUNDS / 2
        call    sample_at
        mov     [empty_ticks], rcx
        operation "loop", 0, 0, 0, call loop_2000

        operation "cpuid", 0, 0, 0, cpuid
        operation "ioapic-select", 1, 0, IO_APIC, mov [rbx], eax
        operation "ioapic-window", 0, 0, IO_APIC + 0x10, mov eax, [rbx]
        operation "eoi-xapic", 0, 0, LOCAL_APIC + APIC_EOI, mov [rbx], eax

        with_set SET_PORTS
        operation "pic-out", 0xff, PIC_MASTER + 1, 0, out dx, al
        operation "pic-in", 0, PIC_MASTER + 1, 0, in al, dx
        operation "pit-in", 0, PIT, 0, in al, dx
        operation "elcr-in", 0, ELCR, 0, in al, dx
        operation "bell-port-first", 0, PORT_BELLS, 0, out dx, al
        operation "bell-port-middle", 0, PORT_BELLS + BELLS / 2, 0, out dx, al
        operation "bell-port-last", 0, PORT_BELLS + BELLS - 1, 0, out dx, al
        operation "unclaimed-out", 0, UNCLAIMED_PORT, 0, out dx, al

        with_set SET_PORT_DATA
        operation "bell-data-first", 0, PORT_DATA_BELL, 0, out dx, al
        operation "bell-data-middle", BELLS / 2, PORT_DATA_BELL, 0, out dx, al
        operation "bell-data-last", BELLS - 1, PORT_DATA_BELL, 0, out dx, al

        with_set SET_MMIO
        operation "mmio-any-first", 0, 0, MMIO_BELLS, mov [rbx], al
        operation "mmio-any-middle", 0, 0, MMIO_BELLS + BELLS / 2, mov [rbx], al
        operation "mmio-any-last", 0, 0, MMIO_BELLS + BELLS - 1, mov [rbx], al

        with_set SET_MMIO_DATA
        operation "mmio-data-first", 0, 0, MMIO_DATA_BELL, mov [rbx], eax
        operation "mmio-data-middle", BELLS / 2, 0, MMIO_DATA_BELL, mov [rbx], eax
        operation "mmio-data-last", BELLS - 1, 0, MMIO_DATA_BELL, mov [rbx], eax

        with_set SET_PORT_ZONE
        operation "zone-port", 0, ZONE_PORT, 0, out dx, al
        with_set SET_MMIO_ZONE
        operation "zone-mmio", 0, 0, ZONE_MMIO, mov [rbx], eax

        mov     dword [r14], 0x11 + 2 * PIN     ; to APIC 0, edge, fixed
        mov     dword [r14 + 0x10], 0
        mov     dword [r14], 0x10 + 2 * PIN
        mov     dword [r14 + 0x10], PIN_VECTOR
        with_set SET_PIN
        sti
        interrupt_operation "bell-pin", PIN_BELL
        with_set SET_MESSAGE
        interrupt_operation "bell-message", MESSAGE_BELL
        cli

        with_set SET_NONE
        mov     dword [r15 + APIC_LVT_TIMER], LVT_TSC_DEADLINE + LVT_MASKED
        mov     r10d, IA32_TSC_DEADLINE
        operation "tsc-deadline", 0, FAR_AWAY, 0, wrmsr
        mov     ecx, r10d
        xor     eax, eax
        xor     edx, edx
        wrmsr

        ; There is no way back to xAPIC mode but through "disabled".
        mov     ecx, IA32_APIC_BASE
        rdmsr
        or      eax, 1 << 10
        wrmsr
        mov     r10d, IA32_X2APIC_EOI
        operation "eoi-x2apic", 0, 0, 0, wrmsr

        mov     rax, [operation_count]
        imul    rax, rax, ROUNDS
        expect  "every round was counted", [sample_count], rax
        finish

; 2000 instructions with the call and the return.
loop_2000:
        mov     ecx, 998
.again: dec     ecx
        jnz     .again
        nop
        ret

; Writes to port r9d and waits for the interrupt; its time is in r13d.
ring:   xor     r12d, r12d
        mov     edi, PATIENCE
        test    ebp, ebp
        jz      .go
        xchg    bx, bx
.go:    stretch out dx, al
.wait:  test    r12d, r12d
        jnz     .done
        dec     edi
        jnz     .wait
        say     "FAIL an interrupt did not come"
        inc     dword [failure_count]
        finish
.done:  mov     edi, HISTOGRAM
        ret

interrupt:
        rdtsc
        sub     eax, esi
        mov     r13d, eax
        inc     r12d
        test    ebp, ebp
        jz      .eoi
        xchg    bx, bx
.eoi:   mov     dword [r15 + APIC_EOI], 0
        iretq
