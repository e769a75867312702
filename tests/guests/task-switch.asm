; SPDX-License-Identifier: BSD-2-Clause
; Hardware task switches, which VT-x leaves to the monitor: JMP, CALL and IRET, through task gates in GDT
; and IDT, by exceptions, interrupts and NMIs; CR3, virtual-8086 mode, 16-bit tasks, and faults in the
; new task. Intel SDM vol. 3A, "Task Management".
%include "tests/guests/guest.inc"

; Selectors of this program's GDT
MAIN            equ 0x18
SIDE            equ 0x20
GATE            equ 0x28        ; a task gate for SIDE
TASK16           equ 0x30        ; a 16-bit TSS
OTHER           equ 0x38
V8086           equ 0x40
ABSENT          equ 0x48        ; a data segment that is not present

; 32-bit TSS
TSS_LINK        equ 0x00
TSS_CR3         equ 0x1c
TSS_EIP         equ 0x20
TSS_EFLAGS      equ 0x24
TSS_EAX         equ 0x28
TSS_EBX         equ 0x34
TSS_ESP         equ 0x38
TSS_ES          equ 0x48
TSS_CS          equ 0x4c
TSS_SS          equ 0x50
TSS_DS          equ 0x54
TSS_FS          equ 0x58
TSS_GS          equ 0x5c
TSS_TRAP        equ 0x64
TSS_BYTES       equ 104

NT              equ 1 << 14
RF              equ 1 << 16
VM              equ 1 << 17

ROOT_A          equ 0x210000    ; page directories
ROOT_B          equ 0x211000
TABLE_A         equ 0x212000
TABLE_B         equ 0x213000
PDPT_A          equ 0x214000
PDPT_B          equ 0x214020
PAE_A           equ 0x215000
PAE_B           equ 0x216000
WINDOW          equ 0x800000    ; another page under each root
PAGE_A          equ 0x220000
PAGE_B          equ 0x221000
V8086_CODE      equ 0x42000
VECTOR_SELF     equ 0xf0
LOCAL_APIC      equ 0xfee00000

; Of the descriptor %1: its type, in eax.
%macro type_of 1
        movzx   eax, byte [tasks_gdt + (%1) + 5]
        and     eax, 15
%endmacro

%macro expect_type 3
        type_of %2
        expect  {%1}, eax, %3
%endmacro

%macro expect_dword 3
        mov     eax, %2
        expect  {%1}, eax, %3
%endmacro

; A task that begins at %2, with the stack %3, not yet running.
%macro new_task 3
        mov     edi, %1
        mov     ecx, TSS_BYTES / 4
        xor     eax, eax
        rep     stosd
        mov     eax, cr3
        mov     [%1 + TSS_CR3], eax
        mov     dword [%1 + TSS_EIP], %2
        mov     dword [%1 + TSS_EFLAGS], 2
        mov     dword [%1 + TSS_ESP], %3
        mov     dword [%1 + TSS_ES], DATA
        mov     dword [%1 + TSS_CS], CODE32
        mov     dword [%1 + TSS_SS], DATA
        mov     dword [%1 + TSS_DS], DATA
        mov     dword [%1 + TSS_FS], DATA
        mov     dword [%1 + TSS_GS], DATA
%endmacro

; The vector leads to a task.
%macro task_gate 2
        mov     dword [IDT + (%1) * 8], (%2) << 16
        mov     dword [IDT + (%1) * 8 + 4], 0xe500
%endmacro

start:
        enter_protected
        cld
        mov     al, 0xff                ; the PIT's ticks have vector 8 as a PC's firmware leaves it
        out     PIC_MASTER + 1, al
        out     PIC_SLAVE + 1, al
        lgdt    [tasks_gdt_pointer]
        new_task tss_side, side, 0x31000
        new_task tss_other, other, 0x32000
        mov     ax, MAIN
        ltr     ax

        ; --- JMP, there and back ---
        mov     dword [tss_side + TSS_EBX], 0x5a5a1234
        mov     dword [side_does], side_jumps
        mov     eax, cr0
        and     eax, ~8                 ; TS
        mov     cr0, eax
        mov     eax, 0x7ff              ; L0 to G3, LE, GE; nobody executes address 0
        xor     ebx, ebx
        mov     dr0, ebx
        mov     dr7, eax
        mov     ebx, 0x600d0001
        mov     ecx, 0x600d0002
        mov     ebp, 0x600d0003
        stc
        jmp     SIDE:0xf4f4f4f4
        mov     edx, 0
        adc     edx, edx
        expect  "jmp: the old flags are back", edx, 1
        expect  "jmp: registers are back: ebx", ebx, 0x600d0001
        expect  "jmp: ecx", ecx, 0x600d0002
        expect  "jmp: ebp", ebp, 0x600d0003
        expect_dword "jmp: the task ran", [side_count], 1
        expect_dword "jmp: with its own registers", [side_ebx], 0x5a5a1234
        expect_dword "jmp: not nested", [side_flags], 2
        expect_dword "jmp: no link", [tss_side + TSS_LINK], 0
        expect_type "jmp: the task is available", SIDE, 9
        expect_type "jmp: and this one busy", MAIN, 11
        str     eax
        expect  "jmp: TR", eax, MAIN
        mov     eax, cr0
        and     eax, 8
        expect  "jmp: TS is set", eax, 8
        clts
        mov     eax, dr7
        and     eax, 0x3ff
        expect  "jmp: local breakpoints are off, global ones on", eax, 0x2aa
        xor     eax, eax
        mov     dr7, eax

        ; --- CALL and IRET, directly and through a gate; a task goes on where it was ---
        mov     dword [side_does], side_returns
        mov     dword [tss_side + TSS_EIP], side
        call    SIDE:0xf4f4f4f4
        expect_dword "call: the task ran", [side_count], 2
        expect_dword "call: it is nested", [side_flags], NT | 2
        expect_dword "call: in this one", [tss_side + TSS_LINK], MAIN
        expect_type "call: it is available again", SIDE, 9
        expect_dword "call: it is left without NT", [tss_side + TSS_EFLAGS], 2
        pushfd
        pop     eax
        and     eax, NT
        expect  "call: no NT here", eax, 0
        call    GATE:0xf4f4f4f4
        expect_dword "gate: the task went on behind its IRET", [side_again], 1
        expect_dword "gate: and ran", [side_count], 3
        expect_fault "call: a task that is busy", EXCEPTION_GP, MAIN, call MAIN:0

        ; --- By interrupts: INT n, a fault with and without an error code, INT3 ---
        task_gate 0x80, SIDE
        int     0x80
        expect_dword "int: the task ran", [side_count], 4
        int     0x80
        expect_dword "int: and again", [side_count], 5
        task_gate EXCEPTION_BP, SIDE
        int3
        expect_dword "int3: the task ran", [side_count], 6
        mov     dword [tss_side + TSS_EIP], side
        mov     dword [tss_side + TSS_ESP], 0x31000
        mov     dword [side_does], side_skips
        task_gate EXCEPTION_GP, SIDE
        mov     eax, 0x1234
        align   4, nop
.bad:   mov     es, ax                  ; two bytes
        expect_dword "#GP: error code on the task's stack", [side_error], 0x1234
        expect_dword "#GP: eip of the instruction", [side_old_eip], .bad
        mov     eax, [side_old_flags]
        and     eax, RF
        expect  "#GP: RF in the saved flags", eax, RF
        expect_dword "#GP: the task's stack is where it was", [tss_side + TSS_ESP], 0x31000
        mov     dword [IDT + EXCEPTION_GP * 8 + 4], 0x8e00
        mov     eax, stubs_32 + 16 * EXCEPTION_GP
        mov     [IDT + EXCEPTION_GP * 8], ax
        mov     word [IDT + EXCEPTION_GP * 8 + 2], CODE32
        mov     dword [tss_side + TSS_EIP], side
        mov     dword [side_does], side_mends
        task_gate EXCEPTION_DE, SIDE
        xor     edx, edx
        mov     eax, 1500
        mov     dword [divisor], 0
        div     dword [divisor]
        expect  "#DE: once more, and done", eax, 150

        ; --- By the local APIC: an interrupt, and NMIs, one of them in an NMI's task ---
        mov     dword [LOCAL_APIC + 0xf0], 0x1ff
        mov     dword [LOCAL_APIC + 0x310], 0
        task_gate VECTOR_SELF, SIDE
        mov     dword [tss_side + TSS_EIP], side
        mov     dword [side_does], side_ends_interrupt
        mov     dword [side_count], 0
        sti
        mov     dword [LOCAL_APIC + 0x300], 1 << 18 | VECTOR_SELF
        nop
        nop
        cli
        expect_dword "interrupt: the task ran", [side_count], 1
        expect_dword "interrupt: with interrupts off", [side_flags], NT | 2
        task_gate 2, SIDE
        mov     dword [tss_side + TSS_EIP], side
        mov     dword [side_does], side_sends_nmi
        mov     dword [side_count], 0
        mov     dword [LOCAL_APIC + 0x300], 4 << 8
        nop
        nop
        expect_dword "NMI: not in an NMI's task", [side_nested], 1
        expect_dword "NMI: but after its IRET", [side_count], 2

        ; --- A 16-bit task ---
        mov     word [tss_short + 0x0e], short_task
        mov     word [tss_short + 0x10], 2
        mov     word [tss_short + 0x12], 0x4242
        mov     word [tss_short + 0x1a], 0x7000
        mov     word [tss_short + 0x22], DATA
        mov     word [tss_short + 0x24], CODE32
        mov     word [tss_short + 0x26], DATA
        mov     word [tss_short + 0x28], DATA
        call    TASK16:0
        expect_dword "16-bit: ax", [short_ax], 0x4242
        expect_dword "16-bit: FS is null", [short_fs], 0
        movzx   eax, word [tss_short]
        expect  "16-bit: link", eax, MAIN
        expect_type "16-bit: available again", TASK16, 1
        movzx   eax, word [tss_short + 0x12]
        expect  "16-bit: saved", eax, 0x4343

        ; --- T flag: #DB before the task's first instruction ---
        mov     dword [tss_side + TSS_EIP], side
        mov     dword [side_does], side_returns
        mov     dword [tss_side + TSS_TRAP], 1
        xor     eax, eax
        mov     dr6, eax
        mov     dword [trap_resume], side
        call    SIDE:0
        mov     dword [tss_side + TSS_TRAP], 0
        mov     dword [trap_resume], 0
        expect_dword "T flag: an exception", [trap_vector], EXCEPTION_DB
        expect_dword "T flag: at the beginning of the task", [trap_rip], side
        mov     eax, dr6
        and     eax, 0xe00f
        expect  "T flag: DR6.BT", eax, 0x8000

        ; --- Faults in the new task ---
        mov     dword [tss_side + TSS_EIP], side
        mov     dword [tss_side + TSS_GS], ABSENT
        mov     dword [tss_other + TSS_EIP], other
        task_gate EXCEPTION_NP, OTHER
        jmp     SIDE:0
        expect_dword "absent GS: error code", [other_error], ABSENT
        expect_dword "absent GS: at the first instruction of the new task", [tss_side + TSS_EIP], side
        expect_dword "absent GS: its task is the one that faulted", [tss_other + TSS_LINK], SIDE
        expect_type "absent GS: that is busy", SIDE, 11
        and     byte [tasks_gdt + SIDE + 5], ~2
        mov     dword [tss_side + TSS_GS], DATA
        mov     dword [tss_side + TSS_SS], CODE32
        mov     dword [tss_other + TSS_EIP], other
        and     byte [tasks_gdt + OTHER + 5], ~2
        task_gate 10, OTHER
        jmp     SIDE:0
        expect_dword "bad SS: error code", [other_error], CODE32
        and     byte [tasks_gdt + SIDE + 5], ~2
        and     byte [tasks_gdt + OTHER + 5], ~2
        mov     dword [tss_side + TSS_SS], DATA

        ; --- Into a virtual-8086 task by IRET, and back by an exception's gate ---
        mov     word [V8086_CODE], 0x0b0f       ; ud2
        new_task tss_v8086, 0, 0x1000
        mov     dword [tss_v8086 + TSS_EFLAGS], VM | 2
        mov     dword [tss_v8086 + TSS_CS], V8086_CODE >> 4
        mov     dword [tss_v8086 + TSS_DS], 0x1234
        task_gate EXCEPTION_UD, MAIN
        mov     word [tss_main + TSS_LINK], V8086
        pushfd
        or      dword [esp], NT
        popfd
        iretd
        pushfd
        pop     eax
        and     eax, NT
        expect  "V8086: came back nested", eax, NT
        expect_dword "V8086: from there", [tss_main + TSS_LINK], V8086
        expect_dword "V8086: from its first instruction", [tss_v8086 + TSS_EIP], 0
        movzx   eax, word [tss_v8086 + TSS_DS]
        expect  "V8086: its segments", eax, 0x1234
        mov     eax, [tss_v8086 + TSS_EFLAGS]
        and     eax, VM
        expect  "V8086: its flags", eax, VM
        pushfd
        and     dword [esp], ~NT
        popfd

        ; --- CR3: 32-bit paging ---
        mov     edi, ROOT_A
        mov     eax, 0x83               ; 4 MiB, present, writable
        mov     ecx, 1024
.root:  mov     [edi], eax
        mov     [edi + 0x1000], eax
        add     eax, 0x400000
        add     edi, 4
        loop    .root
        mov     dword [ROOT_A + (WINDOW >> 22) * 4], TABLE_A + 3
        mov     dword [ROOT_B + (WINDOW >> 22) * 4], TABLE_B + 3
        mov     dword [TABLE_A], PAGE_A + 3
        mov     dword [TABLE_B], PAGE_B + 3
        mov     dword [TABLE_A + 4], 0
        mov     dword [TABLE_B + 4], 0
        mov     dword [PAGE_A], 0xaaaaaaaa
        mov     dword [PAGE_B], 0xbbbbbbbb
        mov     eax, ROOT_A
        mov     cr3, eax
        mov     eax, cr4
        or      eax, 1 << 4             ; PSE
        mov     cr4, eax
        mov     eax, cr0
        bts     eax, 31
        mov     cr0, eax
        mov     dword [tss_main + TSS_CR3], ROOT_A
        mov     dword [tss_side + TSS_CR3], ROOT_B
        call    .windows

        ; --- and PAE paging ---
        mov     eax, cr0
        btr     eax, 31
        mov     cr0, eax
        mov     edi, PAE_A
        mov     eax, 0x83               ; 2 MiB
        mov     ecx, 512
.pae:   mov     [edi], eax
        mov     dword [edi + 4], 0
        mov     [edi + 0x1000], eax
        mov     dword [edi + 0x1004], 0
        add     eax, 0x200000
        add     edi, 8
        loop    .pae
        mov     dword [TABLE_A + 4], 0
        mov     dword [TABLE_B + 4], 0
        mov     dword [PAE_A + (WINDOW >> 21) * 8], TABLE_A + 3
        mov     dword [PAE_B + (WINDOW >> 21) * 8], TABLE_B + 3
        mov     edi, PDPT_A
        xor     eax, eax
        mov     ecx, 0x40 / 4
        rep     stosd
        mov     dword [PDPT_A], PAE_A + 1
        mov     dword [PDPT_B], PAE_B + 1
        mov     eax, PDPT_A
        mov     cr3, eax
        mov     eax, cr4
        or      eax, 1 << 5             ; PAE
        mov     cr4, eax
        mov     eax, cr0
        bts     eax, 31
        mov     cr0, eax
        mov     dword [tss_main + TSS_CR3], PDPT_A
        mov     dword [tss_side + TSS_CR3], PDPT_B
        call    .windows

        ; A page fault on the way: nothing has happened, and the instruction can be repeated.
        mov     dword [tasks_gdt + OTHER], TSS_BYTES - 1
        mov     dword [tasks_gdt + OTHER + 4], 0x40008900       ; in the second GiB
        expect_fault "a TSS that is not there", EXCEPTION_PF, 0, jmp OTHER:0
        str     eax
        expect  "a TSS that is not there: TR", eax, MAIN
        expect_type "a TSS that is not there: still this task", MAIN, 11
        finish

; Each task sees its own page.
.windows:
        mov     dword [tss_side + TSS_EIP], side
        mov     dword [side_does], side_looks
        mov     dword [side_window], 0
        call    SIDE:0
        expect_dword "CR3: the task's", [side_window], 0xbbbbbbbb
        expect_dword "CR3: this one's again", [WINDOW], 0xaaaaaaaa
        ret

; --- The tasks --------------------------------------------------------------------------------------

side:   inc     dword [side_count]
        mov     [side_ebx], ebx
        pushfd
        pop     dword [side_flags]
        jmp     [side_does]

side_jumps:
        jmp     MAIN:0

side_returns:
        iretd
        inc     dword [side_again]
        jmp     side

; The fault's instruction has two bytes.
side_skips:
        pop     dword [side_error]
        mov     eax, [tss_main + TSS_EIP]
        mov     [side_old_eip], eax
        add     dword [tss_main + TSS_EIP], 2
        mov     eax, [tss_main + TSS_EFLAGS]
        mov     [side_old_flags], eax
        iretd

side_mends:
        mov     dword [divisor], 10
        iretd

side_ends_interrupt:
        mov     dword [LOCAL_APIC + 0xb0], 0
        iretd
        jmp     side

side_sends_nmi:
        cmp     dword [side_count], 1
        jne     .return
        mov     dword [LOCAL_APIC + 0x300], 4 << 8
        nop
        nop
        mov     eax, [side_count]
        mov     [side_nested], eax
.return:
        iretd
        jmp     side

side_looks:
        mov     eax, [WINDOW]
        mov     [side_window], eax
        iretd

; Entered for a fault with an error code; back to the first task, which was left by JMP.
other:  pop     dword [other_error]
        jmp     MAIN:0

short_task:
        mov     [short_ax], ax
        mov     [short_fs], fs
        mov     ax, 0x4343
        iretd

        align   8
tasks_gdt:
        dq      0
        dq      0x00cf9b000000ffff              ; CODE32, as before
        dq      0x00cf93000000ffff              ; DATA
        dw      TSS_BYTES - 1, tss_main, 0x8900, 0
        dw      TSS_BYTES - 1, tss_side, 0x8900, 0
        dw      0, SIDE, 0x8500, 0
        dw      43, tss_short, 0x8100, 0
        dw      TSS_BYTES - 1, tss_other, 0x8900, 0
        dw      TSS_BYTES - 1, tss_v8086, 0x8b00, 0
        dq      0x00cf13000000ffff              ; absent
tasks_gdt_pointer:
        dw      tasks_gdt_pointer - tasks_gdt - 1
        dq      tasks_gdt

        align   4
side_does:      dd 0
side_count:     dd 0
side_again:     dd 0
side_ebx:       dd 0
side_flags:     dd 0
side_error:     dd 0
side_old_eip:   dd 0
side_old_flags: dd 0
side_nested:    dd 0
side_window:    dd 0
other_error:    dd 0
short_ax:       dd 0
short_fs:       dd 0
divisor:        dd 0
tss_main:       times TSS_BYTES db 0
tss_side:       times TSS_BYTES db 0
tss_other:      times TSS_BYTES db 0
tss_v8086:      times TSS_BYTES db 0
tss_short:      times 44 db 0
