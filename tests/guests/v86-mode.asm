; SPDX-License-Identifier: BSD-2-Clause
; Virtual-8086 mode is user mode, too: a task of it reads and writes what is not RAM, but does not end
; the guest by what is not emulated, not by code or a stack there either. Intel SDM vol. 3B, "8086
; Emulation", "Virtual-8086 Mode Extensions".
%include "tests/guests/guest.inc"

HOLE            equ 0xa000              ; a segment: RAM ends here
FLAGS           equ 1 << 17 | 3 << 12 | 2       ; VM, IOPL 3
TSS             equ 0x30                ; behind the segments of guest.inc
KERNEL_STACK    equ STACK - 0x400
REDIRECTED      equ 0x40                ; INT that goes to the task's own handler

        align   8
task_gdt:
        times   6 dq 0
        dq      0
task_gdt_end:
task_gdt_pointer:
        dw      task_gdt_end - task_gdt - 1
        dd      task_gdt
        align   16
tss:
        times   25 dd 0
        dw      0, 104 + 32             ; where the ports' bitmap begins, behind that of INT
        times   32 db 0                 ; every INT is redirected
        times   32 db 0xff
tss_end:

fault_vector:   dd 0
fault_error:    dd 0
fault_ip:       dd 0
task_stack:     dd 0                    ; a segment

        bits    32
; Faults of the task end it.
fault_ud:
        push    dword 0
        push    dword EXCEPTION_UD
        jmp     task_ends
fault_gp:
        push    dword EXCEPTION_GP
task_ends:
        mov     ax, DATA
        mov     ds, ax
        mov     es, ax
        pop     dword [fault_vector]
        pop     dword [fault_error]
        pop     dword [fault_ip]
        mov     esp, STACK
        jmp     ebp

set_gate:                               ; of vector ecx, to eax
        mov     [IDT + ecx * 8], ax
        ret

; Runs the 16-bit code at %2 as a task with ES and GS in the hole; it ends with this exception, at %4.
%macro task 4
        mov     ebp, %%back
        push    dword HOLE              ; GS
        push    dword 0                 ; FS
        push    dword 0                 ; DS
        push    dword HOLE              ; ES
        push    dword [task_stack]
        push    dword 0x7000            ; ESP
        push    dword FLAGS
        push    dword 0                 ; CS
        push    dword %2
        iretd
%%back: expect  %1, dword [fault_vector], %3
        expect  {%1, ": IP"}, dword [fault_ip], %4
%endmacro

        bits    16
loads:
        mov     ax, [es:0]
        mov     [es:2], ax
        inc     word [es:4]
.end:   hlt                             ; #GP, with IOPL 3 as well
x87:
        fild    qword [es:0]
        hlt
sse:
        movlps  xmm0, [es:0]
        hlt
ports:
        mov     si, 0
        outsb
.end:   hlt
jumps:
        jmp     HOLE:0x10
calls:
        push    ax
        pop     bx
.end:   hlt
interrupts:
        int     REDIRECTED
.end:   hlt
flags:
        pushf
        hlt

start:
        enter_protected
        mov     esi, gdt
        mov     edi, task_gdt
        mov     ecx, 12
        rep     movsd
        mov     eax, tss
        mov     word [task_gdt + TSS], tss_end - tss - 1
        mov     [task_gdt + TSS + 2], eax
        mov     byte [task_gdt + TSS + 5], 0x89
        mov     byte [task_gdt + TSS + 7], 0
        lgdt    [task_gdt_pointer]
        mov     dword [tss + 4], KERNEL_STACK
        mov     dword [tss + 8], DATA
        mov     ax, TSS
        ltr     ax
        mov     ecx, EXCEPTION_UD
        mov     eax, fault_ud
        call    set_gate
        mov     ecx, EXCEPTION_GP
        mov     eax, fault_gp
        call    set_gate
        mov     eax, cr4
        or      eax, 1 | 1 << 9         ; VME, OSFXSR
        mov     cr4, eax
        mov     word [REDIRECTED * 4], interrupts.end
        mov     word [REDIRECTED * 4 + 2], 0

        say     "what is not RAM"
        task    "loads and stores", loads, EXCEPTION_GP, loads.end
        task    "x87", x87, EXCEPTION_UD, x87
        task    "vectors", sse, EXCEPTION_UD, sse
        task    "a jump there", jumps, EXCEPTION_UD, 0x10
        task    "a port that it may not use", ports, EXCEPTION_GP, ports + 3
        say     "stacks"
        task    "INT, redirected", interrupts, EXCEPTION_GP, interrupts.end
        task    "a stack in RAM", calls, EXCEPTION_GP, calls.end
        mov     dword [task_stack], HOLE
        task    "a stack that is not RAM", calls, EXCEPTION_GP, calls.end
        task    "flags", flags, EXCEPTION_UD, flags
        ; The processor may take this for the delivery of an event, or not.
        mov     ebp, .back
        push    dword HOLE
        push    dword 0
        push    dword 0
        push    dword HOLE
        push    dword HOLE
        push    dword 0x7000
        push    dword FLAGS
        push    dword 0
        push    dword interrupts
        iretd
.back:  expect  "INT, redirected, there: where it was", dword [fault_ip], interrupts
        finish
