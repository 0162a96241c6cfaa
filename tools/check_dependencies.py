#!/usr/bin/env python3
"""Checks the dependencies and the release profile, which the cold start depends on.

    python tools/check_dependencies.py

There must be one HTTP stack, one TLS stack, and one crypto provider, and Cargo.toml must set every option of the
release profile. The script reads Cargo.toml and what `cargo tree` resolves for the function itself, without
dev-dependencies, on this machine and on both of Lambda's architectures. It prints each problem with the dependency path
that causes it, and exits with status 1 if there is any.
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
# Crate, start of its version, reason.
FORBIDDEN = (
    ("aws-sdk-signin", "", "Lambda provides the credentials; the function never signs in"),
    ("aws-sdk-sso", "", "Lambda provides the credentials; the function never signs in"),
    ("aws-sdk-ssooidc", "", "Lambda provides the credentials; the function never signs in"),
    ("h2", "", "no service needs HTTP/2, and h2 is an eighth of the binary"),
    ("hyper-rustls", "0.24.", "the SDK's old TLS stack; an AWS crate has its default features on"),
    ("icu_normalizer", "", "Unicode tables for host names; idna_adapter 1.0 in Cargo.toml leaves them out"),
    ("native-tls", "", "a second TLS stack"),
)

# Option: its accepted values. cargo-lambda replaces the default of every option that is not set.
OPTIONS = {
    "opt-level": ("s",),
    "lto": ("fat",),
    "codegen-units": (1,),
    "strip": ("symbols", True),
    "panic": ("unwind",),
    "debug": (0, False, "none"),
    "overflow-checks": (False,),
    "incremental": (False,),
}
# The same for all dependencies.
PACKAGES_OPTIONS = {"opt-level": ("z",)}

TREE_LINE = re.compile(r"^(?P<name>[A-Za-z0-9_-]+) v(?P<version>\d+\.\d+\.\d+\S*)")


def versions(tree):
    """Maps each crate to its versions, from the output of `cargo tree --prefix none`."""
    found = collections.defaultdict(set)
    for line in tree.splitlines():
        if match := TREE_LINE.match(line):
            found[match["name"]].add(match["version"])
    return found


def tree_problems(tree):
    """The problems of a tree: pairs of a message and the package specs whose path explains it."""
    found = versions(tree)
    if PACKAGE not in found:
        return [(f"the tree does not contain {PACKAGE}, so it cannot be checked", [])]
    problems = []

    def problem(message, name, these):
        problems.append((message, [f"{name}@{version}" for version in sorted(these)]))

    for name in EXACTLY_ONE:
        these = found.get(name, set())
        if len(these) > 1:
            problem(f"{len(these)} versions of {name}: {', '.join(sorted(these))}; expected one", name, these)
        elif not these:
            problem(f"{name} is missing; if the stack has changed, update this check", name, these)
    if len(found.get(PROVIDER, ())) != 1:
        these = found.get(PROVIDER, set())
        problem(f"{len(these)} versions of the crypto provider {PROVIDER}; expected one", PROVIDER, these)
    for name in OTHER_PROVIDERS:
        if name in found:
            problem(f"{name}: a second crypto provider, next to {PROVIDER}", name, found[name])
    for name, start, reason in FORBIDDEN:
        these = {version for version in found.get(name, ()) if version.startswith(start)}
        if these:
            problem(f"{name} {', '.join(sorted(these))}: {reason}", name, these)
    return problems


def is_accepted(value, accepted):
    """Whether an option's value is one of the accepted ones. Unlike `in`, it tells 0 from False and 1 from True."""
    return any(type(value) is type(one) and value == one for one in accepted)


def profile_problems(manifest):
    """The problems of the release profile in the text of a Cargo.toml."""
    release = tomllib.loads(manifest).get("profile", {}).get("release", {})
    packages = release.get("package", {}).get("*", {})
    problems = []
    for table, profile, options in (
        ("[profile.release]", release, OPTIONS),
        ('[profile.release.package."*"]', packages, PACKAGES_OPTIONS),
    ):
        for option, accepted in options.items():
            expected = " or ".join(repr(value) for value in accepted)
            if option not in profile:
                problems.append(f"{table} does not set {option}; expected {expected}")
            elif not is_accepted(profile[option], accepted):
                problems.append(f"{table} has {option} = {profile[option]!r}; expected {expected}")
    return problems


def cargo_tree(target, *arguments):
    """The output of `cargo tree` for the function, without dev-dependencies."""
    which = ["--target", target] if target else []
    command = ["cargo", "tree", "--locked", "--edges", "normal", "--package", PACKAGE, *which, *arguments]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{' '.join(command)}\n{done.stderr}")
    return done.stdout


def main():
    failed = False
    for message in profile_problems((ROOT / "Cargo.toml").read_text()):
        print(f"Cargo.toml: {message}")
        failed = True
    printed = set()
    for target in TARGETS:
        for message, specs in tree_problems(cargo_tree(target, "--prefix", "none", "--format", "{p}")):
            failed = True
            if message not in printed:
                printed.add(message)
                print(f"dependencies ({target or 'this machine'}): {message}")
                for spec in specs:
                    print(cargo_tree(target, "--invert", spec))
    if not failed:
        print("dependencies: one HTTP stack, one TLS stack, one crypto provider; the release profile is complete")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
