"""Tests of the deployed core stack. They use only the APIs of the services."""

import datetime
import json

import jsonschema
import pytest

from conftest import ATTEMPTS, IMAGES, MOCKED, MOCKED_ERRORS, REGION, ROOT, WATCHED, Queue, new_image, until

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


@pytest.fixture(scope="session")
def mocked(stack):
    """Starts a copy of TrackImports on an image, with the mocked errors of a test case."""
    machine = stack.create(json.loads(stack.definition("TrackImportsArn")), MOCKED)
    return lambda case, image, **event: stack.start(f"{machine}#{case}", {"Imports": [{"ImageId": image}], **event})


@pytest.fixture(scope="session", autouse=True)
def outage(mocked):
    """An execution during an outage that never ends. It starts first, because it takes some seconds."""
    image = new_image()
    # What the caller says about the imports is not what a check found.
    return mocked("outage", image, Status="COMPLETED", AcceptFailed=True), image


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
    assert states == ["Read input", *rounds, "Check", "Settled", "Completed"]
    announced = [f"{image}#1:PENDING", f"{image}#2:VALIDATING", f"{image}#3:COMPLETED"]
    assert subscriber.transitions() == announced


def test_the_cause_names_failed_imports_and_their_errors(stack, workspaces, track, image):
    vanished, completed = new_image(), new_image()
    workspaces.send({
        image: ["PENDING", ERROR],
        vanished: ["NOT_FOUND"],
        completed: ["PENDING", "COMPLETED"],
    })
    stack.lose(vanished)
    subscriber = stack.subscribe(vanished)
    end = track(image, vanished, completed)
    assert (end["status"], end["error"]) == ("FAILED", "ImportFailed")
    failed = f"{image} ERROR (SysprepFailed: Sysprep ended with an error.), also DiskFull; {vanished} NOT_FOUND"
    assert end["cause"] == f"2 of 3 imports failed: {failed}"
    assert subscriber.transitions() == [f"{vanished}#2:NOT_FOUND"]


def test_failed_imports_are_accepted_if_requested(workspaces, track, image):
    workspaces.send({image: [ERROR]})
    end = track(image, AcceptFailed=True)
    response = output(end)
    RESPONSE.validate(response)
    assert (response["Status"], response["Failed"]) == ("FAILED", 1)
    assert response["Imports"][0]["Description"]["ErrorDetails"] == ERROR["ErrorDetails"]


def assert_redrivable(stack, execution, error, attempts):
    """Asserts what a redrive needs to repeat the state Check, and returns the input that it would repeat it with.

    The emulator cannot redrive. According to AWS's documentation, a redrive schedules the task that failed again, with
    the same input, if the execution has failed and its history has fewer than 24,999 events. If the error was caught,
    the redrive would continue with the state to which it led.
    https://docs.aws.amazon.com/step-functions/latest/dg/redrive-executions.html
    """
    end, history = stack.wait(execution), stack.history(execution)
    assert (end["status"], end["error"]) == ("FAILED", error)
    last = [event["type"] for event in history][-1 - 2 * attempts - 1 :]
    assert last == ["TaskStateEntered", *["TaskScheduled", "TaskFailed"] * attempts, "ExecutionFailed"]
    begun = history[-len(last)]
    assert entered(begun) == "Check" and len(history) < 24_999
    return json.loads(begun["stateEnteredEventDetails"]["input"])


def test_an_outage_of_three_days_fails_the_check_so_that_it_can_be_redriven(stack, outage):
    """The caller's claim that everything has completed must not end it as a success."""
    execution, image = outage
    payload = assert_redrivable(stack, execution, "Lambda.TooManyRequestsException", ATTEMPTS)
    assert payload["Imports"] == [{"ImageId": image}]


def test_a_long_outage_only_delays_the_check(stack, workspaces, track, image):
    """Nothing but the names of permanent errors is known to the workflow."""
    # The function does not retry these errors by itself.
    errors = [{"Error": "ExpiredTokenException", "Times": 155}, {"Error": "NewException", "Times": 5}]
    workspaces.send({image: ["PENDING", *errors, "VALIDATING", "COMPLETED"]})
    subscriber = stack.subscribe(image)
    end = track(image)
    assert output(end)["Imports"][0]["Sequence"] == 3
    # Each announcement has gone out once, with the number that the payload before the outage asks for.
    assert subscriber.transitions() == [f"{image}#1:PENDING", f"{image}#2:VALIDATING", f"{image}#3:COMPLETED"]
    failed = [event for event in stack.history(end["executionArn"]) if event["type"] == "TaskFailed"]
    assert len(failed) == 160


def test_a_permission_that_comes_back_continues_with_the_last_payload(stack, workspaces, track, image):
    workspaces.send({image: ["PENDING", "VALIDATING", {"Error": "AccessDeniedException"}]})
    subscriber = stack.subscribe(image)
    end = track(image)
    assert "The script says so." in end["cause"]
    payload = assert_redrivable(stack, end["executionArn"], "WorkSpaces.AccessDeniedException", attempts=1)
    assert (payload["Imports"][0]["State"], payload["Imports"][0]["Sequence"]) == ("VALIDATING", 2)
    # The permission is back, and the check is repeated with the same payload.
    workspaces.send({image: ["COMPLETED"]})
    assert output(stack.run(stack.outputs["TrackImportsArn"], payload))["Status"] == "COMPLETED"
    assert subscriber.transitions() == [f"{image}#1:PENDING", f"{image}#2:VALIDATING", f"{image}#3:COMPLETED"]


PERMANENT = [case for case, (_, error, *_) in MOCKED_ERRORS.items() if case == error]


def test_errors_that_need_a_change_fail_the_check_at_once(stack, mocked, image):
    executions = {error: mocked(error, image) for error in PERMANENT}
    for error, execution in executions.items():
        assert_redrivable(stack, execution, error, attempts=1)


def test_the_cause_names_what_is_invalid_in_an_event(stack):
    end = stack.run(stack.outputs["TrackImportsArn"], {"Imports": [{"ImageId": "ami-1"}]})
    assert (end["status"], end["error"]) == ("FAILED", "InvalidEvent")
    assert "Imports[0].ImageId" in end["cause"]


@pytest.mark.parametrize("invalid", ["abc", "", []])
def test_a_wait_that_is_not_a_number_fails_at_once(stack, track, image, invalid):
    """tests/expressions has more values, and the limits."""
    end = track(image, WaitSeconds=invalid)
    assert (end["status"], end["error"]) == ("FAILED", "InvalidInput")
    assert end["cause"] == "WaitSeconds must be a number of seconds, such as 300."
    assert stack.entered(end["executionArn"]) == ["Read input", "Invalid input"]


def short(stack):
    """TrackImports with a time limit of 122 seconds in place of 3 days. This is time for waits of 120 seconds.

    The emulator shortens the waits, but not the clock that the limit is compared with. The limit is therefore reached
    after 2 seconds, which is many rounds.
    """
    definition = stack.definition("TrackImportsArn")
    assert "1000 * 259200" in definition
    return stack.create(json.loads(definition.replace("1000 * 259200", "1000 * 122")))


@pytest.fixture
def hanging(workspaces, image):
    """An image that stays in the state VALIDATING, and one that completes at once."""
    completed = new_image()
    workspaces.send({image: ["VALIDATING"], completed: ["COMPLETED"]})
    return [image, completed]


def test_the_execution_ends_after_three_days(stack, workspaces, hanging):
    machine = short(stack)
    event = {"Imports": [{"ImageId": image} for image in hanging], "WaitSeconds": 120}
    accepted = stack.start(machine, {**event, "AcceptFailed": True})
    end = stack.run(machine, event)
    assert (end["status"], end["error"]) == ("FAILED", "NotSettled")
    cause = f"1 of 2 imports had not settled after 3 days: {hanging[0]} VALIDATING. To continue, "
    assert end["cause"].startswith(cause)
    states = stack.entered(end["executionArn"])
    assert states.count("Check") > 3 and states[-2:] == ["Settled", "Not settled"]
    # A new execution continues with the input of the last state.
    (last,) = (event for event in stack.history(end["executionArn"]) if entered(event) == "Not settled")
    payload = json.loads(last["stateEnteredEventDetails"]["input"])

    response = output(stack.wait(accepted))
    RESPONSE.validate(response)
    assert (response["Status"], response["Pending"], response["Completed"]) == ("PENDING", 1, 1)
    assert stack.entered(accepted)[-2:] == ["Settled", "Completed"]

    workspaces.send({hanging[0]: ["COMPLETED"]})
    assert output(stack.run(machine, payload))["Completed"] == 2


def test_the_example_of_a_workflow_works(stack, workspaces, image):
    workflow = json.loads((ROOT / "examples/workflow.asl.json").read_text())
    function = stack.physical_id("Function")
    arn = stack.aws("lambda").get_function(FunctionName=function)["Configuration"]["FunctionArn"]
    assert workflow["States"]["Check"]["Arguments"]["FunctionName"] == "FUNCTION_ARN"
    workflow["States"]["Check"]["Arguments"]["FunctionName"] = arn
    workspaces.send({image: ["PENDING", {"Error": "ExpiredTokenException", "Times": 4}, "COMPLETED"]})
    end = stack.run(stack.create(workflow), {"Imports": [{"ImageId": image}]})
    assert output(end)["Imports"][0]["Sequence"] == 2
    assert stack.entered(end["executionArn"]) == ["Check", "AllSettled", "Wait", "Check", "AllSettled", "Completed"]


def test_an_email_is_about_the_first_announcement_the_end_and_stalls(stack, workspaces, image):
    """Sends real announcements through the filter policy of the subscription to a queue."""
    sns = stack.aws("sns")
    (email,) = sns.list_subscriptions_by_topic(TopicArn=stack.outputs["TopicArn"])["Subscriptions"][:1]
    assert (email["Protocol"], email["Endpoint"]) == ("email", "images@example.com")
    attributes = sns.get_subscription_attributes(SubscriptionArn=stack.physical_id("EmailSubscription"))["Attributes"]
    inbox = stack.queue(json.loads(attributes["FilterPolicy"]))
    everything = stack.subscribe(image)
    failed, vanished = new_image(), new_image()
    old = {"State": "VALIDATING", "LastUpdatedTime": 1_700_000_000}
    workspaces.send({
        image: ["PENDING", "COPYING", "VALIDATING", old, "GENERATING", "COMPLETED"],
        failed: ["PENDING", "VALIDATING", ERROR],
        vanished: ["NOT_FOUND"],
    })
    stack.lose(vanished)
    for one, count in [(image, 6), (failed, 3), (vanished, 1)]:
        for _ in range(count):
            stack.invoke(one)
    assert everything.transitions() == [
        f"{image}#{number}:{state}"
        for number, state in enumerate(
            ["PENDING", "COPYING", "VALIDATING", "STALLED", "GENERATING", "COMPLETED"], 1
        )
    ]
    mine = [one for one in inbox.transitions() if one.partition("#")[0] in (image, failed, vanished)]
    assert mine == [
        *[f"{image}#1:PENDING", f"{image}#4:STALLED", f"{image}#6:COMPLETED"],
        *[f"{failed}#1:PENDING", f"{failed}#3:ERROR"],
        f"{vanished}#2:NOT_FOUND",
    ]


def alarms_of(stack):
    return {
        alarm["AlarmName"].partition(f"{stack.name}-")[2].partition("Alarm")[0]: alarm
        for alarm in stack.aws("cloudwatch").describe_alarms(AlarmNamePrefix=f"{stack.name}-")["MetricAlarms"]
    }


def test_alarms_go_to_the_email_address(stack):
    """In a topic of their own, because the filter of the announcements would drop them."""
    alarms = alarms_of(stack)
    assert sorted(alarms) == ["CheckErrors", "FunctionErrors", "Schedule", "TrackImportsFailed"]
    topic = stack.outputs["AlarmTopicArn"]
    assert topic != stack.outputs["TopicArn"]
    (email,) = stack.aws("sns").list_subscriptions_by_topic(TopicArn=topic)["Subscriptions"]
    assert (email["Protocol"], email["Endpoint"]) == ("email", "images@example.com")
    attributes = stack.aws("sns").get_topic_attributes(TopicArn=topic)["Attributes"]
    assert attributes["SubscriptionsConfirmed"] or attributes["SubscriptionsPending"]
    assert all(alarm["AlarmActions"] == [topic] for alarm in alarms.values())
    notified = {name for name, alarm in alarms.items() if alarm["OKActions"] == [topic]}
    assert notified == {"CheckErrors", "FunctionErrors", "Schedule"}


def invocations_of(stack):
    """The sum of the metric that ScheduleAlarm watches. The emulator does not count asynchronous errors."""
    alarm, now = alarms_of(stack)["Schedule"], datetime.datetime.now(datetime.UTC)
    points = stack.aws("cloudwatch").get_metric_statistics(
        **{key: alarm[key] for key in ("Namespace", "MetricName", "Dimensions", "Period")},
        StartTime=now - datetime.timedelta(hours=2),
        EndTime=now + datetime.timedelta(minutes=5),
        Statistics=[alarm["Statistic"]],
    )["Datapoints"]
    return sum(point[alarm["Statistic"]] for point in points)


def test_an_outage_of_three_hours_leaves_nothing_behind(stack, workspaces, image):
    """Sends what the schedule sends in three hours: 36 asynchronous invocations, which all fail."""
    function, name = stack.aws("lambda"), stack.outputs["FunctionName"]
    settings = function.get_function_event_invoke_config(FunctionName=name, Qualifier="$LATEST")
    assert (settings["MaximumRetryAttempts"], settings["MaximumEventAgeInSeconds"]) == (0, 60)
    assert not settings.get("DestinationConfig", {}).get("OnFailure")
    target = stack.schedule()["Target"]
    assert target["RetryPolicy"] == {"MaximumEventAgeInSeconds": 60, "MaximumRetryAttempts": 0}
    assert "DeadLetterConfig" not in target

    subscriber = stack.subscribe(image)
    workspaces.send({image: ["PENDING"]})
    stack.invoke(image)
    # The function does not retry this error by itself.
    workspaces.send({image: [{"Error": "ExpiredTokenException"}]})
    before = workspaces.send(image)["calls"]
    event = json.dumps({"Imports": [{"ImageId": image}]})
    invocations = invocations_of(stack)
    for _ in range(36):
        function.invoke(FunctionName=name, InvocationType="Event", Payload=event)
    # Each of them is tried once. ScheduleAlarm stays off, because the invocations count.
    next(True for _ in until(60) if workspaces.send(image)["calls"] == before + 36)
    assert invocations_of(stack) >= invocations + 36
    execution = stack.start(stack.outputs["TrackImportsArn"], json.loads(event))
    next(True for _ in until(60) if workspaces.send(image)["calls"] >= before + 40)
    # The outage ends. The execution goes on, and the next run of the schedule finds nothing left to announce.
    workspaces.send({image: ["COMPLETED"]})
    assert output(stack.wait(execution))["Status"] == "COMPLETED"
    assert stack.invoke(image)["Transitions"] == []
    assert subscriber.transitions() == [f"{image}#1:PENDING", f"{image}#2:COMPLETED"]


def test_an_existing_topic_can_be_fifo_and_an_existing_table_the_ledger(deploy, workspaces, image, aws, stack):
    fifo = {"Name": "existing.fifo", "Attributes": {"FifoTopic": "true"}}
    topic = aws("sns").create_topic(**fifo)["TopicArn"]
    alarm_topic = aws("sns").create_topic(Name="alarms")["TopicArn"]
    ledger = stack.outputs["LedgerTable"]
    stack = deploy("existing", TopicArn=topic, AlarmTopicArn=alarm_topic, LedgerTableName=ledger, Chat="true")
    assert (stack.outputs["TopicArn"], stack.outputs["LedgerTable"]) == (topic, ledger)
    assert stack.outputs["AlarmTopicArn"] == alarm_topic
    # The schedule is off, so no alarm watches it.
    alarms = alarms_of(stack)
    assert sorted(alarms) == ["CheckErrors", "FunctionErrors", "TrackImportsFailed"]
    assert all(alarm["AlarmActions"] == [alarm_topic] for alarm in alarms.values())
    settings = aws("lambda").get_function_configuration(FunctionName=stack.outputs["FunctionName"])
    assert settings["Environment"]["Variables"]["CHAT"] == "true"
    subscriber = stack.subscribe(image)
    workspaces.send({image: ["PENDING", "COMPLETED"]})
    output(stack.run(stack.outputs["TrackImportsArn"], {"Imports": [{"ImageId": image}]}))
    assert subscriber.transitions() == [f"{image}#1:PENDING", f"{image}#2:COMPLETED"]


@pytest.mark.last
def test_the_schedule_announces_a_state_once(stack, workspaces):
    """Waits for two runs of the schedule, one minute apart."""
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


@pytest.mark.last
def test_the_default_deployment_announces_an_import_that_nobody_registered(deploy, workspaces):
    """Nothing is set but an email address. Sends what the schedule would send.

    Runs after the test of the schedule, because it describes its import, too.
    """
    # Otherwise, it would find the images of the other tests, and wait for those that are throttled.
    workspaces.send({image: ["COMPLETED"] for image in IMAGES})
    stack = deploy("defaults", Discover=None, Email="images@example.com")
    outputs = {"FunctionName", "TopicArn", "AlarmTopicArn", "TrackImportsArn", "LedgerTable", "SelfTestCommand"}
    assert set(stack.outputs) == outputs
    table = stack.aws("dynamodb").describe_table(TableName=stack.outputs["LedgerTable"])["Table"]
    assert table["DeletionProtectionEnabled"]
    image = new_image()
    subscriber = stack.subscribe(image)
    schedule = stack.schedule()
    event = json.loads(schedule["Target"]["Input"])
    assert (schedule["State"], event) == ("ENABLED", {"Discover": True, "Imports": []})
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
