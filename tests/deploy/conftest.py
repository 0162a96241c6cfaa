"""The stack of template.yaml, deployed on an emulator, and what the tests do with it.

Nothing here fakes the function: the emulator runs the release file. The emulator has no image imports of WorkSpaces, so
the function reaches the project's own simulator for those. It does by environment variables that the emulator's
process has and a function inherits; the deployed function's own configuration is what the template says.
"""

import io
import json
import os
import pathlib
import subprocess
import sys
import time
import uuid
import zipfile

import boto3
import botocore.config
import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
BOOTSTRAP = ROOT / "target/lambda/bootstrap/bootstrap"
SIMULATOR = ROOT / "target/debug/examples/workspaces"
REGION = "eu-west-1"
# By the names that the emulator knows them by.
SERVICES = "cloudformation,dynamodb,events,iam,kms,lambda,logs,monitoring,s3,scheduler,sns,sqs,states,sts"
# A second of a workflow's Wait and Retry is a millisecond here.
WAIT_SCALE = 0.001
# The image of the stack's schedule.
WATCHED = "wsi-watched00"


class Process:
    """A program that says where it serves in a first line of JSON, and ends when its standard input does."""

    def __init__(self, *command):
        self.child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.url = self.read()["url"]

    def read(self):
        line = self.child.stdout.readline()
        assert line, f"{self.child.args} ended"
        return json.loads(line)

    def say(self, value):
        """Writes a line of JSON and returns the line that answers it."""
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
    """The simulator. Scripts are `workspaces.say({image: [answer, …]})`; see simulator/examples/workspaces.rs."""
    with Process(SIMULATOR) as simulator:
        simulator.say({WATCHED: [{"State": "VALIDATING", "ProgressPercentage": 62}]})
        yield simulator


@pytest.fixture(scope="session")
def aws(workspaces):
    """Makes clients of the emulator."""
    settings = {
        # The function's calls are allowed what its role allows, and no more. The tests' own are root's.
        "AUTH": "true",
        "AWS_ENDPOINT_URL": "{url}",
        "AWS_ENDPOINT_URL_WORKSPACES": workspaces.url,
        "SFN_WAIT_SCALE": str(WAIT_SCALE),
    }
    options = [f"--set={name}={value}" for name, value in settings.items()]
    command = [sys.executable, ROOT / "tools/emulator.py", "ministack", "--services", SERVICES, *options]
    with Process(*command) as emulator:
        session = boto3.Session(aws_access_key_id="test", aws_secret_access_key="test", region_name=REGION)
        config = botocore.config.Config(retries={"total_max_attempts": 1}, proxies={})
        yield lambda service: session.client(service, endpoint_url=emulator.url, config=config)


@pytest.fixture(scope="session")
def bucket(aws):
    aws("s3").create_bucket(Bucket="artifacts", CreateBucketConfiguration={"LocationConstraint": REGION})
    return "artifacts"


def packaged(template, put):
    """The template as `sam package` would leave it: each local path has become the S3 object that `put` made of the
    file. Those lines are all that changes."""
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as file:
        entry = zipfile.ZipInfo("bootstrap")
        entry.external_attr = 0o755 << 16
        file.writestr(entry, BOOTSTRAP.read_bytes())
    replacements = {"CodeUri: .\n": f"CodeUri: {put('function.zip', archive.getvalue())}\n"}
    for definition in (ROOT / "statemachine").glob("*.asl.json"):
        local = f"DefinitionUri: statemachine/{definition.name}\n"
        replacements[local] = f"DefinitionUri: {put(definition.name, definition.read_bytes())}\n"
    for local, uploaded in replacements.items():
        assert template.count(local) == 1, f"{local!r} is not once in template.yaml"
        template = template.replace(local, uploaded)
    return template


class Stack:
    """A deployed stack."""

    def __init__(self, aws, name):
        self.aws = aws
        self.name = name
        described = aws("cloudformation").describe_stacks(StackName=name)["Stacks"][0]
        self.outputs = {output["OutputKey"]: output["OutputValue"] for output in described["Outputs"]}
        self.states = aws("stepfunctions")

    def physical_id(self, logical_id):
        cloudformation = self.aws("cloudformation")
        resource = cloudformation.describe_stack_resource(StackName=self.name, LogicalResourceId=logical_id)
        return resource["StackResourceDetail"]["PhysicalResourceId"]

    def allow_batches(self):
        """AWS authorises PublishBatch by `sns:Publish`, the emulator by an action of its own. Each statement of the
        function's role that allows the one comes to allow the other."""
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
        """A queue that gets the announcements of one image, and nothing else."""
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
        attributes = {"RawMessageDelivery": "true", "FilterPolicy": json.dumps({"ImageId": [image]})}
        self.aws("sns").subscribe(
            TopicArn=self.outputs["TopicArn"], Protocol="sqs", Endpoint=arn, Attributes=attributes
        )
        return Queue(sqs, url)

    def definition(self, output):
        """A deployed state machine's definition, as text."""
        return self.states.describe_state_machine(stateMachineArn=self.outputs[output])["definition"]

    def create(self, definition):
        """One more state machine, for what the emulator cannot be asked of a deployed one."""
        return self.states.create_state_machine(
            name=f"copy-{uuid.uuid4()}",
            definition=json.dumps(definition),
            roleArn=self.states.describe_state_machine(stateMachineArn=self.outputs["TrackManyArn"])["roleArn"],
        )["stateMachineArn"]

    def execution_of(self, output, image):
        """The execution of a state machine whose input names this image."""
        executions = self.states.list_executions(stateMachineArn=self.outputs[output])["executions"]
        for execution in executions:
            described = self.states.describe_execution(executionArn=execution["executionArn"])
            if image in described["input"]:
                return execution["executionArn"]
        return None

    def start(self, state_machine, event):
        return self.states.start_execution(stateMachineArn=state_machine, input=json.dumps(event))["executionArn"]

    def wait(self, execution, limit=60):
        """The execution's end."""
        for _ in until(limit):
            described = self.states.describe_execution(executionArn=execution)
            if described["status"] != "RUNNING":
                return described
        raise AssertionError(f"{execution} is still running: {self.history(execution)[-3:]}")

    def run(self, state_machine, event, limit=60):
        """The end of an execution with this input."""
        return self.wait(self.start(state_machine, event), limit)

    def history(self, execution):
        pages = self.states.get_paginator("get_execution_history").paginate(executionArn=execution)
        return [event for page in pages for event in page["events"]]

    def entered(self, execution):
        """The states that an execution went through."""
        details = (event.get("stateEnteredEventDetails") for event in self.history(execution))
        return [detail["name"] for detail in details if detail]


class Queue:
    """A subscriber."""

    def __init__(self, sqs, url):
        self.sqs = sqs
        self.url = url
        self.received = []

    def drain(self):
        """Everything that has come so far."""
        while messages := self.sqs.receive_message(QueueUrl=self.url, MaxNumberOfMessages=10).get("Messages"):
            for message in messages:
                self.received.append(json.loads(message["Body"]))
                self.sqs.delete_message(QueueUrl=self.url, ReceiptHandle=message["ReceiptHandle"])
        return self.received

    def transitions(self):
        return [message["TransitionId"] for message in self.drain()]


def until(limit):
    """Yields a few times a second, until so many seconds have passed."""
    end = time.monotonic() + limit
    while time.monotonic() < end:
        yield
        time.sleep(0.2)


@pytest.fixture(scope="session")
def deploy(aws, bucket):
    """Deploys template.yaml as `sam deploy` would: `deploy(name, Parameter="value", …)`."""

    def put(key, body):
        aws("s3").put_object(Bucket=bucket, Key=key, Body=body)
        return f"s3://{bucket}/{key}"

    template = packaged((ROOT / "template.yaml").read_text(), put)
    architecture = "arm64" if os.uname().machine in ("aarch64", "arm64") else "x86_64"

    def run(name, **parameters):
        cloudformation = aws("cloudformation")
        parameters["Architecture"] = architecture
        cloudformation.create_stack(
            StackName=name,
            TemplateBody=template,
            Capabilities=["CAPABILITY_AUTO_EXPAND", "CAPABILITY_IAM"],
            Parameters=[{"ParameterKey": key, "ParameterValue": value} for key, value in parameters.items()],
        )
        for _ in until(120):
            status = cloudformation.describe_stacks(StackName=name)["Stacks"][0]["StackStatus"]
            if not status.endswith("_IN_PROGRESS"):
                break
        failed = [
            f"{event['LogicalResourceId']}: {event.get('ResourceStatusReason')}"
            for event in cloudformation.describe_stack_events(StackName=name)["StackEvents"]
            if event["ResourceStatus"].endswith("_FAILED")
        ]
        assert status == "CREATE_COMPLETE", "\n".join([status, *failed])
        stack = Stack(aws, name)
        stack.allow_batches()
        return stack

    return run


@pytest.fixture(scope="session")
def stack(deploy, bucket):
    """The stack with all that can be switched on."""
    stack = deploy(
        "image-imports",
        ImageListBucket=bucket,
        ScheduleExpression="rate(1 minute)",
        TrackNewImports="true",
        WatchedImports=json.dumps([{"ImageId": WATCHED}]),
    )
    # Before the schedule's first tick, a minute from now.
    stack.watcher = stack.subscribe(WATCHED)
    return stack
