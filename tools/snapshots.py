"""The snapshots of the templates: all grants, and all other settings of resources, one or a few lines for each."""

import copy
import functools
import logging

import boto3
from samtranslator.parser.parser import Parser
from samtranslator.translator.translator import Translator
from samtranslator.yaml_helper import yaml_parse

# The translator warns that nobody publishes its own metrics.
logging.getLogger("samtranslator").setLevel(logging.ERROR)

WIDTH = 150
POLICIES = {"AssumeRolePolicyDocument", "ManagedPolicyArns", "Policies", "PolicyDocument"}
# No snapshot contains texts, so rewording one does not change it. settings.txt does not repeat the policies.
HIDDEN = POLICIES | {"Description", "AlarmDescription", "AssertDescription", "DashboardBody"}


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
        if key in POLICIES - {"Policies"}:
            statements = value.get("Statement") if isinstance(value, dict) else None
            yield from map(one_line, statements if isinstance(statements, list) else [value])
        elif isinstance(value, (dict, list)):
            yield from grants(value)


parse = functools.cache(yaml_parse)


def transformed(template):
    """The template as the transform of SAM returns it."""
    template = copy.deepcopy(template)
    for resource in template["Resources"].values():
        for key in ("CodeUri", "DefinitionUri"):
            if key in resource.get("Properties", {}):
                resource["Properties"][key] = "s3://bucket/key"
    session = boto3.Session(region_name="eu-west-1", aws_access_key_id="test", aws_secret_access_key="test")
    return Translator({}, Parser(), boto_session=session).translate(template, {})


@functools.cache
def made(text):
    """The resources that SAM makes of a template."""
    return transformed(parse(text))["Resources"]


@functools.cache
def snapshot(file, text):
    """The parts of each snapshot about one template, by the snapshot's name."""
    template, parts = parse(text), {}
    shown = {name: template[name] for name in ("Conditions", "Rules") if name in template}
    sections = {"grants.txt": (grants, made(text)), "settings.txt": (settings, shown | template["Resources"])}
    for name, (lines, nodes) in sections.items():
        found = {node: list(lines(value)) for node, value in nodes.items()}
        blocks = [f"\n{file} {node}:\n" + "".join(f"  {one}\n" for one in some) for node, some in found.items() if some]
        parts[name] = "".join(blocks)
    return parts


def snapshots(texts):
    """The text of each snapshot, by its file's name."""
    parts = [snapshot(file, text) for file, text in texts.items()]
    head = "# Made by `python tools/check_template.py --update`.\n"
    return {name: head + "".join(part[name] for part in parts) for name in ("grants.txt", "settings.txt")}
