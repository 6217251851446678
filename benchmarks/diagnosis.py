"""What `rnn_tutorial.diagnosis` finds: runs made sick on purpose, and healthy ones, at several seeds.

Run with `python benchmarks/diagnosis.py [--quick] [--tune] [--only NAME ...] [--json FILE]`. Thresholds were chosen
on the seeds and kinds of runs that `--tune` trains; the table in the README comes from others, which had no say in
them: the seeds are others throughout, and so are half of the healthy kinds; the sick kinds are the same. A hit: the
rule speaks in the run that was made sick for it. A false alarm: it speaks in a healthy run, above a note, or at all
where it never says more.
"""

import argparse
import json
import pathlib
import tempfile
import warnings

from rnn_tutorial import _console

_console.start_keras()

import keras
import numpy as np

from rnn_tutorial import callbacks, data, diagnosis, inspection, models
from rnn_tutorial.diagnosis import RULES

TUNING_SEEDS, REPORTED_SEEDS = (0, 1), (201, 202, 203)
WINDOW, FEATURES = 16, 1
EPOCHS = 12


def season(rng, days, noise=0.3):
    """A wave with a noise that nobody can foresee, (days,)."""
    return np.sin(2 * np.pi * np.arange(days) / 12 + rng.uniform(0, 6)) + noise * rng.standard_normal(days)


def walk(rng, days):
    """A walk that hardly finds home: the best forecast is nearly its last value, (days,)."""
    values = np.zeros(days)
    for day in range(1, days):
        values[day] = 0.98 * values[day - 1] + 0.3 * rng.standard_normal()
    return values


def windows(values):
    """X (n, WINDOW, 1) and y (n, 1); the last quarter is for validation."""
    x = np.lib.stride_tricks.sliding_window_view(values[:-1], WINDOW)[..., np.newaxis].astype("float32")
    y = values[WINDOW:, np.newaxis].astype("float32")
    cut = len(x) * 3 // 4
    return (x[:cut], y[:cut]), (x[cut:], y[cut:])


def forecaster(optimizer=None, cell="lstm", units=16, **changes):
    """A compiled network for windows; `changes` are arguments of its recurrent layer."""
    layer = models.CELLS[cell](units, name=cell, **changes)
    model = keras.Sequential(
        [keras.Input((WINDOW, FEATURES), name="sequence"), layer, keras.layers.Dense(1, name="output")]
    )
    model.compile(optimizer or keras.optimizers.Adam(0.01), "mse")
    return model


# Each case: how the model is built, and (train, validation) from a generator; epochs. Sick ones are called as the rule
# that should speak.


def seasonal(change=lambda x, y, rng: (x, y), days=450, make=season):
    """Data: windows of a series, training and validation part changed in the same way."""

    def parts(seed):
        rng = np.random.default_rng(seed)
        return tuple(change(x, y, rng) for x, y in windows(make(rng, days)))

    return parts


def _first_item(timesteps):
    return lambda seed: tuple(data.tasks.first_item(384, timesteps, seed=seed + k * 1000) for k in (0, 1))


def _adding(timesteps, samples):
    return lambda seed: tuple(data.tasks.adding(samples, timesteps, seed=seed + k * 1000) for k in (0, 1))


def _digits(samples, wrong=0.0):
    def parts(seed):
        digits = data.digits.load("scikit-learn", seed=seed)
        rng = np.random.default_rng(seed)
        y = digits.y_train[:samples].copy()
        strange = rng.random(len(y)) < wrong
        y[strange] = rng.integers(0, 10, strange.sum())
        return (digits.x_train[:samples], y), (digits.x_validation, digits.y_validation)

    return parts


def _easier(seed):
    rng = np.random.default_rng(seed)
    return windows(season(rng, 450, noise=0.6))[0], windows(season(rng, 450, noise=0.05))[1]


def _classifier(hidden, rate=1e-3):
    def build():
        model = models.digit_classifier(hidden=hidden)
        model.compile(keras.optimizers.Adam(rate), "sparse_categorical_crossentropy", metrics=["accuracy"])
        return model

    return build


def _sequence(timesteps, features, outputs, cell, rate=0.01, units=24, loss="mse"):
    def build():
        activation = None if loss == "mse" else "softmax"
        model = models.sequence_model(timesteps, features, outputs, units=units, cell=cell, activation=activation)
        model.compile(keras.optimizers.Adam(rate), loss)
        return model

    return build


def _without_memory():
    """A simple cell that begins too small to carry anything over 40 steps."""
    layer = keras.layers.SimpleRNN(16, recurrent_initializer=keras.initializers.Orthogonal(0.5), name="simple_rnn")
    output = keras.layers.Dense(2, activation="softmax", name="output")
    model = keras.Sequential([keras.Input((40, 3), name="sequence"), layer, output])
    model.compile(keras.optimizers.Adam(1e-3), "sparse_categorical_crossentropy")
    return model


def _behind_a_dead_layer():
    """A relu that is shut for good, so that nothing comes back to the layer below."""
    shut = keras.layers.Dense(8, activation="relu", bias_initializer=keras.initializers.Constant(-100.0), name="shut")
    layers = [keras.Input((WINDOW, FEATURES), name="sequence"), keras.layers.GRU(16, name="gru"), shut]
    model = keras.Sequential([*layers, keras.layers.Dense(1, name="output")])
    model.compile(keras.optimizers.Adam(0.01), "mse")
    return model


def _letters(text, window, units, cell, rate=0.01):
    def build():
        model = models.letter_predictor(len(set(text)), window, units, cell)
        model.compile(keras.optimizers.Adam(rate), "sparse_categorical_crossentropy", metrics=["accuracy"])
        return model

    def parts(seed):
        return data.letters.pairs(text, window), None

    return build, parts


def _sales(horizon, cell):
    def build():
        model = models.sales_forecaster(4, horizon, units=(32, 32), cell=cell)
        model.compile(keras.optimizers.Adam(3e-3), "mse", metrics=["mae"])
        return model

    return build, lambda seed: data.sales.split(*data.sales.windows(data.sales.TWELVE_MONTHS, 4, horizon))


def _words(units):
    """Sentences of a small grammar: who, does what, to whom, and a stop."""
    words = 22

    def build():
        model = models.word_predictor(words, embedding=8, units=units)
        model.compile(keras.optimizers.Adam(0.01), "sparse_categorical_crossentropy", metrics=["accuracy"])
        return model

    def parts(seed):
        rng = np.random.default_rng(seed)
        who, does = rng.integers(1, 8, 500), rng.integers(8, 15, 500)
        text = np.stack([who, does, 15 + (who + does) % 7, np.zeros(500, int)], axis=1).ravel()
        x = np.lib.stride_tricks.sliding_window_view(text[:-1], 6).astype("int32")
        y = text[6:].astype("int32")
        return (x[:1400], y[:1400]), (x[1500:], y[1500:])

    return build, parts


def _shuffled(x, y, rng):
    return x, rng.permutation(y)


SICK = {
    "nan": (lambda: forecaster(keras.optimizers.SGD(8.0, momentum=0.9)), seasonal(), EPOCHS),
    "exploding": (lambda: forecaster(keras.optimizers.SGD(1.2, momentum=0.9)), seasonal(), EPOCHS),
    "no_learning": (forecaster, seasonal(_shuffled), EPOCHS),
    "dead_units": (
        lambda: forecaster(unit_forget_bias=False, bias_initializer=keras.initializers.Constant(-8.0)),
        seasonal(),
        EPOCHS,
    ),
    "saturated": (forecaster, seasonal(lambda x, y, rng: (1000 * x, y)), EPOCHS),
    "vanishing": (_without_memory, _first_item(40), EPOCHS),
    "frozen": (_behind_a_dead_layer, seasonal(), EPOCHS),
    "initial_variance": (
        lambda: forecaster(kernel_initializer=keras.initializers.RandomNormal(stddev=10.0)),
        seasonal(),
        EPOCHS,
    ),
    "update_ratio": (lambda: forecaster(keras.optimizers.Adam(1.0)), seasonal(), EPOCHS),
    "oscillating": (lambda: forecaster(keras.optimizers.Adam(0.3)), seasonal(), 16),
    "overfitting": (_classifier((64, 64), rate=3e-3), _digits(150, wrong=0.3), 30),
    "validation_too_good": (forecaster, _easier, EPOCHS),
    "copies_last_input": (forecaster, seasonal(make=walk), EPOCHS),
    "underfitting": (lambda: forecaster(keras.optimizers.Adam(1e-3), units=4), seasonal(), 8),
    "overtrained": (lambda: forecaster(cell="gru"), seasonal(make=lambda rng, days: season(rng, days, noise=1.0)), 40),
    "spectral_radius": (
        lambda: forecaster(cell="simple_rnn", recurrent_initializer=keras.initializers.Orthogonal(2.0)),
        seasonal(),
        EPOCHS,
    ),
}
HEALTHY = {
    "letters, SimpleRNN": (*_letters("abcde", 1, 3, "simple_rnn"), 150),
    "sales, LSTM": (*_sales(1, "lstm"), 60),
    "season, LSTM": (forecaster, seasonal(), 20),
    "adding, LSTM": (_sequence(20, 2, 1, "lstm"), _adding(20, 1500), 12),
    "words, LSTM": (*_words((24,)), 10),
    "digits, Dense": (_classifier((32, 32)), _digits(1200), 12),
}
# Of these thresholds know nothing.
HELD_OUT = {
    "letters, GRU": (*_letters("abcdefgh", 2, 8, "gru", 0.02), 100),
    "sales, GRU, three months": (*_sales(3, "gru"), 60),
    "adding, GRU": (_sequence(16, 2, 1, "gru"), _adding(16, 1500), 12),
    "first item, GRU": (_sequence(15, 3, 2, "gru", loss="sparse_categorical_crossentropy"), _first_item(15), 12),
    "words, two LSTM": (*_words((16, 16)), 12),
    "digits, larger Dense": (_classifier((64, 64)), _digits(1000), 10),
    "digits, one epoch": (_classifier((64, 64), rate=3e-3), _digits(1200), 1),
}


def examine(build, parts, epochs, seeds, folder):
    """Train at each seed and give what is found, a list a seed."""
    model = build()
    found = []
    for seed in seeds:
        (x, y), validation = parts(seed)
        models.start_over(model, seed)
        probe = (x[:32], y[:32]) if inspection.layers(model) else None
        run = pathlib.Path(folder, str(seed))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)  # that gradients are NaN is what is looked for
            watching = [*callbacks.observe(run, probe, pictures=False), callbacks.HealthCheck(run, probe)]
            batches = data.batches(x, y, seed=seed, validation=validation)
            model.fit(**batches, epochs=epochs, verbose=0, callbacks=watching)
        found.append(diagnosis.diagnose(diagnosis.read(run)))
    keras.backend.clear_session()
    return found


def main():
    """Train, judge, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="one seed")
    parser.add_argument("--tune", action="store_true", help="the runs that thresholds were chosen on")
    parser.add_argument("--only", nargs="+", default=(), metavar="NAME", help="runs whose names begin so")
    parser.add_argument("--json", type=pathlib.Path, help="write all findings to this file")
    arguments = parser.parse_args()
    seeds = (TUNING_SEEDS if arguments.tune else REPORTED_SEEDS)[: 1 if arguments.quick else None]
    healthy = HEALTHY if arguments.tune else HEALTHY | HELD_OUT
    chosen = [name for name in (*SICK, *healthy) if not arguments.only or name.startswith(tuple(arguments.only))]
    everything, hits, alarms, count = {}, {}, {}, 0
    quiet_tell, _console.tell = _console.tell, lambda text: None
    for name in chosen:
        build, parts, epochs = SICK.get(name) or healthy[name]
        with tempfile.TemporaryDirectory() as folder:
            found = examine(build, parts, epochs, seeds, folder)
        everything[name] = [[{**vars(one)} for one in findings] for findings in found]
        rules = [{one.rule for one in findings} for findings in found]
        if name in SICK:
            hits[name] = sum(name in one for one in rules)
        else:
            count += len(seeds)
            for findings in found:
                for rule in {one.rule for one in findings if one.severity != "note" or RULES[one.rule].only_notes}:
                    alarms[rule] = alarms.get(rule, 0) + 1
        said = [" ".join(f"{one.severity[0]}:{one.rule}" for one in findings) or "-" for findings in found]
        print(
            f"{name:26} {'healthy' if name not in SICK else f'{hits[name]}/{len(seeds)}':8} {' | '.join(said)}",
            flush=True,
        )
    _console.tell = quiet_tell
    print(f"\n{'rule':22}{'hits':>8}{'false alarms in healthy runs':>32}")
    for rule in RULES:
        shown = f"{hits[rule]}/{len(seeds)}" if rule in hits else "-"
        print(f"{rule:22}{shown:>8}{f'{alarms.get(rule, 0)}/{count}':>32}")
    if arguments.json:
        arguments.json.write_text(json.dumps(everything, indent=1, default=float))


if __name__ == "__main__":
    main()
