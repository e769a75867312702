// SPDX-License-Identifier: BSD-2-Clause
#include "arch/x86/exits/exit_qualification.h"

#include "vmm/base/bits.h"

struct exit_io exit_qualification_io(uint64_t qualification)
{
    return (struct exit_io){
        .port = (uint16_t)BITS(qualification, 31, 16),
        .size_bytes = (uint8_t)(BITS(qualification, 2, 0) + 1),
        .is_in = qualification & BIT(3),
        .is_string = qualification & BIT(4),
        .has_rep = qualification & BIT(5),
    };
}

struct exit_string_io exit_information_string_io(uint32_t instruction_information)
{
    return (struct exit_string_io){
        .address_size_bytes = (uint8_t)(2u << BITS(instruction_information, 9, 7)),
        .segment = (uint8_t)BITS(instruction_information, 17, 15),
    };
}

struct exit_ept exit_qualification_ept(uint64_t qualification)
{
    return (struct exit_ept){
        .read = qualification & BIT(0),
        .write = qualification & BIT(1),
        .fetch = qualification & EXIT_EPT_FETCH,
        .linear_address_valid = qualification & EXIT_EPT_LINEAR_ADDRESS_VALID,
        .is_translation = qualification & EXIT_EPT_IS_TRANSLATION,
        .nmi_unblocked = qualification & EXIT_EPT_NMI_UNBLOCKED,
    };
}

struct exit_cr exit_qualification_cr(uint64_t qualification)
{
    return (struct exit_cr){
        .control_register = (uint8_t)BITS(qualification, 3, 0),
        .kind = (enum exit_cr_kind)BITS(qualification, 5, 4),
        .gpr = (uint8_t)BITS(qualification, 11, 8),
        .lmsw_source = (uint16_t)BITS(qualification, 31, 16),
    };
}

struct exit_apic exit_qualification_apic_access(uint64_t qualification)
{
    return (struct exit_apic){
        .offset = (uint16_t)BITS(qualification, 11, 0),
        .kind = (enum exit_apic_access_kind)BITS(qualification, 15, 12),
    };
}

struct exit_task exit_qualification_task_switch(uint64_t qualification)
{
    return (struct exit_task){
        .tss_selector = (uint16_t)BITS(qualification, 15, 0),
        .source = (enum exit_task_switch_source)BITS(qualification, 31, 30),
    };
}
