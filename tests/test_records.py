"""What a record holds, checked: arrays against those that TensorFlow wrote, and refusals of everything else."""

import json
import math

import numpy as np
import pytest
import tensorflow as tf
from tensorboard.compat.proto import tensor_pb2, types_pb2

from rnn_tutorial.recording import records

ONE = np.ones(1, "float32").tobytes()


def tensor(dtype, shape=(), **content):
    message = tensor_pb2.TensorProto(dtype=dtype, **content)
    for size in shape:
        message.tensor_shape.dim.add(size=size)
    return message


@pytest.mark.parametrize("dtype", ["float32", "float64", "int32", "int64"])
@pytest.mark.parametrize("shape", [(), (1,), (5,), (2, 3), (0,), (0, 3)])
def test_arrays_that_tensorflow_wrote(dtype, shape):
    values = np.arange(np.prod(shape, dtype=int)).reshape(shape).astype(dtype)
    written = tensor_pb2.TensorProto.FromString(tf.make_tensor_proto(values).SerializeToString())
    read = records.array(written)
    assert read.dtype == values.dtype
    np.testing.assert_array_equal(read, values)


def test_halves_may_be_written_as_whole_numbers():
    found = records.array(tensor(types_pb2.DT_HALF, (3,), half_val=[15360, 49152, 31744]))
    assert found.dtype == "float16"
    assert found.tolist() == [1.0, -2.0, math.inf]


@pytest.mark.parametrize(("dtype", "number"), [("float16", types_pb2.DT_HALF), ("float32", types_pb2.DT_FLOAT)])
def test_nan_and_infinities_are_kept(dtype, number):
    values = np.array([np.nan, np.inf, -np.inf, 0.0], dtype)
    read = records.array(tensor(number, (4,), tensor_content=values.tobytes()))
    assert read.dtype == values.dtype
    np.testing.assert_array_equal(read, values)


@pytest.mark.parametrize(
    "wrong",
    [
        tensor(types_pb2.DT_FLOAT, (2 * 10**8,), float_val=[1.0]),
        tensor(types_pb2.DT_FLOAT, (10**10,), float_val=[1.0]),
        tensor(types_pb2.DT_FLOAT, (2**62, 2**62), tensor_content=ONE),
        tensor(types_pb2.DT_FLOAT, (0, 2**62, 2**62), tensor_content=b""),
        tensor(types_pb2.DT_FLOAT, (-1,), tensor_content=ONE),
        tensor(types_pb2.DT_FLOAT, (-1, -1), tensor_content=ONE),
        tensor(types_pb2.DT_FLOAT, (1,) * 70, tensor_content=ONE),
        tensor(types_pb2.DT_FLOAT, (2,), tensor_content=ONE),
        tensor(types_pb2.DT_FLOAT, (), tensor_content=b"abc"),
        tensor(types_pb2.DT_FLOAT),
        tensor(types_pb2.DT_STRING, (1,), string_val=[b"1.5"]),
        tensor(types_pb2.DT_BOOL, (1,), bool_val=[True]),
        tensor(types_pb2.DT_COMPLEX64, (1,), scomplex_val=[1.0, 2.0]),
        tensor(types_pb2.DT_QINT8, (1,), int_val=[1]),
        tensor(types_pb2.DT_HALF, (2,), half_val=[15360]),
        tensor(types_pb2.DT_BFLOAT16, (1,), half_val=[16256]),
        tensor(types_pb2.DT_RESOURCE, (1,)),
        tensor(99, (1,), tensor_content=ONE),
        tensor_pb2.TensorProto(),
    ],
    ids=lambda wrong: " ".join(str(wrong).split())[:60],
)
def test_what_is_no_array_is_refused(wrong):
    with pytest.raises(ValueError, match=r"tensor must|buffer size|shape|array is too big|dimension"):
        records.array(wrong)


def histogram(values, dtype="float64"):
    array = np.asarray(values, dtype)
    return tensor(
        {"float64": types_pb2.DT_DOUBLE, "int32": types_pb2.DT_INT32}[dtype],
        array.shape,
        tensor_content=array.tobytes(),
    )


def test_histograms():
    table = records.histogram(histogram([[0.0, 1.0, 3.0], [np.nan, np.inf, 0.0]]))
    np.testing.assert_array_equal(table, [[0, 1, 3], [np.nan, np.inf, 0]])
    assert records.histogram(histogram([[0, 1, 3]], "int32")).dtype == np.float64
    assert records.histogram(histogram(np.zeros((0, 3)))).shape == (0, 3)


@pytest.mark.parametrize(
    "wrong",
    [
        np.ones(3),
        1.0,
        np.ones((2, 2)),
        np.ones((2, 4)),
        np.ones((1, 2, 3)),
        [[0, 1, -1]],
        [[0, 1, np.nan]],
        [[0, 1, np.inf]],
    ],
)
def test_what_is_no_histogram_is_refused(wrong):
    with pytest.raises(ValueError, match="must"):
        records.histogram(histogram(wrong))


@pytest.mark.parametrize(
    "wrong",
    [
        b"",
        b"[" * 100_000,
        b'{"a":' * 100_000,
        b"[1]",
        b"null",
        b"1",
        b'"v"',
        b"\xff\xfe\xfa",
        b'{"v": ' + b"9" * 5000 + b"}",
    ],
    ids=lambda wrong: repr(wrong[:8]),
)
def test_what_are_no_metadata_is_refused(wrong):
    with pytest.raises(ValueError):  # noqa: PT011  (the words are those of `json`)
        records.metadata(wrong)


@pytest.mark.parametrize("value", [-1, 2**31, 10**30, 1.0, float("inf"), True, "1", [1], None])
def test_what_is_no_whole_number(value):
    assert records.whole(value) is None
    assert [records.whole(number) for number in (0, 1, 2**31 - 1)] == [0, 1, 2**31 - 1]


HEADER = {"shape": [2, 1, 3], "dtype": "float16", "names": ["hidden", "cell"]}
NUMBERS = np.arange(6, dtype="<f2").tobytes()


def test_a_frame():
    header, values = records.frame([json.dumps(HEADER).encode(), NUMBERS])
    assert header == HEADER
    np.testing.assert_array_equal(values, [[[0, 1, 2]], [[3, 4, 5]]])


@pytest.mark.parametrize(
    "change",
    [
        {"shape": None},
        {"shape": 6},
        {"shape": [6]},
        {"shape": [2, 3]},
        {"shape": [2, 1, 4]},
        {"shape": [2, -1, 3]},
        {"shape": [-2, -1, 3]},
        {"shape": [2.0, 1.0, 3.0]},
        {"shape": [2, True, 3]},
        {"shape": [2, 1, float("inf")]},
        {"shape": [2, 2**70, 3]},
        {"shape": [0, 2**62, 2**62]},
        {"shape": ["2", "1", "3"]},
        {"names": None},
        {"names": "hc"},
        {"names": ["hidden"]},
        {"names": ["hidden", 3]},
        {"names": ["hidden", ["cell"]]},
        {"dtype": None},
        {"dtype": "O"},
        {"dtype": "float32"},
        {"dtype": "f2,f2"},
        {"dtype": {"a": 1}},
    ],
    ids=str,
)
def test_a_wrong_header_is_refused(change):
    with pytest.raises(ValueError, match=r"shape|names|dtype"):
        records.frame([json.dumps(HEADER | change).encode(), NUMBERS])


@pytest.mark.parametrize(
    "blobs",
    [
        [],
        [json.dumps(HEADER).encode()],
        [json.dumps(HEADER).encode(), NUMBERS, b""],
        [json.dumps(HEADER).encode(), b""],
        [json.dumps(HEADER).encode(), NUMBERS[:-1]],
        [b"{}", NUMBERS],
        [b"[" * 100_000, NUMBERS],
        [b'{"shape": [1e400, 1, 3]}', NUMBERS],
    ],
    ids=lambda blobs: f"{len(blobs)} parts {blobs[0][:9] if blobs else b''}",
)
def test_what_is_no_frame_is_refused(blobs):
    with pytest.raises(ValueError):  # noqa: PT011  (of many kinds)
        records.frame(blobs)


def test_what_is_marked_in_few_words():
    flags = np.array([1, 1, 0, 0, 1, 0, 1], bool)
    assert records.spans(flags) == [[0, 1], [4, 4], [6, 6]]
    for numbers in np.random.default_rng(0).random((20, 9)):
        found = records.spans(numbers < 0.5)
        np.testing.assert_array_equal(records.marked(found, np.arange(9)), numbers < 0.5)
        np.testing.assert_array_equal(records.marked(found, np.array([8, 3])), numbers[[8, 3]] < 0.5)
    assert records.spans([]) == records.spans([0, 0]) == []


@pytest.mark.parametrize(
    "damaged", [None, 1, {}, [1], [[1]], [[1, 2, 3]], [[0, 10**30]], [[-1, 2]], [["a", 1]]], ids=repr
)
def test_marks_that_are_damaged(damaged):
    assert records.marked(damaged, np.arange(3)) is None


def test_marks_overlap_and_take_no_memory():
    places = np.arange(4) * 2**29
    assert records.marked([[0, 2**31 - 1], [0, 5], [7, 3]], places).tolist() == [True] * 4
