"""Rules declare themselves: a stranger's rule is known everywhere, and a wrong declaration is told at once."""

import inspect
import json
import pathlib
import re
import shutil

import keras
import numpy as np
import pytest

from rnn_tutorial import callbacks, diagnosis, recording
from rnn_tutorial.callbacks import HealthCheck, health
from rnn_tutorial.diagnosis import curves, registry, rules
from rnn_tutorial.diagnosis.findings import Finding

ROOT = pathlib.Path(__file__).parent.parent
LOSS = {0: 1.0, 1: 0.5, 2: 0.4}


@pytest.fixture(autouse=True)
def rules_of_one_test(monkeypatch):
    """What a test declares is forgotten after it."""
    before = dict(diagnosis.RULES)
    yield
    diagnosis.RULES.clear()
    diagnosis.RULES.update(before)


def run_data(**scalars):
    run = diagnosis.RunData("by hand")
    run.scalars = {tag.replace("__", "/"): curve for tag, curve in scalars.items()}
    return run


def found(severity="warning", **changes):
    values = {"epochs": (0, 2), "numbers": {}, "cause": "It is so.", "advice": "Let it be."}
    return Finding(severity=severity, **values | changes)


# A rule of a stranger


STAND_IN = '''"""Losses that are a round number."""

from rnn_tutorial.diagnosis.findings import Finding
from rnn_tutorial.diagnosis.registry import rule


@rule(needs=("loss",), while_training=True, at_once=True, panel="states", tag="epoch_loss", causes=("oscillating",))
def round_loss(loss, *, digits=1):
    """The loss is round (measured: it never is)."""
    epochs = [epoch for epoch, value in loss.items() if round(value, digits) == value]
    if not epochs:
        return None
    return Finding(
        severity="warning",
        epochs=(min(epochs), max(epochs)),
        numbers={"epochs": len(epochs)},
        cause="The loss is round.",
        advice="Wonder.",
    )
'''


PROGRAM = """
import json, sys
import keras
import numpy as np
from rnn_tutorial import diagnosis
from rnn_tutorial.callbacks import HealthCheck
from rnn_tutorial.callbacks.scalars import Scalars

rule = diagnosis.RULES["round_loss"]
run = diagnosis.RunData("by hand", {"loss": {0: 0.523, 1: 0.5}})
model = keras.Sequential([keras.Input((3, 1)), keras.layers.SimpleRNN(2), keras.layers.Dense(1)])
model.set_weights([np.zeros_like(weight) for weight in model.get_weights()])
model.compile(keras.optimizers.SGD(0.0), "mse")
check = HealthCheck(sys.argv[1], stop_on="round_loss")
model.fit(np.zeros((4, 3, 1)), np.ones((4, 1)), epochs=5, verbose=0, callbacks=[Scalars(sys.argv[1]), check])
known = {
    "last": list(diagnosis.RULES)[-1],
    "declared": [rule.panel, rule.per, rule.causes, rule.__doc__, "round_loss" in diagnosis.while_training()],
    "called": [str(diagnosis.round_loss({0: 0.123})), diagnosis.round_loss({0: 0.123}, digits=3).rule],
    "diagnosed": [vars(finding) for finding in diagnosis.diagnose(run)],
    "file": [finding.rule for finding in diagnosis.diagnose(diagnosis.read(sys.argv[1]))],
    "epochs": model.history.epoch,
}
print("KNOWN", json.dumps(known))
"""


def test_a_file_in_the_folder_is_a_rule_everywhere(tmp_path, monkeypatch, run_python):
    """In a copy of the package to which nothing but that file was added."""
    shutil.copytree(ROOT / "rnn_tutorial", tmp_path / "rnn_tutorial", ignore=shutil.ignore_patterns("__pycache__"))
    (tmp_path / "rnn_tutorial" / "diagnosis" / "rules" / "round_numbers.py").write_text(STAND_IN)
    monkeypatch.chdir(tmp_path)
    printed, _, known = run_python(PROGRAM, tmp_path / "run", PYTHONPATH=str(tmp_path)).partition("KNOWN")
    known = json.loads(known)
    (finding,) = known.pop("diagnosed")
    assert known == {
        "last": "round_loss",
        "declared": ["states", "", ["oscillating"], "The loss is round (measured: it never is).", True],
        "called": ["None", "round_loss"],
        "file": ["round_loss"],
        "epochs": [0],
    }
    shown = [finding[name] for name in ("rule", "layer", "epochs", "tab", "tag")]
    assert shown == ["round_loss", "", [1, 1], "Time Series", "epoch_loss"]
    assert "HealthCheck, epoch 0: warning: round_loss, epoch 0: The loss is round.\n" in printed


def test_the_folder_is_read_without_a_list():
    """Each rule of this package lies in a file of that folder, and no other file names it as one."""
    places = {rule.judge.__module__.rpartition(".") for rule in diagnosis.RULES.values()}
    assert {package for package, *_ in places} == {"rnn_tutorial.diagnosis.rules"}
    assert {file for *_, file in places} == {path.stem for path in pathlib.Path(*rules.__path__).glob("[!_]*.py")}


def model_of_zeros():
    """One whose loss is 1, and stays so."""
    model = keras.Sequential([keras.Input((3, 1)), keras.layers.SimpleRNN(2, name="cell"), keras.layers.Dense(1)])
    model.set_weights([np.zeros_like(weight) for weight in model.get_weights()])
    model.compile(keras.optimizers.SGD(0.0), "mse")
    return model


X, Y = np.zeros((4, 3, 1), "float32"), np.ones((4, 1), "float32")


def test_a_rule_of_a_users_own_program(tmp_path, monkeypatch):
    """Of what that program records itself, layer by layer; without `at_once` the second look tells it."""

    @diagnosis.rule(needs=("my/norm/{layer}", "loss"), per="layer", while_training=True, tag="my/norm/{layer}")
    def too_large(norm, loss=None, *, most=3.0):
        epochs, values = curves.finite(norm)
        return found(epochs=curves.span(epochs), numbers={"norm": values.max()}) if values.max() > most else None

    class Norms(callbacks.WeightHistograms):
        def look(self, epoch, logs):
            for layer, value in (("cell", 4.0), ("deep/cell", 2.0)):
                self.run.scalar(f"my/norm/{layer}", value + epoch, epoch)

    lines = []
    monkeypatch.setattr(health._console, "tell", lines.append)
    check = HealthCheck(tmp_path / "run", stop_on="too_large")
    model = model_of_zeros()
    model.fit(X, Y, epochs=9, verbose=0, callbacks=[Norms(tmp_path / "run"), check])
    assert model.history.epoch == [0, 1]
    assert [line for line in lines if "epoch 1:" in line] == [
        "HealthCheck, epoch 1: warning: too_large in cell, epochs 0 to 1: It is so."
    ]
    recorded = [one for one in diagnosis.diagnose(diagnosis.read(tmp_path / "run")) if one.rule == "too_large"]
    assert [(one.layer, one.tag, one.numbers) for one in recorded] == [("cell", "my/norm/cell", {"norm": 5.0})]
    assert too_large({0: 2.0}, most=1).rule == "too_large"


# What a rule gets


def applied(run, **declared):
    """What a rule that finds something everywhere is called with: {place: arguments}."""
    calls = []

    def everywhere(first, second="nothing", third="nothing"):
        calls.append((first, second, third)[: len(declared["needs"])])
        return found()

    diagnosis.rule(**declared)(everywhere)
    places = [finding.layer for finding in diagnosis.diagnose(run, ["everywhere"])]
    return dict(zip(places, calls, strict=True))


def test_what_a_rule_of_the_whole_run_gets():
    run = run_data(loss=LOSS, val_loss={0: 2.0})
    assert applied(run, needs=("loss", "val_loss")) == {"": (LOSS, {0: 2.0})}
    assert applied(run, needs=("loss", "val_mae")) == {"": (LOSS, "nothing")}
    assert applied(run, needs=("val_mae", "loss")) == {}, "the first has no default"
    assert applied(run, needs=(("loss", curves.last), ("loss", curves.first), ("val_loss", max))) == {"": (0.4, 1.0, 0)}
    assert applied(run, needs=("loss", lambda run, place: (run.name, place))) == {"": (LOSS, ("by hand", ""))}
    assert applied(run, needs=("loss", lambda run, place: None)) == {"": (LOSS, "nothing")}
    assert applied(run, needs=(lambda run, place: None, "loss")) == {}
    assert applied(run, needs=("loss",), where=lambda run, place: False) == {}


def test_what_a_rule_of_each_layer_gets():
    run = run_data(
        loss=LOSS, saturation__a__input={0: 0.1}, saturation__a__forget={0: 0.2}, saturation__b__c__input={0: 0.3}
    )
    run.tensors = {"rnn/a/grad_flow": {0: np.zeros(3), 5: np.ones(3)}, "rnn/d/grad_flow": {0: np.zeros(2)}}
    run.blobs = {"rnn/a/states": {7: ({"names": ["hidden"]}, np.zeros((1, 2, 3)))}}
    gates = {"a": {"input": {0: 0.1}, "forget": {0: 0.2}}, "b/c": {"input": {0: 0.3}}}
    assert applied(run, needs=("saturation/{layer}/{gate}",), per="layer") == {
        name: (one,) for name, one in gates.items()
    }
    length = ("rnn/{layer}/grad_flow", lambda series: len(curves.last(series)))
    assert applied(run, needs=(length, "loss", ("rnn/{layer}/states", max)), per="layer") == {
        "a": (3, LOSS, 7),
        "d": (2, LOSS, "nothing"),
    }
    # A layer that only one of the needs knows is a layer all the same.
    assert applied(run, needs=("loss", length, "saturation/{layer}/{gate}"), per="layer") == {
        "a": (LOSS, 3, gates["a"]),
        "d": (LOSS, 2, "nothing"),
        "b/c": (LOSS, "nothing", gates["b/c"]),
    }
    seen = applied(run, needs=(length, lambda run, layer: layer), per="layer", where=lambda run, layer: layer != "a")
    assert seen == {"d": (2, "d")}


def test_what_a_rule_of_each_weight_gets():
    run = run_data(update_ratio__a__kernel={0: 0.1}, update_ratio__global={0: 0.2})
    run.histograms = {"weights/a/kernel": {0: np.ones((1, 3))}, "weights/b/bias": {0: np.zeros((1, 3))}}
    run.scalars["weights/c/kernel"] = {0: 1.0}  # called as a histogram, and none
    seen = applied(run, needs=(("weights/{weight}", curves.first), "update_ratio/{weight}"), per="weight")
    assert {place: (table[0, 0], ratio) for place, (table, ratio) in seen.items()} == {
        "a/kernel": (1, {0: 0.1}),
        "b/bias": (0, "nothing"),
    }


# What else it declares


def test_a_run_that_ends_in_nan_is_judged_by_those_alone_that_declare_it():
    run = run_data(loss={0: 1.0, 1: float("nan")})
    assert applied(run, needs=("loss",)) == {}
    assert list(applied(run, needs=("loss",), despite_nan=True)) == [""]
    assert list(applied(run_data(loss={0: float("nan"), 1: 1.0}), needs=("loss",))) == [""]


def test_the_order_of_what_is_equally_severe_and_of_cause_and_effect():
    for name, order, causes in (("late", 5000, ("early",)), ("early", 4000, ()), ("usual", None, ("late",))):
        function = eval(
            f"lambda loss: found(severity={'severe' if name == 'usual' else 'warning'!r})", {"found": found}
        )
        function.__name__ = name
        diagnosis.rule(needs=("loss",), causes=causes, **{} if order is None else {"order": order})(function)
    assert list(diagnosis.RULES)[-3:] == ["usual", "early", "late"]
    told = diagnosis.diagnose(run_data(loss=LOSS), ["early", "late", "usual"])
    assert [(one.rule, one.follows) for one in told] == [("early", ""), ("late", "early"), ("usual", "late")]


def test_rules_that_name_each_other_as_causes():
    for name, causes in (("one", ("two",)), ("two", ("three", "one")), ("three", ("three", "two"))):
        function = eval("lambda loss: found()", {"found": found})
        function.__name__ = name
        diagnosis.rule(needs=("loss",), causes=causes)(function)
    told = diagnosis.diagnose(run_data(loss=LOSS), ["one", "two", "three"])
    assert [(one.rule, one.follows) for one in told] == [("three", ""), ("two", "three"), ("one", "two")]


def test_a_finding_says_where_to_look_if_the_rule_does_not():
    def declare(**changes):
        return diagnosis.rule(needs=("loss/{layer}",), per="layer", tab="Images", tag="picture/{layer}")(
            lambda loss: found(**changes)
        )

    run = run_data(loss__a=LOSS)
    for changes, expected in (
        ({}, ("Images", "picture/a")),
        ({"tab": "Histograms", "tag": "other/{layer}/x"}, ("Histograms", "other/a/x")),
    ):
        declare(**changes)
        ((finding),) = diagnosis.diagnose(run, ["<lambda>"])
        assert (finding.tab, finding.tag) == expected


def test_all_rules_of_this_package():
    for rule in diagnosis.RULES.values():
        assert set(rule.causes) <= set(diagnosis.RULES), rule.name
        assert getattr(diagnosis, rule.name) is rule.judge
        assert list(inspect.signature(rule.judge).parameters)
    shown = {name: diagnosis.RULES[name].panel for name in ("dead_units", "saturated", "vanishing", "nan")}
    assert shown == {"dead_units": "states", "saturated": "gates", "vanishing": "flow", "nan": ""}
    orders = [rule.order for rule in diagnosis.RULES.values()]
    assert orders == sorted(orders)


def test_the_table_in_the_readme_has_all_rules():
    for name in ("README.md", "README.zh-CN.md"):
        rows = re.findall(r"^\| `(\w+)`(.*?) \|", (ROOT / name).read_text(encoding="utf-8"), re.MULTILINE)
        rows = {rule: bool(note) for rule, note in rows if rule in diagnosis.RULES}
        assert rows == {rule.name: rule.only_notes for rule in diagnosis.RULES.values()}
        assert list(rows) == list(diagnosis.RULES)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (lambda loss: 1 / 0, "the rule strange is left out: ZeroDivisionError: division by zero"),
        (lambda loss: "so it is", "the rule strange is left out: TypeError: a rule must return a Finding or None, "),
    ],
)
def test_a_rule_that_fails_costs_itself(wrong, message, told_instead):
    def strange(loss):
        return wrong(loss)

    diagnosis.rule(needs=("loss",), while_training=True)(strange)
    run = run_data(loss={0: 1.0, 1: np.nan, 2: 1.0})
    with pytest.warns(RuntimeWarning) as caught:
        findings = diagnosis.diagnose(run)
    assert [finding.rule for finding in findings] == ["nan"]
    assert [str(warning.message)[: len(message)] for warning in caught] == [message]


def test_what_other_plugins_write_is_no_frame(tmp_path):
    """A program may write its own to the run that a callback listens to."""
    run = diagnosis.RunData("by hand")
    with recording.Run(tmp_path / "run") as written:
        written.listeners.append(run.add)
        written.blobs("mine/pictures", [b"anything"], 0, "somebody")
        written.tensor("mine/numbers", np.ones(3), 0, "somebody")
    assert (run.blobs, list(run.tensors)) == ({}, ["mine/numbers"])


# Wrong declarations


@pytest.mark.parametrize(
    ("declared", "message"),
    [
        ({"needs": "loss"}, "needs must be a tuple, one for each parameter of the rule, received 'loss'"),
        ({"needs": ()}, "needs must be a tuple, .*, received ()"),
        ({"needs": ("",)}, "needs must hold tags, pairs .*, received ''"),
        ({"needs": (3,)}, "needs must hold tags, pairs .*, received 3"),
        ({"needs": (("loss", 3),)}, r"needs must hold tags, pairs .*, received \('loss', 3\)"),
        ({"needs": (("loss", max, min),)}, "needs must hold tags, pairs"),
        ({"needs": ("loss", "val_loss")}, r"needs must hold one for each positional parameter of judge\(loss, \*, .*2"),
        ({"needs": ("saturation/{layer}/{gate}",)}, "needs must hold tags with {layer} .*, received .* with per=''"),
        ({"needs": ("a/{gate}/{x}",), "per": "layer"}, "needs must hold tags with {layer} and at most one more"),
        ({"needs": ("{layer}/{gate}/{x}",), "per": "layer"}, "needs must hold tags with {layer} and at most one more"),
        ({"needs": ("loss",), "per": "weight"}, "needs must hold a tag with {weight} where per='weight', received"),
        ({"per": "unit"}, "per must be one of '', 'layer', 'weight', received 'unit'"),
        ({"panel": "gate"}, "panel must be one of '', 'flow', 'states', 'gates', received 'gate'"),
        ({"while_training": 1}, "while_training must be True or False, received 1"),
        ({"at_once": True}, "at_once must be False where while_training is, received True"),
        ({"despite_nan": None}, "despite_nan must be True or False, received None"),
        ({"only_notes": "yes"}, "only_notes must be True or False, received 'yes'"),
        ({"where": "lstm"}, "where must be None or a function .*, received 'lstm'"),
        ({"tab": None}, "tab must be a string, .*, received None"),
        ({"tag": "x/{layer}"}, "tag must be a string, of names in braces .* per='', received 'x/{layer}'"),
        ({"causes": "nan"}, "causes must be a tuple of names of rules, received 'nan'"),
        ({"causes": (diagnosis.diagnose,)}, "causes must be a tuple of names of rules"),
        ({"order": "first"}, "order must be an integer, received 'first'"),
    ],
)
def test_a_wrong_declaration_is_told(declared, message):
    def judge(loss, *, threshold=1.0):
        """Nothing."""

    before = dict(diagnosis.RULES)
    with pytest.raises(ValueError, match=message):
        diagnosis.rule(**{"needs": ("loss",)} | declared)(judge)
    assert before == diagnosis.RULES


def test_a_function_that_cannot_be_called_with_what_it_needs_is_told():
    def too_many(loss, val_loss):
        """Nothing."""

    def without_a_default(loss, *, threshold):
        """Nothing."""

    for function in (too_many, without_a_default):
        with pytest.raises(ValueError, match=rf"needs must hold one for each .* of {function.__name__}.*, received 1"):
            diagnosis.rule(needs=("loss",))(function)


def test_a_name_that_is_taken_is_told_but_for_the_same_rule_declared_again():
    def declare(name):
        def function(loss):
            return found()

        function.__name__ = name
        return diagnosis.rule(needs=("loss",))(function)

    with pytest.raises(ValueError, match=r"a name of its own, received 'nan', which is taken by .*rules\.loss"):
        declare("nan")
    first, second = declare("mine"), declare("mine")  # as a notebook does whose cell is run again
    assert first is not second is diagnosis.RULES["mine"].judge
    assert not hasattr(diagnosis, "mine_too")
    with pytest.raises(AttributeError, match=r"has no attribute 'mine_too'; its rules are nan, .*mine"):
        _ = diagnosis.mine_too
    assert registry.RULES is diagnosis.RULES


def test_a_severity_that_there_is_not_is_told():
    with pytest.raises(ValueError, match="severity must be one of 'severe', 'warning', 'note', received 'bad'"):
        found(severity="bad")
