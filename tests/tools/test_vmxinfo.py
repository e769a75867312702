# SPDX-License-Identifier: BSD-2-Clause
"""tools/vmxinfo: its verdicts on made processors, and that it asks for what the monitor asks for."""

import json
import os
import re
import shutil
import subprocess
import tempfile
import unittest

import tool

vmxinfo = tool.load("vmxinfo")
ROOT = os.path.normpath(os.path.join(tool.TOOLS, ".."))

CPUINFO = """processor\t: 0
vendor_id\t: GenuineIntel
cpu family\t: 6
model\t\t: 85
model name\t: Intel(R) Xeon(R) Gold
stepping\t: 4
microcode\t: 0x2006e05
flags\t\t: fpu vme vmx ept
vmx flags\t: vnmi preemption_timer tsc_offset vtpr ept vpid unrestricted_guest ept_1gb
power management:

processor\t: 1
vendor_id\t: GenuineIntel
"""
ALL = 0xFFFFFFFF << 32
WRITE_BACK = 6 << 50
GOOD = {0x3A: 5, 0x480: WRITE_BACK | 1 << 54 | 1 << 55, 0x485: 1 << 6, 0x48B: ALL,
        0x48C: (1 << 64) - 1, 0x48D: ALL, 0x48E: ALL, 0x48F: ALL, 0x490: ALL}


def processor(msrs=None, **fields):
    """One with all that is needed; msrs and fields replace some of it. An MSR that is None faults."""
    values = {**GOOD, **(msrs or {})}

    def read_msr(number):
        if values.get(number) is None:
            raise OSError(5, "Input/output error")
        return values[number]
    base = vmxinfo.parse_cpuinfo(CPUINFO)[0]
    return vmxinfo.Processor({**base, **{name.replace("_", " ") if name != "vendor_id" else name: value
                                         for name, value in fields.items()}}, read_msr)


class VerdictTest(unittest.TestCase):
    def verdict(self, status, words, *arguments, **fields):
        result, sentence, found = vmxinfo.judge(processor(*arguments, **fields))
        self.assertEqual(result, status, sentence)
        self.assertIn(words, sentence)
        return found

    def test_can_run(self):
        found = self.verdict(0, "all that is needed")
        self.assertTrue(all(is_there for _, is_there in found))
        # Not locked: the monitor switches it on. Processors of 2010 have no "true" controls.
        self.verdict(0, "", {0x3A: 0})
        self.verdict(0, "", {0x480: WRITE_BACK | 1 << 54, 0x481: ALL, 0x482: ALL, 0x483: ALL, 0x484: ALL,
                             0x48D: None, 0x48E: None, 0x48F: None, 0x490: None})
        # What is only useful may be missing.
        found = self.verdict(0, "", {0x48B: ALL & ~(1 << 32 + 12), 0x48C: (1 << 64) - 1 & ~(1 << 17)})
        self.assertEqual([need.name for need, is_there in found if not is_there],
                         ["INVPCID", "1 GB EPT pages"])

    def test_each_need(self):
        for number, true_number, needs in vmxinfo.CONTROLS:
            for need in needs:
                self.verdict(int(need.needed), need.name if need.needed else "",
                             {true_number: ALL & ~(1 << 32 + need.bit)})
            self.assertNotEqual(number, 0)
        for number, needs in vmxinfo.FACILITIES:
            for need in needs:
                self.verdict(int(need.needed), need.name if need.needed else "",
                             {number: GOOD[number] & ~(1 << need.bit)})
        self.verdict(1, "write-back VMCS regions", {0x480: 1 << 54 | 1 << 55})
        # No secondary controls: their MSR is not read, nor that of EPT.
        self.verdict(1, "secondary", {0x48E: ALL & ~(1 << 63), 0x48B: None, 0x48C: None})

    def test_cannot_run(self):
        self.verdict(1, "not Intel's (AuthenticAMD)", vendor_id="AuthenticAMD")
        self.verdict(1, "no VT-x, or the firmware has it off", flags="fpu")
        self.verdict(1, "locked off by the firmware (IA32_FEATURE_CONTROL is 0x1)", {0x3A: 1},
                     flags="fpu")
        self.verdict(1, "in SMX (TXT) only", {0x3A: 3})
        self.verdict(1, "counts at a wrong rate", model="26", stepping="5")
        self.verdict(0, "", model="26", stepping="5", flags="vmx hypervisor")

    def test_without_msrs(self):
        nothing = dict.fromkeys(GOOD)
        found = self.verdict(2, "Input/output error", nothing)
        self.assertIn("EPT", str(found))
        self.verdict(1, "lacks unrestricted guest", nothing, vmx_flags="vnmi preemption_timer"
                     " tsc_offset ept vpid")
        old = processor(nothing)
        old.vmx_flags = None
        self.assertEqual(vmxinfo.judge(old)[0], 2)
        self.verdict(1, "no VT-x", nothing, flags="fpu")

    def test_processors_that_differ(self):
        same, other = processor(), processor({0x48B: ALL & ~(1 << 32 + 12)})
        self.assertEqual(vmxinfo.others([same, same]), "")
        self.assertIn("1 of 3 processors differ", vmxinfo.others([same, other, same]))
        self.assertIn("1 of 2 processors differ", vmxinfo.report([same, other])["reason"])


class SourceTest(unittest.TestCase):
    """The tables are those of arch/x86/vmx_capabilities.c."""

    def read(self, path):
        with open(os.path.join(ROOT, path), encoding="utf-8") as file:
            return file.read()

    def test_same_needs(self):
        bits = dict(re.findall(r"#define (\w+) +BIT\((\d+)\)",
                               self.read("arch/x86/vmcs.h") + self.read("arch/x86/msr.h")))
        source = self.read("arch/x86/vmx_capabilities.c")
        for name, table in (("pin_based", 0), ("primary", 1), ("secondary", 2), ("exit_controls", 3),
                            ("entry_controls", 4)):
            rows = re.search(rf"struct wanted_control {name}\[\] = {{(.*?)\n}};", source, re.S)[1]
            wanted = {(int(bits[constant]), optional == "false", text) for constant, optional, text
                      in re.findall(r'{(\w+), (true|false), "([^"]+)"}', rows)}
            self.assertEqual(len(wanted), rows.count("{"))
            ours = {need[:3] for need in vmxinfo.CONTROLS[table][2]}
            self.assertLessEqual(wanted, ours)
            # The rest is what APIC virtualization takes.
            self.assertFalse(any(needed for _, needed, _ in ours - wanted), ours - wanted)
        rows = re.search(r"} ept_vpid\[\] = {(.*?)\n};", source, re.S)[1]
        self.assertEqual({(int(bits[constant]), text) for constant, text
                          in re.findall(r'{(\w+), "([^"]+)"}', rows)},
                         {need[:1] + need[2:3] for need in vmxinfo.FACILITIES[1][1] if need.needed})
        for words in ("write-back VMCS regions", "instruction information for INS and OUTS exits",
                      "the HLT activity state"):
            self.assertIn(f'"{words}"', source)

    def test_same_apic_needs(self):
        source = self.read("arch/x86/vmx_capabilities.c")
        rows = re.search(r"} apic_virtualization\[\] = {(.*?)\n};", source, re.S)[1]
        bits = dict(re.findall(r"#define (\w+) +BIT\((\d+)\)", self.read("arch/x86/vmcs.h")))
        wanted = {(kind == "true", int(bits[name]))
                  for kind, name in re.findall(r"{(\w+), (\w+)}", rows)}
        ours = {(table == 1, need.bit) for table in (1, 2) for need in vmxinfo.CONTROLS[table][2]
                if not need.needed and need.name not in ("RDTSCP", "INVPCID")}
        self.assertEqual(wanted, ours)

    def test_same_errata(self):
        source = self.read("arch/x86/preemption_timer.c")
        self.assertEqual([int(text, 16) for text in re.findall(r"{(0x[0-9a-f]+),", source)],
                         list(vmxinfo.FAULTY_TIMERS))


class ToolTest(unittest.TestCase):
    def setUp(self):
        self.home = tempfile.mkdtemp(prefix="test-vmxinfo-")
        self.addCleanup(shutil.rmtree, self.home)

    def run_tool(self, text, *words):
        os.makedirs(os.path.join(self.home, "proc"), exist_ok=True)
        with open(os.path.join(self.home, "proc/cpuinfo"), "w", encoding="utf-8") as file:
            file.write(text)
        return subprocess.run([os.path.join(tool.TOOLS, "vmxinfo"), "--root", self.home, *words],
                              capture_output=True, text=True, check=False)

    def test_from_end_to_end(self):
        result = self.run_tool(CPUINFO)
        self.assertEqual((result.returncode, result.stderr), (2, ""))
        lines = result.stdout.splitlines()
        self.assertEqual(lines[0], "Intel(R) Xeon(R) Gold, microcode 0x2006e05, 2 processors, real")
        self.assertIn("needed  yes  unrestricted guest", lines)
        self.assertRegex(lines[-1], "^unknown: the MSRs cannot be read .*modprobe msr")
        result = self.run_tool(CPUINFO.replace(" unrestricted_guest", ""), "--json")
        self.assertEqual((result.returncode, result.stdout.count("\n")), (1, 1))
        answer = json.loads(result.stdout)
        self.assertEqual((answer["verdict"], answer["needed"]["unrestricted guest"]),
                         ("cannot run", False))

    def test_unreadable(self):
        for text in ("", "nothing", "processor : x\n", "\0" * 100):
            result = self.run_tool(text)
            self.assertEqual((result.returncode, result.stderr), (2, ""), text)
            self.assertRegex(result.stdout, "^unknown: ")
        self.assertEqual(self.run_tool("", "--strange").returncode, 2)


if __name__ == "__main__":
    unittest.main()
