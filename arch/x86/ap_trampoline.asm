; SPDX-License-Identifier: BSD-2-Clause
; The first instructions of an application processor. A start-up message starts the processor in
; real mode at the beginning of a page below 1 MiB; from there it enters 64-bit mode in one step.
; Intel SDM vol. 3A (Sep 2023), "MP Initialization Protocol Algorithm for MP Systems", "IA-32e Mode
; Operation".
;
; ap_start.c copies the bytes from ap_trampoline to ap_trampoline_end to a page of their own. The
; next page holds struct ap_parameters, whose offsets are below.

%define AP_GDTR       0             ; 10 bytes: limit, linear base
%define AP_ENTRY64    16            ; 6 bytes: offset, selector
%define AP_CR0        24
%define AP_CR3        28
%define AP_CR4        32
%define AP_EFER       36
%define AP_STACK      40
%define AP_FUNCTION   48
%define AP_CONTEXT    56
%define AP_APIC_ID    64
%define AP_DATA       72            ; SELECTOR_DATA of the GDT at AP_GDTR

%define PAGE_BYTES            0x1000
%define IA32_MISC_ENABLE      0x1a0
%define MISC_ENABLE_XD_HIGH   2     ; bit 34 of the MSR
%define IA32_EFER             0xc0000080

section .rodata

global ap_trampoline:data hidden
ap_trampoline:
bits 16
    cli
    cld
    mov ax, cs
    add ax, PAGE_BYTES >> 4
    mov ds, ax

    ; Firmware may have disabled no-execute pages with this bit, on each processor separately. While
    ; it is set, a write of EFER.NXE faults.
    mov ecx, IA32_MISC_ENABLE
    rdmsr
    test edx, 1 << MISC_ENABLE_XD_HIGH
    jz .has_no_execute
    and edx, ~(1 << MISC_ENABLE_XD_HIGH)
    wrmsr
.has_no_execute:
    o32 lgdt [AP_GDTR]
    mov eax, [AP_CR4]
    mov cr4, eax
    mov eax, [AP_CR3]
    mov cr3, eax
    mov ecx, IA32_EFER
    mov eax, [AP_EFER]
    xor edx, edx
    wrmsr
    ; PE and PG together, with LME set, enter IA-32e mode at once. The page is mapped one to one.
    mov eax, [AP_CR0]
    mov cr0, eax
    jmp far dword [AP_ENTRY64]

bits 64
global ap_trampoline_64:data hidden
ap_trampoline_64:
    lea rbx, [rel ap_trampoline + PAGE_BYTES]
    mov eax, [rbx + AP_DATA]
    mov ds, eax
    mov es, eax
    mov ss, eax

    ; A processor that was given up and wakes late finds the parameters of another processor. So the
    ; APIC ID is compared, and if it differs nothing else is used.
    xor eax, eax
    cpuid
    cmp eax, 0xb
    jb .short_id
    mov eax, 0xb
    xor ecx, ecx
    cpuid
    test ebx, ebx               ; the leaf is empty
    jz .short_id
    jmp .has_id
.short_id:
    mov eax, 1
    cpuid
    shr ebx, 24
    mov edx, ebx
.has_id:
    lea rbx, [rel ap_trampoline + PAGE_BYTES]
    cmp edx, [rbx + AP_APIC_ID]
    jne .stop
    mov rsp, [rbx + AP_STACK]
    mov rdi, [rbx + AP_CONTEXT]
    xor ebp, ebp
    call [rbx + AP_FUNCTION]
.stop:
    cli
    hlt
    jmp .stop

global ap_trampoline_end:data hidden
ap_trampoline_end:

section .note.GNU-stack noalloc noexec nowrite progbits
