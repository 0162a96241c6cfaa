"""Tests of the lines in examples/overlays, which users add to template.yaml, and of the configurations for SAM.

    .venv/bin/python -m unittest discover --start-directory tools
"""

import copy
import re
import tomllib
import unittest

import check_template
import snapshots

ROOT = check_template.ROOT
TEMPLATE = snapshots.yaml_parse((ROOT / "template.yaml").read_text())
OVERLAYS = {path.stem: snapshots.yaml_parse(path.read_text()) for path in (ROOT / "examples/overlays").glob("*.yaml")}
FLEETS = (ROOT / "docs/fleets.md").read_text()
EXAMPLE = (ROOT / "samconfig.example.toml").read_text()


def intrinsic(node):
    return any(key == "Ref" or key.startswith("Fn::") for key in node)


def added(template, lines):
    """The template with the lines added below the keys that it already has."""
    for key, value in lines.items():
        old = template.get(key)
        if isinstance(value, dict) and isinstance(old, dict) and not intrinsic(value) and not intrinsic(old):
            added(template[key], value)
        else:
            template[key] = value
    return template


def resources(template):
    """The resources that SAM makes of a template."""
    return snapshots.transformed(template)["Resources"]


class MakingItYours(unittest.TestCase):
    def test_each_overlay_fits_into_the_template(self):
        before = resources(TEMPLATE)
        self.assertEqual(len(OVERLAYS), 4)
        for lines in OVERLAYS.values():
            for name, resource in lines["Resources"].items():
                self.assertTrue("Type" in resource or name in TEMPLATE["Resources"], name)
            after = resources(added(copy.deepcopy(TEMPLATE), lines))
            self.assertLessEqual(before.keys() | lines["Resources"].keys(), after.keys())
            self.assertNotEqual(before, after)

    def test_the_alias_is_what_the_schedule_and_the_workflow_invoke(self):
        made = resources(added(copy.deepcopy(TEMPLATE), OVERLAYS["gradual-deployments"]))
        alias = {"Ref": "FunctionAliaslive"}
        self.assertEqual(made["FunctionSchedule"]["Properties"]["Target"]["Arn"], alias)
        self.assertEqual(made["TrackImports"]["Properties"]["DefinitionSubstitutions"]["FunctionArn"], alias)
        statement = made["AliasPolicy"]["Properties"]["PolicyDocument"]["Statement"][0]
        self.assertEqual(statement["Resource"], alias)

    def test_configurations_have_parameters_of_the_template(self):
        example = re.sub(r"^# (\w+ = )", r"\1", EXAMPLE, flags=re.MULTILINE)
        (regions,) = re.findall(r"^```toml\n(.*?)^```$", FLEETS, re.DOTALL | re.MULTILINE)
        for text in (example, regions):
            for environment in (one for one in tomllib.loads(text).values() if isinstance(one, dict)):
                settings = environment["global"]["parameters"]["parameter_overrides"]
                self.assertIn("Architecture", settings)
                for name, value in settings.items():
                    parameter = TEMPLATE["Parameters"][name]
                    pattern = parameter.get("AllowedPattern", "|".join(parameter.get("AllowedValues", [])))
                    self.assertTrue(re.fullmatch(pattern, value), f"{name} = {value}")

    def test_git_ignores_the_copy_of_the_configuration(self):
        self.assertIn("/samconfig.toml", (ROOT / ".gitignore").read_text().splitlines())


if __name__ == "__main__":
    unittest.main()
