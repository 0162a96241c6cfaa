"""What `sam package` does: uploads the files that a template names, and replaces their local paths."""

import io
import pathlib
import re
import zipfile

ROOT = pathlib.Path(__file__).resolve().parent.parent
BOOTSTRAP = ROOT / "target/lambda/bootstrap/bootstrap"
CORE = "template.yaml"
ADDONS = sorted(str(file.relative_to(ROOT)) for file in (ROOT / "addons").glob("*.yaml"))


def function_zip():
    """The deployment package of the function."""
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as file:
        entry = zipfile.ZipInfo("bootstrap")
        entry.external_attr = 0o755 << 16
        file.writestr(entry, BOOTSTRAP.read_bytes())
    return archive.getvalue()


def packaged(template, put):
    """The text of a template with S3 addresses. `put(key, body)` uploads a file and returns its address."""
    path = ROOT / template

    def uploaded(match):
        key, local = match.groups()
        file = (path.parent / local).resolve()
        body = function_zip() if key == "CodeUri" else file.read_bytes()
        return f"{key}: {put('function.zip' if key == 'CodeUri' else file.name, body)}"

    return re.sub(r"\b(CodeUri|DefinitionUri): (\S+)$", uploaded, path.read_text(), flags=re.MULTILINE)
