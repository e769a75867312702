; SPDX-License-Identifier: BSD-2-Clause
; ACPI fixed hardware: the PM timer runs at 3.579545 MHz by the RTC's clock, PM1 status and enable,
; SCI_EN through the SMI command port. ACPI 6.5, section 4.8.
%include "tests/guests/guest.inc"

SMI_COMMAND equ 0xb2

start:
        enter_long
        call    pic_setup

        ; It only ever goes up.
        mov     dx, PM_TIMER
        in      eax, dx
        mov     ebx, eax
        mov     ecx, 1000
.up:    in      eax, dx
        mov     esi, eax
        sub     eax, ebx
        and     eax, 0xffffff
        cmp     eax, 0x100000
        mov     ebx, esi
        jae     .down
        loop    .up
.down:  expect_if "timer goes up", b

        ; Two periods of the RTC at 2 Hz against it: one second, within 2 %.
        mov     ax, 0x2f0a              ; 2 Hz
        call    cmos_write
        mov     ax, 0x020b
        call    cmos_write
        mov     al, 0x0c
        call    cmos_read
        call    period
        call    timer_start
        call    period
        call    period
        call    timer_elapsed
        cmp     eax, PM_TIMER_HZ * 98 / 100
        expect_if "a second: not too few ticks", ae
        cmp     eax, PM_TIMER_HZ * 102 / 100
        expect_if "a second: not too many", b
        mov     ax, 0x260a
        call    cmos_write

        ; A byte and a word of the timer are parts of the doubleword.
        mov     dx, PM_TIMER + 3
        in      al, dx
        movzx   ebx, al
        mov     dx, PM_TIMER
        in      eax, dx
        shr     eax, 24
        sub     eax, ebx
        cmp     eax, 1
        expect_if "its top byte", be

        ; ACPI mode on and off.
        mov     al, 0xa1
        out     SMI_COMMAND, al
        mov     dx, PM_CONTROL
        in      ax, dx
        and     eax, 1
        expect  "legacy mode", rax, 0
        mov     al, 0xa0
        out     SMI_COMMAND, al
        in      ax, dx
        and     eax, 1
        expect  "ACPI mode", rax, 1

        ; Enable bits keep what is written; status bits are cleared by ones.
        mov     dx, PM_EVENT
        mov     ax, 0xffff
        out     dx, ax
        in      ax, dx
        and     eax, 0x100
        expect  "no power button", rax, 0
        mov     dx, PM_EVENT + 2
        mov     ax, 0x100               ; power button
        out     dx, ax
        in      ax, dx
        movzx   eax, ax
        expect  "PM1 enable", rax, 0x100
        xor     eax, eax
        out     dx, ax
        in      ax, dx
        movzx   eax, ax
        expect  "PM1 enable clear", rax, 0
        mov     al, 0xa1
        out     SMI_COMMAND, al
        finish

; Until the RTC's periodic flag, at most a second and a half.
period: push    rax
        push    rdx
        mov     dx, PM_TIMER
        in      eax, dx
        mov     ebx, eax
.wait:  mov     al, 0x0c
        call    cmos_read
        test    ah, 0x40
        jnz     .done
        in      eax, dx
        sub     eax, ebx
        and     eax, 0xffffff
        cmp     eax, PM_TIMER_HZ * 3 / 2
        jb      .wait
.done:  pop     rdx
        pop     rax
        ret
