#!/usr/bin/env python3
"""Tests the templates in a real AWS account. No emulator can prove what this proves.

    make build aws-check REGION=eu-west-1

It asks Step Functions about every workflow, creates a change set of every template, deploys the core under a random
name, sends an event through each trigger, and reads the announcements that arrive in a queue. It names images that do
not exist, and the function announces that it did not find them. In the end, it deletes everything, also
after a failure or Ctrl-C. The report, target/aws-check.md, can be pasted into an issue. It does not name the account.

Before it creates anything, it prints what it will create and asks for the ID of the account on the terminal.
"""

import argparse
import contextlib
import json
import pathlib
import re
import secrets
import signal
import sys
import time

import boto3
import botocore.exceptions
from sam_package import ADDONS, BOOTSTRAP, CORE, ROOT, packaged

REPORT = ROOT / "target/aws-check.md"
PLAN = """\
This creates in {region}, in the account {account}, and deletes in the end:
  - an S3 bucket with the function and the templates
  - a change set of each template, of which only that of template.yaml is executed
  - the core stack {name}, with a function, a workflow, a schedule, roles, alarms, and a dashboard
  - its ledger, a DynamoDB table
  - a topic for alarms, an SQS queue that subscribes to the announcements, and an EventBridge rule
It takes about ten minutes and costs less than a dollar. If your account has image imports that are running in this
Region, the stack also announces them, to its own topic only.
"""
ARN = "arn:aws:{}:{}:123456789012:{}"
# Each workflow: a state, its input, and the state that must follow.
STATES = {
    "track-imports": [("Read input", {"WaitSeconds": "abc"}, "Invalid input"), ("Read input", {}, "Check")],
    "track-many": [("Find list", {}, "No list"), ("Find list", {"Imports": ["wsi-0a1b2c3d4"]}, "List")],
    "import-to-bundle": [("Import completed", {"Status": "PENDING"}, "Not settled")],
}
WAIT_SECONDS = 600


class Failed(Exception):
    """What a step did not find."""


def new_image():
    return f"wsi-{secrets.token_hex(5)}"


def record(image):
    """A record of an image that no check has found since 2025. The function announces one as not found after 15 minutes."""
    return {"ImageId": image, "Missing": "2025-01-07T09:00:00Z"}


def architecture():
    """That of the binary, from its ELF header."""
    return {0x3E: "x86_64", 0xB7: "arm64"}[int.from_bytes(BOOTSTRAP.read_bytes()[18:20], "little")]


def until(limit, what):
    """Yields until this many seconds have passed, and then fails."""
    end = time.monotonic() + limit
    while time.monotonic() < end:
        yield
        time.sleep(min(2, limit / 300))
    raise Failed(f"{what} did not happen within {limit} seconds")


class Check:
    """One run. `client` creates clients. `parameters` override those of the core stack, and `skip` names steps."""

    def __init__(self, client, region, *, parameters=None, skip=(), deployed=lambda name: None):
        self.client, self.region, self.skip, self.deployed = client, region, dict(skip), deployed
        self.name = f"workspaces-image-import-check-{secrets.token_hex(4)}"
        self.rows, self.outputs, self.received = [], {}, []
        self.tracked, self.watched, self.execution = new_image(), new_image(), None
        self.parameters = {
            "Architecture": architecture(),
            "Dashboard": "true",
            "ScheduleExpression": "rate(1 minute)",
            "WatchedImports": json.dumps([record(self.watched)]),
            **(parameters or {}),
        }
        self.cleanups = contextlib.ExitStack()

    def run(self):
        """Runs all steps and deletes everything. Returns whether all steps passed."""
        try:
            for definition in sorted(STATES):
                self.step(f"Step Functions accepts {definition}", self.validate, definition)
            if self.step("upload", self.upload) and self.step("alarm topic", self.create_alarm_topic):
                for template in ADDONS:
                    self.step(f"change set of {template}", self.propose, template)
                if self.step(f"deployment of {CORE}", self.deploy) and self.step("subscription", self.subscribe):
                    self.send()
        except BaseException as error:
            self.rows.append(("run", "FAILED", f"it was ended by {type(error).__name__}", 0))
            raise
        finally:
            self.clean()
        return all(result in ("passed", "skipped") for _, result, *_ in self.rows)

    def send(self):
        """Sends an event through each trigger."""
        self.step("TrackImports, start", self.start)
        self.step("invocation", self.invoke)
        self.step("self-test", self.self_test)
        self.step("discovery", self.discover)
        self.step("EventBridge rule", self.rule)
        self.step("schedule", self.schedule)
        self.step("TrackImports", self.follow)

    def step(self, name, function, *arguments):
        """Runs a step and returns whether the run can go on. A step returns what it found out, or None."""
        if name in self.skip:
            self.rows.append((name, "skipped", self.skip[name], 0))
            return True
        begun = time.monotonic()
        try:
            result, detail = "passed", function(*arguments) or ""
        except (Failed, botocore.exceptions.ClientError, botocore.exceptions.BotoCoreError) as error:
            result, detail = "FAILED", str(error)
        self.rows.append((name, result, detail, time.monotonic() - begun))
        print(f"{result:7} {name} {detail}", flush=True)
        return result == "passed"

    def clean(self):
        """Deletes everything, in the opposite order. What cannot be deleted is in the report."""
        print("deleting everything that this created …", flush=True)
        self.cleanups.close()

    def later(self, what, function, *arguments, **options):
        """Deletes something in the end."""

        def run():
            self.step(f"deletion of {what}", lambda: function(*arguments, **options) and None)

        self.cleanups.callback(run)

    # ── Workflows ───────────────────────────────────────────────────────────────────────────────────────────────────

    def validate(self, name):
        """Asks about the definition, and about single states."""
        text = (ROOT / f"statemachine/{name}.asl.json").read_text()
        values = {
            "Partition": "aws",
            "FunctionArn": ARN.format("lambda", self.region, "function:example"),
            "TrackImportsArn": ARN.format("states", self.region, "stateMachine:example"),
            "ConcurrentBatches": "4",
        }
        definition = re.sub(r"\$\{(\w+)\}", lambda match: values[match[1]], text)
        states = self.client("stepfunctions")
        answer = states.validate_state_machine_definition(definition=definition)
        if answer["result"] != "OK" or answer["diagnostics"]:
            raise Failed(json.dumps(answer["diagnostics"]))
        for state, given, expected in STATES[name]:
            result = states.test_state(definition=definition, stateName=state, input=json.dumps(given))
            if result.get("nextState") != expected:
                raise Failed(f"{state} leads to {result.get('nextState')}, not to {expected}")

    # ── Templates ───────────────────────────────────────────────────────────────────────────────────────────────────

    def upload(self):
        bucket, s3 = self.name, self.client("s3")
        place = {} if self.region == "us-east-1" else {"CreateBucketConfiguration": {"LocationConstraint": self.region}}
        s3.create_bucket(Bucket=bucket, **place)
        self.later("the bucket", s3.delete_bucket, Bucket=bucket)

        def put(key, body):
            s3.put_object(Bucket=bucket, Key=key, Body=body)
            self.later(key, s3.delete_object, Bucket=bucket, Key=key)
            return f"s3://{bucket}/{key}"

        for template in [CORE, *ADDONS]:
            put(pathlib.Path(template).name, packaged(template, put).encode())

    def create_alarm_topic(self):
        sns = self.client("sns")
        self.parameters["AlarmTopicArn"] = arn = sns.create_topic(Name=f"{self.name}-alarms")["TopicArn"]
        self.later("the alarm topic", sns.delete_topic, TopicArn=arn)

    def change_set(self, template, stack, parameters):
        """Creates a change set that creates a stack, and returns its changes."""
        cloudformation, name = self.client("cloudformation"), pathlib.Path(template).name
        china = ".cn" if self.region.startswith("cn-") else ""
        cloudformation.create_change_set(
            StackName=stack,
            ChangeSetName="check",
            ChangeSetType="CREATE",
            TemplateURL=f"https://s3.{self.region}.amazonaws.com{china}/{self.name}/{name}",
            Capabilities=["CAPABILITY_AUTO_EXPAND", "CAPABILITY_IAM"],
            Parameters=[{"ParameterKey": key, "ParameterValue": value} for key, value in parameters.items()],
        )
        self.later(f"the stack {stack.removeprefix(self.name).strip('-') or 'of the core'}", self.delete_stack, stack)
        for _ in until(WAIT_SECONDS, "the change set"):
            found = cloudformation.describe_change_set(StackName=stack, ChangeSetName="check")
            if found["Status"] in ("CREATE_COMPLETE", "FAILED"):
                break
        if found["Status"] == "FAILED":
            raise Failed(found.get("StatusReason"))
        return found["Changes"]

    def delete_stack(self, stack):
        cloudformation = self.client("cloudformation")
        cloudformation.delete_stack(StackName=stack)
        cloudformation.get_waiter("stack_delete_complete").wait(
            StackName=stack, WaiterConfig={"Delay": 2, "MaxAttempts": 300}
        )

    def propose(self, template):
        """Creates the change set of an add-on with the values that it needs."""
        values = {
            "TopicArn": self.parameters["AlarmTopicArn"],
            "TrackImportsArn": ARN.format("states", self.region, "stateMachine:example"),
            "SlackWorkspaceId": "T0123ABCD",
            "SlackChannelId": "C0123ABCD",
        }
        text = (ROOT / template).read_text()
        needed = {name: value for name, value in values.items() if f"\n  {name}:\n" in text}
        changes = self.change_set(template, f"{self.name}-{pathlib.Path(template).stem}", needed)
        return f"{len(changes)} resources"

    def deploy(self):
        cloudformation, stack = self.client("cloudformation"), self.name
        # The stack does not delete its table, so this does it after the stack.
        self.later("the ledger", self.delete_ledger)
        changes = self.change_set(CORE, stack, self.parameters)
        cloudformation.execute_change_set(StackName=stack, ChangeSetName="check")
        for _ in until(WAIT_SECONDS, "the deployment"):
            found = cloudformation.describe_stacks(StackName=stack)["Stacks"][0]
            if not found["StackStatus"].endswith("_IN_PROGRESS"):
                break
        if found["StackStatus"] != "CREATE_COMPLETE":
            events = cloudformation.describe_stack_events(StackName=stack)["StackEvents"]
            reasons = [one.get("ResourceStatusReason") for one in events if one["ResourceStatus"] == "CREATE_FAILED"]
            raise Failed(f"{found['StackStatus']}: {reasons}")
        self.outputs = {one["OutputKey"]: one["OutputValue"] for one in found["Outputs"]}
        self.deployed(stack)
        return f"{len(changes)} resources"

    def delete_ledger(self):
        dynamodb, table = self.client("dynamodb"), f"{self.name}-Ledger"
        try:
            dynamodb.update_table(TableName=table, DeletionProtectionEnabled=False)
        except dynamodb.exceptions.ResourceNotFoundException:
            return
        dynamodb.get_waiter("table_exists").wait(TableName=table)
        dynamodb.delete_table(TableName=table)

    # ── Announcements ───────────────────────────────────────────────────────────────────────────────────────────────

    def subscribe(self):
        sqs, topic = self.client("sqs"), self.outputs["TopicArn"]
        self.queue = sqs.create_queue(QueueName=self.name)["QueueUrl"]
        self.later("the queue", sqs.delete_queue, QueueUrl=self.queue)
        arn = sqs.get_queue_attributes(QueueUrl=self.queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
        statement = {
            "Effect": "Allow",
            "Principal": {"Service": "sns.amazonaws.com"},
            "Action": "sqs:SendMessage",
            "Resource": arn,
            "Condition": {"ArnEquals": {"aws:SourceArn": topic}},
        }
        policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
        sqs.set_queue_attributes(QueueUrl=self.queue, Attributes={"Policy": policy})
        # The subscription disappears together with the topic.
        attributes = {"RawMessageDelivery": "true"}
        self.client("sns").subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn, Attributes=attributes)

    def arrived(self, image, send=lambda: None):
        """Waits for the announcement that an image was not found. `send` sends an event until then."""
        self.received_one(f"the announcement about {image}", "TransitionId", f"{image}#1:NOT_FOUND", send)
        return f"{image}#1:NOT_FOUND arrived"

    def received_one(self, what, member, value, send=lambda: None):
        """Waits for the message in which this member has this value."""
        sqs = self.client("sqs")
        for _ in until(WAIT_SECONDS, what):
            send()
            for message in sqs.receive_message(QueueUrl=self.queue, MaxNumberOfMessages=10).get("Messages", []):
                self.received.append(json.loads(message["Body"]))
                sqs.delete_message(QueueUrl=self.queue, ReceiptHandle=message["ReceiptHandle"])
            if value in [one.get(member) for one in self.received]:
                return

    def self_test(self):
        discover = self.parameters.get("Discover", "true") == "true"
        report = self.call({"SelfTest": True, "Discover": discover})
        if not report["Passed"]:
            raise Failed(json.dumps([check for check in report["Checks"] if not check["Passed"]]))
        self.received_one("the message of the self-test", "Kind", "TEST")
        return f"{len(report['Checks'])} checks passed, and the message arrived"

    def invoke(self):
        image = new_image()
        self.call({"Imports": [record(image)]})
        return self.arrived(image)

    def call(self, event):
        answer = self.client("lambda").invoke(FunctionName=self.outputs["FunctionName"], Payload=json.dumps(event))
        response = json.load(answer["Payload"])
        if "FunctionError" in answer:
            raise Failed(json.dumps(response))
        return response

    def discover(self):
        response = self.call({"Discover": True})
        if "DiscoverError" in response:
            raise Failed(json.dumps(response["DiscoverError"]))
        return f"{len(response['Imports'])} imports"

    def rule(self):
        """Events on the default bus, which a rule delivers to the function. A new rule misses the first ones."""
        events, function, name = self.client("events"), self.client("lambda"), self.outputs["FunctionName"]
        arn = function.get_function(FunctionName=name)["Configuration"]["FunctionArn"]
        rule = events.put_rule(Name=self.name, EventPattern=json.dumps({"source": [self.name]}))["RuleArn"]
        self.later("the rule", events.delete_rule, Name=self.name)
        function.add_permission(
            FunctionName=name,
            StatementId=self.name,
            Action="lambda:InvokeFunction",
            Principal="events.amazonaws.com",
            SourceArn=rule,
        )
        events.put_targets(Rule=self.name, Targets=[{"Id": "function", "Arn": arn}])
        self.later("the target of the rule", events.remove_targets, Rule=self.name, Ids=["function"])
        image = new_image()
        entry = {
            "Source": self.name,
            "DetailType": "Image imports",
            "Detail": json.dumps({"Imports": [record(image)]}),
        }
        return self.arrived(image, lambda: events.put_events(Entries=[entry]))

    def schedule(self):
        return self.arrived(self.watched)

    def start(self):
        event = {"Imports": [record(self.tracked)], "WaitSeconds": 120}
        states, machine = self.client("stepfunctions"), self.outputs["TrackImportsArn"]
        self.execution = states.start_execution(stateMachineArn=machine, input=json.dumps(event))["executionArn"]

    def follow(self):
        for _ in until(WAIT_SECONDS, "the end of the execution"):
            found = self.client("stepfunctions").describe_execution(executionArn=self.execution)
            if found["status"] != "RUNNING":
                break
        if found.get("error") != "ImportFailed" or f"{self.tracked} NOT_FOUND" not in found.get("cause", ""):
            raise Failed(f"{found['status']} {found.get('error')}: {found.get('cause')}")
        return self.arrived(self.tracked)

    # ── Report ──────────────────────────────────────────────────────────────────────────────────────────────────────

    def report(self):
        """The report as Markdown, without the ID of the account."""
        version = re.search(r'^version = "(.*)"$', (ROOT / "Cargo.toml").read_text(), re.MULTILINE)[1]
        head = f"aws-check of version {version} in {self.region}, {self.parameters['Architecture']}"
        lines = [f"{head}\n", "| step | result | seconds | detail |", "|---|---|---|---|"]
        for name, result, detail, seconds in self.rows:
            lines.append(f"| {name} | {result} | {seconds:.0f} | {str(detail).replace('|', '/')} |")
        return re.sub(r"\b[0-9]{12}\b", "ACCOUNT", "\n".join(lines)) + "\n"


def confirmed(region, account, name):
    """Whether somebody at a terminal wants this."""
    print(PLAN.format(region=region, account=account, name=name))
    return input(f"To continue, type the ID of the account, {account}: ").strip() == account


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    # The Region of the environment does not count.
    parser.add_argument("--region", required=True, help="the Region to test in")
    region = parser.parse_args().region
    if not sys.stdin.isatty():
        parser.error("this asks before it creates anything, so it needs a terminal")
    if not BOOTSTRAP.exists():
        parser.error(f"{BOOTSTRAP.relative_to(ROOT)} is missing; run `make build`")
    session = boto3.Session(region_name=region)
    try:
        account = session.client("sts").get_caller_identity()["Account"]
    except (botocore.exceptions.ClientError, botocore.exceptions.BotoCoreError) as error:
        parser.error(f"AWS does not know who you are: {error}")
    # Where cfn-lint says so, the types of these templates do not exist.
    missing = {"cn-": ["chat"], "us-gov-": ["chat", "eventbridge"]}
    absent = [addon for prefix, addons in missing.items() if region.startswith(prefix) for addon in addons]
    skip = {f"change set of addons/{addon}.yaml": "it does not exist in this partition" for addon in absent}
    check = Check(session.client, region, skip=skip)
    if not confirmed(region, account, check.name):
        print("nothing was created")
        return 1

    def end(number, _):
        # A second signal must not end the deletion.
        for ending in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(ending, signal.SIG_IGN)
        raise SystemExit(128 + number)

    for ending in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(ending, end)
    passed = False
    try:
        passed = check.run()
    finally:
        REPORT.parent.mkdir(exist_ok=True)
        REPORT.write_text(check.report())
        print(f"\n{check.report()}\nThis is also in {REPORT.relative_to(ROOT)}.")
    return 0 if passed else 1


if __name__ == "__main__":
    sys.exit(main())
