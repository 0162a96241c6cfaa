"""Deploys the kit of a release as its users do: with the real `sam deploy`, from a folder with nothing else in it."""

import os
import subprocess
import zipfile

import pytest

from conftest import ARCHITECTURE, REGION, ROOT, Stack

# conftest adds tools/ to the path.
import kit  # isort: skip
from sam_package import function_zip  # isort: skip

SAM = ROOT / ".venv-sam/bin/sam"


@pytest.fixture
def folder(tmp_path):
    """The unpacked kit."""
    function, archive = tmp_path / "function.zip", tmp_path / "a-kit.zip"
    function.write_bytes(function_zip())
    kit.write(ARCHITECTURE, function, archive)
    with zipfile.ZipFile(archive) as files:
        files.extractall(tmp_path)
    return tmp_path / "a-kit"


def test_the_kit_alone_can_be_deployed(aws, folder, workspaces, image):
    settings = folder / "samconfig.toml"
    text = settings.read_text()
    assert text.count("EDIT") == 2
    settings.write_text(text.replace("EDIT", REGION, 1).replace("EDIT", "images@example.com", 1))
    environment = {
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_ENDPOINT_URL": aws("s3").meta.endpoint_url,
        "HOME": str(folder.parent),
        "NO_PROXY": "127.0.0.1",
        "PATH": os.environ["PATH"],
        "SAM_CLI_TELEMETRY": "0",
    }
    done = subprocess.run(
        [SAM, "deploy", "--no-confirm-changeset"],
        cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout

    stack = Stack(aws, "workspaces-image-import")
    stack.allow_batches()
    subscriber = stack.subscribe(image)
    workspaces.send({image: ["PENDING", "COMPLETED"]})
    end = stack.run(stack.outputs["TrackImportsArn"], {"Imports": [{"ImageId": image}]})
    assert end["status"] == "SUCCEEDED", end
    assert subscriber.transitions() == [f"{image}#1:PENDING", f"{image}#2:COMPLETED"]
    # Otherwise, its schedule would find the images of the other tests.
    stack.delete()
