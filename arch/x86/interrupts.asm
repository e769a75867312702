; SPDX-License-Identifier: BSD-2-Clause
; The 256 entry points of the IDT, and the instructions that may fault.
; Intel SDM vol. 3A, "64-Bit Mode Stack Frame".

bits 64
default rel

TRAP_STUB_BYTES equ 16          ; also in traps.h
FRAME_BYTES     equ 22 * 8      ; struct trap_frame
FRAME_RBP       equ 10 * 8
FRAME_RIP       equ 17 * 8

section .text

extern trap_dispatch

; --- Entry points ---
; The processor has aligned the stack and pushed SS, RSP, RFLAGS, CS, RIP, and for some exceptions
; an error code. Each stub pushes 0 if there is no error code, and then the vector.

global trap_stubs:function hidden
align 16
trap_stubs:
%assign vector 0
%rep 256
    ; #DF, #TS, #NP, #SS, #GP, #PF, #AC and #CP have an error code.
    %if vector = 8 || (vector >= 10 && vector <= 14) || vector = 17 || vector = 21
    %else
        push 0
    %endif
    push strict dword vector
    jmp strict near enter_dispatch
    times TRAP_STUB_BYTES - (($ - trap_stubs) - vector * TRAP_STUB_BYTES) int3
    %assign vector vector + 1
%endrep

enter_dispatch:
    push rax
    push rcx
    push rdx
    push rbx
    push rbp
    push rsi
    push rdi
    push r8
    push r9
    push r10
    push r11
    push r12
    push r13
    push r14
    push r15
    cld                         ; as the ABI requires; IRET restores the old DF
    mov rdi, rsp
    ; Makes a stack frame whose return address is the interrupted instruction, so that a backtrace
    ; from a handler continues into the interrupted code. RSP stays a multiple of 16.
    push qword [rdi + FRAME_RIP]
    push qword [rdi + FRAME_RBP]
    mov rbp, rsp
    call trap_dispatch
    add rsp, 16
    pop r15
    pop r14
    pop r13
    pop r12
    pop r11
    pop r10
    pop r9
    pop r8
    pop rdi
    pop rsi
    pop rbp
    pop rbx
    pop rdx
    pop rcx
    pop rax
    add rsp, 16                 ; vector, error code
    iretq

; --- Instructions that may fault ---
; On #GP or #UD at one of these, trap_dispatch resumes at the second address of its pair.

global safe_instructions:data hidden
align 8
safe_instructions:              ; pairs of offsets from the table; 0 ends it
    dd rdmsr_safe.instruction - safe_instructions, fault_return - safe_instructions
    dd wrmsr_safe.instruction - safe_instructions, fault_return - safe_instructions
    dd xsetbv_safe.instruction - safe_instructions, fault_return - safe_instructions
    dd 0, 0

; bool rdmsr_safe(uint32_t index, uint64_t *value)
global rdmsr_safe:function hidden
rdmsr_safe:
    mov ecx, edi
.instruction:
    rdmsr
    shl rdx, 32
    mov eax, eax                ; clears bits 63:32
    or rax, rdx
    mov [rsi], rax
    mov eax, 1
    ret

; bool wrmsr_safe(uint32_t index, uint64_t value)
global wrmsr_safe:function hidden
wrmsr_safe:
    mov ecx, edi
    mov eax, esi
    mov rdx, rsi
    shr rdx, 32
.instruction:
    wrmsr
    mov eax, 1
    ret

; bool xsetbv_safe(uint32_t index, uint64_t value)
global xsetbv_safe:function hidden
xsetbv_safe:
    mov ecx, edi
    mov eax, esi
    mov rdx, rsi
    shr rdx, 32
.instruction:
    xsetbv
    mov eax, 1
    ret

fault_return:
    xor eax, eax
    ret

; --- Foreign code ---

; bool call_guarded(void (*function)(void *context), void *context, uint64_t *stack)
; Stores in *stack the RSP that trap_dispatch loads to end the call at call_guarded_fault.
global call_guarded:function hidden
call_guarded:
    push rbp
    push rbx
    push r12
    push r13
    push r14
    push r15
    push rdx                    ; the seventh push aligns the stack for the call
    mov [rdx], rsp
    mov rax, rdi
    mov rdi, rsi
    call rax
    mov eax, 1
    jmp call_guarded_end

global call_guarded_fault:function hidden
call_guarded_fault:
    xor eax, eax
call_guarded_end:
    cld
    pop rdx
    mov qword [rdx], 0
    pop r15
    pop r14
    pop r13
    pop r12
    pop rbx
    pop rbp
    ret

section .note.GNU-stack noalloc noexec nowrite progbits
