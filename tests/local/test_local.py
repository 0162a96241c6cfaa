"""Runs the local example as a process and checks its output and its exit codes.

`make example` runs these tests after it has built the programs.
"""

import json
import os
import pathlib
import pty
import signal
import subprocess
import uuid

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
LOCAL = ROOT / "target/debug/examples/local"
SIMULATOR = ROOT / "target/debug/examples/workspaces"
ERROR = {"State": "ERROR", "ErrorDetails": [{"ErrorCode": "DiskFull", "ErrorMessage": "No space is left."}]}
# The beginning of a color code.
ESCAPE = "\x1b["


@pytest.fixture(scope="module")
def workspaces():
    """A simulator of WorkSpaces with scripts. See fake-aws/examples/workspaces.rs."""
    with subprocess.Popen([SIMULATOR], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as simulator:
        simulator.url = json.loads(simulator.stdout.readline())["url"]
        yield simulator
        simulator.stdin.close()


@pytest.fixture(scope="module")
def environment(workspaces):
    """The variables that `--serve` prints, with the scripted WorkSpaces."""
    with subprocess.Popen([LOCAL, "--serve"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as server:
        variables = {}
        while "AWS_ENDPOINT_URL" not in variables:
            name, _, value = server.stdout.readline().removeprefix("export ").strip().partition("=")
            variables[name] = value
        colors = {"NO_COLOR", "CLICOLOR_FORCE"}
        inherited = {name: value for name, value in os.environ.items() if name not in colors}
        yield {**inherited, **variables, "AWS_ENDPOINT_URL_WORKSPACES": workspaces.url}
        server.send_signal(signal.SIGINT)
        assert server.wait(timeout=10) == 0


@pytest.fixture
def image(workspaces):
    """Sets the answers for a new image and returns its ID."""

    def set_answers(*answers, image=None):
        image = image or f"wsi-{uuid.uuid4().hex[:9]}"
        workspaces.stdin.write(json.dumps({image: answers}) + "\n")
        workspaces.stdin.flush()
        workspaces.stdout.readline()
        return image

    return set_answers


@pytest.fixture
def local(environment):
    """Runs the example with these arguments, and with these changes of the environment."""

    def run(*arguments, without=(), stdout=subprocess.PIPE, **more):
        changed = {name: value for name, value in {**environment, **more}.items() if name not in without}
        command = [LOCAL, *arguments]
        return subprocess.run(command, env=changed, stdout=stdout, stderr=subprocess.PIPE, text=True, timeout=60)

    return run


def transitions(end):
    return [(one["To"], one["Sequence"]) for one in map(json.loads, end.stdout.splitlines())]


def test_imports_that_complete(local, image):
    end = local("--aws", image("VALIDATING", "COMPLETED"), image("COMPLETED"), "--wait", "1", "--json")
    assert end.returncode == 0, end.stderr
    assert sorted(transitions(end)) == [("COMPLETED", 1), ("COMPLETED", 2), ("VALIDATING", 1)]
    assert "Time in each state" in end.stderr


def test_an_import_that_fails(local, image):
    end = local("--aws", image(ERROR), image("COMPLETED"), "--wait", "1")
    assert end.returncode == 1, end.stderr
    assert "DiskFull: No space is left." in end.stdout


def test_imports_that_cannot_be_checked(local, image):
    end = local("--aws", image({"Error": "AccessDeniedException"}), "--wait", "1")
    assert end.returncode == 2
    assert "error: WorkSpaces.AccessDeniedException: " in end.stderr


def test_wrong_options_and_settings(local, tmp_path):
    assert local("--nonsense").returncode == 2
    assert local("--aws", "--continue", tmp_path / "missing.json").returncode == 2
    end = local("--aws", without=["TOPIC_ARN"])
    assert end.returncode == 2
    assert "TOPIC_ARN" in end.stderr


@pytest.mark.parametrize("json_", [False, True])
def test_ctrl_c_prints_the_event_that_continues(local, environment, image, tmp_path, json_):
    tracked = image("VALIDATING")
    command = [LOCAL, "--aws", tracked, "--wait", "60", *(["--json"] if json_ else [])]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen(command, env=environment, text=True, **pipes) as process:
        assert "VALIDATING" in process.stdout.readline()
        process.send_signal(signal.SIGINT)
        stdout, stderr = process.communicate(timeout=30)
        assert process.returncode == 130, stderr
    event = (stderr if json_ else stdout).splitlines()[-1]
    assert json.loads(event)["Imports"][0]["ImageId"] == tracked
    file = tmp_path / "event.json"
    file.write_text(event)
    image("COMPLETED", image=tracked)
    end = local("--aws", "--continue", file, "--wait", "1", "--json")
    assert end.returncode == 0, end.stderr
    assert transitions(end) == [("COMPLETED", 2)]


@pytest.mark.parametrize(
    ("arguments", "variables", "colored"),
    [([], {}, True), ([], {"NO_COLOR": "1"}, False), (["--json"], {}, False)],
)
def test_only_a_terminal_gets_colors(local, image, arguments, variables, colored):
    """Standard output is a terminal, and standard error is not."""
    ours, theirs = pty.openpty()
    try:
        end = local("--aws", image(ERROR), "--wait", "1", *arguments, stdout=theirs, TERM="xterm", **variables)
        printed = os.read(ours, 100_000).decode()
    finally:
        os.close(ours)
        os.close(theirs)
    assert end.returncode == 1, end.stderr
    assert (ESCAPE in printed) == colored
    assert ESCAPE not in end.stderr
