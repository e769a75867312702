; SPDX-License-Identifier: BSD-2-Clause
; The switch into the guest and back. It returns to its caller after every VM exit, so that the run
; loop reads as a loop. Intel SDM vol. 3C (Sep 2023), "VM Entries" and "VM Exits".
;
; Not the C calling convention: all registers but RSP and RBP are lost (vmx_vcpu.h tells the
; compiler), so nothing of the monitor's has to be saved and restored for the guest's sake. What
; every caller would do first is done here, where it takes the place of zeroing a register: the TSC
; is read and the exit reason.
;
; An exit loads RSP with the address of struct vmx_switch (HOST_RSP in the VMCS): the registers go
; right where they belong, and none is needed to find the place. Until RSP is the stack's again
; nothing may be pushed: interrupts are off, NMI and machine check have stacks of their own.

bits 64
default rel

%define VMCS_EXIT_REASON 0x4402
%define VMCS_HOST_RSP 0x6c14

; struct vmx_switch (arch/x86/vmx_vcpu.h): gpr[16] in the order of their encodings, and so on.
%define GPR(base, n) base + 8 * (n)
%define SWITCH_STACK 8 * 16
%define SWITCH_FRAME 8 * 17
%define SWITCH_IS_LAUNCHED 8 * 18

%macro load_guest 0
    mov rax, [GPR(rdi, 0)]
    mov rcx, [GPR(rdi, 1)]
    mov rdx, [GPR(rdi, 2)]
    mov rbx, [GPR(rdi, 3)]
    mov rbp, [GPR(rdi, 5)]
    mov rsi, [GPR(rdi, 6)]
    mov r8,  [GPR(rdi, 8)]
    mov r9,  [GPR(rdi, 9)]
    mov r10, [GPR(rdi, 10)]
    mov r11, [GPR(rdi, 11)]
    mov r12, [GPR(rdi, 12)]
    mov r13, [GPR(rdi, 13)]
    mov r14, [GPR(rdi, 14)]
    mov r15, [GPR(rdi, 15)]
    mov rdi, [GPR(rdi, 7)]
%endmacro

section .text

; RDI: struct vmx_switch, and so when it returns. RAX: the exit reason field, or VMX_NOT_ENTERED.
; RDX: the TSC at the exit, or 0.
global world_switch:function hidden
align 64
world_switch:
    load_guest
    vmresume

; Not entered. A VMCS that has not been launched is one reason, and then it is the first time
; ("VM-Instruction Error Numbers", 5).
    call find_switch
    bts dword [rdi + SWITCH_IS_LAUNCHED], 0
    jc not_entered
    load_guest
    vmlaunch
    call find_switch
    mov dword [rdi + SWITCH_IS_LAUNCHED], 0
not_entered:
    mov rbp, [rdi + SWITCH_FRAME]
    mov eax, 1
    shl rax, 32                 ; VMX_NOT_ENTERED
    xor edx, edx
    xor ecx, ecx
    jmp forget_guest

; After VMRESUME and VMLAUNCH: RDI becomes the struct's address. Without a current VMCS, which would
; be a bug of the monitor, there is no going on.
find_switch:
    jc .no_vmcs                 ; VMfailInvalid
    mov eax, VMCS_HOST_RSP
    vmread rdi, rax
    ret
.no_vmcs:
    ud2

; VM exits arrive here.
global world_switch_exit:function hidden
align 64
world_switch_exit:
    mov [GPR(rsp, 0)], rax
    mov [GPR(rsp, 2)], rdx
    rdtsc                       ; as early as there are registers for it
    mov [GPR(rsp, 1)], rcx
    mov [GPR(rsp, 3)], rbx
    mov [GPR(rsp, 5)], rbp
    mov [GPR(rsp, 6)], rsi
    mov [GPR(rsp, 7)], rdi
    mov [GPR(rsp, 8)], r8
    mov [GPR(rsp, 9)], r9
    mov [GPR(rsp, 10)], r10
    mov [GPR(rsp, 11)], r11
    mov [GPR(rsp, 12)], r12
    mov [GPR(rsp, 13)], r13
    mov [GPR(rsp, 14)], r14
    mov [GPR(rsp, 15)], r15
    mov rdi, rsp
    mov rbp, [rdi + SWITCH_FRAME]
    mov rsp, [rdi + SWITCH_STACK]
    shl rdx, 32
    or rdx, rax
    mov ecx, VMCS_EXIT_REASON
    vmread rax, rcx             ; there is a current VMCS, and it has this field

; The guest's values must not steer speculation in the monitor: none stays in a register.
forget_guest:
    xor ebx, ebx
    xor esi, esi
    xor r8d, r8d
    xor r9d, r9d
    xor r10d, r10d
    xor r11d, r11d
    xor r12d, r12d
    xor r13d, r13d
    xor r14d, r14d
    xor r15d, r15d
    ret

section .note.GNU-stack noalloc noexec nowrite progbits
