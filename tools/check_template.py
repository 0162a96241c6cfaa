#!/usr/bin/env python3
"""Checks template.yaml for what cfn-lint cannot know.

    python tools/check_template.py [--update] [--definitions DIRECTORY]

tests/deploy/grants.txt lists all IAM grants, and tests/deploy/settings.txt lists all other settings of resources.
The check fails if the template no longer matches these snapshots. This matters most for IAM: the emulator allows almost
every call, so no test fails if a statement is missing or too wide. To change the template, run this tool with
`--update`, and review the snapshots' diff.

The check also compares names and limits with src/config.rs, src/metrics.rs, SECURITY.md, and docs/operations.md.
`--definitions` writes the state machines' definitions, with example values substituted, for asl-validator.
"""

import argparse
import difflib
import json
import pathlib
import re
import sys

from samtranslator.yaml_helper import yaml_parse

ROOT = pathlib.Path(__file__).resolve().parent.parent
SNAPSHOTS = ROOT / "tests/deploy"
WIDTH = 150
POLICIES = {"AssumeRolePolicyDocument", "KeyPolicy", "ManagedPolicyArns", "PolicyDocument"}
# No snapshot contains texts, so rewording one does not change it. settings.txt does not repeat the policies.
HIDDEN = POLICIES | {"Description", "AlarmDescription", "AssertDescription", "DashboardBody"}
# A fixed name in one of these properties prevents a second stack in the same Region.
NAMES = re.compile(r"^(Function|Role|Table|Queue|StateMachine|Alarm|Dashboard|Group|Topic|LogGroup|Configuration)?Name$")
# Limits that are narrower than those of src/config.rs, with the default first. A batch of TrackMany has 100 imports, and
# an event has at most one import for every 512 bytes of the response. Step Functions takes at most 256 KiB.
NARROWER = {"MAX_RESPONSE_BYTES": [245_760, 51_200, 245_760]}
FUNCTION_NAME = "[{Name: FunctionName, Value: !Ref Function}]"
ALARM_TOPIC = "!If [HasAlarmTopic, [!Ref AlarmTopicArn], !Ref AWS::NoValue]"
LITERALS = re.compile(r"arn:aws|\b[0-9]{12}\b|\b[a-z]{2}-[a-z]+-[0-9]\b")


def one_line(node):
    """A node in YAML's flow style, with CloudFormation's short forms such as `!Ref Topic`."""
    if isinstance(node, list):
        return f"[{', '.join(map(one_line, node))}]"
    if not isinstance(node, dict):
        return str(node) or '""'
    key, value = next(iter(node.items()), ("", ""))
    if key == "Fn::GetAtt":
        return f"!GetAtt {'.'.join(value)}"
    if key == "Ref" or key.startswith("Fn::"):
        return f"!{key.removeprefix('Fn::')} {one_line(value)}"
    return "{" + ", ".join(f"{key}: {one_line(value)}" for key, value in node.items() if key not in HIDDEN) + "}"


def settings(node):
    """A line for each setting, or an indented block if it is too long for a line."""
    for key, value in node.items() if isinstance(node, dict) else enumerate(node):
        line = f"{key}: {one_line(value)}"
        if key in HIDDEN:
            continue
        if isinstance(value, (dict, list)) and len(line) > WIDTH:
            yield from [f"{key}:", *(f"  {one}" for one in settings(value))]
        else:
            yield line


def grants(node):
    """A line for each statement of each policy in a node."""
    for key, value in node.items() if isinstance(node, dict) else enumerate(node):
        if key in POLICIES:
            statements = value.get("Statement") if isinstance(value, dict) else None
            yield from map(one_line, statements if isinstance(statements, list) else [value])
        elif isinstance(value, (dict, list)):
            yield from grants(value)


def snapshots(template):
    """The text of each snapshot, by its file's name."""
    nodes = {name: template[name] for name in ("Conditions", "Rules")} | template["Resources"]
    texts = {}
    for file, lines in {"grants.txt": grants, "settings.txt": settings}.items():
        blocks = {name: found for name, node in nodes.items() if (found := list(lines(node)))}
        text = "".join(f"\n{name}:\n" + "".join(f"  {line}\n" for line in found) for name, found in blocks.items())
        texts[file] = f"# Made from template.yaml by `python tools/check_template.py --update`. Do not edit.\n{text}"
    return texts


def snapshot_faults(template):
    for name, text in snapshots(template).items():
        known = (SNAPSHOTS / name).read_text().splitlines()
        diff = "\n".join(difflib.unified_diff(known, text.splitlines(), name, "template.yaml", n=0, lineterm=""))
        if diff:
            yield f"{name} does not match. If the change is intended, run with --update:\n{diff}"


def variable_faults(template, config):
    variables = template["Resources"]["Function"]["Properties"]["Environment"]["Variables"]
    # The SDK reads the variables that start with AWS_ by itself.
    own = {name for name in variables if not name.startswith("AWS_")}
    for name in sorted(set(re.findall(r'^const (\w+): &str = "\1";', config, re.MULTILINE)) ^ own):
        yield f"{name}: must be both in the function's environment and in src/config.rs"
    limits = {}
    for name, value in variables.items():
        parameter = template["Parameters"].get(one_line(value).removeprefix("!Ref "), {})
        if parameter.get("Type") == "Number":
            limits[name] = [parameter.get(key) for key in ("Default", "MinValue", "MaxValue")]
    found = re.findall(r"\b([A-Z_]+), ([\d_]+), ([\d_]+)\.\.=([\d_]+)", config)
    in_code = {name: [int(one.replace("_", "")) for one in rest] for name, *rest in found}
    for name, (_, low, high) in NARROWER.items():
        if not in_code[name][1] <= low <= high <= in_code[name][2]:
            yield f"{name}: {low} to {high} must be within the limits of src/config.rs"
    if limits != (expected := {**in_code, **NARROWER}):
        yield f"Parameters: default, minimum and maximum are {limits}, but must be {expected}"


def dashboard_metrics(body):
    """The namespace and name of each metric on the dashboard. A row's "." repeats the namespace of the row above."""
    namespace = ""
    for first, name in re.findall(r'\["([\w/.]+)", "(\w+)"', body):
        namespace = namespace if first.startswith(".") else first
        yield namespace, name
    yield from re.findall(r'\{([\w/]+)[,\w]+\} MetricName=\\"(\w+)', body)


def alarm_metrics(alarm):
    """The metrics of an alarm. One on a math expression has several."""
    return [one["MetricStat"]["Metric"] for one in alarm.get("Metrics", []) if "MetricStat" in one] or [alarm]


def monitoring_faults(resources, metrics):
    body, values = resources["Dashboard"]["Properties"]["DashboardBody"]["Fn::Sub"]
    try:
        json.loads(re.sub(r"\$\{[^}]+\}", "", body))
    except ValueError as error:
        yield f"Dashboard: DashboardBody is not JSON: {error}"
    used = set(dashboard_metrics(body))
    for row in re.findall(r'\["WorkSpacesImageImport"[^]]*\]', body):
        if not re.match(r'\["\w+", "\w+", ("FunctionName", "\$\{Function\}"|"\.", "\.")', row):
            yield f"Dashboard: {row} must have the dimension FunctionName"
    for name, resource in resources.items():
        alarm = resource.get("Properties", {})
        if resource["Type"] != "AWS::CloudWatch::Alarm":
            continue
        for metric in alarm_metrics(alarm):
            used.add((metric["Namespace"], metric["MetricName"]))
            if "/" not in metric["Namespace"] and one_line(metric["Dimensions"]) != FUNCTION_NAME:
                yield f"{name}: Dimensions must be the name of the function"
        if resource.get("Condition") not in ("HasMonitoring", "MonitorsSchedule", "MonitorsPipeline"):
            yield f"{name}: must depend on the parameter Monitoring"
        if len(alarm.get("AlarmDescription", "").split()) < 20:
            yield f"{name}: AlarmDescription must say what happened and what to do"
        if one_line(alarm.get("AlarmActions")) != ALARM_TOPIC:
            yield f"{name}: AlarmActions must be AlarmTopicArn, if there is one"
        # A failed execution remains failed after the alarm has gone back to OK.
        if one_line(alarm.get("OKActions")) != (ALARM_TOPIC if alarm.get("Namespace") != "AWS/States" else "None"):
            yield f"{name}: OKActions must be AlarmTopicArn, except for executions"
        if f"${{{name}.Arn}}" not in body + str(values):
            yield f"{name}: the dashboard must show it"
    for namespace, name in sorted(used):
        if not namespace.startswith("AWS/") and not {namespace, name} <= set(re.findall(r'"(\w+)"', metrics)):
            yield f"{namespace} {name}: src/metrics.rs has no such metric"


def role_faults(resources):
    for name, resource in resources.items():
        role = resource.get("Properties", {})
        if resource["Type"] != "AWS::IAM::Role":
            continue
        if one_line(role.get("Path")) != "!Ref RolePath":
            yield f"{name}: Path must be RolePath"
        boundary = "!If [HasPermissionsBoundary, !Ref PermissionsBoundary, !Ref AWS::NoValue]"
        if one_line(role.get("PermissionsBoundary")) != boundary:
            yield f"{name}: PermissionsBoundary must be the parameter, if it is set"


def parameter_faults(parameters, interface, operations):
    rows = re.findall(r"^\| `([A-Z]\w+)` \| `?([^|`]+)`? \|", operations, re.MULTILINE)
    expected = [(name, str(one["Default"]) or "none") for name, one in parameters.items()]
    if (found := [row for row in rows if row[0] in parameters]) != expected:
        yield f"docs/operations.md: the table of parameters must have the rows {expected} in this order, not {found}"
    grouped = [name for group in interface["ParameterGroups"] for name in group["Parameters"]]
    for name, parameter in parameters.items():
        if grouped.count(name) != 1:
            yield f"{name}: must be in one parameter group"
        if not parameter.get("Description") or not {"AllowedPattern", "AllowedValues", "MinValue"} & set(parameter):
            yield f"{name}: must have a description and limit its values"


def definitions(template):
    """The file of each state machine's definition and the names that are substituted in it."""
    properties = [one.get("Properties", {}) for one in template["Resources"].values()]
    machines = [one for one in properties if "DefinitionUri" in one]
    return [(ROOT / one["DefinitionUri"], set(one["DefinitionSubstitutions"])) for one in machines]


def faults(template, config, metrics, security, operations):
    """One message for each problem."""
    yield from snapshot_faults(template)
    for sid in sorted(set(re.findall(r"\{Sid: (\w+)", snapshots(template)["grants.txt"]))):
        if f"`{sid}`" not in security:
            yield f"{sid}: SECURITY.md must name it"
    yield from variable_faults(template, config)
    yield from monitoring_faults(template["Resources"], metrics)
    yield from role_faults(template["Resources"])
    interface = template["Metadata"]["AWS::CloudFormation::Interface"]
    yield from parameter_faults(template["Parameters"], interface, operations)
    for name, resource in template["Resources"].items():
        for key, value in resource.get("Properties", {}).items():
            if NAMES.match(key) and "${AWS::StackName}" not in one_line(value):
                yield f"{name}: {key} must not be hard-coded"
    defaults = [parameter.get("Default") for parameter in template["Parameters"].values()]
    for literal in LITERALS.findall(str([template["Resources"], template["Outputs"], defaults])):
        yield f"{literal} must not be hard-coded"
    for file, names in definitions(template):
        for name in sorted(names ^ set(re.findall(r"\$\{(\w+)\}", file.read_text()))):
            yield f"{file.name}: {name} must be both in the definition and in DefinitionSubstitutions"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--update", action="store_true", help="write the snapshots")
    parser.add_argument("--definitions", type=pathlib.Path, metavar="DIRECTORY")
    arguments = parser.parse_args()

    template = yaml_parse((ROOT / "template.yaml").read_text())
    for name, text in snapshots(template).items() if arguments.update else ():
        (SNAPSHOTS / name).write_text(text)
    examples = {name: str(parameter.get("Default")) for name, parameter in template["Parameters"].items()}
    examples["Partition"] = "aws"
    arn = "arn:aws:states:us-east-1:123456789012:stateMachine:example"
    for file, _ in definitions(template) if arguments.definitions else ():
        text = re.sub(r"\$\{(\w+)\}", lambda match: examples.get(match[1], arn), file.read_text())
        arguments.definitions.mkdir(parents=True, exist_ok=True)
        (arguments.definitions / file.name).write_text(text)

    names = ("src/config.rs", "src/metrics.rs", "SECURITY.md", "docs/operations.md")
    others = [(ROOT / name).read_text() for name in names]
    found = [f"template.yaml: {one}" for one in faults(template, *others)]
    print("\n".join(found) or "template: grants, settings, names and limits are as expected")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
