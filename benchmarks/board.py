"""What the RNN tab costs: TensorBoard's start, and the largest runs it has to show.

Run with `make bench` or `python benchmarks/board.py [epochs]`. One run of 10,000 epochs, 500 time steps, 4 layers and
200 frames of 256 x 128 states, asked through the application of TensorBoard with the fast loader where there is one.
Processor time counts beside the clock, since machines are shared.
"""

import importlib.util
import json
import os
import pathlib
import resource
import statistics
import subprocess
import sys
import tempfile
import time
import types

sys.modules["tensorboard.compat.notf"] = types.ModuleType(
    "notf"
)  # TensorBoard without TensorFlow, as it starts fastest

import numpy as np
import werkzeug.test
from tensorboard import program
from tensorboard.backend import application
from tensorboard.plugins.core import core_plugin
from tensorboard.plugins.scalar import scalars_plugin

from rnn_tutorial import board, events

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
    with events.Run(folder) as run:
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


if __name__ == "__main__":
    main()
