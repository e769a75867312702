; SPDX-License-Identifier: BSD-2-Clause
; The local APIC's page: how instructions reach it, single-stepped, in strings, in odd sizes; elsewhere
; than at the usual place; the end of level-triggered interrupts, with and without its broadcast; HLT
; with an interrupt that waits already; the 8259's interrupts beside the APIC's. Intel SDM vol. 3A,
; "Advanced Programmable Interrupt Controller (APIC)". For one processor.
%include "tests/guests/guest.inc"
%include "tests/guests/smp.inc"

ELSEWHERE       equ 0xfed10000
COPY            equ 0x60000
UART_LINE       equ 4
UART_VECTOR     equ 0x64
REMOTE_IRR      equ 1 << 14
SVR_NO_BROADCAST equ 1 << 12

%macro put_base 1
        mov     ecx, IA32_APIC_BASE
        mov     eax, %1
        xor     edx, edx
        wrmsr
%endmacro

%include "tests/guests/com1-hook.inc"

; The UART's line asks with UART_VECTOR, [uart_left] times.
uart_asks:
        mov     qword [gs:PC_HOOK], on_uart
        mov     dx, COM1 + 4
        mov     al, 0x0b
        out     dx, al
        mov     dx, COM1 + 1
        mov     al, 2                   ; the transmitter is empty
        out     dx, al
        ret

        bits    16
start:
        enter_long
        call    smp_setup

        ; Instructions of all kinds.
        mov     eax, 0x23
        xchg    eax, [r15 + APIC_TPR]
        expect  "XCHG reads", rax, 0
        movzx   eax, byte [r15 + APIC_TPR]
        expect  "XCHG has written, MOVZX reads", rax, 0x23
        and     dword [r15 + APIC_TPR], 0xf0
        mov     ax, [r15 + APIC_TPR]
        movzx   eax, ax
        expect  "AND", rax, 0x20
        mov     rax, cr8
        expect  "CR8 after AND", rax, 2
        or      dword [r15 + APIC_LVT_ERROR], 0x3f
        mov     eax, [r15 + APIC_LVT_ERROR]
        expect  "OR", rax, LVT_MASKED | 0x3f
        mov     dword [r15 + APIC_LVT_ERROR], 0xffffffff
        mov     eax, [r15 + APIC_LVT_ERROR]
        expect  "reserved bits are not kept", rax, LVT_MASKED | 0xff
        mov     dword [r15 + APIC_TPR], 0xffffff00
        mov     eax, [r15 + APIC_TPR]
        expect  "TPR has 8 bits", rax, 0
        mov     eax, [r15 + 0x20]
        mov     dword [r15 + 0x20], 0x55000000
        mov     edx, [r15 + 0x20]
        expect  "ID cannot be written", rdx, rax
        mov     eax, [r15 + APIC_VERSION]
        mov     dword [r15 + APIC_VERSION], 0x55
        mov     edx, [r15 + APIC_VERSION]
        expect  "the version neither", rdx, rax
        mov     dword [r15 + APIC_IRR + 0x20], 0xffffffff
        mov     eax, [r15 + APIC_IRR + 0x20]
        expect  "nor IRR", rax, 0
        mov     dword [r15 + APIC_ICR_HIGH], 0x12345678
        mov     eax, [r15 + APIC_ICR_HIGH]
        expect  "ICR high has 8 bits", rax, 0x12000000
        mov     dword [r15 + APIC_LDR], 0x12345678
        mov     eax, [r15 + APIC_LDR]
        expect  "LDR has 8 bits", rax, 0x12000000
        mov     dword [r15 + APIC_DFR], 0
        mov     eax, [r15 + APIC_DFR]
        expect  "DFR has 4", rax, 0x0fffffff
        mov     dword [r15 + APIC_DFR], 0xffffffff
        lea     rsi, [r15 + APIC_SVR]
        mov     edi, COPY
        mov     ecx, 1
        cld
        rep     movsd
        expect_dword "string read", [COPY], 0x1ff
        mov     dword [COPY], 0x40
        mov     esi, COPY
        lea     rdi, [r15 + APIC_TPR]
        movsd
        mov     eax, [r15 + APIC_TPR]
        expect  "string write", rax, 0x40
        mov     dword [r15 + APIC_TPR], 0
        mov     rax, [r15 + APIC_SVR]
        expect  "eight bytes are no register", rax, 0

        ; Single-stepped, each traps behind itself: a write that is carried out outside, a read, one
        ; that is not.
        mov     qword [trap_count], 0
        mov     qword [trap_resume], .behind_write
        pushfq
        or      dword [rsp], 1 << 8
        popfq
        mov     dword [r15 + APIC_LVT_ERROR], LVT_MASKED | 0x41
.behind_write:
        mov     qword [trap_resume], 0
        expect  "single step: #DB", [trap_vector], EXCEPTION_DB
        mov     eax, .behind_write
        expect  "single step: behind the write", [trap_rip], rax
        mov     eax, [r15 + APIC_LVT_ERROR]
        expect  "single step: it was written", rax, LVT_MASKED | 0x41

        ; HLT with an interrupt that waits, and one that comes from the timer.
        call    forget
        self_ipi 0x51
        sti
        hlt
        cli
        expect_log "HLT: one that waits", 0x51
        mov     dword [r15 + APIC_DIVIDE], 0xb
        mov     dword [r15 + APIC_LVT_TIMER], 0x62
        mov     dword [r15 + APIC_TPR], 0x50
        self_ipi 0x53                   ; kept back, so that it must not end HLT
        self_ipi 0x54
        mov     dword [r15 + APIC_INITIAL], 20000
        sti
        hlt
        cli
        expect_log "HLT: what TPR keeps back does not end it", 0x51, 0x62
        mov     dword [r15 + APIC_TPR], 0
        window
        expect_log "HLT: it comes afterwards", 0x51, 0x62, 0x54, 0x53

        ; The 8259's interrupt does not ask for TPR, and both come.
        call    forget
        mov     dword [r15 + APIC_LVT_LINT0], LVT_EXTINT
        mov     dword [r15 + APIC_TPR], 0x80
        mov     ax, 1
        call    pic_unmask
        mov     al, 0x30                ; counter 0 once, 50 periods from now
        out     PIT + 3, al
        mov     al, 50
        out     PIT, al
        xor     eax, eax
        out     PIT, al
        spin_us 1000
        self_ipi 0x71
        mov     dword [gs:PC_MANUAL_EOI], 1
        sti
        spin_us 100
        cli
        expect_log "ExtINT whatever TPR", IRQ_BASE
        mov     al, 0x20
        out     PIC_MASTER, al
        mov     dword [gs:PC_MANUAL_EOI], 0
        mov     dword [r15 + APIC_TPR], 0
        window
        expect_log "then the APIC's", IRQ_BASE, 0x71
        mov     ax, 0
        call    pic_unmask
        mov     dword [r15 + APIC_LVT_LINT0], LVT_MASKED

        ; A level-triggered line asks again after each EOI; without the broadcast it does not.
        call    forget
        redirect UART_LINE, ICR_LEVEL | UART_VECTOR, 0
        mov     dword [uart_left], 5
        call    uart_asks
        sti
        spin_us 1000
        cli
        expect_dword "level: five times", [gs:PC_COUNTS + UART_VECTOR * 4], 5
        mov     eax, [r15 + APIC_TMR + (UART_VECTOR >> 5) * 0x10]
        bt      eax, UART_VECTOR & 31
        expect_if "level: TMR", c
        entry_of UART_LINE
        test    eax, REMOTE_IRR
        expect_if "level: remote IRR is clear", z
        call    forget
        mov     dword [r15 + APIC_SVR], 0x1ff | SVR_NO_BROADCAST
        mov     dword [uart_left], 5
        call    uart_asks
        sti
        spin_us 1000
        cli
        expect_dword "no broadcast: once", [gs:PC_COUNTS + UART_VECTOR * 4], 1
        entry_of UART_LINE
        test    eax, REMOTE_IRR
        expect_if "no broadcast: remote IRR stays", nz
        mov     dword [r15 + APIC_SVR], 0x1ff
        mov     dx, COM1 + 1
        xor     eax, eax
        out     dx, al
        redirect UART_LINE, LVT_MASKED, 0
        call    forget
        mov     qword [gs:PC_HOOK], 0
        self_ipi UART_VECTOR            ; an edge now
        window
        expect_log "as an edge", UART_VECTOR

        ; Elsewhere: the page, IPIs, EOIs and the timer; nothing at the usual place.
        call    forget
        self_ipi 0x55
        put_base ELSEWHERE | 0x900
        mov     r15d, ELSEWHERE
        mov     ebx, LOCAL_APIC
        mov     eax, [r15 + APIC_SVR]
        expect  "elsewhere: SVR", rax, 0x1ff
        mov     eax, [rbx + APIC_SVR]
        mov     edx, 0xffffffff
        expect  "nothing at the usual place", rax, rdx
        mov     dword [rbx + APIC_TPR], 0x70
        mov     eax, [r15 + APIC_TPR]
        expect  "writes there vanish", rax, 0
        mov     dword [gs:PC_MANUAL_EOI], 1
        window
        mov     dword [r15 + APIC_EOI], 0
        self_ipi 0x56
        window
        mov     eax, [r15 + APIC_PPR]
        expect  "elsewhere: PPR", rax, 0x50
        mov     dword [r15 + APIC_EOI], 0
        expect_log "elsewhere: from before, and new", 0x55, 0x56
        mov     dword [r15 + APIC_LVT_TIMER], 0x57
        mov     dword [r15 + APIC_INITIAL], 1000
        sti
        hlt
        cli
        expect_log "elsewhere: timer", 0x55, 0x56, 0x57

        ; And back, with an interrupt in service.
        put_base LOCAL_APIC | 0x900
        mov     r15d, LOCAL_APIC
        mov     eax, [r15 + APIC_PPR]
        expect  "back: in service", rax, 0x50
        self_ipi 0x58
        self_ipi 0x61
        window
        expect_log "back: the higher one", 0x55, 0x56, 0x57, 0x61
        mov     dword [r15 + APIC_EOI], 0
        window
        expect_log "back: the same class waits", 0x55, 0x56, 0x57, 0x61
        mov     dword [r15 + APIC_EOI], 0
        window
        mov     dword [r15 + APIC_EOI], 0
        expect_log "back: and comes", 0x55, 0x56, 0x57, 0x61, 0x58
        mov     eax, [r15 + APIC_PPR]
        expect  "back: PPR 0", rax, 0
        finish
