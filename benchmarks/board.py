"""What the RNN tab costs: TensorBoard's start, and the largest runs it has to show.

Run with `make bench` or `python benchmarks/board.py [epochs]`. One run of 10,000 epochs, 500 time steps, 4 layers and
200 frames of 256 x 128 states: asked through the application of TensorBoard with the fast loader where there is one,
then looked at in headless Chromium (Debian's chromium and chromium-driver), whose own clock counts. Processor time
stands beside the clock, since machines are shared.
"""

import importlib.util
import json
import os
import pathlib
import resource
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import types
import urllib.request

sys.modules["tensorboard.compat.notf"] = types.ModuleType(
    "notf"
)  # TensorBoard without TensorFlow, as it starts fastest

import numpy as np
import werkzeug.test
from tensorboard import program
from tensorboard.backend import application
from tensorboard.plugins.core import core_plugin
from tensorboard.plugins.scalar import scalars_plugin

from rnn_tutorial import board, recording

ROUTES = "/data/plugin/rnn_tutorial"
LAYERS, TIME = 4, 500
FRAMES, UNITS, STEPS = 200, 256, 128
IMPORTS = """
import time, sys
from tensorboard.plugins import base_plugin
from tensorboard import errors, plugin_util
from tensorboard.backend import http_util
from tensorboard.data import provider
import werkzeug, numpy
start = time.process_time()
from rnn_tutorial.board import plugin
print(time.process_time() - start)
"""


def main():
    """Measure and print."""
    epochs = int(sys.argv[1]) if len(sys.argv) > 1 else 10_000
    environment = {**os.environ, "PYTHONPATH": str(pathlib.Path(__file__).parent.parent)}
    starts = [
        float(
            subprocess.run(
                [sys.executable, "-c", IMPORTS], env=environment, capture_output=True, text=True, check=True
            ).stdout
        )
        for _ in range(7)
    ]
    print(f"added to TensorBoard's start: {1e3 * statistics.median(starts):.1f} ms of processor time")
    with tempfile.TemporaryDirectory() as folder:
        record(pathlib.Path(folder) / "run", epochs)
        size = sum(path.stat().st_size for path in pathlib.Path(folder).rglob("*tfevents*"))
        print(f"{epochs} epochs, {LAYERS} layers of {TIME} steps, {FRAMES} frames: {size / 2**20:.0f} MB")
        ask(folder, epochs)
        if shutil.which("chromium") and shutil.which("chromedriver"):
            look(folder, epochs)
        else:
            print("no Chromium: the page is not measured")


def record(folder, epochs):
    """Write the run."""
    curve = np.geomspace(1e-9, 1, TIME).astype("float32")
    header = {
        "shape": [2, UNITS, STEPS],
        "dtype": "float16",
        "axes": ["kind", "unit", "time"],
        "names": ["hidden", "cell"],
    }
    header = json.dumps({**header, "stride": [1, 1, 1]}).encode()
    frame = np.random.default_rng(0).uniform(-1, 1, (2, UNITS, STEPS)).astype("<f2").tobytes()
    with recording.Run(folder) as run:
        for epoch in range(epochs):
            for layer in range(LAYERS):
                content = json.dumps(
                    {"v": 1, "kind": "grad_flow", "layer": f"lstm_{layer}", "cell": "LSTM", "units": 256}
                )
                run.tensor(f"rnn/lstm_{layer}/grad_flow", curve, epoch, board.NAME, content.encode())
            if epoch % max(1, epochs // FRAMES) == 0:
                content = json.dumps({"v": 1, "kind": "states", "layer": "lstm_0", "cell": "LSTM", "units": 256})
                run.blobs("rnn/lstm_0/states", [header, frame], epoch, board.NAME, content.encode())
            if epoch % 1000 == 0:
                run.flush()


def ask(folder, epochs):
    """Ask as the page does."""
    fast = importlib.util.find_spec("tensorboard_data_server") is not None
    plugins = [core_plugin.CorePluginLoader(), board.Loader(), scalars_plugin.ScalarsPlugin]
    tensorboard = program.TensorBoard(plugins)
    tensorboard.configure(argv=["tensorboard", "--logdir", folder, "--load_fast", "auto" if fast else "false"])
    data, multiplexer = tensorboard._make_data_provider()
    client = werkzeug.test.Client(application.TensorBoardWSGIApp(tensorboard.flags, plugins, data, None, multiplexer))

    def get(route, **query):
        clock, processor = time.perf_counter(), time.process_time()
        answer = client.get(f"{ROUTES}/{route}", query_string=query)
        assert answer.status_code == 200, answer.data
        return answer, time.perf_counter() - clock, time.process_time() - processor

    start = time.perf_counter()
    while True:
        layers = [layer for run in get("runs")[0].json["runs"] for layer in run["layers"]]
        if len(layers) == LAYERS and min(layer["last"] for layer in layers) == epochs - 1:
            break
        time.sleep(0.2)
    print(f"TensorBoard has read it after {time.perf_counter() - start:.1f} s")
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    chosen = {"run": "run", "kind": "total", "rows": 400, "columns": 800}
    first = get("flow", layer="lstm_0", **chosen)
    print(f"first picture of a layer: {first[1]:.2f} s, processor {first[2]:.2f} s, {len(first[0].data) / 1e6:.1f} MB")
    again = [get("flow", layer="lstm_0", **chosen)[1:] for _ in range(5)]
    print(f"again: {statistics.median(clock for clock, _ in again):.2f} s")
    for layer in range(1, LAYERS):
        get("flow", layer=f"lstm_{layer}", **chosen)
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    print(f"the server's memory after all {LAYERS} layers: {grown / 1024:.0f} MB more")
    curves = [
        get("curve", run="run", layer="lstm_3", kind="total", epoch=epoch)[1:]
        for epoch in range(0, epochs, epochs // 20)
    ]
    print(f"one epoch's curve: {1e3 * statistics.median(clock for clock, _ in curves):.1f} ms")
    steps = json.loads(get("frames", run="run", layer="lstm_0", kind="states")[0].data)["epochs"]
    frames = [get("frame", run="run", layer="lstm_0", kind="states", epoch=epoch)[1:] for epoch in steps[:60]]
    clocks = [clock for clock, _ in frames]
    processor = statistics.median(seconds for _, seconds in frames)
    print(f"one of {len(steps)} frames: {1e3 * statistics.median(clocks):.1f} ms, processor {1e3 * processor:.1f} ms")


# When the first map was there, by the page's own clock.
FIRST_PICTURE = """
const seen = () => {
    if (document.querySelector('.panel.flow .cover') && document.body?.dataset.ready === 'true') {
        requestAnimationFrame(() => requestAnimationFrame(() => { window.firstPicture = performance.now(); }));
    } else {
        requestAnimationFrame(seen);
    }
};
requestAnimationFrame(seen);
"""
# Move the pointer a little in each frame, as fast as frames come; the times between them.
MOVE = """
const done = arguments[arguments.length - 1];
const cover = document.querySelector('.panel.flow .cover');
const box = cover.getBoundingClientRect();
const times = [];
const step = (now) => {
    times.push(now);
    if (times.length > 241) {
        const between = times.slice(1).map((time, at) => time - times[at]);
        done([between, document.querySelector('.flow .readout').textContent]);
        return;
    }
    const [x, y] = [60 + (times.length * 7) % (box.width - 80), 12 + (times.length * 3) % (box.height - 60)];
    cover.dispatchEvent(new PointerEvent('pointermove', {clientX: box.x + x, clientY: box.y + y, bubbles: true}));
    requestAnimationFrame(step);
};
requestAnimationFrame(step);
"""
# Press "One frame on" again and again; the time until the epoch's picture is drawn.
STEP = """
const done = arguments[arguments.length - 1];
const [times, button] = [[], document.querySelector("[aria-label='One frame on']")];
const shown = () => document.querySelector('.panel.frames figcaption').textContent;
const next = () => {
    if (times.length === 60) { done(times); return; }
    const [start, before] = [performance.now(), shown()];
    button.click();
    const wait = () => {
        if (shown() === before) { setTimeout(wait, 1); return; }
        requestAnimationFrame(() => { times.push(performance.now() - start); next(); });
    };
    wait();
};
next();
"""


def look(folder, epochs):
    """Open the tab in a browser, move the pointer, step through the frames."""
    from selenium import webdriver
    from selenium.webdriver.chrome.service import Service
    from selenium.webdriver.support.ui import WebDriverWait

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    address = f"http://127.0.0.1:{port}"
    command = [sys.executable, "-m", "tensorboard.main", "--logdir", folder, "--host=127.0.0.1", f"--port={port}"]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def loaded(_):
        try:
            with urllib.request.urlopen(f"{address}{ROUTES}/runs", timeout=60) as answer:
                layers = [layer for run in json.load(answer)["runs"] for layer in run["layers"]]
        except OSError:
            return False
        return len(layers) == LAYERS and min(layer["last"] for layer in layers) == epochs - 1

    options = webdriver.ChromeOptions()
    options.binary_location = shutil.which("chromium")
    for argument in ("--headless=new", "--no-sandbox", "--disable-gpu", "--window-size=1400,1000"):
        options.add_argument(argument)
    browser = webdriver.Chrome(options=options, service=Service(shutil.which("chromedriver")))
    try:
        WebDriverWait(None, 300, poll_frequency=0.2).until(loaded)
        browser.execute_cdp_cmd("Page.addScriptToEvaluateOnNewDocument", {"source": FIRST_PICTURE})
        browser.get(f"{address}/data/plugin_entry.html?name={board.NAME}")
        seconds = 1e-3 * WebDriverWait(browser, 120, poll_frequency=0.05).until(
            lambda page: page.execute_script("return window.firstPicture")
        )
        print(f"in the browser, from opening the tab to its first picture: {seconds:.2f} s")
        browser.set_script_timeout(300)
        between, said = browser.execute_async_script(MOVE)
        rate, slowest = 1e3 / statistics.mean(between), statistics.quantiles(between, n=20)[-1]
        print(f"moving the pointer: {rate:.0f} frames a second, 19 of 20 within {slowest:.0f} ms")
        assert "time step" in said
        browser.execute_script(
            "document.querySelector('.player input').focus(); document.activeElement.value = 0;"
            "document.activeElement.dispatchEvent(new Event('input', {bubbles: true}));"
        )
        WebDriverWait(browser, 60).until(
            lambda page: page.find_element("css selector", ".player .epoch").text.startswith("epoch 0 ")
        )
        steps = browser.execute_async_script(STEP)
        print(f"a step to the next frame: {statistics.median(steps):.0f} ms in the median, {max(steps):.0f} ms at most")
    finally:
        browser.quit()
        server.kill()
        server.wait()


if __name__ == "__main__":
    main()
