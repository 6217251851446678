"""What several test modules share: quiet Keras, event files read back, a second Python, warnings counted."""

import contextlib
import gc
import os
import pathlib
import runpy
import shutil
import socket
import struct
import subprocess
import sys
import textwrap
import time
import urllib.request
import warnings

import pytest

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

ROOT = pathlib.Path(__file__).resolve().parents[1]
# Keras' convert_to_numpy calls np.array on a TensorFlow variable, which NumPy 2 warns of: between the two of them.
_NOT_OURS = "__array__ implementation doesn't accept a copy keyword"
# TensorFlow's make_ndarray, with which tests read event files back, does what NumPy 2.5 warns of.
_NOT_OURS_READING = "Setting the dtype on a NumPy array has been deprecated"
# TensorBoard's application brings a copy of bleach.
_NOT_OURS_SERVING = "html5lib's sanitizer is deprecated"


def pytest_terminal_summary(terminalreporter):
    """In CI everything that a test may need is there: a skip there is a failure."""
    skipped = terminalreporter.stats.get("skipped", [])
    if os.environ.get("CI") and skipped:
        terminalreporter.write_line(f"{len(skipped)} tests were skipped, which CI does not allow", red=True)
        terminalreporter._session.exitstatus = 1


def pytest_configure(config):
    for message in (_NOT_OURS, _NOT_OURS_READING, _NOT_OURS_SERVING):
        config.addinivalue_line("filterwarnings", f"ignore:{message}:DeprecationWarning")


@pytest.fixture(autouse=True, scope="module")
def left_alone_by_the_garbage_collector():
    """What a file of tests leaves behind, graphs above all, is not searched again and again while the next ones run."""
    yield
    gc.collect()
    gc.freeze()


@pytest.fixture(autouse=True)
def told_instead(monkeypatch):
    """A warning of ours that nobody expects fails the test: errors of warnings are no errors to `_console.warn`.

    The list of such warnings, for a test that expects one; it empties the list.
    """
    from rnn_tutorial import _console

    told, tell_instead = [], _console._tell_instead

    def tell(text):
        told.append(text)
        tell_instead(text)

    monkeypatch.setattr(_console, "_tell_instead", tell)
    yield told
    assert not told


@pytest.fixture(autouse=True)
def compiled_quickly(request):
    """JAX compiles without most optimizations, in half the time, but where two runs are compared to the last bit."""
    if os.environ.get("KERAS_BACKEND") == "jax":
        import jax

        compared = ("changes_nothing", "does_not_notice", "bare", "same")
        to_the_last_bit = any(word in request.node.name for word in compared)
        jax.config.update("jax_disable_most_optimizations", not to_the_last_bit)
        os.environ["JAX_DISABLE_MOST_OPTIMIZATIONS"] = str(not to_the_last_bit)  # and the programs that a test starts


@pytest.fixture(scope="session")
def run_python():
    """Run a program in a fresh interpreter and return what it prints; it must end with `code`."""

    def run(program, *arguments, code=0, **environment):
        result = subprocess.run(
            [sys.executable, "-c", textwrap.dedent(program), *map(str, arguments)],
            env={**os.environ, "PYTHONPATH": str(ROOT), **environment},
            capture_output=True,
            text=True,
            timeout=180,
            check=False,
        )
        assert result.returncode == code, result.stdout + result.stderr
        return result.stdout

    return run


@pytest.fixture(scope="session")
def recorded_warnings():
    """Context manager that gives the list of warnings raised inside it, however often one repeats."""

    @contextlib.contextmanager
    def record():
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            warnings.filterwarnings("ignore", _NOT_OURS, DeprecationWarning)
            yield caught

    return record


@pytest.fixture(scope="session")
def read_events():
    """Path of an event file -> its `Event` messages just as they were written, checksums checked by TensorBoard.

    TensorBoard's loader stops silently at a broken record, so that the records are counted too: they must fill the
    file to its last byte.
    """
    from tensorboard.backend.event_processing.event_file_loader import RawEventFileLoader
    from tensorboard.compat.proto import event_pb2

    def read(path):
        events = [event_pb2.Event.FromString(record) for record in RawEventFileLoader(str(path)).Load()]
        content = pathlib.Path(path).read_bytes()
        records, place = 0, 0
        while place < len(content):
            (length,) = struct.unpack_from("<Q", content, place)
            place += 8 + 4 + length + 4
            records += 1
        assert place == len(content), f"{path} ends in the middle of a record"
        assert len(events) == records
        return events

    return read


@pytest.fixture(scope="session")
def our_event_file():
    """Folder -> the one event file of ours in it."""

    def find(folder):
        (path,) = pathlib.Path(folder).glob("*tfevents*.rnn_tutorial")
        return path

    return find


@pytest.fixture(scope="session")
def read_values(read_events):
    """Path of an event file -> {plugin: {tag: {step: value}}}, with arrays, or byte strings, for values."""
    import tensorflow as tf

    def read(path):
        values, plugins = {}, {}
        for event in read_events(path):
            for value in event.summary.value:
                # A tag's first value says which plugin reads it.
                plugin = plugins.setdefault(value.tag, value.metadata.plugin_data.plugin_name)
                array = tf.make_ndarray(value.tensor)
                steps = values.setdefault(plugin, {}).setdefault(value.tag, {})
                assert event.step not in steps, f"{value.tag} twice at step {event.step}"
                steps[event.step] = array
        return values

    return read


@pytest.fixture(scope="session")
def open_event_files():
    """The event files that this process holds open, below a folder."""
    if not pathlib.Path("/proc/self/fd").exists():
        pytest.skip("no /proc to see open files in")

    def find(folder):
        found = []
        for descriptor in os.listdir("/proc/self/fd"):
            with contextlib.suppress(OSError):  # the descriptor of this very listing
                path = os.readlink(f"/proc/self/fd/{descriptor}")
                if path.startswith(str(folder)) and "tfevents" in path:
                    found.append(path)
        return found

    return find


@pytest.fixture(scope="session")
def run_lesson():
    """Execute a lesson as `python lessons/NAME.py --quick --log-dir FOLDER ...` would, and return its variables."""

    def run(name, folder, *options):
        arguments = sys.argv
        sys.argv = [f"{name}.py", "--quick", "--log-dir", str(folder), *options]
        try:
            return runpy.run_path(str(ROOT / "lessons" / f"{name}.py"), run_name="__main__")
        finally:
            sys.argv = arguments

    return run


@pytest.fixture(scope="session")
def lesson_logs(tmp_path_factory):
    """The folder `logs` that the lessons of this session write to."""
    return tmp_path_factory.mktemp("lessons") / "logs"


@pytest.fixture(scope="session")
def lesson(run_lesson, lesson_logs):
    """A function from the name of a lesson to its variables and its folder; each lesson runs once."""
    ran = {}

    def variables(name):
        if name not in ran:
            ran[name] = run_lesson(name, lesson_logs / name), lesson_logs / name
        return ran[name]

    return variables


@pytest.fixture(scope="session")
def record_layer():
    """Write to a run what the callbacks write of one LSTM, by formulas, for the tab RNN."""
    import json

    import numpy as np

    from rnn_tutorial.recording import schema

    def content(layer, kind, version):
        return json.dumps({"v": version, "kind": kind, "layer": layer, "cell": "LSTM", "units": 4}).encode()

    def write(run, layer="lstm", epochs=range(6), time=8, units=4, frames=True, version=schema.VERSION, scale=1.0):
        steps = np.arange(time)
        for epoch in epochs:
            flow = (scale * 10.0 ** (-(time - 1 - steps) / (1 + epoch))).astype("float32")
            for kind, part in (("grad_flow", 1), ("grad_flow_cell", 0.5), ("grad_flow_immediate", 0.1)):
                run.tensor(f"rnn/{layer}/{kind}", part * flow, epoch, "rnn_tutorial", content(layer, kind, version))
            if not frames:
                continue
            unit = np.arange(units)[:, None]
            waves = np.sin(steps / 3 + unit + epoch)
            for kind, names in (("states", ["hidden", "cell"]), ("gates", ["input", "forget", "candidate", "output"])):
                values = [waves * (2 if name == "cell" else 1) for name in names]
                if kind == "gates":
                    values = [
                        wave if name == "candidate" else abs(wave) for name, wave in zip(names, values, strict=True)
                    ]
                array = np.stack(values).astype("<f2")
                header = {"shape": array.shape, "dtype": "float16", "axes": ["kind", "unit", "time"]}
                header |= {"names": names, "stride": [1, 1, 1]}
                blobs = [json.dumps(header).encode(), array.tobytes()]
                run.blobs(f"rnn/{layer}/{kind}", blobs, epoch, "rnn_tutorial", content(layer, kind, version))
            for number, gate in enumerate(("input", "forget", "candidate", "output")):
                run.scalar(f"saturation/{layer}/{gate}", (number + epoch) / 20, epoch)
        run.flush()

    return write


@pytest.fixture(scope="session")
def serve():
    """Start a server on a free loopback port, wait until it answers, end it with the tests.

    Called with a function from a port to the server's command; returns its address.
    """
    processes = []

    def start(command, path="/", environment=None):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        process = subprocess.Popen(
            command(port), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, env=environment
        )
        processes.append(process)
        address = f"http://127.0.0.1:{port}"
        deadline = time.monotonic() + 90
        while True:
            try:
                with urllib.request.urlopen(address + path, timeout=10):
                    return address
            except OSError:
                assert process.poll() is None, process.stderr.read()
                assert time.monotonic() < deadline, f"{command(port)} does not answer"
                time.sleep(0.1)

    yield start
    for process in processes:
        process.kill()
        process.communicate()


@pytest.fixture(scope="session")
def browser():
    """Headless Chromium; without one the test is skipped, but fails in CI."""
    chromium, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if chromium is None or driver is None:
        missing = "needs Debian's packages chromium and chromium-driver"
        (pytest.fail if os.environ.get("CI") else pytest.skip)(missing)
    from selenium import webdriver
    from selenium.webdriver.chrome.service import Service

    options = webdriver.ChromeOptions()
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    options.binary_location = chromium
    for argument in (
        "--headless=new",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-quic",
        "--no-first-run",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
        "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",  # nothing but this machine is asked
        "--window-size=1400,1000",
    ):
        options.add_argument(argument)
    window = webdriver.Chrome(options=options, service=Service(driver))
    yield window
    window.quit()
