"""Tests of the deployed stack. They use only the APIs of the services."""

import itertools
import json
import re
import uuid

import botocore.exceptions
import jsonschema
import pytest

from conftest import IMAGES, MOCKED, MOCKED_ERRORS, REGION, ROOT, WAIT_SCALE, WATCHED, Queue, new_image, until

RESPONSE = jsonschema.Draft202012Validator(json.loads((ROOT / "docs/schema/response.schema.json").read_text()))
ERROR = {
    "State": "ERROR",
    "StateMessage": "The image could not be generalized.",
    "ErrorDetails": [
        {"ErrorCode": "SysprepFailed", "ErrorMessage": "Sysprep ended with an error."},
        {"ErrorCode": "DiskFull", "ErrorMessage": "No space is left."},
    ],
}


def output(end):
    """The output of an execution that must have succeeded."""
    assert end["status"] == "SUCCEEDED", f"{end.get('error')}: {end.get('cause')}"
    return json.loads(end["output"])


def entered(event):
    """The name of the state that was entered in an event of a history, or None."""
    return event.get("stateEnteredEventDetails", {}).get("name")


@pytest.fixture(scope="module")
def mocked(stack):
    """Runs a copy of TrackImports on an image, with the mocked errors of a test case. It waits a second after each."""
    definition = json.loads(stack.definition("TrackImportsArn"))
    definition["States"]["Check"]["Catch"][0]["Assign"]["Pause"] = 1
    machine = stack.create(definition, MOCKED)
    return lambda case, image: stack.run(f"{machine}#{case}", {"Imports": [{"ImageId": image}]})


@pytest.fixture
def track(stack):
    """Runs TrackImports on images and waits until it has ended."""

    def run(*images, **settings):
        imports = [{"ImageId": one} for one in images]
        return stack.run(stack.outputs["TrackImportsArn"], {"Imports": imports, **settings})

    return run


def test_an_import_is_tracked_until_it_is_complete(stack, workspaces, track, image):
    subscriber = stack.subscribe(image)
    workspaces.send({image: ["PENDING", "PENDING", {"State": "VALIDATING", "ProgressPercentage": 62}, "COMPLETED"]})
    end = track(image)
    response = output(end)
    RESPONSE.validate(response)
    assert (response["Status"], response["Completed"], response["Pending"]) == ("COMPLETED", 1, 0)
    record = response["Imports"][0]
    assert (record["ImageId"], record["State"], record["Outcome"]) == (image, "COMPLETED", "COMPLETED")
    assert record["Description"] == {"ImageId": image, "State": "COMPLETED"}
    states = stack.entered(end["executionArn"])
    rounds = ["Check", "Settled", "Wait"] * 3
    assert states == ["Read input", "Prepare", *rounds, "Check", "Settled", "Completed"]
    announced = [f"{image}#1:PENDING", f"{image}#2:VALIDATING", f"{image}#3:COMPLETED"]
    assert subscriber.transitions() == announced


def test_the_cause_names_failed_imports_and_their_errors(stack, workspaces, track, image):
    vanished, completed = new_image(), new_image()
    workspaces.send({
        image: ["PENDING", ERROR],
        vanished: ["PENDING", "NOT_FOUND"],
        completed: ["PENDING", "COMPLETED"],
    })
    subscriber = stack.subscribe(vanished)
    end = track(image, vanished, completed)
    assert (end["status"], end["error"]) == ("FAILED", "ImportFailed")
    failed = f"{image} ERROR (SysprepFailed: Sysprep ended with an error.), also DiskFull; {vanished} NOT_FOUND"
    assert end["cause"] == f"2 of 3 imports failed: {failed}"
    assert subscriber.transitions() == [f"{vanished}#1:PENDING", f"{vanished}#2:NOT_FOUND"]


def test_failed_imports_are_accepted_if_requested(workspaces, track, image):
    workspaces.send({image: [ERROR]})
    end = track(image, AcceptFailed=True)
    response = output(end)
    RESPONSE.validate(response)
    assert (response["Status"], response["Failed"]) == ("FAILED", 1)
    assert response["Imports"][0]["Description"]["ErrorDetails"] == ERROR["ErrorDetails"]


def test_checks_with_temporary_errors_are_retried(stack, workspaces, track, image):
    # The function does not retry this error by itself.
    workspaces.send({image: ["PENDING", {"Error": "ExpiredTokenException", "Times": 2}, "COMPLETED"]})
    end = track(image)
    output(end)
    details = (event.get("taskFailedEventDetails") for event in stack.history(end["executionArn"]))
    assert {detail["error"] for detail in details if detail} == {"WorkSpaces.ExpiredTokenException"}


def waits(history):
    """How many seconds each wait took, without the emulator's scale."""
    pairs = [pair for pair in itertools.pairwise(history) if pair[1]["type"] == "WaitStateExited"]
    return [(ended["timestamp"] - begun["timestamp"]).total_seconds() / WAIT_SCALE for begun, ended in pairs]


def test_an_hours_outage_only_delays_the_next_check(stack, workspaces, image):
    """The outage of WorkSpaces lasts until the execution has waited for an hour, which takes 3.6 seconds here."""
    workspaces.send({image: ["PENDING", {"Error": "ServiceUnavailable"}]})
    subscriber = stack.subscribe(image)
    execution = stack.start(stack.outputs["TrackImportsArn"], {"Imports": [{"ImageId": image}]})
    next(True for _ in until(60) if sum(waits(stack.history(execution))[1:]) >= 3600)
    workspaces.send({image: ["VALIDATING"] * 3 + ["COMPLETED"]})
    response = output(stack.wait(execution))
    assert (response["Status"], response["Imports"][0]["Sequence"]) == ("COMPLETED", 3)
    assert subscriber.transitions() == [f"{image}#1:PENDING", f"{image}#2:VALIDATING", f"{image}#3:COMPLETED"]

    # The outage began after the first check and ended before the last four. All checks from the second one to the one
    # that succeeded had the response of the first check as their payload.
    history = stack.history(execution)
    checks = [json.loads(event["stateEnteredEventDetails"]["input"]) for event in history if entered(event) == "Check"]
    assert (checks[1]["Imports"][0]["State"], checks[1]["Imports"][0]["Sequence"]) == ("PENDING", 1)
    assert all(check == checks[1] for check in checks[2:-3])
    assert all(check["Imports"][0]["State"] == "VALIDATING" for check in checks[-3:])
    # The waits double up to 15 minutes, and up to half of each is left out. Then, they are five minutes again. The
    # emulator adds some time to each wait.
    usual, *others = waits(history)
    longer, last = others[:-3], others[-3:]
    assert 300 <= usual <= 500 and len(longer) >= 3
    assert all(waited >= least for waited, least in zip(longer, [150, 300, *[450] * len(longer)], strict=False))
    assert 300 <= min(last) < 450
    # Each failed check made four attempts. The check that succeeded may have needed some, too.
    errors = [event["taskFailedEventDetails"]["error"] for event in history if event["type"] == "TaskFailed"]
    assert set(errors) == {"WorkSpaces.ServiceUnavailable"} and len(errors) // 4 == len(longer)


def test_every_temporary_error_is_caught(stack, workspaces, mocked, image):
    workspaces.send({image: ["COMPLETED"]})
    end = mocked("temporary", image)
    assert output(end)["Status"] == "COMPLETED"
    details = (event.get("taskFailedEventDetails") for event in stack.history(end["executionArn"]))
    errors = MOCKED_ERRORS["temporary"]["Check"]
    assert [detail["error"] for detail in details if detail] == [error for error in errors for _ in range(4)]
    rounds = ["Check", "Settled", "Wait"] * len(errors)
    assert stack.entered(end["executionArn"]) == ["Read input", "Prepare", *rounds, "Check", "Settled", "Completed"]


def assert_redrivable(stack, end, state, error, attempts):
    """Asserts what a redrive needs to repeat the state, and returns the input that it would repeat it with.

    The emulator cannot redrive. According to AWS's documentation, a redrive schedules the task that failed again, with
    the same input, if the execution has failed and its history has fewer than 24,999 events. If the error was caught,
    the redrive would continue with the state to which it led.
    https://docs.aws.amazon.com/step-functions/latest/dg/redrive-executions.html
    """
    history = stack.history(end["executionArn"])
    assert (end["status"], end["error"]) == ("FAILED", error)
    last = [event["type"] for event in history][-1 - 2 * attempts - 1 :]
    assert last == ["TaskStateEntered", *["TaskScheduled", "TaskFailed"] * attempts, "ExecutionFailed"]
    begun = history[-len(last)]
    assert entered(begun) == state and len(history) < 24_999
    return json.loads(begun["stateEnteredEventDetails"]["input"])


def test_a_permission_that_comes_back_continues_with_the_last_payload(stack, workspaces, track, image):
    workspaces.send({image: ["PENDING", "VALIDATING", {"Error": "AccessDeniedException"}]})
    subscriber = stack.subscribe(image)
    end = track(image)
    assert "The script says so." in end["cause"]
    assert stack.entered(end["executionArn"])[-3:] == ["Settled", "Wait", "Check"]
    payload = assert_redrivable(stack, end, "Check", "WorkSpaces.AccessDeniedException", attempts=1)
    assert (payload["Imports"][0]["State"], payload["Imports"][0]["Sequence"]) == ("VALIDATING", 2)
    # The permission is back, and the check is repeated with the same payload.
    workspaces.send({image: ["COMPLETED"]})
    assert output(stack.run(stack.outputs["TrackImportsArn"], payload))["Status"] == "COMPLETED"
    assert subscriber.transitions() == [f"{image}#1:PENDING", f"{image}#2:VALIDATING", f"{image}#3:COMPLETED"]


def test_a_missing_permission_ends_the_execution_at_once(stack, workspaces, track, image):
    workspaces.send({image: [{"Error": "AccessDeniedException"}]})
    end = track(image)
    assert "The script says so." in end["cause"]
    assert_redrivable(stack, end, "Check", "WorkSpaces.AccessDeniedException", attempts=1)
    assert stack.entered(end["executionArn"]) == ["Read input", "Prepare", "Check"]


@pytest.mark.parametrize(("case", "attempts"), [("permanent", 1), ("too-large", 1), ("unknown", 4)])
def test_all_other_errors_fail_the_check(stack, mocked, image, case, attempts):
    (error,) = MOCKED_ERRORS[case]["Check"]
    end = mocked(case, image)
    payload = assert_redrivable(stack, end, "Check", error, attempts)
    assert payload["Imports"] == [{"ImageId": image}]


def test_a_missing_permission_to_invoke_the_function_fails_a_state_that_can_be_redriven(stack, mocked, image):
    end = mocked("denied", image)
    payload = assert_redrivable(stack, end, "Check again", "Lambda.AWSLambdaException", attempts=4)
    assert payload["Imports"] == [{"ImageId": image}]
    assert stack.entered(end["executionArn"]) == ["Read input", "Prepare", "Check", "Settled", "Check again"]


def test_a_permission_to_invoke_the_function_that_is_back_continues(stack, workspaces, mocked, image):
    workspaces.send({image: ["PENDING", "COMPLETED"]})
    end = mocked("denied-once", image)
    assert output(end)["Status"] == "COMPLETED"
    states = stack.entered(end["executionArn"])
    assert states[2:] == ["Check", "Settled", "Check again", "Settled", "Wait", "Check", "Settled", "Completed"]


def test_the_cause_names_what_is_invalid_in_an_event(stack):
    end = stack.run(stack.outputs["TrackImportsArn"], {"Imports": [{"ImageId": "ami-1"}]})
    assert (end["status"], end["error"]) == ("FAILED", "InvalidEvent")
    assert "Imports[0].ImageId" in end["cause"]


@pytest.mark.parametrize("machine", ["TrackImportsArn", "TrackManyArn"])
@pytest.mark.parametrize("invalid", ["abc", "", []])
def test_a_wait_that_is_not_a_number_fails_at_once(stack, image, machine, invalid):
    end = stack.run(stack.outputs[machine], {"Imports": [{"ImageId": image}], "WaitSeconds": invalid})
    assert (end["status"], end["error"]) == ("FAILED", "InvalidInput")
    assert end["cause"] == "WaitSeconds must be a number of seconds, such as 300."
    assert len(stack.entered(end["executionArn"])) == 2
    if machine == "TrackManyArn":
        assert stack.execution_of("TrackImportsArn", image) is None


@pytest.mark.parametrize(("requested", "waited"), [(None, 300), (1, 30), (480, 480), (100_000, 3600), ("600", 600)])
def test_the_caller_sets_the_wait_within_limits(stack, workspaces, track, image, requested, waited):
    workspaces.send({image: ["PENDING", "COMPLETED"]})
    end = track(image, WaitSeconds=requested)
    output(end)
    (seconds,) = waits(stack.history(end["executionArn"]))
    assert waited - 5 <= seconds <= waited + 120


def test_the_execution_ends_before_its_history_is_full(stack, workspaces, image):
    """The history has room for 2,666 rounds. This test starts three rounds before the end."""
    definition = json.loads(stack.definition("TrackImportsArn"))
    definition["States"]["Prepare"]["Assign"]["EventCount"] = 24_000 - 2 * 9
    machine = stack.create(definition)
    workspaces.send({image: ["PENDING"]})
    end = stack.run(machine, {"Imports": [{"ImageId": image}], "WaitSeconds": 30})
    assert (end["status"], end["error"]) == ("FAILED", "NotSettled")
    cause = f"1 of 1 imports had not settled when the history of the execution was full: {image} PENDING. "
    assert end["cause"].startswith(cause)
    assert stack.entered(end["executionArn"]).count("Check") == 3


def short(stack):
    """TrackImports with a time limit of 33 seconds in place of 3 days. Here, this is time for waits of 30 seconds.

    The emulator shortens the waits, but not the clock that the limit is compared with. The limit is therefore reached
    after 3 seconds, which is many rounds.
    """
    return json.loads(stack.definition("TrackImportsArn").replace("1000 * 259200", "1000 * 33"))


@pytest.fixture
def hanging(workspaces, image):
    """An image that stays in the state VALIDATING, and one that completes at once."""
    completed = new_image()
    workspaces.send({image: ["VALIDATING"], completed: ["COMPLETED"]})
    return [image, completed]


def test_the_execution_ends_after_three_days(stack, workspaces, hanging):
    machine = stack.create(short(stack))
    end = stack.run(machine, {"Imports": [{"ImageId": image} for image in hanging], "WaitSeconds": 30})
    assert (end["status"], end["error"]) == ("FAILED", "NotSettled")
    cause = f"1 of 2 imports had not settled after 3 days: {hanging[0]} VALIDATING. To continue, "
    assert end["cause"].startswith(cause)
    states = stack.entered(end["executionArn"])
    assert states.count("Check") > 3 and states[-3:] == ["Settled", "Out of time", "Not settled"]
    # A new execution continues with the input of the last state.
    (last,) = (event for event in stack.history(end["executionArn"]) if entered(event) == "Not settled")
    payload = json.loads(last["stateEnteredEventDetails"]["input"])
    workspaces.send({hanging[0]: ["COMPLETED"]})
    assert output(stack.run(machine, payload))["Completed"] == 2


def test_imports_that_have_not_settled_after_three_days_are_accepted_if_requested(stack, hanging):
    imports = [{"ImageId": image} for image in hanging]
    end = stack.run(stack.create(short(stack)), {"Imports": imports, "WaitSeconds": 30, "AcceptFailed": True})
    response = output(end)
    RESPONSE.validate(response)
    assert (response["Status"], response["Pending"], response["Completed"]) == ("PENDING", 1, 1)
    assert stack.entered(end["executionArn"])[-3:] == ["Settled", "Out of time", "Completed"]


@pytest.mark.parametrize(
    "code", ["InternalServerException", "InternalFailure", "ServiceUnavailable", "ThrottlingException"]
)
def test_an_error_that_remains_for_three_days_ends_the_execution(stack, workspaces, image, code):
    """There is no response to accept. This test allows no retries, to save time. The function itself retries for seconds."""
    definition = short(stack)
    definition["States"]["Check"]["Retry"][1]["MaxAttempts"] = 0
    machine = stack.create(definition)
    workspaces.send({image: [{"Error": code}]})
    event = {"Imports": [{"ImageId": image}], "WaitSeconds": 30, "AcceptFailed": True}
    end = stack.run(machine, event, limit=150)
    assert (end["status"], end["error"]) == ("FAILED", "NotSettled")
    states = stack.entered(end["executionArn"])
    assert states[-3:] == ["Settled", "Out of time", "Not settled"]
    checks = states.count("Check")
    assert end["cause"].startswith(
        f"1 of 1 imports had not settled after 3 days: {image}. Checks that failed since the last response: {checks}. "
        f"The last error is WorkSpaces.{code} ("
    )


def test_a_new_import_starts_the_workflow(stack, workspaces, aws, image):
    """Tests the rule's pattern with the real CloudTrail event, and its target with the same event of another source.

    PutEvents refuses events of the source aws.workspaces, so the test changes the pattern to match its own source.
    """
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
    assert output(end)["Imports"][0]["State"] == "COMPLETED"
    assert subscriber.transitions()[-1].endswith(":COMPLETED")


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


def test_track_many_reads_a_list_from_its_input(stack, many):
    event = {"Imports": [many[0], {"ImageId": many[1]}, *many[2:]], "WaitSeconds": 30}
    assert_summary(stack.run(stack.track_many, event), many)


@pytest.mark.parametrize(
    ("which", "status"), [(slice(2), "COMPLETED"), (slice(2, 3), "FAILED"), (slice(3, 4), "FAILED")]
)
def test_track_many_completes_if_all_imports_do(stack, many, which, status):
    end = stack.run(stack.track_many, {"Imports": many[which]})
    assert output(end)["Status"] == status


def test_track_many_reads_a_list_from_s3(stack, aws, bucket, many):
    """Uses a copy with a fixed bucket and key, because the emulator does not evaluate JSONata in an ItemReader."""
    key = f"{uuid.uuid4()}.json"
    aws("s3").put_object(Bucket=bucket, Key=key, Body=json.dumps(many).encode())
    event = {"Bucket": bucket, "Key": key}
    definition = stack.track_many_definition()
    arguments = definition["States"]["Object"]["ItemReader"]["Arguments"]
    assert arguments == {name: f"{{% $states.input.{name} %}}" for name in event}
    arguments.update(event)
    assert_summary(stack.run(stack.create(definition), event), many)


@pytest.mark.parametrize("kind", ["List", "Object"])
def test_a_batch_is_one_execution(stack, many, kind):
    """Runs the child as its own state machine with a batch as input, because the emulator does not create batches."""
    child = json.loads(stack.definition("TrackManyArn"))["States"][kind]["ItemProcessor"]
    del child["ProcessorConfig"]
    machine = stack.create({"QueryLanguage": "JSONata", **child})
    end = stack.run(machine, {"Items": [many[0], {"ImageId": many[1]}, many[2]], "BatchInput": {"WaitSeconds": 40}})
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
    assert json.loads(inner["input"])["WaitSeconds"] == 40


def test_an_image_that_hangs_leaves_the_others_of_its_batch_settled(stack, hanging):
    machine = stack.create(short(stack))
    child = json.loads(stack.definition("TrackManyArn"))["States"]["List"]["ItemProcessor"]
    del child["ProcessorConfig"]
    child["States"]["Track batch from list"]["Arguments"]["StateMachineArn"] = machine
    batch = output(stack.run(stack.create({"QueryLanguage": "JSONata", **child}), {"Items": hanging}))
    assert (batch["Images"], batch["Completed"], batch["Pending"]) == (2, 1, 1)

    definition = stack.track_many_definition()
    track = definition["States"]["List"]["ItemProcessor"]["States"]["Track batch from list"]
    track["Arguments"]["StateMachineArn"] = machine
    assert output(stack.run(stack.create(definition), {"Imports": hanging})) == {
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


def test_images_of_a_stopped_execution_are_untracked(stack, hanging):
    execution = stack.start(stack.track_many, {"Imports": hanging})
    batch = next(filter(None, (stack.execution_of("TrackImportsArn", hanging[0]) for _ in until(30))))
    stack.states.stop_execution(executionArn=batch)
    summary = output(stack.wait(execution))
    assert (summary["Status"], summary["Images"], summary["Completed"], summary["Untracked"]) == ("FAILED", 2, 1, 1)
    assert len(summary["Errors"]) == 1


def test_images_of_batches_without_a_result_are_untracked(stack, many):
    """A Fail state takes the place of the batches of two images, like an error that States.ALL does not catch."""
    definition = stack.track_many_definition()
    child = definition["States"]["List"]["ItemProcessor"]
    condition = f"{{% $states.input in {json.dumps(many[2:])} %}}"
    child["States"]["Start"] = {
        "Type": "Choice",
        "Choices": [{"Condition": condition, "Next": "Break"}],
        "Default": child["StartAt"],
    }
    child["States"]["Break"] = {"Type": "Fail", "Error": "States.DataLimitExceeded"}
    child["StartAt"] = "Start"
    summary = output(stack.run(stack.create(definition), {"Imports": many}))
    assert (summary["Status"], summary["Batches"], summary["Images"]) == ("FAILED", 4, 4)
    assert (summary["Completed"], summary["Untracked"], len(summary["Errors"])) == (2, 2, 2)


def test_track_many_refuses_an_input_without_a_list(stack):
    for event in [{}, {"Imports": "wsi-0a1b2c3d4"}, {"Bucket": "artifacts"}]:
        end = stack.run(stack.track_many, event)
        assert (end["status"], end["error"]) == ("FAILED", "InvalidInput")


def test_the_workflow_in_the_documentation_works(stack, workspaces, image):
    text = (ROOT / "docs/integrations.md").read_text()
    blocks = re.findall(r"^```json\n(\{.*?^\})\n```$", text, re.DOTALL | re.MULTILINE)
    (workflow,) = (json.loads(block) for block in blocks if '"StartAt"' in block)
    function = stack.physical_id("Function")
    arn = stack.aws("lambda").get_function(FunctionName=function)["Configuration"]["FunctionArn"]
    assert workflow["States"]["Check"]["Arguments"]["FunctionName"] == "FUNCTION_ARN"
    workflow["States"]["Check"]["Arguments"]["FunctionName"] = arn
    workspaces.send({image: ["PENDING", {"Error": "ServiceUnavailable", "Times": 4}, "COMPLETED"]})
    end = stack.run(stack.create(workflow), {"Imports": [{"ImageId": image}]})
    assert output(end)["Imports"][0]["Sequence"] == 2
    checks = ["Check", "AllSettled", "Wait", "Check", "WaitLonger", "Check", "AllSettled", "Completed"]
    assert stack.entered(end["executionArn"]) == checks


def test_a_stack_without_discovery_works_without_a_ledger(deploy, workspaces, image):
    """It has no rule and no ledger, and its schedule is off."""
    stack = deploy("quiet", Discover="false")
    assert "LedgerTable" not in stack.outputs
    (schedule,) = [one for one in stack.aws("scheduler").list_schedules()["Schedules"] if "quiet-" in one["Name"]]
    assert schedule["State"] == "DISABLED"
    with pytest.raises(botocore.exceptions.ClientError):
        stack.physical_id("NewImportRule")
    subscriber = stack.subscribe(image)
    workspaces.send({image: ["PENDING", "PENDING", "COMPLETED"]})
    output(stack.run(stack.outputs["TrackImportsArn"], {"Imports": [{"ImageId": image}]}))
    assert subscriber.transitions() == [f"{image}#1:PENDING", f"{image}#2:COMPLETED"]


def test_the_topic_can_be_fifo_and_encrypted(deploy, aws):
    """The emulator's CloudFormation creates a standard topic without a key. The next test uses a real FIFO topic."""
    stack = deploy("fifo", TopicType="fifo", TopicEncryption="customer-managed-key")
    assert stack.outputs["TopicArn"].endswith(":fifo-Topic.fifo")
    key = stack.physical_id("TopicKey")
    assert aws("kms").describe_key(KeyId=key)["KeyMetadata"]["KeyState"] == "Enabled"
    assert aws("kms").get_key_rotation_status(KeyId=key)["KeyRotationEnabled"]


@pytest.mark.parametrize("kind", ["standard", "fifo"])
def test_the_topic_can_exist_already(deploy, workspaces, image, aws, kind):
    fifo = {"Name": "existing.fifo", "Attributes": {"FifoTopic": "true"}}
    topic = aws("sns").create_topic(**fifo if kind == "fifo" else {"Name": "existing"})["TopicArn"]
    alarms_topic = aws("sns").create_topic(Name="alarms")["TopicArn"]
    stack = deploy(f"existing-{kind}", TopicArn=topic, TopicType=kind, AlarmTopicArn=alarms_topic)
    assert stack.outputs["TopicArn"] == topic
    alarms = aws("cloudwatch").describe_alarms(AlarmNamePrefix=f"existing-{kind}-")["MetricAlarms"]
    assert alarms and all(alarm["AlarmActions"] == [alarms_topic] for alarm in alarms)
    assert [alarm["OKActions"] for alarm in alarms].count([alarms_topic]) == len(alarms) - 2
    subscriber = stack.subscribe(image)
    workspaces.send({image: ["PENDING", "COMPLETED"]})
    output(stack.run(stack.outputs["TrackImportsArn"], {"Imports": [{"ImageId": image}]}))
    assert subscriber.transitions() == [f"{image}#1:PENDING", f"{image}#2:COMPLETED"]


SLACK = {"SlackWorkspaceId": "T0123ABCD", "SlackChannelId": "C0123ABCD"}


def without_chatbot(template):
    """The template with another type in place of the channel configuration, which the emulator does not know."""
    return template.replace("AWS::Chatbot::SlackChannelConfiguration", "AWS::CloudFormation::WaitConditionHandle")


@pytest.mark.parametrize(("parameters", "chat"), [({}, "false"), (SLACK, "true")])
def test_a_slack_channel_turns_chat_on(deploy, aws, parameters, chat):
    stack = deploy(f"chat-{chat}", change=without_chatbot, **parameters)
    settings = aws("lambda").get_function_configuration(FunctionName=stack.outputs["FunctionName"])
    assert settings["Environment"]["Variables"]["CHAT"] == chat
    if chat == "true":
        role = stack.physical_id("SlackChannelRole")
        assert aws("iam").list_role_policies(RoleName=role)["PolicyNames"] == []
        assert aws("iam").list_attached_role_policies(RoleName=role)["AttachedPolicies"] == []


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"TopicType": "fifo", "Email": "someone@example.com"}, "FIFO topics do not support email"),
        ({"TopicType": "fifo", **SLACK}, "FIFO topics do not support Slack"),
        *(({name: value}, "Set both SlackWorkspaceId and SlackChannelId") for name, value in SLACK.items()),
    ],
)
def test_parameters_that_do_not_fit_together_are_refused(deploy, parameters, message):
    with pytest.raises(botocore.exceptions.ClientError, match=message):
        deploy("refused", change=without_chatbot, **parameters)


def test_a_failed_event_goes_to_the_dead_letter_queue(stack):
    """Invokes the function asynchronously, as the schedule and rules do."""
    event = {"Imports": "wsi-0a1b2c3d4"}
    function, name = stack.aws("lambda"), stack.outputs["FunctionName"]
    settings = function.get_function_event_invoke_config(FunctionName=name, Qualifier="$LATEST")
    assert settings["MaximumRetryAttempts"] == 1
    function.invoke(FunctionName=name, InvocationType="Event", Payload=json.dumps(event))
    queue = Queue(stack.aws("sqs"), stack.outputs["DeadLetterQueueUrl"])
    message = next(message for _ in until(60) for message in queue.drain())
    assert message["requestPayload"] == event
    assert message["responsePayload"]["errorType"] == "InvalidEvent"


def test_the_schedule_announces_a_state_once(stack, workspaces):
    """Waits for two runs of the schedule, one minute apart. Runs late, so that the other tests use the waiting time."""
    for _ in until(170):
        if workspaces.send(WATCHED)["calls"] >= 2:
            break
    else:
        raise AssertionError("the schedule did not run twice")
    # An announcement of the second run would arrive within this time.
    for _ in until(2):
        stack.watcher.drain()
    assert stack.watcher.transitions() == [f"{WATCHED}#1:VALIDATING"]
    message = stack.watcher.received[0]
    assert (message["Region"], message["From"], message["Description"]["ProgressPercentage"]) == (REGION, None, 62)
    ledger = stack.aws("dynamodb").get_item(TableName=stack.outputs["LedgerTable"], Key={"ImageId": {"S": WATCHED}})
    assert (ledger["Item"]["State"], ledger["Item"]["Sequence"]) == ({"S": "VALIDATING"}, {"N": "1"})


def test_the_default_deployment_announces_an_import_that_nobody_registered(deploy, workspaces):
    """Sends what the schedule would send. Runs after the test of the schedule, because it describes its import, too."""
    # Otherwise, it would find the images of the other tests, and wait for those that are throttled.
    workspaces.send({image: ["COMPLETED"] for image in IMAGES})
    stack = deploy("defaults", Discover=None, Email="images@example.com")
    found = stack.aws("sns").list_subscriptions_by_topic(TopicArn=stack.outputs["TopicArn"])["Subscriptions"]
    assert [(one["Protocol"], one["Endpoint"]) for one in found] == [("email", "images@example.com")]
    image = new_image()
    subscriber = stack.subscribe(image)
    schedule = stack.schedule()
    event = json.loads(schedule["Target"]["Input"])
    assert (schedule["State"], event) == ("ENABLED", {"Discover": True})
    expected = []
    for number, state in enumerate(["PENDING", "VALIDATING", "COMPLETED"], 1):
        workspaces.send({image: [state]})
        expected.append(f"{image}#{number}:{state}")
        # The second check of each state finds nothing new.
        for _ in range(2):
            stack.handle(event)
            assert subscriber.transitions() == expected
    assert subscriber.received[-1]["Outcome"] == "COMPLETED"
    # Otherwise, the schedule could run during other tests.
    stack.delete()


def test_the_dead_letter_queue_is_empty_at_the_end(stack):
    attributes = stack.aws("sqs").get_queue_attributes(
        QueueUrl=stack.outputs["DeadLetterQueueUrl"], AttributeNames=["ApproximateNumberOfMessages"]
    )
    assert attributes["Attributes"]["ApproximateNumberOfMessages"] == "0"
