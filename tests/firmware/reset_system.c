// SPDX-License-Identifier: BSD-2-Clause
/* Starts \test\monitor.efi of the volume this was started from, in a firmware whose ResetSystem is
 * replaced by what \test\reset names: "strays", which reads 0xe0000000 before it does its work,
 * memory that no memory map lists; "returns"; "faults", by an undefined instruction; or "hangs". */
#include "tests/firmware/start_monitor.h"

#include <efilib.h>

#define WORD_BYTES 16
#define STRAY      0xe0000000

static CHAR16 word_path[] = L"\\test\\reset";

/* mov eax, STRAY; mov eax, [rax]; mov rax, ORIGINAL; jmp rax */
static const UINT8 code_strays[] = {0xb8, 0, 0, 0, 0, 0x8b, 0x00, 0x48, 0xb8, 0,
                                    0,    0, 0, 0, 0, 0,    0,    0xff, 0xe0};
#define STRAY_OFFSET    1
#define ORIGINAL_OFFSET 9
static const UINT8 code_returns[] = {0xc3};
static const UINT8 code_faults[] = {0x0f, 0x0b};
static const UINT8 code_hangs[] = {0xeb, 0xfe};

static EFI_STATUS read_word(EFI_HANDLE volume, CHAR8 *word)
{
    EFI_FILE_HANDLE root = LibOpenRoot(volume), file;
    UINTN length = WORD_BYTES - 1;
    EFI_STATUS status;

    if (root == NULL)
        return EFI_NOT_FOUND;
    status = uefi_call_wrapper(root->Open, 5, root, &file, word_path, EFI_FILE_MODE_READ, 0);
    if (EFI_ERROR(status))
        return status;
    status = uefi_call_wrapper(file->Read, 3, file, &length, word);
    if (!EFI_ERROR(status))
        word[length] = 0;
    return status;
}

/* The code, of runtime memory like the firmware's own, takes ResetSystem's place. */
static EFI_STATUS replace(const CHAR8 *word)
{
    EFI_PHYSICAL_ADDRESS page;
    EFI_STATUS status =
        uefi_call_wrapper(BS->AllocatePages, 4, AllocateAnyPages, EfiRuntimeServicesCode, 1, &page);
    UINT8 *code = (UINT8 *)page;

    if (EFI_ERROR(status))
        return status;
    if (strcmpa(word, (const CHAR8 *)"strays") == 0) {
        CopyMem(code, code_strays, sizeof(code_strays));
        *(UINT32 *)(code + STRAY_OFFSET) = STRAY;
        *(UINT64 *)(code + ORIGINAL_OFFSET) = (UINT64)RT->ResetSystem;
    } else if (strcmpa(word, (const CHAR8 *)"returns") == 0) {
        CopyMem(code, code_returns, sizeof(code_returns));
    } else if (strcmpa(word, (const CHAR8 *)"faults") == 0) {
        CopyMem(code, code_faults, sizeof(code_faults));
    } else if (strcmpa(word, (const CHAR8 *)"hangs") == 0) {
        CopyMem(code, code_hangs, sizeof(code_hangs));
    } else {
        return EFI_INVALID_PARAMETER;
    }
    RT->ResetSystem = (EFI_RESET_SYSTEM)code;
    RT->Hdr.CRC32 = 0;
    return uefi_call_wrapper(BS->CalculateCrc32, 3, RT, RT->Hdr.HeaderSize, &RT->Hdr.CRC32);
}

static EFI_STATUS replace_as_told(EFI_HANDLE volume)
{
    CHAR8 word[WORD_BYTES];
    EFI_STATUS status = read_word(volume, word);

    return EFI_ERROR(status) ? status : replace(word);
}

EFI_STATUS efi_main(EFI_HANDLE image, EFI_SYSTEM_TABLE *table)
{
    EFI_STATUS status;

    InitializeLib(image, table);
    status = start_monitor(image, replace_as_told);
    Print(L"reset_system: the monitor was not started, or has come back: %r\n", status);
    return status;
}
