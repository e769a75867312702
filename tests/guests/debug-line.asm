; SPDX-License-Identifier: BSD-2-Clause
; A guest that ends in the middle of a line on the debug console: the line is shown all the same.
        bits    16
        org     0x7c00

        mov     si, text
.next:  lodsb
        test    al, al
        jz      .end
        out     0xe9, al
        jmp     .next
.end:   out     0xf4, al

text:   db      "PASS a last line without its end", 10
        db      "END checks 1, failed 0", 0
