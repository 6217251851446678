"""Scalars: what Keras' own TensorBoard callback writes, in the same places, at the same steps."""

import keras
import numpy as np
import pytest
from keras import layers

from rnn_tutorial.callbacks import observe, runs
from rnn_tutorial.callbacks.scalars import Scalars

_RANDOM = np.random.default_rng(0)
X = _RANDOM.normal(size=(24, 3)).astype("float32")
Y = _RANDOM.normal(size=(24, 1)).astype("float32")
VALIDATION = (X[:7] + 1, Y[:7])


def network(optimizer="sgd", **compiled):
    keras.utils.set_random_seed(1)
    model = keras.Sequential([keras.Input((3,)), layers.Dense(2, name="hidden"), layers.Dense(1, name="head")])
    model.compile(**{"optimizer": optimizer, "loss": "mse", "metrics": ["mae"], **compiled})
    return model


def two_outputs():
    inputs = keras.Input((3,))
    model = keras.Model(inputs, {name: layers.Dense(1, name=name)(inputs) for name in ("first", "second")})
    model.compile("sgd", {"first": "mse", "second": "mae"}, metrics={"second": ["mse"]})
    return model


def two_optimizers():
    model = network()
    if not hasattr(keras.optimizers, "MultiOptimizer"):
        pytest.skip("this version of Keras has no MultiOptimizer")
    optimizers = keras.optimizers.OptimizerMap(keras.optimizers.SGD(0.1, name="fast"))
    optimizers[".*head.*"] = keras.optimizers.SGD(0.01, name="slow")
    model.compile(keras.optimizers.MultiOptimizer(optimizers), "mse")
    return model


def falling(epoch, rate):
    return rate / (1 + epoch)


def patience():
    # So large that no epoch is better: the rate falls after each.
    return keras.callbacks.ReduceLROnPlateau("loss", patience=0, min_delta=1e9)


def decay():
    return keras.optimizers.SGD(keras.optimizers.schedules.ExponentialDecay(0.1, 3, 0.5))


BOTH = {"first": Y, "second": Y}
# Name -> the model, callbacks before the two that are compared, callbacks behind them, arguments of `fit`.
CASES = {
    "plain": (network, [], [], {}),
    "metrics and validation": (network, [], [], {"validation_data": VALIDATION}),
    "validation_split": (network, [], [], {"validation_split": 0.25}),
    "validation in every second epoch": (network, [], [], {"validation_data": VALIDATION, "validation_freq": 2}),
    "later epochs": (network, [], [], {"initial_epoch": 4, "epochs": 7, "validation_data": VALIDATION}),
    "schedule": (lambda: network(decay()), [], [], {}),
    "scheduler before": (network, [lambda: keras.callbacks.LearningRateScheduler(falling)], [], {}),
    "scheduler behind": (network, [], [lambda: keras.callbacks.LearningRateScheduler(falling)], {}),
    "plateau before": (network, [patience], [], {}),
    "plateau behind": (network, [], [patience], {}),
    "two outputs": (two_outputs, [], [], {"y": BOTH, "validation_data": (X[:7], dict.fromkeys(BOTH, Y[:7]))}),
    "two optimizers": (two_optimizers, [], [], {"validation_data": VALIDATION}),
    "loss scaling": (
        lambda: network(keras.optimizers.LossScaleOptimizer(keras.optimizers.Adam())),
        [],
        [],
        {"validation_split": 0.25},
    ),
    "accumulation": (
        lambda: network(keras.optimizers.SGD(0.1, gradient_accumulation_steps=2)),
        [],
        [],
        {"validation_data": VALIDATION},
    ),
    "steps_per_execution": (lambda: network(steps_per_execution=2), [], [], {"validation_data": VALIDATION}),
    "stopped early": (network, [], [lambda: keras.callbacks.EarlyStopping("loss", min_delta=1e9)], {}),
}


@pytest.fixture(scope="module")
def scalars(read_events):
    """Folder of a run -> {part: {tag: (plugin, {step: (dtype, number)})}}, of all event files together."""
    import tensorflow as tf

    def read(folder):
        found = {}
        for path in sorted(folder.glob("*/*tfevents*")):
            tags = found.setdefault(path.parent.name, {})
            for event in read_events(path):
                for value in event.summary.value:
                    _, steps = tags.setdefault(value.tag, (value.metadata.plugin_data.plugin_name, {}))
                    steps[event.step] = tf.make_ndarray(value.tensor)
        return {
            part: {
                tag: (plugin, {step: (array.dtype.name, array.item()) for step, array in steps.items()})
                for tag, (plugin, steps) in tags.items()
            }
            for part, tags in found.items()
            if tags
        }

    return read


@pytest.mark.parametrize("case", CASES)
def test_keras_own_files_hold_the_same(tmp_path, scalars, case):
    make, before, behind, arguments = CASES[case]
    keras_own = keras.callbacks.TensorBoard(tmp_path / "keras", write_graph=False)
    watching = [*(make_one() for make_one in before), keras_own, Scalars(tmp_path / "ours")]
    watching += [make_one() for make_one in behind]
    make().fit(X, **{"y": Y, "batch_size": 8, "epochs": 3, "verbose": 0, "callbacks": watching, **arguments})
    ours = scalars(tmp_path / "ours")
    assert ours == scalars(tmp_path / "keras")
    assert set(ours) == ({"train", "validation"} if any("validation" in name for name in arguments) else {"train"})
    rates = [tag for tag in ours["train"] if tag.startswith("epoch_learning_rate")]
    assert sorted(rates) == (
        ["epoch_learning_rate_fast", "epoch_learning_rate_slow"]
        if case == "two optimizers"
        else ["epoch_learning_rate"]
    )


@pytest.mark.parametrize("arguments", [{}, {"validation_data": VALIDATION}], ids=["no validation", "validation"])
@pytest.mark.parametrize("are_new", [False, True], ids=["the same callback", "a new one"])
def test_evaluate_after_training(tmp_path, scalars, open_event_files, read_values, arguments, are_new):
    model = network()
    keras_own, ours = keras.callbacks.TensorBoard(tmp_path / "keras", write_graph=False), Scalars(tmp_path / "ours")
    model.fit(X, Y, batch_size=8, epochs=2, verbose=0, callbacks=[keras_own, ours], **arguments)
    if are_new:
        ours = Scalars(tmp_path / "ours")
    for _ in range(2):
        model.evaluate(*VALIDATION, verbose=0, callbacks=[keras_own, ours])
    found = scalars(tmp_path / "ours")
    assert found == scalars(tmp_path / "keras")
    assert list(found["validation"]["evaluation_loss_vs_iterations"][1]) == ([3, 6] if arguments else [6])
    (path,) = (tmp_path / "ours" / "validation").iterdir()
    read_values(path)  # which refuses one step twice
    assert open_event_files(tmp_path / "ours") == []


def test_evaluate_without_training_writes_nothing(tmp_path):
    network().evaluate(*VALIDATION, verbose=0, callbacks=observe(tmp_path / "run"))
    assert list(tmp_path.iterdir()) == []


def test_a_learning_rate_that_cannot_be_read_leaves_the_losses(tmp_path, monkeypatch, recorded_warnings, scalars):
    class Unreadable(keras.optimizers.SGD):
        @property
        def learning_rate(self):
            raise RuntimeError("no rate")

    model = network()
    ours = Scalars(tmp_path / "run")
    swap = keras.callbacks.LambdaCallback(
        on_epoch_end=lambda epoch, logs: monkeypatch.setattr(
            type(model.optimizer), "learning_rate", Unreadable.learning_rate
        )
    )
    restore = keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: monkeypatch.undo())
    with recorded_warnings() as caught:
        model.fit(X, Y, epochs=3, verbose=0, callbacks=[swap, ours, restore])
    found = scalars(tmp_path / "run")["train"]
    assert list(found["epoch_loss"][1]) == [0, 1, 2]
    assert "epoch_learning_rate" not in found
    (message,) = [str(one.message) for one in caught]
    assert message == "Scalars leaves out the learning rate: RuntimeError: no rate"


def test_jax_needs_no_tensorflow(tmp_path, run_python):
    printed = run_python(
        """
        import sys
        import keras
        import numpy as np
        from rnn_tutorial.callbacks import observe, runs

        model = keras.Sequential([keras.Input((4, 2)), keras.layers.SimpleRNN(2), keras.layers.Dense(1)])
        model.compile("adam", "mse", metrics=["mae"])
        x, y = np.ones((8, 4, 2), "float32"), np.ones((8, 1), "float32")
        watching = observe(sys.argv[1], probe=(x[:2], y[:2]))
        model.fit(x, y, epochs=2, verbose=0, validation_data=(x, y), callbacks=watching)
        print([name for name in ("tensorflow", "torch") if name in sys.modules])
        """,
        tmp_path / "run",
        KERAS_BACKEND="jax",
    )
    assert printed.splitlines()[-1] == "[]"
    assert {path.name for path in (tmp_path / "run").iterdir()} >= {"train", "validation", "curves.png"}


def test_an_evaluation_whose_run_cannot_be_opened_again_ends_all_the_same(tmp_path, monkeypatch, recorded_warnings):
    def fail(*_):
        raise ZeroDivisionError("on purpose")

    model, watching = network(), [Scalars(tmp_path / "run")]
    model.fit(X, Y, verbose=0, callbacks=watching)
    monkeypatch.setattr(runs, "reopen", fail)
    with recorded_warnings() as caught:
        assert len(model.evaluate(X, Y, verbose=0, callbacks=watching)) == 2
    (warning,) = caught
    assert "Scalars stops looking: ZeroDivisionError: on purpose" in str(warning.message)
