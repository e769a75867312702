// SPDX-License-Identifier: BSD-2-Clause
/* A translation unit for Frama-C: what it proves is the file that the monitor is built from. */
#include "vmm/iobus/flatten.c"
