"""Tests of check_dependencies.py: it must accept a good tree and a good profile, and reject bad ones."""

import pathlib
import re
import unittest

import check_dependencies

MANIFEST = (pathlib.Path(__file__).resolve().parent.parent / "Cargo.toml").read_text()

GOOD_TREE = """\
workspaces-image-import v0.1.0 (/somewhere)
http v1.5.0
http-body v1.1.0
hyper v1.12.0
hyper v1.12.0 (*)
hyper-rustls v0.27.10
openssl-probe v0.2.2
ring v0.17.14
rustls v0.23.46
rustls-webpki v0.103.17
thiserror-impl v2.0.21 (proc-macro)
"""


class Tree(unittest.TestCase):
    def problems(self, *more, without=None):
        kept = [line for line in GOOD_TREE.splitlines() if not (without and line.startswith(f"{without} "))]
        return check_dependencies.tree_problems("\n".join([*kept, *more]))

    def assert_one(self, problems, message, *specs):
        self.assertEqual(len(problems), 1, problems)
        self.assertIn(message, problems[0][0])
        self.assertEqual(problems[0][1], list(specs))

    def test_a_good_tree_passes(self):
        self.assertEqual(self.problems(), [])

    def test_a_second_version_is_rejected(self):
        self.assert_one(self.problems("http v0.2.12"), "2 versions of http", "http@0.2.12", "http@1.5.0")
        self.assert_one(self.problems("ring v0.16.20"), "2 versions of the crypto", "ring@0.16.20", "ring@0.17.14")

    def test_a_missing_crate_is_rejected(self):
        self.assert_one(self.problems(without="rustls"), "rustls is missing")
        self.assert_one(self.problems(without="ring"), "0 versions of the crypto provider ring")

    def test_a_second_provider_is_rejected(self):
        self.assert_one(self.problems("aws-lc-rs v1.0.0"), "a second crypto provider, next to ring", "aws-lc-rs@1.0.0")

    def test_forbidden_crates_are_rejected(self):
        self.assert_one(self.problems("h2 v0.4.0"), "h2 0.4.0: no service needs HTTP/2", "h2@0.4.0")
        self.assert_one(self.problems("hyper-rustls v0.24.2"), "hyper-rustls 0.24.2: ", "hyper-rustls@0.24.2")

    def test_a_tree_without_the_function_is_rejected(self):
        self.assert_one(self.problems(without=check_dependencies.PACKAGE), "cannot be checked")


class Profile(unittest.TestCase):
    def assert_one(self, pattern, replacement, message):
        changed = re.sub(pattern, replacement, MANIFEST, count=1, flags=re.MULTILINE)
        problems = check_dependencies.profile_problems(changed)
        self.assertEqual(len(problems), 1, problems)
        self.assertIn(message, problems[0])

    def test_a_good_profile_passes(self):
        self.assertEqual(check_dependencies.profile_problems(MANIFEST), [])

    def test_a_missing_option_is_rejected(self):
        self.assert_one("^panic = .*$", "", "does not set panic")

    def test_a_wrong_value_is_rejected(self):
        self.assert_one("^panic = .*$", 'panic = "abort"', "has panic = 'abort'")
        self.assert_one("^codegen-units = 1 .*$", "codegen-units = true", "has codegen-units = True")
        self.assert_one('^opt-level = "z"$', "opt-level = 3", 'package."*"] has opt-level = 3')

    def test_without_a_profile_every_option_is_rejected(self):
        options = len(check_dependencies.OPTIONS) + len(check_dependencies.PACKAGES_OPTIONS)
        self.assertEqual(len(check_dependencies.profile_problems("")), options)
