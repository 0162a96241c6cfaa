"""Tests of the template check.

    .venv/bin/python -m unittest discover --start-directory tools
"""

import json
import re
import unittest
from unittest import mock

import check_template
import costs
import snapshots
from check_template import CORE, parse

TEXTS, PAGES = check_template.read()
TEXT = TEXTS[CORE]
ALARMS = ("FunctionErrorsAlarm", "CheckErrorsAlarm", "ScheduleAlarm", "TrackImportsFailedAlarm")
ADDON_ALARMS = {
    "addons/eventbridge.yaml": "PipeAlarm",
    "addons/pipeline.yaml": "ImportToBundleFailedAlarm",
    "addons/track-many.yaml": "TrackManyFailedAlarm",
    "addons/track-new-imports.yaml": "DeadLetterQueueAlarm",
}

def nodes(node, hidden):
    """Every container in a node, with each of its keys or indexes."""
    for key, value in list(node.items() if isinstance(node, dict) else enumerate(node)):
        if key not in hidden:
            yield node, key
            if isinstance(value, (dict, list)):
                yield from nodes(value, hidden)


class Templates(unittest.TestCase):
    def assert_found(self, messages, texts=None, **pages):
        """The check finds each message in changed templates, or with other files."""
        changed = {**TEXTS, **(texts or {})}
        self.assertFalse(changed == TEXTS and not pages)
        found = "\n".join(check_template.faults(changed, {**PAGES, **pages}))
        for message in [messages] if isinstance(messages, str) else messages:
            self.assertIn(message, found)

    def replaced(self, message, old, new, file=CORE):
        """Changes the first match in a template."""
        self.assert_found(message, {file: re.sub(old, new, TEXTS[file], count=1, flags=re.DOTALL)})

    def each_replaced(self, message, places, old, new):
        """Changes the first match after the beginning of each resource or parameter. `{}` stands for its name."""
        texts = dict(TEXTS)
        for file, name in places:
            before = texts[file]
            texts[file] = re.sub(f"(\n  {name}:\n.*?){old}", rf"\g<1>{new}", before, count=1, flags=re.DOTALL)
            self.assertFalse(texts[file] == before, name)
        self.assert_found([message.format(name) for _, name in places], texts)

    def page(self, message, name, old, new):
        self.assertIn(old, PAGES[name])
        self.assert_found(message, **{name: PAGES[name].replace(old, new)})

    def test_the_templates_pass(self):
        self.assertEqual(list(check_template.faults(TEXTS, PAGES)), [])

    def test_the_core_stays_small(self):
        self.assert_found("must have at most 600 lines", {CORE: TEXT + "\n" * 600})
        more = "Parameters:\n" + "".join(f"  More{number}: {{Type: String}}\n" for number in range(3))
        self.replaced("18 parameters", "\nParameters:\n", f"\n{more}")
        with mock.patch.object(check_template, "ALARMS", 3):
            self.assert_found("3 alarms", {CORE: TEXT + "\n"})

    def test_snapshots_have_every_grant_and_setting(self):
        """The settings of each resource in its own words. Grants are those that SAM makes of them."""
        hidden = snapshots.HIDDEN
        for file in TEXTS:
            template = snapshots.yaml_parse(TEXTS[file])
            sections = [template[name] for name in ("Resources", "Conditions", "Rules") if name in template]
            known, count = [list(snapshots.settings(one)) for one in sections], 0
            for container, key in (one for section in sections for one in nodes(section, hidden)):
                saved = container.copy()
                container[key] = "changed"
                self.assertFalse([list(snapshots.settings(one)) for one in sections] == known, f"{key} in {saved}")
                container.clear()
                container.extend(saved) if isinstance(container, list) else container.update(saved)
                count += 1
            self.assertGreater(count, 50)

    def test_grants_have_every_member_of_every_statement(self):
        for file in TEXTS:
            for resource in snapshots.made(TEXTS[file]).values():
                for statement in re.findall(r'"Sid": "\w+"', json.dumps(resource)):
                    sid = statement.split('"')[3]
                    self.assertTrue(any(f"Sid: {sid}" in one for one in snapshots.grants(resource)), sid)

    def test_a_change_without_its_snapshot_is_found(self):
        message = "grants.txt does not match"
        self.replaced(message, r"dynamodb:PutItem\]", "dynamodb:*]")
        more = "- {Effect: Allow, Action: iam:*, Resource: '*'}"
        self.replaced(message, "- Sid: Announce", f"{more}\n              - Sid: Announce")
        self.replaced(message, "      Description: Execution", "      ManagedPolicyArns: [Any]\n      Description: a")
        self.replaced(message, "states:StopExecution", "states:StartExecution", "addons/pipeline.yaml")
        self.replaced(message, "{Service: chatbot", "{Service: lambda", "addons/chat.yaml")
        self.replaced("settings.txt does not match", "DeletionPolicy: Retain", "DeletionPolicy: Delete")
        self.replaced("settings.txt does not match", "RawMessageDelivery: true", "", "addons/eventbridge.yaml")

    def test_each_statement_is_in_security_md(self):
        for file in TEXTS:
            for sid in set(re.findall(r"Sid: (\w+)", TEXTS[file])):
                self.page(f"{sid}: SECURITY.md must name it", "SECURITY.md", f"`{sid}`", "")

    def test_variables_and_limits_are_those_of_the_code(self):
        names = re.findall(r"^          (?!AWS_)([A-Z_]+): ", TEXT, re.MULTILINE)
        self.assertEqual(names, ["TOPIC_ARN", "LEDGER_TABLE", "CHAT", "STALL_AFTER_SECONDS"])
        for name in names:
            self.page(f"{name}: src/config.rs has no", "src/config.rs", f'"{name}"', '"NAME"')
        self.page("default, minimum and maximum", "src/config.rs", "21_600, 0", "21_601, 0")
        self.replaced("default, minimum and maximum", "MaxValue: 315360000", "MaxValue: 315360001")

    def test_metrics_are_those_of_the_code(self):
        for name in ("WorkSpacesImageImport", "Pending", "CheckErrors", "Stalled", "ColdStart"):
            self.page("src/telemetry.rs has no such metric", "src/telemetry.rs", f'"{name}"', '"Other"')

    def test_the_dashboard_is_json_and_has_the_dimension_of_the_code(self):
        self.assertIn('const FUNCTION_NAME: &str = "FunctionName"', PAGES["src/telemetry.rs"])
        self.replaced("DashboardBody is not JSON", r'"widgets": \[', '"widgets": ')
        for name in ("Pending", "Transitions"):
            self.replaced("must have the dimension FunctionName", rf'("{name}"), "[^"]*", "[^"]*"', r"\1")

    def test_each_alarm_tells_somebody_what_to_do(self):
        found = re.findall(r"\n  (\w+):\n    Type: AWS::CloudWatch::Alarm", "".join(TEXTS.values()))
        self.assertEqual(sorted(found), sorted([*ALARMS, *ADDON_ALARMS.values()]))
        places = [*((CORE, name) for name in ALARMS), *ADDON_ALARMS.items()]
        self.each_replaced("{}: AlarmDescription", places, "AlarmDescription", "Description")
        self.each_replaced("{}: AlarmActions", places, "AlarmActions", "InsufficientDataActions")
        self.each_replaced("{}: must only exist", places, "Condition: ", "Comment: ")
        self.each_replaced("{}: TreatMissingData", places, "TreatMissingData: (notB|b)", "TreatMissingData: not")
        self.each_replaced("{}: CloudWatch bills", places, "Namespace", "Metrics")
        self.each_replaced("{}: OKActions", places[:3], "OKActions", "InsufficientDataActions")
        self.replaced("CheckErrorsAlarm: Dimensions", r"(CheckErrors\n      Dimensions: )\[.*?\]", r"\1[]")

    def test_each_parameter_is_shown_and_limited(self):
        self.replaced("must be in one parameter group", r"Parameters: \[Email, ", "Parameters: [")
        places = [(file, name) for file in TEXTS for name in parse(TEXTS[file])["Parameters"]]
        self.each_replaced("{}: must have a desc", places, "    Description", "    Comment")
        for row in ("| `Email` | none |", "| `Timeout` | 60 |", "| `RolePath` | `/` |"):
            changed = row.replace("e", "o").replace("/", "//")
            self.page("the table of parameters", "docs/operations.md", row, changed)
        self.page("TeamId: must be on the page", "docs/integrations.md", "`TeamId`", "")
        self.replaced("Email: must have", r"AllowedPattern: \^\(\[\^@", "Pattern: ^([^@")
        self.replaced("TopicName: the core template has no such output", "TopicArn:", "TopicName:", "addons/chat.yaml")

    def test_each_role_has_the_path_and_the_boundary(self):
        for kind, path in (("IAM::Role", "Path"), ("Serverless::StateMachine", "RolePath")):
            found = rf"\n  (\w+):\n    Type: AWS::{kind}\n"
            places = [(file, name) for file in TEXTS for name in re.findall(found, TEXTS[file])]
            self.each_replaced(f"{{}}: {path}", places, f"{path}: !Ref RolePath", f"{path}: /")
            old = "PermissionsBoundary: !If"
            self.each_replaced("{}: PermissionsBoundary", places, old, "PermissionsBoundary: !Or")
    def test_names_and_places_are_not_hard_coded(self):
        name = r"\1      RoleName: mine\n"
        self.replaced("RoleName must not be", r"(Type: AWS::IAM::Role\n.*?Properties:\n)", name)
        self.replaced("TableName must not be", r"TableName: !Sub \$\{AWS::StackName\}-Ledger", "TableName: mine")
        old = r"!Sub \$\{AWS::StackName\}-\$\{AWS::Region\}-slack"
        self.replaced("ConfigurationName must not be", old, "mine", "addons/chat.yaml")
        self.replaced("arn:aws must not", r"arn:\$\{AWS::Partition\}:s3", "arn:aws:s3", "addons/track-many.yaml")
        self.replaced("us-east-1 must not", r'"region": "\$\{AWS::Region\}"', '"region": "us-east-1"')

    def test_definitions_and_substitutions_go_together(self):
        self.replaced("track-imports.asl.json: FunctionArn", "FunctionArn: !Get", "Arn: !Get")
        self.replaced("track-many.asl.json: Unused", "TrackImportsArn: !Ref", "Unused: !Ref", "addons/track-many.yaml")

    def test_the_policy_of_the_deployer_has_each_type_of_resource(self):
        name = "docs/deployer-policy.json"
        self.page("SQSQueue must be both", name, '"SQSQueue"', '"Queue"')
        self.page("there is no sqs:MakeQueue", name, "sqs:CreateQueue", "sqs:MakeQueue")
        self.page("a managed policy can have", name, '"Version"', '"Id": "%s", "Version"' % ("x" * 1_000))
        queue, key = "Type: AWS::SQS::Queue\n", "Type: AWS::KMS::Key\n"
        self.replaced("KMSKey must be both", queue, key, "addons/eventbridge.yaml")

    def test_costs_are_those_of_the_template(self):
        self.page("the table of costs must be this one", "docs/operations.md", "| alarms, with", "| Alarms, with")
        self.page("the table of costs must be this one", "docs/contract.md", "| `ColdStart` |", "| ColdStart |")
        with mock.patch.object(costs, "ALARM", 0.30):
            found = list(costs.faults(parse(TEXT), PAGES["docs/contract.md"], PAGES["docs/operations.md"]))
        self.assertEqual(sum("month costs" in one for one in found), 2)

    def test_the_costs_of_faster_checks_are_higher(self):
        every_minute = parse(TEXT.replace("Default: rate(5 minutes)", "Default: rate(1 minute)"))
        sums = [costs.table(one, PAGES["docs/contract.md"])[1]["idle"] for one in (parse(TEXT), every_minute)]
        alarms = 4 * costs.ALARM
        self.assertAlmostEqual((sums[1] - alarms) / (sums[0] - alarms), 5)

    def test_patterns_take_what_they_should(self):
        one, two = '{"ImageId":"wsi-0a1b2c3d4"}', '{"ImageId": "wsi-1b2c3d4e5", "State": "PENDING"}'
        key = "arn:aws:kms:eu-west-1:123456789012:key/0a1b2c3d-0000-0000-0000-000000000000"
        boundary = "arn:aws:iam::123456789012:policy/team/Boundary"
        topic, china = "arn:aws:sns:eu-west-1:123456789012:a", "arn:aws-cn:sns:cn-north-1:123456789012:a"
        uuid = "0a1b2c3d-0000-0000-0000-000000000000"
        channel = "19%3a0123456789abcdef%40thread.tacv2"
        patterns = {
            "WatchedImports": (
                ["[]", f"[{one}]", f"[ {one}, {two} ]"],
                ["", "wsi-0a1b2c3d4", '["wsi-0a1b2c3d4"]', one, "[ ]", '[{"ImageId":"ami-0a1b2c3d4"}]', f"[{one}\n]x"],
            ),
            "LedgerTableName": (["", "image-imports-Ledger"], ["a", "a/b", "arn:aws:dynamodb:eu-west-1:1:table/a"]),
            "KmsKeyArn": (["", key], ["alias/mine", key.replace("key/", "alias/")]),
            "PermissionsBoundary": (
                ["", boundary, boundary.replace("123456789012", "aws")],
                ["Boundary", f"{boundary} "],
            ),
            "RolePath": (["/", "/service-roles/", "/a/b/"], ["", "a", "/a", "a/", "//"]),
            "TopicArn": (["", topic, f"{china}.fifo"], ["a", topic.replace("sns", "sqs"), f"{topic}:b"]),
            "AlarmTopicArn": (["", topic, china], [f"{topic}.fifo"]),
            "Email": (["", "a@b.example"], ["a", "a@b", "a b@c.example"]),
            # ScheduleAlarm goes off after two hours, so the schedule must run twice within them.
            "ScheduleExpression": (
                ["rate(1 minute)", "rate(2 minutes)", "rate(5 minutes)", "rate(60 minutes)", "rate(1 hour)"],
                ["", "5 minutes", "rate(0 minutes)", "rate(61 minutes)", "rate(2 hours)", "cron(0 8 ? * MON-FRI *)"],
            ),
            "chat SlackWorkspaceId": (["", "T0123ABCD"], ["T", "C0123ABCD", "T0123abcd", "T0123ABCD "]),
            "chat SlackChannelId": (["", "C0123ABCD"], ["#general", "C0123-ABCD"]),
            "chat TeamId": (["", uuid], ["team", uuid[:-1]]),
            "chat TeamsChannelId": (["", channel], ["general", "19:0123456789abcdef@thread.tacv2"]),
            "chat TopicArn": ([topic], ["", f"{topic}.fifo"]),
            "eventbridge TopicArn": ([topic, f"{topic}.fifo"], [""]),
            "eventbridge EventSource": (["workspaces-image-import", "my.images", "awsome"], ["", "aws.images", "a b"]),
            "track-many ImageListBucket": (["", "my.bucket-1"], ["A", "a/b", "s3://a"]),
        }
        for place, (accepted, refused) in patterns.items():
            addon, _, name = place.rpartition(" ")
            template = parse(TEXTS[f"addons/{addon}.yaml" if addon else CORE])
            pattern = re.compile(template["Parameters"][name]["AllowedPattern"])
            for value in accepted:
                self.assertTrue(pattern.fullmatch(value), f"{place} refuses {value}")
            for value in refused:
                self.assertFalse(pattern.fullmatch(value), f"{place} accepts {value}")

    def test_watched_imports_hold_142_images(self):
        parameter = parse(TEXT)["Parameters"]["WatchedImports"]

        def listed(count):
            return json.dumps([{"ImageId": f"wsi-{number:09}"} for number in range(count)], separators=(",", ":"))

        self.assertTrue(len(listed(142)) <= parameter["MaxLength"] < len(listed(143)))
        self.assertTrue(re.fullmatch(parameter["AllowedPattern"], listed(142)))


if __name__ == "__main__":
    unittest.main()
