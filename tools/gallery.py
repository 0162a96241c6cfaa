#!/usr/bin/env python3
"""Makes docs/gallery.md and its pictures: each message as its readers see it.

    python tools/gallery.py [--check]

The messages come from the snapshots of the unit tests, so they are what the function publishes. Chromium takes the
pictures and pngquant makes them small. On Debian, `apt-get install chromium fonts-noto-core fonts-noto-color-emoji
pngquant` installs what is needed. Set CHROMIUM to the path of another browser.

With `--check`, the script only compares the page with the snapshots, which needs no browser. Its status is 1 if they
differ or if a picture is missing.
"""

import argparse
import hashlib
import html
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "gallery.md"
PICTURES = ROOT / "docs" / "gallery"

# The end of a snapshot's name, the picture's name, the heading, and what has happened.
MESSAGES = (
    ("a_pending_import", "pending", "An import moves on", "The import has reached the state `VALIDATING`."),
    (
        "an_import_with_an_error_that_may_be_fixed",
        "fixable",
        "An import reports an error and goes on",
        "WorkSpaces lists an error that it may fix by itself. The import is still under way.",
    ),
    (
        "a_failed_import",
        "failed",
        "An import fails",
        "The function knows two of the three error codes and has a remedy for them.",
    ),
    (
        "a_failed_import_without_details",
        "failed-without-details",
        "An import fails without details",
        "WorkSpaces reports no error codes.",
    ),
    ("a_completed_import", "completed", "An import completes", "The image is available."),
    ("a_stalled_import", "stalled", "An import stalls", "WorkSpaces has not updated the import for six hours."),
    (
        "an_image_that_was_not_found",
        "not-found",
        "An image is not found",
        "For at least 15 minutes, the checks did not find the image.",
    ),
)

# The width of each picture, in CSS pixels, and its width on the page.
WIDTHS = {"email": 390, "sms": 390, "slack": 560}
SHOWN_WIDTHS = {"email": 260, "sms": 180, "slack": 340}
READERS = {"email": "Email", "sms": "SMS", "slack": "Slack"}

INTRODUCTION = """\
# Gallery

<!-- Generated from the snapshots of the unit tests: make gallery -->

Each message as its readers see it: the email and the SMS on a phone, and the card in Slack, which needs
[`CHAT`](messages.md#chat). The texts are those that the function publishes. Mail, SMS, and chat applications draw them in
their own ways, and the pictures only approximate that. [Messages](messages.md) describes the contents.

| | Email | SMS | Slack |
|---|---|---|---|
"""

STYLE = """
html { background: #fff; min-height: 160px }
body { margin: 0; padding: 16px; box-sizing: border-box; color: #1d1c1d; font: 15px/1.45 "Noto Sans", "DejaVu Sans", sans-serif;
       overflow-wrap: anywhere }
a { color: #1264a3; text-decoration: none }
.subject { font-size: 20px; line-height: 1.3; margin: 0 0 14px }
.from { display: flex; gap: 10px; align-items: center; margin-bottom: 14px; font-size: 14px }
.avatar { width: 36px; height: 36px; border-radius: 50%; background: #d86613; color: #fff; text-align: center;
          line-height: 36px; font-weight: bold; flex: none }
.grey { color: #616061 }
.text { white-space: pre-wrap }
.sms { background: #e9e9eb; border-radius: 18px; padding: 9px 14px; display: inline-block; max-width: 280px }
.day { text-align: center; font-size: 12px; margin-bottom: 10px }
.square { border-radius: 8px; background: #6b3fd4 }
.row { display: flex; gap: 10px }
.name { font-weight: bold } .app { font-size: 10px; background: #e8e8e8; border-radius: 3px; padding: 1px 4px }
.card { border-left: 4px solid #ddd; padding-left: 12px; margin-top: 4px }
.card b { display: block } .card ul { margin: 2px 0 10px; padding-left: 20px }
.keyword { font: 12px "Noto Sans Mono", "DejaVu Sans Mono", monospace; color: #c01343; border: 1px solid #ddd;
           background: #f8f8f8; border-radius: 3px; padding: 1px 4px; margin-right: 6px }
"""


def sections(snapshot):
    """Returns the subject of a snapshot, and its texts by protocol."""
    body = snapshot.split("---\n", 2)[2]
    parts = re.split(r"^-- (\w+)\n", body, flags=re.MULTILINE)
    subject = re.search(r"^Subject: (.*)$", parts[0], re.MULTILINE)[1]
    texts = {name: text.strip("\n") for name, text in zip(parts[1::2], parts[2::2], strict=True)}
    return {"subject": subject, **texts, "https": json.loads(texts["https"])}


def messages():
    """Returns each message's picture name, heading, explanation, and texts."""
    for test, name, heading, explanation in MESSAGES:
        (path,) = ROOT.glob(f"src/**/*__tests__{test}.snap")
        yield name, heading, explanation, sections(path.read_text())


def linked(text):
    """Returns a text as HTML, with its addresses as links, as mail and chat applications show it."""
    return re.sub(r"(https://[^\s<]+)", r'<a href="#">\1</a>', html.escape(text))


def email(message):
    return f"""
<p class="subject">{html.escape(message["subject"])}</p>
<div class="from"><div class="avatar">A</div><div><b>AWS Notifications</b><br>
<span class="grey">no-reply@sns.amazonaws.com</span></div></div>
<div class="text">{linked(message["email"])}</div>
<p class="grey">(SNS adds a link to unsubscribe here.)</p>"""


def sms(message):
    return f"""<div class="day grey">Text Message</div><div class="sms">{linked(message["sms"])}</div>"""


def slack(message):
    content = message["https"]["content"]
    steps = "".join(f"<li>{linked(step)}</li>" for step in content["nextSteps"])
    keywords = "".join(f'<span class="keyword">{html.escape(keyword)}</span>' for keyword in content["keywords"])
    return f"""
<div class="row"><div class="avatar square">Q</div><div>
<span class="name">Amazon Q</span> <span class="app">APP</span> <span class="grey">12:12</span>
<div class="card"><b>{linked(content["title"])}</b><div class="text">{linked(content["description"])}</div><br>
<b>Next steps</b><ul>{steps}</ul><b>Keywords</b>{keywords}</div></div></div>"""


DRAW = {"email": email, "sms": sms, "slack": slack}


def row(name, heading, explanation, message):
    """Returns the row of a message in the table of the page."""
    images = (
        f'<img src="gallery/{name}-{reader}.png" alt="{READERS[reader]}: {html.escape(message["subject"])}" width="{width}">'
        for reader, width in SHOWN_WIDTHS.items()
    )
    return f"| **{heading}**<br>{explanation} | {' | '.join(images)} |\n"


def page():
    """Returns the text of the gallery page."""
    rows = "".join(row(*message) for message in messages())
    digest = hashlib.sha256("".join(body for _, _, body in pictures()).encode()).hexdigest()
    return f"{INTRODUCTION}{rows}\n<!-- The pictures show the texts with the SHA-256 {digest}. -->\n"


def pictures():
    """Returns the path, the width, and the HTML of each picture."""
    for name, _, _, message in messages():
        for reader, draw in DRAW.items():
            yield PICTURES / f"{name}-{reader}.png", WIDTHS[reader], draw(message)


def chromium(folder, width, height, *options):
    """Runs Chromium on the page in a folder, with an empty profile and no network."""
    command = [
        os.environ.get("CHROMIUM", "chromium"),
        *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
        *("--disable-background-networking", "--disable-component-update", "--disable-sync", "--hide-scrollbars", "--disable-lcd-text"),
        f"--user-data-dir={folder}/profile",
        f"--window-size={width},{height}",
        *options,
        (folder / "page.html").as_uri(),
    ]
    done = subprocess.run(command, capture_output=True, text=True)
    return done.stdout if done.returncode == 0 else sys.exit(f"{' '.join(command)}\n{done.stderr}")


def draw(path, width, body):
    """Takes a picture of some HTML that is this wide and as high as needed."""
    script = "document.documentElement.dataset.height = document.documentElement.offsetHeight"
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        source = f"<!doctype html><meta charset=utf-8><style>{STYLE} body {{ width: {width}px }}</style>{body}<script>{script}</script>"
        (folder / "page.html").write_text(source)
        height = re.search(r'data-height="(\d+)"', chromium(folder, width, 100, "--dump-dom"))[1]
        chromium(folder, width, height, f"--screenshot={path}", "--force-device-scale-factor=1.5")
        subprocess.run(["pngquant", "--force", "--strip", "--nofs", "--output", path, "32", path], check=True)


def faults():
    """Returns what is out of date."""
    found = [f"{path} is missing" for path, _, _ in pictures() if not path.is_file()]
    if not PAGE.is_file() or PAGE.read_text() != page():
        found.append(f"{PAGE} differs from the snapshots")
    return found


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="only compare the page with the snapshots")
    if parser.parse_args().check:
        found = faults()
        print("\n".join([*found, f"gallery: {len(found)} faults; `make gallery` makes the page and its pictures again"]))
        return 1 if found else 0
    PICTURES.mkdir(exist_ok=True)
    for old in PICTURES.glob("*.png"):
        old.unlink()
    for path, width, body in pictures():
        draw(path, width, body)
        print(f"{path.relative_to(ROOT)}: {path.stat().st_size:,} bytes")
    PAGE.write_text(page())
    return 0


if __name__ == "__main__":
    sys.exit(main())
