# SPDX-License-Identifier: BSD-2-Clause
# Builds and tests Portcullis. `make help` lists the targets.
MAKEFLAGS += --no-builtin-rules
.SUFFIXES:
.DELETE_ON_ERROR:

BUILD  := build
PYTHON := /usr/bin/python3
CC     := gcc
NASM   := nasm

# `make V=1` prints the commands.
Q := $(if $(V),,@)

# --- Sources, by room -------------------------------------------------------------------------
# Portable rooms also compile for the host, unchanged: for unit tests, fuzzing and sanitisers.
PORTABLE_ROOMS := vmm/base arch/x86/memory arch/x86/exits arch/x86/insn vmm/memory vmm/acpi vmm/policy \
                  vmm/iobus vmm/devices vmm/devices/apic vmm/devices/notify vmm/prompt vmm/attachments \
                  vmm/loader boot/config boot/firmware
MONITOR_ROOMS  := arch/x86 vmm/host vmm/console vmm/board vmm/guest vmm/vcpu vmm/run vmm/monitor boot
PORTABLE_SRCS := $(wildcard $(PORTABLE_ROOMS:%=%/*.c))
MONITOR_SRCS  := $(sort $(PORTABLE_SRCS) $(wildcard $(MONITOR_ROOMS:%=%/*.c)))
MONITOR_ASM   := $(wildcard arch/x86/*.asm)
UNIT_TESTS    := $(patsubst tests/unit/test_%.c,%,$(wildcard tests/unit/test_*.c))

WARNINGS := -Wall -Wextra -Werror -Wshadow -Wstrict-prototypes -Wmissing-prototypes \
            -Wold-style-definition -Wvla -Wundef -Wpointer-arith -Wwrite-strings
COMMON   := -std=gnu11 -g -I. $(WARNINGS) -fno-strict-aliasing -MMD -MP

# --- Host: unit tests -------------------------------------------------------------------------
SANITIZERS   := -fsanitize=address,undefined -fno-sanitize-recover=all
HOST_CFLAGS  := $(COMMON) -O1 $(SANITIZERS) \
                $(HOST_EXTRA)
HOST_OBJS    := $(PORTABLE_SRCS:%.c=$(BUILD)/host/%.o) $(BUILD)/host/tests/unit/check_host.o
HOST_LIB     := $(BUILD)/host/portcullis.a
TEST_BINS    := $(UNIT_TESTS:%=$(BUILD)/host/test_%)
TOOL_TESTS   := $(wildcard tests/tools/test_*.py)

# --- Host: the heart, on a fake processor -----------------------------------------------------
# All rooms once more, as they are, with the headers of tests/fake in place of those that hold
# instructions of the kernel. string.c, fatal.c and heap.c have substitutes there.
FAKE_CFLAGS  := -Itests/fake $(COMMON) -O1 $(SANITIZERS) -pthread $(HOST_EXTRA)
FAKE_LEFT    := arch/x86/string.c arch/x86/fatal.c vmm/memory/heap.c
FAKE_SRCS    := $(filter-out $(PORTABLE_SRCS) $(FAKE_LEFT),$(MONITOR_SRCS)) \
                $(wildcard vmm/policy/*.c vmm/iobus/*.c tests/fake/*.c) \
                $(filter-out tests/heart/test_%,$(wildcard tests/heart/*.c))
FAKE_OBJS    := $(FAKE_SRCS:%.c=$(BUILD)/fake/%.o) \
                $(patsubst %.c,$(BUILD)/host/%.o,$(filter-out vmm/policy/% vmm/iobus/% $(FAKE_LEFT),$(PORTABLE_SRCS)))
FAKE_LIB     := $(BUILD)/fake/portcullis.a
HEART_TESTS  := $(patsubst tests/heart/test_%.c,$(BUILD)/fake/test_%,$(wildcard tests/heart/test_*.c))

.PHONY: check clean help quick unit
help: ## list the targets
	@sed -nE 's/^([a-z-]+):.*## (.*)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 24

# `make quick` shortens random tests (tests/unit/rounds.h) and leaves these tests out: they start
# machines or copies of machines, or make images and keys.
SLOW_TOOL_TESTS := $(addprefix tests/tools/,test_machine.py test_mkimage.py test_release.py)

quick: export QUICK := 1
quick: $(BUILD)/BOOTX64.EFI $(TEST_BINS) $(HEART_TESTS) ## for the edit loop: builds what depends on the change; short unit tests
	@$(PYTHON) tests/run_unit.py $(filter-out $(SLOW_TOOL_TESTS),$(TOOL_TESTS)) $(TEST_BINS) $(HEART_TESTS)

RUN_UNIT = @$(PYTHON) tests/run_unit.py $(TOOL_TESTS) $(TEST_BINS) $(HEART_TESTS)

check: lint $(TEST_BINS) $(HEART_TESTS) ## lint, unit tests of monitor and tools on this machine, and whether they reach enough
	$(RUN_UNIT)
	@$(MAKE) --no-print-directory coverage

unit: $(TEST_BINS) $(HEART_TESTS) ## the unit tests alone
	$(RUN_UNIT)

$(BUILD)/host/%.o: %.c
	@mkdir -p $(@D)
	$(Q)$(CC) $(HOST_CFLAGS) -c $< -o $@

$(HOST_LIB): $(HOST_OBJS)
	@rm -f $@
	$(Q)ar rcs $@ $^

$(BUILD)/host/test_%: $(BUILD)/host/tests/unit/test_%.o $(HOST_LIB)
	$(Q)$(CC) $(HOST_CFLAGS) $< $(HOST_LIB) -lcmocka $(TEST_LIBS_$*) -o $@

TEST_LIBS_insn := -lZydis

# These tests bring a firmware of their own.
EFI_CFLAGS := -DGNU_EFI_USE_MS_ABI -isystem /usr/include/efi -isystem /usr/include/efi/x86_64
$(BUILD)/host/tests/unit/test_boot_%.o: HOST_CFLAGS += $(EFI_CFLAGS)

$(BUILD)/fake/%.o: %.c
	@mkdir -p $(@D)
	$(Q)$(CC) $(FAKE_CFLAGS) -c $< -o $@

$(FAKE_LIB): $(FAKE_OBJS)
	@rm -f $@
	$(Q)ar rcs $@ $^

$(BUILD)/fake/test_%: $(BUILD)/fake/tests/heart/test_%.o $(FAKE_LIB)
	$(Q)$(CC) $(FAKE_CFLAGS) $< $(FAKE_LIB) -lcmocka -o $@

$(BUILD)/fake/boot/%.o $(BUILD)/fake/tests/heart/test_boot_%.o: FAKE_CFLAGS += $(EFI_CFLAGS)

# --- Host: what the monitor would say of a configuration ---------------------------------------
# tools/check-config and tools/mkimage call it; they find it by PORTCULLIS_BUILD.
export PORTCULLIS_BUILD := $(abspath $(BUILD))
CHECK_CONFIG      := $(BUILD)/tools/check-config
CHECK_CONFIG_SRCS := tools/check_config.c tests/unit/check_host.c vmm/attachments/attachment_spec.c \
                     $(wildcard boot/config/*.c vmm/base/*.c vmm/loader/*.c)
CHECK_CONFIG_OBJS := $(CHECK_CONFIG_SRCS:%.c=$(BUILD)/tools/%.o)

$(BUILD)/tools/%.o: %.c
	@mkdir -p $(@D)
	$(Q)$(CC) $(COMMON) -O2 -c $< -o $@

$(CHECK_CONFIG): $(CHECK_CONFIG_OBJS)
	$(Q)$(CC) $(CHECK_CONFIG_OBJS) -o $@

quick check unit monitor bench-exits bench-nested bench-boot: $(CHECK_CONFIG)
check unit: $(BUILD)/BOOTX64.EFI

# --- The monitor: one PE file, loaded by UEFI ---------------------------------------------------
MONITOR_CFLAGS := $(COMMON) -O2 -ffreestanding -fpie -fvisibility=hidden -mgeneral-regs-only \
                  -mno-red-zone -fno-stack-protector -fno-omit-frame-pointer \
                  -fno-optimize-sibling-calls -fno-asynchronous-unwind-tables -fcf-protection=none \
                  -U_FORTIFY_SOURCE $(MONITOR_EXTRA)
# MONITOR_EXTRA, _MORE, _LIBS and _LD_EXTRA are for `make coverage-machine`.
MONITOR_OBJS   := $(MONITOR_SRCS:%.c=$(BUILD)/monitor/%.o) $(MONITOR_ASM:%.asm=$(BUILD)/monitor/%.o) \
                  $(MONITOR_MORE:%.c=$(BUILD)/monitor/%.o)
MONITOR_LD     := ld -nostdlib -shared -Bsymbolic -z nocombreloc -z text -z noexecstack \
                  --no-undefined --fatal-warnings --orphan-handling=error -T linker.ld $(MONITOR_LD_EXTRA)

# tools/check-includes also checks the calls between the rooms, in these objects.
export MONITOR_OBJECTS := $(abspath $(BUILD)/monitor)
check: $(MONITOR_OBJS)

# Only boot/ includes the firmware's headers. The firmware's functions have Microsoft's calling
# convention.
$(BUILD)/monitor/boot/%.o: MONITOR_CFLAGS += $(EFI_CFLAGS)
# What sends the counts is not counted.
$(BUILD)/monitor/tests/machine/coverage.o: MONITOR_CFLAGS += -fno-profile-arcs -fno-test-coverage
# Without this flag the compiler replaces the loop in strlen() by a call of strlen().
$(BUILD)/monitor/arch/x86/string.o: MONITOR_CFLAGS += -fno-tree-loop-distribute-patterns

$(BUILD)/monitor/%.o: %.c
	@mkdir -p $(@D)
	$(Q)$(CC) $(MONITOR_CFLAGS) -c $< -o $@

$(BUILD)/monitor/%.o: %.asm
	@mkdir -p $(@D)
	$(Q)$(NASM) -f elf64 -g -F dwarf -Werror -I ./ -MD $(@:.o=.d) -MP $< -o $@

# A first link gives the function names; a second link adds them after everything else. The build
# fails if the names of the two links differ.
$(BUILD)/monitor/first.elf: $(MONITOR_OBJS) linker.ld
	$(Q)$(MONITOR_LD) $(MONITOR_OBJS) $(MONITOR_LIBS) -o $@

$(BUILD)/monitor/symbols.s: $(BUILD)/monitor/first.elf tools/mksymbols
	$(Q)tools/mksymbols $< $@

$(BUILD)/monitor/symbols.o: $(BUILD)/monitor/symbols.s
	$(Q)$(CC) -c $< -o $@

$(BUILD)/portcullis.elf: $(MONITOR_OBJS) $(BUILD)/monitor/symbols.o linker.ld
	$(Q)$(MONITOR_LD) $(MONITOR_OBJS) $(BUILD)/monitor/symbols.o $(MONITOR_LIBS) -o $@
	@tools/mksymbols $@ $(BUILD)/monitor/symbols.check
	@cmp $(BUILD)/monitor/symbols.s $(BUILD)/monitor/symbols.check
	@! readelf -rW $@ | grep R_X86_64_ | grep -v R_X86_64_RELATIVE

$(BUILD)/BOOTX64.EFI: $(BUILD)/portcullis.elf tools/mark-nx
	$(Q)objcopy -O efi-app-x86_64 -j .text -j .rodata -j .rela.dyn -j .data -j .reloc -j .symbols $< $@
	@tools/mark-nx $@

.PHONY: monitor
monitor: $(BUILD)/BOOTX64.EFI ## build/BOOTX64.EFI, the monitor as UEFI loads it

# --- The stick's image: the monitor, its configuration, a stock Debian kernel, a busybox -----------
# GUEST=        image                             configuration in boot/, kernel, CPUs of an emulator
# debian        build/portcullis.img              Debian's cloud kernel on one CPU
# smp           build/portcullis-smp.img          the same on four
# generic       build/portcullis-generic.img      Debian's generic kernel on one CPU
GUESTS := debian smp generic
GUEST  := debian

CONFIG_debian  := debian
KERNEL_debian  := vmlinuz
CPUS_debian    := 1
CONFIG_smp     := smp
KERNEL_smp     := vmlinuz
CPUS_smp       := 4
CONFIG_generic := debian
KERNEL_generic := vmlinuz-generic
CPUS_generic   := 1

ifneq ($(words $(GUEST))-$(filter-out $(GUESTS),$(GUEST)),1-)
$(error GUEST='$(GUEST)': has to be one of $(GUESTS))
endif

IMAGE_debian  := $(BUILD)/portcullis.img
IMAGE_smp     := $(BUILD)/portcullis-smp.img
IMAGE_generic := $(BUILD)/portcullis-generic.img

# In `make -j deps run` the installation has to finish before the build begins.
ifneq ($(filter deps,$(MAKECMDGOALS)),)
.NOTPARALLEL:
endif

# `make deps run` and the like install no more than these goals need; `make deps` alone, and with any
# other goal, all that there is.
DEPS_FEW := run image monitor usb release
DEPS     := $(if $(filter-out deps,$(MAKECMDGOALS)),$(if $(filter-out deps $(DEPS_FEW),$(MAKECMDGOALS)),test,run),test)

.PHONY: deps image run
deps: ## install what the other goals need (Debian packages); alone: what all need
	@tools/deps $(DEPS)

$(BUILD)/guest/vmlinuz: tools/fetch-kernel
	@mkdir -p $(@D)
	tools/fetch-kernel $@

$(BUILD)/guest/vmlinuz-generic: tools/fetch-kernel
	@mkdir -p $(@D)
	tools/fetch-kernel --generic $@

$(BUILD)/guest/initrd.img: tools/mkinitrd
	@mkdir -p $(@D)
	tools/mkinitrd --busybox /bin/busybox $@

define IMAGE_RULE
$(IMAGE_$(1)): $(BUILD)/BOOTX64.EFI boot/$(CONFIG_$(1)).conf tools/mkimage $(CHECK_CONFIG) \
               $(BUILD)/guest/$(KERNEL_$(1)) $(BUILD)/guest/initrd.img
	tools/mkimage --config boot/$(CONFIG_$(1)).conf --efi $(BUILD)/BOOTX64.EFI \
	    --add '$(BUILD)/guest/$(KERNEL_$(1)):\portcullis\vmlinuz' \
	    --add '$(BUILD)/guest/initrd.img:\portcullis\initrd.img' $$@
endef
$(foreach guest,$(GUESTS),$(eval $(call IMAGE_RULE,$(guest))))

image: $(IMAGE_$(GUEST)) ## build/portcullis.img, for a USB stick or an emulator; GUEST=smp, GUEST=generic

run: $(IMAGE_$(GUEST)) ## boot the image in an emulator, with this terminal as its serial line; GUEST=
	@tools/machine --interactive --cpus $(CPUS_$(GUEST)) $(RUN_OPTIONS) $<

# --- The stick, a release, a signature ------------------------------------------------------------
.PHONY: release sign test-release usb
usb: $(IMAGE_$(GUEST)) ## write the image to a USB stick, after asking: DEV=/dev/sdX; GUEST=, FORCE=yes, YES=yes
	@test -e "$(DEV)" || { echo "make usb: '$(DEV)' is not there; name the stick: DEV=/dev/sdX" >&2; exit 2; }
	@as_root=; test -w "$(DEV)" || as_root=sudo; \
	    $$as_root tools/write-usb $(if $(filter yes,$(YES)),--yes) $(if $(filter yes,$(FORCE)),--force) $< "$(DEV)"

# COMMIT and SOURCE_DATE_EPOCH are for trees without git.
release: $(BUILD)/BOOTX64.EFI $(CHECK_CONFIG) $(BUILD)/guest/vmlinuz $(BUILD)/guest/initrd.img ## build/release: monitor, image, bill of materials, checksums
	@tools/release --efi $< --config boot/debian.conf --kernel $(BUILD)/guest/vmlinuz \
	    --initrd $(BUILD)/guest/initrd.img \
	    $(if $(COMMIT),--commit $(COMMIT) --epoch "$(SOURCE_DATE_EPOCH)") $(BUILD)/release

test-release: ## two builds of a release in different folders have the same bytes; a minute or two
	@$(PYTHON) tests/release/run.py --build $(BUILD)/test/release

sign: $(BUILD)/BOOTX64.EFI $(CHECK_CONFIG) $(BUILD)/guest/vmlinuz $(BUILD)/guest/initrd.img ## build/signed: the monitor and the image for Secure Boot: KEY=FILE CERT=FILE
	@test -n "$(KEY)" -a -n "$(CERT)" || { echo "make sign: name your key and certificate: KEY=db.key CERT=db.pem" >&2; exit 2; }
	@mkdir -p $(BUILD)/signed
	@tools/sign-efi --key "$(KEY)" --cert "$(CERT)" $< $(BUILD)/signed/BOOTX64.EFI
	tools/mkimage --config boot/debian.conf --efi $(BUILD)/signed/BOOTX64.EFI \
	    --add '$(BUILD)/guest/vmlinuz:\portcullis\vmlinuz' \
	    --add '$(BUILD)/guest/initrd.img:\portcullis\initrd.img' \
	    --add '$(BUILD)/signed/BOOTX64.der:\portcullis\signer.der' $(BUILD)/signed/portcullis.img

# --- Whole machines: the monitor in an emulator, with test guests and with Debian -------------------
GUEST_PROGRAMS := $(patsubst tests/guests/%.asm,$(BUILD)/guests/%.bin,\
                    $(wildcard tests/guests/*.asm tests/guests/*/*.asm))

# The -MD of NASM 2.16 does not list included files, so programs depend on all of these.
ASM_INCLUDES := $(wildcard tests/guests/*.inc bench/exits/*.inc)

$(BUILD)/guests/%.bin: tests/guests/%.asm $(ASM_INCLUDES)
	@mkdir -p $(@D)
	$(Q)$(NASM) -f bin -Werror -I ./ $< -o $@

$(BUILD)/guests/clocks/minutes.bin: tests/guests/apic-ticks.asm

# Kernels in the format that `qemu -kernel` loads. The suite is 64-bit code in a 32-bit ELF file.
MULTIBOOT_CFLAGS  := $(COMMON) -O2 -ffreestanding -fno-pie -mgeneral-regs-only -mno-red-zone \
                     -fno-stack-protector -fno-asynchronous-unwind-tables -fcf-protection=none \
                     -U_FORTIFY_SOURCE
MULTIBOOT_SUITE   := $(BUILD)/multiboot/suite_start.o \
                     $(patsubst tests/multiboot/%.c,$(BUILD)/multiboot/%.o,$(wildcard tests/multiboot/*.c))
MULTIBOOT_KERNELS := $(addprefix $(BUILD)/multiboot/,suite.elf ending.elf kludge.bin bios.bin)

$(BUILD)/multiboot/%.o: tests/multiboot/%.c
	@mkdir -p $(@D)
	$(Q)$(CC) $(MULTIBOOT_CFLAGS) -c $< -o $@

$(BUILD)/multiboot/suite_start.o: tests/multiboot/suite_start.asm
	@mkdir -p $(@D)
	$(Q)$(NASM) -f elf64 -Werror -I ./ -MD $(@:.o=.d) -MP $< -o $@

$(BUILD)/multiboot/suite.elf: $(MULTIBOOT_SUITE) tests/multiboot/suite.ld
	$(Q)ld -nostdlib -static -z noexecstack -z max-page-size=4096 --fatal-warnings --no-warn-rwx-segments \
	    -T tests/multiboot/suite.ld $(MULTIBOOT_SUITE) -o $@.64
	$(Q)objcopy --strip-debug -I elf64-x86-64 -O elf32-i386 $@.64 $@

$(BUILD)/multiboot/ending.o: tests/multiboot/ending.asm
	@mkdir -p $(@D)
	$(Q)$(NASM) -f elf32 -Werror -I ./ -MD $(@:.o=.d) -MP $< -o $@

$(BUILD)/multiboot/ending.elf: $(BUILD)/multiboot/ending.o
	$(Q)ld -m elf_i386 -nostdlib -z noexecstack -z max-page-size=4096 -e start -Ttext=0x20000 $< -o $@

$(BUILD)/multiboot/%.bin: tests/multiboot/%.asm
	@mkdir -p $(@D)
	$(Q)$(NASM) -f bin -Werror -I ./ -MD $(@:.bin=.d) -MP $< -o $@

# What tests/machine boots. bench-exits measures exits.bin, too.
MACHINE_PARTS := $(IMAGE_debian) $(IMAGE_smp) $(BUILD)/guest/vmlinuz-generic $(GUEST_PROGRAMS) \
                 $(MULTIBOOT_KERNELS) $(BUILD)/bench/exits/exits.bin \
                 $(BUILD)/firmware/reset_system.efi $(BUILD)/firmware/set_tsc.efi

# A failure in one stage, except the build, does not stop the next stages: each stage writes its
# counts to a file for the last one. The whole style stage counts as one test.
.PHONY: test
test: ## all tests, in stages: style, build, unit, fuzz, proof, release, machines
	@mkdir -p $(BUILD)/test
	@rm -f $(BUILD)/test/*.json
	@echo '== style'
	@if $(MAKE) --no-print-directory --keep-going lint; then passed=1; else passed=0; fi; \
	    echo "{\"passed\": $$passed, \"failed\": $$((1 - passed))}" >$(BUILD)/test/style.json
	@echo '== build'
	@$(MAKE) --no-print-directory $(TEST_BINS) $(HEART_TESTS) $(FUZZ_BINS) $(MACHINE_PARTS) $(NESTED_PARTS)
	@echo '== unit'
	@-$(PYTHON) tests/run_unit.py --counts $(BUILD)/test/unit.json $(TOOL_TESTS) $(TEST_BINS) $(HEART_TESTS)
	@-$(MAKE) --no-print-directory coverage COUNTS=$(abspath $(BUILD))/test/coverage.json
	@echo '== fuzz'
	@-$(FUZZ_RUN) --seconds $(FUZZ_SHORT) --counts $(BUILD)/test/fuzz.json $(FUZZ_TARGETS)
	@echo '== proof'
	@-$(PYTHON) tests/proof/run.py --counts $(BUILD)/test/proof.json
	@-$(PYTHON) tests/model/run.py --build $(BUILD)/model --counts $(BUILD)/test/model.json
	@-$(PYTHON) tests/stress/run.py --build $(BUILD)/stress --counts $(BUILD)/test/stress.json
	@echo '== release'
	@-$(PYTHON) tests/release/run.py --build $(BUILD)/test/release --counts $(BUILD)/test/release.json
	@echo '== machines'
	@$(PYTHON) tests/machine/run.py --build $(BUILD) \
	    $(foreach part,style unit coverage fuzz proof model stress release,--counts $(BUILD)/test/$(part).json)

.PHONY: test-poison
test-poison: $(GUEST_PROGRAMS) $(BUILD)/BOOTX64.EFI ## guests, attachments and kills, with the monitor's heap poisoned
	@$(PYTHON) tests/machine/run.py --build $(BUILD) guests attachments kills

# --- Linux with nothing below it, and KVM in it: `tools/machine --emulator nested` -------------------
NESTED       := $(BUILD)/nested
NESTED_PARTS := $(addprefix $(NESTED)/,initrd.img native.efi)
NESTED_GROUPS := $(addprefix nested-,emulated auto debian-emulated debian-auto)

# Programs for the firmware, made with gnu-efi.
define EFI_RULE
$(1): $(2)
	@mkdir -p $$(@D)
	$$(Q)$$(CC) -std=gnu11 -O2 -g $$(filter-out -Wmissing-prototypes,$$(WARNINGS)) -I. -ffreestanding -fpic \
	    -fshort-wchar -mno-red-zone -mgeneral-regs-only -maccumulate-outgoing-args -fno-stack-protector \
	    -isystem /usr/include/efi -isystem /usr/include/efi/x86_64 -r -nostdlib $$^ -o $$(@:.efi=.o)
	$$(Q)ld -nostdlib -shared -Bsymbolic -znocombreloc -T /usr/lib/elf_x86_64_efi.lds \
	    /usr/lib/crt0-efi-x86_64.o $$(@:.efi=.o) -L /usr/lib -lefi -lgnuefi -o $$(@:.efi=.elf)
	$$(Q)objcopy -j .text -j .sdata -j .data -j .dynamic -j .dynsym -j '.rel*' -j .reloc \
	    -O efi-app-x86_64 $$(@:.efi=.elf) $$@
endef
$(eval $(call EFI_RULE,$(NESTED)/native.efi,tools/native.c tools/native_acpi.c))
$(eval $(call EFI_RULE,$(BUILD)/firmware/reset_system.efi,tests/firmware/reset_system.c tests/firmware/start_monitor.c))
$(eval $(call EFI_RULE,$(BUILD)/firmware/set_tsc.efi,tests/firmware/set_tsc.c tests/firmware/start_monitor.c))

$(NESTED)/initrd.img: tools/mknested $(addprefix tools/emulator/,linux.py nested.py qemu.py) tools/mkinitrd
	tools/mknested $(@D)

.PHONY: nested
nested: $(NESTED_PARTS) ## what `tools/machine --emulator nested` needs: a Linux with KVM and QEMU for Bochs

.PHONY: test-nested
test-nested: $(NESTED_PARTS) $(MACHINE_PARTS) ## the monitor under Linux' KVM, inside Bochs; an hour (docs/nested.md)
	@mkdir -p $(BUILD)/test
	@$(PYTHON) tests/machine/run.py --build $(BUILD) $(NESTED_GROUPS)

# --- How fast the bus is ------------------------------------------------------------------------------
BENCH_CFLAGS := $(COMMON) -O2 -pthread
BENCH_OBJS   := $(patsubst %.c,$(BUILD)/bench/%.o,$(wildcard bench/*.c vmm/iobus/*.c) \
                  tests/unit/check_host.c)

$(BUILD)/bench/%.o: %.c
	@mkdir -p $(@D)
	$(Q)$(CC) $(BENCH_CFLAGS) -c $< -o $@

$(BUILD)/bench/iobus_bench: $(BENCH_OBJS)
	$(Q)$(CC) $(BENCH_CFLAGS) $^ -o $@

.PHONY: bench-iobus
bench-iobus: $(BUILD)/bench/iobus_bench ## the I/O bus beside other lookups: table, build/bench-iobus.json, .svg
	@$< $(BUILD)/bench-iobus.json $(BUILD)/bench/iobus.dat
	@gnuplot -e "data='$(BUILD)/bench/iobus.dat'; picture='$(BUILD)/bench-iobus.svg'" bench/iobus.gp

# --- What an exit costs, beside Linux' KVM ---------------------------------------------------------
EXITS          := $(BUILD)/bench/exits
EXITS_CFLAGS   := -std=gnu11 -O2 -g $(WARNINGS)
EXITS_PROGRAMS := $(addprefix $(EXITS)/,exits.bin ipi.bin kvm_host) $(NESTED)/native.efi

$(EXITS)/%.bin: bench/exits/%.asm $(ASM_INCLUDES)
	@mkdir -p $(@D)
	$(Q)$(NASM) -f bin -Werror -I ./ $< -o $@

# These programs are static, as the initrd in which they run has no libraries.
$(EXITS)/kvm_host $(EXITS)/init: $(EXITS)/%: bench/exits/%.c
	@mkdir -p $(@D)
	$(Q)$(CC) $(EXITS_CFLAGS) -static -pthread $< -o $@

.PHONY: bench-exits bench-nested bench-boot
bench-exits: $(BUILD)/BOOTX64.EFI $(EXITS_PROGRAMS) ## instructions per exit, beside KVM: table, build/bench-exits.json, .svg
	@$(PYTHON) bench/exits/run.py --build $(BUILD) $(BENCH_OPTIONS)

bench-nested: $(BUILD)/BOOTX64.EFI $(EXITS_PROGRAMS) $(NESTED_PARTS) ## the same, both under Linux' KVM in Bochs: table, build/bench-nested.json
	@$(PYTHON) bench/exits/run.py --build $(BUILD) --emulator nested $(BENCH_OPTIONS)

bench-boot: $(BUILD)/BOOTX64.EFI $(EXITS)/init $(NESTED)/native.efi ## a kernel to its init, native and as a guest; build/bench-boot.json
	@$(PYTHON) bench/exits/boot.py --build $(BUILD)

# --- Proof --------------------------------------------------------------------------------------------
.PHONY: prove
prove: ## prove the lookup of the I/O bus and how its table is made, with Frama-C, z3 and cvc4
	@$(PYTHON) tests/proof/run.py

# --- Model --------------------------------------------------------------------------------------------
.PHONY: model
model: ## verify the bus's reclaim protocol with Spin, and that broken variants are caught
	@$(PYTHON) tests/model/run.py --build $(BUILD)/model

# --- Stress -------------------------------------------------------------------------------------------
.PHONY: stress stress-mutants
stress: ## the bus under real threads with sanitizers, 10^8 accesses; 10^7 random steps; minutes
	@$(PYTHON) tests/stress/run.py --build $(BUILD)/stress

stress-mutants: ## break the bus in many ways: make stress has to notice each
	@$(PYTHON) tests/stress/run.py --build $(BUILD)/stress --mutants

# --- Fuzzing: libFuzzer, AddressSanitizer and UBSan --------------------------------------------------
# The portable rooms once more, by clang. A target is one file in tests/fuzz; TARGET= chooses one.
# In `make test` each has FUZZ_SHORT seconds.
FUZZ_SHORT     := 8
SECONDS        := 60
TARGET         :=
FUZZ           := $(BUILD)/fuzz
FUZZ_CC        := $(CC:gcc=clang)
FUZZ_SANITIZE  := address,undefined
FUZZ_CFLAGS    := $(COMMON) -O1 -Wno-unknown-pragmas -fno-sanitize-recover=all \
                  -fsanitize=fuzzer-no-link,$(FUZZ_SANITIZE)
FUZZ_TARGETS   := $(patsubst tests/fuzz/%.c,%,$(wildcard tests/fuzz/*.c))
FUZZ_LIB       := $(FUZZ)/portcullis.a
FUZZ_BINS      := $(FUZZ_TARGETS:%=$(FUZZ)/bin/%)
FUZZ_RUN       := $(PYTHON) tests/fuzz/run.py --build $(FUZZ) --compile '$(FUZZ_CC) $(FUZZ_CFLAGS)'

.PHONY: fuzz fuzz-mutants
fuzz: $(if $(TARGET),$(TARGET:%=$(FUZZ)/bin/%),$(FUZZ_BINS)) ## any input to each part that takes some; SECONDS= each (60), TARGET=
	@$(FUZZ_RUN) --seconds $(SECONDS) $(or $(TARGET),$(FUZZ_TARGETS))

fuzz-mutants: $(FUZZ_BINS) ## break what is fuzzed: make fuzz has to notice each
	@$(FUZZ_RUN) --mutants $(or $(TARGET),$(FUZZ_TARGETS))

$(FUZZ)/%.o: %.c
	@mkdir -p $(@D)
	$(Q)$(FUZZ_CC) $(FUZZ_CFLAGS) -c $< -o $@

# host_acpi.c is pure, too.
$(FUZZ_LIB): $(PORTABLE_SRCS:%.c=$(FUZZ)/%.o) $(FUZZ)/arch/x86/host_acpi.o $(FUZZ)/tests/unit/check_host.o
	@rm -f $@
	$(Q)ar rcs $@ $^

# The heart, on the fake processor. clang does not define what gcc does with AddressSanitizer.
FUZZ_FAKE_CFLAGS := -Itests/fake -D__SANITIZE_ADDRESS__=1 $(FUZZ_CFLAGS) -pthread
FUZZ_FAKE_LIB    := $(FUZZ)/fake/portcullis.a
FUZZ_FAKE_OBJS   := $(patsubst $(BUILD)/fake/%,$(FUZZ)/fake/%,$(patsubst $(BUILD)/host/%,$(FUZZ)/%,$(FAKE_OBJS)))

$(FUZZ)/fake/boot/%.o: FUZZ_FAKE_CFLAGS += $(EFI_CFLAGS)
$(FUZZ)/fake/%.o: %.c
	@mkdir -p $(@D)
	$(Q)$(FUZZ_CC) $(FUZZ_FAKE_CFLAGS) -c $< -o $@

$(FUZZ_FAKE_LIB): $(FUZZ_FAKE_OBJS)
	@rm -f $@
	$(Q)ar rcs $@ $^

$(FUZZ)/bin/exits: $(FUZZ)/fake/tests/fuzz/exits.o $(FUZZ_FAKE_LIB)
	@mkdir -p $(@D)
	$(Q)$(FUZZ_CC) -fsanitize=fuzzer,$(FUZZ_SANITIZE) -pthread $^ -lcmocka -o $@

$(FUZZ)/bin/%: $(FUZZ)/tests/fuzz/%.o $(FUZZ_LIB)
	@mkdir -p $(@D)
	$(Q)$(FUZZ_CC) -fsanitize=fuzzer,$(FUZZ_SANITIZE) $< $(FUZZ_LIB) -lcmocka -o $@

# --- Style --------------------------------------------------------------------------------------------
# Each check that passes leaves an empty file below $(LINT), so that only changed files are checked
# again.
LINT            := $(BUILD)/lint
C_FILES         := $(shell find arch bench boot tests tools vmm -name '*.[ch]')
ASM_FILES       := $(shell find arch bench boot tests vmm -name '*.asm' -o -name '*.inc')
first_lines     = $(shell awk 'FNR == 1 && $(1) { print FILENAME }' $$(find tools .ci -type f))
PYTHON_FILES    := $(sort $(shell find bench tests tools -name '*.py') $(call first_lines,/python3$$/))
SHELL_PROGRAMS  := $(call first_lines,/sh$$/)
HOST_SRCS       := $(wildcard tools/check_config.c tests/unit/*.c tests/fake/*.c tests/heart/*.c bench/*.c tests/stress/*.c tests/fuzz/*.c)

# The files of $(2) that changed; all of them if $(1), the configuration of the check, changed.
changed = $(if $(filter $(1),$?),$(2),$(filter $(2),$?))

.PHONY: lint
lint: $(MONITOR_SRCS:%.c=$(LINT)/%.tidy) $(HOST_SRCS:%.c=$(LINT)/%.clang) \
      $(addprefix $(LINT)/,format style cppcheck python shell) ## formatter, second compiler, linters: no warning

$(LINT)/format: .clang-format $(C_FILES)
	@mkdir -p $(@D)
	$(Q)clang-format --dry-run --Werror $(call changed,.clang-format,$(C_FILES))
	@touch $@

$(LINT)/style: tools/check-style $(C_FILES) $(ASM_FILES) $(PYTHON_FILES) $(SHELL_PROGRAMS)
	@mkdir -p $(@D)
	$(Q)tools/check-style
	@touch $@

# Checks the monitor's sources with clang, with gcc's flags, and then with clang-tidy.
$(LINT)/boot/%.tidy: MONITOR_CFLAGS += $(EFI_CFLAGS)
TIDY :=
# The host's <string.h> has other names for the arguments.
$(LINT)/arch/x86/string.tidy: TIDY := --checks=-readability-inconsistent-declaration-parameter-name

$(LINT)/%.tidy: %.c .clang-tidy
	@mkdir -p $(@D)
	$(Q)clang $(MONITOR_CFLAGS) -fsyntax-only -MF $(@:.tidy=.d) -MT $@ $<
	$(Q)clang-tidy --quiet $(TIDY) $< -- $(filter-out -MMD -MP,$(MONITOR_CFLAGS)) 2>$(@:.tidy=.log) || \
	    { cat $(@:.tidy=.log) >&2; false; }
	@touch $@

# Checks the sources that run on this machine with clang. Some pragmas are only for gcc.
$(LINT)/%.clang: CLANG_CFLAGS = $(COMMON) -Wno-unknown-pragmas
$(LINT)/tests/unit/test_boot_%.clang: CLANG_CFLAGS += $(EFI_CFLAGS)
$(LINT)/tests/fake/%.clang $(LINT)/tests/heart/%.clang: CLANG_CFLAGS = -Itests/fake $(COMMON)
$(LINT)/tests/heart/test_boot_%.clang: CLANG_CFLAGS += $(EFI_CFLAGS)
$(LINT)/tests/fuzz/exits.clang: CLANG_CFLAGS = -Itests/fake $(COMMON)

$(LINT)/%.clang: %.c
	@mkdir -p $(@D)
	$(Q)clang $(CLANG_CFLAGS) -fsyntax-only -MF $(@:.clang=.d) -MT $@ $<
	@touch $@

$(LINT)/cppcheck: .cppcheck $(filter-out bench/% tests/%,$(C_FILES))
	@mkdir -p $(LINT)/cppcheck.parts
	$(Q)cppcheck --quiet --error-exitcode=1 --cppcheck-build-dir=$(LINT)/cppcheck.parts \
	    --std=c11 --platform=unix64 --library=gnu --enable=warning,performance,portability \
	    --inconclusive --suppressions-list=.cppcheck -I. -D__x86_64__ $(MONITOR_SRCS)
	@touch $@

$(LINT)/python: .pylintrc $(PYTHON_FILES)
	@mkdir -p $(@D)
	$(Q)pylint --jobs=2 --score=n $(call changed,.pylintrc,$(PYTHON_FILES))
	@touch $@

$(LINT)/shell: $(SHELL_PROGRAMS)
	@mkdir -p $(@D)
	$(Q)shellcheck $(SHELL_PROGRAMS)
	@touch $@

# --- For development --------------------------------------------------------------------------------
.PHONY: compile-commands coverage coverage-machine format heart-threads measure-coverage measure-machine
# Without sanitizers, whose branches nobody has to take, and in a folder of its own. FLOORS: what has
# to be reached.
FLOORS := tests/coverage.floors
coverage: ## which lines and branches host tests reach, and whether that is enough; MISSED=vmm/run shows where not
	@$(MAKE) --no-print-directory BUILD=$(BUILD)/coverage SANITIZERS= \
	    HOST_EXTRA='--coverage -Wno-format-truncation' measure-coverage

measure-coverage: $(TEST_BINS) $(HEART_TESTS)
	@find $(BUILD) -name '*.gcda' -delete
	@QUICK=1 $(PYTHON) tests/run_unit.py $(TEST_BINS) $(HEART_TESTS) >$(BUILD)/tests.log || \
	    { cat $(BUILD)/tests.log; false; }
	@tests/coverage.py $(if $(MISSED),--missed $(MISSED)) --floors $(FLOORS) \
	    $(if $(COUNTS),--counts $(COUNTS)) $(BUILD)

# The monitor once more, with counters that it sends to the emulator's debug port at its end. -O1, as for
# the host tests: their branches are the same then.
COVERED_GROUPS := guests kills
coverage-machine: ## what host tests or, in an emulator, the monitor itself reach; COVERED_GROUPS= of make test, MISSED=
	@$(MAKE) --no-print-directory coverage
	@$(MAKE) --no-print-directory BUILD=$(BUILD)/coverage-machine \
	    MONITOR_EXTRA='-O1 --coverage -fprofile-info-section -fprofile-update=atomic -Wno-format-truncation' \
	    MONITOR_MORE=tests/machine/coverage.c MONITOR_LD_EXTRA=--wrap=power_off \
	    MONITOR_LIBS="$$($(CC) -print-file-name=libgcov.a)" HOST_COVERAGE=$(BUILD)/coverage measure-machine

measure-machine: $(BUILD)/BOOTX64.EFI $(GUEST_PROGRAMS)
	@tests/coverage_machine.py $(if $(MISSED),--missed $(MISSED)) --host $(HOST_COVERAGE) $(BUILD) $(COVERED_GROUPS)

# The processors of the heart are threads; reading a clock orders nothing between them.
heart-threads: ## guests with several vCPUs on the fake processor, under ThreadSanitizer
	@$(MAKE) --no-print-directory BUILD=$(BUILD)/threads SANITIZERS=-fsanitize=thread HOST_EXTRA=-Wno-tsan \
	    $(BUILD)/threads/fake/test_processors
	@$(PYTHON) tests/run_unit.py $(BUILD)/threads/fake/test_processors

compile-commands: ## compile_commands.json, for clangd and its like
	@$(MAKE) --always-make --dry-run $(BUILD)/BOOTX64.EFI $(TEST_BINS) $(HEART_TESTS) $(BUILD)/bench/iobus_bench \
	    $(BUILD)/multiboot/suite.elf | tools/compile-commands $(CURDIR) >compile_commands.json

format: ## clang-format on all C sources, in place
	@clang-format -i $(C_FILES)

clean: ## remove everything built
	rm -rf $(BUILD)

.SECONDARY:
-include $(shell find $(BUILD) -name '*.d' 2>/dev/null)
