#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""Build a release twice, in folders with different names, and compare the files byte for byte.

run.py --build DIR [--counts FILE]; both folders are copies of this tree below DIR. The second is
built at another date, with another umask and language, as another computer may have them. Ends with
"N passed, N failed".
"""

import argparse
import concurrent.futures
import json
import os
import shutil
import subprocess
import sys

ROOT = os.path.normpath(os.path.join(os.path.dirname(os.path.realpath(__file__)), "..", ".."))
PARTS = ("Makefile", "linker.ld", "arch", "boot", "tools", "vmm", "tests/unit", "tests/release")
FILES = ("BOOTX64.EFI", "portcullis.img", "portcullis.spdx.json", "SHA256SUMS")
COMMIT, EPOCH = "0" * 40, "1700000000"
# The folder, and what is different there.
BUILDS = (("one", {"LC_ALL": "C", "TZ": "UTC"}, 0o022),
          ("a longer name/two", {"LC_ALL": "C.UTF-8", "TZ": "Asia/Tokyo"}, 0o077))


def build(folder, environment, umask):
    """make's finished process for a release of a copy of the tree."""
    shutil.rmtree(folder, ignore_errors=True)
    for part in PARTS:
        source, target = os.path.join(ROOT, part), os.path.join(folder, part)
        os.makedirs(os.path.dirname(target), exist_ok=True)
        if os.path.isdir(source):
            shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, target)
    return subprocess.run(
        ["make", "-C", folder, "--no-print-directory", "release", f"COMMIT={COMMIT}",
         f"SOURCE_DATE_EPOCH={EPOCH}"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        env={**{name: value for name, value in os.environ.items() if not name.startswith("MAKE")
                and name not in ("MFLAGS", "PORTCULLIS_BUILD")}, **environment},
        umask=umask, check=False)


def read(folder, name):
    """A file of the release; None where there is none."""
    try:
        with open(os.path.join(folder, "build", "release", name), "rb") as file:
            return file.read()
    except FileNotFoundError:
        return None


def main():
    parser = argparse.ArgumentParser(prog="run.py", description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--build", required=True, metavar="DIR")
    parser.add_argument("--counts", metavar="FILE")
    options = parser.parse_args()
    folders = [os.path.join(os.path.abspath(options.build), name) for name, _, _ in BUILDS]
    with concurrent.futures.ThreadPoolExecutor(len(BUILDS)) as pool:
        results = list(pool.map(build, folders, [row[1] for row in BUILDS], [row[2] for row in BUILDS]))
    passed = failed = 0
    for folder, result in zip(folders, results):
        is_good = result.returncode == 0
        passed, failed = passed + is_good, failed + (not is_good)
        print(f"{'ok  ' if is_good else 'FAIL'} builds: {folder}", flush=True)
        if not is_good:
            print(result.stdout[-4000:])
    for name in FILES:
        first, second = (read(folder, name) for folder in folders)
        is_good = first is not None and first == second
        passed, failed = passed + is_good, failed + (not is_good)
        print(f"{'ok  ' if is_good else 'FAIL'} the same bytes: {name}", flush=True)
    if options.counts is not None:
        with open(options.counts, "w", encoding="ascii") as file:
            json.dump({"passed": passed, "failed": failed}, file)
    print(f"{passed} passed, {failed} failed")
    return failed != 0


if __name__ == "__main__":
    sys.exit(main())
