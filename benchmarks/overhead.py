"""What looking costs: training bare, with what people use today, and with this package, in one process.

Run with `make bench`, or `python benchmarks/overhead.py [--json FILE] [--only sales twelve words growth]`; under
`KERAS_BACKEND=jax` it measures Keras on JAX. Fits that are compared go on side by side and take turns epoch by epoch,
since a machine's speed drifts within minutes; a ratio is the median over the rounds of a watched epoch by the bare one
of the same round.
"""

import argparse
import json
import os
import pathlib
import random
import resource
import statistics
import tempfile
import threading
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

from rnn_tutorial import _console

_console.start_keras()

import keras
import numpy as np

from rnn_tutorial import callbacks, data, inspection, models

WATCHED = "observe()"
# The tape idiom is what forums recommend since Keras logs no gradients; it is written for TensorFlow only.
TAPE = "GradientTape at epoch end"


class TapeAtEpochEnd(keras.callbacks.Callback):
    """Gradients as most programs log them today: one more pass over all data at the end of each epoch."""

    def __init__(self, log_dir, x, y):
        super().__init__()
        import tensorflow as tf

        self.tf = tf
        self.writer = tf.summary.create_file_writer(log_dir)
        self.x, self.y = tf.constant(x), tf.constant(y)

    def on_epoch_end(self, epoch, logs=None):
        """Differentiate the loss over the data, and write a histogram a weight."""
        with self.tf.GradientTape() as tape:
            loss = self.model.compute_loss(y=self.y, y_pred=self.model(self.x, training=False))
        gradients = tape.gradient(loss, self.model.trainable_variables)
        with self.writer.as_default():
            for variable, gradient in zip(self.model.trainable_variables, gradients, strict=True):
                self.tf.summary.histogram(f"gradients/{variable.path}", gradient, step=epoch)
        self.writer.flush()


class Clock(keras.callbacks.Callback):
    """When each epoch ended, all other callbacks included: it comes last."""

    def on_train_begin(self, logs=None):
        """Start the clock."""
        self.times = []

    def on_epoch_end(self, epoch, logs=None):
        """Note the time."""
        self.times.append(time.perf_counter())


class Contestant(keras.callbacks.Callback):
    """A fit in a thread of its own that goes on by one epoch whenever it is told to, and else stands still."""

    def __init__(self, model, **fit):
        super().__init__()
        self._go, self._stopped = threading.Semaphore(0), threading.Semaphore(0)
        self._error = None
        fit["callbacks"] = [*fit["callbacks"], self]
        self._thread = threading.Thread(target=self._run, args=(model, fit), daemon=True)
        self._thread.start()

    def on_epoch_end(self, epoch, logs=None):
        """Stand still; all other callbacks have done their part."""
        self._stopped.release()
        self._go.acquire()

    def go_on(self):
        """Run up to the end of the next epoch, or of the fit; return the seconds, and those of all cores together."""
        began = time.perf_counter(), time.process_time()
        self._go.release()
        self._stopped.acquire()
        seconds = time.perf_counter() - began[0], time.process_time() - began[1]
        if self._error is not None:
            raise self._error
        return seconds

    def _run(self, model, fit):
        self._go.acquire()
        try:
            model.fit(**fit)
        except Exception as error:
            self._error = error
        self._stopped.release()


def contestants(x, y, probe, tape_rows=None):
    """{name: function from a folder to callbacks}."""
    found = {"bare": lambda folder: [], "Keras TensorBoard(histogram_freq=1)": _keras_tensorboard}
    if keras.config.backend() == "tensorflow":
        found[TAPE] = lambda folder: [TapeAtEpochEnd(folder, x[:tape_rows], y[:tape_rows])]
    found[WATCHED] = lambda folder: callbacks.observe(folder, probe=probe)
    found["observe(pictures=False)"] = lambda folder: callbacks.observe(folder, probe=probe, pictures=False)
    for name in ("WeightHistograms", "GradientHistograms", "WeightHeatmaps", "LearningCurves", "ModelDiagram"):
        found[name] = lambda folder, name=name: [getattr(callbacks, name)(folder)]
    for name in ("GradientFlow", "StateHeatmaps"):
        found[name] = lambda folder, name=name: [getattr(callbacks, name)(folder, probe)]
    return found


def _keras_tensorboard(folder):
    return [keras.callbacks.TensorBoard(folder, histogram_freq=1)]


def size(folder):
    """Bytes of the event files below a folder."""
    return sum(path.stat().st_size for path in pathlib.Path(folder).rglob("*tfevents*"))


def steady(title, make, x, y, batch_size, probe, epochs, folder, only=None, tape_rows=None):
    """Compare epochs: all fits go on side by side, one epoch of each in turn, in another order every round."""
    running = {}
    for number, (name, entry) in enumerate(contestants(x, y, probe, tape_rows).items()):
        if only is None or name in only:
            keras.utils.set_random_seed(0)
            run = pathlib.Path(folder) / f"{title[:5]}_{number}"
            made = entry(str(run))
            fed = data.batches(x, y, batch_size)
            running[name] = Contestant(make(), **fed, epochs=epochs, verbose=0, callbacks=made), run
    turns = {name: [] for name in running}
    for _ in range(epochs + 1):  # The last time they close.
        for name in random.sample(list(running), len(running)):
            turns[name].append(running[name][0].go_on())
    # Each (epochs + 1, 2): on the clock, and of the processor.
    turns = {name: np.array(taken) for name, taken in turns.items()}
    # The first epoch holds tracing and compiling, of the model's own step too.
    once = {name: taken[0] + taken[-1] - np.median(taken[1:-1], axis=0) for name, taken in turns.items()}
    rows = []
    for name, (_, run) in running.items():
        quarters = np.quantile(turns[name][1:-1] / turns["bare"][1:-1], [0.25, 0.5, 0.75], axis=0)
        rows.append(
            {
                "task": title,
                "callbacks": name,
                "epoch_ms": 1e3 * np.median(turns[name][1:-1, 0]),
                "ratio": quarters[1, 0],
                "ratio_quartiles": [quarters[0, 0], quarters[2, 0]],
                "cpu_ratio": quarters[1, 1],
                "once_s": once[name][0] - once["bare"][0],
                "once_cpu_s": once[name][1] - once["bare"][1],
                "bytes_per_epoch": size(run) / epochs,
            }
        )
    print(f"\n{title}, {epochs} epochs, {keras.config.backend()}")
    print(
        f"{'callbacks':38}{'ms an epoch':>12}{'x bare':>8}{'quartiles':>14}{'CPU x bare':>12}{'once, s':>9}"
        f"{'CPU, s':>8}{'bytes an epoch':>16}"
    )
    for row in rows:
        spread = " .. ".join(f"{quarter:.2f}" for quarter in row["ratio_quartiles"])
        print(
            f"{row['callbacks']:38}{row['epoch_ms']:12.1f}{row['ratio']:8.3f}{spread:>14}{row['cpu_ratio']:12.3f}"
            f"{row['once_s']:9.2f}{row['once_cpu_s']:8.2f}{row['bytes_per_epoch']:16,.0f}"
        )
    return rows


def twelve_months(rounds, folder):
    """The sales article's own program, 100 epochs on twelve months, beside the same fit watched by this package."""
    x = data.sales.TWELVE_MONTHS.to_numpy("float32").reshape(1, 12, 1)
    y = np.array([[700.0]], dtype="float32")

    def arrays(made):
        return {"x": x, "y": y}, made

    def fed(made):
        return data.batches(x, y), made

    entries = {
        "article's fit, Keras TensorBoard(histogram_freq=1)": lambda run: arrays(_keras_tensorboard(run)),
        "article's fit, bare": lambda run: arrays([]),
        "data.batches, bare": lambda run: fed([]),
        "data.batches, observe()": lambda run: fed(callbacks.observe(run, probe=(x, y))),
        "data.batches, observe(pictures=False)": lambda run: fed(callbacks.observe(run, probe=(x, y), pictures=False)),
    }
    seconds = {name: [] for name in entries}
    open_part = {name: [] for name in entries}
    for round_number in range(rounds):
        for name in random.sample(list(entries), len(entries)):
            keras.utils.clear_session()
            keras.utils.set_random_seed(0)
            model = models.sales_forecaster(scale=False)
            model.compile("adam", "mse", metrics=["mae"])
            fed_with, made = entries[name](str(pathlib.Path(folder) / "twelve" / f"{round_number}_{len(name)}"))
            clock = Clock()
            began = time.perf_counter()
            model.fit(**fed_with, epochs=100, verbose=0, callbacks=[*made, clock])
            seconds[name].append(time.perf_counter() - began)
            open_part[name].append(clock.times[-1] - began)  # without what is done at the end
    first = next(iter(entries))
    rows = []
    print(
        f"\ntwelve months, 100 epochs, {rounds} rounds, {keras.config.backend()}: a whole fit, tracing and closing too"
    )
    print(f"{'program':54}{'s':>8}{'x article':>11}{'without closing':>17}{'x article':>11}")
    for name in entries:
        shares = [own / theirs for own, theirs in zip(seconds[name], seconds[first], strict=True)]
        before = [own / theirs for own, theirs in zip(open_part[name], seconds[first], strict=True)]
        row = {
            "task": "twelve months",
            "callbacks": name,
            "seconds": statistics.median(seconds[name]),
            "share": statistics.median(shares),
            "seconds_without_closing": statistics.median(open_part[name]),
            "share_without_closing": statistics.median(before),
        }
        rows.append(row)
        print(
            f"{name:54}{row['seconds']:8.2f}{row['share']:11.3f}{row['seconds_without_closing']:17.2f}"
            f"{row['share_without_closing']:11.3f}"
        )
    return rows


def growth(folder):
    """Bytes and time for more epochs and more layers."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(64, 12, 1)).astype("float32")
    y = x.sum(axis=1)
    rows = []
    print(f"\ngrowth: observe(), one batch of 64 an epoch, {keras.config.backend()}")
    print(f"{'layers':>7}{'epochs':>8}{'bytes':>14}{'bytes an epoch':>16}{'of them pictures':>18}{'s':>8}")
    for layers in (1, 2, 4):
        for epochs in (10, 100, 1000):
            keras.utils.clear_session()
            keras.utils.set_random_seed(0)
            model = models.sequence_model(12, 1, 1, units=(32,) * layers)
            model.compile("adam", "mse")
            sizes = {}
            for pictures in (True, False):
                run = pathlib.Path(folder) / f"growth_{layers}_{epochs}_{pictures}"
                began = time.perf_counter()
                model.fit(
                    **data.batches(x, y, 64),
                    epochs=epochs,
                    verbose=0,
                    callbacks=callbacks.observe(str(run), probe=(x[:32], y[:32]), pictures=pictures),
                )
                sizes[pictures] = size(run), time.perf_counter() - began
            row = {
                "task": "growth",
                "layers": layers,
                "epochs": epochs,
                "bytes": sizes[True][0],
                "bytes_per_epoch": sizes[False][0] / epochs,
                "picture_bytes": sizes[True][0] - sizes[False][0],
                "seconds": sizes[True][1],
            }
            rows.append(row)
            print(
                f"{layers:7}{epochs:8}{row['bytes']:14,}{row['bytes_per_epoch']:16,.0f}{row['picture_bytes']:18,}"
                f"{row['seconds']:8.2f}"
            )
    return rows


def probe_cost(rounds):
    """One look at a probe, compiled."""
    rng = np.random.default_rng(0)
    rows = []
    print(f"\ngradient_flow, one call, {keras.config.backend()}")
    print(f"{'probe':44}{'first call, s':>14}{'then, ms':>10}{'peak memory so far, MB':>24}")
    for samples, steps, units in ((32, 12, (64, 64)), (32, 50, (64, 64)), (16, 500, (256,) * 4)):
        model = models.sequence_model(steps, 1, 1, units=units)
        model.compile("adam", "mse")
        x = rng.normal(size=(samples, steps, 1)).astype("float32")
        y = x.sum(axis=1)
        times = []
        for _ in range(rounds + 1):
            began = time.perf_counter()
            inspection.gradient_flow(model, x, y)
            times.append(time.perf_counter() - began)
        name = f"{samples} x {steps} steps, {len(units)} LSTM({units[0]})"
        row = {
            "task": "gradient_flow",
            "probe": name,
            "first_s": times[0],
            "then_ms": 1e3 * statistics.median(times[1:]),
            "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        }
        rows.append(row)
        print(f"{name:44}{row['first_s']:14.2f}{row['then_ms']:10.1f}{row['peak_mb']:24,.0f}")
    return rows


def main():
    """Measure, print the tables, and write them as JSON where asked to."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--json", type=pathlib.Path, help="write the rows there")
    parser.add_argument("--rounds", type=int, default=7, help="rounds of what is run as a whole (default: 7)")
    parser.add_argument("--epochs", type=int, default=16, help="epochs of each fit that is compared (default: 16)")
    parts = ("probe", "sales", "words", "twelve", "growth")
    parser.add_argument("--only", nargs="+", choices=parts, default=parts)
    settings = parser.parse_args()
    rng = np.random.default_rng(0)
    rows = []
    if keras.config.backend() == "jax":  # Keras' TensorBoard needs it; paid once a process, by whoever comes first.
        began = time.perf_counter()
        import tensorflow  # noqa: F401

        rows.append({"task": "import tensorflow", "seconds": time.perf_counter() - began})
        print(f"importing TensorFlow, once, for Keras' TensorBoard callback: {rows[-1]['seconds']:.1f} s")
    with tempfile.TemporaryDirectory() as folder:
        if "probe" in settings.only:
            rows += probe_cost(settings.rounds)
        if "sales" in settings.only:
            series = rng.normal(size=2012).cumsum()
            x, y = data.sales.windows(_series(series), window=12)
            x, y = x[:2000], y[:2000]

            def sales():
                model = models.sales_forecaster()
                model.compile("adam", "mse")
                return model

            probe = x[:32], y[:32]
            rows += steady("sales, 2,000 windows", sales, x, y, 32, probe, settings.epochs, folder)
        if "words" in settings.only:
            x = rng.integers(0, 10_000, size=(2000, 20)).astype("int32")
            y = rng.integers(0, 10_000, size=2000).astype("int32")

            def words():
                model = models.word_predictor(10_000, 64, (128,))
                model.compile("adam", "sparse_categorical_crossentropy")
                return model

            only = {
                "bare",
                "Keras TensorBoard(histogram_freq=1)",
                TAPE,
                WATCHED,
                "GradientHistograms",
                "WeightHistograms",
            }
            probe = x[:32], y[:32]
            rows += steady(
                "words, vocabulary 10,000, 2,000 windows", words, x, y, 32, probe, settings.epochs, folder, only, 64
            )
        if "twelve" in settings.only:
            rows += twelve_months(settings.rounds, folder)
        if "growth" in settings.only:
            rows += growth(folder)
    if settings.json:
        settings.json.write_text(json.dumps({"backend": keras.config.backend(), "rows": rows}, indent=2) + "\n")


def _series(values):
    import pandas as pd

    return pd.Series(values, index=pd.period_range("1900-01", periods=len(values), freq="M"))


if __name__ == "__main__":
    main()
