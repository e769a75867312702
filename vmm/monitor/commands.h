// SPDX-License-Identifier: BSD-2-Clause
/* The prompt's commands, in their files. commands.c has the table. */
#ifndef VMM_MONITOR_COMMANDS_H
#define VMM_MONITOR_COMMANDS_H

#include "vmm/monitor/monitor.h"
#include "vmm/prompt/command.h"

#include <string.h>

/* The guest that commands are about; null, and said so, where there is none. */
struct guest *command_guest(struct monitor *monitor, const struct command_output *output);

/* Handlers; context is the monitor. commands_attach.c */
enum command_result run_attach(void *context, const struct command_output *output, int argc,
                               char *const argv[]);
enum command_result run_remove(void *context, const struct command_output *output, int argc,
                               char *const argv[]);
enum command_result run_raise(void *context, const struct command_output *output, int argc,
                              char *const argv[]);
enum command_result run_attachments(void *context, const struct command_output *output, int argc,
                                    char *const argv[]);

#endif
