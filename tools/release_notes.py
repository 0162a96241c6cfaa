#!/usr/bin/env python3
"""Prints the release notes of a version: its section of CHANGELOG.md.

    python tools/release_notes.py v1.2.3

Fails if Cargo.toml has another version or if CHANGELOG.md has no section `## 1.2.3 - YYYY-MM-DD`.
"""

import pathlib
import re
import sys
import tomllib

ROOT = pathlib.Path(__file__).resolve().parent.parent
HEADING = re.compile(r"^## (?P<version>\S+)(?: - (?P<date>\d{4}-\d\d-\d\d))?$", re.MULTILINE)


class Invalid(Exception):
    """The release cannot be made. The message says why."""


def notes(tag, manifest, changelog):
    """The release notes of `tag`, given the text of Cargo.toml and CHANGELOG.md."""
    version = tomllib.loads(manifest)["workspace"]["package"]["version"]
    if tag != f"v{version}":
        raise Invalid(f"the tag is {tag}, but Cargo.toml has version {version}")
    headings = list(HEADING.finditer(changelog))
    for heading, following in zip(headings, [*headings[1:], None]):
        if heading["version"] == version:
            text = changelog[heading.end() : following.start() if following else None].strip()
            if not heading["date"]:
                raise Invalid(f"the heading of {version} in CHANGELOG.md has no date")
            if not text:
                raise Invalid(f"the section of {version} in CHANGELOG.md is empty")
            return text
    raise Invalid(f"CHANGELOG.md has no section for {version}")


def main(tag):
    try:
        print(notes(tag, (ROOT / "Cargo.toml").read_text(), (ROOT / "CHANGELOG.md").read_text()))
    except Invalid as reason:
        sys.exit(f"{tag}: {reason}")


if __name__ == "__main__":
    main(*sys.argv[1:])
