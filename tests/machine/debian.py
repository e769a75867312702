# SPDX-License-Identifier: BSD-2-Clause
"""The stick's image as `make image` leaves it: a stock Debian kernel to its shell, what it sees
there of our chips, the monitor's prompt over it, and back through poweroff."""

import glob
import hashlib
import os
import re
import subprocess
import time

import dialogue
from dialogue import bus_hits, monitor_answer, shell_answer

IMAGE = "portcullis.img"
PARTITION_OFFSET = "1M"  # tools/mkimage puts the EFI system partition there
POWERED_OFF = 0

# Guest time is what is measured; a command as such takes some of it, too.
UPTIME = "read a b </proc/uptime; echo $a"
SLEEP_0, SLEEP_1 = (f"{UPTIME}; sleep {seconds}; {UPTIME}" for seconds in (0, 1))
QUESTIONS = {
    "date": "date +%s",
    "kernel": "uname -r",
    "before": "cat /proc/interrupts",
    "ports": "cat /proc/ioports",
    "sleep 0": SLEEP_0,
    "sleep 1": SLEEP_1,
    "alarm": "rtc=/sys/class/rtc/rtc0; echo +2 >$rtc/wakealarm",
    "rtc before": f"cat $rtc/since_epoch; {UPTIME}",
    "wait": "sleep 5",
    "rtc after": f"cat $rtc/since_epoch; {UPTIME}",
    "after": "cat /proc/interrupts",
    "chips": 'dmesg | grep -i -E "pit|8259|tsc|rtc|serial"',
    "dmesg": "dmesg -r",
}

# The names of Debian's kernel packages end so.
CLOUD, GENERIC = "cloud-amd64", "amd64"

# /proc/interrupts: row and what it has to say. The kernel's clock is the local APIC's timer.
LINES = {"4": r"IO-APIC +4-edge +ttyS0", "8": r"IO-APIC +8-edge +rtc0",
         "LOC": "Local timer interrupts"}
# /proc/ioports
PORTS = ("0020-0021 : pic1", "00a0-00a1 : pic2", "0040-0043 : timer0", "0070-0071 : rtc0",
         "03f8-03ff : serial")
# What dmesg has to say, and the grep for our chips that users are told to try.
SERIAL = r"ttyS0 at I/O 0x3f8 \(irq = 4, base_baud = 115200\) is a 16550A"
MESSAGES = (r"Serial: 8250/16550 driver",
            r"rtc_cmos .*: registered as rtc0", r"rtc_cmos .*: setting system clock to 20\d\d-",
            r"tsc: Detected \d+\.\d+ MHz processor")
DEVICES = ("i8254", "i8259 master", "i8259 slave", "mc146818", "uart16550 com1", "local apic",
           "i82093aa")

SUSPICIOUS = re.compile(r"error|fail|warn|\bbugs?\b|\boops\b|call trace|unstable|spurious|stuck|"
                        r"stall|no irq handler", re.I)
# In `dmesg -r` each line begins with its facility and level; from 4 down it is a warning or worse.
LEVEL = re.compile(r"^<(\d+)>")
WARNING = 4
# Lines that look like errors and are none of ours: {regular expression: why it may be there}.
ALLOWED = {
    r"RETBleed: WARNING: Spectre v2 mitigation leaves CPU vulnerable to RETBleed attacks":
        "the processor's model and Debian's choice of mitigation; the same without a monitor",
    r"PCI: Using host bridge windows from ACPI; if necessary, use \"pci=nocrs\" and report a bug":
        "not an error: the kernel says this of every host bridge that ACPI describes",
    r"AMD-Vi: AMD IOMMUv2 functionality not available on this system - This is not a bug\.":
        "not an error, as it says: the generic kernel looks for this on every processor",
    r"mce: Unable to init MCE device \(rc: -5\)":
        "true: machine checks are the machine's, CPUID shows none",
    r"PCI: (Fatal: No config space access function found|System does not support PCI)$":
        "true: the board has no PCI",
}


def first_unanswered(text, questions):
    """The first question that got no answer, or None."""
    for name in questions:
        if not re.search(rf"^@{name}\n(.*\n)*?@\.$", text, re.M):
            return name
    return None


def numbers(answer):
    """All numbers that stand in lines of their own."""
    return [float(number) for number in re.findall(r"^(\d+(?:\.\d+)?)$", answer, re.M)]


def spent(text, name):
    """Guest seconds between the two readings of /proc/uptime in this answer."""
    readings = numbers(shell_answer(text, name))
    return readings[1] - readings[0] if len(readings) == 2 else -1.0


def interrupts(answer):
    """{row: ([count of each CPU], controller and name)} out of /proc/interrupts."""
    rows = re.findall(r"^ *(\w+):((?: +\d+)+)(?: +([A-Za-z].*?))? *$", answer, re.M)
    return {row: ([int(count) for count in counts.split()], what) for row, counts, what in rows}


def check_date(report, text, started, ended):
    """The date, for a run between these two times."""
    date = (numbers(shell_answer(text, "date")) or [0])[0]
    # The clock is set when the machine starts. From there on an emulator's time may be slower than
    # the host's, and while the guest idles faster.
    report.check("date is right", started - 120 <= date <= ended + 120,
                 f"the guest says {date:.0f}, the run was from {started:.0f} to {ended:.0f}")


def check_second(report, text):
    """A second's length by the kernel's clock."""
    nothing, second = spent(text, "sleep 0"), spent(text, "sleep 1")
    report.check("sleep 1 takes a second", nothing >= 0 and 0.95 <= second - nothing <= 1.05,
                 f"{second:.2f} s, and {nothing:.2f} s for the commands around it")


def check_rtc(report, text):
    """The RTC against the kernel's clock."""
    before, after = (numbers(shell_answer(text, name)) for name in ("rtc before", "rtc after"))
    is_whole = len(before) == 2 and len(after) == 2
    report.check("the RTC keeps time with the kernel's clock", is_whole and abs(
        (after[0] - before[0]) - (after[1] - before[1])) <= 1.1, f"{before} {after}")


def check_chips(report, text):
    """/proc/interrupts, /proc/ioports and the kernel's messages show our chips in use."""
    before, after = (interrupts(shell_answer(text, name)) for name in ("before", "after"))
    for row, pattern in LINES.items():
        was, is_now = before.get(row, ([0], "")), after.get(row, ([0], ""))
        report.check(f"/proc/interrupts: {row} counts",
                     re.fullmatch(pattern, is_now[1]) and sum(is_now[0]) > sum(was[0]),
                     f"{was} {is_now}")
    ports = shell_answer(text, "ports")
    for row in PORTS:
        report.check(f"/proc/ioports: {row}", re.search(rf"^ *{row}$", ports, re.M), ports)
    messages = shell_answer(text, "chips")
    for pattern in MESSAGES:
        report.check(f"dmesg: {pattern}", re.search(pattern, messages), messages)
    messages = shell_answer(text, "dmesg")
    report.check("dmesg: a 16550A", re.search(SERIAL, messages), messages[-4000:])


def is_suspicious(line):
    """Whether a line of `dmesg -r` is a warning, or reads like an error."""
    level = LEVEL.match(line)
    return SUSPICIOUS.search(line) or level and int(level.group(1)) % 8 <= WARNING


def check_errors(report, text, name="dmesg"):
    """The kernel's messages hold no error but those that have a reason to be there."""
    messages = shell_answer(text, name)
    report.check(f"{name} is whole", re.search(r"^<\d+>.* Linux version", messages, re.M)
                 and "Run /init" in messages, messages[:500])
    wrong = [line for line in messages.split("\n") if is_suspicious(line)
             and not any(re.search(allowed, line) for allowed in ALLOWED)]
    report.check(f"{name} has no errors", not wrong, "\n".join(wrong))


def package_kernels(flavour):
    """{sha256: package} of the kernels in the downloaded Debian packages."""
    cache = os.environ.get("PORTCULLIS_CACHE") or os.path.join(
        os.environ.get("XDG_CACHE_HOME") or os.path.join(os.environ["HOME"], ".cache"),
        "portcullis")
    found = {}
    for package in glob.glob(os.path.join(cache, f"linux-image-*[0-9]-{flavour}_*.deb")):
        command = 'dpkg-deb --fsys-tarfile "$1" | tar -xO --wildcards "./boot/vmlinuz-*"'
        kernel = subprocess.run(["sh", "-c", command, "sh", package], stdout=subprocess.PIPE,
                                check=True).stdout
        found[hashlib.sha256(kernel).hexdigest()] = os.path.basename(package)
    return found


def check_kernel(report, image, text, flavour):
    """The kernel in the image is the package's, byte for byte, and the one that runs."""
    kernel = subprocess.run(["mcopy", "-i", f"{image}@@{PARTITION_OFFSET}",
                             "::/portcullis/vmlinuz", "-"],
                            stdout=subprocess.PIPE, check=True).stdout
    digest, packages = hashlib.sha256(kernel).hexdigest(), package_kernels(flavour)
    report.check("the kernel is Debian's, byte for byte", digest in packages,
                 f"in the image: {digest}\nin packages: {packages}")
    release = shell_answer(text, "kernel").strip()
    report.check("it is the kernel that runs",
                 packages.get(digest, "").startswith(f"linux-image-{release}_"),
                 f"{release} of {packages.get(digest)}")


def check_prompt(report, text):
    """The monitor's prompt while the guest runs."""
    answer = monitor_answer(text, "bus")
    hits = bus_hits(answer)
    for device in DEVICES:
        report.check(f"bus: hits on {device}", hits.get(device, 0) > 0, answer)
    report.check("guests: it runs", re.search(r"^debian .* running$",
                                              monitor_answer(text, "guests"), re.M),
                 monitor_answer(text, "guests"))
    report.check("exits: I/O instructions are counted", re.search(
        r"^I/O instruction +[1-9]\d* +[1-9]\d*", monitor_answer(text, "exits"), re.M),
        monitor_answer(text, "exits"))


def check_end(report, boot):
    """Back through poweroff."""
    report.check("poweroff ends the machine with success",
                 boot.status == 0 and boot.exit_code == POWERED_OFF
                 and re.search(r"^portcullis: guest debian ended: powered off, exit code 0$",
                               boot.text, re.M), f"status {boot.status}, {boot.result}")


def run(bench, report):
    image = os.path.join(bench.build, IMAGE)
    started = time.time()
    boot = bench.boot(report, image, send=[
        *dialogue.ask_shell(QUESTIONS),
        (dialogue.SHELL, dialogue.ESCAPE),
        *((dialogue.MONITOR, command) for command in ("bus", "guests", "exits")),
        (dialogue.MONITOR, dialogue.ESCAPE),
        ("for the monitor\\]$", "echo back in the shell"),
        ("^back in the shell$", "poweroff"),
    ])
    ended = time.time()
    unanswered = first_unanswered(boot.text, QUESTIONS)
    report.check("to the shell, every command answered", unanswered is None,
                 f"no answer to: {unanswered}")
    check_date(report, boot.text, started, ended)
    check_second(report, boot.text)
    check_rtc(report, boot.text)
    check_chips(report, boot.text)
    check_errors(report, boot.text)
    check_kernel(report, image, boot.text, CLOUD)
    check_prompt(report, boot.text)
    check_end(report, boot)


def run_usb(bench, report):
    questions = {name: QUESTIONS[name] for name in ("date", "kernel")}
    boot = bench.boot(report, os.path.join(bench.build, IMAGE), "--media", "usb", send=[
        *dialogue.ask_shell(questions), (dialogue.SHELL, "poweroff")])
    report.check("started from a USB device",
                 re.search(r"^BdsDxe: starting Boot\w+ .*USB.*$", boot.text, re.M),
                 boot.text[:1000])
    report.check("to the shell", re.match(r"\d+\.\d+\..*cloud-amd64\n",
                                          shell_answer(boot.text, "kernel")),
                 shell_answer(boot.text, "kernel"))
    check_end(report, boot)
