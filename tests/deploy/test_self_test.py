"""The self-test of a deployed stack."""

import json
import shlex
import uuid

import pytest

ALL = ["DescribeImport", "ListImages", "WriteLedger", "ReadLedger", "ScanLedger", "Publish"]


@pytest.fixture(scope="module")
def tested(deploy):
    """A stack that discovers. Its schedule does not run during the tests."""
    stack = deploy(
        f"self-test-{uuid.uuid4().hex[:8]}", Discover=None, Email="images@example.com", ScheduleExpression="rate(1 hour)"
    )
    yield stack
    stack.delete()


def event(stack):
    """The event in the command of the stack's outputs."""
    words = shlex.split(stack.outputs["SelfTestCommand"])
    assert words[:3] == ["aws", "lambda", "invoke"]
    option = lambda name: words[words.index(f"--{name}") + 1]  # noqa: E731
    assert option("function-name") == stack.outputs["FunctionName"]
    assert option("cli-binary-format") == "raw-in-base64-out"
    return json.loads(option("payload"))


def failed(report):
    return [check["Name"] for check in report["Checks"] if not check["Passed"]]


def test_it_passes_and_its_message_passes_the_filter_of_the_email(tested):
    subscription = tested.physical_id("EmailSubscription")
    attributes = tested.aws("sns").get_subscription_attributes(SubscriptionArn=subscription)["Attributes"]
    inbox = tested.queue(json.loads(attributes["FilterPolicy"]))
    assert event(tested) == {"SelfTest": True, "Discover": True}
    report = tested.handle(event(tested))
    assert (report["Passed"], [check["Name"] for check in report["Checks"]]) == (True, ALL), report
    (message,) = inbox.drain()
    assert (message["Kind"], message["FunctionName"]) == ("TEST", tested.outputs["FunctionName"])
    assert tested.aws("dynamodb").scan(TableName=tested.outputs["LedgerTable"])["Count"] == 0


@pytest.mark.parametrize(
    ("sids", "action", "checks"),
    [
        (["Announce", "Batches"], "sns:Publish", ["Publish"]),
        (["KeepTheLedger"], "dynamodb:PutItem", ["WriteLedger", "ReadLedger"]),
        (["FindImportsInTheLedger"], "dynamodb:Scan", ["ScanLedger"]),
    ],
)
def test_it_fails_for_each_permission_that_is_taken_away(tested, sids, action, checks):
    """The emulator enforces these permissions. Those of WorkSpaces are in `tests/it/self_test.rs`."""
    iam, role = tested.aws("iam"), tested.physical_id("FunctionRole")
    names = iam.list_role_policies(RoleName=role)["PolicyNames"]
    before = {name: iam.get_role_policy(RoleName=role, PolicyName=name)["PolicyDocument"] for name in names}
    for name, document in before.items():
        left = [one for one in document["Statement"] if one["Sid"] not in sids]
        if left:
            changed = json.dumps({**document, "Statement": left})
            iam.put_role_policy(RoleName=role, PolicyName=name, PolicyDocument=changed)
        else:
            iam.delete_role_policy(RoleName=role, PolicyName=name)
    try:
        report = tested.handle(event(tested))
    finally:
        for name, document in before.items():
            iam.put_role_policy(RoleName=role, PolicyName=name, PolicyDocument=json.dumps(document))
    assert (report["Passed"], failed(report)) == (False, checks), report
    problem = next(check for check in report["Checks"] if not check["Passed"])
    print(json.dumps(problem, indent=2))
    assert problem["Advice"].startswith(f"Allow {action} in the function's role."), problem


def test_a_stack_without_discovery_checks_what_it_may_do(deploy):
    stack = deploy(f"self-test-{uuid.uuid4().hex[:8]}")
    assert event(stack) == {"SelfTest": True, "Discover": False}
    report = stack.handle(event(stack))
    assert (report["Passed"], len(report["Checks"])) == (True, 4), report
    stack.delete()
