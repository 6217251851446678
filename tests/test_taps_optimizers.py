"""Taps on every way to train: after other training, with several optimizers, with new train functions."""

import keras
import numpy as np
import pytest
from keras import layers, optimizers

from rnn_tutorial import backend, inspection
from rnn_tutorial.callbacks import GradientHistograms
from rnn_tutorial.inspection.gradients import update
from rnn_tutorial.inspection.gradients.optimizers import Wrapped
from rnn_tutorial.inspection.gradients.recorder import Recorder
from rnn_tutorial.inspection.gradients.train_function import TrainFunction

RNG = np.random.default_rng(0)
X = RNG.normal(size=(8, 5)).astype("float32")
Y = X.sum(axis=1, keepdims=True)


def make_dense():
    keras.utils.clear_session()
    keras.utils.set_random_seed(1)
    return keras.Sequential([keras.Input((5,)), layers.Dense(2, name="first"), layers.Dense(1, name="second")])


@pytest.fixture
def dense():
    """Two layers, `first` and `second`, not compiled."""
    return make_dense()


@pytest.fixture(scope="module")
def bare_losses():
    """The losses of two epochs of `dense`, Adam, batches of 2."""
    model = make_dense()
    model.compile("adam", "mse")
    return model.fit(X, Y, batch_size=2, epochs=2, verbose=0).history["loss"]


def arrays(variables):
    return [np.array(keras.ops.convert_to_numpy(variable)) for variable in variables]


def norm(parts):
    return np.sqrt(sum((np.asarray(part, "float64") ** 2).sum() for part in parts))


def train_by(way, model, batch_size=4):
    if way == "fit":
        model.fit(X, Y, batch_size=batch_size, shuffle=False, verbose=0)
    elif way == "train_on_batch":
        for start in range(0, len(X), batch_size):
            model.train_on_batch(X[start : start + batch_size], Y[start : start + batch_size])


def moves(model, batch_size=4):
    """{weight: how far each batch moves it}: with SGD and a learning rate of 1 that is its gradient."""
    moved = {name: [] for name in ("first/kernel", "first/bias", "second/kernel", "second/bias")}
    for start in range(0, len(X), batch_size):
        before = arrays(model.trainable_variables)
        model.train_on_batch(X[start : start + batch_size], Y[start : start + batch_size])
        for steps, old, new in zip(moved.values(), before, arrays(model.trainable_variables), strict=True):
            steps.append(old - new)
    return moved


# What is seen of a model that was trained before.


@pytest.mark.parametrize("inside", ["fit", "train_on_batch"])
@pytest.mark.parametrize("before", ["not", "fit", "train_on_batch"])
def test_all_steps_inside_are_seen_and_none_after(dense, before, inside):
    dense.compile("sgd", "mse")
    train_by(before, dense)
    with inspection.tap_gradients(dense) as tap:
        train_by(inside, dense)
        assert tap.read().batches == 2
        ours = tap._recorder.variables
    filled = arrays(ours)
    train_by("fit", dense)
    train_by("train_on_batch", dense)
    for then, now in zip(filled, arrays(ours), strict=True):
        np.testing.assert_array_equal(then, now)
    assert tap.read().batches == 0
    assert "make_train_function" not in vars(dense)


def test_a_model_compiled_inside_is_followed(dense):
    dense.compile("sgd", "mse")
    with inspection.tap_gradients(dense) as tap:
        train_by("fit", dense)
        dense.compile(optimizers.SGD(0.1, clipnorm=1e-3), "mse")
        train_by("train_on_batch", dense)
        reading = tap.read()
    assert reading.batches == 4
    assert reading.clipped_batches == 2


def test_a_model_inside_that_is_trained_by_itself_is_another_training(dense):
    outer = keras.Sequential([keras.Input((5,)), dense])
    outer.compile("sgd", "mse")
    dense.compile("sgd", "mse")
    with inspection.tap_gradients(outer) as tap:
        train_by("fit", dense)
        assert tap.read().batches == 0
        train_by("fit", outer)
        assert tap.read().batches == 2
    assert all("apply" not in vars(model.optimizer) for model in (outer, dense))


# Optimizers that hold others.


def skip_without_multi_optimizer():
    if not hasattr(optimizers, "MultiOptimizer"):
        pytest.skip("this version of Keras has no MultiOptimizer")


def by_layer(first, second):
    skip_without_multi_optimizer()
    return optimizers.MultiOptimizer(optimizers.OptimizerMap(second, {".*first/.*": first}))


def by_function(first, second):
    skip_without_multi_optimizer()
    return optimizers.MultiOptimizer(lambda variable: first if "first/" in variable.path else second)


HOLDERS = {
    "by_layer": lambda: by_layer(optimizers.Adam(0.1), optimizers.SGD(0.1)),
    "by_function": lambda: by_function(optimizers.SGD(0.1, clipnorm=0.1), optimizers.Adam(0.1)),
    "scaled": lambda: optimizers.LossScaleOptimizer(
        by_layer(optimizers.Adam(0.1), optimizers.SGD(0.1, clipvalue=0.1)), initial_scale=2.0**8
    ),
    "scaled_by_function": lambda: optimizers.LossScaleOptimizer(
        by_function(optimizers.SGD(0.1), optimizers.SGD(0.1, momentum=0.9)), initial_scale=2.0**4
    ),
    "scaled_twice": lambda: optimizers.LossScaleOptimizer(
        optimizers.LossScaleOptimizer(optimizers.Adam(0.1), initial_scale=4.0), initial_scale=8.0
    ),
    "accumulation": lambda: by_layer(optimizers.Adam(0.1), optimizers.SGD(0.1, gradient_accumulation_steps=2)),
}


@pytest.mark.parametrize("way", ["callback", "with"])
@pytest.mark.parametrize("name", HOLDERS)
def test_optimizers_that_hold_others_do_the_same_when_bare(tmp_path, name, way):
    """Losses, weights and the optimizer's variables to the last bit, whether its inner optimizers are known or not."""
    ended = []
    for watched in (False, True):
        model = make_dense()
        model.compile(HOLDERS[name](), "mse")
        callbacks = [GradientHistograms(tmp_path)] if watched and way == "callback" else []
        tap = inspection.tap_gradients(model).open() if watched and way == "with" else None
        history = model.fit(X, Y, batch_size=2, epochs=3, verbose=0, callbacks=callbacks)
        if tap is not None:
            tap.close()
            assert tap.read().batches > 0
        ended.append([history.history["loss"], *arrays([*model.variables, *model.optimizer.variables])])
    assert len(ended[0]) == len(ended[1])
    for bare, looked_at in zip(*ended, strict=True):
        np.testing.assert_array_equal(bare, looked_at)


@pytest.mark.parametrize("hold", [by_layer, by_function])
@pytest.mark.parametrize("scaled", [False, True])
def test_an_update_by_several_optimizers_is_one(dense, hold, scaled):
    optimizer = hold(optimizers.SGD(1.0), optimizers.SGD(1.0))
    optimizer = optimizers.LossScaleOptimizer(optimizer, initial_scale=2.0**6) if scaled else optimizer
    dense.compile(optimizer, "mse")
    with inspection.tap_gradients(dense) as tap:
        moved = moves(dense)
        reading = tap.read()
    assert reading.batches == 2
    for name, steps in moved.items():
        assert reading.norm[name] == pytest.approx(np.mean([norm([step]) for step in steps]), rel=1e-4)
    together = [norm(steps) for steps in zip(*moved.values(), strict=True)]
    assert reading.norm["global"] == pytest.approx(np.mean(together), rel=1e-4)
    assert reading.clipped_batches is None


@pytest.mark.parametrize("scaled", [False, True])
def test_clipping_of_one_of_the_optimizers(dense, scaled):
    optimizer = by_layer(optimizers.SGD(1.0, global_clipnorm=0.5), optimizers.SGD(1.0))
    optimizer = optimizers.LossScaleOptimizer(optimizer, initial_scale=2.0**6) if scaled else optimizer
    dense.compile(optimizer, "mse")
    with inspection.tap_gradients(dense) as tap:
        moved = moves(dense)
        reading = tap.read()
    for name, steps in moved.items():
        assert reading.norm_clipped[name] == pytest.approx(np.mean([norm([step]) for step in steps]), rel=1e-4)
    together = [norm(steps) for steps in zip(*moved.values(), strict=True)]
    assert reading.norm_clipped["global"] == pytest.approx(np.mean(together), rel=1e-4)
    assert reading.clipped_batches == 2
    assert reading.norm["first/kernel"] > 0.5
    assert reading.norm["second/kernel"] == pytest.approx(reading.norm_clipped["second/kernel"])


@pytest.mark.parametrize("per_batch", [False, True])
def test_accumulation_of_one_of_the_optimizers(dense, per_batch):
    """Each weight at its own updates; all together over those that an update changes."""
    dense.compile(by_layer(optimizers.SGD(1.0), optimizers.SGD(1.0, gradient_accumulation_steps=2)), "mse")
    with inspection.tap_gradients(dense, per_batch=per_batch) as tap:
        moved = moves(dense, batch_size=2)
        reading = tap.read()
    assert reading.batches == 4
    assert [norm([step]) > 0 for step in moved["second/kernel"]] == [False, True, False, True]
    for name, steps in moved.items():
        updates = [norm([step]) for step in steps if name.startswith("first") or norm([step]) > 0]
        assert reading.norm[name] == pytest.approx(np.mean(updates), rel=1e-4)
        if per_batch:
            expected = [norm([step]) or np.nan for step in steps] if name.startswith("second") else updates
            np.testing.assert_allclose(reading.batch_norms[name], expected, rtol=1e-4)
    together = [norm(steps) for steps in zip(*moved.values(), strict=True)]
    assert reading.norm["global"] == pytest.approx(np.mean(together), rel=1e-4)


# What is written where an epoch has no update.


def test_an_epoch_without_an_update_has_no_point(tmp_path, dense, read_values, our_event_file, recorded_warnings):
    """Six batches accumulated, two batches an epoch: updates in epochs 2 and 5."""
    dense.compile(optimizers.SGD(0.1, gradient_accumulation_steps=6), "mse")
    with recorded_warnings() as caught:
        dense.fit(X, Y, batch_size=4, epochs=6, verbose=0, callbacks=[GradientHistograms(tmp_path)])
    values = read_values(our_event_file(tmp_path))
    assert not caught
    assert values["scalars"]["gradient_norm/global"].keys() == {2, 5}
    del values["scalars"]["update_ratio/first/bias"], values["scalars"]["update_ratio/second/bias"]  # zero before 2
    for kind in ("scalars", "histograms"):
        for steps in values[kind].values():
            assert steps.keys() == {2, 5}
            assert np.isfinite(list(steps.values())).all()


def test_an_optimizer_that_does_not_update_in_an_epoch_has_no_points_there(
    tmp_path, dense, read_values, our_event_file
):
    dense.compile(by_layer(optimizers.SGD(0.1), optimizers.SGD(0.1, gradient_accumulation_steps=4)), "mse")
    dense.fit(X, Y, batch_size=4, epochs=4, verbose=0, callbacks=[GradientHistograms(tmp_path)])
    values = read_values(our_event_file(tmp_path))
    for kind, name in (("scalars", "gradient_norm"), ("scalars", "nonfinite_batches"), ("histograms", "gradients")):
        assert values[kind][f"{name}/first/kernel"].keys() == {0, 1, 2, 3}
        assert values[kind][f"{name}/second/kernel"].keys() == {1, 3}


# What fails of ours leaves the step to Keras.


def fail(*_, **__):
    raise ZeroDivisionError("on purpose")


@pytest.mark.parametrize(
    ("part", "name"),
    [
        (TrainFunction, "_untraced"),
        (Recorder, "make_room"),
        (Recorder, "build"),
        (Recorder, "fill"),
        (Recorder, "take"),
        (Wrapped, "_wrap"),
        (Wrapped, "__enter__"),
        (Wrapped, "_looking_at"),
        (TrainFunction, "of"),
        (TrainFunction, "look_once"),
        (update, "before"),
        (update, "_record"),
        (backend, "place"),
        (backend, "apart"),
    ],
    ids=lambda value: getattr(value, "__name__", value),
)
def test_what_fails_of_ours_leaves_the_step_to_keras(
    tmp_path, monkeypatch, recorded_warnings, dense, bare_losses, part, name
):
    dense.compile("adam", "mse")
    monkeypatch.setattr(part, name, fail)
    with recorded_warnings() as caught:
        history = dense.fit(X, Y, batch_size=2, epochs=2, verbose=0, callbacks=[GradientHistograms(tmp_path)])
    monkeypatch.undo()
    assert history.history["loss"] == bare_losses
    (warning,) = caught
    assert "GradientHistograms stops looking" in str(warning.message)
    assert "on purpose" in str(warning.message)
    assert "apply" not in vars(dense.optimizer)
