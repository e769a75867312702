#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""What a boot of Debian's cloud kernel costs: from its entry to its process 1, natively and as the
guest of Portcullis, both in Bochs. Prints a table and writes BUILD/bench-boot.json."""

import argparse
import json
import os
import re
import subprocess
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.realpath(__file__)))

# pylint: disable=wrong-import-position
from operations import ROOT  # noqa: E402
import linux_kvm  # noqa: E402
from emulator import linux  # noqa: E402

# The emulator's machine has PCI, the guest's has none; and its UART takes 87 us for a character of
# the kernel's log, the guest's takes none. CPUID promises 3.5 GHz, which would make the kernel wait
# seventy times too long natively; Portcullis tells its guests the truth.
CMDLINE = "console=ttyS0 quiet pci=off"
CMDLINE_NATIVE = f"{CMDLINE} tsc_early_khz=50000"
MEMORY_MIB = 256
CONFIGURATION = f"""\
[monitor]
on_last_exit = poweroff

[guest debian]
kernel = \\portcullis\\vmlinuz
initrd = \\portcullis\\initrd.img
cmdline = {CMDLINE}
memory = {MEMORY_MIB}M
"""
INIT = r"bench-boot: init at tick (\d+)\n"
START = r"native: kernel starts at tick (\d+)\n"
PROMPT = "^portcullis> "
TIMEOUT_SECONDS = 1800
TOP = 10
ROW = re.compile(r"^(\S.*?) +(\d+) +(\d+) +\d+$", re.M)


def boot(directory, name, image, *options):
    """The serial output of one boot; and it is at DIRECTORY/NAME.txt."""
    serial = os.path.join(directory, f"{name}.txt")
    result = subprocess.run([os.path.join(ROOT, "tools", "machine"), "--emulator", "bochs",
                             "--timeout", str(TIMEOUT_SECONDS), "--serial", serial,
                             *options, image],
                            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, check=False)
    with open(serial, encoding="utf-8", errors="replace") as file:
        text = file.read().replace("\r", "")
    if re.search(INIT, text) is None:
        raise RuntimeError(f"{name}: init never began (status {result.returncode}); see {serial}")
    return text


def number(pattern, text):
    """The number that the pattern's group is."""
    match = re.search(pattern, text)
    if match is None:
        raise RuntimeError(f"nothing says {pattern}")
    return int(match[1])


def run_native(build, directory, initrd):
    """Ticks from the kernel's EFI entry to process 1."""
    image = linux_kvm.image(build, "boot-native", initrd, CMDLINE_NATIVE)
    text = boot(directory, "boot-native", image, "--memory", str(MEMORY_MIB), "--until", INIT)
    return number(INIT, text) - number(START, text)


def run_guest(build, directory, initrd):
    """(ticks from the guest's start to process 1, {reason: (exits, cycles)})."""
    config = os.path.join(directory, "boot.conf")
    with open(config, "w", encoding="ascii") as file:
        file.write(CONFIGURATION)
    image = os.path.join(directory, "boot.img")
    subprocess.run([os.path.join(ROOT, "tools", "mkimage"), "--config", config,
                    "--efi", os.path.join(build, "BOOTX64.EFI"),
                    "--add", f"{os.path.join(directory, 'vmlinuz')}:\\portcullis\\vmlinuz",
                    "--add", f"{initrd}:\\portcullis\\initrd.img", image], check=True)
    text = boot(directory, "boot", image, "--send", rf"{INIT}=>\x1d\c",
                "--send", f"{PROMPT}=>exits", "--send", f"{PROMPT}=>bus",
                "--send", f"{PROMPT}=>quit")
    answer = re.search(r"^portcullis> exits\n(.*?)^portcullis> ", text, re.M | re.S)
    if answer is None:
        raise RuntimeError("no answer to `exits`")
    rows = {reason: (int(exits), int(cycles)) for reason, exits, cycles in ROW.findall(answer[1])}
    return number(INIT, text), rows


def table(native, guest, rows):
    """What is shown."""
    exits = sum(count for count, _ in rows.values())
    cycles = sum(ticks for _, ticks in rows.values())
    lines = [f"native             {native:>13}  ticks from the kernel's entry to init",
             f"under Portcullis   {guest:>13}  ticks from the guest's start to init:"
             f" {guest / native:.3f} times that",
             f"in exit handlers   {cycles:>13}  ticks, {100 * cycles / guest:.1f} % of it,"
             f" for {exits} exits",
             "",
             f"{'the ten costliest':<24}{'exits':>10}{'ticks':>14}{'ticks/exit':>12}{'of all':>9}"]
    costliest = sorted(rows.items(), key=lambda row: -row[1][1])
    for reason, (count, ticks) in costliest[:TOP]:
        lines.append(f"{reason:<24}{count:>10}{ticks:>14}{ticks // max(count, 1):>12}"
                     f"{100 * ticks / cycles:>8.1f}%")
    return "\n".join(lines)


def main():
    parser = argparse.ArgumentParser(prog="boot.py", description=__doc__.split(". ", maxsplit=1)[0])
    parser.add_argument("--build", default=os.path.join(ROOT, "build"), metavar="DIR")
    options = parser.parse_args()
    directory = os.path.join(options.build, "bench", "exits")
    linux.fetch_kernel(directory)
    initrd = linux_kvm.write_initrd(os.path.join(directory, "boot-initrd.img"),
                                    {"init": linux.read(os.path.join(directory, "init"))})
    guest, rows = run_guest(options.build, directory, initrd)
    native = run_native(options.build, directory, initrd)
    print(table(native, guest, rows))
    with open(os.path.join(options.build, "bench-boot.json"), "w", encoding="ascii") as file:
        json.dump({"native_ticks": native, "portcullis_ticks": guest,
                   "exits": [{"reason": reason, "count": count, "ticks": ticks}
                             for reason, (count, ticks) in rows.items()]}, file, indent=2)
        file.write("\n")


if __name__ == "__main__":
    main()
