#!/usr/bin/env python3
"""Runs an AWS emulator for a test, and stops it when the test ends.

    python tools/emulator.py ministack|moto [--services sns,sqs,dynamodb] [--set NAME=VALUE …]

When the emulator is ready, this program writes one line of JSON to stdout: {"url": "http://127.0.0.1:PORT"}. It then
runs until stdin ends. This happens when the test closes stdin, and also when the test process dies. All files are
temporary.

This program binds the socket to a free port and passes it to the emulator, so that no other process can take the port.
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

# Neither emulator's command accepts an open socket. These programs do what the commands do, with an open socket.
# ministack's Step Functions calls only services that ministack emulates. If the setting AWS_ENDPOINT_URL_WORKSPACES is
# there, `aws-sdk:workspaces` calls that endpoint. The prefix of its errors is the one that AWS documents:
# https://docs.aws.amazon.com/step-functions/latest/dg/supported-services-awssdk.html
SERVERS = {
    "ministack": """
import asyncio, os, sys, urllib.error, urllib.request
from hypercorn.asyncio import serve
from hypercorn.config import Config
from ministack.app import SERVICE_HANDLERS, app
if endpoint := os.environ.get("AWS_ENDPOINT_URL_WORKSPACES"):
    from ministack.services import stepfunctions
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    def call(headers, body):
        headers = {name: value for name, value in headers.items() if name != "host"}
        request = urllib.request.Request(endpoint, body.encode(), headers)
        try:
            with opener.open(request, timeout=30) as response:
                return response.status, {}, response.read()
        except urllib.error.HTTPError as error:
            return error.code, {}, error.read()
    async def forward(method, path, headers, body, query):
        return await asyncio.to_thread(call, headers, body)
    SERVICE_HANDLERS["workspaces"] = forward
    stepfunctions._AWS_SDK_SERVICE_MAP["workspaces"] = {"target_prefix": "WorkspacesService", "protocol": "json"}
    stepfunctions._AWS_SDK_ERROR_PREFIX["workspaces"] = "WorkSpaces"
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

# The path that each emulator answers when it is ready.
HEALTH = {"ministack": "/_ministack/ready", "moto": "/moto-api/data.json"}


class Failed(Exception):
    """The error for an emulator that did not start or that stopped by itself."""


def environment(services, settings, port, home):
    """The emulator's environment variables.

    The emulator does not inherit the caller's AWS configuration. It writes files only to `home`.
    """
    kept = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    return kept | {
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "BIND_HOST": "127.0.0.1",
        # Otherwise ministack connects to Docker and removes containers that it takes for its own.
        "DOCKER_HOST": f"unix://{home}/no-docker",
        "GATEWAY_PORT": str(port),
        # The MQTT listener needs a second port.
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
    """Runs in the child. On Linux, the kernel kills the emulator when this program is killed."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def wait_until_answering(child, url):
    """Waits until a request to `url` succeeds. Raises `Failed` if the emulator does not start."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    end = time.monotonic() + START_LIMIT_SECONDS
    while time.monotonic() < end:
        if child.poll() is not None:
            raise Failed(f"exited with status {child.returncode} before it was ready")
        if stdin_ended(0):
            raise Failed("stdin ended before the emulator was ready")
        try:
            # The socket listens already, so a request waits until the emulator accepts it.
            with opener.open(url, timeout=2) as response:
                response.read()
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.05)
    raise Failed(f"not ready after {START_LIMIT_SECONDS} seconds")


def stdin_ended(timeout):
    """Whether stdin ends within `timeout` seconds. Input is ignored."""
    ready, _, _ = select.select([sys.stdin.fileno()], [], [], timeout)
    return bool(ready) and not os.read(sys.stdin.fileno(), 4096)


def end(child):
    """Kills the emulator and all processes that it started."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(child.pid, signal.SIGKILL)
    child.wait()


def run(emulator, services, settings, home):
    """Starts the emulator, waits until stdin ends, and stops the emulator."""
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
                raise Failed(f"exited with status {child.returncode}")
    except Failed as reason:
        tail = log.read_text(errors="replace").splitlines()[-LOG_TAIL_LINES:]
        raise Failed("\n".join([f"{emulator}: {reason}", *tail])) from reason
    finally:
        end(child)


def setting(text):
    """Parses NAME=VALUE from the command line."""
    name, separator, value = text.partition("=")
    if not name or not separator:
        raise argparse.ArgumentTypeError(f"{text!r} is not of the form NAME=VALUE")
    return name, value


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("emulator", choices=sorted(SERVERS))
    parser.add_argument("--services", default="sns,sqs,dynamodb", help="the services of ministack (default: %(default)s)")
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        dest="settings",
        metavar="NAME=VALUE",
        type=setting,
        help="an environment variable of the emulator and its functions; {url} is replaced by the emulator's URL",
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
