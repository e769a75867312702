; The switch into the guest and back. It returns to its caller after every VM exit, so that the run
; loop reads as a loop. Intel SDM vol. 3C (Sep 2023), "VM Entries" and "VM Exits".
;
; Not the C calling convention: all registers but RSP and RBP are lost (vmx_vcpu.h tells the
; compiler), so nothing of the monitor's has to be saved and restored for the guest's sake. What
; every caller would do first is done here, where it takes the place of zeroing a register: the TSC
; is read and the exit reason.

bits 64
default rel

%define VMCS_EXIT_REASON 0x4402
%define VMCS_HOST_RSP 0x6c14

; struct vmx_switch (arch/x86/vmx_vcpu.h): gpr[16] in the order of their encodings, entry.
%define GPR(n) rdi + 8 * (n)
%define SWITCH_ENTRY 8 * 16

%define ENTRY_RESUME 0
%define ENTRY_LAUNCH 2

%macro load_guest 0
    mov rax, [GPR(0)]
    mov rcx, [GPR(1)]
    mov rdx, [GPR(2)]
    mov rbx, [GPR(3)]
    mov rbp, [GPR(5)]
    mov rsi, [GPR(6)]
    mov r8,  [GPR(8)]
    mov r9,  [GPR(9)]
    mov r10, [GPR(10)]
    mov r11, [GPR(11)]
    mov r12, [GPR(12)]
    mov r13, [GPR(13)]
    mov r14, [GPR(14)]
    mov r15, [GPR(15)]
    mov rdi, [GPR(7)]
%endmacro

section .text

; RDI: struct vmx_switch, and so when it returns. RAX: the exit reason field, or what is beyond its
; 32 bits when the guest was not entered: VMX_NOT_ENTERED and VMX_NO_VMCS. RDX: the TSC at the exit.
global world_switch:function hidden
align 64
world_switch:
    push rbp
    push rdi
    cmp dword [rdi + SWITCH_ENTRY], ENTRY_RESUME
    jne .unusual
.resume:
    load_guest
    vmresume
    jmp not_entered

.unusual:                       ; the VMCS does not know this stack yet
    mov eax, VMCS_HOST_RSP
    vmwrite rax, rsp
    cmp dword [rdi + SWITCH_ENTRY], ENTRY_LAUNCH
    mov dword [rdi + SWITCH_ENTRY], ENTRY_RESUME ; from now on; MOV leaves the flags
    jne .resume
    load_guest
    vmlaunch
    mov rdi, [rsp]              ; still to be launched
    mov dword [rdi + SWITCH_ENTRY], ENTRY_LAUNCH
not_entered:
    mov eax, 1                  ; ZF, VMfailValid: VMX_NOT_ENTERED; CF, VMfailInvalid: VMX_NO_VMCS
    mov ecx, 2
    cmovc eax, ecx
    shl rax, 32
    xor edx, edx
    jmp leave_switch

; VM exits arrive here with RSP as at the entry: the struct's address on top.
global world_switch_exit:function hidden
align 64
world_switch_exit:
    push rdi
    mov rdi, [rsp + 8]
    mov [GPR(0)], rax
    mov [GPR(2)], rdx
    rdtsc                       ; as early as there are registers for it
    mov [GPR(1)], rcx
    mov [GPR(3)], rbx
    mov [GPR(5)], rbp
    mov [GPR(6)], rsi
    pop qword [GPR(7)]
    mov [GPR(8)], r8
    mov [GPR(9)], r9
    mov [GPR(10)], r10
    mov [GPR(11)], r11
    mov [GPR(12)], r12
    mov [GPR(13)], r13
    mov [GPR(14)], r14
    mov [GPR(15)], r15
    shl rdx, 32
    or rdx, rax
    mov ecx, VMCS_EXIT_REASON
    vmread rax, rcx
    jbe not_entered             ; only without a current VMCS, hence with CF

; The guest's values must not steer speculation in the monitor: none stays in a register.
leave_switch:
    xor ecx, ecx
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
    pop rdi
    pop rbp
    ret

section .note.GNU-stack noalloc noexec nowrite progbits
