"""Tests of the gallery: the committed page must be that of the snapshots, and the script must notice if it is not."""

import pathlib
import tempfile
import unittest
import unittest.mock

import gallery

SNAPSHOT = """\
---
source: src/announcement/message/tests.rs
expression: shown
---
Subject: ERROR: WorkSpaces image wsi-0a1b2c3d4
Group: wsi-0a1b2c3d4

-- sms
A text.

-- email
Two

paragraphs.

-- https
{"content": {"title": "T"}}

-- default
{}
"""


class Gallery(unittest.TestCase):
    def test_the_committed_page_is_that_of_the_snapshots(self):
        self.assertEqual(gallery.faults(), [], "run `make gallery`")

    def test_a_snapshot_has_a_subject_and_a_text_for_each_protocol(self):
        found = gallery.sections(SNAPSHOT)
        self.assertEqual(found["subject"], "ERROR: WorkSpaces image wsi-0a1b2c3d4")
        self.assertEqual((found["sms"], found["email"]), ("A text.", "Two\n\nparagraphs."))
        self.assertEqual(found["https"], {"content": {"title": "T"}})

    def test_an_old_page_and_a_missing_picture_are_reported(self):
        with tempfile.TemporaryDirectory() as name:
            folder = pathlib.Path(name)
            (folder / "gallery.md").write_text("old")
            with (
                unittest.mock.patch.object(gallery, "PAGE", folder / "gallery.md"),
                unittest.mock.patch.object(gallery, "PICTURES", folder),
            ):
                found = gallery.faults()
        self.assertEqual(len(found), 3 * len(gallery.MESSAGES) + 1)
        self.assertIn("differs from the snapshots", found[-1])

    def test_addresses_become_links_and_everything_else_is_escaped(self):
        self.assertEqual(gallery.linked("<b> https://a.example"), '&lt;b&gt; <a href="#">https://a.example</a>')


if __name__ == "__main__":
    unittest.main()
