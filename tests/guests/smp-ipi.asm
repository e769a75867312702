; SPDX-License-Identifier: BSD-2-Clause
; Interrupts between processors: fixed, NMI, lowest priority; physical, logical (flat and cluster) and
; by shorthand; to running and halted ones; ten thousand forth and back. Intel SDM vol. 3A,
; "Issuing Interprocessor Interrupts". For four processors.
%include "tests/guests/guest.inc"
%include "tests/guests/smp.inc"

PING            equ 0x70
PONG            equ 0x71
IPIS            equ 10000
EACH            equ 100         ; lowest-priority interrupts per processor
NMI_PAIRS       equ 200

; What each processor has counted of vector %2, one decimal digit each: 3210h is 0 at processor 0, 1
; at 1 and so on.
%macro expect_counts 3
        spin_us 300
        xor     eax, eax
  %assign CPU CPU_MAX - 1
  %rep CPU_MAX
        shl     eax, 4
        add     eax, [COUNT(CPU, %2)]
    %assign CPU CPU - 1
  %endrep
        expect  %1, rax, %3
%endmacro

; --- Jobs and hooks ----------------------------------------------------------------------------------

        set_flat_job

; Processors 0 and 1 are cluster 1, the others cluster 2; bits 0 and 1 each.
set_cluster:
        mov     dword [r15 + APIC_DFR], 0x0fffffff
        mov     eax, [gs:PC_ID]
        movzx   eax, byte [.ids + rax]
        shl     eax, 24
        mov     [r15 + APIC_LDR], eax
        ret
.ids:   db      0x11, 0x12, 0x21, 0x22

; TPR 20h at processor 2, 40h at the others.
set_priority:
        mov     eax, 0x20
        cmp     dword [gs:PC_ID], 2
        je      .have
        add     eax, eax
.have:  mov     [r15 + APIC_TPR], eax
        ret

clear_priority:
        mov     dword [r15 + APIC_TPR], 0
        ret

note_tsc:
        tsc
        mov     [gs:PC_FREE + 8], rax
        ret

send_ping:
        mov     edx, LOCAL_APIC
        mov     dword [rdx + APIC_ICR_HIGH], 0
        mov     dword [rdx + APIC_ICR], PING
        ret

send_pong:
        cmp     dword [gs:PC_COUNTS + PING * 4], IPIS / 2
        jae     .done
        mov     edx, LOCAL_APIC
        mov     dword [rdx + APIC_ICR_HIGH], 1 << 24
        mov     dword [rdx + APIC_ICR], PONG
.done:  ret

; The first NMI sends its own processor three more; one of them is kept.
nmi_in_nmi:
        cmp     eax, 2
        jne     .done
        cmp     dword [gs:PC_COUNTS + 2 * 4], 1
        jne     .done
        mov     edx, LOCAL_APIC
        mov     dword [rdx + APIC_ICR], ICR_SELF | ICR_NMI
        nop
        mov     dword [rdx + APIC_ICR], ICR_SELF | ICR_NMI
        nop
        mov     dword [rdx + APIC_ICR], ICR_SELF | ICR_NMI
        nop
        mov     edx, [gs:PC_COUNTS + 2 * 4]
        mov     [gs:PC_FREE + 4], edx
.done:  ret

        align   4
nmi_round:      dd 0
nmi_done:       dd 0

; An NMI to processor 0 in each round.
send_nmis:
        mov     dword [r15 + APIC_ICR_HIGH], 0
        xor     ecx, ecx
.next:  inc     ecx
.wait:  pause
        cmp     [nmi_round], ecx
        jb      .wait
        mov     dword [r15 + APIC_ICR], ICR_NMI
        mov     [nmi_done], ecx
        cmp     ecx, NMI_PAIRS
        jb      .next
        ret

forget_all:
        mov     edi, PER_CPU(0)
.cpu:   mov     dword [rdi + PC_LOG_COUNT], 0
        push    rdi
        add     edi, PC_COUNTS
        mov     ecx, 256
        xor     eax, eax
        rep     stosd
        pop     rdi
        add     edi, PC_BYTES
        cmp     edi, PER_CPU(CPU_MAX)
        jb      .cpu
        ret

; Every other processor runs %1 once.
%macro everywhere 1
        begin_job 1, %1
        begin_job 2, %1
        begin_job 3, %1
        call    %1
        end_job "job done by 1", 1
        end_job "job done by 2", 2
        end_job "job done by 3", 3
%endmacro

%macro listen 1
        mov     dword [PER_CPU(%1) + PC_FREE], 0
        begin_job %1, job_wait_interrupts
%endmacro

; Ends job_wait_interrupts and, as it does not look before it has woken up, job_halt.
%macro dismiss 1
        mov     dword [PER_CPU(%1) + PC_FREE], 1
        ipi     0x2f, %1
        end_job "dismissed", %1
        mov     dword [PER_CPU(%1) + PC_FREE], 0
%endmacro

        bits    16
start:
        enter_long
        call    smp_setup
        call    smp_start
        listen  1
        listen  2
        listen  3
        sti

        ; Physical.
        ipi     0x51, 1
        ipi     0x52, 2
        ipi     0x53, 3
        ipi     0x54, 0
        ipi     0x55, 0xff
        ipi     0x56, 0x7e
        expect_counts "to processor 1", 0x51, 0x0010
        expect_counts "to processor 2", 0x52, 0x0100
        expect_counts "to processor 3", 0x53, 0x1000
        expect_counts "to processor 0", 0x54, 0x0001
        expect_counts "to everybody", 0x55, 0x1111
        expect_counts "to nobody", 0x56, 0x0000

        ; Shorthands.
        mov     dword [r15 + APIC_ICR], ICR_SELF | 0x58
        mov     dword [r15 + APIC_ICR], ICR_ALL | 0x59
        mov     dword [r15 + APIC_ICR], ICR_OTHERS | 0x5a
        expect_counts "shorthand self", 0x58, 0x0001
        expect_counts "shorthand all", 0x59, 0x1111
        expect_counts "shorthand all but self", 0x5a, 0x1110
        dismiss 1
        dismiss 2
        dismiss 3

        ; Logical.
        everywhere set_flat
        listen  1
        listen  2
        listen  3
        ipi     ICR_LOGICAL | 0x61, 0x0a
        ipi     ICR_LOGICAL | 0x62, 0x05
        ipi     ICR_LOGICAL | 0x63, 0xff
        ipi     ICR_LOGICAL | 0x64, 0xf0
        expect_counts "flat: 1 and 3", 0x61, 0x1010
        expect_counts "flat: 0 and 2", 0x62, 0x0101
        expect_counts "flat: everybody", 0x63, 0x1111
        expect_counts "flat: nobody", 0x64, 0x0000
        dismiss 1
        dismiss 2
        dismiss 3
        everywhere set_cluster
        listen  1
        listen  2
        listen  3
        ipi     ICR_LOGICAL | 0x65, 0x21
        ipi     ICR_LOGICAL | 0x66, 0x13
        ipi     ICR_LOGICAL | 0x67, 0x2f
        ipi     ICR_LOGICAL | 0x68, 0xff
        ipi     ICR_LOGICAL | 0x69, 0x33
        expect_counts "cluster 2, one of it", 0x65, 0x0100
        expect_counts "cluster 1, both", 0x66, 0x0011
        expect_counts "cluster 2, all of it", 0x67, 0x1100
        expect_counts "all clusters", 0x68, 0x1111
        expect_counts "no such cluster", 0x69, 0x0000
        dismiss 1
        dismiss 2
        dismiss 3

        ; Lowest priority: to who has the lowest, and to one only.
        everywhere set_flat
        everywhere set_priority
        listen  1
        listen  2
        listen  3
        mov     r12d, 10
.lowest:
        ipi     ICR_LOWEST | ICR_LOGICAL | 0x91, 0x0e
        spin_us 100
        dec     r12d
        jnz     .lowest
        expect_counts "lowest priority", 0x91, 0x0a00
        dismiss 1
        dismiss 2
        dismiss 3
        everywhere clear_priority
        listen  1
        listen  2
        listen  3
        call    forget_all
        mov     r12d, 3 * EACH
.turns: ipi     ICR_LOWEST | ICR_LOGICAL | 0x92, 0x0e
        spin_us 50
        dec     r12d
        jnz     .turns
        spin_us 300
        expect_dword "equal priority: 1's turns", [COUNT(1, 0x92)], EACH
        expect_dword "equal priority: 2's turns", [COUNT(2, 0x92)], EACH
        expect_dword "equal priority: 3's turns", [COUNT(3, 0x92)], EACH
        dismiss 1
        dismiss 2
        dismiss 3
        cli

        ; NMI: to one, to all others, and no second one before the handler's IRET.
        call    forget_all
        ipi     ICR_NMI, 1
        await   "NMI", [COUNT(1, 2)], 1
        mov     dword [r15 + APIC_ICR], ICR_OTHERS | ICR_NMI
        await   "NMI to all others: 1", [COUNT(1, 2)], 2
        await   "NMI to all others: 2", [COUNT(2, 2)], 1
        await   "NMI to all others: 3", [COUNT(3, 2)], 1
        expect_dword "NMI to all others: not 0", [COUNT(0, 2)], 0
        mov     qword [gs:PC_HOOK], nmi_in_nmi
        mov     dword [r15 + APIC_ICR], ICR_SELF | ICR_NMI
        nop
        nop
        expect_dword "NMI in an NMI waits", [gs:PC_FREE + 4], 1
        expect_dword "for its IRET, one of three", [COUNT(0, 2)], 2
        mov     qword [gs:PC_HOOK], 0

        ; Two at about the same time, one of its own and another one's, are two.
        call    forget_all
        begin_job 1, send_nmis
        xor     r12d, r12d
.pair:  inc     r12d
        mov     [nmi_round], r12d
        mov     ecx, r12d
        and     ecx, 31
.later: pause
        dec     ecx
        jns     .later
        mov     dword [r15 + APIC_ICR], ICR_SELF | ICR_NMI
.both:  pause
        cmp     [nmi_done], r12d
        jb      .both
        lea     eax, [r12 * 2]
        mov     r10d, 1000000
.taken: pause
        dec     r10d
        jz      .lost
        cmp     [COUNT(0, 2)], eax
        jne     .taken
        cmp     r12d, NMI_PAIRS
        jb      .pair
.lost:  expect  "pairs of NMIs that were two", r12, NMI_PAIRS
        expect_dword "and as many NMIs", [COUNT(0, 2)], 2 * NMI_PAIRS
        mov     dword [nmi_round], NMI_PAIRS
        end_job "sender of NMIs is done", 1

        ; To a halted processor, and how long that takes.
        call    forget_all
        mov     qword [PER_CPU(2) + PC_HOOK], note_tsc
        mov     r11, -1
        mov     r12d, 1
        mov     dword [PER_CPU(2) + PC_FREE], 0
        mov     dword [PER_CPU(2) + PC_FREE + 4], 0
        begin_job 2, job_halt
.halted:
        mov     r10d, 1000000
.asleep:
        dec     r10d
        jz      .send
        cmp     dword [PER_CPU(2) + PC_FREE + 4], 1
        jne     .asleep
.send:  spin_us 100
        mov     dword [PER_CPU(2) + PC_FREE + 4], 0
        mov     dword [r15 + APIC_ICR_HIGH], 2 << 24
        tsc
        mov     rbx, rax
        mov     dword [r15 + APIC_ICR], 0xb0
        mov     r10d, 1000000
.wait:  dec     r10d
        jz      .never
        cmp     [COUNT(2, 0xb0)], r12d
        jb      .wait
.never: spin_us 10
        mov     rax, [PER_CPU(2) + PC_FREE + 8]
        sub     rax, rbx
        cmp     rax, r11
        cmovb   r11, rax
        inc     r12d
        cmp     r12d, 100
        jbe     .halted
        expect_dword "halted: woken by each", [COUNT(2, 0xb0)], 100
        mov     rax, [tsc_hz]
        shr     rax, 12
        cmp     r11, rax
        expect_if "halted: within a quarter of a millisecond", b
        report  "ticks of the TSC from ICR to a halted processor's handler: ", r11
        mov     qword [PER_CPU(2) + PC_HOOK], 0
        dismiss 2

        ; Ten thousand, half of them each way, and not one more or less.
        call    forget_all
        mov     qword [PER_CPU(0) + PC_HOOK], send_pong
        mov     qword [PER_CPU(1) + PC_HOOK], send_ping
        listen  1
        tsc
        mov     rbx, rax
        sti
        ipi     PONG, 1
        mov     r12, [tsc_hz]
        lea     r12, [rbx + r12 * 8]
.play:  pause
        tsc
        cmp     rax, r12
        jae     .over
        cmp     dword [COUNT(0, PING)], IPIS / 2
        jb      .play
.over:  spin_us 1000
        cli
        expect_dword "forth", [COUNT(1, PONG)], IPIS / 2
        expect_dword "and back", [COUNT(0, PING)], IPIS / 2
        expect_dword "nothing else here", [PER_CPU(0) + PC_LOG_COUNT], IPIS / 2
        expect_dword "nothing else there", [PER_CPU(1) + PC_LOG_COUNT], IPIS / 2
        sub     rax, rbx
        xor     edx, edx
        mov     ecx, IPIS
        div     rcx
        report  "ticks of the TSC per interrupt: ", rax
        mov     qword [PER_CPU(0) + PC_HOOK], 0
        mov     qword [PER_CPU(1) + PC_HOOK], 0

        ; The same with both halted in between.
        dismiss 1
        call    forget_all
        mov     qword [PER_CPU(0) + PC_HOOK], send_pong
        mov     qword [PER_CPU(1) + PC_HOOK], send_ping
        begin_job 1, job_halt
        mov     dword [r15 + APIC_DIVIDE], 0xb  ; wakes this one should an interrupt be lost
        mov     dword [r15 + APIC_LVT_TIMER], 0x30
        mov     dword [r15 + APIC_INITIAL], 500000000
        spin_us 100
        ipi     PONG, 1
.sleep: cli
        cmp     dword [COUNT(0, PING)], IPIS / 2
        jae     .awake
        cmp     dword [COUNT(0, 0x30)], 0
        jne     .awake
        sti
        hlt
        jmp     .sleep
.awake: mov     dword [r15 + APIC_INITIAL], 0
        expect_dword "halted: forth", [COUNT(1, PONG)], IPIS / 2
        expect_dword "halted: and back", [COUNT(0, PING)], IPIS / 2
        mov     qword [PER_CPU(0) + PC_HOOK], 0
        mov     qword [PER_CPU(1) + PC_HOOK], 0
        dismiss 1
        finish
