; SPDX-License-Identifier: BSD-2-Clause
; Starting processors: INIT and start-up messages to all others and to one, start-up in real mode,
; a second start-up message is ignored, INIT stops and start-up starts again, the TSCs agree. Intel
; SDM vol. 3A, "Multiple-Processor (MP) Initialization", "Time-Stamp Counter Adjustment". For four
; processors.
%include "tests/guests/guest.inc"
%include "tests/guests/smp.inc"

OTHER_PAGE      equ 0x33000     ; what starts there only counts
OTHER_COUNT     equ 0x34000
HANDSHAKES      equ 100

; Counts in real mode and stays there, looking at the state that INIT leaves.
        bits    16
counter:
        cli
        mov     bx, cs
        mov     ax, OTHER_COUNT >> 4
        mov     ds, ax
        lock inc dword [0]
        mov     [4], bx
        call    .here
.here:  pop     cx                      ; the stack pointer was 0, so this used 0:fffe
        mov     eax, cr0
        mov     [8], eax
        mov     [12], edx
        pushfd
        pop     dword [16]
        mov     [20], ss
        mov     dword [24], 1           ; all of it is there
        sti                             ; nothing comes: the APIC has not been enabled
.stay:  inc     dword [28]
        jmp     .stay
counter_end:

        bits    64
; The other side of a handshake: waits for request n, answers with its TSC.
answer_tsc:
        xor     ecx, ecx
.next:  inc     ecx
.wait:  cmp     [gs:PC_FREE], ecx
        jne     .wait
        lfence
        tsc
        mov     [gs:PC_FREE + 8], rax
        mov     [gs:PC_FREE + 16], ecx
        cmp     ecx, HANDSHAKES
        jb      .next
        ret

; Leaves a mark and stays away from the job loop.
run_away:
        mov     dword [gs:PC_FREE], 0x77
.stay:  inc     qword [gs:PC_FREE + 8]
        jmp     .stay

        bits    16
start:
        enter_long
        call    smp_setup
        mov     eax, 1
        cpuid
        shr     ebx, 16
        and     ebx, 0xff
        cmp     ebx, CPU_MAX
        expect_if "CPUID: at least four logical processors", ae
        mov     ecx, IA32_APIC_BASE
        rdmsr
        and     eax, 0xf00
        expect  "bootstrap processor", rax, 0x900

        ; Before INIT or start-up, nothing runs; a start-up message alone starts one processor, as it
        ; waits since power-on.
        call    smp_start
        spin_us 2000                    ; in case the second message starts anything
        mov     ebx, 1
.once:  imul    eax, ebx, PC_BYTES
        mov     eax, [PER_CPU(0) + rax + PC_STARTS]
        expect  "started once by two messages", rax, 1
        imul    eax, ebx, PC_BYTES
        mov     eax, [PER_CPU(0) + rax + PC_ID]
        expect  "APIC ID", rax, rbx
        inc     ebx
        cmp     ebx, CPU_MAX
        jb      .once

        ; A start-up message to a running processor does nothing.
        mov     esi, counter
        mov     edi, OTHER_PAGE
        mov     ecx, counter_end - counter
        cld
        rep     movsb
        mov     edi, OTHER_COUNT
        mov     ecx, 16
        xor     eax, eax
        rep     stosd
        ipi     ICR_STARTUP | (OTHER_PAGE >> 12), 2
        spin_us 1000
        expect_dword "start-up ignored by who runs", [OTHER_COUNT], 0
        begin_job 2, answer_tsc
        mov     dword [PER_CPU(2) + PC_FREE], 1
        await   "and it goes on running", [PER_CPU(2) + PC_FREE + 16], 1

        ; INIT takes it out of whatever it does; it waits until it is started, and starts elsewhere.
        ipi     ICR_INIT | ICR_ASSERT, 2
        spin_us 1000
        mov     dword [PER_CPU(2) + PC_FREE], 2
        spin_us 1000
        expect_dword "INIT stops it", [PER_CPU(2) + PC_FREE + 16], 1
        expect_dword "and no start-up message was kept", [OTHER_COUNT], 0
        ipi     ICR_INIT | ICR_LEVEL, 2         ; deassertion: without effect
        ipi     ICR_STARTUP | (OTHER_PAGE >> 12), 2
        await   "starts at another page", [OTHER_COUNT + 24], 1
        expect_dword "once", [OTHER_COUNT], 1
        expect_dword "CS", [OTHER_COUNT + 4], OTHER_PAGE >> 4
        expect_dword "SS", [OTHER_COUNT + 20], 0
        expect_dword "CR0 after INIT", [OTHER_COUNT + 8], 0x60000010
        expect_dword "flags after INIT", [OTHER_COUNT + 16], 2
        mov     eax, 1
        cpuid
        expect_dword "EDX after INIT is the signature", [OTHER_COUNT + 12], rax
        ipi     ICR_STARTUP | TRAMPOLINE_VECTOR, 2
        spin_us 1000
        mov     eax, [OTHER_COUNT + 28]
        spin_us 1000
        cmp     eax, [OTHER_COUNT + 28]
        expect_if "runs on whatever start-up messages come", ne

        ; Back into the job loop, with memory as it was.
        mov     qword [PER_CPU(2) + PC_JOB], 0
        ipi     ICR_INIT | ICR_ASSERT, 2
        spin_us 1000
        ipi     ICR_STARTUP | TRAMPOLINE_VECTOR, 2
        await   "INIT and start-up again", [PER_CPU(2) + PC_STARTS], 2
        expect_dword "counted", [cpu_count], CPU_MAX + 1

        ; A start-up message that is sent right after INIT, without a pause, is taken as well; ten
        ; times.
        mov     ebx, 10
.quick: mov     dword [PER_CPU(3) + PC_FREE], 0
        begin_job 3, run_away
        mov     eax, [PER_CPU(3) + PC_STARTS]
        lea     r12d, [rax + 1]
        await   "runs away", [PER_CPU(3) + PC_FREE], 0x77
        mov     qword [PER_CPU(3) + PC_JOB], 0
        ipi     ICR_INIT | ICR_ASSERT, 3
        ipi     ICR_STARTUP | TRAMPOLINE_VECTOR, 3
        await   "caught again", [PER_CPU(3) + PC_STARTS], r12d
        dec     ebx
        jnz     .quick

        ; All others at once, from what they do.
        mov     dword [cpu_count], 1
        begin_job 1, run_away
        begin_job 2, run_away
        await   "1 runs away", [PER_CPU(1) + PC_FREE], 0x77
        await   "2 runs away", [PER_CPU(2) + PC_FREE], 0x77
        mov     qword [PER_CPU(1) + PC_JOB], 0
        mov     qword [PER_CPU(2) + PC_JOB], 0
        call    smp_start
        expect_dword "the bootstrap processor's count", [PER_CPU(0) + PC_STARTS], 0

        ; TSCs: each answer lies between question and receipt, on every processor, every time.
        mov     r12d, 1
.cpu:   imul    ebx, r12d, PC_BYTES
        add     ebx, PER_CPU(0)
        mov     dword [rbx + PC_FREE], 0
        mov     dword [rbx + PC_FREE + 16], 0
        mov     qword [rbx + PC_JOB], answer_tsc
        xor     r13d, r13d              ; answers outside
        mov     r11, -1                 ; the shortest handshake
        mov     ecx, 1
.ask:   tsc
        mov     r8, rax
        mov     [rbx + PC_FREE], ecx
        mov     r10d, 1000000
.listen:
        dec     r10d
        jz      .lost
        cmp     [rbx + PC_FREE + 16], ecx
        jne     .listen
.lost:  lfence
        tsc
        mov     r9, [rbx + PC_FREE + 8]
        cmp     r9, r8
        adc     r13d, 0
        cmp     rax, r9
        adc     r13d, 0
        sub     rax, r8
        cmp     rax, r11
        cmovb   r11, rax
        inc     ecx
        cmp     ecx, HANDSHAKES
        jbe     .ask
        expect  "TSC agrees with the bootstrap processor's", r13, 0
        report  "shortest handshake, ticks: ", r11
        inc     r12d
        cmp     r12d, CPU_MAX
        jb      .cpu
        finish
