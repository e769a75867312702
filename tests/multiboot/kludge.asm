; SPDX-License-Identifier: BSD-2-Clause
; A Multiboot kernel without ELF: the header's own addresses say what goes where (Multiboot
; Specification 0.6.96, 3.1.3 "The address fields of Multiboot header"). It loads below 640 KiB over
; the place where the loader likes to put its information, has a BSS, and behind what is to be
; loaded its file goes on with what must not be. It reports over port 0xe9.

DEBUG_CONSOLE   equ 0xe9
DEBUG_EXIT      equ 0xf4

MAGIC           equ 0x1badb002
FLAGS           equ 1 << 16 | 1 << 2 | 1 << 1   ; addresses; a video mode; memory information
LOAD            equ 0x8000
BSS_BYTES       equ 0x3000

INFORMATION_BYTES       equ 88
MEM_UPPER               equ 8
CMDLINE                 equ 16
MODS_COUNT              equ 20

        bits    32
        org     LOAD
image:
        times 64 db 0x5a                ; the header is not at the beginning of what is loaded
header: dd      MAGIC, FLAGS, -(MAGIC + FLAGS)
        dd      header, image, load_end, bss_end, start
        dd      1, 80, 25, 0            ; text, 80 x 25

        times 100 db 0x5a
start:
        mov     esp, early_stack
        xor     ebp, ebp                ; failures
        xor     edx, edx                ; checks

; NAME, condition code that holds when all is well
%macro expect_if 2
        mov     esi, %%name
        mov     ecx, 0
        set%2   cl
        call    report
        jmp     %%done
%%name: db      %1, 0
%%done:
%endmacro

        cmp     eax, 0x2badb002
        expect_if "EAX has the magic number", e
        mov     edi, load_end
        mov     ecx, bss_end - load_end
        xor     eax, eax
        cld
        repe scasb
        expect_if "BSS is zero, and what follows in the file is not in it", e
        cmp     byte [bss_end], 0x77
        expect_if "nor behind it", ne
        cmp     dword [image], 0x5a5a5a5a
        expect_if "what is in front of the header is loaded", e
        cmp     ebx, 0x1000
        expect_if "the information is not in page 0", ae
        lea     eax, [ebx + INFORMATION_BYTES]
        cmp     eax, image
        setbe   cl
        cmp     ebx, bss_end
        setae   ch
        or      cl, ch
        cmp     cl, 1
        expect_if "the information is not in the image", e
        cmp     ebx, 0x9fc00
        expect_if "the information is below the extended BIOS data area", b
        mov     eax, [ebx]
        and     eax, 0x4d
        cmp     eax, 0x4d
        expect_if "flags: memory, command line, modules, map", e
        test    dword [ebx], 1 << 11
        expect_if "flags: no VBE, as there is no display", z
        cmp     dword [ebx + MEM_UPPER], 1024
        expect_if "mem_upper: a guest of 2 MiB has 1 MiB there", e
        cmp     dword [ebx + MODS_COUNT], 0
        expect_if "no modules", e
        mov     esi, [ebx + CMDLINE]
        mov     edi, name
        mov     ecx, name_end - name
        repe cmpsb
        expect_if "the command line is the file's name alone", e

        mov     esi, text_end
        call    print
        mov     eax, edx
        call    print_hex
        mov     esi, text_failed
        call    print
        mov     eax, ebp
        call    print_hex
        mov     al, 10
        out     DEBUG_CONSOLE, al
        xor     eax, eax
        test    ebp, ebp
        setnz   al
        out     DEBUG_EXIT, ax
.stop:  cli
        hlt
        jmp     .stop

; esi: name, ecx: 1 when all is well. Keeps all but esi, eax, flags.
report: inc     edx
        push    esi
        mov     esi, text_pass
        test    ecx, ecx
        jnz     .print
        inc     ebp
        mov     esi, text_fail
.print: call    print
        pop     esi
        call    print
        mov     al, 10
        out     DEBUG_CONSOLE, al
        ret

print:  lodsb
        test    al, al
        jz      .done
        out     DEBUG_CONSOLE, al
        jmp     print
.done:  ret

; al in hexadecimal.
print_hex:
        mov     ah, al
        shr     al, 4
        jz      .low
        call    .digit
.low:   mov     al, ah
        and     al, 15
.digit: cmp     al, 10
        jb      .out
        add     al, 'a' - '0' - 10
.out:   add     al, '0'
        out     DEBUG_CONSOLE, al
        ret

text_pass:      db "PASS ", 0
text_fail:      db "FAIL ", 0
text_end:       db "END checks ", 0
text_failed:    db ", failed ", 0
name:           db "kludge.bin", 0
name_end:

        align   16
        times 256 db 0x5a
early_stack:
load_end:
bss_end equ     load_end + BSS_BYTES

        times BSS_BYTES + 64 db 0x77    ; beyond load_end_addr: not to be loaded
