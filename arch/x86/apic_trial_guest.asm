; SPDX-License-Identifier: BSD-2-Clause
; The code of the guest in vmx_apic_trial.c: disables interrupts and waits forever.

bits 64

section .text

global apic_trial_guest:function hidden
apic_trial_guest:
    cli
.wait:
    pause
    jmp .wait

section .note.GNU-stack noalloc noexec nowrite progbits
