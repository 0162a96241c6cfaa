"""The template check's own tests: whatever is taken out of template.yaml that matters is noticed.

    .venv/bin/python -m unittest discover --start-directory tools
"""

import copy
import re
import unittest

import check_template

ROOT = check_template.ROOT
TEXT = (ROOT / "template.yaml").read_text()
CONFIG = (ROOT / "src/config.rs").read_text()
METRICS = (ROOT / "src/metrics.rs").read_text()


def faults(template=TEXT, config=CONFIG, metrics=METRICS):
    if isinstance(template, str):
        return check_template.faults(template, config, metrics)
    return check_template.faults(TEXT, config, metrics, template=template)


class Template(unittest.TestCase):
    def setUp(self):
        self.template = check_template.load(TEXT)

    def assert_noticed(self, *words, **changed):
        found = faults(changed.pop("template", self.template), **changed)
        self.assertTrue(found, "nothing was noticed")
        for word in words:
            self.assertTrue(any(word in one for one in found), f"{word!r} is not in {found}")

    def test_the_template_passes(self):
        self.assertEqual(faults(), [])
        self.assertEqual(faults(self.template), [])

    def documents(self):
        """Each policy document of the template: its resource, and the way there in a copy of the template."""
        for name, resource in self.template["Resources"].items():
            properties = resource.get("Properties", {})
            for number in range(len(properties.get("Policies", []))):
                yield name, lambda copied, number=number: copied["Policies"][number]["PolicyDocument"]["Statement"]
            if "PolicyDocument" in properties:
                yield name, lambda copied: copied["PolicyDocument"]["Statement"]

    def test_each_statement_is_missed(self):
        deleted = 0
        for name, way in self.documents():
            for number in range(len(way(self.template["Resources"][name]["Properties"]))):
                with self.subTest(name, statement=number):
                    template = copy.deepcopy(self.template)
                    del way(template["Resources"][name]["Properties"])[number]
                    self.assert_noticed(name, template=template)
                    deleted += 1
        self.assertEqual(deleted, sum(len(one) for _, one in check_template.GRANTS.values()))

    def test_each_action_and_resource_is_held(self):
        for name, way in self.documents():
            for number in range(len(way(self.template["Resources"][name]["Properties"]))):
                for key, value in (("Action", "*"), ("Resource", "arn:*"), ("Effect", "Deny")):
                    with self.subTest(name, statement=number, key=key):
                        template = copy.deepcopy(self.template)
                        statement = way(template["Resources"][name]["Properties"])[number]
                        statement = statement["Fn::If"][1] if "Fn::If" in statement else statement
                        statement[key] = value
                        self.assert_noticed(name, template=template)

    def test_who_may_assume_a_role_is_held(self):
        for name, resource in self.template["Resources"].items():
            if resource["Type"] != "AWS::IAM::Role":
                continue
            with self.subTest(name):
                template = copy.deepcopy(self.template)
                trust = template["Resources"][name]["Properties"]["AssumeRolePolicyDocument"]["Statement"][0]
                if trust.pop("Condition", None) is None:
                    trust["Principal"] = {"Service": "ec2.amazonaws.com"}
                self.assert_noticed(f"{name}: admits", template=template)

    def test_managed_policies_are_refused(self):
        self.template["Resources"]["FunctionRole"]["Properties"]["ManagedPolicyArns"] = ["AdministratorAccess"]
        self.assert_noticed("FunctionRole: has managed policies")

    def test_each_resource_is_missed(self):
        for name in [*check_template.GRANTS, *check_template.HELD, *check_template.ALARMS]:
            with self.subTest(name):
                template = copy.deepcopy(self.template)
                del template["Resources"][name]
                if name == "Function":
                    bare = {"Environment": {"Variables": {}}}
                    template["Resources"][name] = {"Type": "AWS::Serverless::Function", "Properties": bare}
                self.assert_noticed(name, template=template)

    def test_each_condition_and_rule_is_held(self):
        for name in self.template["Conditions"]:
            with self.subTest(name):
                template = copy.deepcopy(self.template)
                template["Conditions"][name] = {"Fn::Equals": ["", ""]}
                self.assert_noticed("Conditions", template=template)
        for name in self.template["Rules"]:
            with self.subTest(name):
                template = copy.deepcopy(self.template)
                del template["Rules"][name]
                self.assert_noticed("Rules", template=template)

    def test_a_resources_condition_is_held(self):
        for name, held in check_template.HELD.items():
            if "Condition" in held:
                with self.subTest(name):
                    template = copy.deepcopy(self.template)
                    del template["Resources"][name]["Condition"]
                    self.assert_noticed(f"{name}: Condition", template=template)

    def test_each_alarm_is_held(self):
        for name in check_template.ALARMS:
            for key in ("AlarmDescription", "AlarmActions"):
                with self.subTest(name, key=key):
                    template = copy.deepcopy(self.template)
                    del template["Resources"][name]["Properties"][key]
                    self.assert_noticed(name, template=template)
            with self.subTest(name, key="Threshold"):
                template = copy.deepcopy(self.template)
                template["Resources"][name]["Properties"]["Threshold"] = 100
                self.assert_noticed(f"{name}: goes off", template=template)
            with self.subTest(name, key="dashboard"):
                self.assert_noticed(f"does not show {name}", template=TEXT.replace(f"${{{name}.Arn}}", "arn"))

    def test_metrics_are_those_of_the_code(self):
        for name in ("Pending", "CheckErrors", "Stalled", "Progress", "ColdStart"):
            with self.subTest(name):
                self.assert_noticed("src/metrics.rs emits no", metrics=METRICS.replace(f'"{name}"', '"Other"'))

    def test_limits_are_those_of_the_code(self):
        changes = {"8, 1..=64": "8, 1..=65", "21_600, 0": "21_601, 0", "245_760, 16_384": "245_760, 16_385"}
        for old, new in changes.items():
            with self.subTest(old):
                self.assertIn(old, CONFIG)
                self.assert_noticed("src/config.rs", config=CONFIG.replace(old, new))
        self.assert_noticed("reads no LEDGER_TABLE", config=CONFIG.replace('LEDGER_TABLE: &str', 'LEDGER: &str'))

    def test_the_environment_is_held(self):
        for name in check_template.ENVIRONMENT:
            with self.subTest(name):
                template = copy.deepcopy(self.template)
                del template["Resources"]["Function"]["Properties"]["Environment"]["Variables"][name]
                self.assert_noticed("Function: its environment", template=template)

    def test_names_and_places_are_not_hard_coded(self):
        names = {"Function": "FunctionName", "Topic": "TopicName", "Ledger": "TableName", "FunctionRole": "RoleName"}
        for name, key in names.items():
            with self.subTest(name):
                template = copy.deepcopy(self.template)
                template["Resources"][name]["Properties"][key] = "mine"
                self.assert_noticed(f"{name}: {key} is hard-coded", template=template)
        self.assert_noticed("arn:aws is", template=TEXT.replace("arn:${AWS::Partition}:s3", "arn:aws:s3"))

    def test_each_parameter_is_shown_once_and_checked(self):
        for name in self.template["Parameters"]:
            with self.subTest(name):
                template = copy.deepcopy(self.template)
                for group in template["Metadata"]["AWS::CloudFormation::Interface"]["ParameterGroups"]:
                    group["Parameters"] = [one for one in group["Parameters"] if one != name]
                self.assert_noticed(f"{name}: the interface", template=template)

    def test_patterns_take_what_they_should(self):
        one, two = '{"ImageId":"wsi-0a1b2c3d4"}', '{"ImageId": "wsi-1b2c3d4e5", "State": "PENDING"}'
        topic = "arn:aws:sns:eu-west-1:123456789012:a"
        china = "arn:aws-cn:sns:cn-north-1:123456789012:a"
        patterns = {
            "WatchedImports": (
                ["", f"[{one}]", f"[ {one}, {two} ]"],
                ["wsi-0a1b2c3d4", '["wsi-0a1b2c3d4"]', one, "[]", '[{"ImageId":"ami-0a1b2c3d4"}]', f"[{one}\n]x"],
            ),
            "TopicArn": (["", topic, f"{china}.fifo"], ["a", topic.replace("sns", "sqs"), f"{topic}:b"]),
            "AlarmTopicArn": (["", topic, china], [f"{topic}.fifo"]),
            "Email": (["", "a@b.example"], ["a", "a@b", "a b@c.example"]),
            "ScheduleExpression": (
                ["rate(5 minutes)", "rate(1 hour)", "cron(0 8-18 ? * MON-FRI *)"],
                ["", "5 minutes", "rate(0 minutes)", "at(2026-01-01T00:00:00)"],
            ),
            "ScheduleTimeZone": (["UTC", "Europe/Berlin", "America/Argentina/Buenos_Aires"], ["", "Europe/", "a b"]),
            "ImageListBucket": (["", "my.bucket-1"], ["A", "a/b", "s3://a"]),
        }
        for name, (good, bad) in patterns.items():
            pattern = re.compile(self.template["Parameters"][name]["AllowedPattern"])
            for value in good:
                self.assertTrue(pattern.fullmatch(value), f"{name} refuses {value}")
            for value in bad:
                self.assertFalse(pattern.fullmatch(value), f"{name} takes {value}")

    def test_definitions_and_substitutions_go_together(self):
        machines = self.template["Resources"]
        del machines["TrackImports"]["Properties"]["DefinitionSubstitutions"]["FunctionArn"]
        machines["TrackMany"]["Properties"]["DefinitionSubstitutions"]["Unused"] = "x"
        self.assert_noticed("${FunctionArn}, substituted by nothing", "uses no Unused")


if __name__ == "__main__":
    unittest.main()
