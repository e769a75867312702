; SPDX-License-Identifier: BSD-2-Clause
; Priorities in the local APIC: TPR, PPR and CR8, what waits in IRR and ISR, the order of delivery
; and of EOIs, the software-enable bit, errors. Then every vector, and every combination of bits in
; ICR, legal or not. Intel SDM vol. 3A, "Interrupt, Task, and Processor Priority", "Error Handling",
; "Interrupt Command Register (ICR)". For one processor.
%include "tests/guests/guest.inc"
%include "tests/guests/smp.inc"

NOBODY          equ 0x7e        ; no APIC has this ID

; ESR after it was written, as it has to be before it is read.
%macro expect_esr 2
        mov     dword [r15 + APIC_ESR], 0
        mov     eax, [r15 + APIC_ESR]
        expect  %1, rax, %2
%endmacro

; The bit of vector %1 in the eight registers at %2, in eax.
%macro bit_of 2
        mov     eax, [r15 + (%2) + ((%1) >> 5) * 0x10]
        shr     eax, (%1) & 31
        and     eax, 1
%endmacro

; --- Hooks -------------------------------------------------------------------------------------------

; 41h sends itself a vector of its own class and one of a higher, and lets them in: only the higher
; comes.
nest:   cmp     eax, 0x41
        je      .outer
        cmp     eax, 0x61
        jne     .done
        mov     eax, [r15 + APIC_PPR]
        mov     [inner_ppr], eax
        bit_of  0x41, APIC_ISR
        mov     [inner_isr], eax
        bit_of  0x61, APIC_ISR
        shl     eax, 1
        or      [inner_isr], eax
.done:  ret
.outer: self_ipi 0x45
        self_ipi 0x61
        window
        mov     eax, [r15 + APIC_PPR]
        mov     [outer_ppr], eax
        bit_of  0x45, APIC_IRR
        mov     [outer_irr], eax
        ret

; Lets the next one in and leaves the EOI to the program.
let_in: sti
        nop
        nop
        cli
        ret

count_nmi:
        ret

inner_ppr:      dd 0
inner_isr:      dd 0
outer_ppr:      dd 0
outer_irr:      dd 0

        bits    16
start:
        enter_long
        call    smp_setup

        ; What waits is seen in IRR, and comes highest first.
        self_ipi 0x31
        self_ipi 0x52
        self_ipi 0x45
        self_ipi 0x53
        self_ipi 0xe1
        mov     eax, [r15 + APIC_IRR + 0x10]
        expect  "IRR 63-32", rax, 1 << 17
        mov     eax, [r15 + APIC_IRR + 0x20]
        expect  "IRR 95-64", rax, 1 << 5 | 1 << 18 | 1 << 19
        mov     eax, [r15 + APIC_IRR + 0x70]
        expect  "IRR 255-224", rax, 2
        mov     eax, [r15 + APIC_ISR + 0x20]
        expect  "nothing in service", rax, 0
        window
        expect_log "highest first", 0xe1, 0x53, 0x52, 0x45, 0x31
        mov     eax, [r15 + APIC_IRR + 0x20]
        expect  "IRR empty", rax, 0

        ; Two requests of one vector are one.
        call    forget
        self_ipi 0x52
        self_ipi 0x52
        window
        expect_log "asked for twice", 0x52

        ; TPR keeps back its class and what is below.
        call    forget
        mov     dword [r15 + APIC_TPR], 0x50
        mov     rax, cr8
        expect  "CR8 is TPR's class", rax, 5
        mov     eax, [r15 + APIC_PPR]
        expect  "PPR is TPR", rax, 0x50
        self_ipi 0x45
        self_ipi 0x5f
        self_ipi 0x60
        window
        expect_log "TPR 50", 0x60
        mov     eax, 4
        mov     cr8, rax
        window
        expect_log "CR8 4", 0x60, 0x5f
        mov     eax, [r15 + APIC_TPR]
        expect  "TPR follows CR8", rax, 0x40
        xor     eax, eax
        mov     cr8, rax
        window
        expect_log "CR8 0", 0x60, 0x5f, 0x45
        mov     dword [r15 + APIC_TPR], 0x57
        mov     rax, cr8
        expect  "CR8 without the subclass", rax, 5
        mov     eax, [r15 + APIC_PPR]
        expect  "PPR with the subclass", rax, 0x57
        mov     eax, 9
        mov     cr8, rax
        mov     eax, [r15 + APIC_TPR]
        expect  "TPR 90", rax, 0x90
        mov     eax, 16
        expect_fault "CR8 16", EXCEPTION_GP, 0, mov cr8, rax
        mov     eax, 15
        mov     cr8, rax
        call    forget
        self_ipi 0xff
        window
        expect_dword "CR8 15 keeps all back", [gs:PC_LOG_COUNT], 0
        xor     eax, eax
        mov     dword [gs:PC_NO_EOI], 0x1000
        mov     cr8, rax
        window
        expect_log "CR8 0 lets it in", 0xff
        mov     dword [gs:PC_NO_EOI], 0xff
        bit_of  0xff, APIC_ISR
        expect  "FFh was in service and is over", rax, 0

        ; Nested handlers.
        call    forget
        mov     qword [gs:PC_HOOK], nest
        self_ipi 0x41
        window
        expect_log "nested", 0x41, 0x61, 0x45
        expect_dword "PPR in the inner handler", [inner_ppr], 0x60
        expect_dword "ISR in the inner handler", [inner_isr], 3
        expect_dword "PPR in the outer handler", [outer_ppr], 0x40
        expect_dword "same class waits", [outer_irr], 1
        mov     eax, [r15 + APIC_PPR]
        expect  "PPR afterwards", rax, 0

        ; EOI ends the highest in service.
        call    forget
        mov     dword [gs:PC_MANUAL_EOI], 1
        mov     qword [gs:PC_HOOK], 0
        self_ipi 0x35
        window
        self_ipi 0x75
        window
        self_ipi 0x55
        window
        expect_log "lower waits for EOI", 0x35, 0x75
        bit_of  0x35, APIC_ISR
        expect  "35h in service", rax, 1
        bit_of  0x75, APIC_ISR
        expect  "75h in service", rax, 1
        mov     eax, [r15 + APIC_PPR]
        expect  "PPR is the highest's class", rax, 0x70
        mov     dword [r15 + APIC_TPR], 0x72
        mov     eax, [r15 + APIC_PPR]
        expect  "PPR is TPR in the same class", rax, 0x72
        mov     dword [r15 + APIC_TPR], 0
        mov     dword [r15 + APIC_EOI], 0
        bit_of  0x75, APIC_ISR
        expect  "EOI ends 75h", rax, 0
        bit_of  0x35, APIC_ISR
        expect  "EOI leaves 35h", rax, 1
        window
        expect_log "then the next", 0x35, 0x75, 0x55
        mov     dword [r15 + APIC_EOI], 0
        mov     dword [r15 + APIC_EOI], 0
        bit_of  0x35, APIC_ISR
        expect  "all over", rax, 0
        mov     dword [r15 + APIC_EOI], 0       ; one too many is harmless
        mov     dword [gs:PC_MANUAL_EOI], 0
        mov     eax, [r15 + APIC_PPR]
        expect  "PPR 0", rax, 0

        ; Disabled by software: what waits stays and comes, nothing new is taken, the LVT is masked
        ; for good.
        call    forget
        mov     dword [r15 + APIC_LVT_TIMER], 0x40
        self_ipi 0x44
        mov     dword [r15 + APIC_SVR], 0xef
        mov     eax, [r15 + APIC_SVR]
        expect  "SVR disabled", rax, 0xef
        self_ipi 0x46
        mov     eax, [r15 + APIC_LVT_TIMER]
        expect  "LVT is masked", rax, LVT_MASKED | 0x40
        mov     dword [r15 + APIC_LVT_TIMER], 0x40
        mov     eax, [r15 + APIC_LVT_TIMER]
        expect  "and cannot be unmasked", rax, LVT_MASKED | 0x40
        bit_of  0x44, APIC_IRR
        expect  "IRR keeps what waits", rax, 1
        window
        expect_log "it comes", 0x44
        mov     dword [r15 + APIC_SVR], 0x1ff
        mov     eax, [r15 + APIC_LVT_TIMER]
        expect  "LVT still masked", rax, LVT_MASKED | 0x40
        window
        expect_log "nothing was taken while disabled", 0x44

        ; Errors: vectors below 16, registers that do not exist; the error interrupt.
        expect_esr "no errors", 0
        call    forget
        mov     dword [r15 + APIC_LVT_ERROR], 0x3f
        self_ipi 0x0f
        mov     eax, [r15 + APIC_ESR]
        expect  "ESR before it is written", rax, 0
        window
        expect_log "error interrupt", 0x3f
        expect_esr "illegal vector sent", 0x20
        expect_esr "ESR is written again", 0
        mov     eax, [r15 + 0x40]
        expect_esr "no such register", 0x80
        mov     dword [r15 + 0x3f0], 0          ; self IPI exists in x2APIC mode alone
        expect_esr "no self-IPI register", 0x80
        mov     dword [r15 + APIC_DIVIDE], 0xb
        mov     dword [r15 + APIC_LVT_TIMER], 0x05
        mov     dword [r15 + APIC_INITIAL], 100
        mov     ecx, 10000
        call    spin_ticks
        expect_esr "illegal vector received", 0x40
        mov     dword [r15 + APIC_LVT_TIMER], LVT_MASKED
        window
        mov     dword [r15 + APIC_LVT_ERROR], LVT_MASKED

        ; Every vector: each once, all at a time and one at a time. FFh is here no spurious one.
        call    forget
        mov     dword [gs:PC_NO_EOI], 0x1000
        mov     ebx, 16
.send:  lea     eax, [rbx + ICR_SELF]
        mov     [r15 + APIC_ICR], eax
        inc     ebx
        cmp     ebx, 256
        jb      .send
        sti
        mov     ecx, 1000
        call    spin_ticks
        cli
        expect_dword "all vectors at a time", [gs:PC_LOG_COUNT], 240
        xor     ecx, ecx
        xor     r12d, r12d
        mov     edx, 255
.order: movzx   eax, byte [gs:PC_LOG + rcx]
        cmp     eax, edx
        setne   al
        movzx   eax, al
        add     r12d, eax
        dec     edx
        inc     ecx
        cmp     ecx, 240
        jb      .order
        expect  "in falling order", r12, 0
        call    forget
        mov     ebx, 16
        xor     r12d, r12d
.each:  lea     eax, [rbx + ICR_SELF]
        mov     [r15 + APIC_ICR], eax
        window
        cmp     dword [gs:PC_COUNTS + rbx * 4], 1
        setne   al
        movzx   eax, al
        add     r12d, eax
        inc     ebx
        cmp     ebx, 256
        jb      .each
        expect  "each vector exactly once", r12, 0
        expect_dword "and no other", [gs:PC_LOG_COUNT], 240
        call    forget
        xor     ebx, ebx
        xor     r12d, r12d
.low:   lea     eax, [rbx + ICR_SELF]
        mov     [r15 + APIC_ICR], eax
        mov     dword [r15 + APIC_ESR], 0
        cmp     dword [r15 + APIC_ESR], 0x20
        setne   al
        movzx   eax, al
        add     r12d, eax
        inc     ebx
        cmp     ebx, 16
        jb      .low
        window
        expect  "vectors 0-15 are errors", r12, 0
        expect_dword "vectors 0-15 do not arrive", [gs:PC_LOG_COUNT], 0

        ; Every combination of the other bits of ICR, to nobody or by shorthand: vector 77h arrives
        ; where the mode is fixed and the shorthand is self or all, an NMI likewise; nothing else has
        ; an effect on the only processor there is. Level and trigger mode change nothing.
        call    forget
        mov     qword [gs:PC_HOOK], count_nmi
        mov     dword [r15 + APIC_ICR_HIGH], NOBODY << 24
        xor     ebx, ebx
.icr:   mov     eax, ebx
        and     eax, 0xf                ; delivery mode, destination mode
        shl     eax, 8
        mov     edx, ebx
        and     edx, 0x30               ; level, trigger mode
        shl     edx, 14 - 4
        or      eax, edx
        mov     edx, ebx
        and     edx, 0xc0               ; shorthand
        shl     edx, 18 - 6
        or      eax, edx
        or      eax, 0x77
        mov     [r15 + APIC_ICR], eax
        mov     edx, [r15 + APIC_ICR]
        cmp     eax, edx
        setne   al
        movzx   eax, al
        add     r12d, eax
        window
        inc     ebx
        cmp     ebx, 256
        jb      .icr
        expect  "ICR reads back", r12, 0
        expect_dword "ICR: fixed to self and to all", [gs:PC_COUNTS + 0x77 * 4], 2 * 8
        expect_dword "ICR: NMI to self and to all", [gs:PC_COUNTS + 2 * 4], 2 * 8
        expect_dword "ICR: nothing else", [gs:PC_LOG_COUNT], 4 * 8
        mov     dword [r15 + APIC_ESR], 0

        ; Logical destinations of the only processor: flat, cluster, everybody, somebody else.
        mov     qword [gs:PC_HOOK], 0
        call    forget
        mov     dword [r15 + APIC_LDR], 0x04000000
        ipi     ICR_LOGICAL | 0x81, 0x04
        ipi     ICR_LOGICAL | 0x82, 0x0b
        ipi     ICR_LOGICAL | 0x83, 0xff
        window
        expect_log "flat", 0x83, 0x81
        call    forget
        mov     dword [r15 + APIC_DFR], 0x0fffffff
        mov     dword [r15 + APIC_LDR], 0x24000000
        ipi     ICR_LOGICAL | 0x81, 0x24
        ipi     ICR_LOGICAL | 0x82, 0x2b
        ipi     ICR_LOGICAL | 0x83, 0x34
        ipi     ICR_LOGICAL | 0x84, 0x2f
        ipi     ICR_LOGICAL | 0x85, 0xff
        window
        expect_log "cluster", 0x85, 0x84, 0x81
        finish
