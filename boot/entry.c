// SPDX-License-Identifier: BSD-2-Clause
/* The first code of the image: the firmware calls efi_start with its own calling convention, with
 * the image at any address. */
#include "boot/image.h"
#include "boot/main.h"

EFI_STATUS EFIAPI efi_start(EFI_HANDLE image, EFI_SYSTEM_TABLE *system);

/* A PE loader regards an image as relocatable only if it has a .reloc section. This is one block of
 * two entries that relocate nothing (PE Format, "The .reloc Section": type
 * IMAGE_REL_BASED_ABSOLUTE); relocate() below does the relocation. */
__attribute__((section(".reloc"), used)) static const uint32_t no_relocations[] = {0, 12, 0};

/* Adds the load address to every pointer in constant tables and initialised data. The link leaves
 * only R_X86_64_RELATIVE relocations, which the build checks. The firmware maps the sections
 * writable; the monitor's own page tables make them read-only later. */
static void relocate(void)
{
    for (const struct image_relocation *r = relocations_begin; r < relocations_end; r++)
        *(uint64_t *)(image_begin + r->offset) = (uint64_t)image_begin + (uint64_t)r->addend;
}

/* A UEFI function has to preserve more registers than the System V convention does. The compiler
 * saves RDI and RSI, because of ms_abi; XMM6 to XMM15 do not change, as the whole monitor is built
 * without vector registers. */
EFI_STATUS EFIAPI efi_start(EFI_HANDLE image, EFI_SYSTEM_TABLE *system)
{
    relocate();
    return boot_main(image, system);
}
