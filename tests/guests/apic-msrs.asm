; SPDX-License-Identifier: BSD-2-Clause
; The local APIC in x2APIC mode: which registers there are and which bits of them, TPR and CR8, IPIs to
; itself, the order of delivery, EOI of a level-triggered line, the software-enable bit; and the ways
; into and out of the mode. Intel SDM vol. 3A, "Extended XAPIC (x2APIC)". For one processor.
%include "tests/guests/guest.inc"
%include "tests/guests/smp.inc"

X_ID            equ 0x802
X_VERSION       equ 0x803
X_TPR           equ 0x808
X_PPR           equ 0x80a
X_EOI           equ 0x80b
X_LDR           equ 0x80d
X_SVR           equ 0x80f
X_ISR           equ 0x810
X_TMR           equ 0x818
X_IRR           equ 0x820
X_ESR           equ 0x828
X_ICR           equ 0x830
X_LVT_TIMER     equ 0x832
X_LVT_ERROR     equ 0x837
X_INITIAL       equ 0x838
X_CURRENT       equ 0x839
X_DIVIDE        equ 0x83e
X_SELF_IPI      equ 0x83f

BASE_XAPIC      equ LOCAL_APIC | 0x900
BASE_X2APIC     equ LOCAL_APIC | 0xd00
BASE_OFF        equ LOCAL_APIC | 0x100

UART_LINE       equ 4
UART_VECTOR     equ 0x64

; Registers 800H-83FH that can be read, a bit each.
READABLE        equ 1 << 2 | 1 << 3 | 1 << 8 | 1 << 0xa | 1 << 0xd | 1 << 0xf | 0xffffff << 0x10 | \
                1 << 0x28 | 1 << 0x2f | 1 << 0x30 | 0x3f << 0x32 | 1 << 0x38 | 1 << 0x39 | 1 << 0x3e

%include "tests/guests/com1-hook.inc"

        bits    16
start:
        enter_long
        call    smp_setup

        ; A request goes along into the mode.
        mov     dword [r15 + APIC_ICR], ICR_SELF | 0x51
        mov     dword [r15 + APIC_LVT_ERROR], 0x3f
        write_msr IA32_APIC_BASE, BASE_X2APIC
        mov     dword [gs:PC_X2APIC], 1
        expect_msr "IA32_APIC_BASE", IA32_APIC_BASE, BASE_X2APIC
        expect_msr "IRR came along", X_IRR + 2, 1 << 17
        window
        expect_log "and the request comes", 0x51
        expect_msr "SVR came along", X_SVR, 0x1ff
        expect_msr "LVT came along", X_LVT_ERROR, 0x3f

        ; The page is no longer there.
        mov     eax, [r15 + APIC_VERSION]
        mov     edx, 0xffffffff
        expect  "nothing in memory", rax, rdx
        mov     dword [r15 + APIC_TPR], 0x70
        expect_msr "writes there vanish", X_TPR, 0

        ; Which registers there are.
        mov     rsi, READABLE
        mov     ebx, 0x800
        xor     r12d, r12d
.read:  mov     ecx, ebx
        attempt rdmsr
        mov     eax, [trap_vector]
        inc     eax                     ; 0: it was read
        xor     edx, edx
        bt      rsi, 0
        jc      .there
        mov     edx, EXCEPTION_GP + 1
.there: cmp     eax, edx
        setne   al
        movzx   eax, al
        add     r12d, eax
        shr     rsi, 1
        inc     ebx
        cmp     ebx, 0x900
        jb      .read
        expect  "registers that can be read", r12, 0
        expect_msr "ID", X_ID, 0
        expect_msr "LDR", X_LDR, 1
        read_msr X_VERSION
        and     eax, 0xff
        cmp     eax, 0x10
        expect_if "version", ae
        refuse_write "ID cannot be written", X_ID, 0
        refuse_write "LDR cannot be written", X_LDR, 1
        refuse_write "TPR has 8 bits", X_TPR, 0x100
        refuse_write "EOI takes 0 alone", X_EOI, 1
        refuse_write "SELF IPI has 8 bits", X_SELF_IPI, 0x100
        refuse_write "ESR takes 0 alone", X_ESR, 1
        refuse_write "no ICR high", 0x831, 0
        refuse_write "no DFR", 0x80e, 0
        refuse_write "beyond them", 0x8ff, 0

        ; Priorities.
        call    forget
        write_msr X_TPR, 0x57
        mov     rax, cr8
        expect  "CR8 is TPR's class", rax, 5
        expect_msr "PPR is TPR", X_PPR, 0x57
        write_msr X_SELF_IPI, 0x45
        write_msr X_SELF_IPI, 0x61
        write_msr X_SELF_IPI, 0x75
        expect_msr "IRR 127-96", X_IRR + 3, 1 << 1 | 1 << 21
        window
        expect_log "TPR 57", 0x75, 0x61
        mov     eax, 3
        mov     cr8, rax
        window
        expect_msr "TPR follows CR8", X_TPR, 0x30
        write_msr X_TPR, 0
        expect_log "CR8 3", 0x75, 0x61, 0x45

        ; ISR, PPR and EOI.
        call    forget
        mov     dword [gs:PC_MANUAL_EOI], 1
        write_msr X_SELF_IPI, 0x35
        window
        write_msr X_ICR, ICR_SELF | 0x75
        window
        expect_msr "35h in service", X_ISR + 1, 1 << 21
        expect_msr "75h in service", X_ISR + 3, 1 << 21
        expect_msr "PPR is the highest's class", X_PPR, 0x70
        write_msr X_SELF_IPI, 0x55
        window
        expect_log "lower waits", 0x35, 0x75
        write_msr X_EOI, 0
        expect_msr "PPR after EOI", X_PPR, 0x30
        window
        expect_log "then comes", 0x35, 0x75, 0x55
        write_msr X_EOI, 0
        write_msr X_EOI, 0
        expect_msr "all over", X_ISR + 1, 0
        write_msr X_EOI, 0                ; one too many is harmless
        expect_msr "PPR 0", X_PPR, 0
        mov     dword [gs:PC_MANUAL_EOI], 0

        ; ICR: to itself by ID, 64 bits that read back. Vectors below 16 are errors.
        call    forget
        mov     rbx, 0x0000000100004881
        write_msr X_ICR, rbx              ; logical, as LDR is 1
        write_msr X_ICR, 0x82             ; physical, ID 0
        window
        expect_log "by ID, by LDR", 0x82, 0x81
        mov     rbx, 0x0123456700004083
        write_msr X_ICR, rbx
        read_msr X_ICR
        expect  "ICR reads back", rax, rbx
        refuse_write "ICR's reserved bits", X_ICR, 0x102000
        window
        expect_log "nobody's", 0x82, 0x81
        write_msr X_SELF_IPI, 0x0f
        write_msr X_ESR, 0
        expect_msr "illegal vector", X_ESR, 0x20
        window
        expect_log "the error interrupt", 0x82, 0x81, 0x3f
        write_msr X_ESR, 0

        ; The timer; the current count is read.
        call    forget
        write_msr X_DIVIDE, 0xb
        write_msr X_LVT_TIMER, 0x40
        write_msr X_INITIAL, 200000
        read_msr X_CURRENT
        mov     rbx, rax
        mov     ecx, 1000
        call    spin_ticks
        read_msr X_CURRENT
        sub     rbx, rax
        cmp     rbx, 1000
        expect_if "counts down", ae
        sti
        hlt
        cli
        expect_log "the timer wakes it", 0x40

        ; A level-triggered line asks again after each EOI.
        call    forget
        mov     qword [gs:PC_HOOK], on_uart
        mov     dword [uart_left], 5
        redirect UART_LINE, ICR_LEVEL | UART_VECTOR, 0
        mov     dx, COM1 + 4
        mov     al, 0x0b
        out     dx, al
        mov     dx, COM1 + 1
        mov     al, 2                   ; the transmitter is empty
        out     dx, al
        sti
        spin_us 1000
        cli
        expect_dword "level: five times", [gs:PC_COUNTS + UART_VECTOR * 4], 5
        read_msr X_TMR + 3
        bt      eax, UART_VECTOR & 31
        expect_if "level: TMR", c
        entry_of UART_LINE
        bt      eax, 14
        expect_if "level: remote IRR is clear", nc
        redirect UART_LINE, LVT_MASKED, 0
        mov     qword [gs:PC_HOOK], 0

        ; Disabled by software: what waits comes, nothing new is taken.
        call    forget
        write_msr X_SELF_IPI, 0x44
        write_msr X_SVR, 0xff
        write_msr X_SELF_IPI, 0x46
        expect_msr "LVT is masked", X_LVT_ERROR, LVT_MASKED | 0x3f
        window
        write_msr X_SVR, 0x1ff
        window
        expect_log "disabled by software", 0x44

        ; Out of the mode and back into the other.
        refuse_write "not to xAPIC at once", IA32_APIC_BASE, BASE_XAPIC
        write_msr X_SELF_IPI, 0x47
        write_msr IA32_APIC_BASE, BASE_OFF
        mov     ecx, X_ID
        expect_fault "no registers while off", EXCEPTION_GP, 0, rdmsr
        refuse_write "none to write", X_TPR, 0
        mov     eax, 6
        mov     cr8, rax
        mov     rax, cr8
        expect  "CR8 while off", rax, 6
        xor     eax, eax
        mov     cr8, rax
        write_msr IA32_APIC_BASE, BASE_XAPIC
        mov     dword [gs:PC_X2APIC], 0
        mov     eax, [r15 + APIC_SVR]
        expect  "SVR as after reset", rax, 0xff
        mov     dword [r15 + APIC_SVR], 0x1ff
        call    forget
        mov     dword [r15 + APIC_ICR], ICR_SELF | 0x48
        window
        expect_log "xAPIC again", 0x48
        mov     ecx, X_ID
        expect_fault "no MSRs", EXCEPTION_GP, 0, rdmsr
        finish
