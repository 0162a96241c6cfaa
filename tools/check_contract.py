#!/usr/bin/env python3
"""Holds tests/CONTRACT.md: every sentence there is one of the contract, and every test that it names exists.

    python tools/check_contract.py [--integration-tests FILE --unit-tests FILE] [--contract FILE] [--rest]

The page's tables have rows `| sentence | tests |`; each test is in backticks, as
    `module::name`             a test of the integration binary
    `lib: path::name`          a unit test of the workspace
    `py: path/file.py::name`   a Python test
The Rust tests are listed by the built binaries themselves, or read from files that hold `cargo test … -- --list`'s output.
`--rest` also prints what of the contract no row quotes. Where the contract page is not beside the repository, its
sentences are not compared, and a word says so.
"""

import argparse
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
MAP = ROOT / "tests" / "CONTRACT.md"
CONTRACT = ROOT.parent / "shared" / "CONTRACT.md"

CELL_BORDER = re.compile(r"(?<!\\)\|")
SEPARATOR = re.compile(r"^:?-+:?$")
QUOTED = re.compile(r"`([^`]+)`")
LISTED = re.compile(r"^(?P<name>\S+): (?:test|benchmark)$", re.MULTILINE)
PYTHON_TEST = r"^\s*(?:async\s+)?def\s+{}\s*\("


def rows(page):
    """The rows of the page's tables: (line number, sentence, names of tests)."""
    found = []
    for number, line in enumerate(page.splitlines(), 1):
        if not line.lstrip().startswith("|"):
            continue
        cells = [cell.strip().replace(r"\|", "|") for cell in CELL_BORDER.split(line.strip())[1:-1]]
        if cells and all(SEPARATOR.match(cell) for cell in cells):
            # The row above a separator is the table's head.
            del found[-1:]
        elif len(cells) < 2:
            found.append((number, " ".join(cells), []))
        else:
            found.append((number, cells[0], QUOTED.findall(cells[-1])))
    return found


def plain(text):
    """A text with its white space evened out, and without the marks that a quotation may lose."""
    return " ".join(text.replace("**", "").split())


def listed(output):
    """The tests' names in the output of `cargo test … -- --list`."""
    return {match["name"] for match in LISTED.finditer(output)}


def similar(name, known):
    """What may have been meant: the known tests with the same last part."""
    last = name.rpartition("::")[2]
    return sorted(one for one in known if one.rpartition("::")[2] == last)


def test_fault(name, integration, unit, root):
    """What is wrong with a test's name, or None."""
    kind, colon, rest = name.partition(": ")
    if not colon:
        kind, rest = "it", name
    if kind == "py":
        path, _, test = rest.partition("::")
        file = root / path
        if not file.is_file():
            return f"`{name}`: there is no file {path}"
        if not re.search(PYTHON_TEST.format(re.escape(test.rpartition("::")[2])), file.read_text(), re.MULTILINE):
            return f"`{name}`: {path} defines no such test"
        return None
    known = {"it": integration, "lib": unit}.get(kind)
    if known is None:
        return f"`{name}`: `{kind}:` is none of the kinds; they are `lib:`, `py:` and none for the integration tests"
    if rest in known:
        return None
    meant = similar(rest, integration) + [f"lib: {one}" for one in similar(rest, unit)]
    hint = f"; is `{'` or `'.join(meant)}` meant?" if meant else ""
    return f"`{name}`: there is no such test{hint}"


def page_faults(page, contract, integration, unit, root=ROOT):
    """What is wrong with the page; `contract` is None where it is not to be had."""
    found = rows(page)
    if not found:
        return ["the page has no rows"]
    whole = None if contract is None else plain(contract)
    faults = []
    for number, sentence, tests in found:
        if not plain(sentence):
            faults.append(f"line {number}: no sentence")
        elif whole is not None and plain(sentence) not in whole:
            faults.append(f"line {number}: the contract does not say: {sentence}")
        if not tests:
            faults.append(f"line {number}: no test for: {sentence}")
        for name in tests:
            if fault := test_fault(name, integration, unit, root):
                faults.append(f"line {number}: {fault}")
    return faults


def not_quoted(page, contract):
    """The parts of the contract that no row quotes, in their order."""
    rest = plain(contract)
    # Longest first: a short sentence may be a part of a longer one.
    for sentence in sorted({plain(sentence) for _, sentence, _ in rows(page)} - {""}, key=len, reverse=True):
        rest = rest.replace(sentence, "\n")
    return [part.strip() for part in rest.split("\n") if re.search(r"\w", part)]


def list_tests(*which):
    """Asks the test binaries, which are up to date after `cargo test --workspace`."""
    command = ["cargo", "test", "--locked", "--workspace", "--quiet", *which, "--", "--list"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{' '.join(command)}\n{done.stderr}")
    return done.stdout


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--integration-tests", type=pathlib.Path, metavar="FILE")
    parser.add_argument("--unit-tests", type=pathlib.Path, metavar="FILE")
    parser.add_argument("--contract", type=pathlib.Path, metavar="FILE", default=CONTRACT)
    parser.add_argument("--rest", action="store_true", help="also print what of the contract no row quotes")
    arguments = parser.parse_args()

    if not MAP.is_file():
        sys.exit(f"{MAP.relative_to(ROOT)} is missing")
    page = MAP.read_text()
    integration = arguments.integration_tests.read_text() if arguments.integration_tests else list_tests("--test", "it")
    unit = arguments.unit_tests.read_text() if arguments.unit_tests else list_tests("--lib", "--bins")
    contract = arguments.contract.read_text() if arguments.contract.is_file() else None

    faults = page_faults(page, contract, listed(integration), listed(unit))
    for fault in faults:
        print(f"{MAP.relative_to(ROOT)}: {fault}")
    if contract is None:
        print("contract: the contract page is not here; its sentences were not compared")
    elif arguments.rest:
        print("\n".join(["not quoted by any row:", *not_quoted(page, contract)]))
    if not faults:
        print(f"contract: every test that the {len(rows(page))} rows name exists")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
