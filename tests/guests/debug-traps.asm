; SPDX-License-Identifier: BSD-2-Clause
; A guest that debugs itself: single steps, and breakpoints on data and ports, come where the processor
; would let them come, also for what the monitor carries out and with interrupts at the same time. And
; the shadows of STI and MOV SS end with the next instruction. Intel SDM vol. 3B, "Debug Exceptions";
; vol. 3A, "Priority Among Concurrent Events", "Masking Exceptions and Interrupts When Switching
; Stacks".
%include "tests/guests/guest.inc"
%include "tests/guests/debug.inc"

APIC            equ 0xfee00000
ICR             equ 0x300
SELF            equ 0x44000             ; a fixed interrupt to itself
SELF_NMI        equ 0x44400
VECTOR          equ 0x51
IO_APIC         equ 0xfec00000
WINDOW          equ IO_APIC + 0x10
RAM             equ 0x300000            ; watched
PORT            equ 0x80
DR6_BD          equ 1 << 13
DR6_BS          equ 1 << 14

        bits    64
irq_rip:
        dq      0
; The hook of interrupts keeps where they came from, which lies above its own return address, rdx, rax,
; the vector and the error code.
end_of_interrupt:
        mov     rax, [rsp + 5 * 8]
        mov     [irq_rip], rax
        mov     dword [r15 + 0xb0], 0
        ret

; The handler of NMIs keeps where it came from.
nmi_rip:
        dq      0
nmi_handler:
        push    rax
        mov     rax, [rsp + 8]
        mov     [nmi_rip], rax
        pop     rax
        iretq
        bits    16

; An instruction that makes an interrupt deliverable is stepped: the trap comes first.
%macro step_interrupt 2+
        call    debug_clear
        mov     dword [irq_log_count], 0
        sti
        nop
        step
        %2
%%behind:
        nop
        nop
        cli
        expect  {%1, ": before the interrupt"}, [debug_irqs], 0
        expect  {%1, ": which came"}, [irq_log_count], 1
        expect_trap {%1}, %%behind, DR6_BS
%endmacro

; While an interrupt waits: STI, perhaps another instruction with a shadow, one instruction, CLI. The
; interrupt comes before CLI. %2: what begins the shadow.
%macro shadow 3+
        mov     dword [irq_log_count], 0
        mov     dword [r15 + 0x310], 0
        mov     dword [r15 + ICR], SELF | VECTOR
        nop
        %2
        %3
        cli
        expect  {%1, ": came"}, [irq_log_count], 1
        sti                             ; where it did not
        nop
        cli
%endmacro

; Each with STI, and with MOV SS behind STI.
%macro shadows 2+
        %2                              ; what is known of it
        mov     ebx, UNCLAIMED
        shadow  {"sti; ", %1}, sti, %2
        mov     ebx, UNCLAIMED
        shadow  {"sti; mov ss; ", %1}, {sti_and_mov_ss}, %2
%endmacro
%macro sti_and_mov_ss 0
        mov     r8d, DATA
        sti
        mov     ss, r8d
%endmacro

%macro resume_flag 2+
        attempt %2
        mov     rax, [trap_rflags]
        shr     eax, 16
        and     eax, 1
        expect  {%1, ": RF"}, rax, 1
%endmacro

; The string instruction is the last of each.
%macro insb_to_ram 0
        mov     edi, RAM
        insb
%endmacro
%macro outsb_from_ram 0
        mov     esi, RAM
        outsb
%endmacro

        bits    64
load:   mov     eax, [rbx]
.behind:
        ret
        bits    16

start:
        enter_long
        call    pic_setup
        call    debug_setup
        mov     word [IDT + 2 * 16], nmi_handler
        mov     r15d, APIC
        mov     qword [irq_hook], end_of_interrupt
        mov     dword [irq_manual_eoi], 1
        mov     dword [r15 + 0xf0], 0x1ff
        mov     dword [r15 + 0x310], 0
        mov     rax, cr4
        or      eax, 1 << 3             ; DE
        mov     cr4, rax

        say     "single steps and interrupts"
        step_interrupt "ICR", mov dword [r15 + ICR], SELF | VECTOR
        step_interrupt "ICR, once more", mov dword [r15 + ICR], SELF | VECTOR
        ; An NMI comes with the first instruction of the trap's handler.
        step
        mov     dword [r15 + ICR], SELF_NMI
.behind_nmi:
        nop
        expect  "NMI: which came", [nmi_rip], debug_handler
        expect_trap "NMI", .behind_nmi, DR6_BS
        mov     eax, 15
        mov     cr8, rax
        mov     dword [r15 + ICR], SELF | VECTOR
        xor     eax, eax
        step_interrupt "CR8", mov cr8, rax
        mov     eax, 0xf0
        mov     [r15 + 0x80], eax
        mov     dword [r15 + ICR], SELF | VECTOR
        xor     eax, eax
        step_interrupt "TPR", mov [r15 + 0x80], eax

        say     "shadows"
        shadows "nop", nop
        xor     eax, eax
        shadows "in", in al, PORT
        shadows "out", out PORT, al
        shadows "mmio load", mov eax, [rbx]
        shadows "mmio store", mov [rbx], eax
        shadows "mmio comparison", cmp [rbx], eax
        shadows "mmio read and write", inc dword [rbx]
        xor     eax, eax
        shadows "cpuid", cpuid
        mov     ecx, 0x8b
        shadows "rdmsr", rdmsr
        shadows "wrmsr", wrmsr
        mov     edi, RAM
        mov     edx, PORT
        shadows "insb", insb
        mov     esi, RAM
        shadows "outsb", outsb
        shadows "wbinvd", wbinvd
        mov     ecx, 2
        shadows "rep insb", rep insb

        ; MOV SS from a device, whose shadow the monitor begins.
        mov     edi, IO_APIC
        mov     dword [rdi], 0x12
        mov     edi, WINDOW
        mov     dword [rdi], 0x10000 | DATA
        call    debug_clear
        step
        mov     ss, [rdi]
        nop
.behind_nop:
        expect_trap "mov ss from a device, stepped", .behind_nop, DR6_BS
        mov     dword [irq_log_count], 0
        mov     dword [r15 + ICR], SELF | VECTOR
        nop
        sti
        mov     ss, [rdi]
        nop
.behind_nop_2:
        nop
        cli
        expect  "mov ss from a device: an instruction, then the interrupt", [irq_rip], .behind_nop_2

        say     "the resume flag in what faults push"
        resume_flag "ud2", ud2
        mov     ecx, 0x12345
        resume_flag "rdmsr", rdmsr
        resume_flag "wrmsr", wrmsr
        resume_flag "vmcall", vmcall
        resume_flag "rdpmc", rdpmc
        mov     eax, 16
        resume_flag "mov cr8", mov cr8, rax
        mov     rax, cr4
        bts     rax, 40
        resume_flag "mov cr4", mov cr4, rax
        mov     qword [PAGE_DIRECTORY + 2 * 8], 0
        invlpg  [0x400000]
        mov     edi, 0x400000
        mov     edx, PORT
        resume_flag "insb", insb
        mov     esi, UNCLAIMED
        resume_flag "movsb from a device", movsb

        say     "data breakpoints and the shadow of MOV SS"
        mov     word [RAM], DATA
        call    debug_clear
        watch   0, RAM, WATCH_ANY_2
        mov     ss, [RAM]
        in      al, PORT
.behind_in:
        nop
        expect_trap "mov ss; in", .behind_in, 1
        watch   0, RAM, WATCH_ANY_2
        step
        mov     ss, [RAM]
        in      al, PORT
.behind_in_2:
        nop
        expect_trap "mov ss; in, stepped", .behind_in_2, DR6_BS | 1
        mov     ebx, UNCLAIMED
        watch   0, RAM, WATCH_ANY_2
        mov     ss, [RAM]
        mov     eax, [rbx]
.behind_load:
        nop
        expect_trap "mov ss; mmio load", .behind_load, 1
        watch   0, RAM, WATCH_ANY_2
        watch   2, UNCLAIMED, WATCH_ANY_1
        mov     ss, [RAM]
        mov     eax, [rbx]
.behind_load_2:
        nop
        expect_trap "mov ss; mmio load, both watched", .behind_load_2, 5

        say     "breakpoints on ports"
    %macro port 4+                      ; name, port, kind, instruction
        watch   1, %2, %3
        %4
%%behind:
        nop
        expect_trap {%1}, %%behind, 2
    %endmacro
    %macro no_port 4+
        watch   1, %2, %3
        %4
        nop
        expect_traps {%1}, 0
    %endmacro
        mov     dx, PORT
        port    "out", PORT, WATCH_PORT_1, out PORT, al
        port    "in", PORT, WATCH_PORT_1, in al, PORT
        port    "in by dx", PORT, WATCH_PORT_1, in al, dx
        port    "a wider access", PORT + 1, WATCH_PORT_1, out dx, ax
        port    "a wider breakpoint", PORT, WATCH_PORT_2, out PORT + 1, al
        port    "insb", PORT, WATCH_PORT_1, insb_to_ram
        port    "outsb", PORT, WATCH_PORT_1, outsb_from_ram
        no_port "the port beside", PORT + 1, WATCH_PORT_1, out PORT, al
        no_port "memory at the port's number", PORT, WATCH_ANY_1, out PORT, al
        mov     rax, cr4
        and     eax, ~(1 << 3)
        mov     cr4, rax
        no_port "without CR4.DE", PORT, WATCH_PORT_1, out PORT, al
        mov     rax, cr4
        or      eax, 1 << 3
        mov     cr4, rax
        watch   1, PORT, WATCH_PORT_1
        mov     ecx, 3
        mov     esi, RAM
        rep     outsb
.behind_rep:
        nop
        expect  "rep outsb: before the last", [debug_rip + 8], .behind_rep - 2
        expect  "rep outsb: behind it", [debug_rip + 16], .behind_rep
        expect_traps "rep outsb", 3

        say     "breakpoints on what is not RAM"
    %macro data 4+
        watch   3, %2, %3
        %4
%%behind:
        nop
        expect_trap {%1}, %%behind, 8
    %endmacro
    %macro no_data 4+
        watch   3, %2, %3
        %4
        nop
        expect_traps {%1}, 0
    %endmacro
        mov     ebx, UNCLAIMED
        xor     eax, eax
        mov     ecx, 3
.known: call    load
        loop    .known
        watch   3, UNCLAIMED, WATCH_ANY_4
        call    load
        expect_trap "a known load", load.behind, 8
        mov     ecx, 3
.known_2:
        call    load
        loop    .known_2
        expect_traps "watched no more", 0
        data    "load", UNCLAIMED, WATCH_ANY_4, mov eax, [rbx]
        data    "load, inside", UNCLAIMED + 1, WATCH_ANY_1, mov eax, [rbx]
        data    "load, beside", UNCLAIMED, WATCH_ANY_4, mov al, [rbx + 3]
        data    "store", UNCLAIMED, WATCH_WRITE_4, mov [rbx], eax
        data    "read and write", UNCLAIMED, WATCH_WRITE_1, inc byte [rbx]
        data    "push", UNCLAIMED, WATCH_ANY_8, push qword [rbx]
        add     rsp, 8
        data    "insb: its memory", RAM, WATCH_WRITE_1, insb_to_ram
        data    "outsb: its memory", RAM, WATCH_ANY_1, outsb_from_ram
        mov     esi, UNCLAIMED
        mov     edi, RAM
        data    "movsb: its source", UNCLAIMED, WATCH_ANY_1, movsb
        mov     esi, UNCLAIMED
        mov     edi, RAM
        data    "movsb: its destination", RAM, WATCH_WRITE_1, movsb
        no_data "load, on writes", UNCLAIMED, WATCH_WRITE_4, mov eax, [rbx]
        no_data "load, beside it", UNCLAIMED + 4, WATCH_ANY_4, mov eax, [rbx]
        no_data "load, before it", UNCLAIMED - 1, WATCH_ANY_1, mov eax, [rbx]
        watch   0, UNCLAIMED, WATCH_ANY_4
        step
        mov     eax, [rbx]
.behind_both:
        nop
        expect_trap "load, stepped", .behind_both, DR6_BS | 1

        ; With an interrupt that the same instruction makes deliverable.
        watch   0, APIC + ICR, WATCH_WRITE_4
        mov     dword [irq_log_count], 0
        sti
        nop
        mov     dword [r15 + ICR], SELF | VECTOR
.behind_icr:
        nop
        nop
        cli
        expect  "store to ICR: before the interrupt", [debug_irqs], 0
        expect  "store to ICR: which came", [irq_log_count], 1
        expect_trap "store to ICR", .behind_icr, 1

        ; DR7.GD: the next MOV DR is the guest's fault, not done.
        mov     eax, 0x2400
        mov     dr7, rax
.guarded:
        mov     dr0, rax
        nop
        expect  "GD: on the instruction", [debug_rip], .guarded
        expect  "GD: RF", [debug_flags], 0x10002
        expect_traps "GD", 1
        finish
