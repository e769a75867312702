; SPDX-License-Identifier: BSD-2-Clause
; The local APIC's timer: one-shot with every divisor, current count, masked, periodic without a lost
; or a doubled tick, TSC deadline. Intel SDM vol. 3A, "APIC Timer", "TSC-Deadline Mode". Interrupts
; are never early, and late by less than `late_max`. Times grow with what an exit takes, which may be
; much where the monitor itself is a guest.
%include "tests/guests/guest.inc"
%include "tests/guests/smp.inc"

VECTOR          equ 0x40
PERIODS         equ 1000
PERIOD_MIN      equ 25000       ; ticks of the TSC

        align   8
late_max:       dq 0            ; ticks of the TSC: a quarter of a millisecond, or eight exits
period:         dq 0            ; ticks of the TSC, even: PERIOD_MIN, or sixteen exits
fired_tsc:      dq 0
due_tsc:        dq 0            ; of the next tick
early_count:    dq 0
latest:         dq 0            ; how late the latest was

divisors:       db 0xb, 0x0, 0x1, 0x2, 0x3, 0x8, 0x9, 0xa

; Hooks.
note_time:
        tsc
        mov     [fired_tsc], rax
        ret

note_period:
        tsc
        sub     rax, [due_tsc]
        jae     .late
        inc     qword [early_count]
        jmp     .next
.late:  cmp     rax, [latest]
        jbe     .next
        mov     [latest], rax
.next:  mov     rax, [period]
        add     [due_tsc], rax
        ret

; Hooks the handler, forgets what was counted.
%macro arm 1
        call    forget
        mov     qword [gs:PC_HOOK], %1
%endmacro

; rbx: when it was due at the earliest; rdx: at the latest. The handler has run once in between.
%macro expect_fired 1
        expect_dword %1, [gs:PC_COUNTS + VECTOR * 4], 1
        mov     rax, [fired_tsc]
        cmp     rax, rbx
  %strcat EARLY %1, ": not early"
  %strcat LATE %1, ": not late"
        expect_if EARLY, ae
        sub     rax, rdx
        cmp     rax, [late_max]
        expect_if LATE, l
%endmacro

; Takes PERIODS ticks, halted in between.
take_periods:
        sti
.wait:  hlt
        cmp     dword [gs:PC_COUNTS + VECTOR * 4], PERIODS
        jb      .wait
        cli
        ret

        bits    16
start:
        enter_long
        call    smp_setup
        call    exit_ticks
        lea     rdx, [rax * 8]
        mov     rcx, [tsc_hz]
        shr     rcx, 12
        cmp     rdx, rcx
        cmovb   rdx, rcx
        mov     [late_max], rdx
        shl     rax, 4
        mov     ecx, PERIOD_MIN
        cmp     rax, rcx
        cmovb   rax, rcx
        and     al, ~1
        mov     [period], rax

        ; One-shot: 2^19 ticks of the TSC, whatever divides them.
        xor     r12d, r12d
.divide:
        movzx   eax, byte [divisors + r12]
        mov     [r15 + APIC_DIVIDE], eax
        mov     dword [r15 + APIC_LVT_TIMER], VECTOR
        arm     note_time
        mov     esi, 1 << 19
        mov     ecx, r12d
        shr     esi, cl
        tsc
        mov     rbx, rax
        mov     [r15 + APIC_INITIAL], esi
        tsc
        mov     rdx, rax
        add     rbx, 1 << 19
        add     rdx, 1 << 19
        sti
        hlt
        cli
        expect_fired "one-shot"
        mov     eax, [r15 + APIC_CURRENT]
        expect  "one-shot: count ended", rax, 0
        mov     eax, [r15 + APIC_INITIAL]
        expect  "one-shot: initial count stays", rax, rsi
        inc     r12d
        cmp     r12d, 8
        jb      .divide
        arm     note_time
        sti
        mov     ecx, 1 << 20
        call    spin_ticks
        cli
        expect_dword "one-shot: once only", [gs:PC_COUNTS + VECTOR * 4], 0

        ; The count goes down with the TSC: between two reads at least by what lies between the
        ; inner pair of stamps, at most by what lies between the outer.
        mov     dword [r15 + APIC_DIVIDE], 0xb
        mov     dword [r15 + APIC_LVT_TIMER], LVT_MASKED | VECTOR
        mov     dword [r15 + APIC_INITIAL], 100000000
        mov     r12d, 100
        xor     r13d, r13d              ; wrong ones
.count: tsc
        mov     r8, rax
        mov     ebx, [r15 + APIC_CURRENT]
        tsc
        mov     r9, rax
        mov     ecx, 1000
        call    spin_ticks
        tsc
        mov     r10, rax
        mov     esi, [r15 + APIC_CURRENT]
        tsc
        mov     r11, rax
        sub     ebx, esi
        sub     r10, r9
        sub     r11, r8
        cmp     rbx, r10
        adc     r13d, 0
        cmp     r11, rbx
        adc     r13d, 0
        dec     r12d
        jnz     .count
        expect  "current count follows the TSC", r13, 0

        ; Divided by 16 from now on: what is left takes 16 times as long. Stamps as above.
        mov     dword [r15 + APIC_INITIAL], 100000000
        mov     dword [r15 + APIC_DIVIDE], 0x3
        tsc
        mov     r8, rax
        mov     ebx, [r15 + APIC_CURRENT]
        tsc
        mov     r9, rax
        mov     ecx, 160000
        call    spin_ticks
        tsc
        mov     r10, rax
        mov     esi, [r15 + APIC_CURRENT]
        tsc
        mov     r11, rax
        sub     ebx, esi
        shl     rbx, 4
        sub     r10, r9
        sub     r11, r8
        lea     rax, [rbx + 16]
        cmp     rax, r10
        expect_if "divide changed: not too slow", ae
        lea     rax, [r11 + 16]
        cmp     rax, rbx
        expect_if "divide changed: not too fast", ae
        mov     dword [r15 + APIC_INITIAL], 0
        mov     eax, [r15 + APIC_CURRENT]
        expect  "initial count 0 stops it", rax, 0

        ; Masked, it counts all the same; one-shot it ends, periodic it goes on.
        mov     dword [r15 + APIC_DIVIDE], 0xb
        arm     note_time
        mov     dword [r15 + APIC_INITIAL], 1000
        sti
        mov     ecx, 10000
        call    spin_ticks
        cli
        mov     eax, [r15 + APIC_CURRENT]
        expect  "masked one-shot: count ended", rax, 0
        mov     dword [r15 + APIC_LVT_TIMER], LVT_PERIODIC | LVT_MASKED | VECTOR
        mov     rbx, [period]
        shl     ebx, 2
        mov     [r15 + APIC_INITIAL], ebx
        sti
        lea     ecx, [rbx * 2 + rbx]
        call    spin_ticks
        cli
        mov     eax, [r15 + APIC_CURRENT]
        lea     edx, [rax - 1]
        cmp     edx, ebx
        expect_if "masked periodic: counts on", b
        expect_dword "masked: no interrupt", [gs:PC_COUNTS + VECTOR * 4], 0

        ; Unmasked early in a period, it goes on where it was; nothing of what was masked comes later.
        arm     note_time
        lea     ebx, [rbx * 2 + rbx]
        shr     ebx, 2
        mov     ecx, 1000
.early: cmp     [r15 + APIC_CURRENT], ebx
        ja      .begun
        dec     ecx
        jnz     .early
.begun:
        mov     dword [r15 + APIC_LVT_TIMER], LVT_PERIODIC | VECTOR
        window
        expect_dword "unmasked: nothing from before", [gs:PC_COUNTS + VECTOR * 4], 0

        ; Periodic: tick n comes n periods after the start, for all n.
        mov     dword [r15 + APIC_INITIAL], 0
        window                          ; a tick that came in between
        arm     note_period
        mov     qword [early_count], 0
        mov     qword [latest], 0
        mov     rbx, [period]
        tsc
        mov     [r15 + APIC_INITIAL], ebx
        add     rax, rbx
        mov     [due_tsc], rax
        call    take_periods
        mov     dword [r15 + APIC_INITIAL], 0
        expect_dword "periodic: none too many", [gs:PC_COUNTS + VECTOR * 4], PERIODS
        expect  "periodic: none early", [early_count], 0
        mov     rax, [latest]
        cmp     rax, [late_max]
        expect_if "periodic: none late, none lost", b
        report  "periodic: ticks of the TSC that the latest was late: ", [latest]

        ; The same with the processor busy instead of halted, and divided by 2.
        mov     dword [r15 + APIC_DIVIDE], 0
        window
        arm     note_period
        mov     qword [early_count], 0
        mov     qword [latest], 0
        mov     rbx, [period]
        mov     ecx, ebx
        shr     ecx, 1
        tsc
        mov     [r15 + APIC_INITIAL], ecx
        add     rax, rbx
        mov     [due_tsc], rax
        sti
.busy:  cmp     dword [gs:PC_COUNTS + VECTOR * 4], PERIODS / 2
        jb      .busy
        cli
        mov     dword [r15 + APIC_INITIAL], 0
        expect_dword "periodic, busy: none too many", [gs:PC_COUNTS + VECTOR * 4], PERIODS / 2
        expect  "periodic, busy: none early", [early_count], 0
        mov     rax, [latest]
        cmp     rax, [late_max]
        expect_if "periodic, busy: none late, none lost", b
        report  "periodic, busy: ticks of the TSC that the latest was late: ", [latest]

        ; TSC deadline.
        mov     dword [r15 + APIC_DIVIDE], 0xb
        mov     dword [r15 + APIC_LVT_TIMER], LVT_DEADLINE | VECTOR
        mov     dword [r15 + APIC_INITIAL], 1000
        mov     eax, [r15 + APIC_CURRENT]
        expect  "deadline mode: no count", rax, 0
        window                          ; a tick that came before
        mov     qword [latest], 0
        mov     qword [early_count], 0
        mov     r12d, 200
        mov     ecx, IA32_TSC_DEADLINE
.deadline:
        arm     note_time
        imul    r13d, r12d, 997
        tsc
        lea     rbx, [rax + r13 + 5000]
        mov     rax, rbx
        mov     rdx, rbx
        shr     rdx, 32
        wrmsr
        sti
        hlt
        cli
        cmp     dword [gs:PC_COUNTS + VECTOR * 4], 1
        jne     .missed
        mov     rax, [fired_tsc]
        sub     rax, rbx
        jae     .after
.missed:
        inc     qword [early_count]
.after: cmp     rax, [latest]
        cmova   rdx, rax
        cmovbe  rdx, [latest]
        mov     [latest], rdx
        dec     r12d
        jnz     .deadline
        expect  "deadline: each once, none early", [early_count], 0
        mov     rax, [latest]
        cmp     rax, [late_max]
        expect_if "deadline: none late", b
        report  "deadline: ticks of the TSC that the latest was late: ", [latest]
        rdmsr
        shl     rdx, 32
        or      rax, rdx
        expect  "deadline: reads 0 afterwards", rax, 0

        ; One that has passed comes at once; one that is taken back never does.
        arm     note_time
        xor     edx, edx
        mov     eax, 1
        wrmsr
        window
        expect_dword "deadline in the past", [gs:PC_COUNTS + VECTOR * 4], 1
        arm     note_time
        mov     r12, [period]
        shl     r12, 2
        tsc
        lea     rbx, [rax + r12]
        mov     rax, rbx
        mov     rdx, rbx
        shr     rdx, 32
        wrmsr
        rdmsr
        shl     rdx, 32
        lea     rsi, [rax + rdx]
        xor     eax, eax
        xor     edx, edx
        wrmsr
        expect  "deadline: reads back", rsi, rbx
        sti
        lea     rcx, [r12 * 2]
        call    spin_ticks
        cli
        expect_dword "deadline taken back", [gs:PC_COUNTS + VECTOR * 4], 0
        arm     note_time
        mov     ecx, IA32_TSC_DEADLINE
        tsc
        add     rax, r12
        mov     rdx, rax
        shr     rdx, 32
        wrmsr
        mov     dword [r15 + APIC_LVT_TIMER], VECTOR
        rdmsr
        or      rax, rdx
        expect  "deadline: gone with its mode", rax, 0
        mov     eax, 1
        wrmsr
        rdmsr
        or      rax, rdx
        expect  "deadline: not in another mode", rax, 0
        sti
        lea     rcx, [r12 * 2]
        call    spin_ticks
        cli
        expect_dword "deadline: no interrupt in another mode", [gs:PC_COUNTS + VECTOR * 4], 0

        ; Writing the TSC leaves what counts down alone.
        arm     note_time
        lea     rbx, [r12 * 2]
        mov     [r15 + APIC_INITIAL], ebx
        mov     ecx, IA32_TSC
        xor     eax, eax
        mov     edx, 0x1000
        wrmsr
        sti
        hlt
        cli
        expect_dword "TSC set: comes once", [gs:PC_COUNTS + VECTOR * 4], 1
        mov     rax, 0x100000000000
        sub     [fired_tsc], rax
        mov     rax, rbx
        sub     rax, [late_max]
        cmp     [fired_tsc], rax
        expect_if "TSC set: not early", ae
        add     rbx, [late_max]
        cmp     [fired_tsc], rbx
        expect_if "TSC set: not late", b
        finish
