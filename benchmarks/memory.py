"""What a model that was trained and let go leaves in the memory of the process: bare, and watched.

    python benchmarks/memory.py

Each way runs in a process of its own, a model after the other. A line says how many MB each further model leaves, the
mean over the models after the first ones, which load what is loaded once.
"""

import argparse
import gc
import subprocess
import sys
import tempfile

WAYS = ("bare", "GradientHistograms", "observe")
FIRST, MODELS = 4, 12


def resident():
    """The process's memory in MB."""
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * 4096 / 1e6


def left(way):
    """MB that each model leaves."""
    from rnn_tutorial import _console

    _console.start_keras()
    import keras
    import numpy as np

    from rnn_tutorial import callbacks, models

    x = np.random.default_rng(0).normal(size=(256, 12, 1)).astype("float32")
    y = x.sum(axis=1)
    before = 0.0
    for number in range(MODELS):
        model = models.sales_forecaster(12, 1, units=16)
        model.compile("adam", "mse")
        watching: list[keras.callbacks.Callback] = []
        with tempfile.TemporaryDirectory() as folder:
            if way == "GradientHistograms":
                watching = [callbacks.GradientHistograms(folder)]
            elif way == "observe":
                watching = callbacks.observe(folder, probe=(x[:16], y[:16]))
            model.fit(x, y, epochs=2, verbose=0, callbacks=watching)
        del model, watching
        keras.utils.clear_session()
        gc.collect()
        if number + 1 == FIRST:
            before = resident()
    return (resident() - before) / (MODELS - FIRST)


def main():
    """Run each way in a process of its own."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("way", nargs="?", choices=WAYS, help="only this one, in this process")
    way = parser.parse_args().way
    if way is not None:
        print(round(left(way), 1) + 0.0)  # no "-0.0"
        return
    for way in WAYS:
        run = subprocess.run([sys.executable, __file__, way], capture_output=True, text=True, check=True)
        print(f"{way:20} {run.stdout.splitlines()[-1]:>6} MB a model", flush=True)


if __name__ == "__main__":
    main()
