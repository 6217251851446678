"""A cell that Keras does not know, declared in one file: this one. Held against NumPy in float64."""

import keras
import numpy as np
import pytest
from keras import layers, ops

from rnn_tutorial import diagnosis, drawing, inspection
from rnn_tutorial.callbacks import GradientFlow, HealthCheck, StateHeatmaps, WeightHeatmaps, observe
from rnn_tutorial.diagnosis.facts import cell as cell_in_files
from rnn_tutorial.drawing import diagrams
from rnn_tutorial.inspection import recurrent
from rnn_tutorial.inspection.recurrent import cells

BATCH, STEPS, FEATURES, UNITS = 3, 6, 2, 3
RANDOM = np.random.default_rng(0)
X = RANDOM.normal(size=(BATCH, STEPS, FEATURES)).astype("float32")
Y = RANDOM.normal(size=(BATCH, UNITS)).astype("float32")


@keras.saving.register_keras_serializable("test_cells")
class MGUCell(layers.Layer):
    """The minimal gated unit (Zhou et al. 2016): one gate that forgets and resets."""

    def __init__(self, units, **kwargs):
        super().__init__(**kwargs)
        self.units = self.state_size = self.output_size = units

    def build(self, shape):
        self.kernel = self.add_weight(shape=(shape[-1], 2 * self.units), name="kernel")
        self.recurrent_kernel = self.add_weight(shape=(self.units, 2 * self.units), name="recurrent_kernel")
        self.bias = self.add_weight(shape=(2 * self.units,), name="bias")

    def get_config(self):
        return {**super().get_config(), "units": self.units}

    def call(self, x, states):
        (h,) = states
        gates = mgu_gates(self, x, states)
        forget, candidate = gates["forget"][1], gates["candidate"][1]
        h = (1 - forget) * h + forget * candidate
        return h, [h]


def mgu_gates(cell, x, states):
    """Written for one step: slices along the second axis are those of the units."""
    (h,) = states
    from_x, units = ops.matmul(x, cell.kernel) + cell.bias, cell.units
    u_forget, u_candidate = ops.split(cell.recurrent_kernel, 2, axis=-1)
    forget = from_x[:, :units] + ops.matmul(h, u_forget)
    candidate = from_x[:, units:] + ops.matmul(ops.sigmoid(forget) * h, u_candidate)
    return {"candidate": (candidate, ops.tanh(candidate)), "forget": (forget, ops.sigmoid(forget))}


class ProjectedCell(layers.Layer):
    """An LSTM with peepholes (Gers et al. 2002) and a projection (Sak et al. 2014); its cell state comes first."""

    memory = 4

    def __init__(self, units, **kwargs):
        super().__init__(**kwargs)
        self.units = self.output_size = units
        self.state_size = [self.memory, units]

    def build(self, shape):
        self.w = self.add_weight(shape=(shape[-1], 3 * self.memory), name="w")
        self.u = self.add_weight(shape=(self.units, 3 * self.memory), name="u")
        self.p = self.add_weight(shape=(self.memory,), name="p")
        self.projection = self.add_weight(shape=(self.memory, self.units), name="projection")

    def call(self, x, states):
        gates = projected_gates(self, x, states)
        forget = gates["forget"][1]
        c = forget * states[0] + (1 - forget) * gates["candidate"][1]
        h = ops.matmul(gates["output"][1] * ops.tanh(c), self.projection)
        return h, [c, h]


def projected_gates(cell, x, states):
    c, h = states
    forget, candidate, output = ops.split(x @ cell.w + h @ cell.u, 3, axis=1)
    kept = ops.sigmoid(forget)
    output = output + cell.p * (kept * c + (1 - kept) * ops.tanh(candidate))
    return {
        "forget": (forget, kept),
        "candidate": (candidate, ops.tanh(candidate)),
        "output": (output, ops.sigmoid(output)),
    }


def projected_hidden(cell, x, states, c):
    output = ops.split(x @ cell.w + states[1] @ cell.u, 3, axis=1)[2] + cell.p * c
    return (ops.sigmoid(output) * ops.tanh(c)) @ cell.projection


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def step_mgu(weights, x, states, bump_c=0):
    kernel, recurrent_kernel, bias = weights
    (h,) = states
    f = x @ kernel[:, :UNITS] + h @ recurrent_kernel[:, :UNITS] + bias[:UNITS]
    g = x @ kernel[:, UNITS:] + (sigmoid(f) * h) @ recurrent_kernel[:, UNITS:] + bias[UNITS:]
    gates = {"forget": (f, sigmoid(f)), "candidate": (g, np.tanh(g))}
    return 0, [(1 - sigmoid(f)) * h + sigmoid(f) * np.tanh(g)], gates


def step_projected(weights, x, states, bump_c=0):
    w, u, p, projection = weights
    c, h = states
    f, g, o = np.split(x @ w + h @ u, 3, axis=-1)
    c = sigmoid(f) * c + (1 - sigmoid(f)) * np.tanh(g)
    gates = {"forget": (f, sigmoid(f)), "candidate": (g, np.tanh(g)), "output": (o + p * c, sigmoid(o + p * c))}
    c = c + bump_c
    return 1, [c, (sigmoid(o + p * c) * np.tanh(c)) @ projection], gates


@pytest.fixture(autouse=True)
def _declared():
    """Each test declares for itself."""
    before = cells.declarations()
    yield
    cells._declared.clear()
    cells._declared.update(before)


def declare_mgu(**changes):
    inspection.register_cell(
        MGUCell, **{"gates": ["forget", "candidate"], "compute_gates": mgu_gates, "name": "mgu", **changes}
    )


def declare_projected(**changes):
    told = {
        "gates": ("forget", "candidate", "output"),
        "compute_gates": projected_gates,
        "states": ("cell", "hidden"),
        "hidden_from_cell": projected_hidden,
        "transition": lambda cell: ops.matmul(cell.projection, cell.u[:, cell.memory : 2 * cell.memory]),
        "split": ["w", "u"],
    }
    inspection.register_cell(ProjectedCell, **{**told, **changes})


def randomize(model, scale=1.5):
    random = np.random.default_rng(1)
    model.set_weights([scale * random.normal(size=weight.shape) for weight in model.get_weights()])
    return model


def build(cell, shape=(STEPS, FEATURES), layer=layers.RNN, **options):
    model = keras.Sequential([keras.Input(shape), layer(cell, name="rnn", **options)])
    model.compile("sgd", "mse")
    return randomize(model)


def replay(model, step, bumped=None, by=0.0):
    """Step a model's one layer in NumPy, `by` added to one state at one step (kind, time, sample, unit).

    Returns:
        The loss, {kind: (batch, time, units)}, {gate: the same, before and after its activation}.
    """
    weights = [weight.astype("float64") for weight in model.get_weights()]
    sizes = np.atleast_1d(model.layers[0].cell.state_size)
    states, kept, gates = [np.zeros((BATCH, size)) for size in sizes], {"hidden": [], "cell": []}, []
    for time in range(STEPS):
        bump_c, (kind, at, sample, unit) = 0, bumped or ("", -1, 0, 0)
        if kind == "cell" and at == time:
            bump_c = np.zeros((BATCH, sizes[0]))
            bump_c[sample, unit] = by
        hidden, states, found = step(weights, X[:, time].astype("float64"), states, bump_c)
        if kind == "hidden" and at == time:
            states[hidden][sample, unit] += by
        kept["hidden"].append(states[hidden])
        kept["cell"].append(states[1 - hidden] if len(states) == 2 else None)
        gates.append(found)
    named = {name: [np.stack([one[name][place] for one in gates], axis=1) for place in (0, 1)] for name in gates[0]}
    stacked = {kind: np.stack(values, axis=1) for kind, values in kept.items() if values[0] is not None}
    return np.mean((states[hidden] - Y) ** 2), stacked, named


def slopes(model, step, kind, width):
    """dL/d(state) (batch, time, units) by central differences."""
    found = np.zeros((BATCH, STEPS, width))
    for sample, time, unit in np.ndindex(found.shape):
        ends = [replay(model, step, (kind, time, sample, unit), by)[0] for by in (1e-5, -1e-5)]
        found[sample, time, unit] = (ends[0] - ends[1]) / 2e-5
    return found


def share_near_ends(values, low, high):
    return ((values < low + 0.05) | (values > high - 0.05)).mean()


KINDS = {
    "mgu": (lambda: MGUCell(UNITS), step_mgu, declare_mgu),
    "projected": (lambda: ProjectedCell(UNITS), step_projected, declare_projected),
}


@pytest.fixture(params=KINDS)
def declared(request):
    """A model of a declared cell, and its step in NumPy."""
    make, step, declare = KINDS[request.param]
    declare()
    return build(make()), step


def test_states_and_gates_are_those_of_numpy(declared):
    model, step = declared
    _, states, gates = replay(model, step)
    trace, before = inspection.trace(model, X)["rnn"], inspection.trace(model, X, preactivation=True)["rnn"]
    np.testing.assert_allclose(trace.hidden, states["hidden"], atol=1e-5)
    assert (trace.cell is not None) == ("cell" in states)
    if "cell" in states:
        np.testing.assert_allclose(trace.cell, states["cell"], atol=1e-5)
    assert list(trace.gates) == list(before.gates) == list(gates)  # in the order declared
    for gate, (raw, value) in gates.items():
        np.testing.assert_allclose(before.gates[gate], raw, atol=1e-4)
        np.testing.assert_allclose(trace.gates[gate], value, atol=1e-5)


def test_saturation_is_that_of_numpy(declared):
    model, step = declared
    gates = replay(model, step)[2]
    saturation = inspection.trace(model, X)["rnn"].saturation
    limits = {gate: (-1, 1) if gate == "candidate" else (0, 1) for gate in gates}
    assert saturation == pytest.approx({gate: share_near_ends(gates[gate][1], *limits[gate]) for gate in gates})
    assert any(0 < share < 1 for share in saturation.values())


def test_flow_is_the_gradient(declared):
    model, step = declared
    flow = inspection.gradient_flow(model, X, Y, raw=True)["rnn"]
    assert flow.loss == pytest.approx(replay(model, step)[0], rel=1e-5)
    np.testing.assert_allclose(flow.hidden, slopes(model, step, "hidden", UNITS), rtol=1e-3, atol=1e-5)
    if step is step_projected:
        np.testing.assert_allclose(flow.cell, slopes(model, step, "cell", 4), rtol=1e-3, atol=1e-5)
    else:
        assert flow.cell is None
    assert not flow.immediate[:, :-1].any()


def test_spectral_radius_is_that_of_the_candidate(declared):
    model, _ = declared
    weights = {weight.name: np.float64(value) for weight, value in zip(model.weights, model.get_weights(), strict=True)}
    blocks = {
        "u": lambda: weights["projection"] @ weights["u"][:, 4:8],
        "recurrent_kernel": lambda: weights["recurrent_kernel"][:, UNITS:],
    }
    (block,) = set(blocks) & set(weights)
    expected = abs(np.linalg.eigvals(blocks[block]())).max()
    assert inspection.spectral_radius(inspection.layers(model)["rnn"]) == pytest.approx(expected, rel=1e-5)
    model.set_weights([np.full_like(weight, np.nan) for weight in model.get_weights()])
    assert np.isnan(inspection.spectral_radius(model.layers[0].cell))
    assert inspection.spectral_radius(layers.RNN(type(model.layers[0].cell)(2))) is None  # not built


def test_callbacks_show_it(declared, tmp_path, recorded_warnings, read_values, our_event_file, monkeypatch):
    model, step = declared
    drawn, draw = {}, drawing.weights
    monkeypatch.setattr(drawing, "weights", lambda found, title: drawn.update(found) or draw(found, title))
    with recorded_warnings() as caught:
        model.fit(X, Y, epochs=2, verbose=0, callbacks=observe(tmp_path / "run", probe=(X, Y)))
    assert [str(one.message) for one in caught if issubclass(one.category, RuntimeWarning)] == []
    found = read_values(our_event_file(tmp_path / "run"))
    tags = {tag for plugin in found.values() for tag in plugin}
    gates = list(replay(model, step)[2])
    assert {f"saturation/rnn/{gate}" for gate in gates} | {"spectral_radius/rnn", "gates_picture/rnn"} <= tags
    assert {"rnn/rnn/gates", "rnn/rnn/states", "weights_picture/rnn", "rnn/rnn/grad_flow"} <= tags
    assert ("rnn/rnn/grad_flow_cell" in tags) == (step is step_projected)
    by_gate = {name for name, parts in drawn.items() if list(parts) == gates}
    assert by_gate == ({"w", "u"} if step is step_projected else {"kernel", "recurrent_kernel", "bias"})
    assert {name for name in drawn if list(drawn[name]) == [""]} == set(drawn) - by_gate


def test_heatmaps_split_by_gate():
    declare_mgu()
    model = build(MGUCell(UNITS))
    kernel = model.get_weights()[0]
    split = recurrent.split_gates("kernel", kernel, model.layers[0].cell)
    np.testing.assert_array_equal(split["forget"], kernel[:, :UNITS])
    np.testing.assert_array_equal(split["candidate"], kernel[:, UNITS:])


def test_stacks_and_both_directions():
    declare_mgu()
    model = keras.Sequential(
        [
            keras.Input((None, FEATURES)),
            layers.Bidirectional(layers.RNN(MGUCell(2), return_sequences=True), name="both"),
            layers.RNN([layers.LSTMCell(2), MGUCell(2)], name="stack"),
        ]
    )
    model.compile("sgd", "mse")
    traces = inspection.trace(model, X)
    assert {name: list(trace.gates) for name, trace in traces.items()} == {
        "both/forward": ["forget", "candidate"],
        "both/backward": ["forget", "candidate"],
        "stack/lstm_cell": ["input", "forget", "candidate", "output"],
        "stack/mgu_cell": ["forget", "candidate"],
    }
    np.testing.assert_allclose(traces["stack/mgu_cell"].hidden[:, -1], model.predict(X, verbose=0), atol=1e-5)


def test_a_cell_that_is_not_declared_has_states_and_flow_only():
    model = build(MGUCell(UNITS))
    trace, flow = inspection.trace(model, X)["rnn"], inspection.gradient_flow(model, X, Y, raw=True)["rnn"]
    assert (trace.gates, trace.saturation, trace.cell) == ({}, {}, None)
    np.testing.assert_allclose(flow.hidden, slopes(model, step_mgu, "hidden", UNITS), rtol=1e-3, atol=1e-5)
    assert inspection.spectral_radius(model.layers[0]) is None
    assert list(recurrent.split_gates("kernel", np.zeros((2, 6)), model.layers[0].cell)) == [""]


def test_what_is_declared_later_counts():
    model = build(MGUCell(UNITS))
    assert inspection.trace(model, X)["rnn"].gates == {}
    declare_mgu()
    assert list(inspection.trace(model, X)["rnn"].gates) == ["forget", "candidate"]
    declare_mgu(ranges=lambda cell: {"hidden": (-1, 1)})
    trace = inspection.trace(model, X)["rnn"]
    assert trace.saturation == pytest.approx({"hidden": share_near_ends(trace.hidden, -1, 1)})


class KeptMGUCell(MGUCell):
    """Computes what the cell does that it inherits from."""


class ChangedMGUCell(MGUCell):
    """Computes something else."""

    def call(self, x, states):
        h, _ = super().call(x, states)
        return h / 2, [h / 2]


def test_a_subclass_counts_as_long_as_it_computes_the_same():
    declare_mgu()
    assert list(inspection.trace(build(KeptMGUCell(UNITS)), X)["rnn"].gates) == ["forget", "candidate"]
    assert inspection.trace(build(ChangedMGUCell(UNITS)), X)["rnn"].gates == {}
    inspection.register_cell(ChangedMGUCell, gates=["one", "two"])
    assert recurrent.gate_names(ChangedMGUCell(2)) == ["one", "two"]
    assert recurrent.gate_names(KeptMGUCell(2)) == ["forget", "candidate"]
    assert inspection.trace(build(ChangedMGUCell(UNITS)), X)["rnn"].gates == {}  # nobody says how to compute them


class Fused(layers.RNN):
    """A layer with a loop of its own, as fast ones have; it does what stepping the cell does."""

    def inner_loop(self, sequences, initial_state, mask, training=False):
        return super().inner_loop(sequences, initial_state, mask, training=training)


def test_a_loop_of_its_own_is_followed_once_it_is_declared():
    model = build(MGUCell(UNITS), layer=Fused)
    with pytest.warns(RuntimeWarning, match="rnn is not looked into: its class loops over time in its own way"):
        assert inspection.trace(model, X) == {}
    declare_mgu(layer=Fused)
    trace = inspection.trace(model, X)["rnn"]
    np.testing.assert_allclose(trace.hidden, replay(model, step_mgu)[1]["hidden"], atol=1e-5)
    assert list(trace.gates) == ["forget", "candidate"]


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
@pytest.mark.parametrize("kind", KINDS)
def test_half_precision(kind, policy):
    _, step, declare = KINDS[kind]
    declare()
    cell = {"mgu": MGUCell, "projected": ProjectedCell}[kind](UNITS, dtype=policy)
    model = build(cell, dtype=policy)
    gates = replay(model, step)[2]
    trace, flow = inspection.trace(model, X)["rnn"], inspection.gradient_flow(model, X, Y)["rnn"]
    for gate, (_, value) in gates.items():
        np.testing.assert_allclose(trace.gates[gate], value, atol=0.1)
    assert np.isfinite(flow.hidden).all()


def test_diagrams_know_the_states(monkeypatch):
    texts = []
    monkeypatch.setattr(diagrams, "picture", lambda nodes, edges: texts.extend(node.text for node in nodes))
    model = build(ProjectedCell(UNITS))
    diagrams.unrolled_diagram(model)
    assert "rnn\nh_1  (4,)" in texts
    texts.clear()
    declare_projected()
    diagrams.unrolled_diagram(model)
    assert f"rnn\nh_1, c_1  ({UNITS},)" in texts


def test_keras_cells_have_the_names_that_recorded_runs_tell():
    class Recorded:
        """A run as `diagnose` reads it."""

        def __init__(self, gates):
            self.tensors, self.histograms, self.metadata, frame = {}, {}, {}, ({"names": gates}, None)
            self.blobs = {"rnn/rnn/states": {}, **({"rnn/rnn/gates": {0: frame}} if gates else {})}

    for kind, name in ((layers.SimpleRNNCell, "simple"), (layers.LSTMCell, "lstm"), (layers.GRUCell, "gru")):
        assert cells.short_name(kind(2)) == name
        assert cell_in_files(Recorded(recurrent.gate_names(kind(2))), "rnn") == name
    assert cells.short_name(MGUCell(2)) == ""
    declare_mgu()
    assert cells.short_name(MGUCell(2)) == "mgu"


@pytest.mark.parametrize(
    ("make", "declared", "family", "advice"),
    [
        (lambda: layers.RNN(MGUCell(UNITS)), {}, "mgu", "which one is shut"),  # its gate "forget" makes it no LSTM
        (lambda: layers.RNN(MGUCell(UNITS)), {"name": "lstm"}, "lstm", "unit_forget_bias"),
        (lambda: layers.RNN(MGUCell(UNITS)), {"name": ""}, "", "which one is shut"),
        (lambda: layers.RNN(MGUCell(UNITS)), None, "", "which one is shut"),  # nor is one without gates simple
        (lambda: layers.SimpleRNN(UNITS), None, "simple", "tanh for relu"),
        (lambda: layers.LSTM(UNITS), None, "lstm", "unit_forget_bias"),
        (lambda: layers.GRU(UNITS), None, "gru", 'bias_initializer="zeros"'),
    ],
)
def test_the_diagnosis_knows_what_a_cell_declares(make, declared, family, advice, tmp_path):
    if declared is not None:
        declare_mgu(**declared)
    model = keras.Sequential([keras.Input((STEPS, FEATURES)), make()])
    name = model.layers[0].name.rpartition("_")[0] if model.layers[0].name[-1].isdigit() else model.layers[0].name
    model.compile(keras.optimizers.SGD(0.0), "mse")
    model.set_weights([np.zeros(weight.shape) for weight in model.weights])  # whose states stay at zero
    health = HealthCheck(tmp_path / "run")
    watching = [*observe(tmp_path / "run", probe=(X, Y), pictures=False), health]
    model.fit(X, Y, epochs=3, verbose=0, callbacks=watching)
    run = diagnosis.read(tmp_path / "run")
    assert {one["family"] for one in run.metadata.values()} == {family}
    assert len(run.metadata) == len(run.tensors) + len(run.blobs)
    for found in (health.findings, diagnosis.diagnose(run)):
        (dead,) = [one for one in found if one.rule == "dead_units"]
        assert dead.layer == name
        assert advice in dead.advice


@pytest.mark.parametrize("callback", [StateHeatmaps, GradientFlow])
def test_each_cell_of_a_run_says_what_it_is(callback, tmp_path):
    """Of stacks, of both directions, of a layer that reads twice, and inside of a model with an odd name."""
    declare_mgu()
    inner = keras.Sequential([keras.Input((None, 2)), layers.LSTM(2, return_sequences=True, name="b")], name="use_a")
    shared = layers.RNN(MGUCell(2), return_sequences=True, name="shared")
    x = keras.Input((STEPS, FEATURES))
    y = layers.Bidirectional(layers.RNN(MGUCell(1), return_sequences=True), name="both")(x)
    y = keras.Sequential([keras.Input((None, 2)), inner], name="outer")(shared(y) + shared(y[:, ::-1]))
    model = keras.Model(x, layers.RNN([layers.GRUCell(2), MGUCell(UNITS)], name="stack")(y))
    model.compile("sgd", "mse")
    model.fit(X, Y, epochs=1, verbose=0, callbacks=[callback(tmp_path / "run", (X, Y), pictures=False)])
    run = diagnosis.read(tmp_path / "run")
    assert {one["layer"]: cell_in_files(run, one["layer"]) for one in run.metadata.values()} == {
        "both/forward": "mgu",
        "both/backward": "mgu",
        "shared": "mgu",
        "shared/use_2": "mgu",
        "outer/use_a/b": "lstm",
        "stack/gru_cell": "gru",
        "stack/mgu_cell": "mgu",
    }


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"kind": MGUCell(2)}, "kind must be a class with a `call`, received <"),
        ({"kind": int}, "kind must be a class with a `call`, received <class 'int'>"),
        ({"gates": "forget"}, "gates must be a list of different names, without /, received 'forget'"),
        ({"gates": ["a", "a"]}, "gates must be a list of different names"),
        ({"gates": ["a/b"]}, "gates must be a list of different names"),
        ({"gates": 2}, "gates must be a list of different names"),
        ({"gates": ["hidden"], "compute_gates": None}, 'gates must be names other than "hidden" and "cell", received'),
        ({"gates": []}, "gates must be the names of what compute_gates computes, received"),
        ({"compute_gates": {"forget": 1}}, "compute_gates must be a function, or None, received {'forget': 1}"),
        ({"states": ["h"]}, 'states must be names, one of them "hidden"'),
        ({"states": "hidden"}, "states must be a list of different names"),
        ({"hidden_from_cell": lambda *_: 0}, 'states must be "cell" among them with hidden_from_cell, received'),
        ({"ranges": {"forget": (0, 1)}}, "ranges must be a function, or None"),
        ({"transition": "u"}, "transition must be a function, or None, received 'u'"),
        ({"split": "kernel"}, "split must be a list of different names"),
        ({"layer": layers.Dense}, "layer must be a subclass of keras.layers.RNN, or None, received <class"),
        ({"layer": layers.RNN(MGUCell(2))}, "layer must be a subclass of keras.layers.RNN, or None, received <RNN"),
        ({"name": None}, "name must be a string, received None"),
    ],
)
def test_wrong_declarations(arguments, message):
    told = {"kind": MGUCell, "gates": ["forget", "candidate"], "compute_gates": mgu_gates, **arguments}
    with pytest.raises(ValueError) as caught:  # noqa: PT011
        inspection.register_cell(told.pop("kind"), **told)
    assert str(caught.value).startswith(message)
    assert MGUCell not in cells.declarations()


def only_values(cell, x, states):
    return {gate: after for gate, (_, after) in mgu_gates(cell, x, states).items()}


def of_one_unit(cell, x, states):
    return {gate: (before[:, :1], after) for gate, (before, after) in mgu_gates(cell, x, states).items()}


def of_numbers(cell, x, states):
    return dict.fromkeys(("forget", "candidate"), (0.0, 1.0))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"gates": ["update", "candidate"]}, r"What compute_gates of MGUCell returns must be a dict with the keys \["),
        ({"compute_gates": lambda *_: None}, "What compute_gates of MGUCell returns must be a dict with the keys"),
        ({"compute_gates": only_values}, "What compute_gates of MGUCell returns must be {gate: a pair}"),
        ({"compute_gates": of_one_unit}, r"What compute_gates of MGUCell returns must be {gate: \(before, after\)}"),
        ({"compute_gates": of_numbers}, r"What compute_gates of MGUCell returns must be {gate: \(before, after\)}"),
        ({"states": ["hidden", "cell"]}, "states must have a name for each of the cell's 1 states, received"),
        ({"ranges": lambda cell: {"reset": (0, 1)}}, "What ranges of MGUCell returns must be a dict with keys out of"),
        ({"ranges": lambda cell: {"cell": (0, 1)}}, "What ranges of MGUCell returns must be a dict with keys out of"),
        ({"ranges": lambda cell: {"forget": (1, 0)}}, r"What ranges of MGUCell returns must be {name: \(low, high\)}"),
        ({"ranges": lambda cell: {"forget": 1}}, r"What ranges of MGUCell returns must be {name: \(low, high\)}"),
    ],
)
def test_declarations_that_do_not_fit_the_cell(changes, message):
    declare_mgu(**changes)
    with pytest.raises(ValueError, match=f"^{message}"):
        inspection.trace(build(MGUCell(UNITS)), X)


def test_other_declarations_that_do_not_fit_the_cell():
    declare_projected(states=["hidden", "cell"])
    model = build(ProjectedCell(UNITS))
    with pytest.raises(
        ValueError, match=r'^states must have "hidden" at 1, counted from 0, which the cell hands on as its'
    ):
        inspection.trace(model, X)
    declare_projected(hidden_from_cell=lambda cell, x, states, c: c)
    with pytest.raises(
        ValueError, match=r"^What hidden_from_cell of ProjectedCell returns must be hidden states \(bat"
    ):
        inspection.gradient_flow(model, X, Y)
    declare_projected(transition=lambda cell: cell.u)
    with pytest.raises(
        ValueError, match=r"^What transition of ProjectedCell returns must be a square matrix, received"
    ):
        inspection.spectral_radius(model.layers[0])
    declare_projected(split=["w", "projection"])
    with pytest.raises(
        ValueError, match=r"^split must name weights that hold the 3 gates side by side, received 'proj"
    ):
        recurrent.split_gates("projection", np.zeros((3, 4)), model.layers[0].cell)


def test_a_wrong_declaration_does_not_end_a_training(tmp_path, recorded_warnings):
    declare_mgu(compute_gates=only_values, split=["kernel"], transition=lambda cell: cell.bias)
    model = build(MGUCell(UNITS))
    with recorded_warnings() as caught:
        model.fit(X, Y, epochs=2, verbose=0, callbacks=observe(tmp_path / "run", probe=(X, Y)))
    told = [str(one.message) for one in caught if issubclass(one.category, RuntimeWarning)]
    assert len(told) == 2
    assert any("What compute_gates of MGUCell returns must be" in message for message in told)
    assert any("What transition of MGUCell returns must be" in message for message in told)


def test_a_heatmap_that_cannot_be_split_is_one_warning(tmp_path, recorded_warnings):
    declare_mgu(gates=["a", "b", "candidate", "d"], compute_gates=None)
    model = build(MGUCell(UNITS))
    with recorded_warnings() as caught:
        model.fit(X, Y, epochs=2, verbose=0, callbacks=[WeightHeatmaps(tmp_path / "run")])
    told = [str(one.message) for one in caught if issubclass(one.category, RuntimeWarning)]
    assert len(told) == 1
    assert "split must name weights that hold the 4 gates side by side" in told[0]


def test_a_declaration_that_fails_costs_its_own_layer():
    """Alone the error is raised; beside others it is one warning, and these are shown."""

    def fails(cell, x, states):
        raise ZeroDivisionError("nobody thought of this")

    declare_mgu(compute_gates=fails)
    model = keras.Sequential(
        [
            keras.Input((STEPS, FEATURES)),
            layers.LSTM(UNITS, return_sequences=True, name="good"),
            layers.RNN(MGUCell(UNITS), name="bad"),
        ]
    )
    model.compile("sgd", "mse")
    with pytest.warns(RuntimeWarning, match="^bad is left out: ZeroDivisionError: nobody thought of this$"):
        traces = inspection.trace(model, X)
    assert set(traces) == {"good"}
    assert set(inspection.gradient_flow(model, X, Y)) == {"good", "bad"}  # which needs no gates
    with pytest.warns(RuntimeWarning, match="^bad is left out"):
        looks = recurrent.look(model, X, Y)
    assert set(looks) == {"good"}
    assert looks["good"].flow is not None
    with pytest.raises(ZeroDivisionError, match="nobody thought of this"):
        inspection.trace(build(MGUCell(UNITS)), X)
