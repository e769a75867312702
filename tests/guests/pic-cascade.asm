; SPDX-License-Identifier: BSD-2-Clause
; The two 8259As as a PC has them: the RTC's interrupt through the slave, priorities, masks, in-service
; bits until the EOI, poll, ELCR. Intel 8259A datasheet (231468).
%include "tests/guests/guest.inc"

; The RTC's periodic interrupt at 1024 Hz on, or off; register C read, which lets its line go.
rtc_periodic_on:
        bits    64
        push    rax
        mov     ax, 0x260a
        call    cmos_write
        mov     ax, 0x420b              ; PIE, 24-hour
        call    cmos_write
        mov     al, 0x0c
        call    cmos_read
        pop     rax
        ret

rtc_off:
        push    rax
        mov     ax, 0x020b
        call    cmos_write
        mov     al, 0x0c
        call    cmos_read
        pop     rax
        ret

; The hook: register C lets the line go, so that the next edge can come.
rtc_release:
        cmp     eax, IRQ_BASE + 8
        je      rtc_read
        ret
rtc_read:
        push    rax
        mov     al, 0x0c
        call    cmos_read
        pop     rax
        ret

; PIT counter 0 in mode 0 with a short count: one edge on line 0.
pit_one_edge:
        push    rax
        mov     al, 0x30
        out     PIT + 3, al
        mov     al, 100
        out     PIT, al
        xor     al, al
        out     PIT, al
        pop     rax
        ret

; OCW3 in al to master or slave: what register does a read yield then?
%macro read_register 2          ; base port, 0x0a for IRR or 0x0b for ISR; result in rax
        mov     al, %2
        out     %1, al
        in      al, %1
        movzx   eax, al
%endmacro

        bits    16

start:
        enter_long
        call    pic_setup
        call    rtc_off

        ; IMR reads back through the data port.
        mov     al, 0x5a
        out     PIC_MASTER + 1, al
        mov     al, 0xa5
        out     PIC_SLAVE + 1, al
        in      al, PIC_MASTER + 1
        movzx   eax, al
        expect  "master IMR", rax, 0x5a
        in      al, PIC_SLAVE + 1
        movzx   eax, al
        expect  "slave IMR", rax, 0xa5
        call    pic_setup

        ; ELCR: lines 0, 1, 2, 8 and 13 are always edge-triggered.
        mov     dx, ELCR
        mov     al, 0xff
        out     dx, al
        in      al, dx
        movzx   eax, al
        expect  "ELCR master", rax, 0xf8
        xor     al, al
        out     dx, al
        inc     dx
        mov     al, 0xff
        out     dx, al
        in      al, dx
        movzx   eax, al
        expect  "ELCR slave", rax, 0xde
        xor     al, al
        out     dx, al

        ; A masked request waits in the slave's IRR and does not reach the master.
        mov     qword [irq_hook], rtc_release
        call    rtc_periodic_on
        mov     ecx, 10 * TICKS_PER_MS
        call    timer_wait
        read_register PIC_SLAVE, 0x0a
        and     eax, 1
        expect  "RTC pending in the slave", rax, 1
        read_register PIC_MASTER, 0x0a
        and     eax, 4
        expect  "masked: not in the master", rax, 0
        mov     ax, 0x0104              ; lines 8 and 2
        call    pic_unmask
        read_register PIC_MASTER, 0x0a
        and     eax, 4
        expect  "unmasked: on the master's line 2", rax, 4

        ; Through the cascade with vector 0x28; in service until the EOI, on both chips.
        mov     dword [irq_manual_eoi], 1
        sti
        nop
        nop
        cli
        expect  "one interrupt", [irq_log_count], 1
        movzx   eax, byte [irq_log]
        expect  "its vector", rax, IRQ_BASE + 8
        read_register PIC_SLAVE, 0x0b
        expect  "in service at the slave", rax, 1
        read_register PIC_MASTER, 0x0b
        expect  "in service at the master", rax, 4
        mov     ecx, 5 * TICKS_PER_MS   ; the next request waits behind it
        call    timer_wait
        sti
        nop
        nop
        cli
        expect  "no second one before the EOI", [irq_log_count], 1

        ; Line 0 has a higher priority than what is in service.
        call    pit_one_edge
        mov     ax, 0x0105
        call    pic_unmask
        mov     ecx, TICKS_PER_MS
        call    timer_wait
        sti
        nop
        nop
        cli
        expect  "line 0 nests", [irq_log_count], 2
        movzx   eax, byte [irq_log + 1]
        expect  "its vector, 0x20", rax, IRQ_BASE
        read_register PIC_MASTER, 0x0b
        expect  "two in service", rax, 5

        ; A non-specific EOI takes the highest; a specific one the level it names.
        mov     al, 0x20
        out     PIC_MASTER, al
        read_register PIC_MASTER, 0x0b
        expect  "EOI of the highest", rax, 4
        mov     al, 0x60
        out     PIC_SLAVE, al
        read_register PIC_SLAVE, 0x0b
        expect  "specific EOI, slave", rax, 0
        mov     al, 0x62
        out     PIC_MASTER, al
        read_register PIC_MASTER, 0x0b
        expect  "specific EOI, master", rax, 0

        ; Both pending: line 0 first, the slave's after it.
        mov     dword [irq_manual_eoi], 0
        mov     ax, 0
        call    pic_unmask
        call    rtc_read
        call    pit_one_edge
        mov     ecx, 5 * TICKS_PER_MS
        call    timer_wait
        mov     dword [irq_log_count], 0
        mov     ax, 0x0105
        call    pic_unmask
        sti
        nop
        nop
        nop
        cli
        call    rtc_off
        movzx   eax, word [irq_log]
        expect  "order of priority", rax, (IRQ_BASE + 8) << 8 | IRQ_BASE

        ; Masked again while it is pending: nothing arrives.
        mov     dword [irq_log_count], 0
        call    pit_one_edge
        mov     ecx, TICKS_PER_MS
        call    timer_wait
        mov     ax, 0
        call    pic_unmask
        sti
        nop
        nop
        cli
        expect  "masked while pending", [irq_log_count], 0

        ; Poll: the read acknowledges, and says which line; with none pending bit 7 is clear.
        mov     ax, 1
        call    pic_unmask
        mov     al, 0x0c
        out     PIC_MASTER, al
        in      al, PIC_MASTER
        movzx   eax, al
        expect  "poll finds line 0", rax, 0x80
        read_register PIC_MASTER, 0x0b
        expect  "and has acknowledged it", rax, 1
        mov     al, 0x20
        out     PIC_MASTER, al
        mov     al, 0x0c
        out     PIC_MASTER, al
        in      al, PIC_MASTER
        and     eax, 0x80
        expect  "poll finds nothing", rax, 0

        ; Automatic EOI: nothing stays in service.
        mov     al, 0x11
        out     PIC_MASTER, al
        mov     al, IRQ_BASE
        out     PIC_MASTER + 1, al
        mov     al, 4
        out     PIC_MASTER + 1, al
        mov     al, 3
        out     PIC_MASTER + 1, al
        mov     al, 0xfe
        out     PIC_MASTER + 1, al
        mov     dword [irq_manual_eoi], 1
        mov     dword [irq_log_count], 0
        call    pit_one_edge
        mov     ecx, TICKS_PER_MS
        call    timer_wait
        sti
        nop
        nop
        cli
        expect  "AEOI: delivered", [irq_log_count], 1
        read_register PIC_MASTER, 0x0b
        expect  "AEOI: not in service", rax, 0
        finish
