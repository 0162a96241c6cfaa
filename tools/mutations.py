#!/usr/bin/env python3
"""Shows that the simulation finds bugs: applies each deliberate defect to a copy of the tree and runs the simulation.

    python tools/mutations.py [NAME …]

The defects are patches in tests/mutations/. Each has to apply, to compile, and to be caught; the exit status says so.
"""

import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent
PATCHES = ROOT / "tests" / "mutations"
TEST = ["cargo", "test", "--locked", "--test", "it", "simulation::"]
SEED = re.compile(r"seed (\d+) fails")


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


def run(folder):
    """What the simulation says of a tree: its exit status and its output."""
    environment_target = ["--target-dir", str(ROOT / "target" / "mutations")]
    done = subprocess.run(TEST[:2] + environment_target + TEST[2:], cwd=folder, capture_output=True, text=True)
    return done.returncode, done.stdout + done.stderr


def verdict(folder, patch):
    """`caught` with the seed, or what else became of a defect."""
    subprocess.run(["patch", "--strip=1", "--silent", f"--input={patch}"], cwd=folder, check=True)
    try:
        status, output = run(folder)
    finally:
        subprocess.run(["patch", "--strip=1", "--silent", "--reverse", f"--input={patch}"], cwd=folder, check=True)
    if "could not compile" in output:
        return "does not compile"
    seeds = SEED.findall(output)
    return f"caught by seed {seeds[0]}" if status != 0 and seeds else "NOT CAUGHT"


def main(names):
    patches = sorted(path for path in PATCHES.glob("*.patch") if not names or path.stem in names)
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        copy_of_the_tree(folder)
        status, output = run(folder)
        if status != 0:
            sys.exit(f"the simulation fails without any defect:\n{output}")
        verdicts = {}
        for patch in patches:
            verdicts[patch.stem] = verdict(folder, patch)
            print(f"{patch.stem}: {verdicts[patch.stem]}", flush=True)
    missed = [name for name, said in verdicts.items() if not said.startswith("caught")]
    print(f"mutations: {len(verdicts) - len(missed)} of {len(verdicts)} caught")
    return 1 if missed or not verdicts else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
