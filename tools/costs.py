"""The costs of a month, computed from template.yaml, for the table in docs/operations.md.

The prices are list prices of us-east-1 without free tiers.
"""

import re

HOURS = 730
MINUTES = {"minute": 1, "minutes": 1, "hour": 60}
LIMITS = {"idle": 0.50, "busy": 1.00}

LAMBDA_REQUEST, LAMBDA_GB_SECOND = 0.20 / 1e6, 0.0000133334
SCHEDULER_INVOCATION = 1.00 / 1e6
ALARM = 0.10
METRIC_HOUR = 0.30 / HOURS
LOG_BYTE = 0.50 / 1e9
READ_UNIT, WRITE_UNIT = 0.125 / 1e6, 0.625 / 1e6
STATE_TRANSITION = 0.025 / 1e3
PUBLISH, EMAIL = 0.50 / 1e6, 2.00 / 1e5

# Assumptions, which were not measured on Lambda.
CHECK_SECONDS = 0.2
# Lambda's own lines, and the function's line about the invocation.
LOG_BYTES = 1_500
# The lines with metrics, and those about one import.
METRIC_LOG_BYTES = 1_500
IMPORTS, IMPORT_HOURS = 10, 4
# The metrics of an import of four hours fall into up to five hours of the clock.
CLOCK_HOURS = IMPORT_HOURS + 1
ANNOUNCEMENTS, EMAILS = 14, 2

BEGIN, END = "<!-- Made by `python tools/check_template.py --update`. -->\n", "<!-- End of the table. -->\n"


def metric_count(contract):
    """The number of metrics with the dimension FunctionName, from the table in the contract."""
    section = contract.partition("\n## Metrics\n")[2]
    return len(re.findall(r"^\| `\w+` \|", section, re.MULTILINE))


def rows(template, contract):
    """For each item: its name, the calculation, and the costs of an idle and of a busy month."""
    parameters = {name: parameter.get("Default") for name, parameter in template["Parameters"].items()}
    number, unit = re.fullmatch(r"rate\((\d+) (\w+)\)", parameters["ScheduleExpression"]).groups()
    interval = int(number) * MINUTES[unit]
    checks = HOURS * 60 // interval
    check = LAMBDA_REQUEST + CHECK_SECONDS * parameters["MemorySize"] / 1024 * LAMBDA_GB_SECOND
    alarms = sum(one["Type"] == "AWS::CloudWatch::Alarm" for one in template["Resources"].values())
    metrics = metric_count(contract)
    import_checks = IMPORT_HOURS * 60 // interval
    emails = IMPORTS * EMAILS
    published = IMPORTS * ANNOUNCEMENTS
    transitions = IMPORTS * import_checks * 3
    metric_hours = IMPORTS * CLOCK_HOURS * (metrics + 1)
    busy_bytes = IMPORTS * import_checks * METRIC_LOG_BYTES
    return [
        ("alarms, with `Email` or `AlarmTopicArn`", f"{alarms} × $0.10", alarms * ALARM, 0),
        (
            "schedule, every " + (f"{interval} minutes" if interval > 1 else "minute"),
            f"{checks:,} × ($0.000001 for EventBridge Scheduler + ${check:.7f} for Lambda)",
            checks * (SCHEDULER_INVOCATION + check),
            0,
        ),
        ("discovery in the ledger", f"{checks:,} scans of up to 4 KB × $0.000000125", checks * READ_UNIT, 0),
        (
            "logs",
            f"{checks:,} × {LOG_BYTES:,} bytes, and {METRIC_LOG_BYTES:,} more for each check of an import",
            checks * LOG_BYTES * LOG_BYTE,
            busy_bytes * LOG_BYTE,
        ),
        (
            "metrics",
            f"({metrics} + 1 for the progress) × {CLOCK_HOURS} hours for each import × $0.30 / {HOURS}",
            0,
            metric_hours * METRIC_HOUR,
        ),
        (
            "ledger",
            f"{import_checks} reads and 2 × {ANNOUNCEMENTS} writes for each import",
            0,
            IMPORTS * import_checks * READ_UNIT + 2 * published * WRITE_UNIT,
        ),
        (
            "announcements",
            f"{published} × $0.0000005, and {emails} emails × $0.00002",
            0,
            published * PUBLISH + emails * EMAIL,
        ),
        (
            "`TrackImports`, if it follows every import",
            f"{IMPORTS * import_checks} checks × (3 state transitions × $0.000025 + ${check:.7f})",
            0,
            transitions * STATE_TRANSITION + IMPORTS * import_checks * check,
        ),
    ]


def table(template, contract):
    found = rows(template, contract)
    idle = sum(one for *_, one, _ in found)
    busy = idle + sum(one for *_, one in found)
    lines = ["| item | calculation | without imports | ten imports add |", "|---|---|---|---|"]
    lines += [f"| {item} | {how} | ${one:.3f} | ${more:.3f} |" for item, how, one, more in found]
    lines.append(f"| **a month** | | **${idle:.2f}** | **${busy:.2f} in total** |")
    return "\n" + "".join(f"{line}\n" for line in lines) + "\n", {"idle": idle, "busy": busy}


def updated(template, contract, page):
    """The page with the table."""
    before, _, rest = page.partition(BEGIN)
    return before + BEGIN + table(template, contract)[0] + END + rest.partition(END)[2]


def faults(template, contract, page):
    text, sums = table(template, contract)
    if page.count(BEGIN + text + END) != 1:
        yield f"docs/operations.md: the table of costs must be this one. Run with --update:\n{text}"
    for month, limit in LIMITS.items():
        if sums[month] > limit:
            yield f"template.yaml: an {month} month costs ${sums[month]:.3f}, more than ${limit:.2f}"
