import errno
import fractions
import io
import json
import math
import os
import pathlib
import socket
import stat
import struct
import threading
import time

import numpy as np
import PIL.Image
import pytest
import tensorflow as tf
from tensorboard import context
from tensorboard.backend.event_processing import data_provider, event_accumulator, plugin_event_multiplexer
from tensorboard.compat.proto import event_pb2, summary_pb2
from tensorboard.compat.tensorflow_stub import pywrap_tensorflow
from tensorboard.summary.writer import record_writer

from rnn_tutorial import recording
from rnn_tutorial.recording import events, folders, histograms, locks


def png(width=7, height=3, color=(200, 30, 30)):
    buffer = io.BytesIO()
    PIL.Image.new("RGB", (width, height), color).save(buffer, format="PNG")
    return buffer.getvalue()


def event_files(folder):
    return sorted(pathlib.Path(folder).glob("*tfevents*"))


def summaries(loaded):
    """(step, value) of each summary, the record about the file left out."""
    return [(event.step, value) for event in loaded for value in event.summary.value]


# What is written comes back


@pytest.fixture(scope="module")
def everything(tmp_path_factory):
    """A run with every kind of data at three steps, and what was written."""
    folder = tmp_path_factory.mktemp("logs") / "run"
    rng = np.random.default_rng(0)
    written = {
        "loss": [0.5, 0.25, float("nan")],
        "weights": [rng.normal(size=(4, 5)).astype("float32") for _ in range(3)],
        "picture": [png(7, 3 + step) for step in range(3)],
        "words": ["# Title", "a *b* ü", ""],
        "curve": [rng.normal(size=(2, 3)).astype("float16") for _ in range(3)],
        "frames": [[b"{}", bytes(range(256))], [b"\x00"], []],
    }
    start = time.time()
    with recording.Run(folder) as run:
        for step in range(3):
            run.scalar("loss", written["loss"][step], step)
            run.histogram("weights", written["weights"][step], step)
            run.image("picture", written["picture"][step], step)
            run.text("words", written["words"][step], step)
            run.tensor("curve", written["curve"][step], step, plugin="rnn_tutorial", content=b'{"v": 1}')
            run.blobs("frames", written["frames"][step], step, plugin="rnn_tutorial", content=b'{"v": 2}')
    return folder, written, (start, time.time())


def test_the_file_begins_with_its_version(everything, read_events, our_event_file):
    folder, _, (start, end) = everything
    loaded = read_events(our_event_file(folder))
    assert loaded[0].file_version == "brain.Event:2"
    assert not loaded[0].summary.value
    assert [event.file_version for event in loaded[1:]] == [""] * 18
    assert all(start <= event.wall_time <= end for event in loaded)
    assert [event.wall_time for event in loaded] == sorted(event.wall_time for event in loaded)


def test_the_file_is_named_as_tensorboard_looks_for_it(everything, our_event_file):
    path = our_event_file(everything[0])
    assert path.name.startswith("events.out.tfevents.")
    assert socket.gethostname() in path.name
    assert folders.is_taken(everything[0])
    assert not folders.is_taken(everything[0].parent)
    assert not stat.S_IMODE(path.stat().st_mode) & 0o111, "an event file is no program"


def test_values_come_back_as_they_were_written(everything, read_events, our_event_file):
    folder, written, _ = everything
    found = {}
    for step, value in summaries(read_events(our_event_file(folder))):
        found.setdefault(value.tag, []).append((step, value.tensor))
    assert set(found) == set(written)
    assert all([step for step, _ in found[tag]] == [0, 1, 2] for tag in found)
    arrays = {tag: [tf.make_ndarray(tensor) for _, tensor in found[tag]] for tag in found}

    assert [(array.dtype, array.shape) for array in arrays["loss"]] == [(np.float32, ())] * 3
    assert np.array_equal(arrays["loss"], np.array(written["loss"], "float32"), equal_nan=True)
    for array, values in zip(arrays["weights"], written["weights"], strict=True):
        assert (array.dtype, array.shape) == (np.float64, (30, 3))
        assert array[0, 0] == values.min()
        assert array[-1, 1] == values.max()
        counts, _ = np.histogram(values.astype("float64"), bins=np.append(array[:, 0], array[-1, 1]))
        assert array[:, 2].tolist() == counts.tolist()
    for step, array in enumerate(arrays["picture"]):
        assert array.tolist() == [b"7", str(3 + step).encode(), written["picture"][step]]
    assert [array.item().decode() for array in arrays["words"]] == written["words"]
    assert [array.shape for array in arrays["words"]] == [()] * 3
    for array, values in zip(arrays["curve"], written["curve"], strict=True):
        assert array.dtype == np.float16
        assert np.array_equal(array, values)
    assert [array.tolist() for array in arrays["frames"]] == written["frames"]


def test_only_the_first_event_of_a_tag_says_what_it_is(everything, read_events, our_event_file):
    expected = {
        "loss": ("scalars", summary_pb2.DATA_CLASS_SCALAR, b""),
        "weights": ("histograms", summary_pb2.DATA_CLASS_TENSOR, b""),
        "picture": ("images", summary_pb2.DATA_CLASS_BLOB_SEQUENCE, b""),
        "words": ("text", summary_pb2.DATA_CLASS_TENSOR, b""),
        "curve": ("rnn_tutorial", summary_pb2.DATA_CLASS_TENSOR, b'{"v": 1}'),
        "frames": ("rnn_tutorial", summary_pb2.DATA_CLASS_BLOB_SEQUENCE, b'{"v": 2}'),
    }
    for step, value in summaries(read_events(our_event_file(everything[0]))):
        metadata = value.metadata
        if step == 0:
            plugin = metadata.plugin_data
            assert (plugin.plugin_name, metadata.data_class, plugin.content) == expected[value.tag]
        else:
            assert not value.HasField("metadata")


def test_the_accumulator_of_tensorboard_sees_it(everything):
    folder, written, _ = everything
    accumulator = event_accumulator.EventAccumulator(str(folder), size_guidance={event_accumulator.TENSORS: 0})
    accumulator.Reload()
    assert set(accumulator.Tags()["tensors"]) == set(written)
    assert accumulator.PluginTagToContent("rnn_tutorial") == {"curve": b'{"v": 1}', "frames": b'{"v": 2}'}
    assert [event.step for event in accumulator.Tensors("weights")] == [0, 1, 2]


def test_tensorboard_shows_it_in_the_right_tabs(everything):
    # What the tabs ask for: a tag without the right data class is not listed.
    folder, written, _ = everything
    multiplexer = plugin_event_multiplexer.EventMultiplexer(tensor_size_guidance={"rnn_tutorial": 0})
    multiplexer.AddRunsFromDirectory(str(folder.parent))
    multiplexer.Reload()
    provider = data_provider.MultiplexerDataProvider(multiplexer, str(folder.parent))

    def tags(listing, plugin):
        found = listing(context.RequestContext(), experiment_id="", plugin_name=plugin)
        return {tag: series.max_step for tag, series in found.get("run", {}).items()}

    assert tags(provider.list_scalars, "scalars") == {"loss": 2}
    assert tags(provider.list_tensors, "histograms") == {"weights": 2}
    assert tags(provider.list_tensors, "text") == {"words": 2}
    assert tags(provider.list_tensors, "rnn_tutorial") == {"curve": 2}
    for plugin, tag in (("images", "picture"), ("rnn_tutorial", "frames")):
        assert tags(provider.list_blob_sequences, plugin) == {tag: 2}
        found = provider.read_blob_sequences(
            context.RequestContext(), experiment_id="", plugin_name=plugin, downsample=9
        )["run"][tag]
        read = [
            [provider.read_blob(context.RequestContext(), blob_key=blob.blob_key) for blob in datum.values]
            for datum in found
        ]
        if plugin == "images":
            assert [blobs[2] for blobs in read] == written[tag]
        else:
            assert read == written[tag]


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64", "int32", "int64"])
@pytest.mark.parametrize("shape", [(), (0,), (3,), (2, 3, 4)], ids=str)
def test_tensors_of_every_kind(tmp_path, read_values, our_event_file, dtype, shape):
    values = (100 * np.random.default_rng(0).normal(size=shape)).astype(dtype)
    if dtype.startswith("float") and values.ndim and values.size:
        values.ravel()[:3] = np.nan, np.inf, -np.inf
    with recording.Run(tmp_path) as run:
        run.tensor("t", values, 5, plugin="p")
    found = read_values(our_event_file(tmp_path))["p"]["t"][5]
    assert (found.dtype, found.shape) == (values.dtype, values.shape)
    assert np.array_equal(found, values, equal_nan=dtype.startswith("float"))


def test_arrays_that_do_not_lie_in_order(tmp_path, read_values, our_event_file):
    values = np.arange(24.0).reshape(2, 3, 4)
    views = {"turned": values.T, "reversed": values[::-1, :, ::2], "swapped": values.astype(">f8")}
    with recording.Run(tmp_path) as run:
        for tag, view in views.items():
            run.tensor(tag, view.astype("float64") if tag == "swapped" else view, 0, plugin="p")
    found = read_values(our_event_file(tmp_path))["p"]
    assert all(np.array_equal(found[tag][0], view) for tag, view in views.items())


@pytest.mark.parametrize("dtype", ["bool", "uint8", "complex64", "U3", "O"])
def test_tensors_of_another_kind_are_refused(tmp_path, dtype):
    run = recording.Run(tmp_path)
    with pytest.raises(ValueError, match="float16, float32, float64, int32, int64, received") as caught:
        run.tensor("t", np.zeros(2, dtype), 0, plugin="p")
    assert str(np.dtype(dtype)) in str(caught.value)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (1, 1.0),
        (np.float64(0.1), np.float32(0.1)),
        (np.array(2.5), 2.5),
        (float("inf"), np.inf),
        (float("-inf"), -np.inf),
        (1e-300, 0.0),
        # More than float32 holds, as a loss is that blows up: what tf.summary.scalar writes, and no warning.
        (1e300, np.inf),
        (-1e39, -np.inf),
    ],
    ids=str,
)
def test_scalars_of_any_size(tmp_path, read_values, our_event_file, value, expected):
    with recording.Run(tmp_path) as run:
        run.scalar("s", value, 0)
    assert read_values(our_event_file(tmp_path))["scalars"]["s"][0] == np.float32(expected)


def test_steps_are_kept(tmp_path, read_values, our_event_file):
    steps = [0, 3, np.int64(7), 2**40]
    with recording.Run(tmp_path) as run:
        for step in steps:
            run.scalar("s", 1, step)
    assert list(read_values(our_event_file(tmp_path))["scalars"]["s"]) == steps


# Checksums


def test_every_checksum_is_right(everything, our_event_file):
    # TensorBoard's own computation, in Python.
    content = our_event_file(everything[0]).read_bytes()
    place, records = 0, 0
    while place < len(content):
        length = content[place : place + 8]
        (size,) = struct.unpack("<Q", length)
        (of_length,) = struct.unpack("<I", content[place + 8 : place + 12])
        record = content[place + 12 : place + 12 + size]
        (of_record,) = struct.unpack("<I", content[place + 12 + size : place + 16 + size])
        assert of_length == pywrap_tensorflow.masked_crc32c(length)
        assert of_record == pywrap_tensorflow.masked_crc32c(record)
        place += 16 + size
        records += 1
    assert records == 19


def test_tensorflow_reads_the_records(everything, our_event_file, tmp_path):
    path = our_event_file(everything[0])
    assert sum(1 for _ in tf.data.TFRecordDataset(str(path))) == 19
    # The reader does look at the checksums.
    content = bytearray(path.read_bytes())
    content[-20] ^= 1
    (tmp_path / "spoilt").write_bytes(content)
    with pytest.raises(tf.errors.DataLossError):
        list(tf.data.TFRecordDataset(str(tmp_path / "spoilt")))


# Histograms


def arrays_for_histograms():
    rng = np.random.default_rng(7)
    found = []
    for _ in range(30):
        n = int(rng.integers(2, 500))
        found += [
            rng.normal(size=n) * 10.0 ** rng.integers(-290, 290) + 10.0 ** rng.integers(-290, 290),
            rng.normal(size=(n, 3)),
            rng.uniform(size=n),
            rng.standard_cauchy(size=n),
            np.where(rng.uniform(size=n) < 0.5, 0.0, rng.normal(size=n)),
            rng.integers(-5, 5, size=n),
            rng.integers(-(2**62), 2**62, size=n),
            rng.integers(0, 255, size=n, dtype="uint8"),
            rng.normal(size=n).astype("float16"),
            (rng.normal(size=n) * 10.0 ** rng.integers(-30, 30)).astype("float32"),
            # As few float64 as possible between the smallest and the largest.
            1 + rng.integers(0, 3, size=n) * 2.0**-52,
            -1e10 + rng.integers(0, 40, size=n) * np.spacing(1e10),
            # On the edges themselves.
            rng.integers(0, 31, size=n) / 30,
            rng.integers(0, 31, size=n) * 0.1,
        ]
    found += [np.zeros(5), np.full((2, 3), 7.5), np.array([]), np.zeros((0, 4)), np.array([3.0]), np.float32(2)]
    found += [np.array([0, 1.0, 1.7e308]), np.array([-8e307, 3.0, 8e307]), np.array([0.0, -0.0]), np.array([-5, -5])]
    return found


def test_histograms_are_those_of_tensorflow(tmp_path, read_values):
    arrays = arrays_for_histograms()
    writer = tf.summary.create_file_writer(str(tmp_path))
    with writer.as_default():
        for step, array in enumerate(arrays):
            tf.summary.histogram("h", array, step=step)
    writer.close()
    (path,) = event_files(tmp_path)
    expected = read_values(path)["histograms"]["h"]
    assert len(expected) == len(arrays)
    for step, array in enumerate(arrays):
        table, nonfinite = histograms.count(array)
        assert (table.dtype, nonfinite) == (np.float64, 0)
        assert np.array_equal(table, expected[step]), f"{array.dtype} {array!r}"
        assert table[:, 2].sum() == np.size(array)


@pytest.mark.parametrize("buckets", [1, 2, 7, 30, 100])
def test_any_number_of_buckets(buckets):
    values = np.random.default_rng(0).normal(size=200)
    table, _ = histograms.count(values, buckets)
    assert table.shape == (buckets, 3)
    low, high = values.min(), values.max()
    for number, (left, right, count) in enumerate(table):
        inside = (values >= left) & ((values <= right) if number == buckets - 1 else (values < right))
        assert count == inside.sum()
        assert left == pytest.approx(low + (high - low) * number / buckets)
        assert right == pytest.approx(low + (high - low) * (number + 1) / buckets)


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_nan_and_infinities_are_counted_and_left_out(tmp_path, read_values, our_event_file, dtype):
    values = np.array([1, np.nan, 2, np.inf, 3, -np.inf, np.nan], dtype)
    table, nonfinite = histograms.count(values)
    assert nonfinite == 4
    assert np.array_equal(table, histograms.count(np.array([1.0, 2.0, 3.0]))[0])
    before = values.copy()
    with recording.Run(tmp_path) as run:
        assert run.histogram("h", values, 0) == 4
        assert run.histogram("h", np.ones(3), 1) == 0
        assert run.histogram("h", np.full(2, np.nan), 2) == 2
    assert np.array_equal(values, before, equal_nan=True)
    found = read_values(our_event_file(tmp_path))["histograms"]["h"]
    assert np.array_equal(found[0], table)
    assert np.array_equal(found[2], np.zeros((30, 3)))


@pytest.mark.parametrize("values", [[], [np.nan], [np.inf, -np.inf]], ids=str)
def test_without_any_finite_value_all_is_zero(values):
    table, nonfinite = histograms.count(np.array(values))
    assert nonfinite == len(values)
    assert np.array_equal(table, np.zeros((30, 3)))


LARGEST, SMALLEST = np.finfo("float64").max, np.finfo("float64").tiny


@pytest.mark.parametrize(
    "values",
    [
        [-LARGEST, LARGEST],
        [-LARGEST, -0.3 * LARGEST, 0.1 * LARGEST, LARGEST],  # not on an edge, where rounding decides
        [-1.7e308, 1.7e308, 1.6e308],
        [0.0, LARGEST],
        [-LARGEST, 1.0],
        [1e308, 1e308 * (1 + 2.0**-52)],
        [0.0, SMALLEST, 100 * SMALLEST],
    ],
    ids=str,
)
def test_the_ends_of_float64(values):
    # Warnings are errors: nothing may overflow or divide by zero on the way.
    table, nonfinite = histograms.count(np.array(values))
    assert nonfinite == 0
    assert np.all(np.isfinite(table))
    assert (table[0, 0], table[-1, 1]) == (min(values), max(values))
    assert np.all(table[:, 0] <= table[:, 1])
    assert np.array_equal(table[1:, 0], table[:-1, 1])
    # Counted in fractions, which have no bounds.
    counts = [0] * 30
    low, *_, high = exact = sorted(fractions.Fraction(value) for value in values)
    for value in exact:
        counts[min(29, int(30 * (value - low) / (high - low)))] += 1
    assert table[:, 2].tolist() == counts


@pytest.mark.parametrize("values", [[0.0, 5e-324], [5e-324, 1e-323, 2e-323], [5e-324 * k for k in range(200)]], ids=len)
def test_below_the_smallest_normal_number_all_values_are_counted(values):
    table, nonfinite = histograms.count(np.array(values))
    assert nonfinite == 0
    assert np.all(np.isfinite(table))
    assert table[:, 2].sum() == len(values)


def test_the_array_is_left_as_it_was():
    for values in (np.arange(5.0), np.arange(5.0)[::-1], np.arange(4.0).reshape(2, 2)):
        before = values.copy()
        histograms.count(values)
        assert np.array_equal(values, before)


# One tag, one kind of data

WRITERS = {
    "scalar": lambda run, tag: run.scalar(tag, 1.0, 0),
    "histogram": lambda run, tag: run.histogram(tag, np.ones(3), 0),
    "image": lambda run, tag: run.image(tag, png(), 0),
    "text": lambda run, tag: run.text(tag, "x", 0),
    "tensor": lambda run, tag: run.tensor(tag, np.ones(3), 0, plugin="mine"),
    "other tensor": lambda run, tag: run.tensor(tag, np.ones(3), 0, plugin="yours"),
    "blobs": lambda run, tag: run.blobs(tag, [b"x"], 0, plugin="mine"),
}


@pytest.mark.parametrize("second", WRITERS)
@pytest.mark.parametrize("first", WRITERS)
def test_a_tag_cannot_hold_two_kinds(tmp_path, read_events, our_event_file, first, second):
    with recording.Run(tmp_path) as run:
        WRITERS[first](run, "a/b")
        WRITERS[second](run, "another tag")
        if first == second:
            WRITERS[second](run, "a/b")
        else:
            with pytest.raises(ValueError, match="'a/b'"):
                WRITERS[second](run, "a/b")
    tags = [value.tag for _, value in summaries(read_events(our_event_file(tmp_path)))]
    assert tags == ["a/b", "another tag"] + ["a/b"] * (first == second)


@pytest.mark.parametrize(
    "wrong", [b"", b"GIF89a", b"\x89PNG", b"\x89PNG\r\n\x1a\n", png()[:20]], ids=["none", "gif", "4", "8", "20"]
)
def test_what_is_no_png_is_refused(tmp_path, wrong):
    run = recording.Run(tmp_path)
    with pytest.raises(ValueError, match="png must be the bytes of a PNG file"):
        run.image("picture", wrong, 0)


# When it can be read


def test_what_is_flushed_can_be_read_at_once(tmp_path, read_values, our_event_file):
    run = recording.Run(tmp_path)
    path = our_event_file(tmp_path)
    assert read_values(path) == {}
    run.scalar("s", 1, 0)
    size = path.stat().st_size
    run.flush()
    assert path.stat().st_size > size
    assert read_values(path)["scalars"]["s"] == {0: 1}
    run.flush()
    run.scalar("s", 2, 1)
    run.close()
    assert read_values(path)["scalars"]["s"] == {0: 1, 1: 2}


def test_what_was_flushed_outlives_the_process(tmp_path, run_python, read_values, our_event_file):
    run_python(
        """
        import os, sys
        import numpy as np
        from rnn_tutorial import recording
        run = recording.Run(sys.argv[1])
        for step in range(5):
            run.scalar("s", step, step)
            run.histogram("h", np.arange(10), step)
        run.flush()
        run.scalar("s", 5, 5)
        os._exit(7)
        """,
        tmp_path / "run",
        code=7,
    )
    found = read_values(our_event_file(tmp_path / "run"))
    assert found["scalars"]["s"] == {step: step for step in range(5)}
    assert list(found["histograms"]["h"]) == [0, 1, 2, 3, 4]


def test_a_closed_run_takes_nothing_more(tmp_path, read_values, our_event_file, open_event_files, recorded_warnings):
    with recording.Run(tmp_path) as run:
        assert not run.broken
        assert len(open_event_files(tmp_path)) == 1
        run.scalar("s", 1, 0)
    assert open_event_files(tmp_path) == []
    with recorded_warnings() as caught:
        run.close()
        with pytest.raises(ValueError, match="is closed"):
            run.scalar("s", 2, 1)
        run.flush()
        run.close()
    assert caught == []
    assert read_values(our_event_file(tmp_path)) == {"scalars": {"s": {0: 1}}}


def test_a_run_is_closed_when_the_program_fails(tmp_path, read_values, our_event_file):
    def program():
        with recording.Run(tmp_path) as run:
            run.scalar("s", 1, 0)
            raise KeyError

    with pytest.raises(KeyError):
        program()
    assert read_values(our_event_file(tmp_path)) == {"scalars": {"s": {0: 1}}}


def test_a_forgotten_run_closes_its_file(tmp_path, open_event_files):
    run = recording.Run(tmp_path)
    assert len(open_event_files(tmp_path)) == 1
    del run
    assert open_event_files(tmp_path) == []


# What is damaged


def seen_and_said(path):
    """The steps of the events that can be read, and what is said of the others."""
    steps = []
    with pytest.raises(events.BrokenFileError) as caught:
        steps.extend(event.step for event in events.read(path))
    return steps, str(caught.value)


def test_a_damaged_record_costs_itself(tmp_path):
    """No message, a message cut short, text that is no UTF-8; a checksum that is not that of the content."""
    path = tmp_path / "x.tfevents"
    whole = [event_pb2.Event(step=step, file_version="v").SerializeToString() for step in (1, 2, 3)]
    with open(path, "wb") as file:
        writer = record_writer.RecordWriter(file)
        for content in (whole[0], b"\xff\xff no event", whole[1], whole[1][:-1], b"\x1a\x01\xff", whole[2]):
            writer.write(content)
        file.flush()
        assert seen_and_said(path) == (
            [1, 2, 3],
            f"{path} holds 3 damaged and 3 whole records; the whole ones were read",
        )
    content = bytearray(path.read_bytes())
    content[12] ^= 1  # the first byte of the first event
    path.write_bytes(content)
    assert seen_and_said(path) == ([2, 3], f"{path} holds 4 damaged and 2 whole records; the whole ones were read")


@pytest.mark.parametrize("length", [13, 2**31, 2**40, 2**63, 2**64 - 1])
def test_a_length_beyond_the_end_of_the_file(tmp_path, length):
    """With the right checksum: as much memory is not even asked for."""
    path = tmp_path / "x.tfevents"
    with open(path, "wb") as file:
        writer = record_writer.RecordWriter(file)
        writer.write(event_pb2.Event(step=1).SerializeToString())
        head = struct.pack("<Q", length)
        file.write(head + struct.pack("<I", record_writer.masked_crc32c(head)) + bytes(16))
    assert seen_and_said(path) == ([1], f"{path} breaks off after 1 whole records; they were read")


@pytest.mark.parametrize("left", [b"", b"\0" * 5000, b"\x07\0\0\0\0\0\0\0" * 300, bytes(range(256)) * 5000])
@pytest.mark.parametrize("length", [0, 13, 2**31, 2**40, 2**64 - 1])
def test_a_wrong_length_costs_its_record(tmp_path, length, left):
    """With the right checksum or not, and whatever stands where its content was."""
    path = tmp_path / "x.tfevents"
    head = struct.pack("<Q", length)
    for checksum in (struct.pack("<I", record_writer.masked_crc32c(head)), b"\0\1\2\3"):
        with open(path, "wb") as file:
            writer = record_writer.RecordWriter(file)
            writer.write(event_pb2.Event(step=1).SerializeToString())
            file.write(head + checksum + left)
            for step in (2, 3):
                writer.write(event_pb2.Event(step=step).SerializeToString())
        steps, said = seen_and_said(path)
        assert steps == [1, 2, 3]
        assert said == f"{path} holds 1 damaged and 3 whole records; the whole ones were read"


def test_what_is_no_file_is_not_waited_for(tmp_path):
    folder, pipe, door, link = (tmp_path / f"{name}.tfevents" for name in ("folder", "pipe", "door", "link"))
    folder.mkdir()
    os.mkfifo(pipe)
    link.symlink_to(tmp_path / "nowhere")
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(door))
        for path in (folder, pipe, door, link, tmp_path / "missing", "/dev/zero"):
            assert seen_and_said(path) == ([], f"{path} is no file")


def test_a_file_that_cannot_be_read(tmp_path, monkeypatch):
    path = tmp_path / "x.tfevents"
    path.write_bytes(b"")

    def refuse(*arguments):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(events, "open", refuse, raising=False)
    assert seen_and_said(path) == ([], f"{path} cannot be read: Permission denied")


def test_a_file_that_grows_while_it_is_read(tmp_path):
    with recording.Run(tmp_path) as run:
        found = []
        for event in events.read(run.path):
            found.append(event.step)
            if len(found) < 5:
                run.scalar("s", 1.0, len(found))
                run.flush()
    assert found == [0, 1, 2, 3, 4]


# Runs do not collide


def test_each_run_has_a_folder_of_its_own(tmp_path, capsys):
    folder = tmp_path / "run"
    taken = []
    for number in range(4):
        with recording.Run(str(folder) if number % 2 else folder) as run:
            taken.append(run.log_dir)
        lines = capsys.readouterr().out.splitlines()
        if number == 0:
            assert lines == []
        else:
            assert len(lines) == 1
            assert lines[0].startswith(str(folder))
            assert str(taken[-1]) in lines[0]
    assert taken == [folder, tmp_path / "run_2", tmp_path / "run_3", tmp_path / "run_4"]
    assert all(len(event_files(path)) == 1 for path in taken)


def test_a_slash_at_the_end_makes_no_difference(tmp_path):
    folder = tmp_path / "run"
    for expected in (folder, tmp_path / "run_2", tmp_path / "run_3"):
        with recording.Run(f"{folder}/") as run:
            assert run.log_dir == expected


def test_a_run_that_is_still_open_counts(tmp_path):
    first, second = recording.Run(tmp_path / "run"), recording.Run(tmp_path / "run")
    assert (first.log_dir, second.log_dir) == (tmp_path / "run", tmp_path / "run_2")


def test_a_gap_in_the_numbers_is_filled(tmp_path):
    for name in ("run", "run_3"):
        recording.Run(tmp_path / name).close()
    with recording.Run(tmp_path / "run") as run:
        assert run.log_dir == tmp_path / "run_2"


def test_files_of_others_do_not_take_a_folder(tmp_path, capsys):
    (tmp_path / "train").mkdir()
    for path in ("events.out.tfevents.123.host", "events.out.tfevents.5.host.v2", "train/events.out.tfevents.7.host"):
        (tmp_path / path).write_bytes(b"")
    (tmp_path / "curves.png").write_bytes(png())
    assert not folders.is_taken(tmp_path)
    with recording.Run(tmp_path) as run:
        assert run.log_dir == tmp_path
    assert capsys.readouterr().out == ""


def test_a_folder_named_like_a_pattern(tmp_path):
    folder = tmp_path / "lr=[0.1]*?"
    for expected in (folder, tmp_path / "lr=[0.1]*?_2"):
        with recording.Run(folder) as run:
            assert run.log_dir == expected


def test_two_runs_of_one_second_do_not_share_a_file(tmp_path):
    names = {recording.Run(tmp_path / str(number)).path.name for number in range(5)}
    assert len(names) == 5


# Nothing can be written


def failing_write(monkeypatch, folder, whole_writes):
    """Let os.write fill the disk below a folder: after some whole writes it writes half, then none."""
    written = {"calls": 0}
    real = os.write

    def write(descriptor, content):
        if not os.readlink(f"/proc/self/fd/{descriptor}").startswith(str(folder)):
            return real(descriptor, content)
        written["calls"] += 1
        if written["calls"] <= whole_writes:
            return real(descriptor, content)
        if written["calls"] == whole_writes + 1:
            return real(descriptor, content[: len(content) // 2])
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "write", write)


def test_a_full_disk_gives_one_warning_and_a_whole_file(
    tmp_path, monkeypatch, read_values, our_event_file, recorded_warnings, open_event_files
):
    # The first write is that of the file's version.
    failing_write(monkeypatch, tmp_path, whole_writes=3)
    with recorded_warnings() as caught:
        run = recording.Run(tmp_path)
        for step in range(6):
            run.scalar("s", step, step)
            run.histogram("h", np.arange(10.0), step)
            run.flush()
            assert run.broken == (step >= 2)
        assert run.save("curves.png", png()) is None
        run.close()
    assert [warning.category for warning in caught] == [RuntimeWarning]
    assert str(tmp_path) in str(caught[0].message)
    assert os.strerror(errno.ENOSPC) in str(caught[0].message)
    found = read_values(our_event_file(tmp_path))
    assert found["scalars"]["s"] == {0: 0, 1: 1}
    assert list(found["histograms"]["h"]) == [0, 1]
    assert open_event_files(tmp_path) == []
    assert [path.name for path in tmp_path.iterdir()] == [our_event_file(tmp_path).name]


def test_a_write_that_takes_part_is_gone_on_with(tmp_path, monkeypatch, read_values, our_event_file):
    real = os.write
    monkeypatch.setattr(os, "write", lambda descriptor, content: real(descriptor, content[:17]))
    with recording.Run(tmp_path) as run:
        for step in range(3):
            run.histogram("h", np.arange(10.0), step)
    monkeypatch.undo()
    assert list(read_values(our_event_file(tmp_path))["histograms"]["h"]) == [0, 1, 2]


def test_a_disk_that_is_full_from_the_beginning(tmp_path, monkeypatch, recorded_warnings):
    failing_write(monkeypatch, tmp_path, whole_writes=0)
    with recorded_warnings() as caught, recording.Run(tmp_path) as run:
        run.scalar("s", 1, 0)
        run.flush()
    assert len(caught) == 1
    assert run.broken


def test_a_file_that_may_not_grow(tmp_path, run_python, read_values, our_event_file):
    # The kernel's own refusal, in the middle of a record, in place of a full disk.
    printed = run_python(
        """
        import json, resource, signal, sys, warnings
        import numpy as np
        from rnn_tutorial import recording
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, resource.RLIM_INFINITY))
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            whole = 0
            with recording.Run(sys.argv[1]) as run:
                for step in range(50):
                    run.histogram("h", np.arange(10.0), step)
                    run.flush()
                    whole += not run.broken
                saved = run.save("x", b"x")
        print(json.dumps([whole, saved, [str(warning.message) for warning in caught]]))
        """,
        tmp_path,
    )
    whole, saved, messages = json.loads(printed)
    assert 5 < whole < 50
    assert saved is None
    assert len(messages) == 1
    assert os.strerror(errno.EFBIG) in messages[0]
    path = our_event_file(tmp_path)
    assert list(read_values(path)["histograms"]["h"]) == list(range(whole))
    assert 9_000 < path.stat().st_size <= 10_000


@pytest.mark.parametrize("below", [".", "deeper/still"])
def test_a_folder_below_a_file_cannot_be(tmp_path, recorded_warnings, below):
    (tmp_path / "file").write_text("kept")
    folder = tmp_path / "file" / below if below != "." else tmp_path / "file"
    with recorded_warnings() as caught:
        run = recording.Run(folder)
        for name, write in WRITERS.items():
            write(run, name)
        run.flush()
        assert run.save("x.png", b"x") is None
        run.close()
    assert [warning.category for warning in caught] == [RuntimeWarning]
    assert str(folder) in str(caught[0].message)
    assert run.broken
    assert (tmp_path / "file").read_text() == "kept"


def test_a_folder_that_may_not_be_written(tmp_path, monkeypatch, recorded_warnings):
    # As a user who is not root would see it, whoever runs the tests.
    def refuse(path, *arguments, **options):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))

    monkeypatch.setattr(os, "open", refuse)
    with recorded_warnings() as caught, recording.Run(tmp_path) as run:
        run.scalar("s", 1, 0)
    assert len(caught) == 1
    assert os.strerror(errno.EACCES) in str(caught[0].message)


# Files beside the event file


def test_save_writes_all_of_it(tmp_path):
    with recording.Run(tmp_path / "run") as run:
        assert run.save("curves.png", b"first") == tmp_path / "run" / "curves.png"
        assert run.save("curves.png", b"second") == tmp_path / "run" / "curves.png"
        assert not run.broken
    assert (tmp_path / "run" / "curves.png").read_bytes() == b"second"
    assert len(list((tmp_path / "run").iterdir())) == 2


@pytest.mark.parametrize("failing", ["write_bytes", "replace"])
def test_save_leaves_what_was_there_or_nothing(tmp_path, monkeypatch, recorded_warnings, our_event_file, failing):
    run = recording.Run(tmp_path)
    run.save("old.png", b"old")

    def fail(path, *arguments):
        if failing == "write_bytes":
            with path.open("wb") as file:
                file.write(arguments[0][:2])
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(pathlib.Path, failing, fail)
    with recorded_warnings() as caught:
        assert run.save("old.png", b"new and longer") is None
        assert run.save("new.png", b"new") is None
    monkeypatch.undo()
    assert len(caught) == 1
    assert os.strerror(errno.ENOSPC) in str(caught[0].message)
    assert (tmp_path / "old.png").read_bytes() == b"old"
    assert sorted(path.name for path in tmp_path.iterdir()) == [our_event_file(tmp_path).name, "old.png"]


def test_what_was_flushed_stays_when_save_fails(tmp_path, monkeypatch, recorded_warnings, read_values, our_event_file):
    run = recording.Run(tmp_path)
    run.scalar("s", 1, 0)
    run.flush()

    def fail(path, content):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(pathlib.Path, "write_bytes", fail)
    with recorded_warnings() as caught:
        run.save("x", b"x")
        run.scalar("s", 2, 1)
        run.close()
    assert len(caught) == 1
    monkeypatch.undo()
    assert read_values(our_event_file(tmp_path))["scalars"]["s"][0] == 1


@pytest.mark.parametrize("gone", ["removed", "became a file"])
def test_a_folder_that_goes_away_meanwhile(tmp_path, recorded_warnings, gone):
    folder = tmp_path / "run"
    run = recording.Run(folder)
    for path in folder.iterdir():
        path.unlink()
    folder.rmdir()
    if gone == "became a file":
        folder.write_text("")
    with recorded_warnings() as caught:
        run.scalar("s", 1, 0)
        run.flush()
        assert run.save("x", b"x") is None
        run.scalar("s", 2, 1)
        run.close()
    assert [warning.category for warning in caught] == [RuntimeWarning]


# Without TensorFlow


def test_writing_loads_neither_tensorflow_nor_keras(tmp_path, run_python, read_values, our_event_file):
    printed = run_python(
        """
        import sys
        import numpy as np
        from rnn_tutorial import recording
        with recording.Run(sys.argv[1]) as run:
            run.scalar("s", 1, 0)
            run.histogram("h", np.ones(3), 0)
            run.text("t", "x", 0)
            run.tensor("c", np.ones(3), 0, plugin="p")
        print([name for name in ("tensorflow", "keras", "jax", "torch", "matplotlib") if name in sys.modules])
        """,
        tmp_path,
    )
    assert printed.strip() == "[]"
    assert set(read_values(our_event_file(tmp_path))) == {"scalars", "histograms", "text", "p"}


# Several at once, and arguments that are wrong


def test_of_runs_that_start_at_once_each_has_its_own_folder(tmp_path):
    for attempt in range(10):
        together = threading.Barrier(6)
        runs = []

        def start(folder=tmp_path / str(attempt), together=together, runs=runs):
            together.wait()
            runs.append(recording.Run(folder))

        threads = [threading.Thread(target=start) for _ in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len({run.path.parent for run in runs}) == 6
        for run in runs:
            run.close()


def test_a_lock_that_a_dead_program_left_is_no_obstacle(tmp_path):
    lock = tmp_path / ".claimed"
    lock.touch()
    os.utime(lock, (0, 0))
    with recording.Run(tmp_path) as run:
        assert run.log_dir == tmp_path
    assert not lock.exists()


KILLED = """
import os, signal, sys
from rnn_tutorial import recording

def kill(*arguments):
    os.kill(os.getpid(), signal.SIGKILL)

setattr(os, sys.argv[2], kill)
recording.Run(sys.argv[1])
"""


@pytest.mark.parametrize("where", ["write", "unlink"])
def test_a_program_that_is_killed_while_it_makes_its_file(tmp_path, run_python, our_event_file, where):
    """Before its first event: the folder is as good as new. Behind it: that is a run."""
    run_python(KILLED, tmp_path / "run", where, code=-9)
    assert (tmp_path / "run" / ".claimed").exists()
    left = our_event_file(tmp_path / "run")
    assert folders.is_taken(tmp_path / "run") == (where == "unlink")
    with recording.Run(tmp_path / "run") as run:
        assert run.log_dir == tmp_path / ("run" if where == "write" else "run_2")
    if where == "write":
        assert not left.exists(), "it would hide the new one from TensorBoard's loader"
        assert [path.name for path in (tmp_path / "run").iterdir()] == [run.path.name]


@pytest.mark.parametrize("content", [b"", b"\x18\x00\x00", bytes(40)], ids=["empty", "half", "zeros"])
def test_a_file_of_ours_without_an_event_takes_no_folder(tmp_path, our_event_file, content):
    left = tmp_path / f"events.out.tfevents.1.host.2.0{folders.SUFFIX}"
    left.write_bytes(content)
    (tmp_path / ".claimed").touch()
    with recording.Run(tmp_path) as run:
        assert run.log_dir == tmp_path
    assert our_event_file(tmp_path) == run.path


def test_a_lock_that_a_living_program_holds(tmp_path):
    with locks.held(tmp_path / ".claimed") as is_held, recording.Run(tmp_path) as run:
        assert is_held
        assert run.log_dir == pathlib.Path(f"{tmp_path}_2")
        with locks.held(tmp_path / ".claimed") as is_held_too:
            assert not is_held_too
    assert not (tmp_path / ".claimed").exists()


def test_a_disk_that_knows_no_locks(tmp_path, monkeypatch):
    """Then a lock file holds as long as it is there, or for a minute."""
    monkeypatch.setattr(locks, "take", lambda descriptor: None)
    lock = tmp_path / ".claimed"
    lock.touch()
    with recording.Run(tmp_path) as run:
        assert run.log_dir == pathlib.Path(f"{tmp_path}_2")
    os.utime(lock, (0, 0))
    with recording.Run(tmp_path) as run:
        assert run.log_dir == tmp_path
    assert not lock.exists()


# Children made by a fork


FORKED = """
import os, sys, weakref
from rnn_tutorial import recording

with recording.Run(sys.argv[1]) as run:
    run.scalar("s", 1, 0)
    run.flush()
    run.scalar("s", 2, 1)
    run.part("train").scalar("t", 1, 0)
    run.save("x", b"parent")
    child = os.fork()
    if child == 0:
        run.scalar("s", 3, 2)
        {action}
    assert os.waitpid(child, 0)[1] == 0
    run.scalar("s", 4, 3)
"""


@pytest.mark.parametrize(
    "action",
    [
        "sys.exit()",  # which closes the run on its way out
        "run.flush(); os._exit(0)",
        "run.close(); os._exit(0)",
        "run.save('x', b'child'); run.embedding('e', [[1.0]], 'a'); run.close(); sys.exit()",
        "run.give_up(OSError(28, 'full')); run.close(); os._exit(0)",
        "del run; os._exit(0)",
    ],
)
def test_a_child_writes_nothing_of_its_parents(tmp_path, run_python, read_values, our_event_file, action):
    run_python(FORKED.format(action=action), tmp_path / "run")
    assert read_values(our_event_file(tmp_path / "run"))["scalars"]["s"] == {0: 1, 1: 2, 3: 4}
    assert read_values(our_event_file(tmp_path / "run" / "train"))["scalars"]["t"] == {0: 1}
    assert (tmp_path / "run" / "x").read_bytes() == b"parent"
    assert {path.name for path in (tmp_path / "run").iterdir()} == {our_event_file(tmp_path / "run").name, "x", "train"}


def test_a_child_has_runs_of_its_own(tmp_path, run_python, read_values, our_event_file):
    action = "own = recording.Run(sys.argv[1]); own.scalar('s', 5, 0); own.close(); os._exit(0)"
    run_python(FORKED.format(action=action), tmp_path / "run")
    assert read_values(our_event_file(tmp_path / "run"))["scalars"]["s"] == {0: 1, 1: 2, 3: 4}
    assert read_values(our_event_file(tmp_path / "run_2"))["scalars"]["s"] == {0: 5}


# Parts, and runs that go on


def test_a_part_shares_the_fate_of_its_run(tmp_path, read_values, our_event_file, open_event_files):
    with recording.Run(tmp_path) as run:
        run.part("train").scalar("loss", 1, 0)
        run.part("train").scalar("loss", 2, 1)
        run.flush()
        assert len(open_event_files(tmp_path)) == 2
    assert open_event_files(tmp_path) == []
    assert read_values(our_event_file(tmp_path / "train")) == {"scalars": {"loss": {0: 1, 1: 2}}}
    assert read_values(our_event_file(tmp_path)) == {}


@pytest.mark.parametrize("first", ["part", "run"])
def test_a_part_and_its_run_give_up_together(tmp_path, monkeypatch, recorded_warnings, first):
    run = recording.Run(tmp_path)
    part = run.part("train")

    def write(descriptor, content):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "write", write)
    with recorded_warnings() as caught:
        (part if first == "part" else run).scalar("s", 1, 0)
        run.flush()
        assert run.broken
        assert part.broken
        part.scalar("s", 1, 1)
        run.scalar("s", 1, 1)
        run.close()
    assert len(caught) == 1


@pytest.mark.parametrize("is_read", [False, True], ids=["kept", "read from its files"])
def test_a_run_that_goes_on(tmp_path, read_values, read_events, our_event_file, is_read):
    run = recording.Run(tmp_path / "run")
    run.scalar("s", 1, 0)
    run.histogram("h", np.arange(10.0), 3)
    run.part("train").scalar("loss", 1, 0)
    run.close()
    if is_read:
        run = recording.Run.closed(tmp_path / "run")
    assert run.go_on()
    assert (run.steps, run.part("train").steps) == ({"s": 0, "h": 3}, {"loss": 0})
    assert not run.go_on(), "it is open"
    run.scalar("s", 2, 1)
    run.scalar("new", 2, 1)
    run.part("train").scalar("loss", 2, 1)
    with pytest.raises(ValueError, match="tag 's' holds data of scalars, it cannot hold another kind"):
        run.histogram("s", np.arange(3.0), 2)
    run.close()
    found = read_values(our_event_file(tmp_path / "run"))
    assert found["scalars"] == {"s": {0: 1, 1: 2}, "new": {1: 2}}
    assert list(found["histograms"]["h"]) == [3]
    assert read_values(our_event_file(tmp_path / "run" / "train"))["scalars"]["loss"] == {0: 1, 1: 2}
    described = [value.tag for _, value in summaries(read_events(run.path)) if value.HasField("metadata")]
    assert described == ["s", "h", "new"]


def test_a_run_does_not_go_on_where_its_files_changed(tmp_path, open_event_files):
    run = recording.Run(tmp_path)
    run.part("train").scalar("loss", 1, 0)
    run.close()
    path = run.part("train").path
    content = path.read_bytes()
    for changed in (content + b"\x00", content[:-1]):
        path.write_bytes(changed)
        assert not run.go_on()
    path.write_bytes(content)
    other = recording.Run.closed(tmp_path)
    assert other.go_on()
    assert not run.go_on(), "somebody else writes there"
    other.close()
    path.unlink()
    assert not run.go_on()
    assert open_event_files(tmp_path) == []


@pytest.mark.parametrize("what", ["nothing", "two files", "half a record", "another's file", "another's part"])
def test_no_run_that_could_go_on(tmp_path, what):
    if what != "nothing":
        run = recording.Run(tmp_path)
        run.part("train")
        run.close()
    if what == "two files":
        (tmp_path / f"events.out.tfevents.1{folders.SUFFIX}").write_bytes(run.path.read_bytes())
    elif what == "half a record":
        run.path.write_bytes(run.path.read_bytes() + b"\x18")
    elif what == "another's file":
        run.path.rename(tmp_path / "events.out.tfevents.1.host")
    elif what == "another's part":
        (tmp_path / "validation").mkdir()
        (tmp_path / "validation" / "events.out.tfevents.1.host").write_bytes(run.path.read_bytes())
    with pytest.raises(ValueError, match=r"log_dir must hold one event file of this|breaks off after 1"):
        recording.Run.closed(tmp_path)


def test_warnings_that_are_errors_end_nothing(tmp_path, capsys, told_instead):
    (tmp_path / "file").write_text("")
    with recording.Run(tmp_path / "file") as run:  # pytest has made errors of warnings
        run.scalar("s", 1, 0)
    assert run.broken
    told_instead.clear()
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"RuntimeWarning: nothing more is logged to {tmp_path}/file: ")


def test_the_program_may_change_its_folder(tmp_path, monkeypatch, read_values, our_event_file):
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path)
    with recording.Run("run") as run:
        monkeypatch.chdir(tmp_path / "elsewhere")
        run.scalar("s", 1, 0)
        run.save("x.txt", b"x")
    assert read_values(our_event_file(tmp_path / "run"))["scalars"]["s"] == {0: 1}
    assert (tmp_path / "run" / "x.txt").exists()
    assert list((tmp_path / "elsewhere").iterdir()) == []


@pytest.mark.parametrize(
    ("write", "message"),
    [
        (lambda run: run.scalar("loss", [1, 2], 0), r"value must be one number, received \[1, 2\]"),
        (lambda run: run.scalar("loss", None, 0), "value must be one number, received None"),
        (lambda run: run.scalar("loss", 1, 1.5), "step must be an integer of at least 0, received 1.5"),
        (lambda run: run.scalar(3, 1, 0), "tag must be a string, received 3"),
        (lambda run: run.text("t", 3, 0), "markdown must be a string, received 3"),
        (lambda run: run.hparams({}), r"values must be a dictionary of names and values, received \{\}"),
        (
            lambda run: run.hparams({"units": [1]}),
            r"values\['units'\] must be a string, a finite number.*received \[1\]",
        ),
        (lambda run: run.hparams({"rate": math.nan}), r"values\['rate'\] must be .* received nan"),
        (
            lambda run: run.embedding("e", np.zeros(3), "abc"),
            r"vectors must be a finite array .* received shape \(3,\)",
        ),
        (lambda run: run.embedding("e", np.full((2, 3), np.inf), "ab"), "vectors must be a finite array"),
        (lambda run: run.embedding("e", np.zeros((2, 3)), "abc"), "labels must be one a row, 2; received 3"),
        (lambda run: run.embedding("e", np.zeros((2, 3)), [1, 2]), "labels must be strings, received 1"),
    ],
    ids=[
        *("vector", "nothing", "step", "tag", "text", "no hparams", "kind of hparam", "nan", "flat", "infinite"),
        *("labels", "kind of label"),
    ],
)
def test_wrong_arguments_are_told(tmp_path, write, message):
    with recording.Run(tmp_path) as run, pytest.raises(ValueError, match=message):
        write(run)


def test_embeddings_come_back_through_the_reader_of_tensorboard(tmp_path):
    from google.protobuf import text_format
    from tensorboard.plugins.projector import projector_config_pb2
    from tensorboard.plugins.projector.projector_plugin import _read_tensor_tsv_file

    rng = np.random.default_rng(0)
    small, flat = rng.normal(size=(4, 5)) * 1e-3, rng.normal(size=(3, 2))
    labels = ["a", "tab\tand\nline", " ", ""]
    with recording.Run(tmp_path) as run:
        run.embedding("letters", small + 1, labels)
        run.embedding("words after epoch 3/4", flat, ["x", "y", "z"])
        run.embedding("letters", small, labels)
    config = text_format.Parse(
        (tmp_path / "projector_config.pbtxt").read_text(), projector_config_pb2.ProjectorConfig()
    )
    found = {one.tensor_name: one for one in config.embeddings}
    assert list(found) == ["letters", "words after epoch 3/4"]
    for name, expected in (("letters", small), ("words after epoch 3/4", np.pad(flat, ((0, 0), (0, 1))))):
        read = _read_tensor_tsv_file(str(tmp_path / found[name].tensor_path))
        np.testing.assert_allclose(read, expected, rtol=1e-5)  # two dimensions are drawn in three
    lines = (tmp_path / found["letters"].metadata_path).read_text(encoding="utf-8").split("\n")
    assert lines == ["a", "tab and line", "␣", "␣", ""]


def test_hparams_come_back_through_the_plugin_of_tensorboard(tmp_path):
    from tensorboard.plugins.hparams import api_pb2, backend_context, list_session_groups

    for cell, error in (("lstm", 0.25), ("gru", 0.5)):
        with recording.Run(tmp_path / cell) as run:
            run.hparams({"cell": cell, "units": np.int64(32), "rate": 0.01, "clipped": cell == "gru"})
            run.scalar("error", 1, 0)
            run.scalar("error", error, 1)
    multiplexer = plugin_event_multiplexer.EventMultiplexer()
    multiplexer.AddRunsFromDirectory(str(tmp_path))
    multiplexer.Reload()
    provider = data_provider.MultiplexerDataProvider(multiplexer, str(tmp_path))
    flags = context.RequestContext()
    backend = backend_context.Context(base_plugin_context(provider, multiplexer, tmp_path))
    metadata = backend.hparams_metadata(flags, "")
    experiment = backend.experiment_from_metadata(
        flags, "", True, metadata, backend.hparams_from_data_provider(flags, "", limit=100)
    )
    assert {info.name for info in experiment.hparam_infos} == {"cell", "units", "rate", "clipped"}
    assert [info.name.tag for info in experiment.metric_infos] == ["error"]
    every = [api_pb2.STATUS_UNKNOWN, api_pb2.STATUS_SUCCESS, api_pb2.STATUS_FAILURE, api_pb2.STATUS_RUNNING]
    request = api_pb2.ListSessionGroupsRequest(start_index=0, slice_size=10, allowed_statuses=every)
    answer = list_session_groups.Handler(flags, backend, "", request).run()
    rows = {group.sessions[0].name: group for group in answer.session_groups}
    assert set(rows) == {"lstm", "gru"}
    assert rows["lstm"].hparams["cell"].string_value == "lstm"
    assert rows["lstm"].hparams["units"].number_value == 32
    assert rows["gru"].hparams["clipped"].bool_value is True
    assert rows["lstm"].metric_values[0].value == 0.25


@pytest.mark.parametrize("metrics", [(), ["error"]], ids=["", "with metrics"])
def test_hparams_of_all_kinds_of_runs(tmp_path, metrics):
    """TensorBoard shows what each of them was made with and came to, whichever run it reads first."""
    from tensorboard.plugins.hparams import backend_context

    made = {
        "digits/a": ({"learning_rate": 0.1, "hidden": "64-64"}, {"accuracy": 0.9}),
        "digits/b": ({"learning_rate": 0.01, "hidden": 64}, {"accuracy": 0.8}),  # of another type than the first
        "sales": ({"method": "lstm", "horizon": 12}, {"error": 0.7}),
        "mine": ({"clipped": True}, {"test error": 0.5}),
    }
    for name, (values, scalars) in made.items():
        with recording.Run(tmp_path / name) as run:
            run.hparams(values, metrics)
            for tag, value in scalars.items():
                run.scalar(tag, value, 0)
            run.part("validation").scalar("epoch_loss", 1.0, 0)
    multiplexer = plugin_event_multiplexer.EventMultiplexer()
    multiplexer.AddRunsFromDirectory(str(tmp_path))
    multiplexer.Reload()
    provider = data_provider.MultiplexerDataProvider(multiplexer, str(tmp_path))
    flags = context.RequestContext()
    backend = backend_context.Context(base_plugin_context(provider, multiplexer, tmp_path))
    experiment = backend.experiment_from_metadata(flags, "", True, backend.hparams_metadata(flags, ""), [])
    shown = {info.name for info in experiment.hparam_infos}
    assert shown == {"learning_rate", "hidden", "method", "horizon", "clipped"}
    columns = {(info.name.group, info.name.tag) for info in experiment.metric_infos}
    assert columns == {("", "accuracy"), ("", "error"), ("", "test error"), ("validation", "epoch_loss")}


def base_plugin_context(provider, multiplexer, folder):
    from tensorboard.plugins import base_plugin

    return base_plugin.TBContext(data_provider=provider, multiplexer=multiplexer, logdir=str(folder))
