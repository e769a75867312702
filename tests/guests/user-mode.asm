; SPDX-License-Identifier: BSD-2-Clause
; What a process cannot do: end the guest. At CPL 3, what the monitor does not carry out is a fault, as
; of an instruction that does not exist, and the guest goes on.
%include "tests/guests/guest.inc"
%include "tests/guests/user.inc"

HOLE            equ 0xa0000     ; RAM ends here
IO_APIC         equ 0xfec00000
GATE            equ 0x20 | 3    ; where guest.inc has a segment of 16-bit code
TABLE_PAGE      equ 0x800000    ; mapped by a table that is not in RAM
GATES           equ 0x80

        align   8
long_idt:
        dw      0xfff
        dq      HOLE - GATES * 16

start:
        enter_long
        call    pic_setup
        call    user_setup
        mov     rax, cr4
        or      rax, 1 << 9             ; OSFXSR
        mov     cr4, rax
        fninit
        mov     ebx, UNCLAIMED
        say     "instructions that are not emulated"
        user_fault "fild", EXCEPTION_UD, 0, {fild qword [rbx]}
        expect  "fild: where it is", rbx, UNCLAIMED
        user_fault "fxsave", EXCEPTION_UD, 0, {fxsave [rbx]}
        user_fault "addps", EXCEPTION_UD, 0, {addps xmm0, [rbx]}
        user_fault "xlatb", EXCEPTION_UD, 0, {xlatb}
        user_fault "sgdt", EXCEPTION_UD, 0, {sgdt [rbx]}
        user_fault "lar", EXCEPTION_UD, 0, {lar eax, [rbx]}
        user_fault "call far", EXCEPTION_UD, 0, {call far [rbx]}
        user_fault "cmpxchg16b, which is not aligned", EXCEPTION_GP, 0, {cmpxchg16b [rbx + 8]}
        user_fault "one that is", -1, 0, {mov eax, [rbx]}
        mov     ecx, 0xffffffff
        expect  "one that is: read", rax, rcx

        say     "with the stack where nothing is"
        mov     [user_stack], rbx
        user_fault "pushf", EXCEPTION_UD, 0, {pushfq}
        user_fault "push fs", EXCEPTION_UD, 0, {push fs}
        user_fault "iret", EXCEPTION_UD, 0, {iretq}
        user_fault "ret far", EXCEPTION_UD, 0, {retf}
        user_fault "enter with nesting", EXCEPTION_UD, 0, {enter 8, 1}
        user_fault "int3", EXCEPTION_GP, EXCEPTION_BP * 8 + 2, {int3}
        user_fault "push", -1, 0, {push rax}
        mov     qword [user_stack], USER_STACK

        say     "code where nothing is"
        user_fault "a jump there", EXCEPTION_UD, 0, {jmp rbx}
        expect  "a jump there: RIP", [trap_rip], UNCLAIMED
        mov     byte [HOLE - 1], 0x8b
        mov     eax, HOLE - 1
        user_fault "an instruction that goes on there", EXCEPTION_UD, 0, {jmp rax}
        expect  "an instruction that goes on there: RIP", [trap_rip], HOLE - 1

        say     "an IDT that goes on where nothing is"
        mov     esi, IDT
        mov     edi, HOLE - GATES * 16
        mov     ecx, GATES * 2
        rep     movsq
        lidt    [long_idt]
        user_fault "INT beyond", EXCEPTION_GP, 0, {int GATES}
        user_fault "the last INT before", EXCEPTION_GP, (GATES - 1) * 8 + 2, {int GATES - 1}
        lidt    [idt_pointer]

        ; A far pointer in the I/O APIC: its window holds the selector.
        say     "far jumps"
        xor     eax, eax
        lldt    ax
        mov     dword [user_gdt + (GATE & ~7)], (CODE64 << 16)
        mov     dword [user_gdt + (GATE & ~7) + 4], 0xec00      ; a call gate for the user
        mov     esi, IO_APIC
        mov     dword [rsi], 0x10
        mov     dword [rsi + 0x10], GATE
        user_fault "through a gate", EXCEPTION_UD, 0, {jmp far dword [rsi + 0xc]}
        mov     dword [rsi + 0x10], USER_TSS | 3
        user_fault "to a task", EXCEPTION_UD, 0, {jmp far dword [rsi + 0xc]}
        user_fault "to nothing", EXCEPTION_GP, 0xfffc, {jmp far dword [rbx]}
        mov     dword [rsi + 0x10], 0x10000

        say     "page tables where nothing is: all ones"
        mov     eax, UNCLAIMED + 7
        mov     [PAGE_DIRECTORY + 4 * 8], rax
        invlpg  [TABLE_PAGE]
        mov     edi, TABLE_PAGE + 0x123
        user_fault "a load", EXCEPTION_PF, 0xd, {mov al, [rdi]}
        expect  "a load: CR2", [trap_cr2], TABLE_PAGE + 0x123
        user_fault "a jump", EXCEPTION_PF, 0xd, {jmp rdi}
        expect  "a jump: RIP", [trap_rip], TABLE_PAGE + 0x123
        mov     esi, UNCLAIMED
        user_fault "a string from a device", EXCEPTION_PF, 0xf, {movsb}
        expect  "a string from a device: CR2", [trap_cr2], TABLE_PAGE + 0x123
        expect  "a string from a device: where it is", rsi, UNCLAIMED
        finish
