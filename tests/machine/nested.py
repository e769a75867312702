# SPDX-License-Identifier: BSD-2-Clause
"""The monitor as a guest of Linux' KVM, on any computer: `tools/machine --emulator nested`. What fails
there fails on KVM, too; what is KVM's or Bochs' fault has its reason in EXPECTED.

The guest programs run twice, with the local APIC's work done by the monitor (`apic = emulated`) and
as the monitor chooses by itself (`auto`)."""

import time

import debian
import debian_smp
import dialogue
import guests

MEMORY_MIB = 256  # of QEMU's machine with guest programs
DEBIAN_MIB = 512  # and with Debian
TIMEOUT_SECONDS = 7200

# Checks of guest programs that fail and are not the monitor's: {program: {check: why}}.
CR0_SHADOW = ("where no bit changes that the monitor owns, KVM takes the guest's write of CR0 itself and"
              " makes its own value the read shadow: as written after MOV, with NE after LMSW")
EXPECTED = {
    "cr-access": {
        "CR0 reserved bits and ET": CR0_SHADOW,
        "LMSW sets MP and TS": CR0_SHADOW,
        "LMSW clears them but not PE": CR0_SHADOW,
    },
    "msr-faults": {
        "refuse SYSENTER_EIP not canonical":
            "the guest's own WRMSR goes to KVM, which makes the address canonical instead of #GP",
    },
    "rtc": {
        "1024 Hz: not too few":
            "a tick asks for seven exits of 11,000 instructions each, and in Bochs 48,828 are between"
            " two ticks",
    },
}
# And these with virtual-interrupt delivery.
EOI_EXITS = ("KVM hands the EOI-exit bitmaps on only where the processor has posted interrupts, too, and"
             " Bochs 2.7 has none: the monitor does not hear of the EOI")
EXPECTED_VIRTUAL = {
    "apic-msrs": {
        "level: five times": EOI_EXITS,
        "level: remote IRR is clear": EOI_EXITS,
    },
    "apic-page": {
        "level: five times": EOI_EXITS,
        "level: remote IRR is clear": EOI_EXITS,
        "no broadcast: once": EOI_EXITS,
    },
}

# What Debian's shell is asked.
QUESTIONS = {name: debian_smp.QUESTIONS[name] for name in
             ("date", "kernel", "before", "sleep 0", "sleep 1", "after", "dmesg")}

# What `make test` runs.
SHORT = ("port-floats", "exceptions", "interrupt-window", "msr-faults", "string-io")


def alone(binaries):
    """The programs for one processor."""
    return [name for name in binaries if not name.startswith(guests.KILL_PREFIX)
            and (name not in guests.SMP_PROGRAMS or name in guests.ALONE_TOO)]


def run_programs(bench, report, names, apic, boards=None, cpus=1):
    """These programs one after the other, all with this key `apic`."""
    binaries = guests.programs(bench.build)
    image = bench.image(report.group, guests.configuration(names, "poweroff", boards, apic),
                        guests.files(binaries, names))
    boot = bench.boot(report, image, "--emulator", "nested", "--memory", str(MEMORY_MIB),
                      "--cpus", str(cpus), timeout=TIMEOUT_SECONDS)
    expected = EXPECTED if apic == "emulated" else {**EXPECTED, **EXPECTED_VIRTUAL}
    guests.judge(report, boot, names, expected)


def run_short(bench, report):
    run_programs(bench, report, SHORT, "auto")


def run_emulated(bench, report):
    run_programs(bench, report, alone(guests.programs(bench.build)), "emulated")


def run_auto(bench, report):
    run_programs(bench, report, alone(guests.programs(bench.build)), "auto")


def run_smp_emulated(bench, report):
    run_programs(bench, report, list(guests.SMP_PROGRAMS), "emulated", guests.SMP_PROGRAMS,
                 guests.SMP_CPUS)


def run_smp_auto(bench, report):
    run_programs(bench, report, list(guests.SMP_PROGRAMS), "auto", guests.SMP_PROGRAMS,
                 guests.SMP_CPUS)


def run_debian(bench, report, apic):
    """Debian's kernel to its shell, a few questions there, and `poweroff`."""
    image = debian_smp.own_image(bench, report, "vmlinuz", 1, apic)
    started = time.time()
    boot = bench.boot(report, image, "--emulator", "nested", "--memory", str(DEBIAN_MIB),
                      timeout=TIMEOUT_SECONDS,
                      send=[*dialogue.ask_shell(QUESTIONS), (dialogue.SHELL, "poweroff")])
    unanswered = debian.first_unanswered(boot.text, QUESTIONS)
    report.check("to the shell, every command answered", unanswered is None,
                 f"no answer to: {unanswered}")
    debian.check_kernel(report, image, boot.text, debian.CLOUD)
    debian.check_date(report, boot.text, started, time.time())
    debian.check_second(report, boot.text)
    debian_smp.check_interrupts(report, boot.text, 1)
    debian.check_errors(report, boot.text)
    debian.check_end(report, boot)


def run_debian_emulated(bench, report):
    run_debian(bench, report, "emulated")


def run_debian_auto(bench, report):
    run_debian(bench, report, "auto")
