#!/usr/bin/env python3
"""Writes the CycloneDX SBOM of the function's binary for one target.

    python tools/sbom.py TARGET FILE

cargo-cyclonedx also lists crates that only features of the tests turn on, because Cargo resolves the features of all
dependencies together. This script removes every component that `cargo tree` does not list for the function alone.
"""

import json
import os
import pathlib
import subprocess
import sys

from check_dependencies import PACKAGE, ROOT, cargo_tree, versions

CARGO_CYCLONEDX = ROOT / "target" / "tools" / "bin" / "cargo-cyclonedx"
SUFFIX = "_bin.cdx.json"


def generate(target):
    """The text that cargo-cyclonedx writes for the function's binary."""
    command = [CARGO_CYCLONEDX, "cyclonedx", "--format", "json", "--spec-version", "1.5", "--describe", "binaries"]
    command += ["--no-build-deps", "--target", target]
    commit_time = subprocess.run(
        ["git", "log", "-1", "--format=%ct"], cwd=ROOT, check=True, capture_output=True, text=True
    ).stdout.strip()
    try:
        # The time of the commit makes the file reproducible.
        subprocess.run(command, cwd=ROOT, check=True, env=os.environ | {"SOURCE_DATE_EPOCH": commit_time})
        return (ROOT / f"bootstrap{SUFFIX}").read_text()
    finally:
        # It writes a file next to the Cargo.toml of every package that has a binary.
        for folders in ("", "*/", "*/*/"):
            for written in ROOT.glob(f"{folders}*{SUFFIX}"):
                written.unlink()


def reduce(sbom, tree):
    """Removes from `sbom` every component that is not in `tree`, which maps crates to sets of versions."""
    kept = [component for component in sbom["components"] if component["version"] in tree.get(component["name"], ())]
    references = {component["bom-ref"] for component in kept} | {sbom["metadata"]["component"]["bom-ref"]}
    dependencies = []
    for dependency in sbom["dependencies"]:
        if dependency["ref"] in references:
            depends_on = [reference for reference in dependency.get("dependsOn", ()) if reference in references]
            dependencies.append(dependency | {"dependsOn": depends_on})
    return sbom | {"components": kept, "dependencies": dependencies}


def main(target, file):
    tree = versions(cargo_tree(target, "--prefix", "none", "--format", "{p}"))
    # The path of this checkout is of no use to others.
    text = generate(target).replace(f"path+{ROOT.as_uri()}", "path+file:///source")
    sbom = reduce(json.loads(text), tree)
    missing = tree.keys() - {component["name"] for component in sbom["components"]} - {PACKAGE}
    if missing:
        sys.exit(f"cargo-cyclonedx left out {', '.join(sorted(missing))}")
    pathlib.Path(file).write_text(json.dumps(sbom, indent=2) + "\n")
    print(f"{file}: {len(sbom['components'])} components")


if __name__ == "__main__":
    main(*sys.argv[1:])
