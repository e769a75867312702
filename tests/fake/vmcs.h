// SPDX-License-Identifier: BSD-2-Clause
/* A VMCS of the fake processors: typed storage in the monitor's own page. */
#ifndef TESTS_FAKE_VMCS_H
#define TESTS_FAKE_VMCS_H

#include "tests/fake/processor.h"

#define FAKE_VMCS_FIELDS_MAX 192

struct fake_vmcs {
    uint32_t revision;
    uint32_t abort_indicator;
    uint64_t magic; /* once VMCLEAR has seen the region */
    bool is_launched;
    bool is_started; /* the monitor has set the whole state since the last entry */
    int owner;       /* the processor on which it is active; -1: none */
    uint64_t values[FAKE_VMCS_FIELDS_MAX];
    bool is_written[FAKE_VMCS_FIELDS_MAX];
};
_Static_assert(sizeof(struct fake_vmcs) <= 4096, "a VMCS region is a page");

enum fake_field_width { FIELD_16, FIELD_64, FIELD_32, FIELD_NATURAL };
enum fake_field_kind { FIELD_CONTROL, FIELD_READ_ONLY, FIELD_GUEST, FIELD_HOST };

struct fake_field {
    uint16_t encoding;
    const char *name;
};

/* Returns the index of a field in values; -1 if the field is not one of arch/x86/vmcs.h. */
int fake_field_index(uint64_t encoding);
const struct fake_field *fake_field_at(int index);
enum fake_field_width fake_field_width(uint64_t encoding);
enum fake_field_kind fake_field_kind(uint64_t encoding);

/* Whether the processor has the field, by its capability MSRs. */
bool fake_field_exists(struct fake_processor *processor, uint64_t encoding);

/* Read and write a field, whatever VMREAD and VMWRITE allow. A value that does not fit the width
 * ends the test. */
uint64_t fake_vmcs_get(const struct fake_vmcs *vmcs, uint64_t encoding);
void fake_vmcs_set(struct fake_vmcs *vmcs, uint64_t encoding, uint64_t value);

/* Whether this memory is a VMCS that is active on a processor: it may not be released. */
bool fake_vmcs_is_active(const void *memory);

/* Takes the virtual interrupt that the processor delivers now, if there is one, and returns its info;
 * else 0 (fake_virtual_apic.c). */
uint32_t fake_virtual_interrupt(struct fake_vmcs *vmcs);

/* The checks of a VM entry (fake_entry.c). Return null, or what is wrong. The first group makes the
 * entry fail with a VM-instruction error, the second with exit reason 33. */
const char *fake_entry_controls(struct fake_processor *processor, const struct fake_vmcs *vmcs);
const char *fake_entry_host(struct fake_processor *processor, const struct fake_vmcs *vmcs);
const char *fake_entry_guest(struct fake_processor *processor, const struct fake_vmcs *vmcs);

#endif
