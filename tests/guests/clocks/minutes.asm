; SPDX-License-Identifier: BSD-2-Clause
; Ten minutes halted, then ten minutes busy.
%define SECONDS 600
%include "tests/guests/apic-ticks.asm"
