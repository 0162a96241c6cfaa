"""Checks of the state machines' definitions that the emulator cannot make.

tests/expressions checks the results of their expressions.
"""

import json
import math
import pathlib
import re

import botocore.session
import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
TRACK_IMPORTS = json.loads((ROOT / "statemachine/track-imports.asl.json").read_text())
TRACK_MANY = json.loads((ROOT / "statemachine/track-many.asl.json").read_text())
IMPORT_TO_BUNDLE = json.loads((ROOT / "statemachine/import-to-bundle.asl.json").read_text())
ALL = {"track-imports": TRACK_IMPORTS, "track-many": TRACK_MANY, "import-to-bundle": IMPORT_TO_BUNDLE}
READ = TRACK_IMPORTS["States"]["Read input"]
SETTLED = TRACK_IMPORTS["States"]["Settled"]
CHECK = TRACK_IMPORTS["States"]["Check"]
PERMANENT, REST = CHECK["Retry"]
# Step Functions ends an execution whose history is longer, and an execution that takes longer.
# https://docs.aws.amazon.com/step-functions/latest/dg/service-quotas.html
HISTORY = 25_000
DAY = 24 * 60 * 60
YEAR = 365 * DAY


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


@pytest.mark.parametrize("definition", ALL.values(), ids=ALL)
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


def pauses(retry, spread=0.0):
    """The seconds that all retries take with full jitter: the mean, plus this many standard deviations."""
    longest = [
        min(retry["IntervalSeconds"] * retry["BackoffRate"] ** number, retry["MaxDelaySeconds"])
        for number in range(retry["MaxAttempts"])
    ]
    return sum(longest) / 2 + spread * math.sqrt(sum(one**2 / 12 for one in longest))


def test_only_errors_that_need_a_change_fail_a_check_at_once():
    assert PERMANENT["MaxAttempts"] == 0
    assert REST["ErrorEquals"] == ["States.ALL"]
    # A redrive repeats the state that failed. If an error were caught, it would be another one.
    assert "Catch" not in CHECK


@pytest.mark.parametrize(
    ("service", "operation"),
    [("workspaces", "DescribeCustomWorkspaceImageImport"), ("sns", "PublishBatch"), ("dynamodb", "PutItem")],
)
def test_the_permanent_errors_have_the_names_of_the_api(service, operation):
    model = botocore.session.get_session().get_service_model(service).operation_model(operation)
    codes = {shape.metadata.get("error", {}).get("code", shape.name) for shape in model.error_shapes}
    named = [name.partition(".") for name in PERMANENT["ErrorEquals"]]
    # IAM refuses a call before DynamoDB sees it, so its API does not list that.
    listed = {code for prefix, _, code in named if prefix.lower() == service} - {"AccessDeniedException"}
    assert listed <= codes


def test_the_retries_of_a_check_outlast_three_days():
    assert pauses(REST, spread=-3) > 3 * DAY
    assert f"take {pauses(REST) / DAY:.1f} days" in REST["Comment"]


def test_the_execution_ends_by_itself_before_its_time_limit():
    (condition,) = (one["Condition"] for one in SETTLED["Choices"] if "StartTime" in one["Condition"])
    assert condition.endswith(f" + 1000 * {3 * DAY} %}}")
    # The last check begins within three days. In each attempt, its function takes its default timeout.
    longest = pauses(REST, spread=3) + (1 + REST["MaxAttempts"]) * 60
    assert 3 * DAY + longest < TRACK_IMPORTS["TimeoutSeconds"] < IMPORT_TO_BUNDLE["TimeoutSeconds"]


def test_the_history_of_three_days_stays_below_the_limit():
    """The shortest rounds, in which each check fails the same number of times before it succeeds."""
    (shortest,) = re.findall(r"\$max\(\[(\d+),", READ["Assign"]["WaitSeconds"])
    assert f"at least {shortest} seconds" in READ["Comment"]
    # A task is entered, scheduled, started, succeeded, and exited. A choice and a wait are entered and exited.
    round_ = 5 + 2 + 2
    assert f"A round has {round_}" in READ["Comment"]
    for retries in range(12):
        seconds = int(shortest) + pauses({**REST, "MaxAttempts": retries})
        # 3 events for each attempt that failed, and 10 for the start and the end.
        assert 3 * DAY / seconds * (round_ + 3 * retries) + 10 < HISTORY
    # The outage that lasts longest begins at the end of three days without a failure.
    assert 3 * DAY / int(shortest) * round_ + 3 * REST["MaxAttempts"] + 10 < HISTORY


def test_executions_are_started_again_after_the_same_errors():
    found = [state for one in ALL.values() for _, state in states(one)]
    children = [state for state in found if "startExecution" in state.get("Resource", "")]
    assert len(children) == 3
    retries = [without_comments(state["Retry"]) for state in children]
    assert retries[0] == retries[1] == retries[2]
    assert {"StepFunctions.AWSStepFunctionsException", "StepFunctions.ExecutionLimitExceeded"} <= set(
        retries[0][0]["ErrorEquals"]
    )


def test_the_example_of_a_workflow_handles_the_same_errors():
    workflow = json.loads((ROOT / "examples/workflow.asl.json").read_text())
    check = workflow["States"]["Check"]
    assert check["Retry"] == without_comments(CHECK["Retry"])
    assert check["Arguments"]["Payload"] == CHECK["Arguments"]["Payload"]
    assert workflow["TimeoutSeconds"] == TRACK_IMPORTS["TimeoutSeconds"]


def test_lists_from_the_input_and_from_s3_are_tracked_alike():
    texts = {name: json.dumps(TRACK_MANY["States"][name]) for name in ["List", "Object"]}
    from_list, from_object = (json.loads(text.replace(f" from {name.lower()}", "")) for name, text in texts.items())
    assert from_object["ItemProcessor"]["States"].pop("Images")["Default"] == from_list["ItemProcessor"]["StartAt"]
    assert from_object["ItemProcessor"]["States"].pop("Not a list")
    from_object["ItemProcessor"]["StartAt"] = from_list["ItemProcessor"]["StartAt"]
    assert TRACK_MANY["States"][from_object["Next"]]["Default"] == from_list["Next"]
    for state in (from_list, from_object):
        for name in ["Comment", "Label", "Items", "ItemReader", "Next"]:
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
