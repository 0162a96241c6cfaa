#!/usr/bin/env python3
"""Holds template.yaml to what no linter knows: the grants, the names it shares with the code, the alarms, the definitions.

    python tools/check_template.py [--definitions DIRECTORY]

The grants are written down here a second time, on purpose: an emulator allows everything, so a statement that is
deleted, widened or added shows nowhere else. `--definitions` writes each state machine's definition with its
substitutions made, for a validator to read.
"""

import argparse
import json
import pathlib
import re
import sys

import yaml

ROOT = pathlib.Path(__file__).resolve().parent.parent

ACCOUNT_TRUST = "StringEquals aws:SourceAccount AWS::AccountId"
DELIVER_LOGS = (
    *("logs:CreateLogDelivery", "logs:GetLogDelivery", "logs:UpdateLogDelivery", "logs:DeleteLogDelivery"),
    *("logs:ListLogDeliveries", "logs:PutResourcePolicy", "logs:DescribeResourcePolicies", "logs:DescribeLogGroups"),
)
WRITE_TRACES = ("xray:PutTraceSegments", "xray:PutTelemetryRecords")
SAMPLE_TRACES = ("xray:GetSamplingRules", "xray:GetSamplingTargets")
TOPIC = "CreatesTopic ? Topic : TopicArn"
STATES = "arn:${AWS::Partition}:states:${AWS::Region}:${AWS::AccountId}:execution:"
SFN_RULE = "StepFunctionsGetEventsForStepFunctionsExecutionRule"

# Resource → who may assume it (or send to it), and its statements: condition of the template, actions, resources.
GRANTS = {
    "FunctionRole": (
        "lambda.amazonaws.com",
        {
            (None, ("workspaces:DescribeCustomWorkspaceImageImport",), ("*",)),
            (None, ("sns:Publish",), (TOPIC,)),
            ("CreatesKey", ("kms:GenerateDataKey*", "kms:Decrypt"), ("TopicKey.Arn",)),
            ("HasTopicKeyArn", ("kms:GenerateDataKey*", "kms:Decrypt"), ("TopicKeyArn",)),
            ("HasWatchedImports", ("dynamodb:BatchGetItem", "dynamodb:PutItem"), ("Ledger.Arn",)),
            (None, ("sqs:SendMessage",), ("DeadLetterQueue.Arn",)),
            (None, ("logs:CreateLogStream", "logs:PutLogEvents"), ("FunctionLogGroup.Arn",)),
            (None, WRITE_TRACES, ("*",)),
        },
    ),
    "ScheduleRole": (
        f"scheduler.amazonaws.com if {ACCOUNT_TRUST}",
        {
            (None, ("lambda:InvokeFunction",), ("Function.Arn",)),
            (None, ("sqs:SendMessage",), ("DeadLetterQueue.Arn",)),
        },
    ),
    "TrackImportsRole": (
        f"states.amazonaws.com if {ACCOUNT_TRUST}",
        {
            (None, ("lambda:InvokeFunction",), ("Function.Arn", "${Function.Arn}:*")),
            (None, DELIVER_LOGS, ("*",)),
            (None, WRITE_TRACES + SAMPLE_TRACES, ("*",)),
        },
    ),
    "TrackManyRole": (
        f"states.amazonaws.com if {ACCOUNT_TRUST}",
        {
            (None, ("states:StartExecution",), ("TrackImports",)),
            (None, ("states:DescribeExecution", "states:StopExecution"), (STATES + "${TrackImports.Name}:*",)),
            (
                None,
                ("events:PutTargets", "events:PutRule", "events:DescribeRule"),
                ("arn:${AWS::Partition}:events:${AWS::Region}:${AWS::AccountId}:rule/" + SFN_RULE,),
            ),
            ("HasImageListBucket", ("s3:GetObject",), ("arn:${AWS::Partition}:s3:::${ImageListBucket}/*",)),
            (None, DELIVER_LOGS, ("*",)),
            (None, WRITE_TRACES + SAMPLE_TRACES, ("*",)),
        },
    ),
    "TrackManyMapPolicy": (
        "TrackManyRole",
        {
            (None, ("states:StartExecution",), ("TrackMany",)),
            (
                None,
                ("states:DescribeExecution", "states:StopExecution", "states:RedriveExecution"),
                (STATES + "${TrackMany.Name}/*",),
            ),
        },
    ),
    "NewImportRuleRole": (
        f"events.amazonaws.com if {ACCOUNT_TRUST}",
        {(None, ("states:StartExecution",), ("TrackImports",))},
    ),
    "DeadLetterQueuePolicy": (
        "events.amazonaws.com if ArnEquals aws:SourceArn NewImportRule.Arn",
        {(None, ("sqs:SendMessage",), ("DeadLetterQueue.Arn",))},
    ),
}

# Resource → path → value: what a resource is worthless without, and no linter misses.
HELD = {
    "Ledger": {
        "Condition": "HasWatchedImports",
        "DeletionPolicy": "Retain",
        "UpdateReplacePolicy": "Retain",
        "Properties.BillingMode": "PAY_PER_REQUEST",
        "Properties.PointInTimeRecoverySpecification.PointInTimeRecoveryEnabled": True,
        "Properties.SSESpecification.SSEEnabled": True,
        "Properties.KeySchema": [{"AttributeName": "ImageId", "KeyType": "HASH"}],
    },
    "DeadLetterQueue": {"Properties.SqsManagedSseEnabled": True, "Properties.MessageRetentionPeriod": 1209600},
    "Function": {
        "Metadata.BuildMethod": "rust-cargolambda",
        "Metadata.BuildProperties.Binary": "bootstrap",
        "Properties.Runtime": "provided.al2023",
        "Properties.Role": "FunctionRole.Arn",
        "Properties.Tracing": "Active",
        "Properties.LoggingConfig.LogFormat": "JSON",
        "Properties.LoggingConfig.LogGroup": "FunctionLogGroup",
        "Properties.EventInvokeConfig.DestinationConfig.OnFailure.Destination": "DeadLetterQueue.Arn",
        "Properties.Events.Schedule.Type": "ScheduleV2",
        "Properties.Events.Schedule.Properties.OmitName": True,
        "Properties.Events.Schedule.Properties.State": "HasWatchedImports ? ENABLED : DISABLED",
        "Properties.Events.Schedule.Properties.Input": (
            'HasWatchedImports ? {"Imports": ${WatchedImports}} : {"Imports": []}'
        ),
        "Properties.Events.Schedule.Properties.RoleArn": "ScheduleRole.Arn",
        "Properties.Events.Schedule.Properties.DeadLetterConfig.Arn": "DeadLetterQueue.Arn",
    },
    "Topic": {
        "Condition": "CreatesTopic",
        "Properties.FifoTopic": "CreatesFifoTopic ? True : AWS::NoValue",
        "Properties.KmsMasterKeyId": "CreatesKey ? TopicKey : AWS::NoValue",
    },
    "TopicKey": {"Condition": "CreatesKey", "Properties.EnableKeyRotation": True},
    "EmailSubscription": {"Condition": "HasEmail", "Properties.TopicArn": TOPIC, "Properties.Endpoint": "Email"},
    "TrackImports": {
        "Properties.Role": "TrackImportsRole.Arn",
        "Properties.Tracing.Enabled": True,
        "Properties.Logging.Level": "ERROR",
        "Properties.Logging.Destinations": [{"CloudWatchLogsLogGroup": {"LogGroupArn": "TrackImportsLogGroup.Arn"}}],
    },
    "TrackMany": {
        "Properties.Role": "TrackManyRole.Arn",
        "Properties.Tracing.Enabled": True,
        "Properties.Logging.Level": "ERROR",
        "Properties.Logging.Destinations": [{"CloudWatchLogsLogGroup": {"LogGroupArn": "TrackManyLogGroup.Arn"}}],
    },
    "NewImportRule": {
        "Condition": "TracksNewImports",
        "Properties.EventPattern": {
            "source": ["aws.workspaces"],
            "detail-type": ["AWS API Call via CloudTrail"],
            "detail": {
                "eventSource": ["workspaces.amazonaws.com"],
                "eventName": ["ImportCustomWorkspaceImage"],
                "errorCode": [{"exists": False}],
            },
        },
    },
    "NewImportRuleRole": {"Condition": "TracksNewImports"},
    "DeadLetterQueuePolicy": {"Condition": "TracksNewImports"},
    "LedgerThrottlesAlarm": {"Condition": "HasWatchedImports"},
    "LedgerReadThrottlesAlarm": {"Condition": "HasWatchedImports"},
    **{
        group: {"Properties.RetentionInDays": "LogRetentionDays"}
        for group in ("FunctionLogGroup", "TrackImportsLogGroup", "TrackManyLogGroup")
    },
}

# Alarm → namespace, metric, statistic, the dimensions' values; each goes off at one or more. No metric math: the emulator
# knows none.
ALARMS = {
    "FunctionErrorsAlarm": ("AWS/Lambda", "Errors", "Sum", ["Function"]),
    "FunctionThrottlesAlarm": ("AWS/Lambda", "Throttles", "Sum", ["Function"]),
    "CheckErrorsAlarm": ("WorkSpacesImageImport", "CheckErrors", "Sum", []),
    "StalledAlarm": ("WorkSpacesImageImport", "Stalled", "Maximum", []),
    "DeadLetterQueueAlarm": (
        *("AWS/SQS", "ApproximateNumberOfMessagesVisible", "Maximum"),
        ["DeadLetterQueue.QueueName"],
    ),
    "ExecutionsFailedAlarm": ("AWS/States", "ExecutionsFailed", "Sum", ["TrackImports"]),
    "ExecutionsTimedOutAlarm": ("AWS/States", "ExecutionsTimedOut", "Sum", ["TrackImports"]),
    "ExecutionsAbortedAlarm": ("AWS/States", "ExecutionsAborted", "Sum", ["TrackImports"]),
    "TrackManyFailedAlarm": ("AWS/States", "ExecutionsFailed", "Sum", ["TrackMany"]),
    "TrackManyTimedOutAlarm": ("AWS/States", "ExecutionsTimedOut", "Sum", ["TrackMany"]),
    "TrackManyAbortedAlarm": ("AWS/States", "ExecutionsAborted", "Sum", ["TrackMany"]),
    "LedgerThrottlesAlarm": ("AWS/DynamoDB", "WriteThrottleEvents", "Sum", ["Ledger"]),
    "LedgerReadThrottlesAlarm": ("AWS/DynamoDB", "ReadThrottleEvents", "Sum", ["Ledger"]),
}

# Conditions and rules, by what they say.
CONDITIONS = {
    "CreatesTopic": "TopicArn == ",
    "CreatesKey": "CreatesTopic and TopicEncryption == customer-managed-key",
    "CreatesFifoTopic": "CreatesTopic and TopicType == fifo",
    "HasTopicKeyArn": "not TopicKeyArn == ",
    "HasEmail": "not Email == ",
    "HasWatchedImports": "not WatchedImports == ",
    "TracksNewImports": "TrackNewImports == true",
    "HasImageListBucket": "not ImageListBucket == ",
    "HasAlarmTopic": "not AlarmTopicArn == ",
    "InChina": "AWS::Partition == aws-cn",
    "InGovCloud": "AWS::Partition == aws-us-gov",
}
RULES = {
    "EmailNeedsAStandardTopic": ("TopicType == fifo", ["Email == "]),
    "AnExistingTopicKeepsItsEncryption": ("not TopicArn == ", ["TopicEncryption == none"]),
    "AKeyBelongsToAnExistingTopic": ("not TopicKeyArn == ", ["not TopicArn == "]),
}

# The function's environment: variable → its value here. Numbers are held to src/config.rs as well.
ENVIRONMENT = {
    "TOPIC_ARN": TOPIC,
    "LEDGER_TABLE": "HasWatchedImports ? Ledger : ",
    "CONCURRENCY": "Concurrency",
    "STALL_AFTER_SECONDS": "StallAfterSeconds",
    "MAX_RESPONSE_BYTES": "MaxResponseBytes",
    "CONNECT_IN_INIT": "ConnectInInit",
}

# Properties that would give a resource a name of the template's own, which a second stack could not have.
NAMES = re.compile(r"^(Function|Role|Table|Queue|StateMachine|Alarm|Dashboard|Group|Topic|LogGroup)?Name$")
NUMBER = re.compile(r"number\((\w+), ([\d_]+), ([\d_]+)\.\.=([\d_]+)\)")


def read(node):
    """An intrinsic function as text: `Ref` and `GetAtt` as what they name, `Sub` as it stands, `If` as a ? b : c."""
    if isinstance(node, list):
        return [read(one) for one in node]
    if not isinstance(node, dict):
        return node
    if len(node) == 1:
        (name, value), *_ = node.items()
        if name in ("Ref", "Condition") and isinstance(value, str):
            return value
        if name == "Fn::GetAtt":
            return value if isinstance(value, str) else ".".join(value)
        if name == "Fn::Sub":
            return value if isinstance(value, str) else read(value[0])
        if name == "Fn::If":
            return f"{value[0]} ? {read(value[1])} : {read(value[2])}"
        if name == "Fn::Equals":
            return f"{read(value[0])} == {read(value[1])}"
        if name == "Fn::Not":
            return f"not {read(value[0])}"
        if name == "Fn::And":
            return " and ".join(read(one) for one in value)
    return {key: read(value) for key, value in node.items()}


class Loader(yaml.SafeLoader):
    """YAML with CloudFormation's short forms, as their long ones; dates stay text."""


def short_form(loader, tag, node):
    name = {"Ref": "Ref", "Condition": "Condition"}.get(tag, f"Fn::{tag}")
    if isinstance(node, yaml.ScalarNode):
        return {name: loader.construct_scalar(node)}
    if isinstance(node, yaml.SequenceNode):
        return {name: loader.construct_sequence(node, deep=True)}
    return {name: loader.construct_mapping(node, deep=True)}


Loader.add_multi_constructor("!", short_form)


def load(text):
    return yaml.load(text, Loader)  # a SafeLoader


def many(value):
    return tuple(value) if isinstance(value, list) else (value,)


def statements(resource):
    """The statements of a role or policy: (condition of the template, statement)."""
    properties = resource["Properties"]
    documents = [one["PolicyDocument"] for one in properties.get("Policies", [])]
    documents += [properties["PolicyDocument"]] if "PolicyDocument" in properties else []
    for document in documents:
        for statement in document["Statement"]:
            if "Fn::If" in statement:
                condition, granted, otherwise = statement["Fn::If"]
                yield condition, granted
                if read(otherwise) != "AWS::NoValue":
                    yield f"not {condition}", otherwise
            else:
                yield None, statement


def who(statement):
    """Whom a statement admits, and on what condition."""
    text = ", ".join(many(statement.get("Principal", {}).get("Service", "nobody")))
    for operator, keys in read(statement.get("Condition", {})).items():
        text += "".join(f" if {operator} {key} {value}" for key, value in keys.items())
    return text


def grant_faults(resources):
    granting = {name for name, one in resources.items() if "Statement" in json.dumps(one)}
    # A key's policy only leaves access to IAM.
    found = {name for name in granting if resources[name]["Type"] != "AWS::KMS::Key"}
    for name in sorted(found ^ set(GRANTS)):
        yield f"{name}: " + ("grants something, but GRANTS does not list it" if name in found else "is missing")
    for name in sorted(found & set(GRANTS)):
        properties, (admitted, expected) = resources[name]["Properties"], GRANTS[name]
        if "AssumeRolePolicyDocument" in properties:
            trust = properties["AssumeRolePolicyDocument"]["Statement"]
            actual = "; ".join(who(one) for one in trust)
        elif "Roles" in properties:
            actual = ", ".join(read(properties["Roles"]))
        else:
            actual = "; ".join(who(one) for _, one in statements(resources[name]))
        if actual != admitted:
            yield f"{name}: admits {actual}, not {admitted}"
        if "ManagedPolicyArns" in properties:
            yield f"{name}: has managed policies, which allow more than is needed"
        granted = set()
        for condition, one in statements(resources[name]):
            if one["Effect"] != "Allow" or "NotAction" in one or "NotResource" in one:
                yield f"{name}: {one.get('Sid')} is no plain Allow"
                continue
            granted.add((condition, many(one["Action"]), many(read(one["Resource"]))))
        for missing in expected - granted:
            yield f"{name}: does not grant {missing}"
        for more in granted - expected:
            yield f"{name}: grants {more}, which GRANTS does not list"


def explanation_faults(text, root):
    """SECURITY.md says of every statement what it is for."""
    explained = set(re.findall(r"`(\w+)`", (root / "SECURITY.md").read_text()))
    for sid in sorted(set(re.findall(r"Sid: (\w+)", text)) - explained):
        yield f"SECURITY.md: does not say what {sid} is for"


def at(node, path):
    for key in path.split("."):
        node = node.get(key) if isinstance(node, dict) else None
    return node


def held_faults(resources):
    for name, paths in HELD.items():
        for path, value in paths.items():
            if (actual := read(at(resources.get(name), path))) != value:
                yield f"{name}: {path} is {actual!r}, not {value!r}"


def alarm_faults(resources, metrics):
    found = {name for name, one in resources.items() if one["Type"] == "AWS::CloudWatch::Alarm"}
    for name in sorted(found ^ set(ALARMS)):
        yield f"{name}: " + ("ALARMS does not list it" if name in found else "is missing")
    for name in sorted(found & set(ALARMS)):
        properties = resources[name]["Properties"]
        if len(properties.get("AlarmDescription", "").split()) < 20:
            yield f"{name}: does not say what to do"
        if (action := read(properties.get("AlarmActions"))) != "HasAlarmTopic ? ['AlarmTopicArn'] : AWS::NoValue":
            yield f"{name}: AlarmActions is {action!r}"
        limit = (properties["ComparisonOperator"], properties["Threshold"], properties["TreatMissingData"])
        if limit != ("GreaterThanOrEqualToThreshold", 1, "notBreaching"):
            yield f"{name}: goes off at {limit}"
        watched = tuple(properties.get(one) for one in ("Namespace", "MetricName", "Statistic"))
        watched += ([read(one["Value"]) for one in properties.get("Dimensions", [])],)
        if watched != ALARMS[name]:
            yield f"{name}: watches {watched}, not {ALARMS[name]}"
        if watched[0] == "WorkSpacesImageImport" and f'"{watched[1]}"' not in metrics:
            yield f"{name}: src/metrics.rs emits no {watched[1]}"


def dashboard_faults(resources, metrics):
    body, replaced = resources["Dashboard"]["Properties"]["DashboardBody"]["Fn::Sub"]
    text = re.sub(r"\$\{(\w+)[\w.:]*\}", lambda name: "" if name[1] == "LedgerAlarms" else name[1], body)
    try:
        widgets = json.loads(text)["widgets"]
    except ValueError as error:
        yield f"Dashboard: its body is no JSON: {error}"
        return
    for name in re.findall(r'MetricName=\\"(\w+)', json.dumps(widgets)):
        if f'"{name}"' not in metrics:
            yield f"Dashboard: src/metrics.rs emits no {name}"
    for widget in widgets:
        namespace = None
        for metric in widget["properties"].get("metrics", []):
            if isinstance(metric[0], str):
                namespace = namespace if metric[0] in (".", "...") else metric[0]
                if namespace == "WorkSpacesImageImport" and f'"{metric[1]}"' not in metrics:
                    yield f"Dashboard: src/metrics.rs emits no {metric[1]}"
    for name in ALARMS:
        if f"${{{name}.Arn}}" not in body + json.dumps(replaced):
            yield f"Dashboard: does not show {name}"


def parameter_faults(template, config):
    parameters = template["Parameters"]
    interface = template["Metadata"]["AWS::CloudFormation::Interface"]
    grouped = [name for group in interface["ParameterGroups"] for name in group["Parameters"]]
    for name in parameters:
        if grouped.count(name) != 1 or name not in interface["ParameterLabels"]:
            yield f"{name}: the interface has to show it once, with a label"
        if not parameters[name].get("Description"):
            yield f"{name}: has no description"
        if not {"AllowedPattern", "AllowedValues", "MinValue"} & set(parameters[name]):
            yield f"{name}: takes anything"
    numbers = {name: [int(one.replace("_", "")) for one in rest] for name, *rest in NUMBER.findall(config)}
    variables = template["Resources"]["Function"]["Properties"]["Environment"]["Variables"]
    if (actual := {name: read(value) for name, value in variables.items()}) != ENVIRONMENT:
        yield f"Function: its environment is {actual}, not {ENVIRONMENT}"
    for variable in sorted(set(ENVIRONMENT) - set(re.findall(r'const (\w+): &str', config))):
        yield f"Function: src/config.rs reads no {variable}"
    for variable, limits in numbers.items():
        parameter = parameters.get(ENVIRONMENT.get(variable), {})
        if limits != [parameter.get(one) for one in ("Default", "MinValue", "MaxValue")]:
            yield f"{ENVIRONMENT.get(variable)}: default and limits are not src/config.rs's, {limits}"
    if set(numbers) != {"CONCURRENCY", "STALL_AFTER_SECONDS", "MAX_RESPONSE_BYTES"}:
        yield f"src/config.rs: its numbers cannot be read: {sorted(numbers)}"


def logic_faults(template):
    if (actual := read(template["Conditions"])) != CONDITIONS:
        yield f"Conditions: {actual}, not {CONDITIONS}"
    rules = {
        name: (read(one["RuleCondition"]), [read(each["Assert"]) for each in one["Assertions"]])
        for name, one in template["Rules"].items()
    }
    if rules != RULES:
        yield f"Rules: {rules}, not {RULES}"


def literal_faults(text, resources):
    for name, resource in resources.items():
        for key, value in resource.get("Properties", {}).items():
            if NAMES.match(key) and "${AWS::StackName}" not in str(read(value)):
                yield f"{name}: {key} is hard-coded"
    # Patterns, examples and the names of partitions are none.
    values = "\n".join(line for line in text.splitlines() if not re.search(r"AllowedPattern|Description|^\s*#", line))
    for literal in re.findall(r"arn:aws|\b[0-9]{12}\b|\b[a-z]{2}-[a-z]+-[0-9]\b", values):
        yield f"template.yaml: {literal} is hard-coded"


def machines(resources):
    return {name: one["Properties"] for name, one in resources.items() if one["Type"] == "AWS::Serverless::StateMachine"}


def definition_faults(resources, root):
    for name, properties in machines(resources).items():
        used = set(re.findall(r"\$\{(\w+)\}", (root / properties["DefinitionUri"]).read_text()))
        for one in sorted(used ^ set(properties["DefinitionSubstitutions"])):
            fault = f"has ${{{one}}}, substituted by nothing" if one in used else f"uses no {one}"
            yield f"{name}: its definition {fault}"


def write_definitions(resources, root, directory):
    """The definitions as deployed, with example ARNs."""
    directory.mkdir(parents=True, exist_ok=True)
    for properties in machines(resources).values():
        file = root / properties["DefinitionUri"]
        text = file.read_text().replace("${Partition}", "aws")
        example = lambda name: f"arn:aws:states:us-east-1:123456789012:stateMachine:{name[1]}"
        (directory / file.name).write_text(re.sub(r"\$\{(\w+)\}", example, text))


def faults(text, config, metrics, root=ROOT, template=None):
    """What is wrong with the template, a sentence each; `template` is the text's content, where it is known already."""
    template = template or load(text)
    resources = template["Resources"]
    return [
        *grant_faults(resources),
        *explanation_faults(text, root),
        *held_faults(resources),
        *alarm_faults(resources, metrics),
        *dashboard_faults(resources, metrics),
        *parameter_faults(template, config),
        *logic_faults(template),
        *literal_faults(text, resources),
        *definition_faults(resources, root),
    ]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--definitions", type=pathlib.Path, metavar="DIRECTORY")
    arguments = parser.parse_args()

    text = (ROOT / "template.yaml").read_text()
    found = faults(text, (ROOT / "src/config.rs").read_text(), (ROOT / "src/metrics.rs").read_text())
    for fault in found:
        print(f"template.yaml: {fault}")
    if arguments.definitions:
        write_definitions(load(text)["Resources"], ROOT, arguments.definitions)
    if not found:
        grants = sum(len(one) for _, one in GRANTS.values())
        print(f"template: {grants} grants, {len(ALARMS)} alarms, names and limits as in the code")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
