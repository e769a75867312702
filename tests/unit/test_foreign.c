// SPDX-License-Identifier: BSD-2-Clause
/* Files that are no kernels, as the loaders see them. */
#include "tests/unit/unit.h"

#include "vmm/loader/foreign.h"

#include <stdlib.h>

static char message[512];

/* The file in memory of its own, so that a read behind its end is found. */
static const char *refusal_of(const void *content, size_t size_bytes)
{
    uint8_t *file = malloc(size_bytes);
    struct guest_config guest = {.name = "g", .memory_bytes = 2 * MIB};
    enum guest_format format;
    enum status status;

    memcpy(file, content, size_bytes);
    guest.kernel = (struct blob){.data = file, .size_bytes = size_bytes};
    format = guest_format_of(guest.kernel);
    status = loader_check(&guest, "\\k", "", message, sizeof(message));
    assert_true(status == STATUS_OK ? format == GUEST_FORMAT_FLAT : format == GUEST_FORMAT_FOREIGN);
    free(file);
    return message;
}

#define REFUSED(bytes, words)                                                                      \
    assert_string_equal(refusal_of(bytes, sizeof(bytes) - 1), "guest 'g': \\k: this is " words)
#define FLAT(bytes) assert_string_equal(refusal_of(bytes, sizeof(bytes) - 1), "")

static void test_compressed(void **state)
{
    (void)state;
    REFUSED("\x1f\x8b\x08\0\0\0\0\0\0\3",
            "a file compressed with gzip, not a kernel; unpack it first, with gunzip");
    REFUSED("\xfd"
            "7zXZ\0\0\4",
            "a file compressed with xz, not a kernel; unpack it first, with unxz");
    REFUSED("\x28\xb5\x2f\xfd\4",
            "a file compressed with zstd, not a kernel; unpack it first, with unzstd");
    REFUSED("BZh91AY&SY\1\2",
            "a file compressed with bzip2, not a kernel; unpack it first, with bunzip2");
    REFUSED("\x04\x22\x4d\x18\x64",
            "a file compressed with lz4, not a kernel; unpack it first, with unlz4");
    REFUSED("\x02\x21\x4c\x18\x64",
            "a file compressed with lz4, not a kernel; unpack it first, with unlz4");
    REFUSED("\x5d\0\0\x80\0\xff\xff\xff\xff\xff\xff\xff\xff\0",
            "a file compressed with lzma, not a kernel; unpack it first, with unlzma");
    REFUSED("\x89LZO\0\r\n\x1a\n\x10",
            "a file compressed with lzop, not a kernel; unpack it first, with lzop");
    /* As far as a magic number goes, and no further. */
    FLAT("\x1f\x8b");
    FLAT("\x5d\0\0\x80\0\xff\xff\xff\xff\xff\xff\xff\xfe\0");
    FLAT("BZh91AY\1");
}

static void test_archives_and_programs(void **state)
{
    uint8_t file[600] = {0};

    (void)state;
    REFUSED("070701000002D1\1",
            "a cpio archive, not a kernel; if it is an initial RAM file system, "
            "name it with initrd =");
    REFUSED("PK\3\4\24\1", "a zip archive, not a kernel; take the kernel out of it");
    REFUSED("!<arch>\ndebian-binary\1",
            "an archive, such as a Debian package, not a kernel; take the kernel out of it");
    REFUSED("QFI\xfb\0\0\0\3", "a disk image of QEMU's, not a kernel; take the kernel out of it");
    memcpy(file + 257, "ustar", 5);
    assert_non_null(strstr(refusal_of(file, sizeof(file)), "a tar archive"));
    assert_non_null(strstr(refusal_of(file, 262), "a tar archive"));
    assert_string_equal(refusal_of(file, 261), "");

    memset(file, 0, sizeof(file));
    memcpy(file + 56, "ARMd", 4);
    assert_non_null(strstr(refusal_of(file, sizeof(file)), "a kernel for ARM processors"));
    memset(file, 0, sizeof(file));
    memcpy(file, "MZ", 2);
    assert_string_equal(refusal_of(file, sizeof(file)), ""); /* DEC BP; POP DX */
    file[0x3c] = 0x80;
    memcpy(file + 0x80, "PE\0", 4);
    assert_non_null(strstr(refusal_of(file, sizeof(file)), "a program for UEFI or Windows"));
    assert_string_equal(refusal_of(file, 0x83), "");
    assert_string_equal(refusal_of(file, 0x3f), "");
    memset(file + 0x3c, 0xff, 4);
    assert_string_equal(refusal_of(file, sizeof(file)), "");
}

static void test_texts(void **state)
{
    static char large[70 * 1024];
    const char *const text =
        "a text file, not a kernel; check the path, and whether a download left "
        "an error's page there";

    (void)state;
    REFUSED(
        "<html>\r\n\t404 Not Found\f\n",
        "a text file, not a kernel; check the path, and whether a download left an error's page "
        "there");
    assert_non_null(strstr(refusal_of("x", 1), text));
    assert_non_null(
        strstr(refusal_of("\xef\xbb\xbfGr\xc3\xbc\xc3\x9f\x65 \xf0\x9f\x90\xa7", 15), text));
    assert_non_null(strstr(refusal_of("\xff\xfe\x41\0", 4), text));
    assert_non_null(strstr(refusal_of("\xfe\xff\0\x41", 4), text));
    /* Code: a control character, a byte that is no UTF-8, an instruction. */
    FLAT("text\1");
    FLAT("text\x7f");
    FLAT("text\x90");
    FLAT("text\xc3(");
    FLAT("\xeb\xfe");
    FLAT("\xfa\xf4");
    /* Only the beginning of a large file is looked at; a character may go across that limit. */
    memset(large, ' ', sizeof(large));
    memcpy(large + 64 * 1024 - 1, "\xc3\xbc\0", 3);
    assert_non_null(strstr(refusal_of(large, sizeof(large)), text));
    assert_non_null(strstr(refusal_of(large, 64 * 1024), text));
    large[64 * 1024 - 1] = '\0';
    assert_string_equal(refusal_of(large, sizeof(large)), "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_compressed),
        cmocka_unit_test(test_archives_and_programs),
        cmocka_unit_test(test_texts),
    };
    return cmocka_run_group_tests_name("foreign", tests, NULL, NULL);
}
