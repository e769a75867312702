// SPDX-License-Identifier: BSD-2-Clause
/* check-config CPUS CONFIG [PATH FILE]...: what the boot stage says of a configuration, on the
 * computer that makes the image. Parser, loaders and messages are the monitor's own.
 *
 * CPUS: how many processors the machine has. Each FILE is at PATH on the volume, from its root,
 * with backslashes; without any, only the configuration itself is looked at. Standard output: a
 * line for each guest. Exit status: 0 the monitor would take it; 1 it would refuse it: its message
 * is on standard error; 2 bad usage, or a file cannot be read. tools/check-config is the program
 * for people. */
#include "boot/config/config.h"
#include "boot/messages.h"
#include "vmm/loader/loader.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define STATUS_REFUSED 1
#define STATUS_USAGE   2
#define MESSAGE_BYTES  512

struct volume_file {
    const char *path; /* on the volume */
    const char *file; /* here */
};

struct volume {
    struct volume_file *files;
    size_t count;
};

/* Maps the whole file; it stays mapped. Ends the program if the file cannot be read. */
static struct blob map_file(const char *path)
{
    struct blob blob = {.data = NULL};
    struct stat state;
    int descriptor = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);

    if (descriptor < 0 || fstat(descriptor, &state) != 0) {
        perror(path);
        exit(STATUS_USAGE);
    }
    if (!S_ISREG(state.st_mode)) {
        fprintf(stderr, "%s: is no regular file\n", path);
        exit(STATUS_USAGE);
    }
    if (state.st_size > 0) {
        void *data =
            mmap(NULL, (size_t)state.st_size, PROT_READ, MAP_PRIVATE | MAP_POPULATE, descriptor, 0);

        if (data == MAP_FAILED) {
            perror(path);
            exit(STATUS_USAGE);
        }
        blob = (struct blob){.data = data, .size_bytes = (uint64_t)state.st_size};
    }
    close(descriptor);
    return blob;
}

static char folded(char c)
{
    if (c == '/')
        return '\\';
    return (char)(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c);
}

/* FAT finds a name in either case. */
static bool is_same_path(const char *a, const char *b)
{
    while (*a != '\0' && folded(*a) == folded(*b)) {
        a++;
        b++;
    }
    return *a == *b;
}

/* Finds a file that the configuration names. Ends the program if there is none. */
static struct blob read_file(const struct volume *volume, const char *path, unsigned line)
{
    for (size_t i = 0; i < volume->count; i++)
        if (is_same_path(volume->files[i].path, path))
            return map_file(volume->files[i].file);
    fprintf(stderr, MSG_NO_GUEST_FILE "\n", line, path);
    exit(STATUS_REFUSED);
}

static void check_guest(const struct volume *volume, const struct config_guest *wanted)
{
    struct guest_config guest = {.memory_bytes = wanted->memory_bytes,
                                 .cpu_count = wanted->cpu_count};
    char message[MESSAGE_BYTES];
    const char *format = "files not looked at";

    memcpy(guest.name, wanted->name, sizeof(guest.name));
    memcpy(guest.cmdline, wanted->cmdline, sizeof(guest.cmdline));
    if (volume->count > 0) {
        guest.kernel = read_file(volume, wanted->kernel, wanted->kernel_line);
        if (wanted->initrd_line != 0) {
            guest.initrd = read_file(volume, wanted->initrd, wanted->initrd_line);
            if (guest.initrd.size_bytes == 0) {
                fprintf(stderr, MSG_EMPTY_INITRD "\n", wanted->initrd_line, wanted->initrd);
                exit(STATUS_REFUSED);
            }
        }
        if (loader_check(&guest, wanted->kernel, wanted->initrd, message, sizeof(message)) !=
            STATUS_OK) {
            fprintf(stderr, "%s\n", message);
            exit(STATUS_REFUSED);
        }
        format = loader_format_name(guest_format_of(guest.kernel));
    }
    printf(MSG_GUEST "\n", guest.name, format, (unsigned long long)(guest.memory_bytes / MIB));
}

int main(int argc, char **argv)
{
    static struct config config;
    struct volume volume = {.count = argc > 3 ? (size_t)(argc - 3) / 2 : 0};
    char message[CONFIG_MESSAGE_BYTES];
    unsigned long cpus;
    struct blob text;

    if (argc < 3 || argc % 2 == 0 || (cpus = strtoul(argv[1], NULL, 10)) < 1 || cpus > UINT32_MAX) {
        fprintf(stderr, "usage: check-config CPUS CONFIG [PATH FILE]...\n");
        return STATUS_USAGE;
    }
    volume.files = (struct volume_file *)(argv + 3);
    text = map_file(argv[2]);
    if (text.size_bytes > CONFIG_FILE_BYTES_MAX) {
        fprintf(stderr, MSG_CONFIG_TOO_LARGE "\n", (unsigned long long)text.size_bytes,
                (unsigned long long)CONFIG_FILE_BYTES_MAX);
        return STATUS_REFUSED;
    }
    if (config_parse((const char *)text.data, text.size_bytes, (uint32_t)cpus, &config, message,
                     sizeof(message)) != STATUS_OK) {
        fprintf(stderr, "%s\n", message);
        return STATUS_REFUSED;
    }
    for (size_t i = 0; i < config.guest_count; i++)
        check_guest(&volume, &config.guests[i]);
    return fflush(stdout) == 0 ? 0 : STATUS_USAGE;
}
