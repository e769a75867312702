// SPDX-License-Identifier: BSD-2-Clause
/* The project's address types. Each is a struct with one member, so that the compiler refuses to
 * mix two of them up. */
#ifndef VMM_BASE_TYPES_H
#define VMM_BASE_TYPES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A guest-physical address: the guest's page tables yield it and EPT translates it. */
typedef struct {
    uint64_t value;
} gpa_t;

/* A host-physical address. The monitor maps all host-physical memory one to one, so its pointers
 * are host-physical addresses. */
typedef struct {
    uint64_t value;
} hpa_t;

/* A guest-linear address: the segment's base is already added, paging is not yet applied. */
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

/* Marks a function whose result the caller has to look at. */
#define MUST_USE __attribute__((warn_unused_result))

#endif
