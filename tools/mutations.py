#!/usr/bin/env python3
"""Shows that the tests find bugs: applies each deliberate defect to a copy of the source tree and runs the tests.

    python tools/mutations.py [NAME …]

The defects are the patches in tests/mutations/. The simulation must catch each one, unless the patch's first line
names other tests, for example `Test: ledger::`. The exit status is 1 if a patch does not compile or is not caught. A
patch that does not apply exactly stops the script.
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
CHECK = re.compile(r"panicked at tests/it/simulation/(\w+\.rs:\d+):\d+:")
FAILED = re.compile(r"^test (\S+) \.\.\. FAILED$", re.MULTILINE)


def copy_of_the_tree(folder):
    """Copies all files that git does not ignore, in the state of the working tree."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"], cwd=ROOT, check=True, capture_output=True
    )
    for name in listed.stdout.decode().split("\0"):
        if name and (ROOT / name).is_file():
            target = folder / name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, target)


def run(folder, tests):
    """Runs tests in a tree. Returns their exit status and output."""
    command = ["cargo", "test", "--locked", "--workspace", "--target-dir", str(ROOT / "target" / "mutants"), "--test", "it"]
    command.append(tests)
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    return done.returncode, done.stdout + done.stderr


def tests_for(patch):
    """The tests that must catch a defect."""
    named = TESTS.search(patch.read_text())
    return named[1] if named else SIMULATION


def apply(folder, patch, *options):
    """Applies a patch at its exact place. With fuzz, it might make a different defect than its name says."""
    command = ["patch", "--strip=1", "--fuzz=0", "--silent", *options, f"--input={patch}"]
    subprocess.run(command, cwd=folder, check=True)


def verdict(folder, patch):
    """Applies a defect, runs its tests, and says whether they caught it, with which seeds or tests, and at which check of
    the simulation first."""
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
    check = CHECK.search(output)
    first = f", first at {check[1]}" if check else ""
    return f"caught by {', '.join(by)}{first}" if status != 0 and by else "NOT CAUGHT"


def main(names):
    patches = sorted(path for path in PATCHES.glob("*.patch") if not names or path.stem in names)
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        copy_of_the_tree(folder)
        for environment in (".venv", ".venv-sam"):  # the emulators
            (folder / environment).symlink_to((ROOT / environment).resolve())
        for tests in sorted({tests_for(patch) for patch in patches}):
            status, output = run(folder, tests)
            if status != 0:
                sys.exit(f"{tests} fails without a defect:\n{output}")
        verdicts = {}
        for patch in patches:
            verdicts[patch.stem] = verdict(folder, patch)
            print(f"{patch.stem}: {verdicts[patch.stem]}", flush=True)
    missed = [name for name, said in verdicts.items() if not said.startswith("caught")]
    print(f"mutations: {len(verdicts) - len(missed)} of {len(verdicts)} caught")
    return 1 if missed or not verdicts else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
