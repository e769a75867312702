# SPDX-License-Identifier: BSD-2-Clause
"""The monitor's volume: how its files are named, and whether the monitor would take a configuration
and the files beside it."""

import os
import subprocess

import command
from command import Failure, UsageError

CONFIG_NAME = "portcullis.conf"
CPUS_ANY = (1 << 32) - 1  # as many as the guests want

FORBIDDEN = set('"*:<>?|') | {chr(code) for code in range(32)} | {"\x7f"}
# mtools renames what DOS took for devices.
DOS_DEVICES = ({"con", "aux", "nul", "prn", "clock$"} | {f"com{n}" for n in range(1, 10)}
               | {f"lpt{n}" for n in range(1, 10)})


def image_path(text):
    """The PATH of an --add as a tuple of its components."""
    parts = text.replace("\\", "/").strip("/").split("/")
    if text.endswith(("/", "\\")) or parts == [""]:
        raise UsageError(f"'{text}' has to name the file, not only its directory")
    for part in parts:
        if part == "" or set(part) <= {"."}:
            raise UsageError(f"'{text}' has an empty component, '.' or '..'")
        if FORBIDDEN & set(part):
            raise UsageError(f"'{text}' has a character that FAT forbids in a name: {part!r}")
        # What is no UTF-8 on the command line has become a lone surrogate.
        if part[-1] in ". " or part[0] == " " or any("\ud800" <= letter <= "\udfff" for letter in part) \
                or len(part.encode("utf-16-le")) > 2 * 255:
            raise UsageError(f"'{text}': FAT cannot keep the name {part!r}")
        if part.split(".")[0].lower() in DOS_DEVICES:
            raise UsageError(f"'{text}': {part!r} is a DOS device's name")
    return tuple(parts)


def parse_add(argument):
    """HOSTFILE:PATH, split at the last colon, as FAT names have none."""
    host, colon, path = argument.rpartition(":")
    if not colon or not host or not path:
        raise UsageError(f"--add '{argument}': has to be HOSTFILE:PATH")
    return host, image_path(path)


def checker():
    """The path of the program that tools/check_config.c becomes."""
    build = os.environ.get("PORTCULLIS_BUILD") or os.path.join(
        os.path.dirname(os.path.realpath(__file__)), "..", "build")
    return os.path.normpath(os.path.join(build, "tools", "check-config"))


def check_config(config, files, cpus=CPUS_ANY):
    """What the monitor says of a configuration file, a line for each guest. files: [(host file, path
    as a tuple)]; none: only the configuration is looked at. Raises Failure with the monitor's message
    where it would refuse to start."""
    pairs = [word for host, path in files for word in ("\\" + "\\".join(path), host)]
    try:
        result = subprocess.run([checker(), str(cpus), config, *pairs], stdin=subprocess.DEVNULL,
                                capture_output=True, check=False)
    except FileNotFoundError as error:
        raise Failure(f"{checker()} is missing: `make monitor` builds it") from error
    words = result.stderr.decode("utf-8", "replace").strip()
    if result.returncode != 0:
        if not words:
            words = f"{checker()}: exit status {result.returncode}"
        # The monitor knows the file by the name that it has on the volume.
        if words.startswith(f"{CONFIG_NAME}:"):
            words = config + words[len(CONFIG_NAME):]
        raise (UsageError if result.returncode == command.STATUS_USAGE else Failure)(words)
    return result.stdout.decode("utf-8", "replace").splitlines()
