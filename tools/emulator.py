#!/usr/bin/env python3
"""Starts an AWS emulator for a test, and ends it when the test does.

    python tools/emulator.py ministack|moto [--services sns,sqs,dynamodb] [--set NAME=VALUE …]

Once the emulator answers, one line of JSON goes to stdout: {"url": "http://127.0.0.1:PORT"}. It then runs until stdin
reaches its end, which happens when the test closes it and when the test dies, however it dies. Nothing stays on disk.

The socket is bound here, to whatever port is free, and handed to the emulator: no port can be lost to a neighbour
between being found free and being bound.
"""

import argparse
import contextlib
import ctypes
import json
import os
import pathlib
import select
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request

START_LIMIT_SECONDS = 60
LOG_TAIL_LINES = 40
PR_SET_PDEATHSIG = 1

# Neither emulator's own command takes an open socket; these are what the commands do, with one.
SERVERS = {
    "ministack": """
import asyncio, sys
from hypercorn.asyncio import serve
from hypercorn.config import Config
from ministack.app import app
config = Config()
config.bind, config.keep_alive_timeout = [f"fd://{sys.argv[1]}"], 75
asyncio.run(serve(app, config))
""",
    "moto": """
import sys
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, MotoRequestHandler, create_backend_app
from werkzeug.serving import make_server
fd, port, app = int(sys.argv[1]), int(sys.argv[2]), DomainDispatcherApplication(create_backend_app)
make_server("127.0.0.1", port, app, threaded=True, request_handler=MotoRequestHandler, fd=fd).serve_forever()
""",
}

# The path at which each says that it is up.
HEALTH = {"ministack": "/_ministack/ready", "moto": "/moto-api/data.json"}


class Failed(Exception):
    """The emulator is not to be had; the message says why."""


def environment(services, settings, port, home):
    """The emulator's environment: nothing of the caller's AWS configuration but what `settings` says, nothing outside
    `home`."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    return kept | {
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "BIND_HOST": "127.0.0.1",
        # ministack looks for containers of its own to tidy away; those of the machine's user are none of ours.
        "DOCKER_HOST": f"unix://{home}/no-docker",
        "GATEWAY_PORT": str(port),
        # The MQTT listener would be a second port.
        "IOT_MTLS_ENABLED": "0",
        "MINISTACK_HOST": "127.0.0.1",
        "MOTO_PORT": str(port),
        "SERVICES": services,
        "SFN_WAIT_SCALE": "0",
        "SFTP_ENABLED": "0",
        "PYTHONDONTWRITEBYTECODE": "1",
        "TMPDIR": home,
        **{name: value.replace("{url}", f"http://127.0.0.1:{port}") for name, value in settings},
    }


def die_with_parent():
    """Runs in the child: a supervisor that is killed outright takes the emulator along (on Linux)."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def wait_until_answering(child, url):
    """Returns once `url` is answered with success; Failed when it will not be."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    end = time.monotonic() + START_LIMIT_SECONDS
    while time.monotonic() < end:
        if child.poll() is not None:
            raise Failed(f"it ended with status {child.returncode} before it answered")
        if stdin_ended(0):
            raise Failed("stdin reached its end before it answered")
        try:
            # The socket listens already: a request waits there until the emulator takes it.
            with opener.open(url, timeout=2) as response:
                response.read()
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.05)
    raise Failed(f"no answer within {START_LIMIT_SECONDS} s")


def stdin_ended(patience):
    """Whether stdin reaches its end within `patience` seconds; what is written to it is thrown away."""
    ready, _, _ = select.select([sys.stdin.fileno()], [], [], patience)
    return bool(ready) and not os.read(sys.stdin.fileno(), 4096)


def end(child):
    """Kills the emulator and everything that it started."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(child.pid, signal.SIGKILL)
    child.wait()


def run(emulator, services, settings, home):
    """The emulator's life from start to end."""
    log = pathlib.Path(home, "log")
    with socket.create_server(("127.0.0.1", 0), backlog=128) as listener, log.open("wb") as output:
        port = listener.getsockname()[1]
        url = f"http://127.0.0.1:{port}"
        child = subprocess.Popen(
            [sys.executable, "-c", SERVERS[emulator], str(listener.fileno()), str(port)],
            cwd=home,
            env=environment(services, settings, port, home),
            pass_fds=[listener.fileno()],
            preexec_fn=die_with_parent,
            start_new_session=True,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    try:
        wait_until_answering(child, url + HEALTH[emulator])
        print(json.dumps({"url": url}), flush=True)
        while not stdin_ended(0.5):
            if child.poll() is not None:
                raise Failed(f"it ended by itself with status {child.returncode}")
    except Failed as reason:
        tail = log.read_text(errors="replace").splitlines()[-LOG_TAIL_LINES:]
        raise Failed("\n".join([f"{emulator}: {reason}", *tail])) from reason
    finally:
        end(child)


def setting(text):
    """A name and a value of the command line."""
    name, separator, value = text.partition("=")
    if not name or not separator:
        raise argparse.ArgumentTypeError(f"{text!r} is not of the form NAME=VALUE")
    return name, value


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("emulator", choices=sorted(SERVERS))
    parser.add_argument("--services", default="sns,sqs,dynamodb", help="what ministack serves (default: %(default)s)")
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        dest="settings",
        metavar="NAME=VALUE",
        type=setting,
        help="a variable of the emulator, which functions that it runs inherit; {url} in it is the emulator's own",
    )
    arguments = parser.parse_args()
    for ending in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
        signal.signal(ending, lambda number, _frame: sys.exit(128 + number))
    with tempfile.TemporaryDirectory(prefix="emulator-", ignore_cleanup_errors=True) as home:
        try:
            run(arguments.emulator, arguments.services, arguments.settings, home)
        except Failed as reason:
            print(reason, file=sys.stderr)
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
