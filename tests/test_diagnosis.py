"""The diagnosis: each rule on curves made by hand, runs read back from their files, and what a watched run is told.

Runs made sick on purpose are those of lesson 12, see test_lessons.py; many more at several seeds are measured by
`benchmarks/diagnosis.py`.
"""

import dataclasses
import json
import math
import os
import random
import re
import socket
import struct

import keras
import numpy as np
import pytest
from tensorboard.backend.event_processing import event_file_loader
from tensorboard.compat.proto import event_pb2, summary_pb2, tensor_pb2, types_pb2
from tensorboard.summary.writer import record_writer

from rnn_tutorial import callbacks, cli, diagnosis, recording
from rnn_tutorial.callbacks import HealthCheck, health
from rnn_tutorial.diagnosis import facts
from rnn_tutorial.diagnosis.rules.loss import SHORTER_STEPS
from rnn_tutorial.inspection import recurrent
from rnn_tutorial.recording import events, histograms, schema

NAN = float("nan")


def curve(*values):
    return dict(enumerate(values))


def table(values):
    return histograms.count(np.asarray(values, dtype="float64"))[0]


FALLING = curve(1.0, 0.6, 0.4, 0.3, 0.25, 0.22, 0.2, 0.19, 0.18, 0.17, 0.17, 0.17)
FLAT = curve(*[1.0 - 0.002 * epoch for epoch in range(12)])
RANDOM = np.random.default_rng(0)
KERNEL = RANDOM.uniform(-0.3, 0.3, (16, 64))

# Rule, arguments that are sick, the severity, arguments that are not, and a threshold that turns the first into the
# second.
CASES = {
    "nan": (diagnosis.nan, ({**FALLING, 12: NAN},), "severe", (FALLING,), {}),
    "nan in gradients, got over": (
        diagnosis.nan,
        (FALLING, curve(0, 3, *[0] * 10)),
        "warning",
        (FALLING, curve(0, 0)),
        {},
    ),
    "exploding loss": (
        diagnosis.exploding,
        (curve(1, 2, 50, 1e6),),
        "severe",
        (curve(1, 1.5, 0.5),),
        {"loss_growth": 1e7},
    ),
    "exploding gradient": (
        diagnosis.exploding,
        (FALLING, curve(1, 1, 1, 500, 1)),
        "warning",
        (FALLING, curve(1, 5, 20)),
        {"norm_growth": 1000},
    ),
    "exploding gradient, clipped": (
        diagnosis.exploding,
        (FALLING, curve(1, 1, 500), curve(0, 0, 3)),
        "note",
        (FALLING,),
        {},
    ),
    "vanishing": (
        diagnosis.vanishing,
        (curve(1e-2, 1e-6, 1e-6, 1e-6), np.geomspace(1e-6, 1, 20), 0.05),
        "warning",
        (curve(1e-6, 0.1, 0.1, 0.1),),
        {"threshold": 1e-7},
    ),
    "vanishing, learned all the same": (diagnosis.vanishing, (curve(1e-6), None, 0.8), "note", (curve(1.0),), {}),
    "no_learning": (diagnosis.no_learning, (FLAT,), "severe", (FALLING,), {"least_fall": 0.01}),
    "no_learning, a little": (
        diagnosis.no_learning,
        (curve(1, 0.95, 0.94, 0.94, 0.94),),
        "warning",
        (FLAT, curve(0.3)),
        {},
    ),
    "oscillating": (
        diagnosis.oscillating,
        (curve(1, 0.5, 0.9, 0.4, 0.8, 0.4, 0.9, 0.4, 0.8, 0.5, 0.9, 0.4),),
        "warning",
        (FALLING,),
        {"rise": 2.0},
    ),
    "overfitting": (
        diagnosis.overfitting,
        (FALLING, curve(1, 0.7, 0.5, 0.5, 0.55, 0.6, 0.65, 0.7, 0.75, 0.8, 0.85, 0.9)),
        "warning",
        (FALLING, FALLING),
        {"worse": 1.0},
    ),
    "underfitting": (
        diagnosis.underfitting,
        (curve(1.0, 0.96, 0.92, 0.88, 0.84, 0.8),),
        "note",
        (FALLING,),
        {"still": 0.9},
    ),
    "saturated": (
        diagnosis.saturated,
        ({"input": curve(1, 1, 1), "candidate": curve(0.95, 1, 1), "output": curve(0, 0, 0)},),
        "warning",
        ({"input": curve(0, 0.1, 0.5), "candidate": curve(0, 0, 0.2)},),
        {"share": 1.1},
    ),
    "saturated, all": (
        diagnosis.saturated,
        ({"update": curve(1, 1), "candidate": curve(1, 1)},),
        "severe",
        ({"update": curve(0, 0)},),
        {},
    ),
    "saturated, one gate on purpose": (
        diagnosis.saturated,
        ({"forget": curve(1, 1), "candidate": curve(0, 0)},),
        "note",
        ({},),
        {},
    ),
    "saturated in the end": (
        diagnosis.saturated,
        ({"hidden": curve(0, 0, 0, 1, 1)},),
        "note",
        ({"hidden": curve(0)},),
        {},
    ),
    "dead_units": (diagnosis.dead_units, (np.full((8, 5), 1e-8),), "severe", (KERNEL,), {"smallest": 1e-9}),
    "dead_units, some": (
        diagnosis.dead_units,
        (np.repeat([[0.0], [0.5]], 4, axis=0) * np.ones(5),),
        "warning",
        (np.full((4, 3), NAN),),
        {"share": 0.6},
    ),
    "spectral_radius": (diagnosis.spectral_radius, (curve(1.0, 2.5),), "note", (curve(2.5, 1.0),), {"high": 3.0}),
    "spectral_radius, small": (diagnosis.spectral_radius, (curve(0.1),), "note", (curve(1.0),), {"low": 0.05}),
    "update_ratio, long": (diagnosis.update_ratio, (curve(2, 2, 2, 2),), "warning", (curve(1e-3, 1e-3),), {"high": 3}),
    "update_ratio, short": (
        diagnosis.update_ratio,
        (curve(1e-8, 1e-8), 0.0),
        "warning",
        (curve(1e-8), 0.9),
        {"low": 1e-9},
    ),
    "frozen": (diagnosis.frozen, (curve(0, 0, 0),), "warning", (curve(0, 1e-5),), {}),
    "frozen at zero": (diagnosis.frozen, ({}, curve(table(np.zeros(9)))), "severe", ({}, curve(table(KERNEL))), {}),
    "frozen, not trained": (
        diagnosis.frozen,
        ({}, curve(table(KERNEL), table(KERNEL))),
        "note",
        ({}, curve(table(KERNEL), table(2 * KERNEL))),
        {},
    ),
    "initial_variance": (
        diagnosis.initial_variance,
        (table(50 * KERNEL),),
        "warning",
        (table(KERNEL),),
        {"factor": 500},
    ),
    "initial_variance, small": (
        diagnosis.initial_variance,
        (table(KERNEL / 1e4),),
        "warning",
        (table(np.zeros(9)),),
        {},
    ),
    "overtrained": (
        diagnosis.overtrained,
        (curve(1, 0.5, 0.4, *[0.41] * 9),),
        "note",
        (FALLING,),
        {"least_epochs": 20},
    ),
    "validation_too_good": (
        diagnosis.validation_too_good,
        (FALLING, {epoch: value / 5 for epoch, value in FALLING.items()}),
        "warning",
        (FALLING, FALLING),
        {"ratio": 0.1},
    ),
    "copies_last_input": (
        diagnosis.copies_last_input,
        (curve(0.1, 0.8, 0.9),),
        "warning",
        (curve(0.1),),
        {"threshold": 0.95},
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_a_rule_on_curves_made_by_hand(name):
    rule, sick, severity, healthy, threshold = CASES[name]
    finding = rule(*sick)
    assert finding.severity == severity
    assert finding.rule == rule.__name__ == name.split(",")[0].split()[0]
    assert finding.cause.endswith(".")
    assert finding.advice.endswith(".")
    assert all(math.isfinite(number) or number != number for number in finding.numbers.values())
    assert rule(*healthy) is None
    if threshold:
        assert rule(*sick, **threshold) is None


def test_jumps_of_next_to_nothing_are_no_oscillation():
    """The loss of a solved task doubles and halves from epoch to epoch, far below where it began."""
    small = [0.001, 0.002] * 6
    assert diagnosis.oscillating(curve(1.0, *small)) is None
    assert diagnosis.oscillating(curve(0.01, *small)).rule == "oscillating"


def test_every_rule_is_tested_and_has_a_source():
    assert {case[0].__name__ for case in CASES.values()} == set(diagnosis.RULES)
    for rule in diagnosis.RULES.values():
        assert any(word in rule.__doc__ for word in ("19", "20", "easured", "no threshold"))
    assert set(diagnosis.while_training()) < set(diagnosis.RULES)


def test_the_numbers_of_a_finding():
    """By hand: the epochs in which it shows, and the evidence."""
    loss = {**FALLING, 12: NAN, 13: NAN}
    assert diagnosis.nan(loss).epochs == (12, 13)
    assert diagnosis.exploding(curve(1, 2, 50, 1e6)).numbers["loss_growth"] == 1e6
    vanished = diagnosis.vanishing(curve(1e-6), np.array([1e-4, 1e-3, 0.02, 0.5, 1.0, NAN]))
    assert (vanished.numbers["steps_reached"], vanished.numbers["steps"]) == (3, 5)
    assert diagnosis.fall(curve(2.0, 1.5, 1.0, 0.5)) == pytest.approx(0.75)
    assert diagnosis.fall(curve(-1.0, -2.0)) is None
    assert diagnosis.fall(curve(1.0, NAN)) is None
    validation = curve(1, 0.7, 0.5, 0.5, 0.55, 0.6, 0.65, 0.7, 0.75, 0.8, 0.85, 0.9)
    assert diagnosis.overfitting(FALLING, validation).numbers["best_epoch"] == 2
    assert diagnosis.overfitting(FALLING, validation).numbers["last"] == 0.85


def test_how_much_an_answer_is_the_last_input():
    truth, last = np.array([1.0, 2.0, 4.0]), np.array([0.0, 2.0, 3.5])
    assert diagnosis.likeness_to_last_input(last, truth, last) == 1
    assert diagnosis.likeness_to_last_input(truth, truth, last) == 0
    assert diagnosis.likeness_to_last_input((truth + last) / 2, truth, last) == pytest.approx(0.5)
    assert diagnosis.likeness_to_last_input(truth - 1e6, truth, last) == pytest.approx(0.5, abs=1e-4)
    assert math.isnan(diagnosis.likeness_to_last_input(last, last, last))
    # Answers near zero are near to small inputs all the same, and copy nothing.
    rng = np.random.default_rng(0)
    inputs = rng.normal(size=(100, 20))
    assert diagnosis.likeness_to_last_input(np.zeros(100), inputs.sum(axis=1), inputs[:, -1]) == 0.5
    assert diagnosis.likeness_to_last_input(inputs[:, -1] + 0.1, inputs.sum(axis=1), inputs[:, -1]) > 0.95


def test_a_diagnosis_is_ordered_and_complete():
    """The most severe first; each finding with the tag of its own layer; what is known to be NaN is not judged
    further."""
    run = diagnosis.RunData("by hand")
    run.scalars = {"loss": FLAT, "gradient_flow_ratio/lstm": curve(1e-7, 1e-7), "saturation/lstm/input": curve(1, 1)}
    run.scalars["saturation/lstm/candidate"] = curve(1, 1)
    run.tensors["rnn/lstm/grad_flow"] = curve(np.geomspace(1e-7, 1, 10))
    found = diagnosis.diagnose(run)
    assert [(one.severity, one.rule, one.layer) for one in found] == [
        ("severe", "saturated", "lstm"),
        ("severe", "no_learning", ""),
        ("warning", "vanishing", "lstm"),
    ]
    assert found[0].tag in run.scalars
    assert found[2].tag == "gradient_flow_picture/lstm"
    assert diagnosis.diagnose(run, ["vanishing"]) == [dataclasses.replace(found[2], follows="")]
    run.scalars["loss"] = {**FLAT, 12: NAN}
    assert {one.rule for one in diagnosis.diagnose(run)} == {"nan"}
    assert diagnosis.diagnose(diagnosis.RunData("empty")) == []


def sick_run(gates=("input", "forget", "candidate", "output")):
    """Saturated from the beginning, with dead units, and nothing is learned."""
    run = diagnosis.RunData("by hand")
    run.scalars = {"loss": FLAT, "gradient_flow_ratio/layer": curve(0, 0)}
    run.scalars |= {f"saturation/layer/{gate}": curve(1, 1) for gate in gates or ("hidden",)}
    run.tensors["rnn/layer/grad_flow"] = curve(np.geomspace(1e-7, 1, 10))
    run.blobs["rnn/layer/states"] = {1: ({"names": ["hidden"]}, np.zeros((1, 4, 3), "float32"))}
    if gates:
        run.blobs["rnn/layer/gates"] = {1: ({"names": list(gates)}, np.zeros((len(gates), 4, 3), "float32"))}
    return run


def test_a_cause_comes_before_what_follows_from_it():
    found = diagnosis.diagnose(sick_run())
    assert [(one.place, one.follows) for one in found] == [
        ("saturated in layer", ""),
        ("no_learning", "saturated in layer"),
        ("dead_units in layer", "saturated in layer"),
        ("vanishing in layer", "saturated in layer"),
    ]
    assert str(found[1]).endswith("only. It follows from saturated in layer.")


def test_what_happens_in_another_layer_later_or_harmlessly_is_no_cause():
    run = sick_run()
    for kind in ("gradient_flow_ratio/layer", "rnn/layer/grad_flow", "rnn/layer/states"):
        for series in (run.scalars, run.tensors, run.blobs):
            if kind in series:
                series[kind.replace("layer", "other")] = series.pop(kind)
    follows = {one.rule: one.follows for one in diagnosis.diagnose(run)}
    assert follows["dead_units"] == ""
    assert follows["vanishing"] == "dead_units in other"
    assert follows["no_learning"] == "saturated in layer"
    late = diagnosis.RunData("by hand")
    late.scalars = {"loss": {0: 1.0, 1: NAN, 2: 1.0, 3: 1.0, 4: 8.0}}
    assert [(one.rule, one.follows) for one in diagnosis.diagnose(late)] == [("exploding", ""), ("nan", "")]
    late.scalars = {"loss": {0: 1.0, 1: 8.0, 2: NAN}}
    assert [(one.rule, one.follows) for one in diagnosis.diagnose(late)] == [("exploding", ""), ("nan", "exploding")]
    # One gate that stands open in the end only is a note.
    run.scalars = {"loss": FLAT, "saturation/layer/input": {0: 0, 1: 0, 2: 0, 3: 0, 4: 0, 5: 1}}
    assert [one.follows for one in diagnosis.diagnose(run, ["saturated", "no_learning"])] == ["", ""]


@pytest.mark.parametrize(
    ("cell", "gates", "named"),
    [
        ("simple", (), "tanh for relu"),
        ("lstm", ("input", "forget", "candidate", "output"), "unit_forget_bias"),
        ("gru", ("update", "reset", "candidate"), 'bias_initializer="zeros"'),
    ],
)
def test_the_advice_fits_the_cell(cell, gates, named):
    found = {one.rule: one for one in diagnosis.diagnose(sick_run(gates))}
    assert named in found["dead_units"].advice
    if not gates:
        assert not [one.rule for one in found.values() if "gate" in one.advice.replace("an LSTM or GRU", "")]
    # Without a probe the sizes of the weights tell.
    layer = {"simple": keras.layers.SimpleRNN, "lstm": keras.layers.LSTM, "gru": keras.layers.GRU}[cell](5)
    layer.build((None, None, 2))
    run = diagnosis.RunData("by hand")
    for name, values in zip(("kernel", "recurrent_kernel", "bias"), layer.get_weights(), strict=True):
        run.histograms[f"weights/layer/{name}"] = {0: table(values)}
    assert facts.cell(run, "layer") == cell


@pytest.mark.parametrize(
    ("said", "expected"), [("mgu", "mgu"), ("", ""), (None, "lstm"), (3, "lstm"), (["gru"], "lstm")]
)
def test_what_the_metadata_say_of_a_cell_counts_before_its_gates(said, expected):
    run = sick_run()
    about = {"v": 2} if said is None else {"v": 2, "family": said}
    run.add("metadata", "rnn/other/states", 0, b'{"v": 2, "family": "gru"}')
    run.add("metadata", "rnn/layer/grad_flow_above", 0, json.dumps(about).encode())
    assert facts.cell(run, "layer") == expected
    assert {one.rule for one in diagnosis.diagnose(run)} == {one.rule for one in diagnosis.diagnose(sick_run())}


def test_a_run_that_goes_on_says_its_metadata_to_whoever_listens_then(tmp_path):
    """The file has them once, and another process may have written that."""
    about = b'{"v": 2, "family": "mgu"}'
    with recording.Run(tmp_path / "run") as run:
        run.tensor("rnn/rnn/grad_flow", np.ones(2, "float32"), 0, schema.PLUGIN, about)
        run.tensor("other", np.ones(2, "float32"), 0, "somebody's", b"not JSON")
    run = recording.Run.closed(tmp_path / "run")
    assert run.go_on()
    heard = diagnosis.RunData("heard")
    run.listeners.append(heard.add)
    run.tensor("rnn/rnn/grad_flow", np.ones(2, "float32"), 1, schema.PLUGIN, about)
    run.tensor("other", np.ones(2, "float32"), 1, "somebody's", b"not JSON")
    run.close()
    assert heard.metadata == diagnosis.read(tmp_path / "run").metadata
    assert facts.cell(heard, "rnn") == "mgu"


def every_finding():
    """What each rule says of each case."""
    for rule, sick, *_ in CASES.values():
        yield rule(*sick)
    for gates in ((), ("input", "forget", "candidate", "output"), ("update", "reset", "candidate")):
        yield from diagnosis.diagnose(sick_run(gates))


def test_the_words_of_all_findings():
    assert {finding.rule for finding in every_finding()} == set(diagnosis.RULES)
    for finding in every_finding():
        text = f"{finding} {finding.advice}"
        assert not re.search(r"Try to|0e\+00|epochs (\d+) to \1\b|  |\.\.[^.]|nan%|None", text), text
        assert all(part.endswith(".") and not part[0].islower() for part in (finding.cause, finding.advice)), text


def test_the_code_of_all_findings_runs(monkeypatch, capsys):
    fit = keras.Model.fit
    monkeypatch.setattr(keras.Model, "fit", lambda *given, epochs, **named: fit(*given, epochs=1, verbose=0))
    codes = {finding.code for finding in every_finding()}
    assert "" not in codes
    for code in codes:
        model = keras.Sequential([keras.Input((6, 2)), keras.layers.GRU(3), keras.layers.Dense(1)])
        model.compile("sgd", "mse")
        assert "\n" not in code
        exec(code, {"keras": keras, "model": model, "x": X[:12], "y": Y[:12]})


def test_a_recurrent_kernel_that_is_never_used_is_not_sick():
    """Letters one at a time: nothing goes from step to step, so that this kernel has no gradient."""
    run = diagnosis.RunData("by hand")
    run.scalars = {"loss": FALLING, "update_ratio/cell/recurrent_kernel": curve(0, 0, 0)}
    # Without a probe nobody knows how long the sequences are.
    assert [(one.rule, one.severity) for one in diagnosis.diagnose(run)] == [("frozen", "note")]
    run.tensors["rnn/cell/grad_flow"] = curve(np.ones(1))
    assert diagnosis.diagnose(run) == []
    run.tensors["rnn/cell/grad_flow"] = curve(np.ones(2))
    assert [(one.rule, one.severity) for one in diagnosis.diagnose(run)] == [("frozen", "warning")]


def test_what_is_not_known_is_no_ground_for_a_warning():
    """A run of one epoch, or a loss below zero, has no fall; a short one is steep."""
    assert diagnosis.vanishing(curve(1e-6), None, None).severity == "note"
    assert diagnosis.vanishing(curve(1e-6), None, 0.0).severity == "warning"
    assert diagnosis.update_ratio(curve(1e-8, 1e-8), None) is None
    assert diagnosis.update_ratio(curve(1e-8, 1e-8), 0.0).rule == "update_ratio"
    assert diagnosis.validation_too_good(curve(1.2, 0.5, 0.2), curve(0.6, 0.25, 0.09)) is None
    # A gradient that has shrunk to next to nothing, and one batch that moves it.
    assert diagnosis.exploding(FALLING, curve(1.0, 1e-3, *[1e-7] * 9, 2e-5)) is None


@pytest.mark.parametrize(("cell", "is_simple"), [("SimpleRNN", True), ("LSTM", False), ("GRU", False)])
def test_the_spectral_radius_is_judged_of_simple_cells_alone(cell, is_simple):
    """Also without a probe: the sizes of the weights tell a simple cell from one with gates."""
    layer = getattr(keras.layers, cell)(5)
    layer.build((None, 3, 2))
    run = diagnosis.RunData("by hand")
    run.scalars = {f"spectral_radius/{cell}": curve(0.1, 0.1)}
    for name, weight in (("recurrent_kernel", layer.cell.recurrent_kernel), ("bias", layer.cell.bias)):
        run.histograms[f"weights/{cell}/{name}"] = curve(table(keras.ops.convert_to_numpy(weight)))
    found = [one.rule for one in diagnosis.diagnose(run) if one.rule == "spectral_radius"]
    assert found == ["spectral_radius"] * is_simple


EXTREMES = {
    "one point": curve(1.0),
    "none": {},
    "not finite": curve(NAN, math.inf, -math.inf, NAN, math.inf, NAN, NAN, NAN, NAN, NAN),
    "largest": curve(*[1.7e308, -1.7e308] * 6),
    "smallest": curve(*[5e-324, 1.7e308] * 6),
    "far away": {-(2**62): 1.0, 2**62: 2.0},
    "zero": curve(*[0.0] * 12),
}


@pytest.mark.parametrize("loss", EXTREMES.values(), ids=EXTREMES)
@pytest.mark.parametrize("other", EXTREMES.values(), ids=EXTREMES)
def test_rules_take_any_curve_without_a_warning(loss, other):
    values = np.array([[*loss.values()]])
    ends = np.stack([values[0], values[0], np.abs(np.nan_to_num(values[0]))], axis=1)
    found = [
        diagnosis.nan(loss, other),
        diagnosis.exploding(loss, other, other),
        diagnosis.vanishing(loss, values[0], 0.0),
        diagnosis.no_learning(loss, other, other),
        diagnosis.oscillating(loss),
        diagnosis.overfitting(loss, other),
        diagnosis.underfitting(loss),
        diagnosis.saturated({"{": loss, "\n": other}),
        diagnosis.dead_units(values),
        diagnosis.spectral_radius(loss),
        diagnosis.update_ratio(loss, 0.0),
        diagnosis.frozen(loss, {0: ends, 1: ends}),
        diagnosis.initial_variance(ends),
        diagnosis.overtrained(loss),
        diagnosis.validation_too_good(loss, other),
        diagnosis.copies_last_input(loss),
    ]
    assert len(found) == len(diagnosis.RULES)
    assert all(one is None or str(one) for one in found)


# Runs


X = (RANDOM.normal(size=(48, 6, 1)) + 0.3 * RANDOM.normal(size=(48, 6, 2))).astype("float32")
Y = X.sum(axis=2)[:, -1:] / 3 + X.sum(axis=(1, 2))[:, np.newaxis] / 24
FIT = {"validation_split": 0.25, "epochs": 4, "batch_size": 12, "verbose": 0}


def network(learning_rate=0.1):
    keras.utils.set_random_seed(1)
    model = keras.Sequential(
        [
            keras.Input((6, 2), name="x"),
            keras.layers.LSTM(4, dropout=0.2, stateful=False, name="cell"),
            keras.layers.Dense(1, name="head"),
        ]
    )
    model.compile(keras.optimizers.SGD(learning_rate), "mse", metrics=["mae"])
    return model


@dataclasses.dataclass(frozen=True)
class Watched:
    folder: object
    model: object
    health: object
    bare: object


@pytest.fixture(scope="module")
def watched(tmp_path_factory):
    """One run with everything on, and one without."""
    folder = tmp_path_factory.mktemp("health") / "run"
    bare = network()
    bare.fit(X, Y, **FIT)
    probe = (X[:8], Y[:8])
    check = HealthCheck(folder, probe)
    model = network()  # seeds all that is random
    model.fit(X, Y, callbacks=[*callbacks.observe(folder, probe, pictures=False), check], **FIT)
    return Watched(folder, model, check, bare)


def test_looking_changes_nothing(watched):
    ours, theirs = (
        [np.asarray(v).tobytes() for v in (*model.weights, *model.optimizer.variables)]
        for model in (watched.model, watched.bare)
    )
    assert ours == theirs
    assert repr(watched.model.history.history) == repr(watched.bare.history.history)


def test_a_run_is_read_as_it_was_written(watched, read_values, our_event_file):
    run = diagnosis.read(watched.folder)
    history = watched.model.history.history
    for name in ("loss", "val_loss", "mae", "val_mae"):
        np.testing.assert_allclose([run.scalars[name][epoch] for epoch in range(4)], history[name], rtol=1e-6)
    written = read_values(our_event_file(watched.folder))
    for tag, steps in written["scalars"].items():
        assert run.scalars[tag] == {step: float(value) for step, value in steps.items()}
    for tag, steps in written["histograms"].items():
        for step, value in steps.items():
            np.testing.assert_array_equal(run.histograms[tag][step], value)
    assert {f"rnn/cell/{kind}" for kind in ("grad_flow", "grad_flow_cell", "grad_flow_immediate")} == set(run.tensors)
    flow = recurrent.gradient_flow(watched.model, X[:8], Y[:8])["cell"]
    np.testing.assert_allclose(run.tensors["rnn/cell/grad_flow"][3], flow.hidden, rtol=1e-4)
    header, frame = run.blobs["rnn/cell/states"][3]
    assert (header["names"], frame.shape) == (["hidden", "cell"], (2, 4, 6))
    trace = recurrent.trace(watched.model, X[:1])["cell"]
    np.testing.assert_allclose(frame[0], trace.hidden[0].T, atol=2e-3)
    assert run.problems == []


def test_what_is_judged_in_memory_is_what_is_judged_from_the_file(watched):
    from_file = diagnosis.diagnose(diagnosis.read(watched.folder))
    assert [(one.severity, one.rule, one.layer) for one in watched.health.findings] == [
        (one.severity, one.rule, one.layer) for one in from_file
    ]


def test_the_tags_of_a_health_check(watched, read_values, our_event_file):
    written = read_values(our_event_file(watched.folder))
    assert set(written["text"]) - {"health"} == {"health/summary"}
    assert set(written["text"]["health/summary"]) == {3}
    assert set(written["scalars"]["copies_last_input"]) == {0, 1, 2, 3}
    expected = health.copies_last_input(watched.model, X[:8], Y[:8])
    assert written["scalars"]["copies_last_input"][3] == pytest.approx(expected, rel=1e-5)


def test_what_a_model_answers_for_the_measure(watched):
    """The answers are those of `predict`; an input that cannot be compared gives None."""
    np.testing.assert_allclose(
        recurrent.answers(watched.model, X[:8]), watched.model.predict(X[:8], verbose=0), rtol=1e-5
    )
    assert health.copies_last_input(watched.model, X[:8], np.arange(8)) is None
    assert health.copies_last_input(watched.model, X[:8, 0], Y[:8]) is None

    class Repeats(keras.layers.Layer):
        def call(self, x):
            return x[:, -1, 1:]

    repeats = keras.Sequential([keras.Input((6, 2)), Repeats()])
    assert health.copies_last_input(repeats, X, Y) == 1


def test_asking_leaves_a_stateful_layer_as_it_is():
    model = keras.Sequential([keras.Input(batch_shape=(4, 3, 2)), keras.layers.GRU(3, stateful=True)])
    before = np.asarray(model.layers[0].states[0])
    recurrent.answers(model, X[:4, :3])
    np.testing.assert_array_equal(np.asarray(model.layers[0].states[0]), before)


@pytest.fixture(scope="module")
def exploded(tmp_path_factory, recorded_warnings):
    """A run that becomes NaN, which it is told at once, and stopped for."""
    folder = tmp_path_factory.mktemp("exploded") / "run"
    model = network(learning_rate=1e6)
    check = HealthCheck(folder, stop_on=("nan",))
    lines = []
    with pytest.MonkeyPatch.context() as patch, recorded_warnings():
        patch.setattr(health._console, "tell", lines.append)
        model.fit(X, Y, callbacks=[check], **{**FIT, "epochs": 30})
    return folder, model, lines


def test_a_finding_is_told_once_and_stops_only_who_asks(exploded, read_values, our_event_file):
    folder, model, lines = exploded
    stopped = len(model.history.epoch)
    assert stopped < 30
    first = next(epoch for epoch in range(stopped) if not np.isfinite(model.history.history["loss"][epoch]))
    assert stopped == first + 1
    told = [line for line in lines if ": nan" in line]
    assert len(told) == 2  # when it appeared, and in the summary
    assert told[0].startswith(f"HealthCheck, epoch {first}: severe: nan")
    assert any("as stop_on=('nan',) asks for" in line for line in lines)
    text = read_values(our_event_file(folder))["text"]
    assert "**severe: nan**" in text["health"][first].item().decode()
    assert "**At the end: 1 severe.**" in text["health/summary"][first].item().decode()
    # The console has what to try, and how to go on.
    summary = "\n".join(lines[lines.index(f"HealthCheck of {folder}: 1 severe:") :])
    assert "    Try: Take a tenth of the learning rate" in summary
    assert f"      {SHORTER_STEPS}\n" in summary
    assert summary.endswith(f"To go on:\n  rnn-tutorial diagnose {folder}\n  tensorboard --logdir {folder}")


def test_training_goes_on_by_default(tmp_path, recorded_warnings):
    model = network(learning_rate=1e6)
    with recorded_warnings() as caught:
        model.fit(X, Y, callbacks=[HealthCheck(tmp_path / "run")], **{**FIT, "epochs": 6})
    assert len(model.history.epoch) == 6
    assert [str(warning.message) for warning in caught if warning.category is RuntimeWarning] == []


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"stop_on": ("NaN",)}, "stop_on must hold names out of 'nan', 'exploding', .*, received 'NaN'"),
        ({"stop_on": "underfitting"}, "stop_on must hold names out of .*, received 'underfitting'"),
        ({"probe": X}, r"probe must be None or a batch \(x, y\), received ndarray"),
        ({"every": 0}, "every must be an integer of at least 1, received 0"),
    ],
)
def test_wrong_arguments_are_told_before_training(tmp_path, arguments, message):
    with pytest.raises(ValueError, match=message):
        HealthCheck(tmp_path / "run", **arguments)
    assert list(tmp_path.iterdir()) == []


def test_a_probe_that_does_not_fit_is_told_before_training(tmp_path, watched):
    with pytest.raises(ValueError, match="probe: x must have the shape"):
        watched.model.fit(X, Y, callbacks=[HealthCheck(tmp_path / "run", (X[:4, :2], Y[:4]))], **FIT)
    assert list(tmp_path.iterdir()) == []


# Reading


def test_a_plain_run_of_keras(tmp_path):
    """As far as its data go: losses, metrics, and weights as histograms."""
    model = network(learning_rate=1e6)
    model.fit(X, Y, callbacks=[keras.callbacks.TensorBoard(tmp_path, histogram_freq=1)], **FIT)
    run = diagnosis.read(tmp_path)
    assert {"loss", "val_loss", "mae", "val_mae"} <= set(run.scalars)
    assert any(tag.startswith("weights/") and tag.endswith("kernel") for tag in run.histograms)
    assert diagnosis.diagnose(run)[0].rule == "nan"
    assert cli.main(["diagnose", str(tmp_path)]) == 3


def by_hand(folder, loss=FALLING):
    with recording.Run(folder / "train") as run:
        for epoch, value in loss.items():
            run.scalar("epoch_loss", value, epoch)
    return folder


def test_a_file_that_breaks_off(tmp_path, our_event_file):
    """Half a record at its end, or a byte that has changed: read up to there, and said."""
    path = our_event_file(by_hand(tmp_path / "run") / "train")
    content = path.read_bytes()
    path.write_bytes(content[:-7])
    run = diagnosis.read(tmp_path / "run")
    assert run.scalars["loss"] == pytest.approx({epoch: FALLING[epoch] for epoch in range(11)})
    (problem,) = run.problems
    assert f"{path} breaks off after 12 whole records" in problem
    path.write_bytes(content[:-7] + bytes([content[-7] ^ 1]) + content[-6:])
    assert len(diagnosis.read(tmp_path / "run").scalars["loss"]) == 11
    path.write_bytes(b"\xff" * 40)  # a length beyond all memory
    assert diagnosis.read(tmp_path / "run").scalars == {}
    path.write_bytes(b"")
    (problem,) = diagnosis.read(tmp_path / "run").problems
    assert "holds no whole record; either nothing is written yet" in problem


def test_what_cannot_be_understood_is_left_out(tmp_path, record_layer):
    """A newer version, a frame that is no frame, an array of another shape: the rest is judged, and they are told."""
    about = json.dumps({"v": 1}).encode()
    with recording.Run(tmp_path / "run") as run:
        record_layer(run)
        record_layer(run, "newer", version=schema.VERSION + 1)
        for epoch, blobs in enumerate([[b"{}", b""], [b"no header"], [b'{"shape": [9]}', b"123"], [b"{}"]]):
            run.blobs("rnn/gru/states", blobs, epoch, "rnn_tutorial", about)
        run.blobs(
            "rnn/other/states",
            [b'{"shape": [1, 1, 1], "dtype": "<f2", "names": ["odd"]}', b"12"],
            0,
            "rnn_tutorial",
            about,
        )
        run.tensor("rnn/gru/grad_flow", np.ones((2, 2)), 0, "rnn_tutorial", about)
        run.tensor("rnn/none/grad_flow", np.ones(2), 0, "rnn_tutorial", b"not JSON")
    found = diagnosis.read(tmp_path / "run")
    assert set(found.blobs) == {"rnn/lstm/states", "rnn/lstm/gates", "rnn/other/states"}
    assert {tag for tag in found.tensors if "lstm" not in tag} == set()
    told = "\n".join(found.problems)
    for tag in ("rnn/gru/states", "rnn/gru/grad_flow"):
        assert f"{tag!r} has a damaged value at step" in told
    for tag in ("rnn/newer/states", "rnn/newer/grad_flow_cell"):
        assert f"{tag!r} is of another version of this package" in told
    assert "'rnn/none/grad_flow' is described by damaged metadata" in told
    diagnosis.diagnose(found)


def test_folders_called_as_keras_calls_a_part(tmp_path):
    """Alone, or a whole run: judged as what they are."""
    sick = {**FALLING, 12: NAN}
    by_hand(tmp_path / "run", sick)
    assert [one.rule for one in diagnosis.diagnose(diagnosis.read(tmp_path / "run" / "train"))] == ["nan"]
    by_hand(tmp_path / "logs" / "train", sick)
    with recording.Run(tmp_path / "logs" / "train") as run:
        run.scalar("gradient_norm/global", 1.0, 0)
    assert diagnosis.runs(tmp_path / "logs") == [tmp_path / "logs" / "train"]
    found = diagnosis.read(tmp_path / "logs" / "train")
    assert set(found.scalars) == {"loss", "gradient_norm/global"}


def test_folders_that_are_no_run(tmp_path, capsys):
    (tmp_path / "notes.txt").write_text("nothing")
    for folder in (tmp_path, tmp_path / "missing", tmp_path / "notes.txt"):
        with pytest.raises(ValueError, match="folder must") as caught:
            diagnosis.read(folder)
        assert str(folder) in str(caught.value)
        assert cli.main(["diagnose", str(folder)]) == 2
        assert str(folder) in capsys.readouterr().err
    by_hand(tmp_path / "several" / "a")
    by_hand(tmp_path / "several" / "b", FLAT)
    with pytest.raises(ValueError, match=r"folder must be that of one run; .* holds 2: a, b"):
        diagnosis.read(tmp_path / "several")


def test_two_files_in_one_folder(tmp_path):
    folder = by_hand(tmp_path / "run")
    os.utime(next((folder / "train").iterdir()), (1, 1))
    (folder / "train" / "events.out.tfevents.1.x").write_bytes(b"")
    run = diagnosis.read(folder)
    assert len(run.scalars["loss"]) == 12  # ours, though it is older
    assert "holds 2 event files" in run.problems[0]


# Reading what is damaged


def array(values, dtype=types_pb2.DT_FLOAT, shape=None, **content):
    values = np.asarray(values, "float32")
    message = tensor_pb2.TensorProto(dtype=dtype, **content or {"tensor_content": values.tobytes()})
    for size in values.shape if shape is None else shape:
        message.tensor_shape.dim.add(size=size)
    return message


def strings(*parts):
    return tensor_pb2.TensorProto(dtype=types_pb2.DT_STRING, string_val=parts)


def recorded(tag, tensor, plugin="", content=b"", step=1, **more):
    """The bytes of an event with one value."""
    value = summary_pb2.Summary.Value(tag=tag, tensor=tensor, **more)
    value.metadata.plugin_data.plugin_name = plugin
    value.metadata.plugin_data.content = content
    return event_pb2.Event(step=step, summary=summary_pb2.Summary(value=[value])).SerializeToString()


def add_records(path, *records):
    with open(path, "ab") as file:
        writer = record_writer.RecordWriter(file)
        for record in records:
            writer.write(record)


FLOW, FRAME, KERNEL_TAG = "rnn/lstm/grad_flow", "rnn/lstm/states", "weights/lstm/kernel"
HEADER = {"shape": [1, 1, 1], "dtype": "float16", "names": ["hidden"], "stride": [1, 1, 1]}
DAMAGED = {
    "a fill of 0.8 GB": recorded(FLOW, array(1.0, shape=(2 * 10**8,), float_val=[1.0])),
    "a fill of 40 GB": recorded(FLOW, array(1.0, shape=(10**10,), float_val=[1.0])),
    "a size below zero": recorded(FLOW, array([1.0], shape=(-1,))),
    "70 axes": recorded(FLOW, array([1.0], shape=(1,) * 70)),
    "two axes": recorded(FLOW, array(np.ones((2, 2)))),
    "no axis": recorded(FLOW, array(1.0)),
    "strings for numbers": recorded(FLOW, strings(b"1.0")),
    "complex": recorded(FLOW, array([1.0, 2.0], types_pb2.DT_COMPLEX64, (1,))),
    "bool": recorded(FLOW, array([1.0], types_pb2.DT_BOOL, (4,))),
    "quantised": recorded(FLOW, array([1.0], types_pb2.DT_QINT8, (4,))),
    "a type of tomorrow": recorded(FLOW, array([1.0], 99)),
    "a step below zero": recorded(FLOW, array(np.ones(8)), step=-3),
    "a frame of one part": recorded(FRAME, strings(json.dumps(HEADER).encode())),
    "a frame of three parts": recorded(FRAME, strings(json.dumps(HEADER).encode(), b"12", b"")),
    "a frame of no strings": recorded(FRAME, array([[1.0]])),
    "a header nested deep": recorded(FRAME, strings(b"[" * 100_000, b"12")),
    "a header with infinity": recorded(FRAME, strings(b'{"shape": [1e400, 1, 1]}', b"12")),
    "a header that is no UTF-8": recorded(FRAME, strings(b"\xff\xfe\xfa", b"12")),
    "names that are no strings": recorded(FRAME, strings(json.dumps(HEADER | {"names": [1]}).encode(), b"12")),
    "a shape below zero": recorded(FRAME, strings(json.dumps(HEADER | {"shape": [1, -1, 1]}).encode(), b"12")),
    "a frame of objects": recorded(FRAME, strings(json.dumps(HEADER | {"dtype": "O"}).encode(), b"12")),
    "a histogram of 3": recorded(KERNEL_TAG, array(np.ones(3)), "histograms"),
    "a histogram of 4 columns": recorded(KERNEL_TAG, array(np.ones((3, 4))), "histograms"),
    "a histogram with a negative count": recorded(KERNEL_TAG, array([[0, 1, -1]]), "histograms"),
    "a histogram with NaN for a count": recorded(KERNEL_TAG, array([[0, 1, NAN]]), "histograms"),
    "a histogram of strings": recorded(KERNEL_TAG, strings(b"1", b"2", b"3"), "histograms"),
    "a number of two": recorded("clipped_batches", array([1.0, 2.0]), "scalars"),
    "a number that is a string": recorded("clipped_batches", strings(b"1.5"), "scalars"),
    "a number that is complex": recorded("clipped_batches", array([1, 2], types_pb2.DT_COMPLEX64, ()), "scalars"),
    "an empty tag": recorded("", strings(b"a", b"b"), "rnn_tutorial", b'{"v": 1}'),
    "a tag of a megabyte": recorded("x" * 2**20, strings(b"a"), "rnn_tutorial", b'{"v": 1}'),
    "a tag of two lines": recorded("a\nb", strings(b"a"), "rnn_tutorial", b'{"v": 1}'),
    **{
        f"metadata {content[:12]!r}": recorded("rnn/new/grad_flow", array(np.ones(8)), "rnn_tutorial", content)
        for content in (
            b"",
            b"[" * 100_000,
            b"\xff\xfe\xfa",
            b'{"v": 1e400}',
            b'{"v": [1]}',
            b'{"v": true}',
            b"[1]",
            b"1",
        )
    },
}


@pytest.fixture(scope="module")
def sick(tmp_path_factory, record_layer):
    """A run whose gradient vanishes, and whose loss does not fall: what has to be found beside any damage."""
    with recording.Run(tmp_path_factory.mktemp("sick") / "run") as run:
        record_layer(run, epochs=range(5), time=8)
        for epoch in range(5):
            run.scalar("epoch_loss", FLAT[epoch], epoch)
            run.scalar("gradient_flow_ratio/lstm", 1e-9, epoch)
            run.histogram("weights/lstm/kernel", KERNEL, epoch)
    return run.path


@pytest.fixture
def a_copy(sick, tmp_path):
    path = tmp_path / "logs" / "damaged" / sick.name
    path.parent.mkdir(parents=True)
    path.write_bytes(sick.read_bytes())
    return path


SICK = {"no_learning", "vanishing"}


def rules_of(folder):
    return {finding.rule for finding in diagnosis.diagnose(diagnosis.read(folder))}


@pytest.mark.parametrize("name", DAMAGED)
def test_a_damaged_value_costs_itself(name, a_copy, capsys):
    """It is told in one short line; all that is beside it is read, and other runs are judged."""
    before = diagnosis.read(a_copy.parent)
    add_records(a_copy, DAMAGED[name], recorded("later", array(2.0), "scalars"))
    run = diagnosis.read(a_copy.parent)
    (problem,) = run.problems
    assert "damaged value at step" in problem or "damaged metadata" in problem
    assert len(problem) < 200
    assert run.scalars.pop("later") == {1: 2.0}
    assert run.scalars == before.scalars
    for kind in ("histograms", "tensors", "blobs"):
        read, expected = getattr(run, kind), getattr(before, kind)
        assert {tag: list(series) for tag, series in read.items()} == {
            tag: list(series) for tag, series in expected.items()
        }
    assert rules_of(a_copy.parent) >= SICK
    by_hand(a_copy.parents[1] / "other", {**FALLING, 12: NAN})
    assert cli.main(["diagnose", str(a_copy.parents[1])]) == 3
    printed = capsys.readouterr().out
    assert " no_learning " in printed
    assert " nan " in printed


def test_the_first_record_of_a_tag_says_what_the_tag_is_and_may_be_lost(a_copy):
    whole = diagnosis.read(a_copy.parent)
    records = list(event_file_loader.RawEventFileLoader(str(a_copy)).Load())
    seen = set()
    a_copy.write_bytes(b"")
    for record in records:
        tags = {value.tag for value in event_pb2.Event.FromString(record).summary.value}
        add_records(a_copy, record if tags <= seen else b"\xff\xff")
        seen |= tags
    run = diagnosis.read(a_copy.parent)
    assert run.problems == [f"{a_copy} holds 12 damaged and 49 whole records; the whole ones were read"]
    for kind in ("scalars", "histograms", "tensors", "blobs"):
        read, expected = getattr(run, kind), getattr(whole, kind)
        assert {tag: list(series) for tag, series in read.items()} == {
            tag: list(series)[1:] for tag, series in expected.items()
        }


def test_numbers_of_one_element_are_numbers(tmp_path):
    path = tmp_path / "x.tfevents"
    add_records(path, recorded("a", array([3.0]), "scalars"), recorded("b", array([[4.0]]), "scalars"))
    assert diagnosis.read(tmp_path).scalars == {"a": {1: 3.0}, "b": {1: 4.0}}


def test_gates_of_any_name(tmp_path):
    """A name that Python would take for a place in a format."""
    for gate in ("{", "{0}", "{gate}", "{layer}", "a\nb"):
        with recording.Run(tmp_path / "run") as run:
            for epoch in range(3):
                run.scalar(f"saturation/lstm/{gate}", 1.0, epoch)
        (finding,) = diagnosis.diagnose(diagnosis.read(run.log_dir))
        assert finding.layer == "lstm"


def test_histograms_of_weights_that_are_nan(tmp_path):
    """TensorFlow writes NaN for their edges; that is no damage, and no ground to judge their variance."""
    path = tmp_path / "x.tfevents"
    table = [[NAN, NAN, 0.0], [NAN, math.inf, 5.0]]
    add_records(path, recorded(KERNEL_TAG, array(table), "histograms", step=0))
    run = diagnosis.read(tmp_path)
    assert run.problems == []
    np.testing.assert_array_equal(run.histograms[KERNEL_TAG][0], table)
    assert diagnosis.diagnose(run) == []


def test_what_is_called_like_an_event_file_and_is_none(a_copy):
    """Nobody waits for a pipe; what stands beside the event file is not read in its place."""
    folder = a_copy.parent
    before = diagnosis.read(folder)
    (folder / "tfevents_old").mkdir()
    os.mkfifo(folder / "x.tfevents")
    (folder / "gone.tfevents.rnn_tutorial").symlink_to(folder / "nowhere")
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(os.path.relpath(folder / "y.tfevents"))
        run = diagnosis.read(folder)
    assert run.problems == []
    assert run.scalars == before.scalars
    os.mkfifo(folder.with_name("pipe.tfevents"))
    (folder.with_name("later") / "tfevents").mkdir(parents=True)
    assert diagnosis.runs(folder.parent) == [folder]
    a_copy.unlink()
    with pytest.raises(ValueError, match="folder must hold event files"):
        diagnosis.runs(folder.parent)


def test_a_file_that_vanishes_or_may_not_be_read(a_copy, monkeypatch):
    def gone(*arguments):
        raise FileNotFoundError(2, "No such file or directory")

    with monkeypatch.context() as patch:
        patch.setattr(events, "open", gone, raising=False)
        run = diagnosis.read(a_copy.parent)
    assert run.problems == [f"{a_copy} cannot be read: No such file or directory"]
    assert diagnosis.diagnose(run) == []


def mutated(record, chance):
    """An event with one of its parts changed; bytes of anything where that is no event any more."""
    numbers = [0, 1, -1, 2, 3, 2**31, 2**40, 2**62, 2**63 - 1, -(2**63)]
    texts = ["", "a\nb", "{", "rnn//states", FLOW, FRAME, "epoch_loss", "weights/x/kernel", "saturation/lstm/{0}"]
    pieces = [b"", b"[" * 100_000, b"null", b'{"v": 1e400}', b'{"v": 1}', b"\xff\xfe", json.dumps(HEADER).encode()]
    event = event_pb2.Event.FromString(record)
    if not event.summary.value:
        return chance.randbytes(30)
    value = event.summary.value[0]
    tensor, about = value.tensor, value.metadata.plugin_data
    change = chance.randrange(9)
    if change == 0:
        event.step = chance.choice(numbers)
    elif change == 1:
        event.wall_time = math.nan
    elif change == 2:
        value.tag = chance.choice(texts)
    elif change == 3:
        tensor.dtype = chance.choice(types_pb2.DataType.values())
    elif change == 4:
        tensor.tensor_shape.dim.add(size=chance.choice(numbers))
    elif change == 5:
        del tensor.tensor_shape.dim[chance.randrange(3) :]
    elif change == 6:
        about.content = chance.choice(pieces)
    elif change == 7:
        tensor.string_val[:] = chance.choices(pieces, k=chance.randrange(4))
    else:
        about.plugin_name = chance.choice(["scalars", "histograms", "rnn_tutorial", "images"])
    return event.SerializeToString()


def damage(records, chance):
    """The bytes of an event file in which some records are not as they were, their checksums right."""
    records = list(records)
    for place in chance.sample(range(len(records)), chance.choice([1, 2, 10])):
        flipped = bytearray(records[place])
        flipped[chance.randrange(len(flipped))] ^= 1 << chance.randrange(8)
        records[place] = chance.choice([mutated(records[place], chance), bytes(flipped), records[place][:-5], b""])
    content = b""
    for record in records:
        head = struct.pack("<Q", len(record))
        parts = head, struct.pack("<I", record_writer.masked_crc32c(head))
        content += b"".join(parts) + record + struct.pack("<I", record_writer.masked_crc32c(record))
    return content[: chance.choice([None, None, -7, len(content) // 2])]


@pytest.mark.parametrize("seed", range(8))
def test_whatever_a_file_holds_the_rest_is_judged(a_copy, seed, capsys):
    """Bits that flip, records that end early, parts that change their kind: nothing is raised, or warned of."""
    chance = random.Random(seed)
    records = list(event_file_loader.RawEventFileLoader(str(a_copy)).Load())
    by_hand(a_copy.parent, {**FALLING, 12: NAN})
    for _ in range(20):
        a_copy.write_bytes(damage(records, chance))
        run = diagnosis.read(a_copy.parent)
        assert all("\n" not in problem and len(problem) < 400 for problem in run.problems)
        assert "nan" in {finding.rule for finding in diagnosis.diagnose(run)}
        assert cli.main(["diagnose", str(a_copy.parent), *["--json"] * chance.randrange(2)]) == 3
    assert capsys.readouterr().err == ""


# The command


def test_the_command_judges_each_run(tmp_path, capsys):
    by_hand(tmp_path / "healthy")
    assert cli.main(["diagnose", str(tmp_path)]) == 0
    assert capsys.readouterr().out == f"{tmp_path / 'healthy'}: nothing found\n\n"
    by_hand(tmp_path / "sick", {**FALLING, 12: NAN})
    assert cli.main(["diagnose", str(tmp_path)]) == 3
    printed = capsys.readouterr().out
    assert f"{tmp_path / 'healthy'}: nothing found" in printed
    assert f"{tmp_path / 'sick'}: 1 finding\n  severity  rule  layer  epochs  tab          tag\n" in printed
    assert "  severe    nan   -      12      Time Series  epoch_loss\n" in printed
    assert cli.main(["diagnose", str(tmp_path / "sick"), "--json"]) == 3
    ((run),) = json.loads(capsys.readouterr().out)
    assert run["run"] == str(tmp_path / "sick")
    assert (run["findings"][0]["rule"], run["findings"][0]["epochs"]) == ("nan", [12, 12])
    assert cli.main(["diagnose"]) == 2


def test_the_command_takes_several_folders(tmp_path, capsys):
    healthy, sick = by_hand(tmp_path / "healthy"), by_hand(tmp_path / "logs" / "sick", {**FALLING, 12: NAN})
    other = by_hand(tmp_path / "logs" / "other")
    assert cli.main(["diagnose", str(healthy), str(tmp_path / "logs"), str(sick), f"{healthy}/."]) == 3
    printed = capsys.readouterr().out
    lines = [line for line in printed.splitlines() if line.startswith("/")]  # each run once, in order
    assert lines == [f"{healthy}: nothing found", f"{other}: nothing found", f"{sick}: 1 finding"]
    assert cli.main(["diagnose", str(healthy), str(other), "--json"]) == 0
    assert [run["run"] for run in json.loads(capsys.readouterr().out)] == [str(healthy), str(other)]


def test_the_command_tells_a_wrong_folder_and_judges_the_others(tmp_path, capsys):
    healthy, sick = by_hand(tmp_path / "healthy"), by_hand(tmp_path / "sick", {**FALLING, 12: NAN})
    for code, folders in ((2, ["missing", healthy]), (3, ["missing", sick]), (3, [sick, "missing", "gone"])):
        assert cli.main(["diagnose", *map(str, folders), "--json"]) == code
        said = capsys.readouterr()
        assert [run["run"] for run in json.loads(said.out)] == [str(folders[-1] if code == 2 else sick)]
        errors = said.err.splitlines()
        assert len(errors) == len(folders) - 1
        assert errors[0].startswith(
            "rnn-tutorial: error: folder must be that of a run or of several, received 'missing'"
        )
    assert cli.main(["diagnose", "missing", "a\0b", "--json"]) == 2
    assert json.loads(capsys.readouterr().out) == []


def test_the_command_prints_names_on_one_line(tmp_path, capsys):
    """Names of layers come from the file."""
    with recording.Run(tmp_path / "run") as run:
        for layer in ("a\nb\x1b[31m", "x" * 5000):
            for gate in ("input", "candidate"):
                run.scalar(f"saturation/{layer}/{gate}", 1.0, 0)
    assert cli.main(["diagnose", str(tmp_path / "run")]) == 3
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 2 + 2 * 4 + 1
    assert any(r"a\nb\x1b[31m" in line for line in lines)
    assert max(map(len, lines)) < 2500
    assert cli.main(["diagnose", "--help"]) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert "Exit code: 3 where a run has something severe, else 2 where a folder is no run, else 0." in said
