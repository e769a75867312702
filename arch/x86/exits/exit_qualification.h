// SPDX-License-Identifier: BSD-2-Clause
/* Decodes exit qualifications and instruction information, in pure functions.
 *
 * Intel SDM vol. 3C (Sep 2023), "Basic VM-Exit Information" and "Information for VM Exits Due to
 * Instruction Execution". */
#ifndef ARCH_X86_EXITS_EXIT_QUALIFICATION_H
#define ARCH_X86_EXITS_EXIT_QUALIFICATION_H

#include "vmm/base/bits.h"
#include "vmm/base/types.h"

/* Table "Exit Qualification for I/O Instructions". The macros serve the shortest exit path, the
 * struct all others. */
#define EXIT_IO_SIZE_BYTES(qualification) (((qualification)&7) + 1)
#define EXIT_IO_PORT(qualification)       ((uint16_t)((qualification) >> 16))
#define EXIT_IO_IN                        BIT(3)
#define EXIT_IO_STRING                    BIT(4)

struct exit_io {
    uint16_t port;
    uint8_t size_bytes; /* 1, 2 or 4 */
    bool is_in;
    bool is_string;
    bool has_rep;
};

/* Table "Exit Qualification for EPT Violations"; macros and struct as above. */
#define EXIT_EPT_READ                 BIT(0)
#define EXIT_EPT_WRITE                BIT(1)
#define EXIT_EPT_FETCH                BIT(2)
#define EXIT_EPT_LINEAR_ADDRESS_VALID BIT(7)
#define EXIT_EPT_IS_TRANSLATION       BIT(8)
#define EXIT_EPT_NMI_UNBLOCKED        BIT(12)

/* Table "Format of the VM-Exit Instruction-Information Field as Used for INS and OUTS" */
struct exit_string_io {
    uint8_t address_size_bytes; /* 2, 4 or 8 */
    uint8_t segment;            /* of the operand of OUTS: 0 ES, 1 CS, 2 SS, 3 DS, 4 FS, 5 GS */
};

struct exit_ept {
    bool read;
    bool write;
    bool fetch;
    bool linear_address_valid;
    /* The access was to the translation of the linear address, not to a paging-structure entry.
     * Valid only with linear_address_valid. */
    bool is_translation;
    bool nmi_unblocked; /* IRET unblocked NMIs */
};

enum exit_cr_kind {
    EXIT_MOV_TO_CR = 0,
    EXIT_MOV_FROM_CR = 1,
    EXIT_CLTS = 2,
    EXIT_LMSW = 3,
};

/* Table "Exit Qualification for Control-Register Accesses" */
struct exit_cr {
    uint8_t control_register;
    enum exit_cr_kind kind;
    uint8_t gpr;          /* of MOV CR, in the order RAX RCX RDX RBX RSP RBP RSI RDI R8..R15 */
    uint16_t lmsw_source; /* of LMSW */
};

/* Table "Exit Qualification for APIC-Access VM Exits from Linear Accesses and Guest-Physical
 * Accesses": bits 15:12 */
enum exit_apic_access_kind {
    EXIT_APIC_LINEAR_READ = 0,
    EXIT_APIC_LINEAR_WRITE = 1,
    EXIT_APIC_LINEAR_FETCH = 2,
    EXIT_APIC_LINEAR_EVENT_DELIVERY = 3,
    EXIT_APIC_LINEAR_MONITORING = 4,
    EXIT_APIC_PHYSICAL_EVENT_DELIVERY = 10,
    EXIT_APIC_PHYSICAL_INSTRUCTION = 15, /* a fetch, or a walk of the guest's page tables */
};

struct exit_apic {
    uint16_t offset; /* in the APIC page; only for linear accesses */
    enum exit_apic_access_kind kind;
};

/* The exit qualification of APIC-write VM exits and of those due to EOI virtualization. */
#define EXIT_APIC_WRITE_OFFSET(qualification) ((uint16_t)((qualification)&0xfff))
#define EXIT_EOI_VECTOR(qualification)        ((uint8_t)(qualification))

enum exit_task_switch_source {
    TASK_SWITCH_CALL = 0,
    TASK_SWITCH_IRET = 1,
    TASK_SWITCH_JMP = 2,
    TASK_SWITCH_GATE = 3,
};

/* Table "Exit Qualification for Task Switches" */
struct exit_task {
    uint16_t tss_selector;
    enum exit_task_switch_source source;
};

/* Each function decodes one kind of exit qualification (or instruction information) and has no side
 * effects. The bits that it does not decode are ignored. */
struct exit_io exit_qualification_io(uint64_t qualification);
struct exit_string_io exit_information_string_io(uint32_t instruction_information);
struct exit_ept exit_qualification_ept(uint64_t qualification);
struct exit_cr exit_qualification_cr(uint64_t qualification);
struct exit_apic exit_qualification_apic_access(uint64_t qualification);
struct exit_task exit_qualification_task_switch(uint64_t qualification);

#endif
