// SPDX-License-Identifier: BSD-2-Clause
#include "arch/x86/vmcs.h"

#include "arch/x86/backtrace.h"
#include "arch/x86/fatal.h"
#include "arch/x86/vmx.h"
#include "vmm/base/log.h"

static const struct {
    uint16_t encoding;
    const char *name;
} fields[] = {
#define VMCS_FIELD_NAME(name, encoding) {encoding, #name},
    VMCS_FIELDS_16(VMCS_FIELD_NAME) VMCS_FIELDS_64(VMCS_FIELD_NAME) VMCS_FIELDS_32(VMCS_FIELD_NAME)
        VMCS_FIELDS_NATURAL(VMCS_FIELD_NAME)
#undef VMCS_FIELD_NAME
};

static const char *field_name(uint64_t encoding)
{
    for (size_t i = 0; i < ARRAY_COUNT(fields); i++) {
        if (fields[i].encoding == encoding)
            return fields[i].name;
    }
    return "unnamed";
}

/* Reads the VM-instruction error. Returns 0 if there is no current VMCS. */
static uint32_t instruction_error(void)
{
    uint64_t error;

    return vmread(VMCS_INSTRUCTION_ERROR, &error) ? (uint32_t)error : 0;
}

void vmcs_access_failed(const char *instruction, uint64_t field)
{
    /* frame[0] is the caller's frame, frame[1] the return address, just after the call. */
    const uint64_t *frame = __builtin_frame_address(0);
    uint32_t error = instruction_error();

    fatal_begin();
    log_line("internal error: %s of the VMCS field %s (0x%lx) failed: VM-instruction error %u, %s",
             instruction, field_name(field), field, error,
             error == 0 ? "there is no current VMCS" : vmx_instruction_error_name(error));
    backtrace_print(frame[1] - 1, frame[0]);
    fatal_stop();
}
