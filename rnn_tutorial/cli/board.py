"""`rnn-tutorial board`: show the runs below a folder in TensorBoard."""

import argparse
import contextlib
import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time

from rnn_tutorial.cli.command import PROGRAM, RUN, Command, add_folder, integer, run_folders, user_input
from rnn_tutorial.recording import schema

_HOST = "127.0.0.1"
_USUAL_PORT = schema.PORT
_SECONDS_TO_START = 120


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    add_folder(parser)
    parser.add_argument(
        "--port", type=integer(0, 65535), help=f"port to listen on (default: {_USUAL_PORT}, or a free one)"
    )


def run(arguments: argparse.Namespace) -> int:
    """Run the command and return its exit code."""
    folder = arguments.folder
    with user_input():
        if not folder.is_dir():
            raise ValueError(f"{folder}: there is no such folder")
        if next(run_folders(folder), None) is None:
            raise ValueError(
                f"{folder} holds no event files, so there is nothing to see yet; run a lesson or {PROGRAM} forecast, "
                f"or train with callbacks.observe({str(folder / RUN)!r})"
            )
        port = _port(arguments.port)
    print(f"TensorBoard starts on {folder} ...", flush=True)
    with _terminated_like_interrupted(), tempfile.TemporaryFile() as log:
        try:
            return _serve(folder.resolve(), port, log)
        except KeyboardInterrupt:
            return 0


def _port(asked):
    """A port that is free now: the one asked for, else the usual one, else any."""
    if asked is not None:
        try:
            return _bind(asked)
        except OSError as error:
            raise ValueError(f"--port {asked} cannot be used: {error.strerror}") from error
    try:
        return _bind(_USUAL_PORT)
    except OSError:
        return _bind(0)


def _bind(port):
    with socket.socket() as trial:
        if os.name == "posix":
            # As TensorBoard's server does: a connection that was closed a moment ago does not block the port.
            trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        trial.bind((_HOST, port))
        return trial.getsockname()[1]


def _serve(folder, port, log):
    """Run TensorBoard, in a process of its own because it says much while it starts, until it ends."""
    command = [sys.executable, "-m", "tensorboard.main", "--logdir", str(folder), "--host", _HOST, "--port", str(port)]
    # A module of the same name in the current folder must not take TensorBoard's place.
    environment = {**os.environ, "PYTHONSAFEPATH": "1"}
    server = subprocess.Popen(command, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT)
    try:
        if not _comes_up(server, port, folder):
            raise RuntimeError(f"TensorBoard did not start: {_last_line(log)}")
        print(
            f"TensorBoard is at http://{_HOST}:{port}/ (Ctrl-C ends it), "
            f"the RNN tab at {schema.tab_address(_HOST, port)}",
            flush=True,
        )
        if server.wait() != 0:
            raise RuntimeError(f"TensorBoard ended: {_last_line(log)}")
        return 0
    finally:
        _stop(server)


def _comes_up(server, port, folder):
    deadline = time.monotonic() + _SECONDS_TO_START
    while server.poll() is None and time.monotonic() < deadline:
        if _answers(port, folder):
            return True
        time.sleep(0.1)
    return False


def _answers(port, folder):
    """Whether a TensorBoard of this folder answers; another program may have taken the port in the meantime."""
    connection = http.client.HTTPConnection(_HOST, port, timeout=10)
    try:
        connection.request("GET", "/data/environment")
        return json.loads(connection.getresponse().read())["data_location"] == str(folder)
    except (OSError, http.client.HTTPException, ValueError, LookupError, TypeError):
        return False
    finally:
        connection.close()


def _stop(server):
    server.terminate()
    try:
        with contextlib.suppress(subprocess.TimeoutExpired):
            server.wait(timeout=10)
    finally:  # Also where Ctrl-C is pressed once more; it does nothing to a process that has ended.
        server.kill()
        server.wait()


def _last_line(log):
    log.seek(0)
    lines = log.read().decode(errors="replace").split("\n")
    return next((line.strip() for line in reversed(lines) if line.strip()), "it said nothing")


@contextlib.contextmanager
def _terminated_like_interrupted():
    """Let the signal that `kill` sends end the server too, which would go on without us."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


COMMAND = Command(
    name="board",
    help="show the runs below a folder in TensorBoard",
    add_arguments=add_arguments,
    run=run,
    place=3,
)
