"""Tests of the template check.

    .venv/bin/python -m unittest discover --start-directory tools
"""

import functools
import json
import re
import unittest

import check_template

ROOT = check_template.ROOT
TEXT = (ROOT / "template.yaml").read_text()
CONFIG = (ROOT / "src/config.rs").read_text()
METRICS = (ROOT / "src/metrics.rs").read_text()
SECURITY = (ROOT / "SECURITY.md").read_text()
OPERATIONS = (ROOT / "docs/operations.md").read_text()


parse = functools.cache(check_template.yaml_parse)


def faults(text=TEXT, config=CONFIG, metrics=METRICS, security=SECURITY, operations=OPERATIONS):
    return list(check_template.faults(parse(text), config, metrics, security, operations))


def nodes(node, hidden):
    """Every container in a node, with each of its keys or indexes."""
    for key, value in list(node.items() if isinstance(node, dict) else enumerate(node)):
        if key not in hidden:
            yield node, key
            if isinstance(value, (dict, list)):
                yield from nodes(value, hidden)


class Template(unittest.TestCase):
    def setUp(self):
        self.template = check_template.yaml_parse(TEXT)

    def assert_found(self, message, text=TEXT, **changed):
        self.assertTrue(any(message in one for one in faults(text, **changed)), f"{message!r} not found")

    def assert_each_found(self, message, old, new, names):
        """Changes the template for each of the names, which replaces `{}`."""
        for name in names:
            with self.subTest(name):
                changed = re.sub(old.format(name), new, TEXT, count=1, flags=re.DOTALL)
                self.assertFalse(changed == TEXT)
                self.assert_found(message.format(name), changed)

    def test_the_template_passes(self):
        self.assertEqual(faults(), [])

    def test_snapshots_have_every_grant_and_setting(self):
        known, count = check_template.snapshots(self.template), 0
        # The version of the policy language is the same in every document, and the snapshot leaves it out.
        hidden = {"Description", "AlarmDescription", "AssertDescription", "DashboardBody", "Version"}
        sections = [self.template[name] for name in ("Resources", "Conditions", "Rules")]
        for container, key in (one for section in sections for one in nodes(section, hidden)):
            saved = container.copy()
            container[key] = "changed"
            self.assertFalse(check_template.snapshots(self.template) == known, f"{key} changed in {saved}")
            del container[key]
            self.assertFalse(check_template.snapshots(self.template) == known, f"{key} deleted from {saved}")
            container.clear()
            container.extend(saved) if isinstance(container, list) else container.update(saved)
            count += 1
        self.assertGreater(count, 700)
        self.assertTrue(check_template.snapshots(self.template) == known)

    def test_a_change_without_its_snapshot_is_found(self):
        for old, new in [
            ("dynamodb:PutItem]", "dynamodb:*]"),
            ("- {Sid: Announce", "- {Effect: Allow, Action: iam:*, Resource: '*'}\n              - {Sid: Announce"),
            ("      Description: Execution role", "      ManagedPolicyArns: [Any]\n      Description: Execution role"),
        ]:
            self.assertIn(old, TEXT)
            self.assert_found("grants.txt does not match", TEXT.replace(old, new))
        changed = TEXT.replace("DeletionPolicy: RetainExceptOnCreate", "DeletionPolicy: Delete")
        self.assert_found("settings.txt does not match", changed)

    def test_each_statement_is_in_security_md(self):
        for sid in set(re.findall(r"Sid: (\w+)", TEXT)):
            self.assert_found(f"{sid}: SECURITY.md must name it", security=SECURITY.replace(sid, ""))

    def test_variables_and_limits_are_those_of_the_code(self):
        names = re.findall(r"^          (?!AWS_)([A-Z_]+): ", TEXT, re.MULTILINE)
        self.assertEqual(len(names), 7)
        self.assert_each_found("{}: must be both", "          {}: ", "          NAME: ", names)
        for name in names:
            self.assert_found(f"{name}: must be both", config=CONFIG.replace(f'"{name}"', '"NAME"'))
        for old, new in {"8, 1..=64": "8, 1..=65", "21_600, 0": "21_601, 0"}.items():
            self.assertIn(old, CONFIG)
            self.assert_found("default, minimum and maximum", config=CONFIG.replace(old, new))
        for old, new in {"245_760, 16_384": "245_760, 51_201", "16_384..=6_000_000": "16_384..=245_759"}.items():
            self.assertIn(old, CONFIG)
            self.assert_found("must be within the limits", config=CONFIG.replace(old, new))
        for line in ("MinValue: 51200", "MaxValue: 245760", "Default: 245760"):
            self.assert_found("default, minimum and maximum", TEXT.replace(line, f"{line}0"))

    def test_metrics_are_those_of_the_code(self):
        for name in ("WorkSpacesImageImport", "Pending", "CheckErrors", "Stalled", "Progress", "ColdStart"):
            with self.subTest(name):
                self.assert_found("src/metrics.rs has no such metric", metrics=METRICS.replace(f'"{name}"', '"Other"'))

    def test_metrics_have_the_dimension_of_the_code(self):
        self.assertIn('const FUNCTION_NAME: &str = "FunctionName"', METRICS)
        self.assert_each_found(
            "{}: Dimensions must be",
            r"(\n  {}:\n    Type.*?Dimensions: )\[.*?\]",
            r"\1[]",
            ("CheckErrorsAlarm", "StalledAlarm"),
        )
        rows = re.findall(r'\["WorkSpacesImageImport", "(\w+)"', TEXT)
        self.assertEqual(len(rows), 4)
        for name in rows:
            changed = re.sub(rf'("{name}"), "[^"]*", "[^"]*"', r"\1", TEXT)
            self.assert_found("must have the dimension FunctionName", changed)

    def test_each_alarm_is_described_sent_and_shown(self):
        alarms = re.findall(r"\n  (\w+):\n    Type: AWS::CloudWatch::Alarm", TEXT)
        self.assertEqual(len(alarms), 9)
        before = "(\n  {}:\n    Type.*?)"
        self.assert_each_found("{}: AlarmDescription", before + "AlarmDescription", r"\1Description", alarms)
        self.assert_each_found("{}: AlarmActions", before + "AlarmTopicArn", r"\1TopicArn", alarms)
        self.assert_each_found("{}: must depend on", before + "Condition: ", r"\1Comment: ", alarms)
        for_events = ("ExecutionsFailedAlarm", "TrackManyFailedAlarm", "ImportToBundleFailedAlarm")
        for_conditions = [name for name in alarms if name not in for_events]
        self.assert_each_found("{}: OKActions", before + "OKActions", r"\1InsufficientDataActions", for_conditions)
        self.assert_each_found("{}: the dashboard must show it", r"\$\{{{}.Arn\}}", "arn", alarms)
        self.assert_found("DashboardBody is not JSON", TEXT.replace('"widgets": [', '"widgets": '))

    def test_each_parameter_is_shown_and_limited(self):
        names = list(self.template["Parameters"])
        self.assert_each_found("{}: must be in one", r"(Parameters: \[[^]]*?)\b{}\b", r"\1Other", names)
        self.assert_each_found("{}: must have a description", "(\n  {}:\n    )Description", r"\1Comment", names)
        for row in ("| `Email` | none |", "| `Timeout` | 60 |", "| `RolePath` | `/` |"):
            changed = OPERATIONS.replace(row, row.replace("e", "o").replace("/", "//"))
            self.assert_found("docs/operations.md: the table", operations=changed)
        self.assert_found("Email: must have", TEXT.replace(r"AllowedPattern: ^([^@", r"Pattern: ^([^@"))

    def test_each_role_has_the_path_and_the_boundary(self):
        roles = re.findall(r"\n  (\w+):\n    Type: AWS::IAM::Role", TEXT)
        self.assertEqual(len(roles), 7)
        before = "(\n  {}:\n    Type.*?)"
        self.assert_each_found("{}: Path", before + "Path: !Ref RolePath", r"\1Path: /", roles)
        self.assert_each_found("{}: PermissionsBoundary", before + "PermissionsBoundary: ", r"\1Other: ", roles)

    def test_names_and_places_are_not_hard_coded(self):
        types = {"IAM::Role": "RoleName", "SQS::Queue": "QueueName"}
        for kind, name in types.items():
            changed = re.sub(rf"(Type: AWS::{kind}\n.*?Properties:\n)", rf"\1      {name}: mine\n", TEXT, 1, re.DOTALL)
            self.assert_found(f"{name} must not be hard-coded", changed)
        self.assert_found("TopicName must not be hard-coded", TEXT.replace("${AWS::StackName}-Topic.fifo", "mine.fifo"))
        self.assert_found("TableName must not be hard-coded", TEXT.replace("${AWS::StackName}-Ledger", "mine"))
        name = "${AWS::StackName}-${AWS::Region}"
        self.assert_found("ConfigurationName must not be hard-coded", TEXT.replace(name, "mine"))
        self.assert_found("arn:aws must not", TEXT.replace("arn:${AWS::Partition}:s3", "arn:aws:s3"))
        self.assert_found("us-east-1 must not", TEXT.replace('"region": "${AWS::Region}"', '"region": "us-east-1"'))

    def test_definitions_and_substitutions_go_together(self):
        self.assert_found("track-imports.asl.json: FunctionArn", TEXT.replace("  FunctionArn: !Get", "  Arn: !Get"))
        self.assert_found("track-many.asl.json: Unused", TEXT.replace("TrackImportsArn: !Ref", "Unused: !Ref"))

    def test_patterns_take_what_they_should(self):
        one, two = '{"ImageId":"wsi-0a1b2c3d4"}', '{"ImageId": "wsi-1b2c3d4e5", "State": "PENDING"}'
        key = "arn:aws:kms:eu-west-1:123456789012:key/0a1b2c3d-0000-0000-0000-000000000000"
        keys = [name for name in self.template["Parameters"] if name.endswith("KeyArn")]
        boundary = "arn:aws:iam::123456789012:policy/team/Boundary"
        topic, china = "arn:aws:sns:eu-west-1:123456789012:a", "arn:aws-cn:sns:cn-north-1:123456789012:a"
        patterns = {
            "WatchedImports": (
                ["", "[]", f"[{one}]", f"[ {one}, {two} ]"],
                ["wsi-0a1b2c3d4", '["wsi-0a1b2c3d4"]', one, "[ ]", '[{"ImageId":"ami-0a1b2c3d4"}]', f"[{one}\n]x"],
            ),
            "LedgerTableName": (["", "image-imports-Ledger"], ["a", "a/b", "arn:aws:dynamodb:eu-west-1:1:table/a"]),
            **dict.fromkeys(keys, (["", key], ["alias/mine", key.replace("key/", "alias/")])),
            "PermissionsBoundary": (["", boundary, boundary.replace("123456789012", "aws")], ["Boundary", f"{boundary} "]),
            "RolePath": (["/", "/service-roles/", "/a/b/"], ["", "a", "/a", "a/", "//"]),
            "TopicArn": (["", topic, f"{china}.fifo"], ["a", topic.replace("sns", "sqs"), f"{topic}:b"]),
            "AlarmTopicArn": (["", topic, china], [f"{topic}.fifo"]),
            "SlackWorkspaceId": (["", "T0123ABCD"], ["T", "C0123ABCD", "T0123abcd", "T0123ABCD "]),
            "SlackChannelId": (["", "C0123ABCD"], ["#general", "C0123-ABCD"]),
            "Email": (["", "a@b.example"], ["a", "a@b", "a b@c.example"]),
            "ScheduleExpression": (
                ["rate(5 minutes)", "rate(1 hour)", "cron(0 8-18 ? * MON-FRI *)"],
                ["", "5 minutes", "rate(0 minutes)", "at(2026-01-01T00:00:00)"],
            ),
            "ScheduleTimeZone": (["UTC", "Europe/Berlin", "America/Argentina/Buenos_Aires"], ["", "Europe/", "a b"]),
            "ImageListBucket": (["", "my.bucket-1"], ["A", "a/b", "s3://a"]),
        }
        for name, (accepted, refused) in patterns.items():
            pattern = re.compile(self.template["Parameters"][name]["AllowedPattern"])
            for value in accepted:
                self.assertTrue(pattern.fullmatch(value), f"{name} refuses {value}")
            for value in refused:
                self.assertFalse(pattern.fullmatch(value), f"{name} accepts {value}")

    def test_watched_imports_hold_142_images(self):
        parameter = self.template["Parameters"]["WatchedImports"]

        def listed(count):
            return json.dumps([{"ImageId": f"wsi-{number:09}"} for number in range(count)], separators=(",", ":"))

        self.assertTrue(len(listed(142)) <= parameter["MaxLength"] < len(listed(143)))
        self.assertTrue(re.fullmatch(parameter["AllowedPattern"], listed(142)))


if __name__ == "__main__":
    unittest.main()
