#!/usr/bin/env python3
"""Holds what the cold start rests on: one HTTP stack, one TLS stack, one crypto provider, and every release knob written out.

    python tools/check_dependencies.py

Reads Cargo.toml and what `cargo tree` resolves for the function itself (no dev-dependencies) on this machine and on both
of Lambda's architectures. Names each thing that is wrong and the path that drags it in; exit status 1 if there is any.
"""

import collections
import pathlib
import re
import subprocess
import sys
import tomllib

PACKAGE = "workspaces-image-import"
ROOT = pathlib.Path(__file__).resolve().parent.parent
TARGETS = (None, "x86_64-unknown-linux-gnu", "aarch64-unknown-linux-gnu")

EXACTLY_ONE = ("http", "hyper", "rustls")
PROVIDER = "ring"
OTHER_PROVIDERS = (
    *("aws-lc-rs", "aws-lc-sys", "aws-lc-fips-sys", "boring", "boring-sys"),
    *("openssl", "openssl-sys", "rustls-graviola", "rustls-openssl", "rustls-symcrypt"),
)
# Crate, what its version starts with, why not.
FORBIDDEN = (
    ("aws-sdk-signin", "", "Lambda hands the function its credentials; nobody logs in there"),
    ("aws-sdk-sso", "", "Lambda hands the function its credentials; nobody logs in there"),
    ("aws-sdk-ssooidc", "", "Lambda hands the function its credentials; nobody logs in there"),
    ("h2", "", "no service needs HTTP/2, and it is an eighth of the binary; src/http_client.rs does without"),
    ("hyper-rustls", "0.24.", "the SDK's old TLS stack; an AWS crate has its default features on"),
    ("icu_normalizer", "", "tables for names that are not ASCII; idna_adapter 1.0 in Cargo.toml stands for none"),
    ("native-tls", "", "a second TLS stack"),
)

# Knob, the values that are right. cargo-lambda fills every gap with a default of its own.
KNOBS = {
    "opt-level": ("s",),
    "lto": ("fat",),
    "codegen-units": (1,),
    "strip": ("symbols", True),
    "panic": ("unwind",),
    "debug": (0, False, "none"),
    "overflow-checks": (False,),
    "incremental": (False,),
}
# Of all dependencies.
PACKAGES_KNOBS = {"opt-level": ("z",)}

TREE_LINE = re.compile(r"^(?P<name>[A-Za-z0-9_-]+) v(?P<version>\d+\.\d+\.\d+\S*)")


def versions(tree):
    """crate → its versions, from the lines of `cargo tree --prefix none`."""
    found = collections.defaultdict(set)
    for line in tree.splitlines():
        if match := TREE_LINE.match(line):
            found[match["name"]].add(match["version"])
    return found


def tree_faults(tree):
    """What is wrong with a tree: pairs of a sentence and the package specs whose path explains it."""
    found = versions(tree)
    if PACKAGE not in found:
        return [(f"the tree does not hold {PACKAGE} itself: it cannot be judged", [])]
    faults = []

    def fault(sentence, name, these):
        faults.append((sentence, [f"{name}@{version}" for version in sorted(these)]))

    for name in EXACTLY_ONE:
        these = found.get(name, set())
        if len(these) > 1:
            fault(f"{len(these)} versions of {name}: {', '.join(sorted(these))}; one is wanted", name, these)
        elif not these:
            fault(f"no {name} at all: has the stack changed? Then this check has to follow", name, these)
    if len(found.get(PROVIDER, ())) != 1:
        these = found.get(PROVIDER, set())
        fault(f"the crypto provider {PROVIDER} comes {len(these)} times; once is wanted", PROVIDER, these)
    for name in OTHER_PROVIDERS:
        if name in found:
            fault(f"{name}: a crypto provider beside {PROVIDER}", name, found[name])
    for name, start, reason in FORBIDDEN:
        these = {version for version in found.get(name, ()) if version.startswith(start)}
        if these:
            fault(f"{name} {', '.join(sorted(these))}: {reason}", name, these)
    return faults


def is_right(value, right):
    """Whether a knob's value is one of the right ones; 0 is not False here, nor 1 True."""
    return any(type(value) is type(one) and value == one for one in right)


def profile_faults(manifest):
    """What is wrong with the release profile in the text of a Cargo.toml."""
    release = tomllib.loads(manifest).get("profile", {}).get("release", {})
    packages = release.get("package", {}).get("*", {})
    faults = []
    for table, profile, knobs in (
        ("[profile.release]", release, KNOBS),
        ('[profile.release.package."*"]', packages, PACKAGES_KNOBS),
    ):
        for knob, right in knobs.items():
            wanted = " or ".join(repr(value) for value in right)
            if knob not in profile:
                faults.append(f"{table} leaves out {knob}, which would then be somebody's default; write {wanted}")
            elif not is_right(profile[knob], right):
                faults.append(f"{table} has {knob} = {profile[knob]!r}; it has to be {wanted}")
    return faults


def cargo_tree(target, *arguments):
    """What `cargo tree` prints about the function's own dependencies."""
    which = ["--target", target] if target else []
    command = ["cargo", "tree", "--locked", "--edges", "normal", "--package", PACKAGE, *which, *arguments]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{' '.join(command)}\n{done.stderr}")
    return done.stdout


def main():
    faulty = False
    for sentence in profile_faults((ROOT / "Cargo.toml").read_text()):
        print(f"Cargo.toml: {sentence}")
        faulty = True
    told = set()
    for target in TARGETS:
        for sentence, specs in tree_faults(cargo_tree(target, "--prefix", "none", "--format", "{p}")):
            faulty = True
            if sentence not in told:
                told.add(sentence)
                print(f"dependencies ({target or 'this machine'}): {sentence}")
                for spec in specs:
                    print(cargo_tree(target, "--invert", spec))
    if not faulty:
        print("dependencies: one HTTP stack, one TLS stack, one crypto provider; every release knob is written out")
    return 1 if faulty else 0


if __name__ == "__main__":
    sys.exit(main())
