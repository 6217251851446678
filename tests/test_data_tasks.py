"""The made-up tasks: answers computed anew from x, marks where they belong, distributions, padding that Keras masks."""

import math

import numpy as np
import pytest

from rnn_tutorial import data
from rnn_tutorial.data import tasks

MAKERS = [tasks.adding, tasks.first_item, tasks.marked_item]


def evenly(values, choices):
    """Whether values fall on each of the choices about equally often: within five standard deviations."""
    counts = np.array([np.sum(values == choice) for choice in choices])
    share = 1 / len(choices)
    assert counts.sum() == len(values)
    return np.all(np.abs(counts - len(values) * share) < 5 * math.sqrt(len(values) * share * (1 - share)))


def test_the_package_has_them():
    assert data.tasks is tasks
    assert set(tasks.__all__) == {make.__name__ for make in MAKERS}


@pytest.mark.parametrize("timesteps", [2, 3, 10, 51])
def test_adding_against_a_loop(timesteps):
    x, y = tasks.adding(200, timesteps, seed=3)
    assert (x.shape, x.dtype) == ((200, timesteps, 2), np.float32)
    assert (y.shape, y.dtype) == ((200, 1), np.float32)
    for sequence, answer in zip(x, y, strict=True):
        marked = [step for step in range(timesteps) if sequence[step, 1] != 0]
        assert [sequence[step, 1] for step in marked] == [1, 1]
        first, second = marked
        assert first < timesteps // 2 <= second
        assert answer == pytest.approx(float(sequence[first, 0]) + float(sequence[second, 0]), abs=1e-6)


def test_adding_is_spread_evenly():
    x, y = tasks.adding(20_000, 10, seed=0)
    numbers = x[:, :, 0]
    assert numbers.min() >= 0
    assert numbers.max() < 1
    assert numbers.mean() == pytest.approx(1 / 2, abs=0.005)
    assert numbers.var() == pytest.approx(1 / 12, abs=0.002)
    first, second = x[:, :5, 1].argmax(axis=1), x[:, 5:, 1].argmax(axis=1)
    assert evenly(first, range(5))
    assert evenly(second, range(5))
    assert abs(np.corrcoef(first, second)[0, 1]) < 0.04
    # The error of always answering 1, which is the variance of the answers.
    assert np.mean((y - 1) ** 2) == pytest.approx(1 / 6, abs=0.006)
    assert y.var() == pytest.approx(1 / 6, abs=0.006)


@pytest.mark.parametrize(("timesteps", "items"), [(1, 2), (2, 2), (30, 5)])
def test_first_item_against_a_loop(timesteps, items):
    x, y = tasks.first_item(100, timesteps, seed=4, items=items)
    assert (x.shape, x.dtype) == ((100, timesteps, items + 1), np.float32)
    assert (y.shape, y.dtype) == ((100,), np.int32)
    for sequence, item in zip(x, y, strict=True):
        assert sequence[0].tolist() == [float(channel == item) for channel in range(items + 1)]
        assert not sequence[1:, :items].any()
        assert np.all(sequence[1:, items] != 0)


@pytest.mark.parametrize("noise", [1.0, 0.25, 3])
def test_first_item_noise(noise):
    x, y = tasks.first_item(2000, 21, seed=0, items=4, noise=noise)
    numbers = x[:, 1:, -1]
    assert numbers.mean() == pytest.approx(0, abs=0.03 * noise)
    assert numbers.std() == pytest.approx(noise, rel=0.03)
    assert evenly(y, range(4))
    # Nothing but the first step tells the item.
    means = [numbers[y == item].mean() for item in range(4)]
    np.testing.assert_allclose(means, 0, atol=0.05 * noise)


def test_first_item_without_noise_or_with_more():
    still, y = tasks.first_item(50, 10, seed=1, noise=0)
    assert not still[:, 1:].any()
    one, _ = tasks.first_item(50, 10, seed=1)
    two, y_again = tasks.first_item(50, 10, seed=1, noise=2)
    np.testing.assert_allclose(two[:, 1:], 2 * one[:, 1:], rtol=1e-6)
    np.testing.assert_array_equal(two[:, 0], still[:, 0])
    np.testing.assert_array_equal(y, y_again)


@pytest.mark.parametrize(
    ("timesteps", "items", "shortest"), [(30, 4, None), (9, 3, None), (1, 2, None), (12, 5, 1), (8, 2, 8)]
)
def test_marked_item_against_a_loop(timesteps, items, shortest):
    x, y, marked, lengths = tasks.marked_item(300, timesteps, seed=5, items=items, shortest=shortest)
    assert (x.shape, x.dtype) == ((300, timesteps, items + 1), np.float32)
    for array in (y, marked, lengths):
        assert (array.shape, array.dtype) == ((300,), np.int32)
    for sequence, item, mark, length in zip(x, y, marked, lengths, strict=True):
        assert (math.ceil(timesteps / 2) if shortest is None else shortest) <= length <= timesteps
        assert not sequence[length:].any()
        for step in range(length):
            shown = sequence[step, :items].tolist()
            assert sorted(shown) == [0.0] * (items - 1) + [1.0]
            assert sequence[step, items] == float(step == mark)
        assert mark < length
        assert sequence[mark, :items].tolist().index(1.0) == item


def test_marked_item_is_spread_evenly():
    x, y, marked, lengths = tasks.marked_item(20_000, 12, seed=0, items=4)
    assert evenly(y, range(4))
    assert evenly(lengths, range(6, 13))
    for length in (6, 12):
        assert evenly(marked[lengths == length], range(length))
    # The items beside the marked one tell nothing of it.
    elsewhere = x.copy()
    elsewhere[np.arange(len(x)), marked] = 0
    counts = elsewhere[:, :, :4].sum(axis=1)  # (samples, items)
    average = np.array([counts[y == item].mean(axis=0) for item in range(4)])
    np.testing.assert_allclose(average, counts.mean(), atol=0.1)


def test_marked_item_all_of_one_length():
    x, _, _, lengths = tasks.marked_item(50, 7, seed=0, shortest=7)
    assert np.all(lengths == 7)
    assert np.all(x.any(axis=2))


def test_keras_masks_the_padding_and_nothing_else():
    import keras

    x, _, _, lengths = tasks.marked_item(40, 15, seed=2)
    mask = keras.ops.convert_to_numpy(keras.layers.Masking().compute_mask(x))
    np.testing.assert_array_equal(mask, np.arange(15) < lengths[:, np.newaxis])


@pytest.mark.parametrize("make", MAKERS)
def test_the_same_numbers_for_the_same_seed(make):
    state = np.random.get_state()[1].copy()
    first, again, other = (make(20, 10, seed) for seed in (7, np.int64(7), 8))
    for one, two in zip(first, again, strict=True):
        np.testing.assert_array_equal(one, two)
    for one, two in zip(first, other, strict=True):
        assert not np.array_equal(one, two)
    np.testing.assert_array_equal(np.random.get_state()[1], state)  # nobody else's random numbers are used up


@pytest.mark.parametrize("make", MAKERS)
def test_the_arrays_can_be_written_to(make):
    for array in make(3, 6, 0):
        assert array.flags.writeable
        assert array.flags.c_contiguous


@pytest.mark.parametrize("make", MAKERS)
@pytest.mark.parametrize(("argument", "least"), [("samples", 1), ("timesteps", 1), ("seed", 0)])
@pytest.mark.parametrize("wrong", [-1, 1.5, "3", True, None])
def test_wrong_sizes_and_seeds(make, argument, least, wrong):
    least = 2 if make is tasks.adding and argument == "timesteps" else least
    arguments = {"samples": 5, "timesteps": 6, "seed": 1, argument: wrong}
    with pytest.raises(ValueError, match=f"^{argument} must be an integer of at least {least}, received") as caught:
        make(**arguments)
    assert repr(wrong) in str(caught.value)


def test_one_step_has_no_two_halves():
    with pytest.raises(ValueError, match="timesteps must be an integer of at least 2, received 1"):
        tasks.adding(5, 1, 0)


@pytest.mark.parametrize("make", [tasks.first_item, tasks.marked_item])
@pytest.mark.parametrize("wrong", [1, 2.0, None, False])
def test_wrong_items(make, wrong):
    with pytest.raises(ValueError, match="items must be an integer of at least 2, received") as caught:
        make(5, 6, 0, items=wrong)
    assert repr(wrong) in str(caught.value)


@pytest.mark.parametrize("wrong", [-0.1, math.nan, math.inf, "1", None, True])
def test_wrong_noise(wrong):
    with pytest.raises(ValueError, match="noise must be a finite number of at least 0, received") as caught:
        tasks.first_item(5, 6, 0, noise=wrong)
    assert repr(wrong) in str(caught.value)


@pytest.mark.parametrize("wrong", [0, -3, 2.5, "4", True])
def test_wrong_shortest(wrong):
    with pytest.raises(ValueError, match=r"shortest must be an integer of at least 1, received .*; None is") as caught:
        tasks.marked_item(5, 6, 0, shortest=wrong)
    assert repr(wrong) in str(caught.value)


def test_shortest_longer_than_the_longest():
    with pytest.raises(ValueError, match="shortest must be at most timesteps=6, received 7"):
        tasks.marked_item(5, 6, 0, shortest=7)
