#!/usr/bin/env python3
"""Checks template.yaml and the add-ons for what cfn-lint cannot know.

    python tools/check_template.py [--update] [--definitions DIRECTORY]

tests/deploy/grants.txt lists all IAM grants, including those of roles that SAM creates, and tests/deploy/settings.txt
lists all other settings of resources. The check fails if the templates no longer match these snapshots. This matters
most for IAM: the emulator allows almost every call, so no test fails if a statement is missing or too wide. To change a
template, run this tool with `--update`, and review the snapshots' diff.

The check also compares names and limits with the code and the documentation, the types of resources with the policy of
whoever deploys, docs/deployer-policy.json, and the table of costs in docs/operations.md with tools/costs.py.
`--definitions` writes the state machines' definitions, with example values substituted, for asl-validator.
"""

import argparse
import difflib
import functools
import json
import pathlib
import re
import sys

import boto3
import costs
from sam_package import ADDONS, CORE, ROOT
from snapshots import made, one_line, parse, snapshots

SNAPSHOTS = ROOT / "tests/deploy"
LINES, PARAMETERS, ALARMS = 600, 18, 5
# A fixed name in one of these properties prevents a second stack in the same Region.
NAMES = re.compile(r"^(Function|Role|Table|Queue|StateMachine|Alarm|Dashboard|Group|Topic|LogGroup|Configuration)?Name$")
FUNCTION_NAME = "[{Name: FunctionName, Value: !Ref Function}]"
# Alarms of the core notify the topic that was given or the one for the email address. Those of add-ons need a topic.
CORE_ALARMS = ("HasAlarms", "AlarmsSchedule"), "[!If [HasAlarmTopicArn, !Ref AlarmTopicArn, !Ref AlarmTopic]]"
ADDON_ALARMS = ("HasAlarmTopic",), "[!Ref AlarmTopicArn]"
BOUNDARY = "!If [HasPermissionsBoundary, !Ref PermissionsBoundary, !Ref AWS::NoValue]"
LITERALS = re.compile(r"arn:aws|\b[0-9]{12}\b|\b[a-z]{2}-[a-z]+-[0-9]\b")
# Sids of docs/deployer-policy.json that do not stand for a type of resource.
DEPLOYMENT = {"CloudFormation", "Transform", "Artifacts", "PassRoles", "UseTheKey"}
# Types whose actions are among those of another type.
COVERED = {"IAMPolicy": "IAMRole", "SQSQueuePolicy": "SQSQueue"}
MANAGED_POLICY_LIMIT = 6_144


def snapshot_faults(texts):
    for name, text in snapshots(texts).items():
        known = (SNAPSHOTS / name).read_text().splitlines()
        diff = "\n".join(difflib.unified_diff(known, text.splitlines(), name, "templates", n=0, lineterm=""))
        if diff:
            yield f"{name} does not match. If the change is intended, run with --update:\n{diff}"


def variable_faults(template, config):
    variables = template["Resources"]["Function"]["Properties"]["Environment"]["Variables"]
    # The SDK reads the variables that start with AWS_ by itself.
    own = {name: value for name, value in variables.items() if not name.startswith("AWS_")}
    for name in sorted(own.keys() - set(re.findall(r'^const (\w+): &str = "\1";', config, re.MULTILINE))):
        yield f"{name}: src/config.rs has no such variable"
    found = re.findall(r"\b([A-Z_]+), ([\d_]+), ([\d_]+)\.\.=([\d_]+)", config)
    in_code = {name: [int(one.replace("_", "")) for one in rest] for name, *rest in found}
    for name, value in own.items():
        parameter = template["Parameters"].get(one_line(value).removeprefix("!Ref "), {})
        limits = [parameter.get(key) for key in ("Default", "MinValue", "MaxValue")]
        if parameter.get("Type") == "Number" and limits != in_code.get(name):
            yield f"{name}: default, minimum and maximum are {limits}, but must be {in_code.get(name)}"


def dashboard_metrics(body):
    """The namespace and name of each metric on the dashboard. A row's "." repeats the namespace of the row above."""
    namespace = ""
    for first, name in re.findall(r'\["([\w/.]+)", "(\w+)"', body):
        namespace = namespace if first.startswith(".") else first
        yield namespace, name


def dashboard_faults(body):
    try:
        json.loads(re.sub(r"\$\{[^}]+\}", "", body))
    except ValueError as error:
        yield f"ImportDashboard: DashboardBody is not JSON: {error}"
    for row in re.findall(r'\["WorkSpacesImageImport"[^]]*\]', body):
        if not re.match(r'\["\w+", "\w+", ("FunctionName", "\$\{Function\}"|"\.", "\.")', row):
            yield f"ImportDashboard: {row} must have the dimension FunctionName"


def alarms(template):
    return {
        name: resource
        for name, resource in template["Resources"].items()
        if resource["Type"] == "AWS::CloudWatch::Alarm"
    }


def alarm_faults(template, conditions, topic):
    for name, resource in alarms(template).items():
        alarm = resource.get("Properties", {})
        if "Namespace" not in alarm:
            yield f"{name}: CloudWatch bills an alarm on an expression for each of its metrics"
        if "/" not in alarm.get("Namespace", "/") and one_line(alarm.get("Dimensions")) != FUNCTION_NAME:
            yield f"{name}: Dimensions must be the name of the function"
        if resource.get("Condition") not in conditions:
            yield f"{name}: must only exist if it notifies somebody"
        if len(alarm.get("AlarmDescription", "").split()) < 20:
            yield f"{name}: AlarmDescription must say what happened and what to do"
        if one_line(alarm.get("AlarmActions")) != topic:
            yield f"{name}: AlarmActions must be {topic}"
        # A failed execution remains failed after the alarm has gone back to OK.
        if one_line(alarm.get("OKActions")) != (topic if alarm.get("Namespace") != "AWS/States" else "None"):
            yield f"{name}: OKActions must be {topic}, except for executions"
        # Without invocations, there is no data. All other metrics are only written if there is something to say.
        missing = "breaching" if alarm.get("MetricName") == "Invocations" else "notBreaching"
        if alarm.get("TreatMissingData") != missing:
            yield f"{name}: TreatMissingData must be {missing}"


def metric_faults(template, metrics):
    used = set(dashboard_metrics(template["Resources"]["ImportDashboard"]["Properties"]["DashboardBody"]["Fn::Sub"]))
    for alarm in alarms(template).values():
        used.add((alarm["Properties"].get("Namespace", ""), alarm["Properties"].get("MetricName", "")))
    for namespace, name in sorted(used):
        if not namespace.startswith("AWS/") and not {namespace, name} <= set(re.findall(r'"(\w+)"', metrics)):
            yield f"{namespace} {name}: src/telemetry.rs has no such metric"


def role_faults(resources):
    for name, resource in resources.items():
        path = {"AWS::IAM::Role": "Path", "AWS::Serverless::StateMachine": "RolePath"}.get(resource["Type"])
        role = resource.get("Properties", {})
        if path and one_line(role.get(path)) != "!Ref RolePath":
            yield f"{name}: {path} must be RolePath"
        if path and one_line(role.get("PermissionsBoundary")) != BOUNDARY:
            yield f"{name}: PermissionsBoundary must be the parameter, if it is set"


def parameter_faults(file, template, page):
    """The table of parameters. Those of all add-ons are in one table, and some have the parameters of the core."""
    rows = re.findall(r"^\| `([A-Z]\w+)` \| `?([^|`]+)`? \|", page, re.MULTILINE)
    expected = [(name, str(one.get("Default", "required")) or "none") for name, one in template["Parameters"].items()]
    if file == CORE and (found := [row for row in rows if row[0] in template["Parameters"]]) != expected:
        yield f"the table of parameters must have the rows {expected} in this order, not {found}"
    for name, _ in expected:
        if file != CORE and not re.search(rf"\b{name}\b", page):
            yield f"{name}: must be on the page"
    for name, parameter in template["Parameters"].items():
        if not parameter.get("Description") or not {"AllowedPattern", "AllowedValues", "MinValue"} & set(parameter):
            yield f"{name}: must have a description and limit its values"


def literal_faults(template):
    for name, resource in template["Resources"].items():
        for key, value in resource.get("Properties", {}).items():
            if NAMES.match(key) and "${AWS::StackName}" not in one_line(value):
                yield f"{name}: {key} must not be hard-coded"
    defaults = [parameter.get("Default") for parameter in template["Parameters"].values()]
    for literal in LITERALS.findall(str([template["Resources"], template.get("Outputs"), defaults])):
        yield f"{literal} must not be hard-coded"


def definitions(file, template):
    """The file of each state machine's definition and the names that are substituted in it."""
    properties = [one.get("Properties", {}) for one in template["Resources"].values()]
    machines = [one for one in properties if "DefinitionUri" in one]
    folder = (ROOT / file).parent
    return [((folder / one["DefinitionUri"]).resolve(), set(one["DefinitionSubstitutions"])) for one in machines]


def core_faults(template, text, config, metrics):
    if len(text.splitlines()) > LINES or len(template["Parameters"]) > PARAMETERS or len(alarms(template)) > ALARMS:
        yield f"must have at most {LINES} lines, {PARAMETERS} parameters, and {ALARMS} alarms"
    yield from variable_faults(template, config)
    yield from metric_faults(template, metrics)
    yield from dashboard_faults(template["Resources"]["ImportDashboard"]["Properties"]["DashboardBody"]["Fn::Sub"])
    groups = template["Metadata"]["AWS::CloudFormation::Interface"]["ParameterGroups"]
    if sorted(name for group in groups for name in group["Parameters"]) != sorted(template["Parameters"]):
        yield "each parameter must be in one parameter group"


def template_faults(file, template, core, page):
    """The faults of the core template or of an add-on. `page` describes its parameters."""
    yield from alarm_faults(template, *(CORE_ALARMS if file == CORE else ADDON_ALARMS))
    yield from role_faults(template["Resources"])
    yield from parameter_faults(file, template, page)
    yield from literal_faults(template)
    for name, parameter in template["Parameters"].items() if file != CORE else ():
        same = core["Outputs"].keys() | core["Parameters"].keys()
        if "core stack" in parameter.get("Description", "") and name not in same:
            yield f"{name}: the core template has no such output"
    for definition, names in definitions(file, template):
        for name in sorted(names ^ set(re.findall(r"\$\{(\w+)\}", definition.read_text()))):
            yield f"{definition.name}: {name} must be both in the definition and in DefinitionSubstitutions"


@functools.cache
def operations(service):
    """The operations of a service, by the prefix of its actions in IAM."""
    client = boto3.Session(region_name="eu-west-1").client({"states": "stepfunctions"}.get(service, service))
    return {*client.meta.service_model.operation_names, "PassRole", "ListBucket"}


def policy_faults(texts, policy):
    """The policy of whoever deploys has one statement for each type of resource, with actions that exist."""
    types = {one["Type"] for text in texts.values() for one in made(text).values()}
    names = {name.removeprefix("AWS::").replace("::", "") for name in types}
    expected = {COVERED.get(name, name) for name in names} | DEPLOYMENT
    found = {statement["Sid"] for statement in policy["Statement"]}
    for sid in sorted(expected ^ found):
        yield f"docs/deployer-policy.json: {sid} must be both in the policy and in a template"
    for action in sorted({action for statement in policy["Statement"] for action in statement["Action"]}):
        service, _, operation = action.partition(":")
        if operation not in operations(service):
            yield f"docs/deployer-policy.json: there is no {action}"
    if len(json.dumps(policy, separators=(",", ":"))) > MANAGED_POLICY_LIMIT:
        yield f"docs/deployer-policy.json: a managed policy can have {MANAGED_POLICY_LIMIT} characters"


def faults(texts, pages):
    """One message for each problem. `texts` has the templates, and `pages` the other files, by their paths."""
    templates = {file: parse(text) for file, text in texts.items()}
    yield from snapshot_faults(texts)
    for sid in sorted(set(re.findall(r"\{Sid: (\w+)", snapshots(texts)["grants.txt"]))):
        if f"`{sid}`" not in pages["SECURITY.md"]:
            yield f"{sid}: SECURITY.md must name it"
    core = templates[CORE]
    found = list(core_faults(core, texts[CORE], pages["src/config.rs"], pages["src/telemetry.rs"]))
    yield from (f"{CORE}: {one}" for one in found)
    for file, template in templates.items():
        page = pages["docs/operations.md" if file == CORE else "docs/integrations.md"]
        yield from (f"{file}: {one}" for one in template_faults(file, template, core, page))
    yield from policy_faults(texts, json.loads(pages["docs/deployer-policy.json"]))
    yield from costs.faults(core, pages["docs/contract.md"], pages["docs/operations.md"])


def read():
    """The texts of the templates and of the other files."""
    texts = {file: (ROOT / file).read_text() for file in [CORE, *ADDONS]}
    names = ["SECURITY.md", "src/config.rs", "src/telemetry.rs", "docs/contract.md", "docs/deployer-policy.json"]
    return texts, {name: (ROOT / name).read_text() for name in [*names, "docs/integrations.md", "docs/operations.md"]}


def write_definitions(templates, directory):
    arn = "arn:aws:states:us-east-1:123456789012:stateMachine:example"
    directory.mkdir(parents=True, exist_ok=True)
    for file, template in templates.items():
        examples = {name: str(parameter.get("Default", arn)) for name, parameter in template["Parameters"].items()}
        examples["Partition"] = "aws"
        for definition, _ in definitions(file, template):
            text = re.sub(r"\$\{(\w+)\}", lambda match: examples.get(match[1], arn), definition.read_text())
            (directory / definition.name).write_text(text)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--update", action="store_true", help="write the snapshots and the table of costs")
    parser.add_argument("--definitions", type=pathlib.Path, metavar="DIRECTORY")
    arguments = parser.parse_args()

    texts, pages = read()
    if arguments.update:
        for name, text in snapshots(texts).items():
            (SNAPSHOTS / name).write_text(text)
        page = costs.updated(parse(texts[CORE]), pages["docs/contract.md"], pages["docs/operations.md"])
        (ROOT / "docs/operations.md").write_text(page)
        texts, pages = read()
    if arguments.definitions:
        write_definitions({file: parse(text) for file, text in texts.items()}, arguments.definitions)
    found = list(faults(texts, pages))
    print("\n".join(found) or "templates: grants, settings, names, limits and costs are as expected")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
