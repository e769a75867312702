; SPDX-License-Identifier: BSD-2-Clause
; INS and OUTS: sizes, REP, address sizes, direction, wrap, segments, and page faults in the middle,
; in real mode, 32-bit and 64-bit code. Intel SDM vol. 2A/2B, "INS/INSB/INSW/INSD" and "OUTS".
;
; The other side is COM1 in loopback with its FIFO on: bytes written come back in order. The debug
; console reads as 0xe9; port 0x5f0 as ones.
%include "tests/guests/guest.inc"

BUFFER  equ 0x30000             ; in 16-bit code: segment 0x3000

        align   16
source: db      "sixteen bytes ok"
        bits    16

; Loopback, FIFO on and empty.
%macro uart_loopback 0
        mov     dx, COM1 + 3
        mov     al, 0x80
        out     dx, al
        mov     dx, COM1
        mov     al, 1
        out     dx, al
        inc     dx
        xor     al, al
        out     dx, al
        mov     dx, COM1 + 3
        mov     al, 3
        out     dx, al
        inc     dx
        mov     al, 0x10
        out     dx, al
        mov     dx, COM1 + 2
        mov     al, 7
        out     dx, al
        mov     dx, COM1
%endmacro

; Until all of them have come back: spins on LSR, bounded. Keeps dx = COM1.
%macro uart_settle 0
        mov     ecx, 20000
%%wait: mov     dx, COM1 + 5
        in      al, dx
        loop    %%wait
        mov     dx, COM1
%endmacro

start:
        ; --- 16-bit code ---
        uart_loopback
        cld
        mov     si, source
        mov     ecx, 0xffff0010         ; CX counts, the rest of ECX stays
        rep     outsb
        expect  "16: outsb count", ecx, 0xffff0000
        mov     eax, esi
        expect  "16: outsb SI", eax, source + 16
        uart_settle
        mov     ax, BUFFER >> 4
        mov     es, ax
        mov     edi, 0xabcd0100
        mov     cx, 16
        rep     insb
        expect  "16: insb DI", edi, 0xabcd0110
        mov     eax, [es:0x100]
        expect  "16: insb bytes", eax, 'sixt'
        mov     eax, [es:0x10c]
        expect  "16: insb last bytes", eax, 's ok'

        ; DI wraps within its 64 KiB.
        mov     dword [es:0xfffc], 0
        mov     dword [es:0], 0
        mov     dx, DEBUG_CONSOLE
        mov     edi, 0xfffe
        mov     cx, 4
        rep     insb
        expect  "16: DI wrapped", edi, 2
        mov     eax, [es:0xfffc]
        expect  "16: before the wrap", eax, 0xe9e90000
        mov     eax, [es:0]
        expect  "16: after the wrap", eax, 0x0000e9e9

        ; Backwards, words.
        mov     dword [es:0x200], 0
        mov     dword [es:0x204], 0
        mov     dx, 0x5f0
        mov     di, 0x204
        mov     cx, 2
        std
        rep     insw
        cld
        expect  "16: insw down, DI", edi, 0x200
        mov     eax, [es:0x200]
        expect  "16: insw down, low", eax, 0xffff0000
        mov     eax, [es:0x204]
        expect  "16: insw down, high", eax, 0x0000ffff

        ; A count of zero does nothing; no REP does one.
        mov     di, 0x300
        mov     dword [es:0x300], 0
        xor     cx, cx
        rep     insd
        expect  "16: zero count", edi, 0x300
        insd
        expect  "16: insd alone", edi, 0x304
        expect  "16: insd data", [es:0x300], 0xffffffff

        ; The source's segment can be overridden, the destination's cannot.
        uart_loopback
        mov     ax, BUFFER >> 4
        mov     fs, ax
        mov     dword [fs:0x400], 'over'
        mov     si, 0x400
        mov     cx, 4
        db      0x64                    ; fs
        rep     outsb
        uart_settle
        mov     di, 0x500
        mov     cx, 4
        xor     ax, ax
        mov     fs, ax
        db      0x64                    ; fs: ignored
        rep     insb
        mov     eax, [es:0x500]
        expect  "16: segment override", eax, 'over'

        ; 32-bit addresses in 16-bit code.
        uart_loopback
        mov     esi, source
        mov     ecx, 8
        a32 rep outsb
        expect  "16: a32 outsb ESI", esi, source + 8
        uart_settle
        mov     edi, 0x600
        mov     ecx, 8
        a32 rep insb
        expect  "16: a32 insb EDI", edi, 0x608
        expect  "16: a32 insb ECX", ecx, 0
        mov     eax, [es:0x604]
        expect  "16: a32 insb bytes", eax, 'een '

        ; Words and doublewords out: index and data of the CMOS in one.
        mov     word [es:0x700], 0x1153
        mov     word [es:0x702], 0x2254
        push    ds
        mov     ax, es
        mov     ds, ax
        mov     dx, RTC
        mov     si, 0x700
        mov     cx, 2
        rep     outsw
        pop     ds
        mov     al, 0x53
        out     RTC, al
        in      al, RTC + 1
        movzx   ebx, al
        expect  "16: outsw, first", ebx, 0x11
        mov     al, 0x54
        out     RTC, al
        in      al, RTC + 1
        movzx   ebx, al
        expect  "16: outsw, second", ebx, 0x22

        xor     ax, ax
        mov     es, ax
        mov     fs, ax

        ; --- 32-bit code ---
        enter_protected
        uart_loopback
        mov     esi, source
        mov     ecx, 16
        rep     outsb
        expect  "32: outsb ESI", esi, source + 16
        uart_settle
        mov     edi, BUFFER + 0x1000
        mov     ecx, 16
        rep     insb
        expect  "32: insb EDI", edi, BUFFER + 0x1010
        expect  "32: insb bytes", [BUFFER + 0x1004], 'een '
        mov     edi, BUFFER + 0x1000
        mov     dx, 0x5f0
        mov     ecx, 3
        rep     insd
        expect  "32: insd EDI", edi, BUFFER + 0x100c
        expect  "32: insd data", [BUFFER + 0x1008], 0xffffffff
        expect  "32: insd no further", [BUFFER + 0x100c], 's ok'

        ; 16-bit addresses: SI, DI and CX wrap, the rest stays.
        mov     dword [BUFFER], 0
        mov     edi, 0x1234fffe
        mov     ecx, 0x56780003
        mov     dx, DEBUG_CONSOLE
        mov     ax, DATA16
        mov     word [gdt + DATA16 + 2], BUFFER & 0xffff
        mov     byte [gdt + DATA16 + 4], BUFFER >> 16
        mov     es, ax
        a16 rep insb
        expect  "32: a16 EDI", edi, 0x12340001
        expect  "32: a16 ECX", ecx, 0x56780000
        expect  "32: a16 wrapped", [BUFFER], 0x000000e9
        mov     ax, DATA
        mov     es, ax

        ; A read-only destination: #GP before the port is read.
        uart_loopback
        mov     al, 'k'
        out     dx, al
        uart_settle
        mov     ax, CODE32
        mov     es, ax
        mov     edi, BUFFER
        mov     ecx, 1
        expect_fault "32: insb to a code segment", EXCEPTION_GP, 0, rep insb
        mov     ax, DATA
        mov     es, ax
        expect  "32: its count stands", ecx, 1
        mov     dx, COM1
        in      al, dx
        movzx   eax, al
        expect  "32: its port was not read", eax, 'k'

        ; --- 64-bit code ---
        enter_long
        uart_loopback
        mov     rsi, source
        mov     rcx, 16
        rep     outsb
        uart_settle
        mov     rdi, BUFFER + 0x2000
        mov     rcx, 16
        rep     insb
        expect  "64: insb RDI", rdi, BUFFER + 0x2010
        expect  "64: insb RCX", rcx, 0
        mov     rax, 's ok'
        mov     ebx, [BUFFER + 0x200c]
        expect  "64: insb bytes", rbx, rax

        ; 32-bit addresses: the upper halves are cleared.
        mov     rdi, 0xffffffff00000000 | (BUFFER + 0x2000)
        mov     rcx, 0xffffffff00000002
        mov     dx, 0x5f0
        a32 rep insd
        expect  "64: a32 RDI", rdi, BUFFER + 0x2008
        expect  "64: a32 RCX", rcx, 0

        ; FS has a base.
        mov     ecx, 0xc0000100
        mov     eax, source
        xor     edx, edx
        wrmsr
        uart_loopback
        xor     esi, esi
        mov     ecx, 4
        db      0x64
        rep     outsb
        uart_settle
        in      al, dx
        movzx   eax, al
        expect  "64: fs base", rax, 's'

        ; Downwards over a page border.
        mov     rdi, BUFFER + 0x3002
        mov     ecx, 5
        mov     dx, DEBUG_CONSOLE
        std
        rep     insb
        cld
        expect  "64: down, RDI", rdi, BUFFER + 0x2ffd
        mov     rax, [BUFFER + 0x2ffc]
        mov     rbx, 0x00e9e9e9e9e90000
        expect  "64: down, bytes", rax, rbx

        ; The page at 0x401000 is not there: the 2 MiB page is replaced by a table of its own.
        mov     edi, PAGE_TABLE
        mov     eax, 0x400003
        mov     ecx, 512
.entry: mov     [rdi], rax
        add     eax, 0x1000
        add     edi, 8
        loop    .entry
        mov     qword [PAGE_TABLE + 8], 0
        mov     qword [PAGE_DIRECTORY + 2 * 8], PAGE_TABLE + 3
        mov     rax, cr3
        mov     cr3, rax

        mov     rdi, 0x400ff0
        mov     ecx, 32
        mov     dx, DEBUG_CONSOLE
        mov     qword [trap_resume], .insb_fault
.insb:  rep     insb
.insb_fault:
        mov     qword [trap_resume], 0
        expect  "64: insb #PF", [trap_vector], EXCEPTION_PF
        expect  "64: insb #PF, a write", [trap_error], 2
        expect  "64: insb #PF address", [trap_cr2], 0x401000
        expect  "64: insb #PF, RIP on it", [trap_rip], .insb
        expect  "64: insb #PF, RCX", rcx, 16
        expect  "64: insb #PF, RDI", rdi, 0x401000
        mov     qword [PAGE_TABLE + 8], 0x401003
        mov     qword [0x401010], 0
        rep     insb                    ; goes on where it stopped
        expect  "64: insb went on", rdi, 0x401010
        mov     rax, [0x401008]
        mov     rbx, 0xe9e9e9e9e9e9e9e9
        expect  "64: insb to the end", rax, rbx
        expect  "64: insb no further", [0x401010], 0

        ; Nothing was taken from the port for a byte that could not be stored.
        uart_loopback
        mov     al, 'q'
        out     dx, al
        uart_settle
        call    unmap
        mov     rdi, 0x401000
        mov     ecx, 1
        expect_fault "64: insb at once", EXCEPTION_PF, 2, rep insb
        mov     dx, COM1
        in      al, dx
        movzx   eax, al
        expect  "64: its port was not read", rax, 'q'

        ; OUTS the same way: the scratch register holds the last byte that went out.
        mov     qword [0x400ff8], 0x11223344
        mov     dword [0x400ffc], 0x55667788
        mov     rsi, 0x400ffe
        mov     ecx, 4
        mov     dx, COM1 + 7
        expect_fault "64: outsb from no page", EXCEPTION_PF, 0, rep outsb
        expect  "64: outsb RCX", rcx, 2
        expect  "64: outsb RSI", rsi, 0x401000
        in      al, dx
        movzx   eax, al
        expect  "64: outsb last byte", rax, 0x55

        ; A doubleword across the border is stored whole or not at all.
        mov     dword [0x400ffc], 0
        mov     rdi, 0x400ffe
        mov     dx, 0x5f0
        expect_fault "64: insd across the border", EXCEPTION_PF, 2, insd
        mov     eax, [0x400ffc]
        expect  "64: nothing of it is stored", rax, 0
        expect  "64: and RDI stands", rdi, 0x400ffe
        mov     rdi, 0x800000000000
        expect_fault "64: insb not canonical", EXCEPTION_GP, 0, insb
        finish

unmap:  mov     qword [PAGE_TABLE + 8], 0
        invlpg  [0x401000]
        ret

PAGE_TABLE equ 0x200000
