; SPDX-License-Identifier: BSD-2-Clause
; The MP table, found and read as software without ACPI does: the floating pointer in the BIOS area,
; the table's checksum and entries, and what it says about the processor against CPUID and the local
; APIC. Intel MultiProcessor Specification 1.4, chapter 4 "MP Configuration Table".
%include "tests/guests/guest.inc"

BIOS_AREA       equ 0xf0000
BIOS_END        equ 0x100000
LOCAL_APIC      equ 0xfee00000
IO_APIC         equ 0xfec00000

PROCESSOR       equ 0               ; types of entries, and their lengths
PROCESSOR_BYTES equ 20
OTHER_BYTES     equ 8
TYPES           equ 5

        bits    64
; The sum of ecx bytes at rsi, in al.
sum_bytes:
        push    rsi
        push    rcx
        xor     eax, eax
.next:  add     al, [rsi]
        inc     rsi
        loop    .next
        pop     rcx
        pop     rsi
        ret

        bits    16
start:
        enter_long
        mov     esi, BIOS_AREA
.search:
        cmp     dword [rsi], "_MP_"
        je      .found
        add     esi, 16
        cmp     esi, BIOS_END
        jb      .search
.found:
        mov     eax, [rsi]
        expect  "floating pointer in the BIOS area", rax, "_MP_"
        mov     ecx, 16
        call    sum_bytes
        movzx   eax, al
        expect  "its checksum", rax, 0
        movzx   eax, word [rsi + 8]     ; length 1, specification 1.4
        expect  "its length and revision", rax, 0x0401
        movzx   eax, word [rsi + 11]
        expect  "a table, no IMCR", rax, 0

        mov     esi, [rsi + 4]
        mov     eax, [rsi]
        expect  "the table", rax, "PCMP"
        movzx   ecx, word [rsi + 4]
        call    sum_bytes
        movzx   eax, al
        expect  "the table's checksum", rax, 0
        lea     rbx, [rsi + rcx]        ; its end
        mov     eax, [rsi + 36]
        expect  "local APIC's address", rax, LOCAL_APIC
        movzx   ebp, word [rsi + 34]    ; entries left

        add     esi, 44
        mov     eax, [rsi]              ; type 0, ID 0, version, flags
        mov     ecx, LOCAL_APIC + 0x30  ; its version register
        movzx   edx, byte [rcx]
        shl     edx, 16
        or      edx, 0x03000000         ; enabled, boots
        expect  "the first processor", rax, rdx
        push    rbx
        mov     eax, 1
        cpuid
        and     eax, 0xfff
        mov     ecx, [rsi + 4]
        expect  "its signature", rcx, rax
        mov     ecx, [rsi + 8]
        expect  "its features", rcx, rdx
        pop     rbx

.entry:
        movzx   eax, byte [rsi]
        cmp     eax, TYPES
        jae     .count
        inc     dword [counts + 4 * rax]
        cmp     eax, 2
        jne     .next
        mov     ecx, [rsi + 4]
        expect  "I/O APIC's address", rcx, IO_APIC
.next:  mov     ecx, OTHER_BYTES
        mov     edx, PROCESSOR_BYTES
        cmp     eax, PROCESSOR
        cmove   ecx, edx
        add     rsi, rcx
        dec     ebp
        jnz     .entry
.count:
        expect  "entries end where the table ends", rsi, rbx
        mov     eax, [counts]
        expect  "processors", rax, 1
        mov     eax, [counts + 4]
        expect  "buses", rax, 1
        mov     eax, [counts + 8]
        expect  "I/O APICs", rax, 1
        mov     eax, [counts + 12]
        expect  "I/O interrupts: 15 lines and ExtINT", rax, 16
        mov     eax, [counts + 16]
        expect  "local interrupts", rax, 2
        finish

        align   4
counts: times TYPES dd 0
