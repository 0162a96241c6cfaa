"""The tools' own tests: each check is shown a bad sample and has to say so.

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
import time
import unittest
import urllib.error
import urllib.request

import check_contract
import check_dependencies
import emulator

TOOLS = pathlib.Path(__file__).resolve().parent

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


class Tree(unittest.TestCase):
    def faults(self, *more, without=None):
        kept = [line for line in GOOD_TREE.splitlines() if not (without and line.startswith(f"{without} "))]
        return check_dependencies.tree_faults("\n".join([*kept, *more]))

    def assert_one(self, faults, *words):
        self.assertEqual(len(faults), 1, faults)
        for word in words:
            self.assertIn(word, faults[0][0])

    def test_a_good_tree_passes(self):
        self.assertEqual(self.faults(), [])

    def test_a_second_version_is_named_with_both(self):
        for name, version in [("hyper", "0.14.32"), ("http", "0.2.12"), ("rustls", "0.21.12")]:
            with self.subTest(name):
                faults = self.faults(f"{name} v{version}")
                self.assert_one(faults, f"2 versions of {name}", version)
                self.assertEqual(len(faults[0][1]), 2)
                self.assertIn(f"{name}@{version}", faults[0][1])

    def test_what_has_to_be_there_is_missed(self):
        for name in ["hyper", "http", "rustls"]:
            with self.subTest(name):
                self.assert_one(self.faults(without=name), f"no {name} at all")

    def test_the_provider_comes_once(self):
        self.assert_one(self.faults(without="ring"), "ring comes 0 times")
        self.assert_one(self.faults("ring v0.16.20"), "ring comes 2 times")

    def test_another_provider_is_refused(self):
        for name in check_dependencies.OTHER_PROVIDERS:
            with self.subTest(name):
                faults = self.faults(f"{name} v1.0.0")
                self.assert_one(faults, name, "a crypto provider beside ring")
                self.assertEqual(faults[0][1], [f"{name}@1.0.0"])

    def test_what_is_forbidden_is_refused(self):
        for name, start, reason in check_dependencies.FORBIDDEN:
            with self.subTest(name):
                version = f"{start}1" if start else "1.2.3"
                self.assert_one(self.faults(f"{name} v{version}"), name, reason)

    def test_a_tree_without_the_function_is_no_good_tree(self):
        self.assert_one(self.faults(without=check_dependencies.PACKAGE), "cannot be judged")
        self.assertNotEqual(check_dependencies.tree_faults(""), [])


class Profile(unittest.TestCase):
    def test_a_good_profile_passes(self):
        self.assertEqual(check_dependencies.profile_faults(GOOD_PROFILE), [])

    def test_each_knob_is_missed(self):
        release, packages = GOOD_PROFILE.index("[profile.release]"), GOOD_PROFILE.index("[profile.release.package")
        for knob in check_dependencies.KNOBS:
            with self.subTest(knob):
                lines = GOOD_PROFILE[release:packages].splitlines()
                kept = [line for line in lines if not line.startswith(knob)]
                faults = check_dependencies.profile_faults("\n".join([*kept, GOOD_PROFILE[packages:]]))
                self.assertEqual(len(faults), 1, faults)
                self.assertIn(f"leaves out {knob}", faults[0])

    def test_each_knob_is_held(self):
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
        self.assertEqual(set(wrong), set(check_dependencies.KNOBS))
        for knob, value in wrong.items():
            with self.subTest(knob):
                release = GOOD_PROFILE.index("[profile.release]")
                changed = re.sub(f"^{knob} = .*$", f"{knob} = {value}", GOOD_PROFILE[release:], count=1, flags=re.MULTILINE)
                faults = check_dependencies.profile_faults(changed)
                self.assertEqual(len(faults), 1, faults)
                self.assertIn(f"has {knob} = ", faults[0])

    def test_the_packages_own_knob_is_held(self):
        faults = check_dependencies.profile_faults(GOOD_PROFILE.replace('"z"', "3"))
        self.assertEqual(len(faults), 1, faults)
        self.assertIn('package."*"] has opt-level = 3', faults[0])

    def test_no_profile_at_all_misses_every_knob(self):
        knobs = len(check_dependencies.KNOBS) + len(check_dependencies.PACKAGES_KNOBS)
        self.assertEqual(len(check_dependencies.profile_faults("")), knobs)


class Contract(unittest.TestCase):
    CONTRACT = "# The contract\nA **record** moves\nwhen its `State` does. Nothing\n  seen is lost.\n| a | string, required |\n"
    INTEGRATION = {"events::a_record_moves", "ledger::nothing_is_lost"}
    UNIT = {"import::record::tests::moves"}

    def faults(self, *lines, contract=CONTRACT):
        page = "\n".join(["# Sentences", "| sentence | tests |", "|---|:--|", *lines])
        return check_contract.page_faults(page, contract, self.INTEGRATION, self.UNIT, TOOLS.parent)

    def assert_one(self, faults, *words):
        self.assertEqual(len(faults), 1, faults)
        for word in words:
            self.assertIn(word, faults[0])

    def test_a_good_page_passes(self):
        self.assertEqual(
            self.faults(
                "| A record moves when its `State` does. | `events::a_record_moves`, `lib: import::record::tests::moves` |",
                "| Nothing seen is lost. | `ledger::nothing_is_lost` `py: tools/test_tools.py::test_a_good_page_passes` |",
                r"| a \| string, required | `events::a_record_moves` |",
            ),
            [],
        )

    def test_a_test_that_does_not_exist_is_named_with_its_line(self):
        self.assert_one(self.faults("| Nothing seen is lost. | `ledger::gone` |"), "line 4", "`ledger::gone`")
        self.assert_one(self.faults("| Nothing seen is lost. | `lib: ledger::gone` |"), "`lib: ledger::gone`")
        self.assert_one(self.faults("| Nothing seen is lost. | `py: tools/none.py::x` |"), "no file tools/none.py")
        self.assert_one(self.faults("| Nothing seen is lost. | `py: tools/test_tools.py::gone` |"), "defines no such")
        self.assert_one(self.faults("| Nothing seen is lost. | `rs: x::y` |"), "none of the kinds")

    def test_a_test_of_the_other_kind_or_module_is_suggested(self):
        self.assert_one(self.faults("| Nothing seen is lost. | `import::record::tests::moves` |"), "is `lib: import")
        self.assert_one(self.faults("| Nothing seen is lost. | `nothing_is_lost` |"), "is `ledger::nothing_is_lost` meant")

    def test_a_row_without_a_test_is_refused(self):
        self.assert_one(self.faults("| Nothing seen is lost. | |"), "line 4", "no test for: Nothing seen is lost.")
        self.assert_one(self.faults("| Nothing seen is lost. | to come |"), "no test for")
        self.assert_one(self.faults("| Nothing seen is lost. |"), "no test for")

    def test_a_sentence_that_the_contract_does_not_say_is_refused(self):
        row = "| Something seen is lost. | `ledger::nothing_is_lost` |"
        self.assert_one(self.faults(row), "the contract does not say: Something seen is lost.")
        self.assertEqual(self.faults(row, contract=None), [])

    def test_backticks_count(self):
        self.assert_one(self.faults("| when its State does. | `events::a_record_moves` |"), "does not say")

    def test_a_page_without_rows_is_no_good_page(self):
        self.assert_one(self.faults(), "no rows")

    def test_the_list_is_read_without_its_sum(self):
        output = "events::a_record_moves: test\nledger::nothing_is_lost: test\n\n2 tests, 0 benchmarks\n"
        self.assertEqual(check_contract.listed(output), self.INTEGRATION)

    def test_what_no_row_quotes_is_told(self):
        page = "| s | t |\n|---|---|\n| Nothing seen is lost. | `x` |"
        rest = check_contract.not_quoted(page, self.CONTRACT)
        self.assertEqual(rest, ["# The contract A record moves when its `State` does.", "| a | string, required |"])


class Emulator(unittest.TestCase):
    """Starts real ones."""

    def start(self, emulator, *arguments, **more):
        home = tempfile.mkdtemp(prefix="test-emulator-")
        self.addCleanup(os.rmdir, home)  # which fails where anything was left
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

    def test_a_variable_is_set_for_what_it_runs(self):
        settings = [emulator.setting("AWS_ENDPOINT_URL={url}/a=b"), emulator.setting("SFN_WAIT_SCALE=1")]
        variables = emulator.environment("sns", settings, 4566, "home")
        self.assertEqual(variables["AWS_ENDPOINT_URL"], "http://127.0.0.1:4566/a=b")
        self.assertEqual(variables["SFN_WAIT_SCALE"], "1")
        process = self.start("ministack", "--set", "AWS_ENDPOINT_URL", stderr=subprocess.PIPE)
        with process.stderr:
            self.assertEqual(process.wait(60), 2)
            self.assertIn("'AWS_ENDPOINT_URL' is not of the form NAME=VALUE", process.stderr.read())

    def test_many_at_once_are_apart(self):
        processes = [self.start(emulator) for emulator in ["ministack", "moto"] * 2]
        urls = {self.url(process) for process in processes}
        self.assertEqual(len(urls), len(processes))
        for url in urls:
            self.list_topics(url)

    def test_a_parent_that_is_killed_takes_it_along(self):
        # A process that holds the writing end of the emulator's stdin, as a test does, and dies without a word.
        parent = subprocess.Popen(["sleep", "600"], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
        self.addCleanup(parent.stdout.close)
        process = self.start("ministack", stdin=parent.stdout)
        url = self.url(process)
        self.list_topics(url)
        parent.kill()
        parent.wait()
        self.assertEqual(process.wait(10), 0)
        self.assert_gone(url)

    def test_a_signal_ends_both(self):
        process = self.start("ministack")
        url = self.url(process)
        process.terminate()
        self.assertEqual(process.wait(10), 128 + signal.SIGTERM)
        self.assert_gone(url)

    def test_a_start_that_fails_says_why(self):
        with tempfile.TemporaryDirectory() as broken:
            package = pathlib.Path(broken, "ministack")
            package.mkdir()
            (package / "__init__.py").write_text("raise SystemExit('no ministack today')")
            process = self.start("ministack", stderr=subprocess.PIPE, more_environment={"PYTHONPATH": broken})
            with process.stderr:
                self.assertEqual((process.wait(60), process.stdout.read()), (1, ""))
                self.assertIn("no ministack today", process.stderr.read())


if __name__ == "__main__":
    unittest.main()
