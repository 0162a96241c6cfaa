"""Tests of the add-ons, which are deployed beside the core stack. test_pipeline.py has those of the pipeline."""

import json
import uuid

import botocore.exceptions
import pytest
from samtranslator.yaml_helper import yaml_parse

from conftest import CONCURRENT_BATCHES, REGION, ROOT, Queue, new_image, until
from test_stack import ERROR, hanging, output, short, track  # noqa: F401 (fixtures)


@pytest.fixture(scope="module")
def new_imports(addon):
    return addon("track-new-imports")


@pytest.fixture(scope="module")
def many_stack(addon, bucket):
    return addon("track-many", ConcurrentBatches=str(CONCURRENT_BATCHES), ImageListBucket=bucket)


def definition_of(many_stack):
    """The definition of TrackMany with a number as MaxConcurrency.

    It is an expression, which the emulator does not evaluate for a Distributed Map.
    """
    definition = json.loads(many_stack.definition("TrackManyArn"))
    for name in ["List", "Object"]:
        state = definition["States"][name]
        assert state["MaxConcurrency"] == f"{{% {CONCURRENT_BATCHES} %}}"
        state["MaxConcurrency"] = CONCURRENT_BATCHES
    return definition


@pytest.fixture(scope="module")
def create(many_stack):
    """Creates a state machine from a changed definition of TrackMany, with its role, and returns its ARN."""
    return lambda definition: many_stack.create(definition, role="TrackManyArn")


@pytest.fixture(scope="module")
def track_many(many_stack, create):
    """The ARN of a copy of TrackMany that works in the emulator."""
    return create(definition_of(many_stack))


def test_a_new_import_starts_the_workflow(stack, new_imports, workspaces, aws, image):
    """Tests the rule's pattern with the real CloudTrail event, and its target with the same event of another source.

    PutEvents refuses events of the source aws.workspaces, so the test changes the pattern to match its own source.
    """
    events = aws("events")
    name = new_imports.physical_id("NewImportRule")
    event = json.loads((ROOT / "events/rules/cloudtrail-import.json").read_text())
    pattern = events.describe_rule(Name=name)["EventPattern"]

    def matches(event):
        return events.test_event_pattern(EventPattern=pattern, Event=json.dumps(event))["Result"]

    assert matches(event)
    for change in [{"errorCode": "AccessDeniedException"}, {"eventName": "CreateWorkspaceImage"}]:
        assert not matches({**event, "detail": {**event["detail"], **change}})

    event["detail"]["responseElements"]["imageId"] = image
    workspaces.send({image: ["PENDING", "COMPLETED"]})
    subscriber = stack.subscribe(image)
    events.put_rule(Name=name, EventPattern=json.dumps({**json.loads(pattern), "source": ["tests"]}), State="ENABLED")
    try:
        entry = {"Source": "tests", "DetailType": event["detail-type"], "Detail": json.dumps(event["detail"])}
        assert events.put_events(Entries=[entry])["FailedEntryCount"] == 0
        arn = next(filter(None, (stack.execution_of("TrackImportsArn", image) for _ in until(30))))
    finally:
        events.put_rule(Name=name, EventPattern=pattern, State="ENABLED")
    end = stack.wait(arn)
    (record,) = output(end)["Imports"]
    assert (record["State"], record["Name"]) == ("COMPLETED", event["detail"]["requestParameters"]["imageName"])
    assert subscriber.transitions()[-1].endswith(":COMPLETED")


def test_events_that_start_no_execution_go_to_a_queue_with_an_alarm(stack, new_imports, aws):
    (target,) = aws("events").list_targets_by_rule(Rule=new_imports.physical_id("NewImportRule"))["Targets"]
    url = new_imports.outputs["DeadLetterQueueUrl"]
    queue = aws("sqs").get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn", "Policy"])["Attributes"]
    assert target["DeadLetterConfig"] == {"Arn": queue["QueueArn"]}
    (statement,) = json.loads(queue["Policy"])["Statement"]
    assert statement["Condition"]["ArnEquals"]["aws:SourceArn"].endswith(new_imports.physical_id("NewImportRule"))
    (alarm,) = aws("cloudwatch").describe_alarms(AlarmNamePrefix=f"{new_imports.name}-")["MetricAlarms"]
    assert alarm["AlarmActions"] == [stack.outputs["AlarmTopicArn"]]


@pytest.fixture
def many(workspaces):
    """Four images: two that complete, one that fails, and one for which access is denied."""
    images = [new_image() for _ in range(4)]
    answers = [["PENDING", "COMPLETED"], ["COMPLETED"], ["PENDING", ERROR], [{"Error": "AccessDeniedException"}]]
    workspaces.send(dict(zip(images, answers, strict=True)))
    return images


def summary(images):
    """The output of track-many for `many`, without Errors. In the emulator, each image is a batch."""
    return {
        "Status": "FAILED",
        "Batches": 4,
        "Images": 4,
        "Completed": 2,
        "Failed": 1,
        "Pending": 0,
        "Untracked": 1,
        "FailedImages": [{"ImageId": images[2], "State": "ERROR", "Error": "SysprepFailed, DiskFull"}],
        "PendingImages": [],
    }


def assert_summary(end, images):
    actual = output(end)
    (error,) = actual.pop("Errors")
    assert error["Error"] == "WorkSpaces.AccessDeniedException" and error["Cause"]
    assert actual == summary(images)


def test_track_many_reads_a_list_from_its_input(stack, track_many, many):
    event = {"Imports": [many[0], {"ImageId": many[1]}, *many[2:]], "WaitSeconds": 300}
    assert_summary(stack.run(track_many, event), many)


@pytest.mark.parametrize(
    ("which", "status"), [(slice(2), "COMPLETED"), (slice(2, 3), "FAILED"), (slice(3, 4), "FAILED")]
)
def test_track_many_completes_if_all_imports_do(stack, track_many, many, which, status):
    end = stack.run(track_many, {"Imports": many[which]})
    assert output(end)["Status"] == status


def test_track_many_reads_a_list_from_s3(stack, many_stack, create, aws, bucket, many):
    """Uses a copy with a fixed bucket and key, because the emulator does not evaluate JSONata in an ItemReader."""
    key = f"{uuid.uuid4()}.json"
    aws("s3").put_object(Bucket=bucket, Key=key, Body=json.dumps(many).encode())
    event = {"Bucket": bucket, "Key": key}
    definition = definition_of(many_stack)
    arguments = definition["States"]["Object"]["ItemReader"]["Arguments"]
    assert arguments == {name: f"{{% $states.input.{name} %}}" for name in event}
    arguments.update(event)
    assert_summary(stack.run(create(definition), event), many)


@pytest.mark.parametrize("kind", ["List", "Object"])
def test_a_batch_is_one_execution(stack, many_stack, create, many, kind):
    """Runs the child as its own state machine with a batch as input, because the emulator does not create batches."""
    child = json.loads(many_stack.definition("TrackManyArn"))["States"][kind]["ItemProcessor"]
    del child["ProcessorConfig"]
    machine = create({"QueryLanguage": "JSONata", **child})
    end = stack.run(machine, {"Items": [many[0], {"ImageId": many[1]}, many[2]], "BatchInput": {"WaitSeconds": 140}})
    assert output(end) == {
        "Items": 3,
        "Images": 3,
        "Completed": 2,
        "Failed": 1,
        "Pending": 0,
        "FailedImages": [{"ImageId": many[2], "State": "ERROR", "Error": "SysprepFailed, DiskFull"}],
        "PendingImages": [],
    }
    inner = stack.states.describe_execution(executionArn=stack.execution_of("TrackImportsArn", many[0]))
    assert [record["ImageId"] for record in json.loads(inner["input"])["Imports"]] == many[:3]
    assert json.loads(inner["input"])["WaitSeconds"] == 140


def test_an_image_that_hangs_leaves_the_others_of_its_batch_settled(stack, many_stack, create, hanging):
    machine = short(stack)
    child = json.loads(many_stack.definition("TrackManyArn"))["States"]["List"]["ItemProcessor"]
    del child["ProcessorConfig"]
    child["States"]["Track batch from list"]["Arguments"]["StateMachineArn"] = machine
    event = {"Items": hanging, "BatchInput": {"WaitSeconds": 120}}
    batch = output(stack.run(create({"QueryLanguage": "JSONata", **child}), event))
    assert (batch["Images"], batch["Completed"], batch["Pending"]) == (2, 1, 1)

    definition = definition_of(many_stack)
    track = definition["States"]["List"]["ItemProcessor"]["States"]["Track batch from list"]
    track["Arguments"]["StateMachineArn"] = machine
    assert output(stack.run(create(definition), {"Imports": hanging, "WaitSeconds": 120})) == {
        "Status": "PENDING",
        "Batches": 2,
        "Images": 2,
        "Completed": 1,
        "Failed": 0,
        "Pending": 1,
        "Untracked": 0,
        "FailedImages": [],
        "PendingImages": [{"ImageId": hanging[0], "State": "VALIDATING"}],
        "Errors": [],
    }


def test_images_of_a_stopped_execution_are_untracked(stack, track_many, hanging):
    execution = stack.start(track_many, {"Imports": hanging})
    batch = next(filter(None, (stack.execution_of("TrackImportsArn", hanging[0]) for _ in until(30))))
    stack.states.stop_execution(executionArn=batch)
    summary = output(stack.wait(execution))
    assert (summary["Status"], summary["Images"], summary["Completed"], summary["Untracked"]) == ("FAILED", 2, 1, 1)
    assert len(summary["Errors"]) == 1


def test_images_of_batches_without_a_result_are_untracked(stack, many_stack, create, many):
    """A Fail state takes the place of the batches of two images, like an error that States.ALL does not catch."""
    definition = definition_of(many_stack)
    child = definition["States"]["List"]["ItemProcessor"]
    condition = f"{{% $states.input in {json.dumps(many[2:])} %}}"
    child["States"]["Start"] = {
        "Type": "Choice",
        "Choices": [{"Condition": condition, "Next": "Break"}],
        "Default": child["StartAt"],
    }
    child["States"]["Break"] = {"Type": "Fail", "Error": "States.DataLimitExceeded"}
    child["StartAt"] = "Start"
    summary = output(stack.run(create(definition), {"Imports": many}))
    assert (summary["Status"], summary["Batches"], summary["Images"]) == ("FAILED", 4, 4)
    assert (summary["Completed"], summary["Untracked"], len(summary["Errors"])) == (2, 2, 2)


def test_track_many_refuses_an_input_without_a_list(stack, track_many):
    for event in [{}, {"Imports": "wsi-0a1b2c3d4"}, {"Bucket": "artifacts"}]:
        end = stack.run(track_many, event)
        assert (end["status"], end["error"]) == ("FAILED", "InvalidInput")


@pytest.mark.parametrize("content", [{"Imports": ["wsi-0a1b2c3d4"]}, {"a": 1, "b": 2}])
def test_track_many_refuses_an_object_in_s3_that_is_not_a_list(stack, many_stack, create, aws, bucket, content):
    key = f"{uuid.uuid4()}.json"
    aws("s3").put_object(Bucket=bucket, Key=key, Body=json.dumps(content).encode())
    definition = definition_of(many_stack)
    definition["States"]["Object"]["ItemReader"]["Arguments"] = {"Bucket": bucket, "Key": key}
    end = stack.run(create(definition), {"Bucket": bucket, "Key": key})
    assert (end["status"], end["error"]) == ("FAILED", "InvalidInput")


def test_a_wait_that_is_not_a_number_starts_no_batch(stack, track_many, image):
    end = stack.run(track_many, {"Imports": [image], "WaitSeconds": "abc"})
    assert (end["status"], end["error"]) == ("FAILED", "InvalidInput")
    assert stack.execution_of("TrackImportsArn", image) is None


def test_the_event_bus_gets_every_announcement(stack, addon, workspaces, aws, image):
    """The test does what the pipe does, because the emulator's pipes cannot read from a queue."""
    template = yaml_parse((ROOT / "addons/eventbridge.yaml").read_text())
    target = template["Resources"]["Pipe"]["Properties"]["TargetParameters"]
    assert target["InputTemplate"] == "<$.body>"
    assert target["EventBridgeEventBusParameters"]["Source"] == {"Ref": "EventSource"}
    envelope = {
        "Source": template["Parameters"]["EventSource"]["Default"],
        "DetailType": target["EventBridgeEventBusParameters"]["DetailType"],
    }
    deployed = addon(
        "eventbridge", change=lambda text: text.replace("AWS::Pipes::Pipe", "AWS::CloudFormation::WaitConditionHandle")
    )
    events, sqs = aws("events"), aws("sqs")
    seen = sqs.create_queue(QueueName="events")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=seen, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    pattern = {"source": [envelope["Source"]], "detail": {"ImageId": [image], "Outcome": ["COMPLETED"]}}
    events.put_rule(Name="announcements", EventPattern=json.dumps(pattern))
    events.put_targets(Rule="announcements", Targets=[{"Id": "queue", "Arn": arn}])

    workspaces.send({image: ["PENDING", "COMPLETED"]})
    for _ in range(2):
        stack.invoke(image)
    announcements = [one for one in Queue(sqs, deployed.outputs["QueueUrl"]).drain() if one["ImageId"] == image]
    assert [one["To"] for one in announcements] == ["PENDING", "COMPLETED"]
    for one in announcements:
        assert events.put_events(Entries=[{**envelope, "Detail": json.dumps(one)}])["FailedEntryCount"] == 0
    (event,) = next(filter(None, (Queue(sqs, seen).drain() for _ in until(30))))
    assert (event["detail-type"], event["detail"]) == ("WorkSpaces Image Import State Change", announcements[1])
    (alarm,) = aws("cloudwatch").describe_alarms(AlarmNamePrefix=f"{deployed.name}-")["MetricAlarms"]
    assert alarm["AlarmActions"] == [stack.outputs["AlarmTopicArn"]]


SLACK = {"SlackWorkspaceId": "T0123ABCD", "SlackChannelId": "C0123ABCD"}
UUID = "01234567-89ab-cdef-0123-456789abcdef"
TEAMS = {"TeamsTenantId": UUID, "TeamId": UUID, "TeamsChannelId": "19%3a0123456789abcdef%40thread.tacv2"}


def without_chatbot(template):
    """The template with another type in place of the channel configurations, which the emulator does not know."""
    for kind in ("Slack", "MicrosoftTeams"):
        name = f"AWS::Chatbot::{kind}ChannelConfiguration"
        assert name in template
        template = template.replace(name, "AWS::CloudFormation::WaitConditionHandle")
    return template


def test_the_channels_have_a_role_without_permissions(addon, aws):
    role = addon("chat", change=without_chatbot, **SLACK, **TEAMS).physical_id("ChannelRole")
    assert aws("iam").list_role_policies(RoleName=role)["PolicyNames"] == []
    assert aws("iam").list_attached_role_policies(RoleName=role)["AttachedPolicies"] == []


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        *(({name: value}, "Set both SlackWorkspaceId and SlackChannelId") for name, value in SLACK.items()),
        *(({name: value}, "Set all of TeamsTenantId, TeamId, and TeamsChannelId") for name, value in TEAMS.items()),
    ],
)
def test_parameters_that_do_not_fit_together_are_refused(deploy, parameters, message):
    topic = f"arn:aws:sns:{REGION}:000000000000:topic"
    with pytest.raises(botocore.exceptions.ClientError, match=message):
        deploy("refused", "addons/chat.yaml", change=without_chatbot, TopicArn=topic, **parameters)


def test_the_example_for_incidents_passes_on_failed_imports_only(stack, aws, track, workspaces, image):
    template = yaml_parse((ROOT / "examples/incidents.yaml").read_text())["Resources"]
    policies = [template[name]["Properties"]["FilterPolicy"] for name in ("PagerDutyImports", "JiraImports")]
    assert policies[0] == policies[1]
    incidents, completed = stack.queue(policies[0]), new_image()
    workspaces.send({image: ["PENDING", ERROR], completed: ["PENDING", "COMPLETED"]})
    output(track(image, completed, AcceptFailed=True))
    # Other tests have failed imports, too.
    assert {one["ImageId"]: one["To"] for one in incidents.drain()}[image] == "ERROR"
    assert all(one["Outcome"] == "FAILED" or one["Kind"] == "STALLED" for one in incidents.received)
    assert completed not in {one["ImageId"] for one in incidents.received}
