"""Tests of check_contract.py: it must find what states behavior, and what has no test."""

import unittest

import check_contract

PAGE = """\
# The contract

An introduction.

## Events

A record moves when its
state does. <!-- tests: events::a_record_moves -->

A record has the following fields:

| Field | Meaning |
|---|:--|
| `A` | A. <!-- tests: import::moves --> |
| `B` | B. <!-- no test: it is a definition --> |

```json
{"Not": "a statement."}
```

- One item
  of two lines.
  <!-- tests: events::a_record_moves,
  tools/test_check_contract.py::test_what_a_statement_is -->
1. Another item. It goes on:
   <!-- tests: import::moves -->
   <!-- no test: nobody can see the rest -->
"""
TESTS = {"events::a_record_moves", "import::moves"}


class Contract(unittest.TestCase):
    def test_what_a_statement_is(self):
        found = check_contract.statements(PAGE)
        self.assertEqual([number for number, _ in found], [7, 14, 15, 21, 25])

    def test_a_good_page_passes(self):
        self.assertEqual(check_contract.faults(PAGE, TESTS), [])

    def test_a_statement_without_a_comment_is_a_fault(self):
        for comment, number in [
            (" <!-- tests: events::a_record_moves -->", 7),
            (" <!-- tests: import::moves -->", 14),
            (" <!-- no test: it is a definition -->", 15),
        ]:
            with self.subTest(comment):
                ((found, message),) = check_contract.faults(PAGE.replace(comment, "", 1), TESTS)
                self.assertEqual(found, number)
                self.assertIn("add a comment with its tests: ", message)

    def test_a_comment_without_a_test_or_a_reason_is_a_fault(self):
        for comment in ["<!-- no test: -->", "<!-- no test -->", "<!-- tests: -->", "<!-- todo -->"]:
            with self.subTest(comment):
                page = PAGE.replace("<!-- no test: it is a definition -->", comment)
                self.assertEqual([number for number, _ in check_contract.faults(page, TESTS)], [15])

    def test_a_test_that_does_not_exist_is_a_fault(self):
        for name in ["events::gone", "moves", "tools/none.py::test_x", "tools/test_check_contract.py::gone"]:
            with self.subTest(name):
                faults = check_contract.faults(PAGE.replace("events::a_record_moves,", f"{name},"), TESTS)
                self.assertEqual(faults, [(21, f"there is no test {name}; was it renamed?")])

    def test_a_page_without_statements_is_a_fault(self):
        self.assertNotEqual(check_contract.faults("# The contract\n\nAn introduction.\n", TESTS), [])
