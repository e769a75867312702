// SPDX-License-Identifier: BSD-2-Clause
#include "vmm/vcpu/linear.h"

#include "arch/x86/cpu.h"
#include "arch/x86/fpu_instructions.h"
#include "arch/x86/msr.h"
#include "vmm/guest/guest.h"

#include <string.h>

static uint32_t read_pkru(void)
{
    uint64_t cr4 = read_cr4();
    uint32_t pkru;

    write_cr4(cr4 | CR4_PKE); /* otherwise RDPKRU is #UD; the monitor has no user pages for keys */
    pkru = rdpkru();
    write_cr4(cr4);
    return pkru;
}

void vcpu_linear_init(struct vcpu_linear *linear, struct vcpu *vcpu)
{
    struct guest_paging *paging = &linear->paging;

    linear->vcpu = vcpu;
    linear->cpl = (uint8_t)ACCESS_RIGHTS_DPL(vmcs_read32(VMCS_GUEST_SS_ACCESS_RIGHTS));

    *paging = (struct guest_paging){
        .cr0 = vmx_vcpu_cr0(&vcpu->vmx),
        .cr3 = vmcs_read_natural(VMCS_GUEST_CR3),
        .cr4 = vmx_vcpu_cr4(&vcpu->vmx),
        .efer = vmx_vcpu_efer(&vcpu->vmx),
        .rflags = vmcs_read_natural(VMCS_GUEST_RFLAGS),
        .physical_address_bits = linear->vcpu->physical_address_bits,
        .has_1g_pages = linear->vcpu->has_1g_pages,
    };
    if (guest_paging_mode_of(paging) == GUEST_PAGING_PAE) {
        for (unsigned i = 0; i < 4; i++)
            paging->pdpte[i] = vmcs_read64((enum vmcs_field64)(VMCS_GUEST_PDPTE0 + 2 * i));
    }
    if ((paging->cr4 & CR4_PKE) != 0)
        paging->pkru = read_pkru();
}

static bool read_table(void *context, gpa_t address, size_t size_bytes, uint64_t *value)
{
    struct vcpu_linear *linear = context;
    const uint8_t *memory = guest_memory(linear->vcpu->guest, address, size_bytes);

    if (memory == NULL)
        return false;
    *value = size_bytes == 4
                 ? __atomic_load_n((const uint32_t *)(const void *)memory, __ATOMIC_RELAXED)
                 : __atomic_load_n((const uint64_t *)(const void *)memory, __ATOMIC_RELAXED);
    return true;
}

static bool exchange_table(void *context, gpa_t address, size_t size_bytes, uint64_t expected,
                           uint64_t desired)
{
    struct vcpu_linear *linear = context;
    void *memory = guest_memory(linear->vcpu->guest, address, size_bytes);
    uint32_t expected32 = (uint32_t)expected;

    if (memory == NULL)
        return false;
    if (size_bytes == 4)
        return __atomic_compare_exchange_n((uint32_t *)memory, &expected32, (uint32_t)desired,
                                           false, __ATOMIC_SEQ_CST, __ATOMIC_RELAXED);
    return __atomic_compare_exchange_n((uint64_t *)memory, &expected, desired, false,
                                       __ATOMIC_SEQ_CST, __ATOMIC_RELAXED);
}

enum insn_access_result vcpu_linear_translate(struct vcpu_linear *linear, gva_t address,
                                              enum guest_access_kind kind,
                                              struct guest_translation *translation,
                                              struct insn_fault *fault)
{
    const struct guest_paging_memory tables = {
        .context = linear, .read = read_table, .compare_exchange = exchange_table};
    const struct guest_access access = {.kind = kind, .cpl = linear->cpl};

    switch (guest_paging_translate(&linear->paging, &tables, address, &access, translation)) {
    case GUEST_PAGING_OK: return INSN_ACCESS_OK;
    case GUEST_PAGING_FAULT:
        *fault = (struct insn_fault){.vector = VECTOR_PF,
                                     .has_error_code = true,
                                     .error_code = translation->error_code,
                                     .cr2 = address.value};
        return INSN_ACCESS_FAULT;
    case GUEST_PAGING_RETRY: return INSN_ACCESS_RETRY;
    case GUEST_PAGING_NO_TABLE: break;
    }
    if (linear->cpl == 0)
        return INSN_ACCESS_FAILED;
    *fault = (struct insn_fault){
        .vector = VECTOR_PF,
        .has_error_code = true,
        .error_code = PF_PRESENT | PF_RESERVED | (linear->cpl == 3 ? PF_USER : 0) |
                      (kind == GUEST_ACCESS_WRITE ? PF_WRITE : 0),
        .cr2 = address.value,
    };
    return INSN_ACCESS_FAULT;
}

/* The one or two pages that an access of up to 16 bytes lies in. */
struct pieces {
    unsigned count;
    struct {
        gpa_t address;
        size_t size_bytes;
    } piece[2];
};

static enum insn_access_result translate_all(struct vcpu_linear *linear, gva_t address,
                                             size_t size_bytes, enum guest_access_kind kind,
                                             struct pieces *pieces, struct insn_fault *fault)
{
    pieces->count = 0;
    while (size_bytes > 0) {
        size_t in_page = PAGE_SIZE - (address.value & (PAGE_SIZE - 1));
        size_t length = size_bytes < in_page ? size_bytes : in_page;
        struct guest_translation translation;
        enum insn_access_result result =
            vcpu_linear_translate(linear, address, kind, &translation, fault);

        if (result != INSN_ACCESS_OK)
            return result;
        pieces->piece[pieces->count].address = translation.address;
        pieces->piece[pieces->count++].size_bytes = length;
        address.value += length;
        size_bytes -= length;
    }
    return INSN_ACCESS_OK;
}

/* Makes an access on the MMIO bus, which takes 1, 2, 4 or 8 bytes: each piece is the largest of
 * these that still fits, low address first. */
static void access_mmio(struct vcpu_linear *linear, gpa_t address, uint8_t *data, size_t size_bytes,
                        bool is_write)
{
    struct vcpu *vcpu = linear->vcpu;

    while (size_bytes > 0) {
        uint8_t size = size_bytes >= 8 ? 8 : size_bytes >= 4 ? 4 : size_bytes >= 2 ? 2 : 1;
        struct io_access access = {.address = address.value, .size = size, .is_write = is_write};

        if (is_write)
            memcpy(&access.value, data, size);
        iobus_access(&vcpu->guest->mmio, &vcpu->mmio_reader, &access);
        if (!is_write)
            memcpy(data, &access.value, size);
        address.value += size;
        data += size;
        size_bytes -= size;
    }
}

static void access_pieces(struct vcpu_linear *linear, const struct pieces *pieces, uint8_t *data,
                          bool is_write)
{
    for (unsigned i = 0; i < pieces->count; i++) {
        size_t size_bytes = pieces->piece[i].size_bytes;
        uint8_t *memory = guest_memory(linear->vcpu->guest, pieces->piece[i].address, size_bytes);

        if (memory == NULL)
            access_mmio(linear, pieces->piece[i].address, data, size_bytes, is_write);
        else if (is_write)
            memcpy(memory, data, size_bytes);
        else
            memcpy(data, memory, size_bytes);
        data += size_bytes;
    }
}

enum insn_access_result vcpu_linear_read(struct vcpu_linear *linear, gva_t address, void *data,
                                         size_t size_bytes, struct insn_fault *fault)
{
    struct pieces pieces;
    enum insn_access_result result =
        translate_all(linear, address, size_bytes, GUEST_ACCESS_READ, &pieces, fault);

    if (result == INSN_ACCESS_OK)
        access_pieces(linear, &pieces, data, false);
    return result;
}

enum insn_access_result vcpu_linear_write(struct vcpu_linear *linear, gva_t address,
                                          const void *data, size_t size_bytes,
                                          struct insn_fault *fault)
{
    struct pieces pieces;
    uint8_t copy[16];
    enum insn_access_result result =
        translate_all(linear, address, size_bytes, GUEST_ACCESS_WRITE, &pieces, fault);

    if (result == INSN_ACCESS_OK) {
        memcpy(copy, data, size_bytes);
        access_pieces(linear, &pieces, copy, true);
    }
    return result;
}

enum insn_access_result vcpu_linear_probe(struct vcpu_linear *linear, gva_t address,
                                          size_t size_bytes, bool is_write,
                                          struct insn_fault *fault)
{
    struct pieces pieces;

    return translate_all(linear, address, size_bytes,
                         is_write ? GUEST_ACCESS_WRITE : GUEST_ACCESS_READ, &pieces, fault);
}

/* Pretends to change an entry, so that a dump leaves the guest's accessed flags alone. */
static bool leave_table_alone(void *context, gpa_t address, size_t size_bytes, uint64_t expected,
                              uint64_t desired)
{
    (void)context;
    (void)address;
    (void)size_bytes;
    (void)expected;
    (void)desired;
    return true;
}

size_t vcpu_linear_peek(struct vcpu *vcpu, gva_t address, void *data, size_t size_bytes)
{
    struct vcpu_linear linear;
    const struct guest_paging_memory tables = {
        .context = &linear, .read = read_table, .compare_exchange = leave_table_alone};
    const struct guest_access access = {.kind = GUEST_ACCESS_READ, .implicit_supervisor = true};
    size_t done = 0;

    vcpu_linear_init(&linear, vcpu);
    while (done < size_bytes) {
        gva_t at = GVA(address.value + done);
        size_t in_page = PAGE_SIZE - (at.value & (PAGE_SIZE - 1));
        size_t length = size_bytes - done < in_page ? size_bytes - done : in_page;
        struct guest_translation translation;
        const uint8_t *memory;

        if (guest_paging_translate(&linear.paging, &tables, at, &access, &translation) !=
            GUEST_PAGING_OK)
            break;
        memory = guest_memory(vcpu->guest, translation.address, length);
        if (memory == NULL)
            break;
        memcpy((uint8_t *)data + done, memory, length);
        done += length;
    }
    return done;
}
