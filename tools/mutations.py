#!/usr/bin/env python3
"""Shows that the simulation finds bugs: applies each deliberate defect to a copy of the tree and runs the simulation.

    python tools/mutations.py [NAME …]

The defects are patches in tests/mutations/. Each has to apply where it says, to compile, and to be caught; the exit
status says so. What lies outside of the simulation names the tests that have to catch it in its first line, `Test: ledger::`.
"""

import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent
PATCHES = ROOT / "tests" / "mutations"
SIMULATION = "simulation::"
TESTS = re.compile(r"\ATest: (\S+)$", re.MULTILINE)
SEED = re.compile(r"SEED=(\d+) cargo test --test it simulation::(\w+)")
FAILED = re.compile(r"^test (\S+) \.\.\. FAILED$", re.MULTILINE)


def copy_of_the_tree(folder):
    """The files that git knows, as they are in the working tree."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"], cwd=ROOT, check=True, capture_output=True
    )
    for name in listed.stdout.decode().split("\0"):
        if name and (ROOT / name).is_file():
            target = folder / name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, target)


def run(folder, tests):
    """What these tests say of a tree: their exit status and their output."""
    command = ["cargo", "test", "--target-dir", str(ROOT / "target" / "mutations"), "--locked", "--test", "it", tests]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    return done.returncode, done.stdout + done.stderr


def tests_for(patch):
    """The tests that have to catch a defect."""
    named = TESTS.search(patch.read_text())
    return named[1] if named else SIMULATION


def apply(folder, patch, *options):
    """Only where the patch says: with fuzz it might make another defect than the one that it names."""
    command = ["patch", "--strip=1", "--fuzz=0", "--silent", *options, f"--input={patch}"]
    subprocess.run(command, cwd=folder, check=True)


def verdict(folder, patch):
    """`caught` with the seed or the tests, or what else became of a defect."""
    tests = tests_for(patch)
    apply(folder, patch)
    try:
        status, output = run(folder, tests)
    finally:
        apply(folder, patch, "--reverse")
    if "could not compile" in output:
        return "does not compile"
    seeds = sorted({f"{kind} with seed {seed}" for seed, kind in SEED.findall(output)})
    by = seeds if tests == SIMULATION else sorted(FAILED.findall(output))
    return f"caught by {', '.join(by)}" if status != 0 and by else "NOT CAUGHT"


def main(names):
    patches = sorted(path for path in PATCHES.glob("*.patch") if not names or path.stem in names)
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        copy_of_the_tree(folder)
        (folder / ".venv").symlink_to((ROOT / ".venv").resolve())  # the emulators
        for tests in sorted({tests_for(patch) for patch in patches}):
            status, output = run(folder, tests)
            if status != 0:
                sys.exit(f"{tests} fails without any defect:\n{output}")
        verdicts = {}
        for patch in patches:
            verdicts[patch.stem] = verdict(folder, patch)
            print(f"{patch.stem}: {verdicts[patch.stem]}", flush=True)
    missed = [name for name, said in verdicts.items() if not said.startswith("caught")]
    print(f"mutations: {len(verdicts) - len(missed)} of {len(verdicts)} caught")
    return 1 if missed or not verdicts else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
