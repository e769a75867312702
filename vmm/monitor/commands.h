// SPDX-License-Identifier: BSD-2-Clause
/* The prompt's commands. commands.c has the table, and the handlers that are not listed here. */
#ifndef VMM_MONITOR_COMMANDS_H
#define VMM_MONITOR_COMMANDS_H

#include "vmm/monitor/monitor.h"
#include "vmm/prompt/command.h"

#include <string.h>

/* Returns the guest that commands are about. If there is none, prints that and returns null. */
struct guest *command_guest(struct monitor *monitor, const struct command_output *output);

/* The handlers in commands_attach.c. context is the monitor. */
enum command_result run_attach(void *context, const struct command_output *output, int argc,
                               char *const argv[]);
enum command_result run_remove(void *context, const struct command_output *output, int argc,
                               char *const argv[]);
enum command_result run_raise(void *context, const struct command_output *output, int argc,
                              char *const argv[]);
enum command_result run_attachments(void *context, const struct command_output *output, int argc,
                                    char *const argv[]);

#endif
