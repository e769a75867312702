; SPDX-License-Identifier: BSD-2-Clause
; The keyboard controller as a kernel probes it: self test, command byte, interface tests, output port,
; loops through its output buffer. IBM PC/AT and PS/2 technical references.
%include "tests/guests/guest.inc"

        bits    64
; Waits until the controller takes a byte (status bit 1 clear), or has one (bit 0), for a tenth of a
; second; rax: the status.
wait_input:
        call    timer_start
.wait:  in      al, 0x64
        test    al, 2
        jz      .end
        call    timer_elapsed
        cmp     eax, 100 * TICKS_PER_MS
        jb      .wait
.end:   ret

wait_output:
        call    timer_start
.wait:  in      al, 0x64
        test    al, 1
        jnz     .end
        call    timer_elapsed
        cmp     eax, 100 * TICKS_PER_MS
        jb      .wait
.end:   ret

; Command in bl.
command:
        call    wait_input
        mov     al, bl
        out     0x64, al
        ret

; Data byte in bl.
send:   call    wait_input
        mov     al, bl
        out     0x60, al
        ret

; What the controller answers, in rax; 0xdead when it does not.
receive:
        call    wait_output
        test    al, 1
        jz      .none
        in      al, 0x60
        movzx   eax, al
        ret
.none:  mov     eax, 0xdead
        ret

%macro order 1
        mov     bl, %1
        call    command
%endmacro

%macro give 1
        mov     bl, %1
        call    send
%endmacro
        bits    16

start:
        enter_long
        call    pic_setup
        order   0xad                    ; keyboard off, so that nothing comes between
        order   0xa7
        call    wait_output
        in      al, 0x60
        order   0xaa
        call    receive
        expect  "self test", rax, 0x55
        in      al, 0x64
        and     eax, 4
        expect  "system flag", rax, 4
        order   0xab
        call    receive
        expect  "keyboard interface", rax, 0
        order   0xa9
        call    receive
        expect  "auxiliary interface", rax, 0

        ; The command byte keeps what is written.
        order   0x60
        give    0x74
        order   0x20
        call    receive
        expect  "command byte", rax, 0x74
        order   0xa8
        order   0x20
        call    receive
        and     eax, 0x20
        expect  "auxiliary on", rax, 0
        order   0xa7
        order   0x20
        call    receive
        and     eax, 0x20
        expect  "auxiliary off", rax, 0x20

        ; D2 and D3 put a byte into the output buffer, as if it came from a device.
        order   0xd2
        give    0x5a
        in      al, 0x64
        and     eax, 0x21
        expect  "keyboard buffer full", rax, 1
        call    receive
        expect  "keyboard loop", rax, 0x5a
        order   0xd3
        give    0xa5
        in      al, 0x64
        and     eax, 0x21
        expect  "auxiliary buffer full", rax, 0x21
        call    receive
        expect  "auxiliary loop", rax, 0xa5

        ; With its interrupt on, the same arrives at line 1.
        order   0x60
        give    0x45
        mov     ax, 2
        call    pic_unmask
        order   0xd2
        give    0x11
        sti
        mov     ecx, TICKS_PER_MS
        call    timer_wait
        cli
        mov     ebx, [irq_counts + (IRQ_BASE + 1) * 4]
        expect  "interrupt at line 1", rbx, 1
        call    receive
        expect  "its byte", rax, 0x11

        ; A20 is open, and the output port says so.
        order   0xd0
        call    receive
        and     eax, 3
        expect  "output port: A20, no reset", rax, 3
        in      al, 0x92
        and     eax, 2
        expect  "port 0x92: A20", rax, 2
        mov     dword [0x0500], 0x12345678
        mov     dword [0x100500], 0
        mov     eax, [0x0500]
        expect  "A20 is not masked", rax, 0x12345678

        ; No keyboard: what is sent to it is answered by a time-out, 0xfe.
        order   0x60
        give    0x44
        give    0xf4
        call    receive
        cmp     eax, 0xdead
        expect_if "no keyboard: an answer", ne
        finish
