; SPDX-License-Identifier: BSD-2-Clause
; The instruction that the processor executes is not always the one that is in memory: its translation
; may be older than the page table (SDM vol. 3A, "Invalidation of TLBs and Paging-Structure Caches").
; If it leaves the guest, the monitor reads the other one. It must not get more done than the
; processor would.
%include "tests/guests/guest.inc"
%include "tests/guests/user.inc"

LINEAR          equ 0x600000    ; mapped by TABLE, to PAGE_A or PAGE_B
TABLE           equ 0x180000
PAGE_A          equ 0x500000
PAGE_B          equ 0x501000
BUFFER          equ 0x502000
IO_APIC         equ 0xfec00000
WINDOW          equ IO_APIC + 0x10
REGISTER        equ 0x12        ; a redirection entry
BEFORE          equ 0x10033
INVALID         equ 0x5a5a5a5a

; Maps the page with this code, and forgets the other.
%macro map 1
        mov     qword [TABLE], %1 | 7
        invlpg  [LINEAR]
%endmacro

; Executes PAGE_A once, with rbx in RAM, so that the processor knows it; then maps PAGE_B without
; telling the processor. There is no exit between this and the next instruction.
%macro exchange 0
        map     PAGE_A
        mov     ebx, BUFFER + 0x100
        call    rdi
        mov     qword [TABLE], PAGE_B | 7
%endmacro

; The same for a user's code, which ends with INT USER_BACK.
%macro exchange_user 0
        map     PAGE_A
        mov     ebx, BUFFER + 0x100
        user    LINEAR
        mov     qword [TABLE], PAGE_B | 7
        mov     ebx, UNCLAIMED
%endmacro

start:
        enter_long
        call    pic_setup
        call    user_setup
        mov     edi, TABLE
        mov     ecx, 512
        xor     eax, eax
        rep     stosq
        mov     qword [TABLE], PAGE_A | 7
        mov     qword [PAGE_DIRECTORY + (LINEAR >> 21) * 8], TABLE | 7
        mov     rax, cr3
        mov     cr3, rax

        ; --- The user's: port I/O with IOPL 0 ---
        say     "a load becomes port I/O, in user mode"
        mov     dx, COM1 + 7            ; a register that keeps what is written
        xor     eax, eax
        out     dx, al
        mov     dword [PAGE_A], 0x70cd038a      ; mov al, [rbx]; int 0x70
        mov     dword [PAGE_B], 0x70cd906e      ; outsb; nop; int 0x70
        mov     byte [BUFFER], 0x5a
        map     PAGE_B
        mov     esi, BUFFER
        mov     edi, BUFFER + 1
        user    LINEAR
        expect  "outsb by the processor", [trap_vector], EXCEPTION_GP
        exchange_user
        user    LINEAR
        expect  "outsb", [trap_vector], EXCEPTION_GP
        in      al, dx
        movzx   eax, al
        expect  "outsb: nothing written", rax, 0
        mov     dword [PAGE_B], 0x70cd6ef3      ; rep outsb; int 0x70
        mov     ecx, 3
        exchange_user
        user    LINEAR
        expect  "rep outsb", [trap_vector], EXCEPTION_GP
        expect  "rep outsb: none", rcx, 3
        in      al, dx
        movzx   eax, al
        expect  "rep outsb: nothing written", rax, 0
        mov     byte [PAGE_A], 0x88             ; mov [rbx], al
        mov     dword [PAGE_B], 0x70cd906c      ; insb; nop; int 0x70
        mov     byte [BUFFER + 1], 0x77
        exchange_user
        user    LINEAR
        expect  "insb", [trap_vector], EXCEPTION_GP
        movzx   eax, byte [BUFFER + 1]
        expect  "insb: nothing read", rax, 0x77
        mov     dword [PAGE_B], 0x70cd90fa      ; cli; nop; int 0x70
        exchange_user
        user    LINEAR
        expect  "cli", [trap_vector], EXCEPTION_GP
        mov     dword [PAGE_B], 0x70cd03f0      ; lock; add ecx, ebp... that has no LOCK
        exchange_user
        user    LINEAR
        expect  "lock", [trap_vector], EXCEPTION_UD
        mov     dword [PAGE_B], 0xcd00000f      ; sldt [rax]: not at rbx
        mov     dword [PAGE_B + 3], 0x70cd
        mov     eax, BUFFER + 2
        mov     byte [BUFFER + 3], 0x33
        exchange_user
        user    LINEAR
        expect  "sldt elsewhere", [trap_vector], -1
        movzx   eax, byte [BUFFER + 3]
        expect  "sldt elsewhere: it was stored", rax, 0
        mov     dword [PAGE_B], 0x70cd0b0f      ; ud2; int 0x70
        exchange_user
        user    LINEAR
        expect  "ud2", [trap_vector], EXCEPTION_UD
        mov     dword [PAGE_B], 0x70cd9090
        exchange_user
        user    LINEAR
        expect  "nop", [trap_vector], -1
        exchange_user
        mov     qword [TABLE], 0
        user    LINEAR
        expect  "no page", [trap_vector], EXCEPTION_PF
        expect  "no page: CR2", [trap_cr2], LINEAR

        ; --- The kernel's, as where it exchanges code: INT3 takes the place of the first byte ---
        say     "a load becomes INT3"
        mov     edi, LINEAR
        mov     dword [PAGE_A], 0xc3038b        ; mov eax, [rbx]; ret
        mov     dword [PAGE_B], 0xc303cc        ; int3
    %rep 2
        exchange
        mov     ebx, UNCLAIMED
        attempt call rdi
        mov     rsp, STACK
        expect  "int3", [trap_vector], EXCEPTION_BP
        expect  "int3: RIP", [trap_rip], LINEAR + 1
    %endrep

        ; --- Instructions that the monitor knows ---
        say     "a load becomes a known one, elsewhere"
        mov     esi, IO_APIC
        mov     edi, LINEAR
        mov     dword [rsi], REGISTER
        mov     dword [rsi + 0x10], BEFORE
        mov     dword [PAGE_A], 0xc3038b        ; mov eax, [rbx]; ret
        mov     dword [PAGE_B], 0xc3118b        ; mov edx, [rcx]; ret
        map     PAGE_B
        mov     ecx, WINDOW
    %rep 3
        call    rdi
        expect  "the known load", rdx, BEFORE
    %endrep
        mov     dword [BUFFER], 0x1234
        exchange
        mov     ebx, WINDOW
        mov     ecx, BUFFER
        mov     eax, INVALID
        call    rdi
        expect  "known load: its own operand", rdx, 0x1234
        expect  "known load: not the other's register", rax, INVALID

        say     "a load becomes a known store"
        mov     dword [PAGE_B], 0xc31189        ; mov [rcx], edx; ret
        map     PAGE_B
        mov     ecx, WINDOW
    %rep 3
        mov     edx, BEFORE + 1
        call    rdi
        mov     eax, [rsi + 0x10]
        expect  "the known store", rax, BEFORE + 1
    %endrep
        exchange
        mov     ebx, WINDOW
        mov     ecx, BUFFER
        mov     edx, 0x10044
        call    rdi
        expect  "known store: its own operand", [BUFFER], 0x10044
        mov     eax, [rsi + 0x10]
        expect  "known store: not the other's", rax, BEFORE + 1

        say     "a store becomes a known store, elsewhere in the page"
        mov     dword [PAGE_A], 0xc30389        ; mov [rbx], eax; ret
        mov     dword [PAGE_B], 0xc35189        ; mov [rcx + disp8], edx
        mov     dword [PAGE_B + 2], 0xc310
        map     PAGE_B
        mov     ecx, IO_APIC
    %rep 3
        mov     edx, BEFORE + 2
        call    rdi
    %endrep
        exchange
        mov     ebx, WINDOW
        mov     ecx, BUFFER
        mov     eax, 0x10045
        mov     edx, 0x10046
        call    rdi
        expect  "known store, elsewhere: its own operand", [BUFFER + 0x10], 0x10046
        mov     dword [rsi], REGISTER
        mov     eax, [rsi + 0x10]
        expect  "known store, elsewhere: the other's", rax, BEFORE + 2

        say     "a known comparison becomes a store"
        mov     dword [PAGE_A], 0xc30389        ; mov [rbx], eax; ret
        mov     dword [PAGE_B], 0xc31139        ; cmp [rcx], edx; ret
        map     PAGE_B
        mov     ecx, WINDOW
    %rep 3
        mov     edx, BEFORE + 2
        call    rdi
        expect_if "the known comparison", e
    %endrep
        exchange
        mov     ebx, WINDOW
        mov     ecx, BUFFER
        mov     edx, 0x10047
        mov     [rcx], edx
        mov     eax, 0x10048
        call    rdi
        expect_if "known comparison: its own operand", e
        finish
