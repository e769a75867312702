; SPDX-License-Identifier: BSD-2-Clause
; Switches into the guest and back. world_switch returns to its caller after every VM exit, so that
; the run loop reads as a loop. Intel SDM vol. 3C (Sep 2023), "VM Entries" and "VM Exits".
;
; world_switch does not follow the C calling convention: all registers are lost except RSP, RBP and
; RDI (vmx_vcpu.h declares this to the compiler). So no register of the monitor has to be saved and
; restored around the guest. world_switch also reads the TSC and the exit reason, which every caller
; would read first: each takes the place of zeroing a register.
;
; An exit loads RSP with the address of struct vmx_switch (HOST_RSP in the VMCS), so the guest's
; registers can be stored there at once, without a register that holds the address. Nothing may be
; pushed until RSP points to the stack again: interrupts are off, and NMI and machine check have
; stacks of their own.

bits 64
default rel

%define VMCS_EXIT_REASON 0x4402
%define VMCS_HOST_RSP 0x6c14

; Offsets in struct vmx_switch (arch/x86/vmx_vcpu.h). gpr[16] is in the order of the encodings.
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

; Enters the guest. RDI: the address of struct vmx_switch, also on return. Returns in RAX the exit
; reason field, or VMX_NOT_ENTERED; in RDX the TSC at the exit, or 0.
global world_switch:function hidden
align 64
world_switch:
    load_guest
    vmresume

; VMRESUME failed. One reason is a VMCS that has not been launched ("VM-Instruction Error Numbers",
; 5): then is_launched is 0, and VMLAUNCH is tried.
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

; Sets RDI to the address of struct vmx_switch after a failed VMRESUME or VMLAUNCH. Stops with #UD
; if there is no current VMCS, which would be an error of the monitor.
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
    rdtsc                       ; as soon as RAX and RDX are stored
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
    vmread rax, rcx             ; a VMCS is current, and it has this field

; Clears the registers that hold guest values, so that they cannot steer speculation in the monitor.
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
