"""Checks of the state machines' definitions that the emulator cannot make.

tests/expressions checks the results of their expressions.
"""

import json
import pathlib
import re

import botocore.session
import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
TRACK_IMPORTS = json.loads((ROOT / "statemachine/track-imports.asl.json").read_text())
TRACK_MANY = json.loads((ROOT / "statemachine/track-many.asl.json").read_text())
IMPORT_TO_BUNDLE = json.loads((ROOT / "statemachine/import-to-bundle.asl.json").read_text())
CHECK = TRACK_IMPORTS["States"]["Check"]
AGAIN = TRACK_IMPORTS["States"]["Check again"]
SETTLED = TRACK_IMPORTS["States"]["Settled"]
# Step Functions ends an execution whose history is longer, and an execution that takes longer.
# https://docs.aws.amazon.com/step-functions/latest/dg/service-quotas.html
HISTORY = 25_000
YEAR = 365 * 24 * 60 * 60

# Errors that pass by themselves. The workflow catches them and checks again later.
TEMPORARY = {
    # The Invoke operation of Lambda. AWS recommends to retry the first four.
    # https://docs.aws.amazon.com/step-functions/latest/dg/bp-lambda-serviceexception.html
    "Lambda": [
        *["ClientExecutionTimeoutException", "ServiceException", "AWSLambdaException", "SdkClientException"],
        *["TooManyRequestsException", "Unknown"],
        # The function is being deployed or made active again.
        *["ResourceConflictException", "ResourceNotReadyException"],
        # A function in a VPC has no network interface yet.
        *["EC2ThrottledException", "EC2UnexpectedException", "ENILimitReachedException", "ENINotReadyException"],
        "SubnetIPAddressLimitReachedException",
    ],
    # Invocations that ended early.
    "Runtime": ["ExitError", "OutOfMemory", "Unknown"],
    "Sandbox": ["Failure", "Timedout"],
    "States": ["Timeout"],
    # The errors with which each service reports throttling, a failure of its own, a conflict, or expired credentials.
    # Lambda gives the next execution environment new credentials.
    "WorkSpaces": [
        *["Throttling", "ThrottlingException", "TooManyRequestsException", "RequestLimitExceeded"],
        *["InternalError", "InternalFailure", "InternalServerError", "InternalServerException"],
        *["ServiceUnavailable", "ServiceUnavailableException", "RequestTimeoutException", "ExpiredTokenException"],
    ],
    "Sns": [
        *["Throttled", "Throttling", "ThrottlingException", "KMSThrottling", "InternalError", "InternalFailure"],
        *["ServiceUnavailable", "ServiceUnavailableException", "RequestTimeoutException"],
        *["ExpiredToken", "ExpiredTokenException"],
    ],
    "DynamoDb": [
        *["Throttling", "ThrottlingException", "ProvisionedThroughputExceededException", "RequestLimitExceeded"],
        *["InternalFailure", "InternalServerError", "ServiceUnavailable", "ServiceUnavailableException"],
        *["RequestTimeoutException", "ReplicatedWriteConflictException", "TransactionConflictException"],
        "ExpiredTokenException",
    ],
}
# The function reports these in place of an error code if a call had no usable response.
NO_RESPONSE = ["Timeout", "Unreachable", "BadResponse"]
CALLED = ["WorkSpaces", "Sns", "DynamoDb"]
# Errors that the workflow does not retry at all, because they need a change first.
PERMANENT = {
    *["InvalidEvent", "InvalidConfiguration", "Internal", "States.DataLimitExceeded"],
    *["WorkSpaces.AccessDeniedException", "DynamoDb.AccessDeniedException"],
    *["Sns.AuthorizationError", "Sns.KMSAccessDenied"],
}
# The other errors in the API models of the operations that are called. They also need a change, so they are not caught.
OTHERS = {
    # A record for which the function gets this is NOT_FOUND, so an invocation never fails with it.
    ("workspaces", "DescribeCustomWorkspaceImageImport"): {"ResourceNotFoundException"},
    # The topic or its key, or a malformed request, which would be a defect of the function.
    ("sns", "PublishBatch"): {
        *["NotFound", "KMSDisabled", "KMSInvalidState", "KMSNotFound", "KMSOptInRequired"],
        *["EndpointDisabled", "PlatformApplicationDisabled", "InvalidSecurity", "ValidationException"],
        *["InvalidParameter", "ParameterValueInvalid", "BatchEntryIdsNotDistinct", "BatchRequestTooLong"],
        *["EmptyBatchRequest", "InvalidBatchEntryId", "TooManyEntriesInBatchRequest"],
    },
    ("dynamodb", "BatchGetItem"): {"ResourceNotFoundException"},
    # The function handles lost writes itself.
    ("dynamodb", "PutItem"): {
        *["ResourceNotFoundException", "ConditionalCheckFailedException", "ItemCollectionSizeLimitExceededException"],
    },
    # The function does not exist or was configured with something that it cannot use.
    ("lambda", "Invoke"): {
        *["ResourceNotFoundException", "InvalidRuntimeException", "InvalidZipFileException"],
        *["InvalidSecurityGroupIDException", "InvalidSubnetIDException", "EC2AccessDeniedException"],
        *["KMSAccessDeniedException", "KMSDisabledException", "KMSInvalidStateException", "KMSNotFoundException"],
        # The payload is too large or was sent to something else than an ordinary function.
        *["RequestTooLargeException", "SerializedRequestEntityTooLargeException", "UnsupportedMediaTypeException"],
        *["InvalidParameterValueException", "InvalidRequestContentException", "RecursiveInvocationException"],
        *["ModeNotSupportedException", "NoPublishedVersionException", "DurableExecutionAlreadyStartedException"],
        "ServiceQuotaExceededException",
    },
}
# Features of Lambda that the function does not use.
UNUSED = re.compile("(EFS|S3Files|SnapStart|CodeArtifact)[A-Za-z0-9]*Exception")
SERVICES = {"workspaces": "WorkSpaces", "sns": "Sns", "dynamodb": "DynamoDb", "lambda": "Lambda"}


def states(definition):
    """Every state with its name, including the states inside a Map."""
    for name, state in definition["States"].items():
        yield name, state
        if "ItemProcessor" in state:
            yield from states(state["ItemProcessor"])


def without_comments(node):
    if isinstance(node, list):
        return [without_comments(one) for one in node]
    if isinstance(node, dict):
        return {key: without_comments(value) for key, value in node.items() if key != "Comment"}
    return node


@pytest.mark.parametrize(
    "definition",
    [TRACK_IMPORTS, TRACK_MANY, IMPORT_TO_BUNDLE],
    ids=["track-imports", "track-many", "import-to-bundle"],
)
class TestEach:
    def test_the_language_is_jsonata_and_the_time_is_limited(self, definition):
        assert definition["QueryLanguage"] == "JSONata"
        assert 0 < definition["TimeoutSeconds"] <= YEAR

    def test_every_state_has_a_comment_and_a_unique_name(self, definition):
        names = [name for name, state in states(definition) if state["Comment"]]
        assert len(names) == len(set(names)) == len(list(states(definition)))

    def test_every_retry_backs_off_with_jitter_and_a_maximum_delay(self, definition):
        retries = [retry for _, state in states(definition) for retry in state.get("Retry", [])]
        retries = [retry for retry in retries if retry["MaxAttempts"]]
        assert retries
        for retry in retries:
            assert retry["BackoffRate"] == 2 and retry["JitterStrategy"] == "FULL"
            assert 1 <= retry["IntervalSeconds"] < retry["MaxDelaySeconds"]

    def test_a_wait_that_is_not_a_number_fails_before_anything_starts(self, definition):
        """tests/expressions checks the condition."""
        start = definition["States"][definition["StartAt"]]
        invalid = start["Choices"][0]
        assert invalid["Condition"] == TRACK_IMPORTS["States"]["Read input"]["Choices"][0]["Condition"]
        assert definition["States"][invalid["Next"]] == TRACK_IMPORTS["States"]["Invalid input"]


def temporary():
    """The names of all temporary errors."""
    names = {f"{service}.{code}" for service, codes in TEMPORARY.items() for code in codes}
    return names | {"Deadline"} | {f"{service}.{code}" for service in CALLED for code in NO_RESPONSE}


def test_only_temporary_errors_are_caught_and_only_by_their_names():
    (catcher,) = CHECK["Catch"]
    assert len(catcher["ErrorEquals"]) == len(set(catcher["ErrorEquals"]))
    assert set(catcher["ErrorEquals"]) == temporary()
    assert catcher["Output"] == CHECK["Arguments"]["Payload"] == "{% $states.input %}"
    # A Fail state would be the state that a redrive repeats.
    assert catcher["Next"] == CHECK["Next"] == "Settled"


def test_permanent_errors_are_not_retried_and_unknown_errors_are():
    permanent, rest = CHECK["Retry"]
    assert set(permanent["ErrorEquals"]) == PERMANENT and permanent["MaxAttempts"] == 0
    assert not PERMANENT & temporary()
    assert rest["ErrorEquals"] == ["States.ALL"]
    assert (rest["IntervalSeconds"], rest["MaxAttempts"]) == (5, 3)


@pytest.mark.parametrize(("service", "operation"), OTHERS)
def test_every_error_of_the_api_is_sorted(service, operation):
    """If this fails with a new version of Boto3, an operation has a new error. Add it to one of the lists above."""
    model = botocore.session.get_session().get_service_model(service).operation_model(operation)
    codes = {shape.metadata.get("error", {}).get("code", shape.name) for shape in model.error_shapes}
    prefix, others = f"{SERVICES[service]}.", OTHERS[service, operation]
    caught = {name.removeprefix(prefix) for name in temporary()}
    not_retried = {name.removeprefix(prefix) for name in PERMANENT}
    assert not {code for code in codes - caught - not_retried - others if not UNUSED.fullmatch(code)}
    assert not others & (caught | not_retried)


def test_a_check_with_a_missing_permission_is_repeated_without_a_catch():
    assert "Catch" not in AGAIN
    repeated = {key: value for key, value in CHECK.items() if key not in ["Catch", "Comment"]}
    assert {key: value for key, value in AGAIN.items() if key != "Comment"} == repeated


def test_the_execution_ends_by_itself_before_its_time_limit():
    three_days = 3 * 24 * 60 * 60
    (condition,) = (one["Condition"] for one in SETTLED["Choices"] if "RedriveTime" in one["Condition"])
    assert condition.endswith(f" + 1000 * {three_days} %}}")
    # The last round begins within three days. Both checks can take the longest time in every attempt.
    rest = CHECK["Retry"][1]
    attempts = 1 + rest["MaxAttempts"]
    longest = 2 * (attempts * CHECK["TimeoutSeconds"] + rest["MaxAttempts"] * rest["MaxDelaySeconds"])
    assert three_days + longest < TRACK_IMPORTS["TimeoutSeconds"] == 4 * 24 * 60 * 60


def test_the_history_stays_below_the_limit():
    comment = SETTLED["Comment"]
    start = TRACK_IMPORTS["States"]["Prepare"]["Assign"]["EventCount"]
    # ExecutionStarted, and two states that are entered and exited.
    assert start == 1 + 2 + 2 and f"starts at {start}." in comment
    # The task is entered, scheduled, started, succeeded, and exited. The choice and the wait are entered and exited.
    # If the task fails, the number is the same: it is entered, scheduled, started, failed, and exited.
    round_, attempt = 5 + 2 + 2, 3
    for assign in [CHECK["Assign"], CHECK["Catch"][0]["Assign"]]:
        assert assign["EventCount"] == (
            f"{{% $EventCount + {round_} + {attempt} * $sum([$states.context.State.RetryCount]) %}}"
        )
    attempts = 1 + CHECK["Retry"][1]["MaxAttempts"]
    # RetryCount does not have the failed attempts before a redrive. ExecutionFailed and ExecutionRedriven are added.
    redrive = attempts * attempt + 2
    limit = 24_000
    (condition,) = (one["Condition"] for one in SETTLED["Choices"] if "RedriveCount" in one["Condition"])
    assert condition == f"{{% $EventCount + {redrive} * $sum([$states.context.Execution.RedriveCount]) > {limit} %}}"
    assert f"adds up to {redrive}:" in comment
    longest_check = 2 + attempts * attempt
    # Check, Settled, Check again, Settled, Out of time, and the end.
    last_round = longest_check + 2 + longest_check + 2 + 2 + 3
    assert f"adds up to {last_round}:" in comment and f"at most {limit + last_round:,} events" in comment
    # A redrive requires that the history has fewer than 24,999 events.
    assert limit + last_round + 50 * redrive < HISTORY - 1
    rounds = (limit - start) // round_
    assert f"{rounds:,} rounds" in comment
    assert rounds * 30 // 3600 == 22 and "22 hours" in comment
    three_days = 3 * 24 * 60 * 60
    assert rounds * 98 >= three_days > rounds * 97 and "98 seconds or more" in comment


def test_the_task_in_the_documentation_handles_the_same_errors():
    text = (ROOT / "docs/integrations.md").read_text()
    blocks = re.findall(r"^```json\n(\{.*?^\})\n```$", text, re.DOTALL | re.MULTILINE)
    (workflow,) = (json.loads(block) for block in blocks if '"StartAt"' in block)
    check = workflow["States"]["Check"]
    assert check["Retry"] == without_comments(CHECK["Retry"])
    (catcher,), (shipped,) = check["Catch"], CHECK["Catch"]
    assert catcher["ErrorEquals"] == shipped["ErrorEquals"]
    # The payload stays the same for the next check, which comes after a wait.
    assert catcher["Output"] == shipped["Output"] == check["Arguments"]["Payload"]
    wait = workflow["States"][catcher["Next"]]
    assert (wait["Type"], wait["Next"]) == ("Wait", "Check")


def test_lists_from_the_input_and_from_s3_are_tracked_alike():
    texts = {name: json.dumps(TRACK_MANY["States"][name]) for name in ["List", "Object"]}
    from_list, from_object = (json.loads(text.replace(f" from {name.lower()}", "")) for name, text in texts.items())
    for state in (from_list, from_object):
        for name in ["Comment", "Label", "Items", "ItemReader"]:
            state.pop(name, None)
    assert from_list == from_object


def test_a_batch_fits_into_256_kib():
    batcher = TRACK_MANY["States"]["List"]["ItemBatcher"]
    # The result of startExecution.sync:2 contains the response and, as escaped text, the input of the batch.
    assert 245_760 + 2 * batcher["MaxInputBytesPerBatch"] <= 262_144
    # The maximum number of imports in one event of the function.
    assert batcher["MaxItemsPerBatch"] <= 480
    # A child execution cannot read the variables of its parent.
    assert batcher["BatchInput"] == {"WaitSeconds": "{% $WaitSeconds %}"}


def test_the_results_of_all_batches_fit_into_256_kib():
    """tests/expressions checks the form of a result, and that it has at most 5 images of each kind."""
    failed = {"ImageId": "wsi-0a1b2c3d4", "State": "NOT_FOUND", "Error": "x" * 50}
    # The longest state of WorkSpaces has 28 bytes.
    pending = {"ImageId": "wsi-0a1b2c3d4", "State": "x" * 28}
    counts = {"Items": 100, "Images": 100, "Completed": 100, "Failed": 100, "Pending": 100}
    tracked = {**counts, "FailedImages": [failed] * 5, "PendingImages": [pending] * 5}
    error = {"Error": "x" * 80, "Execution": "x" * 200, "Cause": '"' * 300}
    untracked = {"Items": 100, "Images": 100, "Untracked": 100, **error}
    assert all(len(json.dumps(one, separators=(",", ":"))) <= 1_000 for one in (tracked, untracked))
    assert 260 * 1_000 <= 262_144 and "260 batches" in TRACK_MANY["Comment"]


def test_a_failed_batch_does_not_stop_the_others():
    assert TRACK_MANY["States"]["List"]["ToleratedFailurePercentage"] == 100


def test_the_list_is_tracked_for_as_long_as_its_batches():
    assert TRACK_MANY["TimeoutSeconds"] == YEAR
