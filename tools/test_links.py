"""Tests that the links between the files of the repository lead somewhere, including the links to headings."""

import pathlib
import re
import subprocess
import unittest
import urllib.parse

ROOT = pathlib.Path(__file__).resolve().parent.parent
CODE = re.compile(r"^( *)```.*?^\1```$|`[^`\n]+`", re.DOTALL | re.MULTILINE)
LINK = re.compile(r"\]\(([^)\s]+)\)|(?:href|src)=\"([^\"]+)\"")
HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)


def pages():
    """Returns the text of each page that Git does not ignore, by its path."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "*.md"]
    names = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout.split()
    return {ROOT / name: (ROOT / name).read_text() for name in names if (ROOT / name).is_file()}


def anchors(text):
    """Returns the anchors that GitHub gives to the headings of a page."""
    headings = HEADING.findall(re.sub(r"^( *)```.*?^\1```$", "", text, flags=re.DOTALL | re.MULTILINE))
    plain = (re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading) for heading in headings)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in plain}


def broken(texts):
    """Returns the links that lead nowhere, each with the page that has it."""
    found = []
    for page, text in texts.items():
        for target in (one or other for one, other in LINK.findall(CODE.sub("", text))):
            url = urllib.parse.urlsplit(target)
            file = (page.parent / url.path).resolve() if url.path else page
            is_page = not url.fragment or url.fragment in anchors(texts.get(file, ""))
            exists = file in texts or file.exists()
            if not url.scheme and not (exists and is_page):
                found.append(f"{page.relative_to(ROOT)}: {target}")
    return found


class Links(unittest.TestCase):
    def test_every_link_leads_somewhere(self):
        self.assertEqual(broken(pages()), [])

    def test_a_missing_file_and_a_missing_heading_are_found(self):
        page = ROOT / "docs" / "page.md"
        text = "# A title, with `code`\n[a](#a-title-with-code) [b](#gone) [c](../README.md) [d](gone.md) `[e](code)`\n"
        self.assertEqual(broken({page: text}), ["docs/page.md: #gone", "docs/page.md: gone.md"])


if __name__ == "__main__":
    unittest.main()
