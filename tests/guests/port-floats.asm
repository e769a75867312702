; SPDX-License-Identifier: BSD-2-Clause
; Ports where nothing is: reads of all sizes float to ones, writes vanish. Reads across the edge of a
; device get its bytes where it is and ones beside it, as on the ISA bus.
%include "tests/guests/guest.inc"

start:
        enter_long
        xor     r15d, r15d
.next:  mov     dx, [ports + r15 * 2]
        mov     rax, 0x1122334455667700
        in      al, dx
        mov     rbx, 0x11223344556677ff
        expect  "byte", rax, rbx
        in      ax, dx
        mov     rbx, 0x112233445566ffff
        expect  "word, the rest of RAX kept", rax, rbx
        mov     rax, 0x1122334455667700
        in      eax, dx
        mov     ebx, 0xffffffff
        expect  "doubleword, RAX cleared above", rax, rbx
        xor     eax, eax
        expect_no_fault "write byte", {out dx, al}
        expect_no_fault "write word", {out dx, ax}
        expect_no_fault "write doubleword", {out dx, eax}
        in      eax, dx
        expect  "still floats", rax, rbx
        inc     r15d
        cmp     r15d, port_count
        jb      .next

        xor     eax, eax
        in      al, 0x80
        expect  "port in the instruction", rax, 0xff

        ; The debug console at 0xe9 reads as its number.
        xor     eax, eax
        in      al, 0xe9
        expect  "debug console", rax, 0xe9
        mov     dx, 0xe8
        in      ax, dx
        expect  "word ending in it", rax, 0xe9ff
        inc     dx
        in      ax, dx
        expect  "word starting in it", rax, 0xffe9
        mov     dx, 0xe7
        in      eax, dx
        mov     ebx, 0xffe9ffff
        expect  "doubleword around it", rax, rbx

        ; Two bytes of one device in one access: index and data of the CMOS.
        mov     ax, 0x7e52
        out     RTC, ax
        mov     al, 0x52
        out     RTC, al
        xor     eax, eax
        in      al, RTC + 1
        expect  "word split over a device", rax, 0x7e

        ; The last ports of all: an access wraps nowhere.
        mov     dx, 0xffff
        mov     eax, 0
        in      al, dx
        expect  "port 0xffff", rax, 0xff
        finish

        align   2
ports:  dw      0x10, 0x80, 0xe0, 0x170, 0x1f0, 0x278, 0x2f8, 0x3d4, 0x5f0, 0xcfc, 0xcf0
        dw      0x1000, 0x8000, 0xc000, 0xfffc
port_count equ ($ - ports) / 2
