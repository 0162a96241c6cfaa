"""What no emulator checks of the state machines' definitions, read from their files."""

import json
import pathlib

import pytest

FOLDER = pathlib.Path(__file__).resolve().parents[2] / "statemachine"
TRACK_IMPORTS = json.loads((FOLDER / "track-imports.asl.json").read_text())
TRACK_MANY = json.loads((FOLDER / "track-many.asl.json").read_text())
CHECK = TRACK_IMPORTS["States"]["Check"]
# AWS ends an execution whose history is longer.
HISTORY = 25_000

# Of Lambda, as its documentation recommends, and a sandbox that died.
LAMBDA = {
    *(f"Lambda.{name}" for name in ["ClientExecutionTimeoutException", "ServiceException", "AWSLambdaException"]),
    *(f"Lambda.{name}" for name in ["SdkClientException", "TooManyRequestsException", "Unknown"]),
    *["Runtime.ExitError", "Sandbox.Timedout", "States.Timeout"],
}
# The codes with which each service says that the same call may work out later.
TRANSIENT = {
    "WorkSpaces": ["ThrottlingException", "InternalServerException", "InternalFailure", "ServiceUnavailable"],
    "Sns": ["Throttled", "Throttling", "KMSThrottling", "InternalError", "InternalFailure", "ServiceUnavailable"],
    "DynamoDb": [
        *["ThrottlingException", "ProvisionedThroughputExceededException", "RequestLimitExceeded"],
        *["InternalServerError", "ServiceUnavailable"],
    ],
}
# What the function says of a call that got no proper answer, in place of a code.
NO_ANSWER = ["Timeout", "Unreachable", "BadResponse"]
DENIED = {
    "WorkSpaces.AccessDeniedException",
    "Sns.AuthorizationError",
    "Sns.KMSAccessDenied",
    "DynamoDb.AccessDeniedException",
}


def states(definition):
    """Every state with its name, those of a Map's children included."""
    for name, state in definition["States"].items():
        yield name, state
        if "ItemProcessor" in state:
            yield from states(state["ItemProcessor"])


@pytest.mark.parametrize("definition", [TRACK_IMPORTS, TRACK_MANY], ids=["track-imports", "track-many"])
class TestBoth:
    def test_speak_jsonata_and_end_some_time(self, definition):
        assert definition["QueryLanguage"] == "JSONata"
        assert 0 < definition["TimeoutSeconds"]

    def test_every_state_is_commented_and_named_once(self, definition):
        names = [name for name, state in states(definition) if state["Comment"]]
        assert len(names) == len(set(names)) == len(list(states(definition)))

    def test_every_retry_backs_off_with_jitter_and_a_ceiling(self, definition):
        retries = [retry for _, state in states(definition) for retry in state.get("Retry", [])]
        assert retries
        for retry in retries:
            assert retry["BackoffRate"] == 2 and retry["JitterStrategy"] == "FULL"
            assert 1 <= retry["IntervalSeconds"] < retry["MaxDelaySeconds"] and 6 <= retry["MaxAttempts"] <= 8


def test_what_is_transient_is_retried_and_nothing_else():
    services, lambdas = set(), set(CHECK["Retry"][0]["ErrorEquals"])
    for service, codes in TRANSIENT.items():
        services |= {f"{service}.{code}" for code in [*codes, *NO_ANSWER]}
    assert lambdas == LAMBDA
    assert set(CHECK["Retry"][1]["ErrorEquals"]) == services | {"Deadline"}


def test_everything_else_is_caught():
    denied, too_much, rest = CHECK["Catch"]
    assert set(denied["ErrorEquals"]) == DENIED
    # States.ALL does not cover it.
    assert too_much["ErrorEquals"] == ["States.DataLimitExceeded"]
    assert rest["ErrorEquals"] == ["States.ALL"]


def test_the_history_has_room():
    start = TRACK_IMPORTS["States"]["Prepare"]["Assign"]["EventCount"]
    # ExecutionStarted, and the Pass state entered and left.
    assert start == 3
    # Entered, scheduled, started, succeeded, left; the choice and the wait each entered and left.
    round_, retried = 5 + 2 + 2, 3
    assert CHECK["Assign"]["EventCount"] == (
        f"{{% $EventCount + {round_} + {retried} * $sum([$states.context.State.RetryCount]) %}}"
    )
    limit = 24_900
    assert TRACK_IMPORTS["States"]["Settled"]["Choices"][-1]["Condition"] == f"{{% $EventCount > {limit} %}}"
    attempts = 1 + sum(retry["MaxAttempts"] for retry in CHECK["Retry"])
    longest_end = 2 + attempts * 3 + 2 + 2
    assert limit + longest_end < HISTORY
    rounds = (limit - start) // round_
    assert f"{rounds:,} rounds" in TRACK_IMPORTS["Comment"]
    assert rounds * 30 // 3600 == 23 and "23 hours" in TRACK_IMPORTS["Comment"]
    assert f"{limit + longest_end:,}" in TRACK_IMPORTS["Comment"]
    assert rounds * 94 >= TRACK_IMPORTS["TimeoutSeconds"] > rounds * 93


def test_both_kinds_of_list_are_tracked_alike():
    texts = {name: json.dumps(TRACK_MANY["States"][name]) for name in ["List", "Object"]}
    of_list, of_object = (json.loads(text.replace(f" of {name.lower()}", "")) for name, text in texts.items())
    for state in (of_list, of_object):
        for name in ["Comment", "Label", "Items", "ItemReader"]:
            state.pop(name, None)
    assert of_list == of_object


def test_a_batch_passes_from_state_to_state():
    batcher = TRACK_MANY["States"]["List"]["ItemBatcher"]
    # The result of startExecution.sync:2 holds the batch, as text, beside the response.
    assert 245_760 + 2 * batcher["MaxInputBytesPerBatch"] <= 262_144
    # What one event of the function may hold.
    assert batcher["MaxItemsPerBatch"] <= 480
    # Variables do not reach into a child.
    assert batcher["BatchInput"] == {"WaitSeconds": "{% $WaitSeconds %}"}


def test_no_batch_stops_the_others():
    assert TRACK_MANY["States"]["List"]["ToleratedFailurePercentage"] == 100
