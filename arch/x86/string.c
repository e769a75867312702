// SPDX-License-Identifier: BSD-2-Clause
/* The functions that the compiler may call on its own, and the rest of <string.h> that the monitor
 * uses. ISO C11, 7.24. The string instructions need RFLAGS.DF clear, as the ABI requires. */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* On processors from Ivy Bridge on ("Enhanced REP MOVSB/STOSB") the string instructions are as fast
 * as any code without vector registers. On older ones, and in emulators, long runs of quadwords are
 * faster than bytes. */
#define LONG_BYTES 512

void *memcpy(void *restrict to, const void *restrict from, size_t size)
{
    void *result = to;
    size_t quadwords;

    if (size >= LONG_BYTES) {
        quadwords = size / 8;
        size %= 8;
        __asm__ volatile("rep movsq" : "+D"(to), "+S"(from), "+c"(quadwords) : : "memory");
    }
    __asm__ volatile("rep movsb" : "+D"(to), "+S"(from), "+c"(size) : : "memory");
    return result;
}

void *memset(void *to, int value, size_t size)
{
    void *result = to;
    size_t quadwords;

    if (size >= LONG_BYTES) {
        quadwords = size / 8;
        size %= 8;
        __asm__ volatile("rep stosq"
                         : "+D"(to), "+c"(quadwords)
                         : "a"((uint8_t)value * UINT64_C(0x0101010101010101))
                         : "memory");
    }
    __asm__ volatile("rep stosb" : "+D"(to), "+c"(size) : "a"(value) : "memory");
    return result;
}

void *memmove(void *to, const void *from, size_t size)
{
    char *last_to = (char *)to + size - 1;
    const char *last_from = (const char *)from + size - 1;

    if ((uintptr_t)to - (uintptr_t)from >= size) /* true also if `to` lies below */
        return memcpy(to, from, size);
    __asm__ volatile("std\n\trep movsb\n\tcld"
                     : "+D"(last_to), "+S"(last_from), "+c"(size)
                     :
                     : "memory", "cc");
    return to;
}

int memcmp(const void *left, const void *right, size_t size)
{
    const unsigned char *a = left, *b = right;

    for (size_t i = 0; i < size; i++)
        if (a[i] != b[i])
            return a[i] < b[i] ? -1 : 1;
    return 0;
}

void *memchr(const void *in, int wanted, size_t size)
{
    const unsigned char *bytes = in;

    for (size_t i = 0; i < size; i++)
        if (bytes[i] == (unsigned char)wanted)
            return (void *)(uintptr_t)&bytes[i];
    return NULL;
}

size_t strlen(const char *string)
{
    size_t length = 0;

    while (string[length] != '\0')
        length++;
    return length;
}

int strcmp(const char *left, const char *right)
{
    while (*left != '\0' && *left == *right) {
        left++;
        right++;
    }
    return (int)(unsigned char)*left - (int)(unsigned char)*right;
}

int strncmp(const char *left, const char *right, size_t size)
{
    for (size_t i = 0; i < size; i++)
        if (left[i] != right[i] || left[i] == '\0')
            return (int)(unsigned char)left[i] - (int)(unsigned char)right[i];
    return 0;
}

char *strchr(const char *string, int wanted)
{
    for (;; string++) {
        if (*string == (char)wanted)
            return (char *)(uintptr_t)string;
        if (*string == '\0')
            return NULL;
    }
}
