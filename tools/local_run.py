#!/usr/bin/env python3
"""Makes docs/gallery/local-run.svg: an animated picture of the local run, from its real output.

    make gallery

The program runs in a pseudo-terminal, which is emulated by pyte. It prints what follows the tracking at once, so the picture
shows that part line by line. Each version of each line of the terminal is one text, which a CSS animation shows while the
line has this content; another animation scrolls. Viewers who prefer reduced motion see the last screen.
"""

import fcntl
import html
import itertools
import os
import pathlib
import pty
import select
import struct
import subprocess
import sys
import termios
import time

import pyte

ROOT = pathlib.Path(__file__).resolve().parent.parent
PICTURE = ROOT / "docs" / "gallery" / "local-run.svg"
PROGRAM = ROOT / "target" / "debug" / "local"
COLUMNS, ROWS = 100, 30
# The emulated terminal has room for the whole output, so that every line keeps its number while the picture scrolls.
ALL_ROWS = 400

PROMPT = "$ cargo run --locked -p local"
# In seconds: at most one picture in this time, and the pause at the end.
FRAME, PAUSE = 0.12, 6
# More lines than this at once are shown one by one.
MANY_LINES = 12

# In pixels.
WIDTH, HEIGHT, MARGIN, SIZE = 7.8, 17, 14, 13
COLORS = {"red": "#f47067", "green": "#57ab5a", "brown": "#c69026", "blue": "#539bf5", "magenta": "#b083f0", "cyan": "#39c5cf"}
STYLE = f"""
text {{ font: {SIZE}px ui-monospace, SFMono-Regular, Menlo, Consolas, "DejaVu Sans Mono", monospace; fill: #cdd9e5; white-space: pre }}
.b {{ font-weight: bold }}
g, text {{ animation: 1s step-end infinite }} .o {{ visibility: hidden }}
@media (prefers-reduced-motion: reduce) {{ g, text {{ animation: none !important }} }}
"""


def recorded():
    """Runs the program. Yields the time since its start, and what it wrote."""
    terminal, program = pty.openpty()
    fcntl.ioctl(program, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))
    environment = {**os.environ, "TERM": "xterm-256color"}
    environment.pop("NO_COLOR", None)
    process = subprocess.Popen([PROGRAM], stdin=program, stdout=program, stderr=program, env=environment)
    os.close(program)
    started = time.monotonic()
    while True:
        select.select([terminal], [], [])
        try:
            output = os.read(terminal, 65536)
        except OSError:  # On Linux, the end of the output is an error.
            break
        yield time.monotonic() - started, output
    if process.wait() != 0:
        sys.exit(f"{PROGRAM} failed")


def line(characters):
    """Returns the runs of one line, as tuples of their column, style, and text."""
    styled = [(column, characters[column]) for column in range(COLUMNS)]
    runs = []
    for style, group in itertools.groupby(styled, key=lambda one: (one[1].fg, one[1].bold)):
        group = list(group)
        text = "".join(character.data for _, character in group).rstrip()
        if text:
            runs.append((group[0][0], style, text))
    return tuple(runs)


def screens():
    """Yields the time and all lines, whenever they have changed."""
    screen = pyte.Screen(COLUMNS, ALL_ROWS)
    stream = pyte.ByteStream(screen)
    stream.feed(f"\x1b[1m{PROMPT}\x1b[0m\r\n".encode())
    rows, shown = 1, 1.0  # The prompt is alone for a second.
    yield 0.0, [line(screen.buffer[row]) for row in range(rows)]
    for seconds, output in recorded():
        at_once = output.count(b"\n") > MANY_LINES
        for piece in output.splitlines(keepends=True) if at_once else [output]:
            stream.feed(piece)
            # Progress bars move the cursor up again.
            rows = max(rows, screen.cursor.y + 1)
            if at_once or seconds + 1 >= shown + FRAME:
                shown = max(seconds + 1, shown + FRAME)
                yield shown, [line(screen.buffer[row]) for row in range(rows)]
    yield shown + FRAME, [line(screen.buffer[row]) for row in range(rows)]


def animation(name, key, values, total):
    """Returns the keyframes that give a property its values at these times, in seconds."""
    frames = "".join(f"{100 * at / total:.4g}%{{{key}:{value}}}" for at, value in values)
    return f"@keyframes {name}{{{frames}}}"


def drawn(runs):
    """Returns the runs of one line as SVG."""
    spans = []
    for column, (color, is_bold), text in runs:
        fill = f' style="fill:{COLORS[color]}"' if color in COLORS else ""
        bold = ' class="b"' if is_bold else ""
        spans.append(f'<tspan x="{MARGIN + column * WIDTH:.5g}"{bold}{fill}>{html.escape(text, quote=False)}</tspan>')
    return "".join(spans)


def versions(history):
    """Yields each content that a line has had: the row, the runs, and the times when it came and went, or None."""
    for row in range(len(history[-1][1])):
        contents = [(at, lines[row] if row < len(lines) else ()) for at, lines in history]
        changed = [one for before, one in zip([(0.0, ())] + contents, contents) if one[1] != before[1]]
        for (start, runs), end in itertools.zip_longest(changed, [at for at, _ in changed[1:]]):
            if runs:
                yield row, runs, start, end


def svg(history):
    """Returns the picture of all screens."""
    total = history[-1][0] + PAUSE
    styles, texts = [], []
    for row, runs, start, end in versions(history):
        name = f"k{len(texts)}"
        # What is visible at the end has no end, so that viewers without animations see it.
        values = [(0.0, "hidden")] * bool(start) + [(start, "visible")] + [(end, "hidden")] * bool(end)
        styles.append(animation(name, "visibility", values, total))
        old = ' class="o"' if end else ""
        y = MARGIN + (row + 1) * HEIGHT - 4
        texts.append(f'<text y="{y}"{old} style="animation-name:{name}">{drawn(runs)}</text>')
    moves = [(at, f"translateY({-max(0, len(lines) - ROWS) * HEIGHT}px)") for at, lines in history]
    moves = [one for before, one in zip([(0.0, "")] + moves, moves) if one[1] != before[1]]
    styles.append(animation("s", "transform", moves, total))
    width, height = COLUMNS * WIDTH + 2 * MARGIN, ROWS * HEIGHT + 2 * MARGIN
    lines = "\n".join
    return f"""<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:g} {height}" width="{width:g}" height="{height}">
<title>The local run: the function finds three imports, follows them, and announces each state</title>
<style>{STYLE}g, text {{ animation-duration: {total:.1f}s }}
{lines(styles)}
</style>
<clipPath id="c"><rect y="{MARGIN}" width="100%" height="{ROWS * HEIGHT}"/></clipPath>
<rect width="100%" height="100%" rx="8" fill="#22272e"/>
<g clip-path="url(#c)" style="animation:none"><g style="animation-name:s;transform:{moves[-1][1]}">
{lines(texts)}
</g></g>
</svg>
"""


def main():
    text = svg(list(screens()))
    PICTURE.write_text(text)
    print(f"{PICTURE.relative_to(ROOT)}: {len(text.encode()):,} bytes")


if __name__ == "__main__":
    main()
