"""Tests that the mutations fit the sources and the page that explains them."""

import pathlib
import re
import subprocess
import unittest

ROOT = pathlib.Path(__file__).resolve().parent.parent
PATCHES = sorted((ROOT / "tests" / "mutations").glob("*.patch"))


class Mutations(unittest.TestCase):
    def test_the_page_names_each_mutation_once(self):
        page = (ROOT / "tests" / "mutations" / "README.md").read_text()
        named = re.findall(r"`(\w+(?:-\w+)+)`", page)
        self.assertEqual([path.stem for path in PATCHES], sorted(named))

    def test_each_mutation_applies(self):
        for path in PATCHES:
            with self.subTest(path.stem):
                command = ["git", "apply", "--check", str(path)]
                done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
                self.assertEqual(done.returncode, 0, done.stderr)
