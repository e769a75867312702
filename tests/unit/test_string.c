// SPDX-License-Identifier: BSD-2-Clause
#include "tests/unit/unit.h"

#include <stdlib.h>
#include <string.h>

/* The monitor's own functions under names of their own, beside the C library's. */
void *our_memcpy(void *restrict to, const void *restrict from, size_t size);
void *our_memset(void *to, int value, size_t size);
void *our_memmove(void *to, const void *from, size_t size);
int our_memcmp(const void *left, const void *right, size_t size);
void *our_memchr(const void *in, int wanted, size_t size);
size_t our_strlen(const char *string);
int our_strcmp(const char *left, const char *right);
int our_strncmp(const char *left, const char *right, size_t size);
char *our_strchr(const char *string, int wanted);

#define memcpy  our_memcpy
#define memset  our_memset
#define memmove our_memmove
#define memcmp  our_memcmp
#define memchr  our_memchr
#define strlen  our_strlen
#define strcmp  our_strcmp
#define strncmp our_strncmp
#define strchr  our_strchr
#include "arch/x86/string.c"
#undef memcpy
#undef memset
#undef memmove
#undef memcmp
#undef memchr
#undef strlen
#undef strcmp
#undef strncmp
#undef strchr

#define BYTES 48

static int sign(int value)
{
    return (value > 0) - (value < 0);
}

/* Every source, destination and size within a small buffer, overlapping or not. */
static void test_moves(void **state)
{
    uint8_t ours[BYTES], theirs[BYTES];

    (void)state;
    for (size_t to = 0; to < BYTES; to++)
        for (size_t from = 0; from < BYTES; from++)
            for (size_t size = 0; size + (to > from ? to : from) <= BYTES; size++) {
                for (size_t i = 0; i < BYTES; i++)
                    ours[i] = theirs[i] = (uint8_t)(i * 37);
                memmove(theirs + to, theirs + from, size);
                assert_ptr_equal(our_memmove(ours + to, ours + from, size), ours + to);
                assert_memory_equal(ours, theirs, BYTES);
            }
}

static void test_copy_and_set(void **state)
{
    uint8_t from[BYTES], to[BYTES], expected[BYTES];

    (void)state;
    for (size_t size = 0; size <= BYTES - 1; size++) {
        memset(from, 0xa5, BYTES);
        memset(to, 0, BYTES);
        memset(expected, 0, BYTES);
        memcpy(expected + 1, from, size);
        assert_ptr_equal(our_memcpy(to + 1, from, size), to + 1);
        assert_memory_equal(to, expected, BYTES);
        memset(expected + 1, 0x5a, size);
        assert_ptr_equal(our_memset(to + 1, 0x15a, size), to + 1);
        assert_memory_equal(to, expected, BYTES);
    }
}

/* Runs that are long enough for quadwords, with every rest, at odd places. */
static void test_long_runs(void **state)
{
    enum { LONG = 1200 };
    uint8_t source[LONG], ours[LONG], theirs[LONG];

    (void)state;
    for (size_t i = 0; i < LONG; i++)
        source[i] = (uint8_t)(i * 37);
    for (size_t at = 0; at < 9; at++) {
        for (size_t size = LONG_BYTES - 9; size < LONG_BYTES + 20; size++) {
            memset(ours, 0x55, LONG);
            memset(theirs, 0x55, LONG);
            memcpy(theirs + at, source + 3, size);
            assert_ptr_equal(our_memcpy(ours + at, source + 3, size), ours + at);
            assert_memory_equal(ours, theirs, LONG);
            memset(theirs + at, (int)size, size);
            assert_ptr_equal(our_memset(ours + at, (int)size, size), ours + at);
            assert_memory_equal(ours, theirs, LONG);
        }
    }
}

static void test_strings(void **state)
{
    static const char *const words[] = {"", "a", "ab", "abc", "abd", "b", "\xff", "a\xff"};

    (void)state;
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        assert_int_equal(our_strlen(words[i]), strlen(words[i]));
        assert_ptr_equal(our_strchr(words[i], 'b'), strchr(words[i], 'b'));
        assert_ptr_equal(our_strchr(words[i], 0), strchr(words[i], 0));
        assert_ptr_equal(our_memchr(words[i], 0xff, strlen(words[i])),
                         memchr(words[i], 0xff, strlen(words[i])));
        for (size_t k = 0; k < sizeof(words) / sizeof(words[0]); k++) {
            const char *a = words[i], *b = words[k];
            size_t shorter = strlen(a) < strlen(b) ? strlen(a) : strlen(b);

            assert_int_equal(sign(our_strcmp(a, b)), sign(strcmp(a, b)));
            assert_int_equal(sign(our_memcmp(a, b, shorter)), sign(memcmp(a, b, shorter)));
            for (size_t size = 0; size < 5; size++)
                assert_int_equal(sign(our_strncmp(a, b, size)), sign(strncmp(a, b, size)));
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_moves),
        cmocka_unit_test(test_copy_and_set),
        cmocka_unit_test(test_long_runs),
        cmocka_unit_test(test_strings),
    };
    return cmocka_run_group_tests_name("string", tests, NULL, NULL);
}
