; The monitor stops this guest: a hardware task switch (SDM vol. 3A, "Task Switching"), which exits
; unconditionally and is not carried out.
%include "tests/guests/guest.inc"

start:
        enter_protected
        mov     dword [tss_new + 0x20], .task
        mov     dword [tss_new + 0x24], 2
        mov     dword [tss_new + 0x38], STACK
        lgdt    [tss_gdt_pointer]
        mov     ax, 0x18
        ltr     ax
        say     "about to switch tasks"
        jmp     0x20:0
.task:  mov     ebx, 1
        expect  "the guest was stopped", ebx, 0
        finish

        align   8
tss_gdt:
        dq      0
        dq      0x00cf9b000000ffff              ; CODE32, as before
        dq      0x00cf93000000ffff              ; DATA
        dw      103, tss_old, 0x8900, 0         ; 0x18
        dw      103, tss_new, 0x8900, 0         ; 0x20
tss_gdt_pointer:
        dw      tss_gdt_pointer - tss_gdt - 1
        dq      tss_gdt
tss_old:
        times 104 db 0
tss_new:
        times 0x48 db 0
        dd      DATA, CODE32, DATA, DATA, DATA, DATA    ; ES, CS, SS, DS, FS, GS
        times 104 - ($ - tss_new) db 0
