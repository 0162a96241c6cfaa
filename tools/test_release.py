"""Tests of release_notes.py and sbom.py."""

import unittest

import release_notes
import sbom

MANIFEST = '[workspace.package]\nversion = "1.2.0"\n'
CHANGELOG = """\
# Changelog

## Unreleased

## 1.2.0 - 2026-12-24

### Added

- A feature.

## 1.1.0 - 2026-12-01

- An older feature.
"""


class ReleaseNotes(unittest.TestCase):
    def notes(self, tag="v1.2.0", changelog=CHANGELOG):
        return release_notes.notes(tag, MANIFEST, changelog)

    def assert_invalid(self, message, **arguments):
        with self.assertRaisesRegex(release_notes.Invalid, message):
            self.notes(**arguments)

    def test_the_notes_are_the_section_of_the_version(self):
        self.assertEqual(self.notes(), "### Added\n\n- A feature.")
        last = CHANGELOG.partition("## 1.1.0")[0]
        self.assertEqual(self.notes(changelog=last), "### Added\n\n- A feature.")

    def test_another_version_is_rejected(self):
        self.assert_invalid("the tag is v1.1.0, but Cargo.toml has version 1.2.0", tag="v1.1.0")
        self.assert_invalid("the tag is 1.2.0", tag="1.2.0")

    def test_a_section_is_required_and_has_a_date_and_a_text(self):
        self.assert_invalid("no section for 1.2.0", changelog=CHANGELOG.replace("## 1.2.0", "## 1.2.1"))
        self.assert_invalid("no date", changelog=CHANGELOG.replace("1.2.0 - 2026-12-24", "1.2.0"))
        self.assert_invalid("is empty", changelog="## 1.2.0 - 2026-12-24\n\n## 1.1.0 - 2026-12-01\n\n- x\n")


class Sbom(unittest.TestCase):
    def test_only_components_of_the_tree_remain(self):
        def component(name, version):
            return {"bom-ref": f"registry#{name}@{version}", "name": name, "version": version}

        whole = {
            "metadata": {"component": {"bom-ref": "root"}},
            "components": [component("kept", "1.0.0"), component("kept", "2.0.0"), component("of-a-test", "1.0.0")],
            "dependencies": [
                {"ref": "root", "dependsOn": ["registry#kept@1.0.0", "registry#of-a-test@1.0.0"]},
                {"ref": "registry#kept@1.0.0"},
                {"ref": "registry#of-a-test@1.0.0", "dependsOn": ["registry#kept@2.0.0"]},
            ],
        }
        reduced = sbom.reduce(whole, {"kept": {"1.0.0"}, "other": {"1.0.0"}})
        self.assertEqual(reduced["components"], [component("kept", "1.0.0")])
        self.assertEqual(
            reduced["dependencies"],
            [{"ref": "root", "dependsOn": ["registry#kept@1.0.0"]}, {"ref": "registry#kept@1.0.0", "dependsOn": []}],
        )
