#!/usr/bin/env python3
"""Checks that every statement of docs/contract.md names the tests that fail if it is no longer true.

    python tools/check_contract.py

A statement is a paragraph, a list item, or a table row, below the page's first `## ` heading. A paragraph that is one
sentence and ends in a colon only introduces what follows. Each other statement ends with a comment, in table rows inside
the last cell:

    <!-- tests: module::name, import::state::tests::name, tests/deploy/test_stack.py::name -->
    <!-- no test: REASON -->

Rust tests have the names that `cargo test -- --list` prints. If a statement has both tests and sentences that cannot be
tested, it has both comments.
"""

import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "contract.md"

LIST_MARK = re.compile(r"\s*([-*]|\d+\.) ")
TABLE_SEPARATOR = re.compile(r"\|[-:| ]+$")
COMMENT = re.compile(r"<!-- (tests|no test): (.+?) -->", re.DOTALL)
INTRODUCTION = re.compile(r"([^.]|\.(?!\s))*:\s*")
LISTED = re.compile(r"^(\S+): test$", re.MULTILINE)


def statements(page):
    """Returns the line number and the text of each statement, with its comments."""
    found, started, code, continues = [], False, False, False
    for number, line in enumerate(page.splitlines(), 1):
        started = started or line.startswith("## ")
        code ^= line.startswith("```")
        if not started or code or not line.strip() or line.startswith(("#", "```")):
            continues = False
        elif TABLE_SEPARATOR.match(line):
            found.pop()  # The row above is the header.
        elif continues and not line.startswith("|") and not LIST_MARK.match(line):
            found[-1][1] += "\n" + line
        else:
            found.append([number, line])
            continues = True
    return [(number, text) for number, text in found if not INTRODUCTION.fullmatch(text)]


def exists(test, rust_tests):
    """Whether there is a test with this name."""
    path, _, name = test.partition(".py::")
    if not name:
        return test in rust_tests
    file = ROOT / f"{path}.py"
    return file.is_file() and re.search(rf"^\s*(async )?def {re.escape(name)}\(", file.read_text(), re.MULTILINE)


def faults(page, rust_tests):
    """Returns what is wrong with the text of the page: pairs of a line number and a message."""
    found = [] if statements(page) else [(1, "no statements")]
    for number, text in statements(page):
        comments = COMMENT.findall(text)
        if not comments:
            found.append((number, f"add a comment with its tests: {text}"))
        for kind, names in comments:
            for test in names.split(",") if kind == "tests" else []:
                if not exists(test.strip(), rust_tests):
                    found.append((number, f"there is no test {test.strip()}; was it renamed?"))
    return found


def main():
    command = ["cargo", "test", "--locked", "--workspace", "--quiet", "--lib", "--bins", "--test", "it", "--", "--list"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"{' '.join(command)}\n{done.stderr}")
    page = PAGE.read_text()
    found = faults(page, set(LISTED.findall(done.stdout)))
    for number, message in found:
        print(f"{PAGE.relative_to(ROOT)}:{number}: {message}")
    print(f"contract: {len(statements(page))} statements, {len(found)} faults")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
