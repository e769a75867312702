// SPDX-License-Identifier: BSD-2-Clause
#include "vmm/loader/foreign.h"

#include "vmm/base/bits.h"

#define TEXT_BYTES_MAX (64 * KIB)
#define MAGIC_PARTS    2
#define PE_OFFSET      0x3c

struct magic_part {
    uint64_t offset;
    size_t size_bytes; /* 0: there is no second part */
    const char *bytes;
};

struct magic {
    struct magic_part parts[MAGIC_PARTS]; /* all have to be there */
    struct foreign_kind kind;
};

/* One part alone would also fit 16-bit code in some cases, such as "BZh". */
static const struct magic magics[] = {
    {{{0, 3, "\x1f\x8b\x08"}}, {"a file compressed with gzip", "unpack it first, with gunzip"}},
    {{{0, 6, "\xfd\x37zXZ\0"}}, {"a file compressed with xz", "unpack it first, with unxz"}},
    {{{0, 4, "\x28\xb5\x2f\xfd"}}, {"a file compressed with zstd", "unpack it first, with unzstd"}},
    {{{0, 3, "BZh"}, {4, 6, "1AY&SY"}},
     {"a file compressed with bzip2", "unpack it first, with bunzip2"}},
    {{{0, 4, "\x04\x22\x4d\x18"}}, {"a file compressed with lz4", "unpack it first, with unlz4"}},
    {{{0, 4, "\x02\x21\x4c\x18"}}, {"a file compressed with lz4", "unpack it first, with unlz4"}},
    {{{0, 3, "\x5d\0\0"}, {5, 8, "\xff\xff\xff\xff\xff\xff\xff\xff"}},
     {"a file compressed with lzma", "unpack it first, with unlzma"}},
    {{{0, 9, "\x89LZO\0\r\n\x1a\n"}},
     {"a file compressed with lzop", "unpack it first, with lzop"}},
    {{{0, 5, "07070"}},
     {"a cpio archive", "if it is an initial RAM file system, name it with initrd ="}},
    {{{257, 5, "ustar"}}, {"a tar archive", "take the kernel out of it"}},
    {{{0, 4, "PK\3\4"}}, {"a zip archive", "take the kernel out of it"}},
    {{{0, 8, "!<arch>\n"}}, {"an archive, such as a Debian package", "take the kernel out of it"}},
    {{{0, 4, "QFI\xfb"}}, {"a disk image of QEMU's", "take the kernel out of it"}},
    {{{56, 4, "ARMd"}}, {"a kernel for ARM processors", "use one built for x86-64"}},
};

static const struct foreign_kind program_kind = {"a program for UEFI or Windows",
                                                 "for Linux use the bzImage (/boot/vmlinuz-...)"};
static const struct foreign_kind text_kind = {
    "a text file", "check the path, and whether a download left an error's page there"};

static bool has_bytes(struct blob file, uint64_t offset, const char *bytes, size_t size_bytes)
{
    return offset <= file.size_bytes && size_bytes <= file.size_bytes - offset &&
           memcmp(file.data + offset, bytes, size_bytes) == 0;
}

static bool has_magic(struct blob file, const struct magic *magic)
{
    for (size_t i = 0; i < MAGIC_PARTS; i++) {
        const struct magic_part *part = &magic->parts[i];

        if (part->size_bytes != 0 && !has_bytes(file, part->offset, part->bytes, part->size_bytes))
            return false;
    }
    return true;
}

/* PE Format, "MS-DOS Stub", "Signature". */
static bool is_program(struct blob file)
{
    return file.size_bytes >= PE_OFFSET + 4 && has_bytes(file, 0, "MZ", 2) &&
           has_bytes(file, load_u32(file.data + PE_OFFSET), "PE\0", 4);
}

/* Returns how many bytes the character at the start has in UTF-8 (RFC 3629, section 3); 0: it is no
 * character of a text. A character that the end of the bytes cuts counts. */
static uint64_t character_bytes(const uint8_t *bytes, uint64_t size_bytes)
{
    uint8_t first = bytes[0];
    uint64_t length = 1;

    if (first < ' ')
        return first == '\t' || first == '\n' || first == '\f' || first == '\r' ? 1 : 0;
    if (first < 0x7f)
        return 1;
    if (first < 0xc2 || first > 0xf4)
        return 0;
    length = first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
    for (uint64_t i = 1; i < length && i < size_bytes; i++)
        if ((bytes[i] & 0xc0) != 0x80)
            return 0;
    return length;
}

static bool is_text(struct blob file)
{
    uint64_t size_bytes = file.size_bytes < TEXT_BYTES_MAX ? file.size_bytes : TEXT_BYTES_MAX;

    /* A byte order mark of UTF-16. */
    if (has_bytes(file, 0, "\xff\xfe", 2) || has_bytes(file, 0, "\xfe\xff", 2))
        return true;
    for (uint64_t at = 0; at < size_bytes;) {
        uint64_t length = character_bytes(file.data + at, size_bytes - at);

        if (length == 0)
            return false;
        at += length;
    }
    return size_bytes > 0;
}

const struct foreign_kind *foreign_find(struct blob file)
{
    for (size_t i = 0; i < ARRAY_COUNT(magics); i++)
        if (has_magic(file, &magics[i]))
            return &magics[i].kind;
    if (is_program(file))
        return &program_kind;
    return is_text(file) ? &text_kind : NULL;
}
