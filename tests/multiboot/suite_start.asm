; SPDX-License-Identifier: BSD-2-Clause
; The way in of the test-suite kernel, as kernels written for `qemu -kernel` have it: a Multiboot
; header without any flag, 32-bit entry, on to 64-bit mode by itself; the other processors come from
; real mode at address 0. What the loader handed over is kept for suite_env.c before it changes.

MAGIC   equ     0x1badb002
CODE32  equ     0x08
DATA    equ     0x10
CODE64  equ     0x18

STACK_BYTES     equ 0x4000
CPUS_MAX        equ 8
SIPI_PAGE       equ 0

IA32_EFER       equ 0xc0000080

%macro keep_segments 1-*
  %assign at 0
  %rep %0
        mov     eax, %1
        movzx   eax, ax
        mov     [entry_registers.selectors + at], eax
        lsl     ecx, eax
        mov     [entry_registers.limits + at], ecx
        lar     ecx, eax
        mov     [entry_registers.rights + at], ecx
    %assign at at + 4
    %rotate 1
  %endrep
%endmacro

%macro push_all 1-*
  %rep %0
        push    %1
    %rotate 1
  %endrep
%endmacro

%macro pop_all 1-*
  %rep %0
        pop     %1
    %rotate 1
  %endrep
%endmacro

        extern  bss_start, bss_end, suite_main, suite_other_cpu, suite_trap
        global  start, entry_registers, sipi_code, sipi_code_end, trap_stubs
        global  other_cpu_cr0, other_cpu_edx, other_cpu_cs, other_cpu_stacks

        section .header progbits alloc noexec nowrite align=4
        dd      MAGIC, 0, -MAGIC

        section .data
        align   8
; struct entry_registers of suite.h
entry_registers:
.eax:           dd 0
.ebx:           dd 0
.eflags:        dd 0
.cr0:           dd 0
.cr4:           dd 0
.efer:          dd 0
.selectors:     times 6 dd 0            ; CS, DS, ES, FS, GS, SS
.limits:        times 6 dd 0
.rights:        times 6 dd 0
.a20_is_off:    dd 0
.bss_dirty_at:  dd 0

other_cpu_cr0:  dd 0
other_cpu_edx:  dd 0
other_cpu_cs:   dd 0
other_cpu_stacks:
                dd other_stacks

        align   8
gdt:    dq      0
        dq      0x00cf9b000000ffff      ; CODE32
        dq      0x00cf93000000ffff      ; DATA
        dq      0x00af9b000000ffff      ; CODE64
gdt_end:
gdt_pointer:
        dw      gdt_end - gdt - 1
        dq      gdt

        align   4096
; 4 GiB one to one, in pages of 2 MiB
page_directories:
%assign page 0
%rep 4 * 512
        dq      0x83 + page
  %assign page page + 0x200000
%endrep
page_directory_pointers:
%assign directory 0
%rep 4
        dq      page_directories + directory + 3
  %assign directory directory + 0x1000
%endrep
        align   4096
page_map:
        dq      page_directory_pointers + 3
        align   4096

        section .bss
        align   16
        resb    STACK_BYTES
stack:
other_stacks:                           ; each processor's begins where the next one's ends
        resb    STACK_BYTES * CPUS_MAX

        section .text
        bits    32
start:
        mov     [entry_registers.eax], eax
        mov     [entry_registers.ebx], ebx
        mov     esp, early_stack
        pushfd
        pop     dword [entry_registers.eflags]
        cld
        mov     edi, bss_start
        mov     ecx, bss_end
        sub     ecx, edi
        shr     ecx, 2
        xor     eax, eax
        repe scasd
        je      .clean
        mov     [entry_registers.bss_dirty_at], edi
.clean: mov     eax, cr0
        mov     [entry_registers.cr0], eax
        mov     eax, cr4
        mov     [entry_registers.cr4], eax
        mov     ecx, IA32_EFER
        rdmsr
        mov     [entry_registers.efer], eax
        keep_segments cs, ds, es, fs, gs, ss
        ; With A20 off, 1 MiB and 0 are the same byte.
        mov     al, [0x100000 + 0x600]
        mov     ah, [0x600]
        not     ah
        mov     [0x600], ah
        cmp     al, [0x100000 + 0x600]
        je      .differ
        mov     dword [entry_registers.a20_is_off], 1
.differ:
        mov     byte [0x600], 0
        call    long_mode
        jmp     CODE64:.here
        bits    64
.here:  mov     esp, stack
        xor     ebp, ebp
        call    suite_main
.stop:  cli
        hlt
        jmp     .stop

        bits    32
long_mode:
        lgdt    [gdt_pointer]
        mov     ax, DATA
        mov     ds, ax
        mov     es, ax
        mov     fs, ax
        mov     gs, ax
        mov     ss, ax
        mov     eax, cr4
        or      eax, 1 << 5             ; PAE
        mov     cr4, eax
        mov     eax, page_map
        mov     cr3, eax
        mov     ecx, IA32_EFER
        rdmsr
        or      eax, 1 << 8             ; LME
        wrmsr
        mov     eax, cr0
        or      eax, 1 << 31 | 1
        and     eax, ~(1 << 30 | 1 << 29) ; CD, NW
        mov     cr0, eax
        ret

other_cpu_32:
        mov     ax, DATA
        mov     ds, ax
        mov     ss, ax
        mov     [other_cpu_edx], edx
        mov     [other_cpu_cr0], ebx
        movzx   esi, si
        mov     [other_cpu_cs], esi
        mov     esp, STACK_BYTES
        lock xadd [other_cpu_stacks], esp
        add     esp, STACK_BYTES
        call    long_mode
        jmp     CODE64:.here
        bits    64
.here:  mov     esp, esp
        call    suite_other_cpu
.stop:  cli
        hlt
        jmp     .stop

; Copied to SIPI_PAGE.
        bits    16
sipi_code:
        mov     ebx, cr0
        mov     si, cs
        mov     eax, ebx
        or      al, 1
        mov     cr0, eax
        o32 lgdt [cs:sipi_gdt_pointer - sipi_code + SIPI_PAGE]
        jmp     dword CODE32:other_cpu_32
        align   4
sipi_gdt_pointer:
        dw      gdt_end - gdt - 1
        dd      gdt
sipi_code_end:

; --- Exceptions and interrupts: 256 stubs of 16 bytes -----------------------------------------------

        bits    64
        align   16
trap_stubs:
%assign vector 0
%rep 256
        align   16
  %if !(vector == 8 || (vector >= 10 && vector <= 14) || vector == 17 || vector == 21 || \
        vector == 29 || vector == 30)
        push    byte 0
  %endif
        push    strict qword vector
        jmp     near trap
  %assign vector vector + 1
%endrep

; Keeps what C may change, and calls suite_trap(struct trap_frame *).
trap:
        push_all rax, rcx, rdx, rsi, rdi, r8, r9, r10, r11
        cld
        mov     rdi, rsp
        push    rbp
        mov     rbp, rsp
        and     rsp, -16
        call    suite_trap
        mov     rsp, rbp
        pop     rbp
        pop_all r11, r10, r9, r8, rdi, rsi, rdx, rcx, rax
        add     rsp, 16
        iretq

        section .data
        times 8 dd 0
early_stack:

        section .note.GNU-stack noalloc noexec nowrite progbits
