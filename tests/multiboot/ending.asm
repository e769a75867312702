; SPDX-License-Identifier: BSD-2-Clause
; A 32-bit Multiboot kernel in ELF that ends the way the second word of its command line says; it
; stays in the state the loader left, without stack, tables or paging of its own.
;   byte, word, dword   a write of that size to port 0xf4; the bytes above it do not count
;   shutdown            "Shutdown" to port 0x8900, after a false start
;   string              the same by REP OUTSB
;   halt                halted with interrupts off
;   idle                halted with interrupts on until the timer, as the BIOS has set 8259A and 8254
;                       up, has ticked three times

DEBUG_CONSOLE   equ 0xe9
DEBUG_EXIT      equ 0xf4
SHUTDOWN        equ 0x8900

MAGIC   equ     0x1badb002
FLAGS   equ     1 << 0 | 1 << 1         ; modules on pages, memory information
CMDLINE equ     16

        bits    32
        global  start
        section .text
        align   4
header: dd      MAGIC, FLAGS, -(MAGIC + FLAGS)

start:
        cmp     eax, 0x2badb002
        jne     wrong
        test    byte [ebx], 1 << 2
        jz      wrong
        mov     esi, [ebx + CMDLINE]
.skip:  lodsb
        test    al, al
        jz      wrong
        cmp     al, ' '
        jne     .skip
        mov     eax, [esi]
        mov     edi, 0x12345678         ; what is written, as wide as the port takes it
        mov     edx, DEBUG_EXIT
        cmp     eax, 'byte'
        je      out_byte
        cmp     eax, 'word'
        je      out_word
        cmp     eax, 'dwor'
        je      out_dword
        cmp     eax, 'shut'
        je      shutdown
        cmp     eax, 'stri'
        je      string
        cmp     eax, 'halt'
        je      halt
        cmp     eax, 'idle'
        je      idle
wrong:  mov     al, 0x7e
        out     DEBUG_EXIT, al
        jmp     halt

out_byte:
        mov     eax, edi
        out     dx, al
        jmp     halt
out_word:
        mov     eax, edi
        out     dx, ax
        jmp     halt
out_dword:
        mov     eax, edi
        out     dx, eax
        jmp     halt

shutdown:
        mov     esi, false_start
        mov     ecx, false_start_end - false_start
        mov     dx, SHUTDOWN
.next:  lodsb
        out     dx, al
        loop    .next
        jmp     halt

string: mov     esi, the_word
        mov     ecx, false_start_end - the_word
        mov     dx, SHUTDOWN
        rep outsb
        jmp     halt

idle:   mov     esp, stack
        mov     al, 0xfe                ; only the timer
        out     0x21, al
        mov     al, 0xff
        out     0xa1, al
        lgdt    [gdt_pointer]
        mov     eax, on_timer
        mov     [idt_entry], ax
        mov     word [idt_entry + 2], 8
        shr     eax, 16
        mov     [idt_entry + 6], ax
        lidt    [idt_pointer]
        jmp     8:.here
.here:  sti
        hlt
        hlt
        hlt
        jmp     wrong

on_timer:
        mov     al, 0x20
        out     0x20, al
        inc     dword [tick_count]
        cmp     dword [tick_count], 3
        jb      .back
        xor     eax, eax
        out     DEBUG_EXIT, al
.back:  iretd

halt:   cli
        hlt
        jmp     halt

        section .data
false_start:
        db      "Shutdow"               ; the next S begins the word anew
the_word:
        db      "Shutdown"
false_start_end:
        align   8
gdt:    dq      0, 0x00cf9b000000ffff, 0x00cf93000000ffff
gdt_pointer:
        dw      $ - gdt - 1
        dd      gdt
idt_pointer:
        dw      9 * 8 - 1
        dd      idt
tick_count:
        dd      0
        align   8
idt:    times 8 dq 0
idt_entry:                              ; vector 8: the timer's, as the BIOS has the 8259A
        dw      0, 0, 0x8e00, 0

        section .bss
        align   16
        resb    1024
stack:
