"""A run recorded by version 1 of the format is read as one of today.

It holds four epochs of an LSTM `lstm` and a GRU `reader` behind it, which read 10 steps, the last of them masked. Its
numbers are held against each other.
"""

import json
import pathlib
import shutil

import numpy as np
import pytest

from rnn_tutorial import diagnosis, recording
from rnn_tutorial.diagnosis import facts
from rnn_tutorial.recording import events, folders, records, schema

FOLDER = pathlib.Path(__file__).parent / "recorded" / "version_1"
EPOCHS = [0, 1, 2, 3]
GATES = {"lstm": ["input", "forget", "candidate", "output"], "reader": ["update", "reset", "candidate"]}
STATES = {"lstm": ["hidden", "cell"], "reader": ["hidden"]}
FACTOR = {"lstm": 4, "reader": 3}  # the columns of a kernel, by units


@pytest.fixture(scope="module")
def run():
    return recording.read(FOLDER)


def test_the_file_is_one_of_version_1():
    (path,) = folders.event_files(FOLDER)
    about = {}
    for event in events.read(path):
        for value in event.summary.value:
            if value.metadata.plugin_data.plugin_name == schema.PLUGIN:
                about[value.tag] = records.metadata(value.metadata.plugin_data.content)
    assert {one["v"] for one in about.values()} == {1}
    assert {tag for tag in about if "above" in tag} == {"rnn/lstm/grad_flow_above", "rnn/reader/grad_flow_above"}
    for tag, one in about.items():
        assert schema.split_tag(tag) == (one["layer"], schema.RENAMED.get(one["kind"], one["kind"]))


def test_all_of_it_is_read_under_the_names_of_today(run):
    assert run.problems == []
    flows = {f"rnn/{layer}/grad_flow{part}" for layer in GATES for part in ("", "_immediate")}
    assert set(run.tensors) == flows | {"rnn/lstm/grad_flow_cell"}
    assert set(run.blobs) == {f"rnn/{layer}/{kind}" for layer in GATES for kind in ("states", "gates")}
    for series in (run.tensors, run.blobs):
        assert {tag: list(one) for tag, one in series.items()} == dict.fromkeys(series, EPOCHS)
    for tag in ("loss", "val_loss", "accuracy", "learning_rate", "clipped_batches", "gradient_norm/global"):
        assert list(run.scalars[tag]) == EPOCHS
    assert recording.runs(FOLDER) == [FOLDER]


@pytest.mark.parametrize("layer", GATES)
def test_the_flow_is_that_of_its_own_scalars(run, layer):
    """The ratio is that of the first norm to the last; at the last step nothing arrives from later ones."""
    for epoch in EPOCHS:
        total, immediate = (run.tensors[f"rnn/{layer}/{schema.FLOWS[part]}"][epoch] for part in ("total", "immediate"))
        assert total.shape == immediate.shape == (10,)
        assert np.isnan(total).nonzero()[0].tolist() == np.isnan(immediate).nonzero()[0].tolist() == [9]
        assert run.scalars[f"gradient_flow_ratio/{layer}"][epoch] == pytest.approx(total[0] / total[8], rel=1e-6)
        assert immediate[8] == total[8] > 0
        assert not np.array_equal(immediate, total, equal_nan=True)
    if layer == "reader":  # gives its last state alone, so that the loss hears of no other step
        read = run.tensors["rnn/reader/grad_flow_immediate"][0] > 0
        assert read.nonzero()[0].tolist() == [6, 8]  # the last step of sequences of two lengths


@pytest.mark.parametrize("layer", GATES)
def test_the_frames_are_those_of_its_cell(run, layer):
    for epoch in EPOCHS:
        header, states = run.blobs[f"rnn/{layer}/states"][epoch]
        assert (header["names"], header["stride"]) == (STATES[layer], [1, 1, 1])
        units = states.shape[1]
        header, gates = run.blobs[f"rnn/{layer}/gates"][epoch]
        assert (header["names"], gates.shape[1:]) == (GATES[layer], states.shape[1:])
        known = np.isfinite(states[0]).all(axis=0)
        assert np.abs(states[0][:, known]).max() <= 1
        for name, values in zip(GATES[layer], gates[:, :, known], strict=True):
            assert values.min() >= (-1 if name == "candidate" else 0)
            assert values.max() <= 1
        table = run.histograms[f"weights/{layer}/recurrent_kernel"][epoch]
        assert table[:, 2].sum() == FACTOR[layer] * units**2
    assert {tag for tag in run.scalars if tag.startswith(f"saturation/{layer}/")} == {
        f"saturation/{layer}/{gate}" for gate in GATES[layer]
    }


def test_the_diagnosis_understands_it(run):
    assert diagnosis.diagnose(run) == []
    assert {layer: facts.cell(run, layer) for layer in GATES} == {"lstm": "lstm", "reader": "gru"}
    assert facts.steps(run, "lstm/recurrent_kernel") == 10
    # What stands in its arrays is used: a loss that does not fall, and a gradient that does not arrive.
    sick = recording.read(FOLDER)
    sick.scalars["loss"] = dict.fromkeys(range(12), 1.0)
    sick.scalars["gradient_flow_ratio/reader"] = dict.fromkeys(EPOCHS, 1e-9)
    found = {(one.rule, one.layer): one for one in diagnosis.diagnose(sick)}
    norms = run.tensors["rnn/reader/grad_flow"][3][:9]
    expected = {"ratio": 1e-9, "steps_reached": int((norms >= 0.01 * norms.max()).sum()), "steps": 9}
    assert found["vanishing", "reader"].numbers == expected
    assert found["vanishing", "reader"].severity == "warning"


def test_it_goes_on_as_one_of_today(tmp_path):
    shutil.copytree(FOLDER, tmp_path / "run")
    tag = schema.tag("lstm", schema.FLOWS["immediate"])
    run = recording.Run.closed(tmp_path / "run")
    assert run.go_on()
    about: schema.Metadata = {"v": schema.VERSION, "kind": schema.FLOWS["immediate"], "layer": "lstm"}
    run.tensor(tag, np.ones(10, "float32"), 4, schema.PLUGIN, json.dumps(about).encode())
    run.close()
    found = recording.read(tmp_path / "run")
    assert found.problems == []
    assert list(found.tensors[tag]) == [*EPOCHS, 4]
    assert found.tensors[tag][4].tolist() == [1] * 10
