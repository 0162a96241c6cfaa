"""Tests of emulator.py: it leaves nothing behind, and it says why an emulator did not start."""

import json
import os
import pathlib
import select
import subprocess
import sys
import tempfile
import unittest
import urllib.error
import urllib.request

TOOL = pathlib.Path(__file__).resolve().parent / "emulator.py"


class Emulator(unittest.TestCase):
    def start(self, stdin, environment):
        process = subprocess.Popen(
            [sys.executable, TOOL, "ministack"],
            env=os.environ | environment,
            stdin=stdin,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.addCleanup(process.stdout.close)
        self.addCleanup(process.stderr.close)
        self.addCleanup(process.wait, 10)
        self.addCleanup(process.terminate)
        return process

    def test_it_ends_and_cleans_up_when_its_parent_is_killed(self):
        home = tempfile.mkdtemp(prefix="test-emulator-")
        # Like a test, this process holds the writing end of the emulator's stdin. It is killed without a chance to close it.
        parent = subprocess.Popen(["sleep", "600"], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
        self.addCleanup(parent.stdout.close)
        process = self.start(parent.stdout, {"TMPDIR": home})
        ready, _, _ = select.select([process.stdout], [], [], 60)
        self.assertTrue(ready, "nothing on stdout")
        url = json.loads(process.stdout.readline())["url"]
        parent.kill()
        parent.wait()
        self.assertEqual(process.wait(10), 0)
        with self.assertRaises(urllib.error.URLError):
            urllib.request.build_opener(urllib.request.ProxyHandler({})).open(url, timeout=10)
        os.rmdir(home)  # fails if a file is left

    def test_a_failed_start_prints_the_reason(self):
        with tempfile.TemporaryDirectory() as broken:
            package = pathlib.Path(broken, "ministack")
            package.mkdir()
            (package / "__init__.py").write_text("raise SystemExit('no ministack today')")
            process = self.start(subprocess.PIPE, {"PYTHONPATH": broken})
            self.addCleanup(process.stdin.close)
            self.assertEqual((process.wait(60), process.stdout.read()), (1, ""))
            self.assertIn("no ministack today", process.stderr.read())
