"""Tests of the workflow ImportToBundle, with the deployed definition. The simulator answers its two WorkSpaces calls."""

import json
import uuid

import pytest

from conftest import MOCKED, ROOT, new_image
from test_stack import ERROR, output

IMPORT = {
    "ImageSource": {"Ec2ImageId": "ami-0123456789abcdef0"},
    "InfrastructureConfigurationArn": (
        "arn:aws:imagebuilder:eu-west-1:123456789012:infrastructure-configuration/image-imports"
    ),
    "OsVersion": "Windows_11",
}
BUNDLE = {"ComputeType": {"Name": "STANDARD"}, "UserStorage": {"Capacity": "50"}}
DEFAULTS = {
    "ImageDescription": "Imported by workspaces-image-import",
    "ComputeType": "BASE",
    "Protocol": "DCV",
    "Platform": "WINDOWS",
}
STATES = [
    *["Read input", "Prepare", "Input complete"],
    *["Import image", "Track import", "Import completed", "Create bundle"],
]


@pytest.fixture
def name():
    """A name for an image and its bundle."""
    return f"golden-{uuid.uuid4().hex[:12]}"


@pytest.fixture
def image(workspaces, name):
    """The ID that the import of `name` returns."""
    image = new_image()
    workspaces.send({name: [{"ImageId": image, "State": "PENDING"}]})
    return image


@pytest.fixture(scope="module")
def deployed(addon):
    return addon("pipeline")


@pytest.fixture
def pipeline(stack, deployed):
    """Runs ImportToBundle and waits until it has ended."""
    return lambda event: stack.run(deployed.outputs["ImportToBundleArn"], event)


def test_a_completed_import_becomes_a_bundle(stack, workspaces, pipeline, name, image):
    workspaces.send({image: ["PENDING", {"State": "VALIDATING", "ProgressPercentage": 62}, "COMPLETED"]})
    subscriber = stack.subscribe(image)
    bundle = {**BUNDLE, "BundleName": f"{name}-bundle"}
    end = pipeline({"Import": {**IMPORT, "ImageName": name}, "Bundle": bundle})
    made = output(end)
    assert made["ImageId"] == image and made["BundleId"].startswith("wsb-")
    assert (made["Bundle"]["Name"], made["Bundle"]["ImageId"]) == (bundle["BundleName"], image)
    assert stack.entered(end["executionArn"]) == STATES
    # The first event has the state that the import returned, so PENDING is not announced.
    assert subscriber.transitions() == [f"{image}#1:VALIDATING", f"{image}#2:COMPLETED"]


@pytest.mark.parametrize("absent", ["left out", "null"])
def test_optional_parameters_have_defaults(workspaces, pipeline, name, image, absent):
    workspaces.send({image: ["COMPLETED"], name: [{"ImageId": image, "State": "PENDING"}, {"WorkspaceBundle": {}}]})
    event = {"Import": {**IMPORT, "ImageName": name}, "Bundle": {**BUNDLE}}
    if absent == "null":
        event["WaitSeconds"] = None
        event["Import"] |= dict.fromkeys([*DEFAULTS, "Tags"])
        event["Bundle"] |= dict.fromkeys(["BundleName", "BundleDescription", "RootStorage", "Tags"])
    end = pipeline(event)
    # A response without an ID leaves BundleId out.
    assert output(end) == {"ImageId": image, "Bundle": {}}
    assert workspaces.send(name)["creations"] == [
        {**DEFAULTS, **IMPORT, "ImageName": name},
        {
            **BUNDLE,
            "BundleName": name,
            "BundleDescription": "Created by workspaces-image-import",
            "ImageId": image,
        },
    ]


def test_every_parameter_can_be_set(stack, workspaces, pipeline, name, image):
    workspaces.send({image: ["COMPLETED"]})
    tags = [{"Key": "Team", "Value": "Desktops"}]
    import_ = {
        "ImageName": name,
        "ImageDescription": "Windows 10 with PCoIP",
        "ComputeType": "GRAPHICS_G4DN",
        "Protocol": "PCOIP",
        "ImageSource": {"Ec2ImportTaskId": "import-ami-0123456789abcdef0"},
        "InfrastructureConfigurationArn": IMPORT["InfrastructureConfigurationArn"],
        "Platform": "WINDOWS",
        "OsVersion": "Windows_10",
        "ImageValidationMode": "SERVICE_MANAGED",
        "Tags": tags,
    }
    bundle = {
        "BundleName": f"{name}-bundle",
        "BundleDescription": "A bundle",
        "ComputeType": {"Name": "GRAPHICS_G4DN"},
        "UserStorage": {"Capacity": "100"},
        "RootStorage": {"Capacity": "100"},
        "Tags": tags,
    }
    end = pipeline({"Import": import_, "Bundle": bundle, "WaitSeconds": 145})
    assert output(end)["Bundle"]["RootStorage"] == {"Capacity": "100"}
    assert workspaces.send(name)["creations"] == [import_]
    assert workspaces.send(bundle["BundleName"])["creations"] == [{**bundle, "ImageId": image}]
    tracked = stack.states.describe_execution(executionArn=stack.execution_of("TrackImportsArn", image))
    assert json.loads(tracked["input"])["WaitSeconds"] == 145


@pytest.mark.parametrize(
    ("answer", "cause"),
    [
        (ERROR, "ERROR (SysprepFailed: Sysprep ended with an error.; DiskFull: No space is left.)"),
        ({"State": "ERROR", "StateMessage": "It failed."}, "ERROR (It failed.)"),
        ({"State": "ERROR", "ErrorDetails": [{"ErrorCode": "OneOfMany"}]}, "ERROR (OneOfMany)"),
        ("ERROR", "ERROR"),
        ("NOT_FOUND", "NOT_FOUND"),
    ],
)
def test_a_failed_import_names_every_error_code(stack, workspaces, pipeline, name, image, answer, cause):
    if answer == "NOT_FOUND":
        stack.lose(image)
        workspaces.send({image: [answer]})
    else:
        workspaces.send({image: ["PENDING", answer]})
    end = pipeline({"Import": {**IMPORT, "ImageName": name}, "Bundle": BUNDLE})
    assert (end["status"], end["error"]) == ("FAILED", "ImportFailed")
    assert end["cause"] == f"No bundle was created. {name} ({image}) {cause}"
    assert stack.entered(end["executionArn"]) == [*STATES[:-1], "Import failed"]


@pytest.mark.parametrize(
    ("event", "missing"),
    [
        (
            {},
            "Import.ImageName, Import.ImageSource, Import.InfrastructureConfigurationArn, Import.OsVersion, "
            "Bundle.ComputeType, Bundle.UserStorage",
        ),
        ({"Import": {**IMPORT, "ImageName": "golden"}}, "Bundle.ComputeType, Bundle.UserStorage"),
        ({"Import": {**IMPORT, "ImageName": None}, "Bundle": BUNDLE}, "Import.ImageName"),
        ({"Import": {**IMPORT, "ImageName": "golden"}, "Bundle": [BUNDLE]}, "Bundle.ComputeType, Bundle.UserStorage"),
        *(
            (
                {"Import": other, "Bundle": BUNDLE},
                "Import.ImageName, Import.ImageSource, Import.InfrastructureConfigurationArn, Import.OsVersion",
            )
            for other in [None, "golden", [IMPORT]]
        ),
    ],
)
def test_an_incomplete_input_is_refused_before_the_import(stack, pipeline, event, missing):
    end = pipeline(event)
    assert (end["status"], end["error"]) == ("FAILED", "InvalidInput")
    assert end["cause"] == f"The input lacks {missing}."
    assert stack.entered(end["executionArn"]) == [*STATES[:3], "Incomplete input"]


def test_a_refused_import_ends_the_execution_with_the_error_of_workspaces(stack, workspaces, pipeline, name):
    workspaces.send({name: [{"Error": "ResourceLimitExceededException"}]})
    end = pipeline({"Import": {**IMPORT, "ImageName": name}, "Bundle": BUNDLE})
    assert (end["status"], end["error"]) == ("FAILED", "WorkSpaces.ResourceLimitExceededException")
    assert end["cause"] == "The script says so."
    assert stack.entered(end["executionArn"]) == STATES[:4]


THROTTLED = [*STATES[:3], *["Import image", "Throttled", "Wait"] * 2, *STATES[3:]]


def test_a_throttled_import_is_repeated(stack, workspaces, pipeline, name, image):
    import_ = {"ImageId": image, "State": "PENDING"}
    workspaces.send({
        name: [{"Error": "ThrottlingException", "Times": 2}, import_, {"WorkspaceBundle": {"BundleId": "wsb-1"}}],
        image: ["COMPLETED"],
    })
    end = pipeline({"Import": {**IMPORT, "ImageName": name}, "Bundle": BUNDLE})
    assert output(end)["BundleId"] == "wsb-1"
    assert ["ImageId" in request for request in workspaces.send(name)["creations"]] == [False] * 3 + [True]
    assert stack.entered(end["executionArn"]) == THROTTLED


def test_throttling_under_the_name_of_all_unknown_errors_is_repeated(stack, deployed, workspaces, name, image):
    workspaces.send({image: ["COMPLETED"]})
    definition = json.loads(deployed.definition("ImportToBundleArn"))
    machine = deployed.create(definition, f"{MOCKED}-pipeline", role="ImportToBundleArn")
    end = stack.run(f"{machine}#rate", {"Import": {**IMPORT, "ImageName": name}, "Bundle": BUNDLE})
    assert output(end)["ImageId"] == image
    assert stack.entered(end["executionArn"]) == THROTTLED


@pytest.mark.parametrize("code", ["InternalServerException", "WorkSpacesException"])
def test_an_import_that_may_have_started_is_not_repeated(workspaces, pipeline, name, code):
    workspaces.send({name: [{"Error": code}]})
    end = pipeline({"Import": {**IMPORT, "ImageName": name}, "Bundle": BUNDLE})
    assert (end["status"], end["error"]) == ("FAILED", f"WorkSpaces.{code}")
    assert end["cause"] == "The script says so."
    assert len(workspaces.send(name)["creations"]) == 1


def test_a_bundle_is_created_as_soon_as_the_image_is_available(workspaces, pipeline, name, image):
    workspaces.send({
        image: ["COMPLETED"],
        f"{name}-bundle": [
            {"Error": "ResourceUnavailableException", "Times": 2},
            {"WorkspaceBundle": {"BundleId": "wsb-2"}},
        ],
    })
    bundle = {**BUNDLE, "BundleName": f"{name}-bundle"}
    end = pipeline({"Import": {**IMPORT, "ImageName": name}, "Bundle": bundle})
    assert output(end)["BundleId"] == "wsb-2"


def test_an_import_that_cannot_be_tracked_creates_no_bundle(stack, workspaces, pipeline, name, image):
    workspaces.send({image: [{"Error": "AccessDeniedException"}]})
    end = pipeline({"Import": {**IMPORT, "ImageName": name}, "Bundle": BUNDLE})
    # The error is States.TaskFailed on AWS, with the child's error in the cause. The emulator passes on the child's error.
    assert end["status"] == "FAILED" and "WorkSpaces.AccessDeniedException" in end["error"] + end["cause"]
    assert workspaces.send(name)["creations"][1:] == []
    assert stack.entered(end["executionArn"]) == STATES[:5]


def test_the_loop_of_the_examples_works_without_the_function(stack, workspaces, aws):
    """Runs the state machine that docs/alternatives.md compares the project with."""
    definition = (ROOT / "examples/loop.asl.json").read_text()
    topic = aws("sns").create_topic(Name=f"native-{uuid.uuid4()}")["TopicArn"]
    machine = stack.create(json.loads(definition.replace("TOPIC_ARN", topic)))
    image = new_image()
    workspaces.send({image: ["PENDING", "VALIDATING", "COMPLETED"]})
    end = stack.run(machine, {"ImageId": image})
    output(end)
    assert stack.entered(end["executionArn"]) == [*["Describe", "Settled", "Wait"] * 2, "Describe", "Settled", "Publish"]
