; SPDX-License-Identifier: BSD-2-Clause
; Instructions on memory that is not there, or the I/O APIC's, executed again and again while their
; bytes, and the page tables through which they are fetched, change: whatever the monitor remembers of
; them, what happens is what the processor would do now. In every width of code and kind of paging.
%include "tests/guests/guest.inc"

HOLE            equ 0xa0000     ; RAM ends here
ONES            equ 0xffffffff
IO_APIC         equ 0xfec00000
WINDOW          equ IO_APIC + 0x10
VERSION         equ 0x170020    ; of 24 pins, as register 1 says
FS_BASE         equ 0xc0000100
INVALID         equ 0x5a5a5a5a

; Pages with code, and a table or a page for each purpose.
CODE_A          equ 0x202000
CODE_B          equ 0x203000
CODE_C          equ 0x204000
CODE_D          equ 0x205000
TABLE_A         equ 0x210000
TABLE_B         equ 0x211000
ROOT_32         equ 0x212000
PDPT_PAE        equ 0x213000
PDPT_PAE_B      equ 0x213020
DIRECTORIES     equ 0x214000    ; four
DIRECTORY_B     equ 0x218000
PML4_B          equ 0x219000
PDPT_B          equ 0x21a000
TABLE_C         equ 0x21b000

LINEAR          equ 0x600000    ; mapped by TABLE_A or TABLE_B
LARGE           equ 0x83        ; present, writable, 2 or 4 MiB

; Little-endian: mov eax/ecx/edx, [rbx]; ret
TO_EAX          equ 0xc3038b
TO_ECX          equ 0xc30b8b
TO_EDX          equ 0xc3138b
FROM_EAX        equ 0xc30389
TO_AL           equ 0xc3038a
MOVZX_EAX       equ 0xc303b60f

%macro call_at 1
        mov     edi, %1
        call    rDI
%endmacro

; Executes what is at %2 three times: as new, and as known. Then exactly one of eax, ecx and edx, %3,
; holds what it has read, VERSION.
%macro expect_loads 3
%rep 3
        mov     eax, INVALID
        mov     ecx, INVALID
        mov     edx, INVALID
        mov     ebx, WINDOW
        call_at %2
        expect  {%1, ": loaded"}, %3, VERSION
        xor     eax, ecx
        xor     eax, edx
        expect  {%1, ": the others are not"}, rA, VERSION
%endrep
%endmacro

; The instruction changes under its address, which %1 says; nothing tells the processor.
%macro rewritten_code 2
        mov     dword [%2], TO_EAX
        expect_loads {%1, ": eax"}, %2, rA
        mov     byte [%2 + 1], 0x0b
        expect_loads {%1, ": now ecx"}, %2, rC
        mov     byte [%2 + 1], 0x13
        expect_loads {%1, ": now edx"}, %2, rD
        mov     dword [%2], MOVZX_EAX
        mov     ebx, WINDOW + 2
    %rep 2
        mov     eax, INVALID
        call_at %2
        expect  {%1, ": now movzx"}, rA, VERSION >> 16
    %endrep
        mov     dword [%2], TO_AL
    %rep 2
        mov     eax, INVALID
        call_at %2
        expect  {%1, ": now al"}, rA, (INVALID & ~0xff) | VERSION >> 16
    %endrep
        mov     dword [%2], FROM_EAX    ; and stores, to IOREGSEL: at the beginning of a page
        mov     ebx, IO_APIC
    %assign value 0x10
    %rep 3
        mov     eax, value
        call_at %2
        xor     eax, eax
        or      eax, [rBX]
        expect  {%1, ": now a store"}, rA, value
    %assign value value + 3
    %endrep
        mov     eax, 1
        call_at %2
%endmacro

; Executes the comparison at %2 three times; then the flags of %3 (CF 1, ZF 0x40, SF 0x80) are %4.
%macro expect_flags 4
%rep 3
        mov     ebx, WINDOW
        mov     eax, VERSION + 1
        cmp     eax, %4 ^ ONES          ; other flags, likely
        call_at %2
        lahf
        shr     eax, 8
        and     eax, %3
        expect  {%1}, rA, %4
%endrep
%endmacro

; Comparisons that change under their address.
%macro rewritten_comparison 2
        mov     dword [%2], (VERSION & 0xffff) << 16 | 0x3b81   ; cmp dword [rbx], VERSION; ret
        mov     dword [%2 + 4], 0xc30000 | VERSION >> 16
        expect_flags {%1, ": equal to an immediate"}, %2, 0xc1, 0x40
        inc     byte [%2 + 2]
        expect_flags {%1, ": now below it"}, %2, 0xc1, 0x81
        sub     byte [%2 + 2], 2
        expect_flags {%1, ": now above it"}, %2, 0xc1, 0
        mov     dword [%2], 0xc3033b    ; cmp eax, [rbx]; ret
        expect_flags {%1, ": a register above"}, %2, 0xc1, 0
        mov     byte [%2], 0x39         ; cmp [rbx], eax
        expect_flags {%1, ": below a register"}, %2, 0xc1, 0x81
        mov     byte [%2], 0x38         ; cmp [rbx], al
        expect_flags {%1, ": a byte below a byte"}, %2, 0xc1, 0x81
        mov     dword [%2], 0x1703f6    ; test byte [rbx], 0x17; ret
        mov     byte [%2 + 3], 0xc3
        expect_flags {%1, ": no bit in common"}, %2, 0xc1, 0x40
        mov     byte [%2 + 2], 0x20
        expect_flags {%1, ": a bit in common"}, %2, 0xc1, 0
        mov     dword [%2], TO_EAX
        expect_loads {%1, ": a load again"}, %2, rA
%endmacro

; One instruction, at %2, on addresses that nobody has, and then across the border between RAM and
; them: there the exit tells the beginning of a page as well.
%macro border_code 2
        mov     dword [HOLE - 4], INVALID
        mov     word [HOLE - 2], 0x1234
        mov     dword [%2], TO_EAX
    %rep 2
        mov     ebx, HOLE
        xor     eax, eax
        call_at %2
        xor     eax, ONES
        expect  {%1, ": read beyond"}, rA, 0
        mov     ebx, HOLE - 2
        xor     eax, eax
        call_at %2
        xor     eax, 0xffff1234
        expect  {%1, ": read across"}, rA, 0
        mov     ebx, HOLE + 2
        xor     eax, eax
        call_at %2
        xor     eax, ONES
        expect  {%1, ": read misaligned"}, rA, 0
    %endrep
        mov     dword [%2], 0xc30339    ; cmp [rbx], eax; ret
    %rep 2
        mov     ebx, HOLE
        mov     eax, ONES
        call_at %2
        sete    al
        movzx   eax, al
        expect  {%1, ": compared beyond"}, rA, 1
        mov     ebx, HOLE - 2
        mov     eax, 0xffff1234
        call_at %2
        sete    al
        movzx   eax, al
        expect  {%1, ": compared across"}, rA, 1
    %endrep
        mov     dword [%2], FROM_EAX
    %assign value 0x7788
    %rep 2
        mov     eax, 0x11220000 + value
        mov     ebx, HOLE
        call_at %2
        mov     ebx, HOLE - 2
        call_at %2
        movzx   eax, word [HOLE - 2]
        expect  {%1, ": written across"}, rA, value
        movzx   eax, word [HOLE - 4]
        expect  {%1, ": not before"}, rA, INVALID & 0xffff
    %assign value value + 0x1111
    %endrep
        mov     dword [%2], 0xc38b048b  ; mov eax, [rbx + rcx * 4]; ret
        mov     word [HOLE - 2], 0x1234
    %rep 2
        mov     ebx, HOLE - 0x10
        mov     ecx, 4
        xor     eax, eax
        call_at %2
        xor     eax, ONES
        expect  {%1, ": with an index, beyond"}, rA, 0
        mov     ebx, HOLE - 0x12
        xor     eax, eax
        call_at %2
        xor     eax, 0xffff1234
        expect  {%1, ": with an index, across"}, rA, 0
    %endrep
%endmacro

%macro set_codes 0
        mov     dword [CODE_A], TO_EAX
        mov     dword [CODE_B], TO_ECX
        mov     dword [CODE_C], TO_EDX
%endmacro

; LINEAR is CODE_A's, then CODE_B's, then CODE_A's again. %2: its entry in TABLE_A.
%macro remapped_code 2
        mov     dword [%2], CODE_A + 3
        invlpg  [LINEAR]
        expect_loads {%1, ": first page"}, LINEAR, rA
        mov     dword [%2], CODE_B + 3
        invlpg  [LINEAR]
        expect_loads {%1, ": second page"}, LINEAR, rC
        mov     dword [%2], CODE_A + 3
        invlpg  [LINEAR]
        expect_loads {%1, ": first page again"}, LINEAR, rA
        rewritten_code {%1, ": rewritten"}, CODE_A
        mov     dword [CODE_A], TO_EDX
        expect_loads {%1, ": rewritten behind the mapping"}, LINEAR, rD
        mov     dword [CODE_A], TO_EAX
%endmacro

; The entry %2 of the directory points to another table: LINEAR is CODE_C's.
%macro other_table 2
        mov     dword [%2], TABLE_B + 3
        mov     rA, cr3
        mov     cr3, rA
        expect_loads {%1, ": other table"}, LINEAR, rD
        mov     dword [%2], TABLE_A + 3
        mov     rA, cr3
        mov     cr3, rA
        expect_loads {%1, ": first table"}, LINEAR, rA
%endmacro

; CR3 is another one, back and forth.
%macro other_root 2
        mov     rA, cr3
        push    rA
        mov     eax, %2
        mov     cr3, rA
        expect_loads {%1, ": other root"}, LINEAR, rD
        pop     rA
        mov     cr3, rA
        expect_loads {%1, ": first root"}, LINEAR, rA
%endmacro

start:
        ; --- 16-bit code: the segment's base counts ---
        registers 16
        say     "16-bit code"
        mov     ax, 0x9fff
        mov     es, ax
        mov     word [es:0x0e], 0x1234
%rep 2
        mov     ax, 0xa000
        mov     es, ax
        xor     bx, bx
        xor     eax, eax
        call    load_16
        expect  "16: beyond", eax, ONES
        mov     ax, 0x9fff
        mov     es, ax
        mov     bx, 0x0e
        xor     eax, eax
        call    load_16
        expect  "16: across", eax, 0xffff1234
        mov     bx, 0x10
        xor     eax, eax
        call    load_16
        expect  "16: beyond, by another segment", eax, ONES
%endrep
        mov     byte [load_16 + 3], 0x0f        ; mov ecx, es:[bx]
        mov     ecx, 0
        call    load_16
        expect  "16: rewritten", ecx, ONES
        xor     ax, ax
        mov     es, ax
        jmp     protected

load_16:
        mov     eax, [es:bx]
        ret

protected:
        enter_protected
        registers 32
  %define rDI edi
  %define rBX ebx
        say     "32-bit code"
        mov     dword [IO_APIC], 1
        rewritten_code "32", CODE_A
        rewritten_comparison "32", CODE_A
        border_code "32", CODE_A

        ; --- 32-bit paging ---
        mov     edi, ROOT_32
        mov     eax, LARGE
        mov     ecx, 1024
.root:  mov     [edi], eax
        add     eax, 0x400000
        add     edi, 4
        loop    .root
        mov     dword [ROOT_32 + (LINEAR >> 22) * 4], TABLE_A + 3
        mov     dword [TABLE_B + (LINEAR >> 12 & 1023) * 4], CODE_C + 3
        set_codes
        mov     eax, ROOT_32
        mov     cr3, eax
        mov     eax, cr4
        or      eax, 1 << 4             ; PSE
        mov     cr4, eax
        mov     eax, cr0
        bts     eax, 31
        mov     cr0, eax
        remapped_code "32-bit paging", TABLE_A + (LINEAR >> 12 & 1023) * 4
        other_table "32-bit paging", ROOT_32 + (LINEAR >> 22) * 4
        mov     eax, cr0
        btr     eax, 31
        mov     cr0, eax
        mov     dword [LINEAR], TO_ECX
        expect_loads "paging off: another page", LINEAR, ecx

        ; --- PAE paging: the PDPTEs are not in memory ---
        mov     edi, DIRECTORIES
        mov     eax, LARGE
        mov     ecx, 4 * 512
.directory:
        mov     [edi], eax
        mov     dword [edi + 4], 0
        add     eax, 0x200000
        add     edi, 8
        loop    .directory
        mov     esi, DIRECTORIES
        mov     edi, DIRECTORY_B
        mov     ecx, 0x1000 / 4
        rep     movsd
        mov     edi, TABLE_A
        mov     ecx, 0x2000 / 4
        xor     eax, eax
        rep     stosd
        mov     dword [DIRECTORIES + (LINEAR >> 21) * 8], TABLE_A + 3
        mov     dword [DIRECTORY_B + (LINEAR >> 21) * 8], TABLE_B + 3
        mov     dword [TABLE_B], CODE_C + 3
        mov     edi, PDPT_PAE
        mov     ecx, 0x40 / 4
        rep     stosd
%assign i 0
%rep 4
        mov     dword [PDPT_PAE + i * 8], DIRECTORIES + i * 0x1000 + 1
        mov     dword [PDPT_PAE_B + i * 8], DIRECTORIES + i * 0x1000 + 1
%assign i i + 1
%endrep
        mov     dword [PDPT_PAE_B], DIRECTORY_B + 1
        set_codes
        mov     eax, cr4
        or      eax, 1 << 5             ; PAE
        mov     cr4, eax
        mov     eax, PDPT_PAE
        mov     cr3, eax
        mov     eax, cr0
        bts     eax, 31
        mov     cr0, eax
        remapped_code "PAE paging", TABLE_A
        other_table "PAE paging", DIRECTORIES + (LINEAR >> 21) * 8
        other_root "PAE paging", PDPT_PAE_B
        mov     eax, cr0
        btr     eax, 31
        mov     cr0, eax

        ; --- 64-bit code ---
        enter_long
        registers 64
  %define rDI rdi
  %define rBX rbx
        say     "64-bit code"
        rewritten_code "64", CODE_A
        rewritten_comparison "64", CODE_A
        border_code "64", CODE_A
        mov     dword [PAGE_DIRECTORY + (LINEAR >> 21) * 8], TABLE_A + 3
        mov     rax, cr3
        mov     cr3, rax
        set_codes
        remapped_code "64", TABLE_A
        other_table "64", PAGE_DIRECTORY + (LINEAR >> 21) * 8
        mov     qword [PML4_B], PDPT_B + 3
        mov     esi, PAGE_TABLES + 0x1000
        mov     edi, PDPT_B
        mov     ecx, 512
        rep     movsq
        mov     qword [PDPT_B], DIRECTORY_B + 3
        other_root "64", PML4_B

        ; Loads and stores of all widths, and 64-bit registers.
        mov     r12, -1
        mov     ebx, UNCLAIMED
        mov     dword [CODE_A], 0xc3038b48      ; mov rax, [rbx]
    %rep 2
        xor     eax, eax
        call_at CODE_A
        expect  "64: mov rax", rax, r12
    %endrep
        mov     dword [CODE_A], 0xc3238a        ; mov ah, [rbx]
    %rep 2
        mov     rax, 0x1122334455667788
        call_at CODE_A
        mov     r11, 0x112233445566ff88
        expect  "64: mov ah", rax, r11
    %endrep
        mov     dword [CODE_A], 0xc3038b        ; mov eax, [rbx]
    %rep 2
        mov     rax, r12
        call_at CODE_A
        mov     ecx, ONES
        expect  "64: mov eax clears above", rax, rcx
    %endrep
        mov     dword [CODE_A], 0x03be0f66      ; movsx ax, byte [rbx]
        mov     byte [CODE_A + 4], 0xc3
    %rep 2
        mov     eax, 0x11220000
        call_at CODE_A
        expect  "64: movsx ax", rax, 0x1122ffff
    %endrep
        mov     dword [CODE_A], 0x03634c        ; movsxd r8, dword [rbx]
        mov     byte [CODE_A + 3], 0xc3
    %rep 2
        xor     r8, r8
        call_at CODE_A
        expect  "64: movsxd r8", r8, r12
    %endrep
        mov     dword [CODE_A], 0x01c7          ; mov dword [rcx], imm32
        mov     dword [CODE_A + 2], 0x12
        mov     byte [CODE_A + 6], 0xc3
        mov     ecx, IO_APIC
    %assign value 0x12
    %rep 3
        mov     byte [CODE_A + 2], value
        call_at CODE_A
        xor     eax, eax
        or      eax, [rcx]
        expect  "64: an immediate", rax, value
    %assign value value + 1
    %endrep
        mov     dword [rcx], 1

        ; FS with a base.
        mov     dword [CODE_A], 0xc3038b64      ; mov eax, fs:[rbx]
        mov     word [HOLE - 2], 0x1234
    %rep 2
        mov     ecx, FS_BASE
        xor     edx, edx
        mov     eax, HOLE - 0x10
        wrmsr
        mov     ebx, 0x10
        xor     eax, eax
        call_at CODE_A
        mov     ecx, ONES
        expect  "64: fs, beyond", rax, rcx
        mov     ecx, FS_BASE
        mov     eax, HOLE - 0x12
        wrmsr
        xor     eax, eax
        call_at CODE_A
        mov     ecx, 0xffff1234
        expect  "64: fs, across", rax, rcx
    %endrep

        ; The last bytes of a page, and an instruction that goes on in the next page.
        mov     dword [TABLE_A + 2 * 8], CODE_A + 3
        mov     dword [TABLE_A + 3 * 8], CODE_B + 3
        mov     dword [CODE_A + 0xffc], TO_EAX << 8
        expect_loads "64: last in the page", LINEAR + 0x2ffd, rax
        mov     byte [CODE_A + 0xffe], 0x0b
        expect_loads "64: last in the page, rewritten", LINEAR + 0x2ffd, rcx
        mov     byte [CODE_A + 0xfff], 0x8b
        mov     word [CODE_B], 0xc303
        mov     word [CODE_C], 0xc313
        expect_loads "64: across pages", LINEAR + 0x2fff, rax
        mov     byte [CODE_B], 0x0b
        expect_loads "64: across pages, rewritten", LINEAR + 0x2fff, rcx
        mov     dword [TABLE_A + 3 * 8], CODE_C + 3
        invlpg  [LINEAR + 0x3000]
        expect_loads "64: across pages, remapped", LINEAR + 0x2fff, rdx

        ; The same bytes at the same address in the same tables: 64-bit code adds RIP, 32-bit code
        ; does not.
BOTH    equ HOLE - (WINDOW - 0x100000000) - 6
        mov     dword [PAGE_DIRECTORY + (BOTH >> 21) * 8], TABLE_C + 3
        mov     dword [TABLE_C + (BOTH >> 12 & 511) * 8], CODE_D + 3
        mov     rax, cr3
        mov     cr3, rax
        mov     word [CODE_D + (BOTH & 0xfff)], 0x058b
        mov     dword [CODE_D + (BOTH & 0xfff) + 2], WINDOW
        mov     byte [CODE_D + (BOTH & 0xfff) + 6], 0xc3
    %rep 3
        xor     eax, eax
        call_at BOTH
        mov     ecx, ONES
        expect  "64: relative to RIP", rax, rcx
        xor     eax, eax
        call    in_compatibility_mode
        expect  "compatibility mode: not relative", rax, VERSION
    %endrep
        ; And here the address is twice as long in 64-bit code: 32-bit code takes the rest of it for
        ; two additions of al to [eax].
        mov     word [CODE_D], 0x10a1           ; mov eax, [WINDOW]
        mov     dword [CODE_D + 2], WINDOW >> 8
        mov     dword [CODE_D + 5], 0
        mov     byte [CODE_D + 9], 0xc3
        mov     dword [VERSION], 0
    %assign value 0
    %rep 3
        xor     eax, eax
        call_at CODE_D
        expect  "64: an address of 8 bytes", rax, VERSION
        mov     ebx, [VERSION]
        expect  "64: and all of it", rbx, value
        xor     eax, eax
        call    in_compatibility_mode
        expect  "compatibility mode: an address of 4 bytes", rax, VERSION
        mov     ebx, [VERSION]
    %assign value value + 2 * (VERSION & 0xff)
        expect  "compatibility mode: and what follows", rbx, value & 0xff
    %assign value value & 0xff
    %endrep
        finish

; Calls what is at edi in 32-bit code; eax is what it leaves there.
in_compatibility_mode:
        mov     dword [far_pointer], .compatible
        mov     word [far_pointer + 4], CODE32
        jmp     far dword [far_pointer]
        bits    32
.compatible:
        call    edi
        jmp     CODE64:.back
        bits    64
.back:  ret

        align   8
far_pointer:
        dd 0
        dw 0
