#!/usr/bin/env python3
"""Makes the deploy kit of a release: what `sam deploy` needs, without Rust and without `sam build`.

    python tools/kit.py ARCHITECTURE FUNCTION_ZIP KIT_ZIP

The kit has the templates, every file that they name, the function's zip file, a samconfig.toml, and a page that says
what to do. All of this is in a folder with the name of the kit.
"""

import os
import pathlib
import re
import sys
import zipfile

from sam_package import ADDONS, CORE, ROOT

FUNCTION = "function.zip"
PAGE = """\
# {name}

1. Open AWS CloudShell in the Region of your WorkSpaces, upload the zip file, and run `unzip {name}.zip && cd {name}`.
2. In `samconfig.toml`, replace the two values EDIT: the Region, and the email address for announcements and alarms.
3. Run `sam deploy`. It lists what it creates and asks you to confirm. The folder `addons` has more templates.
4. Confirm the two subscriptions in the emails from Amazon SNS.
5. Run the command for the self-test, which is among the outputs of the stack.
"""


def template_text(file):
    """The text of a template whose function is the zip file in the kit."""
    text = (ROOT / file).read_text()
    # `sam build` would need the source.
    text = re.sub(r"^    Metadata:\n(      Build.*\n)+", "", text, flags=re.MULTILINE)
    function = os.path.relpath(FUNCTION, pathlib.Path(file).parent)
    return re.sub(r"\bCodeUri: \S+$", f"CodeUri: {function}", text, flags=re.MULTILINE)


def named_files(file):
    """The files that a template names, as paths in the repository."""
    names = re.findall(r"\b(?:DefinitionUri|LicenseUrl|ReadmeUrl): (\S+)$", (ROOT / file).read_text(), re.MULTILINE)
    return [str((ROOT / file).parent.joinpath(name).resolve().relative_to(ROOT)) for name in names]


def samconfig(architecture):
    """The example with two values to edit. `sam deploy` rejects both as they are."""
    _, _, text = (ROOT / "samconfig.example.toml").read_text().partition("\n")
    text, count = re.subn(r'^# (region|Email) = "(.+)"$', r'\1 = "EDIT" # such as "\2"', text, flags=re.MULTILINE)
    assert count == 2, "samconfig.example.toml must have the comments region and Email"
    text = re.sub(r"^Architecture = .*$", f'Architecture = "{architecture}"', text, flags=re.MULTILINE)
    return f"# Settings for the AWS SAM CLI. Enter your values for region and Email.\n{text}"


def contents(name, architecture, function):
    """The content of each file of the kit, by its path."""
    templates = [CORE, *ADDONS]
    files = {file: (ROOT / file).read_bytes() for template in templates for file in named_files(template)}
    files |= {template: template_text(template).encode() for template in templates}
    files["samconfig.toml"] = samconfig(architecture).encode()
    # In place of the README of the repository, whose links lead to files that are not in the kit.
    files["README.md"] = PAGE.format(name=name).encode()
    return files | {FUNCTION: function}


def write(architecture, function, kit):
    """Writes the kit `kit` with the function's zip file `function`."""
    with zipfile.ZipFile(kit, "w", zipfile.ZIP_DEFLATED) as archive:
        for path, content in sorted(contents(kit.stem, architecture, function.read_bytes()).items()):
            # Without a time, the same files make the same kit.
            entry = zipfile.ZipInfo(f"{kit.stem}/{path}")
            entry.external_attr = 0o644 << 16
            entry.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(entry, content)


if __name__ == "__main__":
    write(sys.argv[1], *map(pathlib.Path, sys.argv[2:]))
