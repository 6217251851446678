"""The wire's names: patterns and what they match, and that nobody else spells them."""

import ast
import pathlib

import pytest

import rnn_tutorial
from rnn_tutorial.recording import schema

PACKAGE = pathlib.Path(rnn_tutorial.__file__).parent
PATTERNS = {name: value for name, value in vars(schema).items() if name[0].isupper() and isinstance(value, str)}
VALUES = {
    "layer": "encoder/lstm",
    "weight": "encoder/lstm/kernel",
    "gate": "{0}\n",
    "metric": "mae",
    "temperature": "0.5",
}


@pytest.mark.parametrize("name", [name for name, value in PATTERNS.items() if "{" in value])
def test_a_pattern_matches_its_own_tags_alone(name):
    pattern = PATTERNS[name]
    names = {key: value for key, value in VALUES.items() if f"{{{key}}}" in pattern}
    tag = pattern.format(**names)
    assert schema.match(pattern, tag) == names
    others = [value.format(**VALUES) for other, value in PATTERNS.items() if other != name]
    assert [other for other in others if schema.match(pattern, other)] == []


@pytest.mark.parametrize(
    ("pattern", "tag", "expected"),
    [
        ("loss", "loss", {}),
        ("loss", "val_loss", None),
        ("a.c/{layer}", "abc/lstm", None),
        (schema.SATURATION, "saturation/lstm", None),
        (schema.SATURATION, "saturation/a/b/c", {"layer": "a/b", "gate": "c"}),
        (schema.UPDATE_RATIO, "update_ratio/", None),
        (schema.tag("{layer}", "states"), "rnn/rnn/states/states", {"layer": "rnn/states"}),
        (schema.tag("{layer}", "states"), "rnn/lstm/gates", None),
    ],
)
def test_what_a_tag_has_for_the_names_of_a_pattern(pattern, tag, expected):
    assert schema.match(pattern, tag) == expected


def test_tags_of_layers():
    assert schema.split_tag(schema.tag("a/b", "states")) == ("a/b", "states")
    assert schema.split_tag("rnn/lstm/grad_flow_above") == ("lstm", schema.FLOWS["immediate"])
    assert schema.current("rnn/lstm/grad_flow_above") == "rnn/lstm/grad_flow_immediate"
    for tag in ("rnn//states", "rnn/states", "weights/lstm/kernel", "rnnlstm/states/x", ""):
        assert schema.split_tag(tag) is None
        assert schema.current(tag) == tag


def test_what_holds_a_tag():
    kinds = {
        "loss": "scalars",
        "": "scalars",
        schema.SATURATION: "scalars",
        "weights_picture/lstm": "scalars",
        "weights/lstm/kernel": "histograms",
        schema.GRADIENTS: "histograms",
        **{schema.tag("lstm", kind): "tensors" for kind in schema.FLOWS.values()},
        **{schema.tag("{layer}", kind): "blobs" for kind in schema.FRAMES},
    }
    assert {tag: schema.kind_of(tag) for tag in kinds} == kinds


def test_which_tags_count_updates():
    assert schema.counts_updates("gradient_norm_batch/lstm/kernel")
    assert schema.counts_updates("evaluation_loss_vs_iterations")
    assert not any(
        map(schema.counts_updates, ("gradient_norm/global", "epoch_loss", "evaluation_loss", "rnn/x/states"))
    )


def spelled(path):
    """The texts in a file, its documentation left out."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    documentation = {node.value for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    return [
        node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and node not in documentation
    ]


@pytest.mark.parametrize("room", ["board", "callbacks", "cli", "diagnosis", "recording"])
def test_nobody_else_spells_a_tag(room):
    beginnings = ("rnn/", *(value.partition("{")[0] for value in PATTERNS.values() if "{" in value))
    kinds = (*schema.FLOWS.values(), *schema.RENAMED, schema.CLIPPED_BATCHES, schema.COPIES_LAST_INPUT)
    found = {
        (str(path.relative_to(PACKAGE)), text)
        for path in (PACKAGE / room).rglob("*.py")
        if path.name != "schema.py"
        for text in spelled(path)
        if text.startswith(beginnings) or text in kinds
    }
    assert found == set()
