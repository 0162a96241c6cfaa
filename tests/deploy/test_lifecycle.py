"""Tests of what happens to a stack over time, and of the parameters that other teams' rules require."""

import json
import re
import uuid

import pytest

from conftest import new_image


def watched(*images):
    return json.dumps([{"ImageId": image} for image in images])


@pytest.fixture
def topic(aws):
    return aws("sns").create_topic(Name="lifecycle")["TopicArn"]


def tables(aws):
    return aws("dynamodb").list_tables()["TableNames"]


def test_a_recreated_stack_announces_nothing_again(deploy, workspaces, aws, topic, image):
    workspaces.send({image: ["PENDING", "PENDING", "PENDING", "COMPLETED"]})
    stack = deploy("first", TopicArn=topic, WatchedImports=watched(image))
    subscriber = stack.subscribe(image)
    assert len(stack.invoke(image)["Transitions"]) == 1
    ledger = stack.outputs["LedgerTable"]
    stack.delete()
    assert ledger in tables(aws)

    stack = deploy("second", TopicArn=topic, WatchedImports=watched(image), LedgerTableName=ledger)
    assert stack.outputs["LedgerTable"] == ledger
    assert "second-Ledger" not in tables(aws)
    for _ in range(2):
        assert stack.invoke(image)["Transitions"] == []
    stack.invoke(image)
    assert subscriber.transitions() == [f"{image}#1:PENDING", f"{image}#2:COMPLETED"]
    stack.delete()
    assert ledger in tables(aws)


def test_a_new_list_of_images_keeps_the_table(deploy, workspaces, aws, image):
    workspaces.send({image: ["PENDING"]})
    stack = deploy("lists", WatchedImports=watched(image))
    stack.invoke(image)
    name = stack.outputs["LedgerTable"]
    before = aws("dynamodb").describe_table(TableName=name)["Table"]
    for listed, state in [(watched(new_image()), "ENABLED"), ("[]", "DISABLED"), (watched(image), "ENABLED")]:
        stack = deploy("lists", operation="update", WatchedImports=listed)
        assert stack.outputs["LedgerTable"] == name
        assert stack.schedule()["State"] == state
        assert json.loads(stack.schedule()["Target"]["Input"]) == {"Discover": False, "Imports": json.loads(listed)}
        after = aws("dynamodb").describe_table(TableName=name)["Table"]
        assert [after[key] for key in ("TableId", "CreationDateTime")] == [
            before[key] for key in ("TableId", "CreationDateTime")
        ]
        assert stack.invoke(image)["Transitions"] == []


NAMED = [{"ImageId": "wsi-0a1b2c3d4"}]


@pytest.mark.parametrize(
    ("parameters", "event"),
    [
        ({"Discover": None, "WatchedImports": json.dumps(NAMED)}, {"Discover": True, "Imports": NAMED}),
        ({"Discover": "false", "WatchedImports": json.dumps(NAMED)}, {"Discover": False, "Imports": NAMED}),
        ({"Discover": "false"}, None),
    ],
)
def test_discovery_and_watched_imports_turn_the_schedule_on(deploy, aws, parameters, event):
    """`event` is what the schedule sends, or None if it is off. `None` as a parameter means the template's default."""
    name = f"discovery-{uuid.uuid4().hex[:8]}"
    stack = deploy(name, **parameters)
    found = stack.schedule()
    assert found["State"] == ("ENABLED" if event else "DISABLED")
    assert json.loads(found["Target"]["Input"]) == (event or {"Discover": False, "Imports": []})
    # Without an address or a topic, alarms would notify nobody.
    assert aws("cloudwatch").describe_alarms(AlarmNamePrefix=f"{name}-")["MetricAlarms"] == []
    assert "AlarmTopicArn" not in stack.outputs and "DashboardUrl" not in stack.outputs

    document = aws("iam").get_role_policy(RoleName=stack.physical_id("FunctionRole"), PolicyName="Function")
    grants = {one["Sid"]: one for one in document["PolicyDocument"]["Statement"]}
    discovers = parameters["Discover"] is None
    assert ("ListImages" in grants) == ("FindImportsInTheLedger" in grants) == discovers
    assert grants["KeepTheLedger"]["Resource"].endswith(f":table/{name}-Ledger")
    if discovers:
        assert grants["FindImportsInTheLedger"]["Resource"] == grants["KeepTheLedger"]["Resource"]
    # Otherwise, the schedule could run during the other tests.
    stack.delete()


def test_a_failed_first_deployment_leaves_no_table(deploy, aws):
    """The table is the last resource, because CloudFormation could not delete it again."""

    def change(template):
        """The definition of TrackImports is not there."""
        return re.sub(r"DefinitionUri: \S+", "DefinitionUri: s3://artifacts/missing.json", template)

    with pytest.raises(AssertionError, match="TrackImports: "):
        deploy("failed", change=change)
    events = aws("cloudformation").describe_stack_events(StackName="failed")["StackEvents"]
    assert "Ledger" not in {event["LogicalResourceId"] for event in events}
    assert "failed-Ledger" not in tables(aws)


def test_roles_have_the_path(deploy, aws):
    """The emulator ignores the parameters PermissionsBoundary and KmsKeyArn, but the stack must accept them."""
    others = {
        "PermissionsBoundary": "arn:aws:iam::aws:policy/ReadOnlyAccess",
        "KmsKeyArn": aws("kms").create_key()["KeyMetadata"]["Arn"],
    }
    deploy("paths", RolePath="/team/", **others)
    roles = [role for role in aws("iam").list_roles()["Roles"] if role["RoleName"].startswith("paths-")]
    assert [role["Path"] for role in roles] == ["/team/"] * 3
