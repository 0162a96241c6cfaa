"""Tests of the gallery: the committed page must be that of the snapshots, and the script must notice if it is not."""

import pathlib
import tempfile
import unittest
import unittest.mock

import gallery


class Gallery(unittest.TestCase):
    def test_the_committed_page_is_that_of_the_snapshots(self):
        self.assertEqual(gallery.faults(), [], "run `make gallery`")

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

    def test_a_text_that_changes_changes_the_page(self):
        with unittest.mock.patch.dict(gallery.DRAW, sms=lambda message: "another text"):
            self.assertNotEqual(gallery.page(), gallery.PAGE.read_text())
