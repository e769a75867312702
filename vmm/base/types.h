// SPDX-License-Identifier: BSD-2-Clause
/* The project's address types: one-member structs, so that the compiler refuses a mix-up. */
#ifndef VMM_BASE_TYPES_H
#define VMM_BASE_TYPES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Guest-physical address: what the guest's page tables yield and EPT translates. */
typedef struct {
    uint64_t value;
} gpa_t;

/* Host-physical address. The monitor maps all of it one to one: its pointers are host-physical. */
typedef struct {
    uint64_t value;
} hpa_t;

/* Guest linear address: segment base already added, paging not yet applied. */
typedef struct {
    uint64_t value;
} gva_t;

#define GPA(address) ((gpa_t){(address)})
#define HPA(address) ((hpa_t){(address)})
#define GVA(address) ((gva_t){(address)})

#define KIB UINT64_C(1024)
#define MIB (1024 * KIB)
#define GIB (1024 * MIB)

#define PAGE_SIZE       UINT64_C(4096)
#define PAGE_SIZE_LARGE (2 * MIB)
#define PAGE_SIZE_HUGE  GIB

#define ARRAY_COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* The caller has to look at the result. */
#define MUST_USE __attribute__((warn_unused_result))

#endif
