; SPDX-License-Identifier: BSD-2-Clause
; MSRs: what exists works, what does not is #GP, reserved bits are #GP and change nothing.
%include "tests/guests/guest.inc"

; Written and read back.
%macro keeps 3
        load_msr %2, %3
%strcat write_name "write ", %1
%strcat keep_name "keep ", %1
        expect_no_fault write_name, wrmsr
        read_msr %2
        mov     rbx, %3
        expect  keep_name, rax, rbx
%endmacro

; Refused.
%macro refuses 3
%strcat refuse_name "refuse ", %1
        refuse_write refuse_name, %2, %3
%endmacro

; The exception's vector and the MSR's index in one number, so that a failure names both.
%macro unknown_result 1
        mov     eax, [trap_vector]
        shl     rax, 32
        or      rax, rcx
        mov     rbx, EXCEPTION_GP << 32
        or      rbx, rcx
        expect  %1, rax, rbx
%endmacro

start:
        enter_long

        ; Nothing there: in both bitmap ranges, between and beyond them.
        mov     r15d, 0
.next:  mov     ecx, [unknown_msrs + r15 * 4]
        attempt rdmsr
        unknown_result "unknown MSR, read"
        mov     ecx, [unknown_msrs + r15 * 4]
        xor     eax, eax
        xor     edx, edx
        attempt wrmsr
        unknown_result "unknown MSR, write"
        inc     r15d
        cmp     r15d, unknown_count
        jb      .next

        read_msr IA32_EFER
        expect  "EFER: LME, LMA", rax, 0x500
        keeps   "EFER.SCE", IA32_EFER, 0x501
        refuses "EFER bit 1", IA32_EFER, 0x502
        refuses "EFER bit 63", IA32_EFER, 0x8000000000000500
        refuses "EFER.LME while paging", IA32_EFER, 0
        load_msr IA32_EFER, 0x101
        expect_no_fault "EFER.LMA is read-only", wrmsr
        read_msr IA32_EFER
        expect  "EFER after all that", rax, 0x501

        read_msr 0x277
        mov     rbx, 0x0007040600070406
        expect  "PAT at reset", rax, rbx
        keeps   "PAT", 0x277, 0x0007010600070406
        refuses "PAT type 2", 0x277, 0x0007040600070402
        refuses "PAT type 8", 0x277, 0x0807040600070406
        read_msr 0x277
        mov     rbx, 0x0007010600070406
        expect  "PAT unchanged", rax, rbx

        read_msr 0xfe
        expect  "MTRRCAP", rax, 0x508
        refuses "MTRRCAP write", 0xfe, 0x508
        keeps   "PHYSBASE7", 0x20e, 0x80000006
        keeps   "PHYSMASK7", 0x20f, 0xf80000800
        refuses "PHYSBASE type 2", 0x200, 0x80000002
        refuses "PHYSBASE bit 8", 0x200, 0x80000106
        refuses "PHYSMASK bit 10", 0x201, 0x400
        refuses "PHYSBASE bit 63", 0x200, 0x8000000000000000
        keeps   "FIX64K", 0x250, 0x0605040100060504
        refuses "FIX64K type 7", 0x250, 7
        keeps   "FIX4K_F8000", 0x26f, 0
        keeps   "DEF_TYPE", 0x2ff, 0xc00
        refuses "DEF_TYPE type 3", 0x2ff, 0xc03
        refuses "DEF_TYPE bit 9", 0x2ff, 0x200
        keeps   "DEF_TYPE again", 0x2ff, 0xc06

        keeps   "FS_BASE", 0xc0000100, 0x123456789a
        keeps   "GS_BASE", 0xc0000101, 0xffff800000001000
        keeps   "KERNEL_GS_BASE", 0xc0000102, 0x7fffffffffff
        refuses "KERNEL_GS_BASE not canonical", 0xc0000102, 0x800000000000
        keeps   "STAR", 0xc0000081, 0x0010000800000000
        keeps   "LSTAR", 0xc0000082, 0xffffffff80001234
        refuses "LSTAR not canonical", 0xc0000082, 0x1000000000000000
        keeps   "CSTAR", 0xc0000083, 0x1000
        keeps   "FMASK", 0xc0000084, 0x47700
        keeps   "SYSENTER_CS", 0x174, 0x10
        keeps   "SYSENTER_ESP", 0x175, 0xffff800000002000
        keeps   "SYSENTER_EIP", 0x176, 0xffff800000003000
        refuses "SYSENTER_EIP not canonical", 0x176, 0x800000000000

        read_msr 0x3a
        expect  "FEATURE_CONTROL locked, no VMX", rax, 1
        refuses "FEATURE_CONTROL", 0x3a, 5
        read_msr 0x17
        expect  "PLATFORM_ID", rax, 0
        load_msr 0x8b, 0
        expect_no_fault "BIOS_SIGN_ID write", wrmsr
        read_msr 0x8b
        expect  "BIOS_SIGN_ID", rax, 0
        read_msr 0x1b
        bt      rax, 11
        expect_if "APIC_BASE.EN", c
        read_msr 0x1a0
        expect_no_fault "MISC_ENABLE written back", wrmsr
        refuses "MISC_ENABLE bit 1", 0x1a0, 0x1803
        keeps   "MISC_ENABLE with all that can be set", 0x1a0, 0x400c51809
        mov     eax, 0
        cpuid
        expect  "CPUID has few leaves", rax, 2
        mov     eax, 0x80000001
        cpuid
        bt      edx, 20
        expect_if "CPUID without XD", nc
        read_msr 0xc0000080
        bts     rax, 11
        expect_fault "EFER.NXE without XD", EXCEPTION_GP, 0, wrmsr
        keeps   "MISC_ENABLE as it was", 0x1a0, 0x1801
        mov     eax, 0
        cpuid
        expect  "CPUID has all leaves", rax, 0x16
        read_msr 0x179
        expect  "MCG_CAP: no banks", rax, 0

        ; DEBUGCTL: BTF alone. Bochs has none of it and reads 0 whatever was written.
        load_msr 0x1d9, 2
        expect_no_fault "DEBUGCTL.BTF", wrmsr
        read_msr 0x1d9
        btr     rax, 1
        expect  "DEBUGCTL except BTF", rax, 0
        keeps   "DEBUGCTL clear", 0x1d9, 0
        refuses "DEBUGCTL.LBR", 0x1d9, 1
        refuses "DEBUGCTL bit 63", 0x1d9, 0x8000000000000000

        ; The time-stamp counter goes on from what is written.
        load_msr 0x10, 0x1000000000000
        expect_no_fault "TSC write", wrmsr
        read_msr 0x10
        mov     rbx, rax
        shr     rbx, 40
        expect  "TSC starts there", rbx, 0x100
        rdtsc
        shl     rdx, 32
        or      rax, rdx
        mov     rbx, rax
        read_msr 0x10
        cmp     rax, rbx
        expect_if "RDTSC and the MSR are one counter", a
        finish

        align   4
unknown_msrs:
        dd      0x2, 0x34, 0x3b, 0x48, 0x49, 0x79, 0xce, 0x10a, 0x10b, 0x122, 0x17a, 0x17b, 0x198
        dd      0x19c, 0x1a2, 0x1f2, 0x210, 0x251, 0x345, 0x38f, 0x400, 0x480, 0x48c, 0x570
        dd      0x802, 0x830, 0x1fff, 0x2000, 0x40000000, 0x40000070, 0xbfffffff, 0xc0000085
        dd      0xc0000104, 0xc0001fff, 0xc0002000, 0xc0010015, 0xffffffff
unknown_count equ ($ - unknown_msrs) / 4
