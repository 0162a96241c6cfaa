"""Tests of what happens to a stack over time, and of the parameters that other teams' rules require."""

import json
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
        stack = deploy("lists", "update", WatchedImports=listed)
        assert stack.outputs["LedgerTable"] == name
        assert stack.schedule()["State"] == state
        assert json.loads(stack.schedule()["Target"]["Input"]) == {"Imports": json.loads(listed)}
        after = aws("dynamodb").describe_table(TableName=name)["Table"]
        assert [after[key] for key in ("TableId", "CreationDateTime")] == [
            before[key] for key in ("TableId", "CreationDateTime")
        ]
        assert stack.invoke(image)["Transitions"] == []


NAMED = [{"ImageId": "wsi-0a1b2c3d4"}]


@pytest.mark.parametrize(
    ("parameters", "event", "ledger"),
    [
        ({"Discover": None}, {"Discover": True}, True),
        ({"Discover": None, "WatchedImports": "[]"}, {"Discover": True}, True),
        ({"Discover": None, "WatchedImports": json.dumps(NAMED)}, {"Discover": True, "Imports": NAMED}, True),
        ({"Discover": "false", "WatchedImports": json.dumps(NAMED)}, {"Imports": NAMED}, True),
        ({"Discover": "false", "WatchedImports": "[]"}, None, True),
        ({"Discover": "false"}, None, False),
    ],
)
@pytest.mark.parametrize("existing", [None, "existing"])
def test_discovery_and_watched_imports_turn_on_schedule_and_ledger(deploy, aws, parameters, event, ledger, existing):
    """`event` is what the schedule sends, or None if it is off. `None` as a parameter means the template's default."""
    name = f"discovery-{uuid.uuid4().hex[:8]}"
    stack = deploy(name, LedgerTableName=existing, **parameters)
    found = stack.schedule()
    assert found["State"] == ("ENABLED" if event else "DISABLED")
    assert json.loads(found["Target"]["Input"]) == (event or {"Imports": []})
    assert (f"{name}-Ledger" in tables(aws)) == (ledger and not existing)
    table = existing or (f"{name}-Ledger" if ledger else None)
    assert stack.outputs.get("LedgerTable") == table
    alarms = aws("cloudwatch").describe_alarms(AlarmNamePrefix=f"{name}-ScheduleAlarm")["MetricAlarms"]
    assert len(alarms) == (1 if event else 0)

    document = aws("iam").get_role_policy(RoleName=stack.physical_id("FunctionRole"), PolicyName="Function")
    grants = {one["Sid"]: one for one in document["PolicyDocument"]["Statement"]}
    discovers = parameters["Discover"] is None
    assert ("ListImages" in grants) == ("FindImportsInTheLedger" in grants) == discovers
    if discovers:
        assert grants["FindImportsInTheLedger"]["Resource"] == grants["KeepTheLedger"]["Resource"]
        assert grants["KeepTheLedger"]["Resource"].endswith(f":table/{table}")
    # Otherwise, the schedule could run during the other tests.
    stack.delete()


def test_a_failed_first_deployment_leaves_no_table(deploy, aws, image):
    statement = {"Effect": "Allow", "Action": "sns:Publish", "Resource": "*"}
    document = {"Version": "2012-10-17", "Statement": [statement]}
    policy = {"PolicyName": "Broken", "Roles": ["missing"], "PolicyDocument": document}
    # The function needs the table, so the table exists when this fails.
    broken = {"Type": "AWS::IAM::Policy", "DependsOn": ["Function"], "Properties": policy}

    def change(template):
        return template.replace("\nOutputs:\n", f"\n  Broken: {json.dumps(broken)}\n\nOutputs:\n")

    with pytest.raises(AssertionError, match="Broken: The role"):
        deploy("failed", change=change, WatchedImports=watched(image))
    events = aws("cloudformation").describe_stack_events(StackName="failed")["StackEvents"]
    statuses = [event["ResourceStatus"] for event in events if event["LogicalResourceId"] == "Ledger"]
    assert "CREATE_COMPLETE" in statuses and statuses[0] == "DELETE_COMPLETE"
    assert "failed-Ledger" not in tables(aws)


def test_roles_have_the_path(deploy, aws):
    """The emulator ignores the parameters PermissionsBoundary and LedgerKeyArn, but the stack must accept them."""
    others = {
        "PermissionsBoundary": "arn:aws:iam::aws:policy/ReadOnlyAccess",
        "LedgerKeyArn": aws("kms").create_key()["KeyMetadata"]["Arn"],
        "TopicEncryption": "aws-managed-key",
        "TrackNewImports": "true",
    }
    deploy("paths", RolePath="/team/", WatchedImports=watched(new_image()), **others)
    roles = [role for role in aws("iam").list_roles()["Roles"] if role["RoleName"].startswith("paths-")]
    assert [role["Path"] for role in roles] == ["/team/"] * 5


def test_monitoring_can_be_off(deploy, aws, image):
    names = {}
    for monitoring in ("true", "false"):
        stack = deploy(f"monitoring-{monitoring}", Monitoring=monitoring, WatchedImports=watched(image))
        alarms = aws("cloudwatch").describe_alarms(AlarmNamePrefix=f"monitoring-{monitoring}-")["MetricAlarms"]
        names[monitoring] = len(alarms), "DashboardUrl" in stack.outputs
    assert names == {"true": (8, True), "false": (0, False)}
