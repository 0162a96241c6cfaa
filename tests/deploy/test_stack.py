"""The deployed stack, used only through the services' own APIs."""

import json
import uuid

import botocore.exceptions
import jsonschema
import pytest

from conftest import REGION, ROOT, WAIT_SCALE, WATCHED, Queue, until

RESPONSE = jsonschema.Draft202012Validator(json.loads((ROOT / "tests/schema/response.schema.json").read_text()))
ERROR = {
    "State": "ERROR",
    "StateMessage": "The image could not be generalized.",
    "ErrorDetails": [
        {"ErrorCode": "SysprepFailed", "ErrorMessage": "Sysprep ended with an error."},
        {"ErrorCode": "DiskFull", "ErrorMessage": "No space is left."},
    ],
}


def output(end):
    """What an execution that succeeded put out."""
    assert end["status"] == "SUCCEEDED", f"{end.get('error')}: {end.get('cause')}"
    return json.loads(end["output"])


@pytest.fixture
def image():
    return new_image()


def new_image():
    return f"wsi-{uuid.uuid4().hex[:12]}"


@pytest.fixture
def track(stack):
    """Runs the workflow on images to its end."""

    def run(*images, **settings):
        imports = [{"ImageId": one} for one in images]
        return stack.run(stack.outputs["TrackImportsArn"], {"Imports": imports, **settings})

    return run


def test_an_import_is_tracked_to_its_completion(stack, workspaces, track, image):
    subscriber = stack.subscribe(image)
    workspaces.say({image: ["PENDING", "PENDING", {"State": "VALIDATING", "ProgressPercentage": 62}, "COMPLETED"]})
    end = track(image)
    response = output(end)
    RESPONSE.validate(response)
    assert (response["Status"], response["Completed"], response["Pending"]) == ("COMPLETED", 1, 0)
    record = response["Imports"][0]
    assert (record["ImageId"], record["State"], record["Outcome"]) == (image, "COMPLETED", "COMPLETED")
    assert record["Description"] == {"ImageId": image, "State": "COMPLETED"}
    states = stack.entered(end["executionArn"])
    assert states == ["Prepare", *["Check", "Settled", "Wait"] * 3, "Check", "Settled", "Completed"]
    announced = [f"{image}#1:PENDING", f"{image}#2:VALIDATING", f"{image}#3:COMPLETED"]
    assert subscriber.transitions() == announced


def test_imports_that_fail_are_named_with_their_first_error(stack, workspaces, track, image):
    vanished, completed = new_image(), new_image()
    workspaces.say({
        image: ["PENDING", ERROR],
        vanished: ["PENDING", "NOT_FOUND"],
        completed: ["PENDING", "COMPLETED"],
    })
    subscriber = stack.subscribe(vanished)
    end = track(image, vanished, completed)
    assert (end["status"], end["error"]) == ("FAILED", "ImportFailed")
    expected = f"2 of 3 failed: {image} ERROR (SysprepFailed: Sysprep ended with an error.); {vanished} NOT_FOUND"
    assert end["cause"] == expected
    assert subscriber.transitions() == [f"{vanished}#1:PENDING", f"{vanished}#2:NOT_FOUND"]


def test_failed_imports_are_accepted_where_asked_for(workspaces, track, image):
    workspaces.say({image: [ERROR]})
    end = track(image, AcceptFailed=True)
    response = output(end)
    RESPONSE.validate(response)
    assert (response["Status"], response["Failed"]) == ("FAILED", 1)
    assert response["Imports"][0]["Description"]["ErrorDetails"] == ERROR["ErrorDetails"]


def test_throttling_is_waited_out(stack, workspaces, track, image):
    # More than the function's own retries get over.
    workspaces.say({image: ["PENDING", {"Error": "ThrottlingException", "Times": 5}, "COMPLETED"]})
    end = track(image)
    output(end)
    details = (event.get("taskFailedEventDetails") for event in stack.history(end["executionArn"]))
    assert {detail["error"] for detail in details if detail} == {"WorkSpaces.ThrottlingException"}


@pytest.mark.parametrize(
    "code", ["InternalServerException", "InternalFailure", "ServiceUnavailable", "ThrottlingException"]
)
def test_what_lasts_ends_with_the_functions_error(stack, workspaces, image, code):
    """As the retries end, the error is that of the last one; here the retries are cut to one, for time's sake."""
    definition = json.loads(stack.definition("TrackImportsArn"))
    for retry in definition["States"]["Check"]["Retry"]:
        retry["MaxAttempts"] = 1
    machine = stack.create(definition)
    workspaces.say({image: [{"Error": code}]})
    end = stack.run(machine, {"Imports": [{"ImageId": image}]})
    assert (end["status"], end["error"]) == ("FAILED", f"WorkSpaces.{code}")
    assert end["cause"].startswith("The imports could not be checked: ")
    assert sum(event["type"] == "TaskFailed" for event in stack.history(end["executionArn"])) == 2


def test_a_missing_permission_ends_it_at_once(stack, workspaces, track, image):
    workspaces.say({image: [{"Error": "AccessDeniedException"}]})
    end = track(image)
    assert (end["status"], end["error"]) == ("FAILED", "WorkSpaces.AccessDeniedException")
    assert end["cause"].startswith("The function lacks a permission") and "The script says so." in end["cause"]
    assert stack.entered(end["executionArn"]) == ["Prepare", "Check", "Not allowed"]


def test_a_malformed_event_ends_it_with_what_is_wrong(stack):
    end = stack.run(stack.outputs["TrackImportsArn"], {"Imports": [{"ImageId": "ami-1"}]})
    assert (end["status"], end["error"]) == ("FAILED", "InvalidEvent")
    assert "Imports[0].ImageId" in end["cause"]


@pytest.mark.parametrize(("asked", "waited"), [(None, 300), (1, 30), (480, 480), (100_000, 3600), ("600", 600)])
def test_the_wait_is_the_callers_within_bounds(stack, workspaces, track, image, asked, waited):
    workspaces.say({image: ["PENDING", "COMPLETED"]})
    end = track(image, WaitSeconds=asked)
    output(end)
    begun, ended = (
        next(event["timestamp"] for event in stack.history(end["executionArn"]) if event["type"] == kind)
        for kind in ["WaitStateEntered", "WaitStateExited"]
    )
    seconds = (ended - begun).total_seconds() / WAIT_SCALE
    assert waited - 5 <= seconds <= waited + 120


def test_the_history_ends_before_aws_would_end_it(stack, workspaces, image):
    """The whole way is 2,766 rounds; this begins three rounds before the end."""
    definition = json.loads(stack.definition("TrackImportsArn"))
    definition["States"]["Prepare"]["Assign"]["EventCount"] = 24_900 - 2 * 9
    machine = stack.create(definition)
    workspaces.say({image: ["PENDING"]})
    end = stack.run(machine, {"Imports": [{"ImageId": image}], "WaitSeconds": 30})
    assert (end["status"], end["error"]) == ("FAILED", "TooManyRounds")
    assert f"{image} PENDING" in end["cause"]
    assert stack.entered(end["executionArn"]).count("Check") == 3


def test_a_call_that_imports_an_image_starts_the_workflow(stack, workspaces, aws, image):
    """Nobody may put events of the source aws.workspaces, so the rule is asked whether it takes CloudTrail's event as
    it is, and is then given that event under another source, which its pattern is changed to take."""
    events = aws("events")
    name = stack.physical_id("NewImportRule")
    event = json.loads((ROOT / "events/rules/cloudtrail-import.json").read_text())
    pattern = events.describe_rule(Name=name)["EventPattern"]

    def matches(event):
        return events.test_event_pattern(EventPattern=pattern, Event=json.dumps(event))["Result"]

    assert matches(event)
    for change in [{"errorCode": "AccessDeniedException"}, {"eventName": "CreateWorkspaceImage"}]:
        assert not matches({**event, "detail": {**event["detail"], **change}})

    event["detail"]["responseElements"]["imageId"] = image
    workspaces.say({image: ["PENDING", "COMPLETED"]})
    subscriber = stack.subscribe(image)
    events.put_rule(Name=name, EventPattern=json.dumps({**json.loads(pattern), "source": ["tests"]}), State="ENABLED")
    try:
        entry = {"Source": "tests", "DetailType": event["detail-type"], "Detail": json.dumps(event["detail"])}
        assert events.put_events(Entries=[entry])["FailedEntryCount"] == 0
        arn = next(filter(None, (stack.execution_of("TrackImportsArn", image) for _ in until(30))))
    finally:
        events.put_rule(Name=name, EventPattern=pattern, State="ENABLED")
    end = stack.wait(arn)
    assert output(end)["Imports"][0]["State"] == "COMPLETED"
    assert subscriber.transitions()[-1].endswith(":COMPLETED")


@pytest.fixture
def many(workspaces):
    """Four images: two that complete, one that fails, one that may not be described."""
    images = [new_image() for _ in range(4)]
    answers = [["PENDING", "COMPLETED"], ["COMPLETED"], ["PENDING", ERROR], [{"Error": "AccessDeniedException"}]]
    workspaces.say(dict(zip(images, answers, strict=True)))
    return images


def summed_up(images):
    """What track-many says of `many`, where each image is a batch by itself."""
    return {
        "Status": "FAILED",
        "Batches": 4,
        "Images": 4,
        "Completed": 2,
        "Failed": 1,
        "Untracked": 1,
        "FailedImages": [{"ImageId": images[2], "State": "ERROR", "Error": "SysprepFailed"}],
    }


def assert_summed_up(end, images):
    summary = output(end)
    (error,) = summary.pop("Errors")
    assert error["Error"] == "WorkSpaces.AccessDeniedException" and error["Cause"]
    assert summary == summed_up(images)


def test_many_imports_come_as_a_list(stack, many):
    event = {"Imports": [many[0], {"ImageId": many[1]}, *many[2:]], "WaitSeconds": 30}
    assert_summed_up(stack.run(stack.outputs["TrackManyArn"], event), many)


@pytest.mark.parametrize(
    ("which", "status"), [(slice(2), "COMPLETED"), (slice(2, 3), "FAILED"), (slice(3, 4), "FAILED")]
)
def test_many_are_completed_when_each_is(stack, many, which, status):
    end = stack.run(stack.outputs["TrackManyArn"], {"Imports": many[which]})
    assert output(end)["Status"] == status


def test_many_imports_come_as_an_object(stack, aws, bucket, many):
    """The emulator evaluates no JSONata in an ItemReader: the bucket and the key are written into a copy."""
    key = f"{uuid.uuid4()}.json"
    aws("s3").put_object(Bucket=bucket, Key=key, Body=json.dumps(many).encode())
    event = {"Bucket": bucket, "Key": key}
    definition = json.loads(stack.definition("TrackManyArn"))
    arguments = definition["States"]["Object"]["ItemReader"]["Arguments"]
    assert arguments == {name: f"{{% $states.input.{name} %}}" for name in event}
    arguments.update(event)
    assert_summed_up(stack.run(stack.create(definition), event), many)


@pytest.mark.parametrize("kind", ["List", "Object"])
def test_a_batch_is_one_execution(stack, many, kind):
    """The emulator makes no batches: a child is run as a state machine, with the input that AWS would give it."""
    child = json.loads(stack.definition("TrackManyArn"))["States"][kind]["ItemProcessor"]
    del child["ProcessorConfig"]
    machine = stack.create({"QueryLanguage": "JSONata", **child})
    end = stack.run(machine, {"Items": [many[0], {"ImageId": many[1]}, many[2]], "BatchInput": {"WaitSeconds": 40}})
    failed = [{"ImageId": many[2], "State": "ERROR", "Error": "SysprepFailed"}]
    assert output(end) == {"Images": 3, "Completed": 2, "Failed": 1, "FailedImages": failed}
    inner = stack.states.describe_execution(executionArn=stack.execution_of("TrackImportsArn", many[0]))
    assert [record["ImageId"] for record in json.loads(inner["input"])["Imports"]] == many[:3]
    assert json.loads(inner["input"])["WaitSeconds"] == 40


def test_a_list_that_is_none_is_refused(stack):
    for event in [{}, {"Imports": "wsi-0a1b2c3d4"}, {"Bucket": "artifacts"}]:
        end = stack.run(stack.outputs["TrackManyArn"], event)
        assert (end["status"], end["error"]) == ("FAILED", "InvalidInput")


def test_with_the_defaults_the_payload_is_the_memory(deploy, workspaces, image):
    """Nor are there a rule, a ledger or a schedule that fires."""
    stack = deploy("defaults")
    assert "LedgerTable" not in stack.outputs
    (schedule,) = [one for one in stack.aws("scheduler").list_schedules()["Schedules"] if "defaults-" in one["Name"]]
    assert schedule["State"] == "DISABLED"
    with pytest.raises(botocore.exceptions.ClientError):
        stack.physical_id("NewImportRule")
    subscriber = stack.subscribe(image)
    workspaces.say({image: ["PENDING", "PENDING", "COMPLETED"]})
    output(stack.run(stack.outputs["TrackImportsArn"], {"Imports": [{"ImageId": image}]}))
    assert subscriber.transitions() == [f"{image}#1:PENDING", f"{image}#2:COMPLETED"]


def test_the_topic_may_be_fifo_and_encrypted(deploy, aws):
    """The emulator's CloudFormation makes a standard topic of it, without the key; the next test has a real one."""
    stack = deploy("fifo", TopicType="fifo", TopicEncryption="customer-managed-key")
    assert stack.outputs["TopicArn"].endswith(":fifo-Topic.fifo")
    key = stack.physical_id("TopicKey")
    assert aws("kms").describe_key(KeyId=key)["KeyMetadata"]["KeyState"] == "Enabled"
    assert aws("kms").get_key_rotation_status(KeyId=key)["KeyRotationEnabled"]


@pytest.mark.parametrize("kind", ["standard", "fifo"])
def test_the_topic_may_be_there_already(deploy, workspaces, image, aws, kind):
    fifo = {"Name": "there-already.fifo", "Attributes": {"FifoTopic": "true"}}
    topic = aws("sns").create_topic(**fifo if kind == "fifo" else {"Name": "there-already"})["TopicArn"]
    alarms_topic = aws("sns").create_topic(Name="alarms")["TopicArn"]
    stack = deploy(f"existing-{kind}", TopicArn=topic, TopicType=kind, AlarmTopicArn=alarms_topic)
    assert stack.outputs["TopicArn"] == topic
    alarms = aws("cloudwatch").describe_alarms(AlarmNamePrefix=f"existing-{kind}-")["MetricAlarms"]
    assert alarms and all(alarm["AlarmActions"] == [alarms_topic] for alarm in alarms)
    subscriber = stack.subscribe(image)
    workspaces.say({image: ["PENDING", "COMPLETED"]})
    output(stack.run(stack.outputs["TrackImportsArn"], {"Imports": [{"ImageId": image}]}))
    assert subscriber.transitions() == [f"{image}#1:PENDING", f"{image}#2:COMPLETED"]


def test_email_from_a_fifo_topic_is_refused(deploy):
    with pytest.raises(botocore.exceptions.ClientError, match="SNS sends no email from a FIFO topic"):
        deploy("refused", TopicType="fifo", Email="someone@example.com")


def test_an_event_that_fails_is_handed_over(stack):
    """Asynchronously, as the schedule and rules invoke."""
    event = {"Imports": "wsi-0a1b2c3d4"}
    function, name = stack.aws("lambda"), stack.outputs["FunctionName"]
    settings = function.get_function_event_invoke_config(FunctionName=name, Qualifier="$LATEST")
    assert settings["MaximumRetryAttempts"] == 1
    function.invoke(FunctionName=name, InvocationType="Event", Payload=json.dumps(event))
    letters = Queue(stack.aws("sqs"), stack.outputs["DeadLetterQueueUrl"])
    letter = next(letter for _ in until(60) for letter in letters.drain())
    assert letter["requestPayload"] == event
    assert letter["responsePayload"]["errorType"] == "InvalidEvent"


def test_the_schedule_announces_a_state_once(stack, workspaces):
    """The last one: it waits for two ticks of a minute each, counted from the deployment."""
    for _ in until(170):
        if workspaces.say(WATCHED)["calls"] >= 2:
            break
    else:
        raise AssertionError("the schedule did not fire twice")
    # What the second tick says would be here in no time.
    for _ in until(2):
        stack.watcher.drain()
    assert stack.watcher.transitions() == [f"{WATCHED}#1:VALIDATING"]
    message = stack.watcher.received[0]
    assert (message["Region"], message["From"], message["Description"]["ProgressPercentage"]) == (REGION, None, 62)
    ledger = stack.aws("dynamodb").get_item(TableName=stack.outputs["LedgerTable"], Key={"ImageId": {"S": WATCHED}})
    assert (ledger["Item"]["State"], ledger["Item"]["Sequence"]) == ({"S": "VALIDATING"}, {"N": "1"})


def test_nothing_was_left_over(stack):
    attributes = stack.aws("sqs").get_queue_attributes(
        QueueUrl=stack.outputs["DeadLetterQueueUrl"], AttributeNames=["ApproximateNumberOfMessages"]
    )
    assert attributes["Attributes"]["ApproximateNumberOfMessages"] == "0"
