#!/usr/bin/env python3
"""Check that every sentence of docs/contract.md has a test.

    python tools/check_contract.py [--integration-tests FILE --unit-tests FILE]

A sentence of the page is one of the following, if it is below the page's first `## ` heading:

- a sentence of a paragraph or of a list item, unless it ends in a colon and so only introduces what follows
- a row of a table, except the header; its cells are joined by ` · `

Headings and code blocks are not sentences. Bold marks and the targets of links are ignored.

tests/CONTRACT.md maps the sentences to tests. It has a row `| sentence | tests |` for each of them. The second cell
names one or more tests in backticks, or says `no test: REASON` if the sentence cannot be tested:

    `module::name`             an integration test
    `lib: path::name`          a unit test
    `py: path/file.py::name`   a Python test

The names of the Rust tests come from the test binaries, or from files with the output of `cargo test … -- --list`.
"""

import argparse
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
PAGE = "docs/contract.md"
MAP = "tests/CONTRACT.md"

CODE_BLOCK = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)
LIST_MARK = re.compile(r"^\s*(?:[-*]|\d+\.)\s+")
SENTENCE_END = re.compile(r"(?<=[.?!])\s+")
LINK = re.compile(r"\[([^\]]*)\]\([^)]*\)")
CELL_BORDER = re.compile(r"(?<!\\)\|")
SEPARATOR = re.compile(r"^\|[-:| ]+$")
TEST_NAME = re.compile(r"`([^`]+)`")
NO_TEST = re.compile(r"^no test: \S")
LISTED = re.compile(r"^(\S+): (?:test|benchmark)$", re.MULTILINE)
PYTHON_TEST = r"^\s*(?:async\s+)?def\s+{}\s*\("


def plain(text):
    """Return a text without bold marks, targets of links, and line breaks."""
    return " ".join(LINK.sub(r"\1", text).replace("**", "").split())


def cells(line):
    """Return the cells of a table row. The list is empty if the line is not a row."""
    line = line.strip()
    return [cell.strip().replace(r"\|", "|") for cell in CELL_BORDER.split(line)[1:-1]] if line.startswith("|") else []


def sentences(page):
    """Return the sentences of the page, in its order."""
    found, block = [], []

    def end_block():
        parts = SENTENCE_END.split(plain(" ".join(block)))
        found.extend(part for part in parts if part and not part.endswith(":"))
        block.clear()

    body = page.partition("\n## ")[2].partition("\n")[2]
    for line in [*CODE_BLOCK.sub("", body).splitlines(), ""]:
        if SEPARATOR.match(line):
            found.pop()  # The row above is the header.
        elif row := cells(line):
            end_block()
            found.append(plain(" · ".join(row)))
        elif not line.strip() or line.startswith("#"):
            end_block()
        else:
            if LIST_MARK.match(line):
                end_block()
            block.append(LIST_MARK.sub("", line))
    return found


def map_rows(text):
    """Return the rows of the map: (line number, sentence, second cell)."""
    rows = []
    for number, line in enumerate(text.splitlines(), 1):
        if SEPARATOR.match(line):
            rows.pop()
        elif row := cells(line):
            rows.append((number, plain(row[0]), row[1] if len(row) > 1 else ""))
    return rows


def test_fault(name, integration, unit, root):
    """Return what is wrong with the name of a test, or None."""
    kind, _, rest = name.rpartition(": ")
    if kind == "py":
        path, _, test = rest.partition("::")
        file = root / path
        found = file.is_file() and re.search(PYTHON_TEST.format(re.escape(test)), file.read_text(), re.MULTILINE)
    elif kind in ("", "lib"):
        found = rest in (unit if kind else integration)
    else:
        return f"`{name}` has an unknown prefix: use `lib:`, `py:`, or none"
    return None if found else f"there is no test `{name}`"


def faults(page, text, integration, unit, root=ROOT):
    """Return everything that is wrong with the page and with the text of the map."""
    said, rows, found = sentences(page), map_rows(text), []
    if not said:
        return [f"{PAGE}: no sentences"]
    for number, sentence, tests in rows:
        place, names = f"{MAP}:{number}", [] if NO_TEST.match(tests) else TEST_NAME.findall(tests)
        if sentence not in said:
            found.append(f"{place}: {PAGE} does not say: {sentence}")
        if not names and not NO_TEST.match(tests):
            found.append(f"{place}: no test, and no reason why, for: {sentence}")
        found += [f"{place}: {fault}" for name in names if (fault := test_fault(name, integration, unit, root))]
    mapped = {sentence for _, sentence, _ in rows}
    return found + [f"{PAGE}: no row in {MAP} for: {sentence}" for sentence in said if sentence not in mapped]


def list_tests(*which):
    """Return the output of the test binaries, which are up to date after `cargo test --workspace`."""
    command = ["cargo", "test", "--locked", "--workspace", "--quiet", *which, "--", "--list"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    return done.stdout if done.returncode == 0 else sys.exit(f"{' '.join(command)}\n{done.stderr}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--integration-tests", type=pathlib.Path, metavar="FILE")
    parser.add_argument("--unit-tests", type=pathlib.Path, metavar="FILE")
    arguments = parser.parse_args()
    if missing := [name for name in (PAGE, MAP) if not (ROOT / name).is_file()]:
        sys.exit(f"missing: {', '.join(missing)}")
    page, text = (ROOT / PAGE).read_text(), (ROOT / MAP).read_text()
    integration = arguments.integration_tests.read_text() if arguments.integration_tests else list_tests("--test", "it")
    unit = arguments.unit_tests.read_text() if arguments.unit_tests else list_tests("--lib", "--bins")
    found = faults(page, text, set(LISTED.findall(integration)), set(LISTED.findall(unit)))
    untested = [(sentence, tests) for _, sentence, tests in map_rows(text) if NO_TEST.match(tests)]
    print("\n".join([*found, *(f"{tests}\n  {sentence}" for sentence, tests in untested)]))
    print(f"contract: {len(sentences(page))} sentences, {len(untested)} of them without a test; {len(found)} faults")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
