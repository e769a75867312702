; SPDX-License-Identifier: BSD-2-Clause
; The guest's exceptions are its own: vector, error code, return address and CR2 as the processor gives
; them, after exits as before. Intel SDM vol. 3A, "Interrupt and Exception Handling".
%include "tests/guests/guest.inc"

start:
        enter_protected
        xor     edx, edx
        mov     eax, 1
        expect_fault "32: divide by zero", EXCEPTION_DE, 0, div dword [zero]
        mov     eax, 0x7fffffff
        add     eax, 1
        expect_fault "32: into", EXCEPTION_OF, 0, into
        mov     eax, 5
        expect_fault "32: ud2", EXCEPTION_UD, 0, ud2
        mov     ax, 0x68                ; beyond the GDT
        expect_fault "32: bad selector", EXCEPTION_GP, 0x68, mov ds, ax
        mov     byte [gdt + DATA16 + 5], 0x13   ; not present
        mov     ax, DATA16
        expect_fault "32: not present", EXCEPTION_NP, DATA16, mov es, ax
        expect_fault "32: stack not present", EXCEPTION_SS, DATA16, mov ss, ax
        mov     byte [gdt + DATA16 + 5], 0x93
        mov     es, ax
        xor     ebx, ebx
        expect_fault "32: limit", EXCEPTION_GP, 0, mov eax, [es:ebx + 0x10000]
        mov     ax, DATA
        mov     es, ax

        enter_long
        xor     edx, edx
        mov     eax, 1
        expect_fault "divide by zero", EXCEPTION_DE, 0, div dword [zero]
        expect_fault "int3", EXCEPTION_BP, 0, int3
        mov     qword [trap_resume], .at_ud2
.ud2:   ud2
.at_ud2:
        mov     qword [trap_resume], 0
        expect  "ud2", [trap_vector], EXCEPTION_UD
        expect  "ud2: RIP on it", [trap_rip], .ud2
        mov     rax, 0x800000000000
        expect_fault "not canonical", EXCEPTION_GP, 0, mov rbx, [rax]
        mov     rbp, rax
        expect_fault "not canonical, stack", EXCEPTION_SS, 0, mov rbx, [rbp]

        ; A gate that is not present: the error code names the vector, in the IDT.
        mov     byte [IDT + 0x90 * 16 + 5], 0x0e
        expect_fault "gate not present", EXCEPTION_NP, 0x90 * 8 + 2, int 0x90

        ; Page faults: not present; not present on write; write to read-only; on fetch.
        mov     qword [PAGE_DIRECTORY + 2 * 8], 0
        and     qword [PAGE_DIRECTORY + 3 * 8], ~2
        mov     rax, cr0
        bts     rax, 16
        mov     cr0, rax
        mov     rax, cr3
        mov     cr3, rax
        mov     rsi, 0x412345
        expect_fault "#PF: read", EXCEPTION_PF, 0, mov al, [rsi]
        expect  "#PF: CR2", [trap_cr2], 0x412345
        inc     rsi
        expect_fault "#PF: write", EXCEPTION_PF, 2, mov [rsi], al
        expect  "#PF: CR2 again", [trap_cr2], 0x412346
        mov     rsi, 0x600000
        expect_fault "#PF: write to read-only", EXCEPTION_PF, 3, inc byte [rsi]
        mov     rax, 0x412345
        expect_fault "#PF: fetch", EXCEPTION_PF, 0, jmp rax
        expect  "#PF: RIP", [trap_rip], 0x412345

        ; A reserved bit in an entry.
        mov     rax, 1 << 51 | 0x400083
        mov     [PAGE_DIRECTORY + 2 * 8], rax
        mov     rsi, 0x400000
        expect_fault "#PF: reserved bit", EXCEPTION_PF, 9, mov al, [rsi]
        mov     rax, 1 << 63 | 0x400083         ; NX without EFER.NXE is one
        mov     [PAGE_DIRECTORY + 2 * 8], rax
        expect_fault "#PF: NX reserved", EXCEPTION_PF, 9, mov al, [rsi]
        mov     ecx, IA32_EFER
        rdmsr
        bts     eax, 11
        wrmsr
        expect_no_fault "NX and a read", mov al, [rsi]
        mov     rax, 0x400000
        expect_fault "#PF: fetch from NX", EXCEPTION_PF, 0x11, jmp rax

        ; The same after an instruction that left the guest, and in a MMIO instruction.
        in      al, 0x80
        expect_fault "after IN", EXCEPTION_UD, 0, ud2
        mov     qword [PAGE_DIRECTORY + 2 * 8], 0
        invlpg  [rsi]
        mov     rdi, rsi
        mov     esi, UNCLAIMED
        expect_fault "#PF: movs out of MMIO", EXCEPTION_PF, 2, movsd
        expect  "#PF: its CR2", [trap_cr2], 0x400000

        ; Single step: a trap after each instruction, those that leave the guest included.
        mov     dword [trap_count], 0
        mov     qword [trap_resume], .step_1
        pushfq
        or      dword [rsp], 1 << 8
        popfq
        nop
.step_1:
        expect  "TF: after NOP", [trap_vector], EXCEPTION_DB
        expect  "TF: RIP", [trap_rip], .step_1
        mov     qword [trap_resume], .step_2
        pushfq
        or      dword [rsp], 1 << 8
        popfq
        in      al, 0x80
.step_2:
        expect  "TF: after IN", [trap_rip], .step_2
        mov     qword [trap_resume], .step_3
        pushfq
        or      dword [rsp], 1 << 8
        popfq
        cpuid
.step_3:
        expect  "TF: after CPUID", [trap_rip], .step_3
        mov     qword [trap_resume], .step_4
        mov     ebx, UNCLAIMED
        pushfq
        or      dword [rsp], 1 << 8
        popfq
        mov     eax, [rbx]
.step_4:
        expect  "TF: after MMIO", [trap_rip], .step_4
        expect  "TF: four traps", [trap_count], 4
        mov     rax, dr6
        bt      eax, 14
        expect_if "TF: DR6.BS", c
        ; A fault in the shadow of MOV SS, while single-stepping: the fault comes, the step does not.
        mov     qword [trap_resume], .step_5
        mov     ecx, 0x12345            ; an MSR that does not exist
        mov     eax, DATA
        pushfq
        or      dword [rsp], 1 << 8
        popfq
        mov     ss, eax
.unknown_msr:
        rdmsr
.step_5:
        expect  "TF and MOV SS: the fault", [trap_vector], EXCEPTION_GP
        expect  "TF and MOV SS: RIP", [trap_rip], .unknown_msr
        ; A step in the shadow of STI.
        mov     al, 0xff
        out     PIC_MASTER + 1, al
        out     PIC_SLAVE + 1, al
        mov     qword [trap_resume], .step_6
        pushfq
        or      dword [rsp], 1 << 8
        popfq
        sti
.step_6:
        cli
        expect  "TF: after STI", [trap_vector], EXCEPTION_DB
        expect  "TF: RIP after STI", [trap_rip], .step_6
        ; A step of HLT, whose trap ends it; and an exit afterwards does not begin it again.
    %macro step_of_hlt 1
        mov     qword [trap_resume], %%after
        mov     dword [trap_vector], -1
        mov     dword [trap_count], 0
        pushfq
        or      dword [rsp], 1 << 8
        popfq
        hlt
%%after:
        mov     qword [trap_resume], 0
        xor     eax, eax
        cpuid
        cli
        expect  {%1, ": a trap"}, [trap_vector], EXCEPTION_DB
        expect  {%1, ": behind it"}, [trap_rip], %%after
    %endmacro
        step_of_hlt "TF: HLT, interrupts off"
        sti
        nop
        step_of_hlt "TF: HLT, interrupts on"
        ; INT1: a trap, without a bit in DR6.
        mov     rax, dr6
        and     al, 0xf0
        mov     dr6, rax
        mov     qword [trap_resume], .after_int1
        mov     dword [trap_vector], -1
        mov     dword [trap_count], 0
        db      0xf1
.after_int1:
        expect  "INT1", [trap_vector], EXCEPTION_DB
        expect  "INT1: RIP", [trap_rip], .after_int1
        expect  "INT1: once", [trap_count], 1
        mov     rax, dr6
        and     eax, 15
        expect  "INT1: DR6", rax, 0
        mov     qword [trap_resume], 0
        finish

        align   8
zero:   dq      0
