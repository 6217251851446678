"""What one summary costs: this package's event files beside tf.summary, in one process.

Run with `make bench` or `python benchmarks/events.py`. Medians; the order of the contestants is shuffled every round.
"""

import json
import os
import pathlib
import random
import statistics
import sys
import tempfile
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import numpy as np
import tensorflow as tf

from rnn_tutorial import recording

ROUNDS = 15
REPEATS = 20  # summaries per timing, so that the clock's own grain does not count


def main():
    """Time every kind of summary and print the table; with an argument, write it there as JSON."""
    values = np.random.default_rng(0).normal(size=(64, 256)).astype("float32")
    tensor = tf.constant(values)
    with tempfile.TemporaryDirectory() as folder:
        run = recording.Run(pathlib.Path(folder) / "ours")
        writer = tf.summary.create_file_writer(os.path.join(folder, "theirs"))
        with writer.as_default():
            contestants = {
                ("histogram 64 x 256", "tf.summary, eager"): lambda i: tf.summary.histogram("h", tensor, step=i),
                ("histogram 64 x 256", "rnn_tutorial.recording.run"): lambda i: run.histogram("h", values, i),
                ("scalar", "tf.summary, eager"): lambda i: tf.summary.scalar("s", 0.5, step=i),
                ("scalar", "rnn_tutorial.recording.run"): lambda i: run.scalar("s", 0.5, i),
            }
            seconds = {name: [] for name in contestants}
            for round_number in range(ROUNDS):
                for name in random.sample(list(contestants), len(contestants)):
                    start = time.perf_counter()
                    for repeat in range(REPEATS):
                        contestants[name](round_number * REPEATS + repeat)
                    # Writing counts: everything is handed to the operating system before the clock stops.
                    (run if "rnn_tutorial" in name[1] else writer).flush()
                    seconds[name].append((time.perf_counter() - start) / REPEATS)
        run.close()

    rows = []
    for kind in ("histogram 64 x 256", "scalar"):
        ours = statistics.median(seconds[kind, "rnn_tutorial.recording.run"])
        for name in ("tf.summary, eager", "rnn_tutorial.recording.run"):
            median = statistics.median(seconds[kind, name])
            rows.append({"summary": kind, "writer": name, "milliseconds": 1e3 * median, "times_ours": median / ours})
    print(f"{'summary':20} {'writer':22} {'ms each':>9} {'x ours':>8}")
    for row in rows:
        print(f"{row['summary']:20} {row['writer']:22} {row['milliseconds']:9.3f} {row['times_ours']:8.1f}")
    if len(sys.argv) > 1:
        pathlib.Path(sys.argv[1]).write_text(json.dumps(rows, indent=2) + "\n")


if __name__ == "__main__":
    main()
