"""Deploys template.yaml and the add-ons on an emulator of AWS and provides the stacks to the tests.

The emulator runs the release binary of the function. It does not emulate WorkSpaces image imports, so the function
calls the project's own simulator for them. The endpoints come from environment variables of the emulator, which
functions inherit. The other variables of the function are those of the template.
"""

import functools
import json
import os
import pathlib
import subprocess
import sys
import time
import uuid

import boto3
import botocore.config
import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tools"))
from sam_package import CORE, packaged  # noqa: E402

SIMULATOR = ROOT / "target/debug/examples/workspaces"
REGION = "eu-west-1"
ARCHITECTURE = "arm64" if os.uname().machine in ("aarch64", "arm64") else "x86_64"
# The emulator's names of the services.
SERVICES = "cloudformation,dynamodb,events,iam,kms,lambda,logs,monitoring,s3,scheduler,sns,sqs,states,sts"
# Each second that a workflow waits takes a tenth of a millisecond here.
WAIT_SCALE = 0.0001
# The image that the stack's schedule checks.
WATCHED = "wsi-watched00"
CONCURRENT_BATCHES = 5
CHECK = json.loads((ROOT / "statemachine/track-imports.asl.json").read_text())["States"]["Check"]
ATTEMPTS = 1 + CHECK["Retry"][1]["MaxAttempts"]
# Errors that the emulator reports in place of a task, for executions of the state machine MOCKED: in each test case,
# the state, the error that all attempts have, how often the state is entered with it, and the cause.
MOCKED = "mocked"
MOCKED_ERRORS = {
    "outage": ("Check", "Lambda.TooManyRequestsException", 1),
    **{name: ("Check", name, 1) for name in CHECK["Retry"][0]["ErrorEquals"]},
    # Step Functions reports an error like this if the model of the API does not have its name.
    "rate": ("Import image", "WorkSpaces.WorkSpacesException", 2, "Rate exceeded (Service: WorkSpaces)"),
}
CAUSE = "The test says so."


def pytest_configure(config):
    config.addinivalue_line("markers", "last: the other tests use the time that this one waits")


def pytest_collection_modifyitems(items):
    """What takes long begins first and ends last."""
    items.sort(key=lambda item: 2 if item.get_closest_marker("last") else "test_aws_check.py" not in item.nodeid)


class Process:
    """A program that prints its URL as the first line of JSON and exits when its standard input ends."""

    def __init__(self, *command):
        self.child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.url = self.read()["url"]

    def read(self):
        line = self.child.stdout.readline()
        assert line, f"{self.child.args} exited"
        return json.loads(line)

    def send(self, value):
        """Writes a line of JSON and returns the line that the program replies with."""
        self.child.stdin.write(json.dumps(value) + "\n")
        self.child.stdin.flush()
        return self.read()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.child.stdin.close()
        self.child.stdout.close()
        self.child.wait(timeout=30)


@pytest.fixture(scope="session")
def workspaces():
    """The WorkSpaces simulator. `workspaces.send({image: [answer, …]})` scripts its answers about an image.

    See fake-aws/examples/workspaces.rs.
    """
    with Process(SIMULATOR) as simulator:
        simulator.send({WATCHED: [{"State": "VALIDATING", "ProgressPercentage": 62}]})
        yield simulator


@pytest.fixture(scope="session")
def mocked_errors(tmp_path_factory):
    """A file with MOCKED_ERRORS in the format of the emulator."""

    cases = {case: {state: case} for case, (state, *_) in MOCKED_ERRORS.items()}
    responses = {
        case: {f"0-{count - 1}": {"Throw": {"Error": error, "Cause": cause[0] if cause else CAUSE}}}
        for case, (_, error, count, *cause) in MOCKED_ERRORS.items()
    }
    machines = {name: {"TestCases": cases} for name in (MOCKED, f"{MOCKED}-pipeline")}
    file = tmp_path_factory.mktemp("emulator") / "mocked-errors.json"
    file.write_text(json.dumps({"StateMachines": machines, "MockedResponses": responses}))
    return file


@pytest.fixture(scope="session")
def aws(workspaces, mocked_errors):
    """Creates clients of the emulator: `aws(service)`."""
    settings = {
        # The emulator enforces the function's role. The tests themselves call it as the root user.
        "AUTH": "true",
        "AWS_ENDPOINT_URL": "{url}",
        "AWS_ENDPOINT_URL_WORKSPACES": workspaces.url,
        "SFN_MOCK_CONFIG": str(mocked_errors),
        "SFN_WAIT_SCALE": str(WAIT_SCALE),
    }
    options = [f"--set={name}={value}" for name, value in settings.items()]
    command = [sys.executable, ROOT / "tools/emulator.py", "ministack", "--services", SERVICES, *options]
    with Process(*command) as emulator:
        session = boto3.Session(aws_access_key_id="test", aws_secret_access_key="test", region_name=REGION)
        config = botocore.config.Config(retries={"total_max_attempts": 1}, proxies={}, inject_host_prefix=False)
        yield lambda service: session.client(service, endpoint_url=emulator.url, config=config)


@pytest.fixture(scope="session")
def bucket(aws):
    aws("s3").create_bucket(Bucket="artifacts", CreateBucketConfiguration={"LocationConstraint": REGION})
    return "artifacts"


# Every image of the tests so far.
IMAGES = []


def new_image():
    IMAGES.append(f"wsi-{uuid.uuid4().hex[:12]}")
    return IMAGES[-1]


@pytest.fixture
def image():
    return new_image()


class Stack:
    """A deployed stack."""

    def __init__(self, aws, name):
        self.aws = aws
        self.name = name
        described = aws("cloudformation").describe_stacks(StackName=name)["Stacks"][0]
        self.outputs = {output["OutputKey"]: output["OutputValue"] for output in described.get("Outputs", [])}
        self.states = aws("stepfunctions")

    def delete(self):
        cloudformation = self.aws("cloudformation")
        cloudformation.delete_stack(StackName=self.name)
        cloudformation.get_waiter("stack_delete_complete").wait(
            StackName=self.name, WaiterConfig={"Delay": 1, "MaxAttempts": 60}
        )

    def invoke(self, *images):
        """The response to an event with these images, as the schedule sends it."""
        return self.handle({"Imports": [{"ImageId": image} for image in images]})

    def handle(self, event):
        """The response of the function to an event."""
        answer = self.aws("lambda").invoke(FunctionName=self.outputs["FunctionName"], Payload=json.dumps(event))
        response = json.load(answer["Payload"])
        assert "FunctionError" not in answer, response
        return response

    def lose(self, image):
        """Writes to the ledger that the image was announced as pending, and that no check has found it since last year.

        The function announces an image as not found after 15 minutes.
        """
        item = {"ImageId": {"S": image}, "State": {"S": "PENDING"}, "Sequence": {"N": "1"}, "Stalled": {"BOOL": False}}
        item |= {"Missing": {"S": "2025-01-07T09:00:00Z"}, "Version": {"N": "1"}}
        self.aws("dynamodb").put_item(TableName=self.physical_id("Ledger"), Item=item)

    def schedule(self):
        """The settings of the deployed schedule."""
        name = self.physical_id("FunctionSchedule").rpartition("/")[2].rpartition("|")[2]
        return self.aws("scheduler").get_schedule(Name=name)

    def physical_id(self, logical_id):
        cloudformation = self.aws("cloudformation")
        resource = cloudformation.describe_stack_resource(StackName=self.name, LogicalResourceId=logical_id)
        return resource["StackResourceDetail"]["PhysicalResourceId"]

    def allow_batches(self):
        """Allows `sns:PublishBatch` to the function's role if it allows `sns:Publish`.

        On AWS, `sns:Publish` authorizes both. The emulator requires a separate action.
        """
        iam, role = self.aws("iam"), self.physical_id("FunctionRole")
        for name in iam.list_role_policies(RoleName=role)["PolicyNames"]:
            document = iam.get_role_policy(RoleName=role, PolicyName=name)["PolicyDocument"]
            batches = [
                {**statement, "Sid": "Batches", "Action": "sns:PublishBatch"}
                for statement in document["Statement"]
                if statement["Action"] == "sns:Publish"
            ]
            if batches:
                document = json.dumps({**document, "Statement": batches})
                iam.put_role_policy(RoleName=role, PolicyName=f"{name}-batches", PolicyDocument=document)

    def subscribe(self, image):
        """A queue that receives only the announcements about one image."""
        return self.queue({"ImageId": [image]})

    def queue(self, filter_policy):
        """A queue that receives the announcements that match a filter policy."""
        sqs, fifo = self.aws("sqs"), self.outputs["TopicArn"].endswith(".fifo")
        url = sqs.create_queue(
            QueueName=f"subscriber-{uuid.uuid4()}" + (".fifo" if fifo else ""),
            Attributes={"FifoQueue": "true"} if fifo else {},
        )["QueueUrl"]
        arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
        policy = {
            "Version": "2012-10-17",
            "Statement": [
                {
                    "Effect": "Allow",
                    "Principal": {"Service": "sns.amazonaws.com"},
                    "Action": "sqs:SendMessage",
                    "Resource": arn,
                    "Condition": {"ArnEquals": {"aws:SourceArn": self.outputs["TopicArn"]}},
                }
            ],
        }
        sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": json.dumps(policy)})
        attributes = {"RawMessageDelivery": "true", "FilterPolicy": json.dumps(filter_policy)}
        self.aws("sns").subscribe(
            TopicArn=self.outputs["TopicArn"], Protocol="sqs", Endpoint=arn, Attributes=attributes
        )
        return Queue(sqs, url)

    def definition(self, output):
        """The definition of a deployed state machine, as JSON text."""
        return self.states.describe_state_machine(stateMachineArn=self.outputs[output])["definition"]

    def create(self, definition, name=None, role="TrackImportsArn"):
        """Creates a state machine from a changed definition, with the role of a deployed one, and returns its ARN."""
        return self.states.create_state_machine(
            name=name or f"copy-{uuid.uuid4()}",
            definition=json.dumps(definition),
            roleArn=self.states.describe_state_machine(stateMachineArn=self.outputs[role])["roleArn"],
        )["stateMachineArn"]

    def execution_of(self, output, image):
        """The ARN of the execution whose input contains this image, or None."""
        executions = self.states.list_executions(stateMachineArn=self.outputs[output])["executions"]
        for execution in executions:
            described = self.states.describe_execution(executionArn=execution["executionArn"])
            if image in described["input"]:
                return execution["executionArn"]
        return None

    def start(self, state_machine, event):
        return self.states.start_execution(stateMachineArn=state_machine, input=json.dumps(event))["executionArn"]

    def wait(self, execution, limit=60):
        """Waits until the execution has ended, and returns its description."""
        for _ in until(limit):
            described = self.states.describe_execution(executionArn=execution)
            if described["status"] != "RUNNING":
                return described
        raise AssertionError(f"{execution} is still running: {self.history(execution)[-3:]}")

    def run(self, state_machine, event, limit=60):
        """Starts an execution with this input and waits until it has ended."""
        return self.wait(self.start(state_machine, event), limit)

    def history(self, execution):
        pages = self.states.get_paginator("get_execution_history").paginate(executionArn=execution)
        return [event for page in pages for event in page["events"]]

    def entered(self, execution):
        """The names of the states that an execution entered."""
        details = (event.get("stateEnteredEventDetails") for event in self.history(execution))
        return [detail["name"] for detail in details if detail]


class Queue:
    """A queue and the messages received from it."""

    def __init__(self, sqs, url):
        self.sqs = sqs
        self.url = url
        self.received = []

    def drain(self):
        """Receives all waiting messages, and returns every message received so far."""
        while messages := self.sqs.receive_message(QueueUrl=self.url, MaxNumberOfMessages=10).get("Messages"):
            for message in messages:
                self.received.append(json.loads(message["Body"]))
                self.sqs.delete_message(QueueUrl=self.url, ReceiptHandle=message["ReceiptHandle"])
        return self.received

    def transitions(self):
        return [message["TransitionId"] for message in self.drain()]


def until(limit):
    """Yields five times a second until this many seconds have passed."""
    end = time.monotonic() + limit
    while time.monotonic() < end:
        yield
        time.sleep(0.2)


@pytest.fixture(scope="session")
def deploy(aws, bucket):
    """Deploys a template like `sam deploy`: `deploy(name, Parameter="value", …)`.

    With `operation="update"`, it updates an existing stack. `change` changes the text of the template. In the core
    template, `Discover` is false by default, so that the schedule of one stack does not find the images of another. A
    parameter that is None has the default of the template.
    """

    def put(key, body):
        aws("s3").put_object(Bucket=bucket, Key=key, Body=body)
        return f"s3://{bucket}/{key}"

    texts = functools.cache(lambda template: packaged(template, put))

    def settled(name):
        """The status of the stack after the operation, and the resources that failed."""
        cloudformation = aws("cloudformation")
        for _ in until(120):
            status = cloudformation.describe_stacks(StackName=name)["Stacks"][0]["StackStatus"]
            if not status.endswith("_IN_PROGRESS"):
                break
        failed = [
            f"{event['LogicalResourceId']}: {event.get('ResourceStatusReason')}"
            for event in cloudformation.describe_stack_events(StackName=name)["StackEvents"]
            if event["ResourceStatus"].endswith("_FAILED")
        ]
        return status, failed

    def run(name, template=CORE, operation="create", change=lambda text: text, **parameters):
        if template == CORE:
            parameters = {"Architecture": ARCHITECTURE, "Discover": "false", **parameters}
        given = {key: value for key, value in parameters.items() if value is not None}
        put(f"{name}.yaml", change(texts(template)).encode())
        getattr(aws("cloudformation"), f"{operation}_stack")(
            StackName=name,
            # Like `sam deploy`, because a template in the request itself can have at most 51,200 bytes.
            TemplateURL=f"https://s3.{REGION}.amazonaws.com/{bucket}/{name}.yaml",
            Capabilities=["CAPABILITY_AUTO_EXPAND", "CAPABILITY_IAM"],
            Parameters=[{"ParameterKey": key, "ParameterValue": value} for key, value in given.items()],
        )
        status, failed = settled(name)
        assert status == f"{operation.upper()}_COMPLETE", "\n".join([status, *failed])
        stack = Stack(aws, name)
        if template == CORE:
            stack.allow_batches()
        return stack

    return run


@pytest.fixture(scope="session")
def stack(deploy):
    """A core stack with an email address and a dashboard. Its schedule checks one image every minute."""
    stack = deploy(
        "image-imports",
        Dashboard="true",
        Email="images@example.com",
        ScheduleExpression="rate(1 minute)",
        WatchedImports=json.dumps([{"ImageId": WATCHED}]),
    )
    # Subscribes before the schedule runs for the first time, a minute from now.
    stack.watcher = stack.subscribe(WATCHED)
    return stack


@pytest.fixture(scope="session")
def addon(deploy, stack):
    """Deploys an add-on with the outputs of the core stack that it takes: `addon(name, Parameter="value", …)`."""

    def run(name, change=lambda text: text, **parameters):
        template = f"addons/{name}.yaml"
        text = (ROOT / template).read_text()
        outputs = {key: value for key, value in stack.outputs.items() if f"\n  {key}:\n" in text}
        return deploy(f"addon-{name}", template, change=change, **{**outputs, **parameters})

    return run
