"""What is touched of Keras and is no documented API is still as it was seen; where it is not, its test says what."""

import ast
import pathlib

import keras
import numpy as np
import pytest
from keras import layers, optimizers

import rnn_tutorial
from rnn_tutorial.inspection import keras_internals

PACKAGE = pathlib.Path(rnn_tutorial.__file__).parent
X = np.random.default_rng(0).normal(size=(8, 2)).astype("float32")
Y = X.sum(axis=1, keepdims=True)


def trained(optimizer="sgd", **options):
    model = keras.Sequential([keras.Input((2,)), layers.Dense(1, name="dense")])
    model.compile(optimizer, "mse", **options)
    return model


def check_flatten_layers():
    inner = keras.Sequential([keras.Input((2,)), layers.Dense(1)])
    model = keras.Sequential([keras.Input((2,)), inner])
    found = {id(layer) for layer in keras_internals.flatten_layers(model)}
    assert {id(model), id(inner), id(inner.layers[0])} <= found


def check_train_function():
    model = trained()
    assert keras_internals.train_function(model) is None
    model.train_on_batch(X, Y)
    assert callable(keras_internals.train_function(model))
    model.compile("sgd", "mse")
    assert keras_internals.train_function(model) is None


def check_ensure_train_function():
    model = trained()
    keras_internals.ensure_train_function(model)
    made = keras_internals.train_function(model)
    keras_internals.ensure_train_function(model)
    assert callable(made)
    assert keras_internals.train_function(model) is made


def check_set_train_function():
    model, calls = trained(), []
    keras_internals.ensure_train_function(model)
    own = keras_internals.train_function(model)

    def counted(*arguments):
        calls.append(len(arguments))
        return own(*arguments)

    keras_internals.set_train_function(model, counted)
    model.train_on_batch(X, Y)
    model.fit(X, Y, batch_size=4, verbose=0)
    assert len(calls) == 3
    assert keras_internals.train_function(model) is counted


def check_steps_per_execution():
    assert keras_internals.steps_per_execution(trained(steps_per_execution=2)) == 2


def check_make_new_train_function():
    model, traced = trained(), []
    model.train_on_batch(X, Y)
    present, step = keras_internals.train_function(model), model.train_step

    def train_step(*arguments):
        traced.append(len(arguments))
        return step(*arguments)

    new = keras_internals.make_new_train_function(model, train_step)
    assert keras_internals.train_function(model) is present
    assert "train_step" not in vars(model)
    keras_internals.set_train_function(model, new)
    before = model.get_weights()[0]
    model.train_on_batch(X, Y)
    assert traced
    assert (model.get_weights()[0] != before).any()


def check_tell_of_train_functions():
    model, told = trained(), []
    own = model.make_train_function
    ends = [keras_internals.tell_of_train_functions(model, lambda name=name: told.append(name)) for name in "ab"]
    model.fit(X, Y, verbose=0)
    model.train_on_batch(X, Y)
    assert told == ["a", "b", "a", "b"]
    keras_internals.ensure_train_function(model)  # by the model's own method, which tells nobody
    assert told == ["a", "b", "a", "b"]
    for end in ends:
        end()
    assert "make_train_function" not in vars(model)
    assert model.make_train_function == own


def check_tell_of_steps():
    model, events = trained(), []

    def log(name):
        return lambda batch, logs=None: events.append(name)

    callback = keras.callbacks.LambdaCallback(on_train_batch_begin=log("begin"), on_train_batch_end=log("end"))
    callbacks = keras.callbacks.CallbackList([callback], add_history=True, model=model)
    end = keras_internals.tell_of_steps(callbacks, lambda: events.append("told"))
    model.fit(X, Y, batch_size=4, verbose=0, callbacks=callbacks)
    assert events == ["begin", "told", "end"] * 2
    end()
    assert "on_train_batch_begin" not in vars(callbacks)


def check_put_back():
    layer = layers.Dense(1)
    layer.own = layer.other = 1
    layer.own = 2
    keras_internals.put_back([(layer, "own", 1), (layer, "other", None)])
    assert layer.own == 1
    assert not hasattr(layer, "other")


def check_trained_by():
    model = trained()
    model.train_on_batch(X, Y)
    assert list(map(id, keras_internals.trained_by(model.optimizer))) == list(map(id, model.trainable_variables))


def check_accumulated():
    model = trained(optimizers.SGD(gradient_accumulation_steps=2))
    model.train_on_batch(X, Y)
    kernel, bias = model.trainable_variables
    sums = keras_internals.accumulated(model.optimizer, [bias, kernel])
    assert [tuple(one.shape) for one in sums] == [(1,), (2, 1)]
    assert all(np.any(keras.ops.convert_to_numpy(one.value)) for one in sums)


def check_calls():
    model = trained(optimizers.SGD(gradient_accumulation_steps=2))
    for _ in range(3):
        model.train_on_batch(X, Y)
    assert int(keras_internals.calls(model.optimizer).value) == 3
    assert int(model.optimizer.iterations) == 1


def check_build():
    by_apply, by_us = (optimizers.Adam(name="mine") for _ in range(2))
    model = trained(by_apply)
    model.train_on_batch(X, Y)
    keras_internals.build(by_us, model.trainable_variables)
    assert by_us.built
    assert [one.path for one in by_us.variables] == [one.path for one in by_apply.variables]


def check_is_overwritten():
    variable = keras.Variable(0.0)
    assert not keras_internals.is_overwritten(variable)
    variable.overwrite_with_gradient = True
    assert keras_internals.is_overwritten(variable)


def check_tracked():
    optimizer, ours = optimizers.SGD(), [keras.Variable(0.0), keras.Variable(1.0)]
    before = list(map(id, optimizer.variables))
    with keras_internals.tracked(optimizer, ours):
        assert list(map(id, optimizer.variables)) == [*before, *map(id, ours)]
    assert list(map(id, optimizer.variables)) == before


def check_untracked():
    optimizer, ours = optimizers.SGD(), [keras.Variable(0.0)]
    before = list(map(id, optimizer.variables))
    with keras_internals.tracked(optimizer, ours):
        with keras_internals.untracked(optimizer, ours):
            assert list(map(id, optimizer.variables)) == before
        assert list(map(id, optimizer.variables)) == [*before, *map(id, ours)]


def check_stateless_scope():
    assert keras_internals.stateless_scope() is None
    with keras.StatelessScope() as scope:
        assert keras_internals.stateless_scope() is scope


CHECKS = {name.removeprefix("check_"): check for name, check in list(globals().items()) if name.startswith("check_")}
# These are looked for in a program on the one backend that has them.
ON_ONE_BACKEND = {"strategy", "sync_jax_state"}


def is_as_seen(name):
    """Run a check; where it fails, say what of Keras has changed."""
    try:
        CHECKS[name]()
    except Exception as error:
        seen = getattr(keras_internals, name).__doc__.split("Seen ")[-1].split("\n\n")[0]
        told = f"Keras {keras.__version__} has changed what keras_internals.{name} touches"
        pytest.fail(f"{told}, seen {' '.join(seen.split())} Now: {error!r}")


@pytest.mark.parametrize("name", CHECKS)
def test_keras_is_as_it_was_seen(name):
    is_as_seen(name)


@pytest.mark.parametrize(
    ("owner", "attribute", "name"),
    [
        (layers.Layer, "_flatten_layers", "flatten_layers"),
        (keras.Model, "make_train_function", "ensure_train_function"),
        (keras.Model, "make_train_function", "make_new_train_function"),
        (optimizers.Optimizer, "_track_variable", "tracked"),
        (optimizers.Optimizer, "_untrack_variable", "tracked"),
        (optimizers.Optimizer, "_get_variable_index", "accumulated"),
        (keras.callbacks.CallbackList, "on_train_batch_begin", "tell_of_steps"),
    ],
)
def test_a_change_is_told(monkeypatch, owner, attribute, name):
    holder = next(cls for cls in owner.__mro__ if attribute in vars(cls))
    monkeypatch.delattr(holder, attribute)
    with pytest.raises(
        pytest.fail.Exception, match=rf"has changed what keras_internals\.{name} touches, seen in Keras"
    ):
        is_as_seen(name)


def test_keras_on_tensorflow_is_as_it_was_seen(run_python):
    run_python(
        """
        import keras, tensorflow as tf
        from rnn_tutorial.inspection import keras_internals
        seen = "Keras has changed Model.distribute_strategy, see keras_internals.strategy"
        model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
        assert keras_internals.strategy(model).num_replicas_in_sync == 1, seen
        strategy = tf.distribute.MirroredStrategy(["CPU:0"])
        with strategy.scope():
            model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
        assert keras_internals.strategy(model) is strategy, seen
        """,
        KERAS_BACKEND="tensorflow",
    )


def test_keras_on_jax_is_as_it_was_seen(run_python):
    run_python(
        """
        import keras, numpy as np
        from rnn_tutorial.inspection import keras_internals

        model = keras.Sequential([keras.Input((2,)), keras.layers.BatchNormalization(), keras.layers.Dense(1)])
        model.compile("adam", "mse", metrics=["mae"])
        x, y = np.ones((8, 2), "float32"), np.ones((8, 1), "float32")
        model.train_on_batch(x, y)
        lists = model.trainable_variables, model.non_trainable_variables, model.optimizer.variables
        sizes = [*map(len, lists), len(model.metrics_variables)]
        own, taken = keras_internals.train_function(model), []

        def checked(state, iterator):
            assert [len(part) for part in state] == sizes, "Keras has changed the state of JAX' train function"
            kernel = state[0][0]
            logs, new = own(state, iterator)
            assert [len(part) for part in new] == sizes, "Keras has changed the state of JAX' train function"
            taken.append(kernel.is_deleted())
            return logs, new

        def see(batch, logs):
            keras_internals.sync_jax_state(model)
            values.append(np.array(model.trainable_variables[-1].value))

        keras_internals.set_train_function(model, checked)
        values = [model.get_weights()[-1]]
        seen = keras.callbacks.LambdaCallback(on_train_batch_end=see)
        model.fit(x, y, batch_size=4, verbose=0, callbacks=[seen])
        assert taken == [True, True], "Keras' train function on JAX takes its arguments over no more"
        assert len({value.tobytes() for value in values}) >= 2, "Keras has changed Model.jax_state_sync"
        """,
        KERAS_BACKEND="jax",
        JAX_DISABLE_MOST_OPTIMIZATIONS="0",
    )


def test_everything_has_a_check():
    part = (PACKAGE / "inspection" / "keras_internals.py").read_text().split("\n# Recurrent layers\n")[0]
    functions = {node.name for node in ast.parse(part).body if isinstance(node, ast.FunctionDef)}
    assert {name for name in functions if not name.startswith("_")} == set(CHECKS) | ON_ONE_BACKEND
    for name in set(CHECKS) - {"put_back"}:  # which touches nothing of Keras
        assert "Seen " in getattr(keras_internals, name).__doc__, name


# What is no documented API and has no underscore.
UNDOCUMENTED = {"train_function", "make_train_function", "steps_per_execution", "jax_state_sync"}
UNDOCUMENTED |= {"distribute_strategy", "overwrite_with_gradient"}
# {file: what is private there of TensorFlow, of Python, or of another object of the same class}
OTHERS = {"tensorflow.py": {"_clone", "_registry"}, "fit_end.py": {"_getframe"}, "fit.py": {"_members"}}


@pytest.mark.parametrize("room", ["backend", "inspection", "callbacks", "drawing", "forecasting"])
def test_nothing_private_is_touched_elsewhere(room):
    touched = set()
    for path in sorted((PACKAGE / room).rglob("*.py")):
        if path.name == "keras_internals.py":
            continue
        allowed = OTHERS.get(path.name, set())
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Attribute):
                name, of = node.attr, ast.unparse(node.value)
                is_private = name.startswith("_") and not name.startswith("__") and of not in ("self", "cls")
                is_undocumented = name in UNDOCUMENTED and of != "keras_internals"
                if (is_private or is_undocumented) and name not in allowed:
                    touched.add((path.name, name))
            elif isinstance(node, ast.Constant) and node.value in UNDOCUMENTED:
                touched.add((path.name, node.value))
            elif isinstance(node, (ast.Import, ast.ImportFrom)) and "keras.src" in ast.unparse(node):
                touched.add((path.name, ast.unparse(node)))
    assert touched == set()
