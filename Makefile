# Portcullis. `make help` lists what can be asked for.
MAKEFLAGS += --no-builtin-rules
.SUFFIXES:
.DELETE_ON_ERROR:

BUILD  := build
PYTHON := /usr/bin/python3
CC     := gcc
NASM   := nasm

# --- Sources, by room -------------------------------------------------------------------------
# Portable rooms compile for the host as they are: unit tests, fuzzing, sanitisers.
PORTABLE_ROOMS := vmm/base vmm/iobus vmm/devices vmm/loader vmm/policy vmm/acpi vmm/console \
                  arch/x86/insn arch/x86/memory boot/config
PORTABLE_SRCS := $(wildcard $(PORTABLE_ROOMS:%=%/*.c))
MONITOR_SRCS  := $(PORTABLE_SRCS) $(wildcard vmm/*.c arch/x86/*.c boot/*.c)
MONITOR_ASM   := $(wildcard arch/x86/*.asm)
UNIT_TESTS    := $(patsubst tests/unit/test_%.c,%,$(wildcard tests/unit/test_*.c))

WARNINGS := -Wall -Wextra -Werror -Wshadow -Wstrict-prototypes -Wmissing-prototypes \
            -Wold-style-definition -Wvla -Wundef -Wpointer-arith -Wwrite-strings
COMMON   := -std=gnu11 -g -I. $(WARNINGS) -fno-strict-aliasing -MMD -MP

# --- Host: unit tests -------------------------------------------------------------------------
HOST_CFLAGS  := $(COMMON) -O1 -fsanitize=address,undefined -fno-sanitize-recover=all
HOST_OBJS    := $(PORTABLE_SRCS:%.c=$(BUILD)/host/%.o) $(BUILD)/host/tests/unit/check_host.o
HOST_LIB     := $(BUILD)/host/portcullis.a
TEST_BINS    := $(UNIT_TESTS:%=$(BUILD)/host/test_%)

.PHONY: check clean help
help: ## list the targets
	@sed -nE 's/^([a-z-]+):.*## (.*)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 24

check: $(TEST_BINS) ## unit tests on this machine, under a minute
	@$(PYTHON) tests/run_unit.py $(TEST_BINS)

$(BUILD)/host/%.o: %.c
	@mkdir -p $(@D)
	$(CC) $(HOST_CFLAGS) -c $< -o $@

$(HOST_LIB): $(HOST_OBJS)
	@rm -f $@
	ar rcs $@ $^

$(BUILD)/host/test_%: $(BUILD)/host/tests/unit/test_%.o $(HOST_LIB)
	$(CC) $(HOST_CFLAGS) $< $(HOST_LIB) -lcmocka $(TEST_LIBS_$*) -o $@

TEST_LIBS_insn := -lZydis

clean: ## remove everything built
	rm -rf $(BUILD)

.SECONDARY:
-include $(shell find $(BUILD) -name '*.d' 2>/dev/null)
