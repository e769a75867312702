# SPDX-License-Identifier: BSD-2-Clause
"""tools/release and tools/sign-efi: what they leave, and what they refuse. That two builds give the same
bytes is tests/release/run.py's."""

import hashlib
import json
import os
import struct
import subprocess
import unittest

import tool
import command

release = tool.load("release")
MONITOR = os.path.join(os.environ.get("PORTCULLIS_BUILD")
                       or os.path.join(tool.TOOLS, "..", "build"), "BOOTX64.EFI")


class Bench(tool.FolderTest):
    def read(self, *names):
        with open(self.path(*names), "rb") as file:
            return file.read()

    def run_tool(self, name, *words, **more):
        return subprocess.run([os.path.join(tool.TOOLS, name), *words], capture_output=True, text=True,
                              check=False, cwd=self.home, **more)


class ReleaseTest(Bench):
    def setUp(self):
        super().setUp()
        self.write("efi", b"MZ monitor")
        self.write("conf", b"[guest g]\nkernel = vmlinuz\nmemory = 2M\n")
        self.write("kernel", b"\xfa\xf4")
        self.write("initrd", b"initrd")
        self.inputs = ("--efi", "efi", "--config", "conf", "--kernel", "kernel", "--initrd", "initrd")

    def release(self, folder, *words, epoch="1700000000"):
        result = self.run_tool("release", *self.inputs, "--commit", "c0ffee", "--epoch", epoch, *words,
                               folder)
        self.assertEqual((result.returncode, result.stderr), (0, ""))
        return {name: self.read(folder, name) for name in sorted(os.listdir(self.path(folder)))}

    def test_files(self):
        files = self.release("out")
        self.assertEqual(list(files), ["BOOTX64.EFI", "SHA256SUMS", "portcullis.img",
                                       "portcullis.spdx.json"])
        subprocess.run(["sha256sum", "--check", "--strict", "SHA256SUMS"], cwd=self.path("out"),
                       check=True, capture_output=True)
        self.assertEqual(files["SHA256SUMS"].count(b"\n"), 3)
        self.assertEqual(files["BOOTX64.EFI"], b"MZ monitor")

    def test_same_bytes(self):
        first = self.release("one")
        os.utime(self.path("kernel"), (1, 1))
        self.assertEqual(first, self.release("two"))
        self.assertEqual(first, self.release("one"))  # over the old one
        later = self.release("three", epoch="1700000060")
        self.assertNotEqual(first["portcullis.img"], later["portcullis.img"])
        self.assertIn(b'"2023-11-14T22:14:20Z"', later["portcullis.spdx.json"])

    def test_bill_of_materials(self):
        files = self.release("out")
        bill = json.loads(files["portcullis.spdx.json"])
        self.assertEqual((bill["spdxVersion"], bill["dataLicense"], bill["SPDXID"],
                          bill["creationInfo"]["created"]),
                         ("SPDX-2.3", "CC0-1.0", "SPDXRef-DOCUMENT", "2023-11-14T22:13:20Z"))
        elements = {"SPDXRef-DOCUMENT"}
        for element in bill["packages"] + bill["files"]:
            self.assertRegex(element["SPDXID"], r"\ASPDXRef-[A-Za-z0-9.-]+\Z")
            self.assertNotIn(element["SPDXID"], elements)
            elements.add(element["SPDXID"])
        for package in bill["packages"]:
            self.assertLessEqual({"name", "downloadLocation", "filesAnalyzed", "versionInfo",
                                  "licenseConcluded", "copyrightText"}, set(package))
        for file in bill["files"]:
            content = files[file["fileName"][2:]]
            self.assertEqual({entry["algorithm"]: entry["checksumValue"] for entry in file["checksums"]},
                             {"SHA1": hashlib.sha1(content).hexdigest(),
                              "SHA256": hashlib.sha256(content).hexdigest()})
        for entry in bill["relationships"]:
            self.assertLessEqual({entry["spdxElementId"], entry["relatedSpdxElement"]}, elements)
        self.assertIn("busybox-static", [package["name"] for package in bill["packages"]])

    def test_kernel_version(self):
        head = bytearray(0x1000)
        head[0x202:0x206] = b"HdrS"
        struct.pack_into("<H", head, 0x20E, 0x600)
        text = b"6.1.0-57-cloud-amd64 (debian-kernel@l.d.o) #1 SMP Debian 6.1.192-3 (2026-07-01)"
        head[0x800:0x800 + len(text)] = text
        for change, want in ((head, ("6.1.0-57-cloud-amd64", "6.1.192-3")),
                             (head[:0x800] + b"6.9 (me)\0", ("6.9", "NOASSERTION")),
                             (head[:0x800], ("NOASSERTION", "NOASSERTION")),
                             (b"\xfa\xf4", ("NOASSERTION", "NOASSERTION"))):
            self.assertEqual(release.kernel_version(self.write("k", bytes(change))), want)

    def test_refused(self):
        for words, text in ((("--commit", "x", "out"), "belong together"),
                            (("--commit", "x", "--epoch", "yesterday", "out"), "--epoch yesterday"),
                            (("--commit", "x", "--epoch", "1700000000", "--kernel", "none", "out"),
                             "none: No such file")):
            result = self.run_tool("release", *self.inputs, *words)
            self.assertEqual(result.returncode, 2)
            self.assertIn(text, result.stderr)
        self.write("conf", b"[guest g]\nkernel = vmlinuz\n")
        result = self.run_tool("release", *self.inputs, "--commit", "x", "--epoch", "1700000000", "out")
        self.assertEqual((result.returncode, result.stderr.count("\n")), (1, 1))
        self.assertIn("memory", result.stderr)

    def test_only_what_is_committed(self):
        self.run_git("init", "-q")
        self.run_git("add", ".")
        self.run_git("commit", "-q", "-m", "x")
        self.addCleanup(setattr, release, "TOOLS", release.TOOLS)
        os.mkdir(self.path("tools"))
        release.TOOLS = self.path("tools")
        commit, epoch = release.this_commit()
        self.assertRegex(commit, r"\A[0-9a-f]{40}\Z")
        self.assertEqual(epoch, "1700000000")
        self.write("conf", b"changed")
        with self.assertRaisesRegex(command.Failure, "commit first: 1 files .* such as conf"):
            release.this_commit()

    def run_git(self, *words):
        identity = {f"GIT_{who}_{what}": value for who in ("AUTHOR", "COMMITTER") for what, value in
                    (("NAME", "t"), ("EMAIL", "t@example.org"), ("DATE", "1700000000 +0000"))}
        subprocess.run(["git", *words], cwd=self.home, check=True, capture_output=True,
                       env={**os.environ, **identity, "HOME": self.home})


class SignTest(Bench):
    def setUp(self):
        super().setUp()
        for name in ("mine", "other"):
            subprocess.run(["openssl", "req", "-new", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj",
                            f"/CN={name}/", "-keyout", f"{name}.key", "-out", f"{name}.pem"],
                           cwd=self.home, check=True, capture_output=True)

    def sign(self, *words, key="mine.key", cert="mine.pem", efi=MONITOR):
        return self.run_tool("sign-efi", "--key", key, "--cert", cert, os.path.abspath(efi),
                             *(words or ("out.efi",)))

    def verify(self, cert):
        return subprocess.run(["sbverify", "--cert", cert, "out.efi"], cwd=self.home, check=False,
                              capture_output=True).returncode

    def test_signed(self):
        result = self.sign()
        self.assertEqual((result.returncode, result.stderr), (0, ""))
        self.assertEqual((self.verify("mine.pem"), self.verify("other.pem")), (0, 1))
        der = subprocess.run(["openssl", "x509", "-in", "mine.pem", "-outform", "DER"], cwd=self.home,
                             check=True, capture_output=True).stdout
        self.assertEqual(self.read("out.der"), der)

    def test_the_signature_is_looked_at(self):
        os.mkdir(self.path("bin"))
        self.write("bin/sbsign", b'#!/bin/sh\nexec cp "$7" "$6"\n')
        os.chmod(self.path("bin/sbsign"), 0o755)
        result = self.run_tool("sign-efi", "--key", "mine.key", "--cert", "mine.pem",
                               os.path.abspath(MONITOR), "out.efi",
                               env={**os.environ, "PATH": f"{self.path('bin')}:{os.environ['PATH']}"})
        self.assertEqual(result.returncode, 1)
        self.assertIn("sbverify", result.stderr)
        self.assertFalse(os.path.exists(self.path("out.efi")))

    def test_refused(self):
        before = sorted(os.listdir(self.home))
        self.write("text", b"no certificate")
        for options, status in (({"key": "none"}, 2), ({"cert": "other.pem"}, 1), ({"cert": "text"}, 1),
                                ({"key": "text"}, 1), ({"cert": "mine.key"}, 1), ({"efi": __file__}, 1)):
            result = self.sign(**options)
            self.assertEqual(result.returncode, status, (options, result.stderr))
            self.assertEqual(result.stderr.count("\n"), 1, result.stderr)
            self.assertEqual(sorted(os.listdir(self.home)), sorted([*before, "text"]))
        result = self.sign(os.path.abspath(MONITOR))
        self.assertEqual(result.returncode, 2)
        self.assertIn("read as well", result.stderr)


if __name__ == "__main__":
    unittest.main()
