; SPDX-License-Identifier: BSD-2-Clause
; All clocks of a guest agree within 100 ppm, or what eight exits take, halted and busy: the TSC, the
; PIT's and the RTC's ticks, the PM timer, and the APIC timer of each processor. Over two seconds, unless
; a file that includes this one says otherwise: there a tick that is lost or comes twice is 1900 ppm or
; more. For one processor or for four, as CPUID says.
%include "tests/guests/guest.inc"
%include "tests/guests/smp.inc"

VECTOR_PIT      equ 0x40
VECTOR_RTC      equ 0x41
VECTOR_APIC     equ 0x42

PIT_HZ          equ 1193182
PIT_COUNT       equ 11932       ; 100 Hz
RTC_HZ          equ 256
APIC_HZ         equ 200
%ifndef SECONDS
  %define SECONDS 2
%endif
PPM_MIN         equ 100         ; what is allowed at least

; Per processor and vector: TSC of the first tick that counts and of the last, and the periods in
; between. Two are let go by first: programming a chip can make an edge, or cut a period short.
TICKS           equ PC_FREE + 0x20
TICK_FIRST      equ 0
TICK_LAST       equ 8
TICK_COUNT      equ 16
TICK_BYTES      equ 24
%define TICKS_OF(vector) (TICKS + ((vector) - VECTOR_PIT) * TICK_BYTES)

        align   8
apic_period:    dq 0
ppm_max:        dq 0
end_tsc:        dq 0
is_busy:        dd 0
others:         dd 0            ; processors besides this one
pm_first:       dq 0
pm_last:        dq 0
pm_first_tsc:   dq 0
pm_last_tsc:    dq 0

; The hook of all three.
tick:   push    rcx
        mov     ecx, eax
        tsc
        cmp     ecx, VECTOR_RTC
        jne     .mine
        push    rax
        mov     al, 0x0c
        call    cmos_read
        pop     rax
.mine:  imul    ecx, ecx, TICK_BYTES
        add     ecx, TICKS - VECTOR_PIT * TICK_BYTES
        mov     [gs:rcx + TICK_LAST], rax
        inc     qword [gs:rcx + TICK_COUNT]
        jg      .done
        mov     [gs:rcx + TICK_FIRST], rax
.done:
        pop     rcx
        ret

; The job of every processor: ticks until end_tsc.
take_ticks:
        cli
        mov     eax, [gs:PC_ID]
        imul    edi, eax, PC_BYTES
        add     edi, PER_CPU(0) + TICKS
        mov     ecx, 3 * TICK_BYTES / 4
        xor     eax, eax
        cld
        rep     stosd
        mov     qword [gs:TICKS_OF(VECTOR_PIT) + TICK_COUNT], -3
        mov     qword [gs:TICKS_OF(VECTOR_RTC) + TICK_COUNT], -3
        mov     qword [gs:TICKS_OF(VECTOR_APIC) + TICK_COUNT], -3
        mov     qword [gs:PC_HOOK], tick
        mov     dword [r15 + APIC_DIVIDE], 0xb
        mov     dword [r15 + APIC_LVT_TIMER], LVT_PERIODIC | VECTOR_APIC
        mov     eax, [apic_period]
        mov     [r15 + APIC_INITIAL], eax
.wait:  sti
        cmp     dword [is_busy], 0
        jne     .look
        hlt
.look:  cli
        tsc
        cmp     rax, [end_tsc]
        jb      .wait
        mov     dword [r15 + APIC_INITIAL], 0
        mov     dword [r15 + APIC_LVT_TIMER], LVT_MASKED
        mov     qword [gs:PC_HOOK], 0
        ret

; eax: the PM timer; rbx: the TSC in the middle of the access.
read_pm:
        tsc
        mov     rbx, rax
        mov     dx, PM_TIMER
        in      eax, dx
        push    rax
        tsc
        add     rbx, rax
        shr     rbx, 1
        pop     rax
        ret

; rbx ticks of the TSC are what rax should be, within ppm_max.
%macro agrees 1
        mov     rcx, rax
        sub     rbx, rax
        mov     rax, rbx
        neg     rax
        cmovs   rax, rbx
        imul    rax, rax, 1000000
        xor     edx, edx
        div     rcx
        cmp     rax, [ppm_max]
        expect_if %1, be
  %strcat PPM %1, ", ppm: "
        report  PPM, rax
%endmacro

; rbx = ticks of the TSC between first and last tick of vector %2, rax = periods; the area is at rdi.
%macro span 2
        mov     rbx, [rdi + TICKS_OF(%2) + TICK_LAST]
        sub     rbx, [rdi + TICKS_OF(%2) + TICK_FIRST]
        mov     rax, [rdi + TICKS_OF(%2) + TICK_COUNT]
        cmp     rax, %1 * SECONDS - 5
        expect_if "ticks all the time", ge
%endmacro

; One measurement.
measure:
        spin_us 50000                   ; until what was printed is out
        redirect 2, VECTOR_PIT, 0
        redirect 8, VECTOR_RTC, 0
        mov     ax, 0x280a              ; 256 Hz
        call    cmos_write
        mov     ax, 0x420b
        call    cmos_write
        mov     al, 0x0c
        call    cmos_read
        mov     al, 0x34
        out     PIT + 3, al
        mov     al, PIT_COUNT & 0xff
        out     PIT, al
        mov     al, PIT_COUNT >> 8
        out     PIT, al
        call    read_pm
        mov     [pm_first], eax
        mov     [pm_first_tsc], rbx
        mov     rax, [tsc_hz]
        imul    rax, rax, SECONDS
        add     rax, rbx
        mov     [end_tsc], rax
        xor     ebx, ebx
.begin: cmp     ebx, [others]
        jae     .own
        inc     ebx
        imul    eax, ebx, PC_BYTES
        mov     qword [PER_CPU(0) + rax + PC_JOB], take_ticks
        jmp     .begin
.own:   call    take_ticks
        call    read_pm
        mov     [pm_last], eax
        mov     [pm_last_tsc], rbx
        mov     ax, 0x020b
        call    cmos_write
        mov     al, 0x0c
        call    cmos_read
        redirect 2, REDIRECT_OFF, 0
        redirect 8, REDIRECT_OFF, 0

        mov     edi, PER_CPU(0)
        span    PIT_HZ / PIT_COUNT, VECTOR_PIT
        imul    rax, rax, PIT_COUNT
        mul     qword [tsc_hz]
        mov     ecx, PIT_HZ
        div     rcx
        agrees  "PIT"
        span    RTC_HZ, VECTOR_RTC
        mul     qword [tsc_hz]
        mov     ecx, RTC_HZ
        div     rcx
        agrees  "RTC"
        ; The PM timer's 24 bits come round every few seconds: its difference is the one next to what
        ; the TSC lets expect.
        mov     rbx, [pm_last_tsc]
        sub     rbx, [pm_first_tsc]
        mov     rax, rbx
        mov     ecx, PM_TIMER_HZ
        mul     rcx
        div     qword [tsc_hz]
        mov     ecx, [pm_last]
        sub     ecx, [pm_first]
        sub     ecx, eax
        shl     ecx, 8
        sar     ecx, 8
        movsxd  rcx, ecx
        add     rax, rcx
        mul     qword [tsc_hz]
        mov     ecx, PM_TIMER_HZ
        div     rcx
        agrees  "PM timer"
        xor     r12d, r12d
.each:  imul    edi, r12d, PC_BYTES
        add     edi, PER_CPU(0)
        test    r12d, r12d
        jz      .mine
        await   "processor is done", [rdi + PC_JOB], 0
.mine:  span    APIC_HZ, VECTOR_APIC
        mul     qword [apic_period]
        agrees  "APIC timer"
        inc     r12d
        cmp     r12d, [others]
        jbe     .each
        ret

REDIRECT_OFF    equ LVT_MASKED

        bits    16
start:
        enter_long
        call    smp_setup
        mov     rax, [tsc_hz]
        xor     edx, edx
        mov     ecx, APIC_HZ
        div     rcx
        mov     [apic_period], rax
        call    exit_ticks
        imul    rax, rax, 8 * 1000000 / SECONDS
        xor     edx, edx
        div     qword [tsc_hz]
        mov     ecx, PPM_MIN
        cmp     rax, rcx
        cmovb   rax, rcx
        mov     [ppm_max], rax
        report  "ppm allowed: ", rax
        mov     eax, 1
        cpuid
        shr     ebx, 16
        and     ebx, 0xff
        dec     ebx
        jz      .alone
        call    smp_start
        mov     dword [others], CPU_MAX - 1
.alone: say     "halted"
        call    measure
%ifndef HALTED_ONLY
        say     "busy"
        mov     dword [is_busy], 1
        call    measure
%endif
        finish
