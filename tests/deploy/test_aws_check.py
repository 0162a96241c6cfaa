"""Runs tools/aws_check.py on the emulator, as far as the emulator goes. The other tests use the time that it takes."""

import os
import pty
import subprocess
import sys
import threading

import pytest

from conftest import REGION, ROOT, Stack, until

# conftest adds tools/ to the path.
import aws_check  # isort: skip


class Interrupted(Exception):
    pass


@pytest.fixture(scope="session")
def make_check(aws):
    """Creates a run with what the emulator needs."""

    def make(**options):
        skip = {
            "discovery": "it would find the images of other tests",
            "change set of addons/chat.yaml": "the emulator has no such types",
        }
        parameters = {"Discover": "false"}
        deployed = lambda name: Stack(aws, name).allow_batches()  # noqa: E731
        return aws_check.Check(aws, REGION, **{"skip": skip, "parameters": parameters, "deployed": deployed, **options})

    return make


@pytest.fixture(scope="session")
def run(make_check):
    """A run in a thread."""
    check = make_check()
    thread = threading.Thread(target=check.run)
    thread.start()
    yield check, thread
    thread.join(timeout=300)


def leftovers(aws, check):
    """What the run has not deleted."""
    stacks = aws("cloudformation").describe_stacks()["Stacks"]
    names = [
        *(one["StackName"] for one in stacks if one["StackStatus"] != "DELETE_COMPLETE"),
        *aws("dynamodb").list_tables()["TableNames"],
        *(one["Name"] for one in aws("s3").list_buckets()["Buckets"]),
        *(one["TopicArn"] for one in aws("sns").list_topics()["Topics"]),
        *aws("sqs").list_queues().get("QueueUrls", []),
        *(one["Name"] for one in aws("events").list_rules()["Rules"]),
        *(one["RoleName"] for one in aws("iam").list_roles()["Roles"]),
    ]
    return [name for name in names if check.name in name]


def test_a_run_that_is_interrupted_deletes_everything(aws, make_check, run):
    """Like Ctrl-C in the middle. The other run starts here, before the other tests, and goes on."""

    def interrupt(_):
        raise Interrupted

    check = make_check(deployed=interrupt)
    with pytest.raises(Interrupted):
        check.run()
    assert leftovers(aws, check) == []
    assert "ended by Interrupted" in check.report()


def test_a_deployment_that_fails_is_reported_and_deleted(aws, make_check):
    check = make_check(parameters={"LedgerTableName": "a/b"})
    assert not check.run()
    assert "| deployment of template.yaml | FAILED |" in check.report()
    assert leftovers(aws, check) == []


def started(*arguments, terminal=False, **environment):
    """Runs the program without access to any service."""
    variables = {**os.environ, "AWS_ENDPOINT_URL": "http://127.0.0.1:9", **environment}
    program = [sys.executable, str(ROOT / "tools/aws_check.py"), *arguments]
    stdin = pty.openpty()[1] if terminal else subprocess.DEVNULL
    return subprocess.run(program, env=variables, stdin=stdin, capture_output=True, text=True, timeout=60)


def test_it_cannot_run_by_accident():
    without_region = started(AWS_REGION=REGION, AWS_DEFAULT_REGION=REGION, terminal=True)
    assert without_region.returncode == 2 and "--region" in without_region.stderr
    without_terminal = started("--region", REGION)
    assert without_terminal.returncode == 2 and "needs a terminal" in without_terminal.stderr
    without_credentials = started("--region", REGION, terminal=True)
    assert without_credentials.returncode == 2 and "who you are" in without_credentials.stderr
    make = (ROOT / "Makefile").read_text()
    (test,) = (line for line in make.splitlines() if line.startswith("test:"))
    assert "aws-check" not in test


@pytest.mark.parametrize(
    ("typed", "goes_on"), [("", False), ("yes", False), ("210987654321", False), ("123456789012", True)]
)
def test_only_the_id_of_the_account_confirms(monkeypatch, capsys, typed, goes_on):
    monkeypatch.setattr("builtins.input", lambda prompt: typed)
    assert aws_check.confirmed(REGION, "123456789012", "name") == goes_on
    assert "the core stack name" in capsys.readouterr().out


@pytest.mark.last
def test_the_whole_run_passes_and_deletes_everything(aws, run):
    """The schedule runs twice, one minute apart."""
    check, thread = run
    next(True for _ in until(300) if not thread.is_alive())
    report = check.report()
    assert {result for _, result, *_ in check.rows} == {"passed", "skipped"}, report
    assert "| discovery | skipped | 0 | it would find" in report
    for step in ("invocation", "EventBridge rule", "schedule", "TrackImports"):
        (detail,) = (detail for name, _, detail, _ in check.rows if name == step)
        assert detail.endswith("#1:NOT_FOUND arrived")
    assert leftovers(aws, check) == []
