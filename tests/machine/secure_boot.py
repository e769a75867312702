# SPDX-License-Identifier: BSD-2-Clause
"""Secure Boot: OVMF's build that enforces it, in QEMU without VT-x, with the key that Debian's ovmf has
for tests enrolled. The monitor as tools/sign-efi signs it is started; the same without a signature,
and with a changed byte, is not.
"""

import os
import shutil
import subprocess
import time

import firmware
from bench import TOOLS
from emulator import qemu

CODE = "/usr/share/OVMF/OVMF_CODE_4M.secboot.fd"
VARIABLES = "/usr/share/OVMF/OVMF_VARS_4M.snakeoil.fd"  # PK, KEK and db are that key
KEY, CERTIFICATE = "/usr/share/ovmf/PkKek-1-snakeoil.key", "/usr/share/ovmf/PkKek-1-snakeoil.pem"
PASSPHRASE = "snakeoil"  # of the key, as its text says

MEMORY_MIB = 512
TIMEOUT_SECONDS = 600
STEP_SECONDS = 0.5
NOTHING_ELSE = "No bootable option or device was found"


def sign(bench):
    """The monitor with a signature; its path."""
    key, signed = bench.path("snakeoil.key"), bench.path("signed.efi")
    subprocess.run(["openssl", "rsa", "-in", KEY, "-passin", f"pass:{PASSPHRASE}", "-out", key],
                   check=True, capture_output=True)
    subprocess.run([os.path.join(TOOLS, "sign-efi"), "--key", key, "--cert", CERTIFICATE,
                    os.path.join(bench.build, "BOOTX64.EFI"), signed], check=True,
                   capture_output=True)
    return signed


def spoil(bench, signed):
    """The same with one byte of its code changed; its path."""
    with open(signed, "rb") as file:
        data = bytearray(file.read())
    data[0x2000] ^= 1
    return bench.write("spoiled.efi", bytes(data))


def boot(bench, name, efi):
    """What the firmware and the monitor say until one of them is through."""
    image = bench.image(f"secure-{name}", firmware.GOOD_GUEST,
                        {"\\portcullis\\flat.bin": bench.write("secure.bin", b"\xfa\xf4")}, efi)
    variables, serial = bench.path(f"secure-{name}.vars"), bench.path(f"secure-{name}.txt")
    shutil.copyfile(VARIABLES, variables)
    bench.write(f"secure-{name}.txt", "")
    # The variables are the firmware's alone: it protects them by SMM.
    process = bench.start([
        qemu.PROGRAM, "-machine", "q35,accel=tcg,smm=on", "-cpu", "max", "-m", str(MEMORY_MIB),
        "-nodefaults", "-display", "none", "-vga", "std", "-no-reboot", "-serial", f"file:{serial}",
        "-global", "driver=cfi.pflash01,property=secure,value=on",
        "-drive", f"if=pflash,format=raw,unit=0,readonly=on,file={CODE}",
        "-drive", f"if=pflash,format=raw,unit=1,file={variables}",
        *[word.format(image=image) for word in qemu.MEDIA["disk"]]])
    deadline, text = time.monotonic() + TIMEOUT_SECONDS, ""
    while process.poll() is None and time.monotonic() < deadline and \
            NOTHING_ELSE not in text and firmware.STILL_HERE not in text:
        time.sleep(STEP_SECONDS)
        with open(serial, encoding="utf-8", errors="replace") as file:
            text = file.read()
    bench.end(process)
    return text


def run(bench, report):
    signed = sign(bench)
    text = boot(bench, "signed", signed)
    report.equal("signed: what the monitor says last", firmware.monitor_lines(text)[-2:],
                 [firmware.NO_VTX, firmware.STILL_HERE])
    for name, efi in (("unsigned", os.path.join(bench.build, "BOOTX64.EFI")),
                      ("spoiled", spoil(bench, signed))):
        text = boot(bench, name, efi)
        report.check(f"{name}: the firmware refuses it", "Access Denied" in text, text[-2000:])
        report.equal(f"{name}: the monitor says nothing", firmware.monitor_lines(text), [])
