"""Tests of the tools: each check must accept a good sample and reject bad ones.

    .venv/bin/python -m unittest discover --start-directory tools
"""

import json
import os
import pathlib
import re
import select
import signal
import subprocess
import sys
import tempfile
import textwrap
import time
import unittest
import unittest.mock
import urllib.error
import urllib.request

import boto3
import check_contract
import check_dependencies
import emulator
import release_notes
import sbom

TOOLS = pathlib.Path(__file__).resolve().parent
NODE = TOOLS.parent / ".venv-sam" / "bin" / "node"

GOOD_TREE = """\
workspaces-image-import v0.1.0 (/somewhere)
http v1.5.0
http-body v1.1.0
hyper v1.12.0
hyper v1.12.0 (*)
hyper-rustls v0.27.10
openssl-probe v0.2.2
ring v0.17.14
rustls v0.23.46
rustls-webpki v0.103.17
thiserror-impl v2.0.21 (proc-macro)
"""

GOOD_PROFILE = """\
[profile.dev]
debug = 0
[profile.release]
opt-level = "s"
lto = "fat"
codegen-units = 1
strip = "symbols"
panic = "unwind"
debug = 0
overflow-checks = false
incremental = false
[profile.release.package."*"]
opt-level = "z"
"""


class Mutations(unittest.TestCase):
    def test_the_page_names_each_mutation_once(self):
        page = (TOOLS.parent / "docs" / "reliability.md").read_text()
        named = re.findall(r"`(\w+(?:-\w+)+)`", page[page.index("The mutations show") :])
        patches = sorted(path.stem for path in (TOOLS.parent / "tests" / "mutations").glob("*.patch"))
        self.assertEqual(patches, sorted(named))

    def test_each_mutation_applies(self):
        for path in sorted((TOOLS.parent / "tests" / "mutations").glob("*.patch")):
            with self.subTest(path.stem):
                command = ["git", "apply", "--check", str(path)]
                done = subprocess.run(command, cwd=TOOLS.parent, capture_output=True, text=True)
                self.assertEqual(done.returncode, 0, done.stderr)


class Tree(unittest.TestCase):
    def problems(self, *more, without=None):
        kept = [line for line in GOOD_TREE.splitlines() if not (without and line.startswith(f"{without} "))]
        return check_dependencies.tree_problems("\n".join([*kept, *more]))

    def assert_one(self, problems, *words):
        self.assertEqual(len(problems), 1, problems)
        for word in words:
            self.assertIn(word, problems[0][0])

    def test_a_good_tree_passes(self):
        self.assertEqual(self.problems(), [])

    def test_a_second_version_is_reported_with_both(self):
        for name, version in [("hyper", "0.14.32"), ("http", "0.2.12"), ("rustls", "0.21.12")]:
            with self.subTest(name):
                problems = self.problems(f"{name} v{version}")
                self.assert_one(problems, f"2 versions of {name}", version)
                self.assertEqual(len(problems[0][1]), 2)
                self.assertIn(f"{name}@{version}", problems[0][1])

    def test_a_missing_crate_is_reported(self):
        for name in ["hyper", "http", "rustls"]:
            with self.subTest(name):
                self.assert_one(self.problems(without=name), f"{name} is missing")

    def test_there_is_exactly_one_version_of_the_provider(self):
        self.assert_one(self.problems(without="ring"), "0 versions of the crypto provider ring")
        self.assert_one(self.problems("ring v0.16.20"), "2 versions of the crypto provider ring")

    def test_a_second_provider_is_rejected(self):
        for name in check_dependencies.OTHER_PROVIDERS:
            with self.subTest(name):
                problems = self.problems(f"{name} v1.0.0")
                self.assert_one(problems, name, "a second crypto provider, next to ring")
                self.assertEqual(problems[0][1], [f"{name}@1.0.0"])

    def test_forbidden_crates_are_rejected(self):
        for name, start, reason in check_dependencies.FORBIDDEN:
            with self.subTest(name):
                version = f"{start}1" if start else "1.2.3"
                self.assert_one(self.problems(f"{name} v{version}"), name, reason)

    def test_a_tree_without_the_function_is_rejected(self):
        self.assert_one(self.problems(without=check_dependencies.PACKAGE), "cannot be checked")
        self.assertNotEqual(check_dependencies.tree_problems(""), [])


class Profile(unittest.TestCase):
    def test_a_good_profile_passes(self):
        self.assertEqual(check_dependencies.profile_problems(GOOD_PROFILE), [])

    def test_each_missing_option_is_reported(self):
        release, packages = GOOD_PROFILE.index("[profile.release]"), GOOD_PROFILE.index("[profile.release.package")
        for option in check_dependencies.OPTIONS:
            with self.subTest(option):
                lines = GOOD_PROFILE[release:packages].splitlines()
                kept = [line for line in lines if not line.startswith(option)]
                problems = check_dependencies.profile_problems("\n".join([*kept, GOOD_PROFILE[packages:]]))
                self.assertEqual(len(problems), 1, problems)
                self.assertIn(f"does not set {option}", problems[0])

    def test_each_wrong_value_is_reported(self):
        wrong = {
            "opt-level": "0",
            "lto": '"thin"',
            "codegen-units": "16",
            "strip": "false",
            "panic": '"abort"',
            "debug": "1",
            "overflow-checks": "true",
            "incremental": "true",
        }
        self.assertEqual(set(wrong), set(check_dependencies.OPTIONS))
        for option, value in wrong.items():
            with self.subTest(option):
                release = GOOD_PROFILE.index("[profile.release]")
                changed = re.sub(f"^{option} = .*$", f"{option} = {value}", GOOD_PROFILE[release:], count=1, flags=re.MULTILINE)
                problems = check_dependencies.profile_problems(changed)
                self.assertEqual(len(problems), 1, problems)
                self.assertIn(f"has {option} = ", problems[0])

    def test_a_wrong_value_for_the_packages_is_reported(self):
        problems = check_dependencies.profile_problems(GOOD_PROFILE.replace('"z"', "3"))
        self.assertEqual(len(problems), 1, problems)
        self.assertIn('package."*"] has opt-level = 3', problems[0])

    def test_without_a_profile_every_option_is_reported(self):
        options = len(check_dependencies.OPTIONS) + len(check_dependencies.PACKAGES_OPTIONS)
        self.assertEqual(len(check_dependencies.profile_problems("")), options)


class Sbom(unittest.TestCase):
    def test_only_components_of_the_tree_remain(self):
        def component(name, version):
            return {"bom-ref": f"registry#{name}@{version}", "name": name, "version": version}

        whole = {
            "metadata": {"component": {"bom-ref": "root"}},
            "components": [component("kept", "1.0.0"), component("kept", "2.0.0"), component("of-a-test", "1.0.0")],
            "dependencies": [
                {"ref": "root", "dependsOn": ["registry#kept@1.0.0", "registry#of-a-test@1.0.0"]},
                {"ref": "registry#kept@1.0.0"},
                {"ref": "registry#of-a-test@1.0.0", "dependsOn": ["registry#kept@2.0.0"]},
            ],
        }
        reduced = sbom.reduce(whole, {"kept": {"1.0.0"}, "other": {"1.0.0"}})
        self.assertEqual(reduced["components"], [component("kept", "1.0.0")])
        self.assertEqual(
            reduced["dependencies"],
            [{"ref": "root", "dependsOn": ["registry#kept@1.0.0"]}, {"ref": "registry#kept@1.0.0", "dependsOn": []}],
        )


class ReleaseNotes(unittest.TestCase):
    MANIFEST = '[workspace.package]\nversion = "1.2.0"\n'
    CHANGELOG = textwrap.dedent("""\
        # Changelog

        ## Unreleased

        ## 1.2.0 - 2026-12-24

        ### Added

        - A feature.

        ## 1.1.0 - 2026-12-01

        - An older feature.
        """)

    def notes(self, tag="v1.2.0", changelog=CHANGELOG):
        return release_notes.notes(tag, self.MANIFEST, changelog)

    def assert_invalid(self, message, **arguments):
        with self.assertRaisesRegex(release_notes.Invalid, message):
            self.notes(**arguments)

    def test_the_notes_are_the_section_of_the_version(self):
        self.assertEqual(self.notes(), "### Added\n\n- A feature.")
        last = self.CHANGELOG.replace("1.1.0", "1.0.0").replace("1.2.0", "1.1.0").replace("1.0.0", "1.2.0")
        self.assertEqual(self.notes(changelog=last), "- An older feature.")

    def test_another_version_is_rejected(self):
        self.assert_invalid("the tag is v1.1.0, but Cargo.toml has version 1.2.0", tag="v1.1.0")
        self.assert_invalid("the tag is 1.2.0", tag="1.2.0")

    def test_a_section_is_required_and_has_a_date_and_a_text(self):
        self.assert_invalid("no section for 1.2.0", changelog=self.CHANGELOG.replace("## 1.2.0", "## 1.2.1"))
        self.assert_invalid("no date", changelog=self.CHANGELOG.replace("1.2.0 - 2026-12-24", "1.2.0"))
        self.assert_invalid("is empty", changelog="## 1.2.0 - 2026-12-24\n\n## 1.1.0 - 2026-12-01\n\n- x\n")


class Contract(unittest.TestCase):
    PAGE = """\
# The contract

An introduction. It is not checked.

- [A topic](#events)

## Events

A **record** moves
when its [`State`](#states) does. Nothing seen is lost.

### Fields

A record has the following fields:

| Field | Meaning |
|---|:--|
| `A` | See [b](#b). Or c. |
| `D` | a \\| string |

```json
{"Not": "a sentence."}
```

- One item
  of two lines.
1. Another item
"""
    SENTENCES = [
        "A record moves when its `State` does.",
        "Nothing seen is lost.",
        "`A` · See b. Or c.",
        "`D` · a | string",
        "One item of two lines.",
        "Another item",
    ]
    INTEGRATION = {"events::a_record_moves", "ledger::nothing_is_lost"}
    UNIT = {"import::record::tests::moves"}

    def faults(self, changed=(), page=PAGE):
        """Check the page with a good map, in which the cells of some sentences are changed or, if None, left out."""
        tests = dict.fromkeys(self.SENTENCES, "`events::a_record_moves`") | dict(changed)
        rows = [f"| {key.replace('|', chr(92) + '|')} | {value} |" for key, value in tests.items() if value is not None]
        text = "\n".join(["# Tests", "| Sentence | Tests |", "|---|:--|", *rows])
        return check_contract.faults(page, text, self.INTEGRATION, self.UNIT, TOOLS.parent)

    def assert_one(self, faults, *words):
        self.assertEqual(len(faults), 1, faults)
        for word in words:
            self.assertIn(word, faults[0])

    def test_what_a_sentence_is(self):
        self.assertEqual(check_contract.sentences(self.PAGE), self.SENTENCES)

    def test_a_good_map_passes(self):
        several = "`ledger::nothing_is_lost`<br>`lib: import::record::tests::moves`"
        python = "`py: tools/test_tools.py::test_a_good_map_passes`"
        untested = "no test: it is a definition"
        changed = zip(self.SENTENCES, [several, python, untested])
        self.assertEqual(self.faults(changed), [])

    def test_a_test_that_does_not_exist_is_named_with_its_line(self):
        for name in [
            "ledger::gone",
            "lib: ledger::gone",
            "nothing_is_lost",
            "lib: ledger::nothing_is_lost",
            "import::record::tests::moves",
            "py: tools/none.py::test_x",
            "py: tools/test_tools.py::gone",
        ]:
            with self.subTest(name):
                faults = self.faults({"Nothing seen is lost.": f"`events::a_record_moves`<br>`{name}`"})
                self.assert_one(faults, "tests/CONTRACT.md:5: ", f"there is no test `{name}`")
        self.assert_one(self.faults({"Nothing seen is lost.": "`rs: x::y`"}), "`rs: x::y` has an unknown prefix")

    def test_a_row_without_a_test_is_a_fault(self):
        for cell in ["", "to come", "no test:", "no test: "]:
            with self.subTest(cell):
                self.assert_one(self.faults({"Another item": cell}), "no test, and no reason why, for: Another item")

    def test_a_sentence_without_a_row_is_a_fault(self):
        for sentence in self.SENTENCES:
            with self.subTest(sentence):
                self.assert_one(self.faults({sentence: None}), f"no row in tests/CONTRACT.md for: {sentence}")

    def test_a_row_that_the_page_does_not_say_is_a_fault(self):
        for row in [
            "Something seen is lost.",
            "Nothing seen",
            "A record moves when its State does.",
            "An introduction.",
            "A record has the following fields:",
        ]:
            with self.subTest(row):
                faults = self.faults({row: "`events::a_record_moves`"})
                self.assert_one(faults, f"docs/contract.md does not say: {row}")

    def test_a_page_without_sentences_is_a_fault(self):
        self.assert_one(self.faults(page="# The contract\n\nAn introduction.\n"), "docs/contract.md: no sentences")

    def test_the_list_of_tests_is_read_without_its_last_line(self):
        output = "events::a_record_moves: test\nledger::nothing_is_lost: test\n\n2 tests, 0 benchmarks\n"
        self.assertEqual(set(check_contract.LISTED.findall(output)), self.INTEGRATION)

    def test_a_missing_page_is_named(self):
        with tempfile.TemporaryDirectory() as root, unittest.mock.patch.object(sys, "argv", ["check_contract.py"]):
            with unittest.mock.patch.object(check_contract, "ROOT", pathlib.Path(root)):
                with self.assertRaisesRegex(SystemExit, "missing: docs/contract.md, tests/CONTRACT.md"):
                    check_contract.main()


class Emulator(unittest.TestCase):
    """Starts real emulators."""

    def start(self, emulator, *arguments, **more):
        home = tempfile.mkdtemp(prefix="test-emulator-")
        self.addCleanup(os.rmdir, home)  # fails if the emulator left anything behind
        process = subprocess.Popen(
            [sys.executable, TOOLS / "emulator.py", emulator, *arguments],
            env=os.environ | {"TMPDIR": home} | more.pop("more_environment", {}),
            stdin=more.pop("stdin", subprocess.PIPE),
            stdout=subprocess.PIPE,
            text=True,
            **more,
        )
        self.addCleanup(process.stdout.close)
        if process.stdin:
            self.addCleanup(process.stdin.close)
        self.addCleanup(process.wait, 10)
        self.addCleanup(process.terminate)
        return process

    def url(self, process):
        ready, _, _ = select.select([process.stdout], [], [], 60)
        self.assertTrue(ready, "nothing on stdout")
        return json.loads(process.stdout.readline())["url"]

    def list_topics(self, url):
        request = urllib.request.Request(
            url,
            data=b"Action=ListTopics&Version=2010-03-31",
            headers={"Authorization": "AWS4-HMAC-SHA256 Credential=test/20260101/us-east-1/sns/aws4_request"},
        )
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=10) as response:
            return response.read().decode()

    def assert_gone(self, url):
        for _ in range(100):
            try:
                self.list_topics(url)
            except (urllib.error.URLError, OSError):
                return
            time.sleep(0.05)
        self.fail("the emulator still answers")

    def test_each_serves_until_stdin_ends(self):
        for emulator in ["ministack", "moto"]:
            with self.subTest(emulator):
                process = self.start(emulator)
                url = self.url(process)
                self.assertRegex(url, r"^http://127\.0\.0\.1:\d+$")
                self.assertIn("ListTopicsResult", self.list_topics(url))
                process.stdin.close()
                self.assertEqual(process.wait(10), 0)
                self.assert_gone(url)
                self.assertEqual(process.stdout.read(), "")

    def test_variables_are_set_for_the_emulator(self):
        settings = [emulator.setting("AWS_ENDPOINT_URL={url}/a=b"), emulator.setting("SFN_WAIT_SCALE=1")]
        variables = emulator.environment("sns", settings, 4566, "home")
        self.assertEqual(variables["AWS_ENDPOINT_URL"], "http://127.0.0.1:4566/a=b")
        self.assertEqual(variables["SFN_WAIT_SCALE"], "1")
        process = self.start("ministack", "--set", "AWS_ENDPOINT_URL", stderr=subprocess.PIPE)
        with process.stderr:
            self.assertEqual(process.wait(60), 2)
            self.assertIn("'AWS_ENDPOINT_URL' is not of the form NAME=VALUE", process.stderr.read())

    def test_emulators_run_side_by_side(self):
        processes = [self.start(emulator) for emulator in ["ministack", "moto"] * 2]
        urls = {self.url(process) for process in processes}
        self.assertEqual(len(urls), len(processes))
        for url in urls:
            self.list_topics(url)

    def test_it_ends_when_its_parent_is_killed(self):
        # Like a test, this process holds the writing end of the emulator's stdin. It is killed without a chance to close it.
        parent = subprocess.Popen(["sleep", "600"], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
        self.addCleanup(parent.stdout.close)
        process = self.start("ministack", stdin=parent.stdout)
        url = self.url(process)
        self.list_topics(url)
        parent.kill()
        parent.wait()
        self.assertEqual(process.wait(10), 0)
        self.assert_gone(url)

    def test_a_signal_ends_the_script_and_the_emulator(self):
        process = self.start("ministack")
        url = self.url(process)
        process.terminate()
        self.assertEqual(process.wait(10), 128 + signal.SIGTERM)
        self.assert_gone(url)

    def test_a_failed_start_prints_the_reason(self):
        with tempfile.TemporaryDirectory() as broken:
            package = pathlib.Path(broken, "ministack")
            package.mkdir()
            (package / "__init__.py").write_text("raise SystemExit('no ministack today')")
            process = self.start("ministack", stderr=subprocess.PIPE, more_environment={"PYTHONPATH": broken})
            with process.stderr:
                self.assertEqual((process.wait(60), process.stdout.read()), (1, ""))
                self.assertIn("no ministack today", process.stderr.read())


class Dynalite(unittest.TestCase):
    """Starts the real one and checks what the tests of the ledger rely on."""

    def start(self):
        process = subprocess.Popen(
            [NODE, TOOLS / "npm" / "dynalite.mjs"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self.addCleanup(process.stdout.close)
        self.addCleanup(process.wait, 10)
        self.addCleanup(process.terminate)
        self.addCleanup(process.stdin.close)
        ready, _, _ = select.select([process.stdout], [], [], 60)
        self.assertTrue(ready, "nothing on stdout")
        return process, json.loads(process.stdout.readline())["url"]

    def test_it_serves_until_stdin_ends(self):
        process, url = self.start()
        self.assertRegex(url, r"^http://127\.0\.0\.1:\d+$")
        process.stdin.close()
        self.assertEqual((process.wait(10), process.stdout.read()), (0, ""))

    def test_it_compares_numbers_but_not_maps(self):
        _, url = self.start()
        table = boto3.resource(
            "dynamodb", endpoint_url=url, region_name="us-east-1", aws_access_key_id="test", aws_secret_access_key="test"
        ).create_table(
            TableName="ledger",
            KeySchema=[{"AttributeName": "ImageId", "KeyType": "HASH"}],
            AttributeDefinitions=[{"AttributeName": "ImageId", "AttributeType": "S"}],
            BillingMode="PAY_PER_REQUEST",
        )
        self.addCleanup(table.meta.client.close)
        item = {"ImageId": "wsi-0a1b2c3d4", "Version": 1, "Owed": {"Sequence": 1}}
        lost = table.meta.client.exceptions.ConditionalCheckFailedException
        table.put_item(Item=item, ConditionExpression="attribute_not_exists(ImageId)")
        for condition, value in [("Version = :value", 2), ("Owed = :value", item["Owed"])]:
            with self.subTest(condition), self.assertRaises(lost):
                table.put_item(Item=item, ConditionExpression=condition, ExpressionAttributeValues={":value": value})
        table.put_item(Item=item, ConditionExpression="Version = :value", ExpressionAttributeValues={":value": 1})


if __name__ == "__main__":
    unittest.main()
