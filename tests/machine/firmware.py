# SPDX-License-Identifier: BSD-2-Clause
"""What the boot stage refuses, with its exact words, on a machine without VT-x (QEMU, TCG): the CPU
is looked at last, so a bad configuration shows there as anywhere.

All in one boot. The firmware starts the monitor with a good configuration, learns that VT-x is
missing and goes on to its shell. There a script puts one bad configuration after the other in place
and starts the monitor again, so each refusal has also to give back what it took.
"""

import gzip
import os
import random
import re
import subprocess

PREFIX = "portcullis: "
GOOD_GUEST = "[guest flat]\nkernel = flat.bin\nmemory = 16M\n"
NO_VTX = ('vt-x: this processor has no VT-x (CPUID.1:ECX.VMX is 0); use an Intel processor with '
          'VT-x, enable "Intel Virtualization Technology" in the firmware\'s setup, or give the '
          'virtual machine nested VMX')
BANNER = "a microhypervisor for Intel VT-x"
STILL_HERE = "nothing was started; back to the firmware at a key, or after 60 seconds"
ANY_KEY = " \\c"

# EFI_STATUS (UEFI 2.10, appendix D) as the shell's %lasterror% shows it, without the top bit.
INVALID_PARAMETER = 2
UNSUPPORTED = 3
OUT_OF_RESOURCES = 9
NOT_FOUND = 14

MEMORY_MIB = 512
CPUS = 1
NUMBER = "<number>"  # in an expected message: any decimal number


def guest(name="flat", kernel="flat.bin", memory="16M", more=""):
    return f"[guest {name}]\nkernel = {kernel}\nmemory = {memory}\n{more}"


TOO_LARGE = (
    f"portcullis.conf:3: guest 'flat' wants 4096 MiB of memory, and {NUMBER} MiB are free; write "
    f"memory = {NUMBER}M or less")

# name: (configuration, or None for no file; what the monitor says; the status it returns)
CASES = {
    "guest larger than memory": (guest(memory="4G"), TOO_LARGE, OUT_OF_RESOURCES),
    "no configuration": (
        None, "there is no \\portcullis\\portcullis.conf on the volume it was started from; create "
        "it, with a section [guest NAME]", NOT_FOUND),
    "no guest file": (
        guest(kernel="absent.bin"), "portcullis.conf:2: there is no \\portcullis\\absent.bin on "
        "the volume; copy it there or correct the path", NOT_FOUND),
    "bad number, no unit": (
        guest(memory="16"), "portcullis.conf:3: memory = 16: write a whole number with its unit K, "
        "M or G, such as 256M", INVALID_PARAMETER),
    "bad number, no number": (
        guest(memory="lots"), "portcullis.conf:3: memory = lots: write a whole number with its "
        "unit K, M or G, such as 256M", INVALID_PARAMETER),
    "bad number, too large for 64 bits": (
        guest(memory="99999999999999999999G"), "portcullis.conf:3: memory = 99999999999999999999G: "
        "write a whole number with its unit K, M or G, such as 256M", INVALID_PARAMETER),
    "bad number, not aligned": (
        guest(memory="15M"), "portcullis.conf:3: memory = 15M: it has to be a multiple of 2M; 16M "
        "would be", INVALID_PARAMETER),
    "heap too small": (
        guest(more="heap = 64K\n"), "portcullis.conf:4: guest 'flat' has a heap of 64K; its buses, "
        f"doorbells, zones and triggers need at least {NUMBER}K", INVALID_PARAMETER),
    "bad number, baud": (
        "[monitor]\nbaud = 12345\n" + GOOD_GUEST, "portcullis.conf:2: baud = 12345: it has to "
        "divide 115200, as 115200, 57600, 38400, 19200 and 9600 do, and to be 50 at least",
        INVALID_PARAMETER),
    "unknown key": (
        guest(more="memroy = 16M\n"), "portcullis.conf:4: unknown key 'memroy'; did you mean "
        "'memory'? [guest] has the keys kernel, initrd, cmdline, memory, heap, "
        "cpus, testdev, apic, x2apic, on_reset, timeout, doorbell, zone, trigger", INVALID_PARAMETER),
    "no guest section": (
        "[monitor]\non_last_exit = poweroff\n", "portcullis.conf:3: the file ends without a guest; "
        "add a section [guest NAME] with kernel and memory", NOT_FOUND),
    "damaged kernel, cut off": (
        guest(kernel="cut.bin", memory="256M"), "guest 'flat': \\portcullis\\cut.bin: the Linux "
        f"bzImage is truncated: it has 1000000 bytes of {NUMBER}; copy it to the volume again",
        INVALID_PARAMETER),
    "damaged kernel, not one at all": (
        guest(kernel="noise.bin"), "guest 'flat': \\portcullis\\noise.bin: neither a Linux bzImage "
        "nor a Multiboot kernel, and with 1000000 bytes too large for a flat 16-bit binary, which "
        f"may have {NUMBER}", INVALID_PARAMETER),
    "compressed kernel": (
        guest(kernel="vmlinux.gz"), "guest 'flat': \\portcullis\\vmlinux.gz: this is a file compressed "
        "with gzip, not a kernel; unpack it first, with gunzip", UNSUPPORTED),
    "text for a kernel": (
        guest(kernel="error.htm"), "guest 'flat': \\portcullis\\error.htm: this is a text file, not a "
        "kernel; check the path, and whether a download left an error's page there", UNSUPPORTED),
    "damaged kernel, empty": (
        guest(kernel="empty.bin"), "guest 'flat': \\portcullis\\empty.bin: the file is empty; copy "
        "it to the volume again", INVALID_PARAMETER),
    "initrd missing": (
        guest(more="initrd = absent.img\n"), "portcullis.conf:4: there is no "
        "\\portcullis\\absent.img on the volume; copy it there or correct the path", NOT_FOUND),
    "initrd empty": (
        guest(more="initrd = empty.bin\n"), "portcullis.conf:4: \\portcullis\\empty.bin is empty; "
        "copy it to the volume again or leave the line initrd out", INVALID_PARAMETER),
    "no serial port": (
        "[monitor]\nconsole = com4\n" + GOOD_GUEST, "portcullis.conf:2: there is no serial port at "
        "I/O port 0x2e8; enable it in the firmware's setup, set console to one that exists, or leave "
        "the line out to run guests unseen", UNSUPPORTED),
    "bad number, port": (
        "[monitor]\nconsole = 0x3f9\n" + GOOD_GUEST, "portcullis.conf:2: console = 0x3f9: a serial "
        "port's I/O port is a multiple of 8 from 0x100 to 0xfff8", INVALID_PARAMETER),
    "a file that is not as it was": (
        guest(kernel="stale.bin"), "\\portcullis\\stale.bin is not as its checksum in "
        "\\portcullis\\checksums has it; copy it to the volume again, or take its line out of that "
        "file if you have replaced it", INVALID_PARAMETER),
    "more guests than CPUs": (
        guest("a") + guest("b"), "portcullis.conf:4: 2 guests with 2 CPUs in all are to run "
        "at once, and this machine has 1; give them fewer, or set schedule = sequence in [monitor] "
        "to run one after the other", UNSUPPORTED),
    "cpus = 2": (
        guest(more="cpus = 2\n"), "portcullis.conf:4: cpus = 2: this machine has 1, and each of "
        "the guest's needs one of its own", UNSUPPORTED),
    "guest larger than memory, after all the others": (guest(memory="4G"), TOO_LARGE,
                                                       OUT_OF_RESOURCES),
}
FIRST_TOO_LARGE, *_, LAST_TOO_LARGE = CASES


def script():
    """The shell's startup.nsh."""
    lines = ["@echo -off", "fs0:", "cp -q \\portcullis\\noise.bin \\portcullis\\stale.bin"]
    for index, (config, _, _) in enumerate(CASES.values()):
        if config is None:
            lines.append("rm -q \\portcullis\\portcullis.conf")
        else:
            lines.append(f"cp -q \\cases\\{index}.conf \\portcullis\\portcullis.conf")
        lines += [f"echo case {index} begins", "\\EFI\\BOOT\\BOOTX64.EFI",
                  f"echo case {index} ends with %lasterror%"]
    return "\r\n".join([*lines, "echo all cases done", ""])


def make_image(bench):
    with open(os.path.join(bench.build, "guest", "vmlinuz"), "rb") as file:
        cut = file.read(1000000)
    files = {
        "\\startup.nsh": bench.write("startup.nsh", script()),
        "\\portcullis\\flat.bin": bench.write("flat.bin", b"\xfa\xf4"),  # cli; hlt
        "\\portcullis\\cut.bin": bench.write("cut.bin", cut),
        "\\portcullis\\noise.bin": bench.write("noise.bin", random.Random(1).randbytes(1000000)),
        "\\portcullis\\stale.bin": bench.write("stale.bin", b"\xfa\xf4"),
        "\\portcullis\\empty.bin": bench.write("empty.bin", b""),
        "\\portcullis\\vmlinux.gz": bench.write("vmlinux.gz", gzip.compress(b"a kernel")),
        "\\portcullis\\error.htm": bench.write("error.htm", b"<html>404 Not Found</html>\n"),
    }
    for index, (config, _, _) in enumerate(CASES.values()):
        files[f"\\cases\\{index}.conf"] = bench.write(f"case-{index}.conf", config or "")
    return bench.image("firmware", GOOD_GUEST, files)


def monitor_lines(text):
    """What the monitor itself said in it."""
    return [line[len(PREFIX):].rstrip() for line in text.split("\n") if line.startswith(PREFIX)]


def says(line, message):
    """Whether the line is that message, whatever stands for NUMBER; the numbers or None."""
    pattern = re.escape(message).replace(re.escape(NUMBER), r"(\d+)")
    match = re.fullmatch(pattern, line)
    return None if match is None else [int(number) for number in match.groups()]


def check_refusal(report, name, text, message):
    """The last lines are the refusal and that nothing was started. The message's numbers."""
    lines = monitor_lines(text)
    got = lines[-2] if len(lines) >= 2 else "(nothing)"
    numbers = says(got, message)
    report.check(name, numbers is not None and lines[-1] == STILL_HERE,
                 f"got:  {got}\nwant: {message}\n" + "\n".join(lines))
    return numbers


def run_case(report, text, index, name):
    _, message, status = list(CASES.values())[index]
    match = re.search(rf"^case {index} begins *\n(.*?)^case {index} ends with (\w+)", text,
                      re.M | re.S)
    if match is None:
        report.check(name, False, "the firmware's shell did not get to it or not past it")
        return None
    numbers = check_refusal(report, name, match.group(1), message)
    report.equal(f"{name}: EFI status", int(match.group(2), 16), status)
    return numbers


def check_file(bench, report):
    """What the loader of a firmware with a no-execute policy looks at."""
    words = subprocess.run(["objdump", "-p", os.path.join(bench.build, "BOOTX64.EFI")], check=True,
                           stdout=subprocess.PIPE, text=True).stdout
    report.check("BOOTX64.EFI is marked as NX_COMPAT",
                 re.search(r"^DllCharacteristics\s+00000100$", words, re.M), words[:1500])


def check_large_memory(bench, report):
    """More memory than lies below 4 GiB: the files lie above, and are what they were."""
    image = bench.image("firmware-6g", guest(kernel="vmlinuz", memory="3G"),
                        {"\\portcullis\\vmlinuz": os.path.join(bench.build, "guest", "vmlinuz")})
    boot = bench.boot(report, image, "--emulator", "qemu-tcg", "--memory", "6144",
                      name="firmware-6g")
    lines = monitor_lines(boot.text)
    report.check("6 GiB of memory: the kernel is read as it was written", lines[-3:] == [
        "guest 'flat': Linux bzImage, 3072 MiB of memory", NO_VTX, STILL_HERE], "\n".join(lines))


def run(bench, report):
    check_file(bench, report)
    check_large_memory(bench, report)
    boot = bench.boot(report, make_image(bench), "--emulator", "qemu-tcg", "--memory",
                      str(MEMORY_MIB), "--cpus", str(CPUS), "--past-refusal",
                      "--until", "^all cases done",
                      # Each refusal stays on the screen until then.
                      send=[(STILL_HERE, ANY_KEY)] * (1 + len(CASES)))
    first = boot.text.partition("UEFI Interactive Shell")[0]
    check_refusal(report, "no VT-x", first, NO_VTX)
    report.check("no VT-x: the firmware goes on", re.search(
        r"^portcullis: nothing was started.*\n(.*\n)*.*failed to start .*: Unsupported\n"
        r"(.*\n)*.*starting .*Internal Shell", first, re.M), first)

    numbers = {name: run_case(report, boot.text, index, name)
               for index, name in enumerate(CASES)}
    largest, advised = numbers[FIRST_TOO_LARGE] or (0, 1)
    report.check("guest larger than memory: what it advises would fit",
                 largest == advised and advised % 2 == 0 and 0 < advised < MEMORY_MIB,
                 f"largest {largest}, advised {advised}")
    # The shell's own use of memory goes up and down a little.
    last = (numbers[LAST_TOO_LARGE] or (0, 0))[0]
    report.check("every refusal gave its memory back", last > 0 and abs(last - largest) <= 4,
                 f"the largest free piece was {largest} MiB, and is {last} MiB at the end")
    report.check("the script ran to its end", boot.status == 0, f"status {boot.status}")
