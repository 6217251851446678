import math

import keras
import numpy as np
import pandas as pd
import pytest
from keras import layers

from rnn_tutorial import forecasting, models
from rnn_tutorial.data import sales
from rnn_tutorial.forecasting import forecaster, intervals, pretraining

TWELVE = sales.TWELVE_MONTHS
NEXT = [700.0, 750.0, 800.0]


def series(values, start="2024-01", freq="M", name="sold"):
    return pd.Series(values, index=pd.period_range(start, periods=len(values), freq=freq), name=name)


def months(forecast):
    return forecast.index.strftime("%Y-%m").tolist()


# Baselines


def test_last_value():
    found = forecasting.last_value(series([3.0, 1.0, 4.0]), 2)
    assert found.tolist() == [4.0, 4.0]
    assert months(found) == ["2024-04", "2024-05"]


def test_drift():
    # From 2 to 8 in three steps is 2 a step.
    assert forecasting.drift(series([2.0, 9.0, 1.0, 8.0]), 3).tolist() == [10.0, 12.0, 14.0]
    assert forecasting.drift(series([5.0]), 2).tolist() == [5.0, 5.0]
    assert forecasting.drift(TWELVE, 3).tolist() == NEXT


def test_seasonal_naive():
    values = [float(month) for month in range(1, 16)]  # the last twelve are 4 .. 15
    found = forecasting.seasonal_naive(series(values), 14)
    assert found.tolist() == [4.0, 5.0, 6.0, 7.0, 8.0, 9.0, 10.0, 11.0, 12.0, 13.0, 14.0, 15.0, 4.0, 5.0]
    assert months(found)[0] == "2025-04"
    assert forecasting.seasonal_naive(series([1.0, 2.0, 3.0]), 4, season=2).tolist() == [2.0, 3.0, 2.0, 3.0]


def test_seasonal_naive_needs_a_season():
    with pytest.raises(ValueError, match="at least one season of 12 months, received 11"):
        forecasting.seasonal_naive(TWELVE[:11], 2)


@pytest.mark.parametrize("length", [1, 11, 12, 30])
@pytest.mark.parametrize("horizon", [1, 5, 25])
def test_baselines_against_naive_loops(length, horizon):
    history = series(np.random.default_rng(length).normal(size=length) * 100)
    values = history.tolist()
    expected = {"last_value": [], "drift": []}
    if length >= 12:
        expected["seasonal_naive"] = []
    for step in range(1, horizon + 1):
        expected["last_value"].append(values[-1])
        slope = (values[-1] - values[0]) / (length - 1) if length > 1 else 0.0
        expected["drift"].append(values[-1] + step * slope)
        if length >= 12:
            expected["seasonal_naive"].append(values[length - 12 + (step - 1) % 12])
    found = forecasting.baselines(history, horizon)
    assert list(found) == list(expected)
    for name, forecast in found.items():
        np.testing.assert_allclose(forecast.to_numpy(), expected[name], rtol=1e-12)
        assert len(months(forecast)) == horizon


def test_forecasts_carry_on_the_calendar():
    history = series([1, 2, 3], start="2024-10")
    for forecast in forecasting.baselines(history, 4).values():
        assert months(forecast) == ["2025-01", "2025-02", "2025-03", "2025-04"]
        assert forecast.index.freqstr == "M"
        assert forecast.name == "sold"
        assert forecast.dtype == np.float64
    quarters = forecasting.last_value(series([1.0, 2.0], start="2024Q3", freq="Q"), 2)
    assert quarters.index.astype(str).tolist() == ["2025Q1", "2025Q2"]


def test_the_history_is_left_as_it_was():
    history = TWELVE.copy()
    for forecast in forecasting.baselines(history, 3).values():
        forecast.iloc[:] = -1
    pd.testing.assert_series_equal(history, TWELVE)


BASELINES = [forecasting.last_value, forecasting.drift, forecasting.seasonal_naive, forecasting.baselines]


@pytest.mark.parametrize("method", BASELINES)
@pytest.mark.parametrize(
    "wrong",
    [TWELVE.tolist(), TWELVE.to_numpy(), TWELVE.reset_index(drop=True), TWELVE.to_timestamp(), TWELVE[:0]],
    ids=["list", "array", "numbered", "timestamps", "empty"],
)
def test_a_history_must_be_a_series_with_periods(method, wrong):
    with pytest.raises(ValueError, match=r"must be a non-empty pandas.Series with a PeriodIndex, received"):
        method(wrong, 2)


@pytest.mark.parametrize("method", BASELINES)
@pytest.mark.parametrize("wrong", [0, -1, 1.5, True, "2", None], ids=repr)
def test_a_wrong_horizon_is_told(method, wrong):
    with pytest.raises(ValueError, match="horizon must be an integer of at least 1, received") as caught:
        method(TWELVE, wrong)
    assert repr(wrong) in str(caught.value)


# Measures


def test_mae_smape_and_mase_by_hand():
    actual, predicted, history = [1.0, 2.0, 4.0], [2.0, 2.0, 1.0], [1.0, 3.0, 2.0, 2.0]
    assert forecasting.mae(actual, predicted) == pytest.approx(4 / 3)
    # 200 (1/3 + 0/4 + 3/5) / 3
    assert forecasting.smape(actual, predicted) == pytest.approx(62.2222222222)
    # The history's own steps are 2, 1 and 0, 1 in the mean.
    assert forecasting.mase(actual, predicted, history) == pytest.approx(4 / 3)
    # Two apart they are 1 and 1.
    assert forecasting.mase(actual, predicted, history, season=2) == pytest.approx(4 / 3)
    assert forecasting.mase(actual, predicted, [0.0, 8.0], season=1) == pytest.approx(1 / 6)


def test_measures_against_naive_loops():
    rng = np.random.default_rng(0)
    for length in (3, 23, 24, 40):
        actual, predicted = rng.normal(size=5).tolist(), rng.normal(size=5).tolist()
        history = rng.normal(size=length).tolist()
        errors = [abs(a - p) for a, p in zip(actual, predicted, strict=True)]
        assert forecasting.mae(actual, predicted) == pytest.approx(sum(errors) / 5)
        relative = [200 * e / (abs(a) + abs(p)) for e, a, p in zip(errors, actual, predicted, strict=True)]
        assert forecasting.smape(actual, predicted) == pytest.approx(sum(relative) / 5)
        season = 12 if length >= 24 else 1
        steps = [abs(history[place] - history[place - season]) for place in range(season, length)]
        expected = sum(errors) / 5 / (sum(steps) / len(steps))
        assert forecasting.mase(actual, predicted, history) == pytest.approx(expected)


def test_smape_at_its_ends():
    assert forecasting.smape([0.0, 0.0], [0.0, 5.0]) == pytest.approx(100)
    assert forecasting.smape([0.0], [0.0]) == 0
    assert forecasting.smape([3.0], [-3.0]) == pytest.approx(200)
    assert forecasting.smape([3.0, -3.0], [3.0, -3.0]) == 0


def test_mase_without_a_scale_is_nan():
    assert math.isnan(forecasting.mase([1.0], [2.0], [5.0, 5.0, 5.0]))
    assert math.isnan(forecasting.mase([1.0], [2.0], list(range(12)) * 2))


def test_mase_of_the_naive_forecast_within_a_straight_line_is_the_number_of_steps():
    found = forecasting.mase(NEXT, forecasting.last_value(TWELVE, 3), TWELVE)
    assert found == pytest.approx((1 + 2 + 3) / 3)


def test_measures_take_series_by_place():
    found = forecasting.mae(series(NEXT, start="2030-01"), forecasting.last_value(TWELVE, 3))
    assert isinstance(found, float)
    assert found == 100


@pytest.mark.parametrize("measure", [forecasting.mae, forecasting.smape, lambda a, p: forecasting.mase(a, p, [1, 2])])
@pytest.mark.parametrize(("actual", "predicted"), [([1.0, 2.0], [1.0]), ([], []), ([1.0], [[1.0]])])
def test_measures_of_things_that_do_not_belong_together(measure, actual, predicted):
    with pytest.raises(ValueError, match="actual and predicted must be of one shape and not empty, received"):
        measure(actual, predicted)


@pytest.mark.parametrize(("length", "season"), [(1, None), (0, None), (12, 12), (2, 5)])
def test_mase_of_a_history_that_is_too_short(length, season):
    with pytest.raises(ValueError, match=f"more than season=.* months, received {length}"):
        forecasting.mase([1.0], [1.0], [1.0] * length, season=season)


# The window


@pytest.mark.parametrize(
    ("observations", "horizon", "window"),
    # One half to read and one to learn from, until there is a year for each.
    [
        *((9, 1, 4), (10, 1, 4), (11, 1, 5), (12, 1, 5), (24, 1, 11), (25, 1, 12), (26, 1, 12), (35, 1, 12)),
        *((11, 3, 4), (12, 3, 4), (13, 3, 5), (26, 3, 11), (27, 3, 12), (35, 12, 11), (20, 12, 4)),
        # Whole years.
        *((36, 12, 24), (47, 1, 24), (48, 1, 24), (71, 12, 24), (72, 12, 36), (83, 3, 36), (84, 12, 48), (300, 1, 48)),
    ],
)
def test_choose_window(observations, horizon, window):
    assert forecasting.choose_window(observations, horizon) == window
    x, _ = sales.windows(series([float(i) for i in range(observations)]), window, horizon)
    assert len(x) >= (1 if window >= 24 else 4)


@pytest.mark.parametrize(("observations", "horizon"), [(8, 1), (0, 1), (10, 3), (19, 12)])
def test_choose_window_of_a_series_that_is_too_short(observations, horizon):
    with pytest.raises(ValueError, match=f"horizon \\+ 8 = {horizon + 8} observations, received {observations}"):
        forecasting.choose_window(observations, horizon)


@pytest.mark.parametrize("wrong", [0, -1, 1.0, True, None], ids=repr)
def test_choose_window_with_a_wrong_horizon(wrong):
    with pytest.raises(ValueError, match="horizon must be an integer of at least 1, received"):
        forecasting.choose_window(30, wrong)


@pytest.mark.parametrize(
    ("observations", "window", "horizon", "outputs"),
    # 36 months, 12 to read and 12 ahead: 13 windows, 3 to validate, 11 whose targets reach into those.
    [(12, 4, 3, 1), (36, 12, 12, 1), (120, 12, 12, 12), (48, 12, 3, 3), (12, 4, 1, 1), (20, 4, 12, 1)],
)
def test_all_months_at_once_only_where_the_series_is_long(observations, window, horizon, outputs):
    assert forecasting.choose_outputs(observations, window, horizon) == outputs


@pytest.mark.parametrize(
    ("observations", "window", "horizon", "outputs"),
    [
        # 11 windows: 3 validate, 2 overlap with them, 6 are left; of 10 windows 5 are.
        (25, 12, 3, 3),
        (24, 12, 3, 1),
        # 47 windows: 12 validate, 11 overlap, 24 are left; of 46 windows 23 are.
        (70, 12, 12, 12),
        (69, 12, 12, 1),
        (12, 4, 3, 1),
        (300, 12, 1, 1),
        (12, 12, 3, 1),
        # Whole years give a year.
        (48, 24, 1, 12),
        (120, 48, 3, 12),
        (36, 24, 1, 12),
        (35, 24, 1, 1),
    ],
)
def test_all_months_at_once_where_there_are_windows_enough(observations, window, horizon, outputs):
    assert forecasting.choose_outputs(observations, window, horizon) == outputs


# Forecasts of a network


class Sums(layers.Layer):
    """(batch, window, 1) -> the last value plus 10, 20, ... plus a hundredth of the first: known by hand."""

    def __init__(self, outputs):
        super().__init__()
        self.outputs = outputs

    def call(self, x):
        ahead = keras.ops.arange(1, self.outputs + 1, dtype="float32") * 10
        return x[:, -1, :] + ahead + x[:, 0, :] / 100


def network(window, outputs=1):
    x = keras.Input((window, 1))
    return keras.Model(x, Sums(outputs)(x))


@pytest.fixture(scope="module")
def one_ahead():
    return network(3)


def test_forecasts_beyond_the_outputs_feed_themselves(one_ahead):
    history = series([5.0, 100.0, 200.0, 300.0], start="2023-09")
    found = forecasting.forecast(one_ahead, history, 5)
    window, expected = [100.0, 200.0, 300.0], []
    for _ in range(5):
        expected.append(window[-1] + 10 + window[0] / 100)
        window = [*window[1:], expected[-1]]
    np.testing.assert_allclose(found.to_numpy(), expected, rtol=1e-6)
    assert months(found) == ["2024-01", "2024-02", "2024-03", "2024-04", "2024-05"]
    assert (found.name, found.dtype) == ("sold", np.float64)


def test_direct_forecasts_are_the_outputs():
    found = forecasting.forecast(network(3, outputs=4), series([100.0, 200.0, 300.0]), 4)
    np.testing.assert_allclose(found.to_numpy(), [311.0, 321.0, 331.0, 341.0], rtol=1e-6)
    found = forecasting.forecast(network(3, outputs=4), series([100.0, 200.0, 300.0]), 2)
    np.testing.assert_allclose(found.to_numpy(), [311.0, 321.0], rtol=1e-6)


def test_several_outputs_feed_themselves_too():
    found = forecasting.forecast(network(3, outputs=2), series([100.0, 200.0, 300.0]), 5)
    # 311, 321 from 100 200 300; then from 300 311 321; then from 321 334 344.
    np.testing.assert_allclose(found.to_numpy(), [311.0, 321.0, 334.0, 344.0, 357.21], rtol=1e-6)


def test_a_network_for_any_length_reads_the_whole_history():
    found = forecasting.forecast(network(None), series([100.0, 7.0, 7.0, 300.0]), 1)
    np.testing.assert_allclose(found.to_numpy(), [311.0], rtol=1e-6)


def test_integers_are_numbers(one_ahead):
    assert forecasting.forecast(one_ahead, series([100, 200, 300]), 1).tolist() == [311.0]


def test_a_history_shorter_than_the_window(one_ahead):
    with pytest.raises(ValueError, match="model's window of 3 months, received 2"):
        forecasting.forecast(one_ahead, series([1.0, 2.0]), 1)


@pytest.mark.parametrize("wrong", [0, -1, 1.5, True, "2"], ids=repr)
def test_forecast_with_a_wrong_horizon(one_ahead, wrong):
    with pytest.raises(ValueError, match="horizon must be an integer of at least 1, received"):
        forecasting.forecast(one_ahead, TWELVE, wrong)


def test_forecast_of_what_is_no_series(one_ahead):
    with pytest.raises(ValueError, match=r"pandas.Series with a PeriodIndex"):
        forecasting.forecast(one_ahead, TWELVE.tolist(), 1)


def test_forecast_with_another_kind_of_network():
    for model in (
        models.digit_classifier(12),
        models.letter_predictor(),
        models.sequence_model(3, 1, 1, every_step=True),
    ):
        with pytest.raises(ValueError, match=r"model must go from \(batch, window, 1\) to \(batch, outputs\)"):
            forecasting.forecast(model, TWELVE, 1)


# Training

# Both ways to come to three months.
CASES = [(0, 1), (1, 3), (2, 1)]


@pytest.fixture(scope="module")
def trained():
    """{(seed, horizon): forecast, curves, validation loss} on the twelve months at default settings.

    One compiled model a horizon, trained anew for each seed.
    """
    networks, found = {1: {}, 3: {}}, {}
    for seed, horizon in CASES:
        model = forecaster._train(TWELVE, networks[horizon], seed=seed, horizon=horizon)
        assert model.output_shape == (None, horizon)
        # The last quarter of the windows, less what overlaps, by hand: 7 or 6 windows, 2 of them to validate.
        x, y = sales.windows(TWELVE, forecasting.choose_window(12, horizon), horizon)
        assert len(x) == {1: 7, 3: 6}[horizon]
        # In percent of the spread of all that is to be forecast.
        loss = np.mean(((keras.ops.convert_to_numpy(model(x[-2:])) - y[-2:]) * 100 / np.std(y)) ** 2)
        found[seed, horizon] = forecasting.forecast(model, TWELVE, 3), dict(model.history.history), loss
    return found


@pytest.mark.parametrize("case", CASES)
def test_the_next_quarter_of_the_twelve_months(trained, case):
    # 700 was never a target: the last one to be trained or validated on is 650.
    found, _, _ = trained[case]
    np.testing.assert_allclose(found.to_numpy(), NEXT, rtol=0.05)
    assert months(found) == ["2025-01", "2025-02", "2025-03"]


def test_the_untrained_network_does_not_know_the_answer():
    found = []
    for seed in range(5):
        keras.utils.set_random_seed(seed)
        found.append(forecasting.forecast(models.sales_forecaster(window=5), TWELVE, 1).item())
    np.testing.assert_allclose(found, 650, rtol=0.04)
    assert abs(np.mean(found) - 650) < 10
    assert not any(abs(value - 700) < 0.035 * 700 for value in found)


def test_the_kept_weights_are_those_of_the_best_epoch(trained):
    for _, curves, loss in trained.values():
        assert set(curves) == {"loss", "mae", "val_loss", "val_mae"}
        assert len(curves["loss"]) == 200
        assert curves["loss"][0] > 1000
        assert loss == pytest.approx(min(curves["val_loss"]), rel=1e-2, abs=1e-5)


def test_a_model_that_is_used_again_starts_over():
    """As if it had been made for this seed alone."""
    used: dict = {}
    forecaster._train(TWELVE, used, seed=1, epochs=3)
    again = forecaster._train(TWELVE, used, seed=2, epochs=10)
    assert list(used.values()) == [again]
    alone = forecasting.train(TWELVE, seed=2, epochs=10)
    np.testing.assert_allclose(
        forecasting.forecast(alone, TWELVE, 3), forecasting.forecast(again, TWELVE, 3), rtol=1e-4
    )


def test_training_is_watched():
    class Count(keras.callbacks.Callback):
        epochs = 0

        def on_epoch_end(self, epoch, logs=None):
            self.epochs += 1

    count = Count()
    model = forecasting.train(TWELVE, horizon=3, epochs=10, cell="gru", callbacks=[count])
    assert count.epochs == 10
    assert isinstance(model.get_layer("gru"), layers.GRU)


UNITS = (1e-12, 1e8, 1e14)


@pytest.fixture(scope="module")
def in_units():
    """{series: {unit: forecast in this unit}}, from one compiled model a series."""
    all_series = {"twelve": TWELVE, "two years": sales.generate(years=2, seed=1), "four years": sales.generate(years=4)}
    found: dict = {}
    for name, series in all_series.items():
        network = forecasting.Network(epochs=60, practice=640)
        found[name] = {unit: network(series * unit, 3) / unit for unit in (1, *UNITS)}
        found[f"{name}, smoothed"] = {
            unit: forecasting.exponential_smoothing(series * unit, 3) / unit for unit in (1, *UNITS)
        }
    return found


@pytest.mark.parametrize("unit", UNITS)
def test_the_forecast_does_not_depend_on_the_unit(in_units, unit):
    for found in in_units.values():
        np.testing.assert_allclose(found[unit], found[1], rtol=1e-4)
    np.testing.assert_allclose(in_units["twelve"][unit], NEXT, rtol=0.05)


@pytest.mark.parametrize("years", [2, 5])
def test_a_network_that_learned_nothing_is_not_used(years):
    """The squares of such numbers are none for float32."""
    with pytest.raises(ArithmeticError, match=r"cannot learn from numbers such as .*e\+3.: its loss was (nan|inf)"):
        forecasting.train(sales.generate(years=years) * 1e35, epochs=2, practice=64)


def test_training_does_not_depend_on_what_was_random_before():
    found = []
    for before in (1, 2):
        keras.utils.set_random_seed(before)
        model = forecasting.train(TWELVE, window=3, epochs=2, seed=5, cell="simple_rnn", batch_size=4)
        assert model.input_shape == (None, 3, 1)
        found.append(model.get_weights())
    assert all(np.array_equal(a, b) for a, b in zip(*found, strict=True))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"window": 1}, "^window must be an integer of at least 2, received 1"),
        ({"window": 5.0}, "^window must be an integer of at least 2, received 5.0"),
        ({"window": 12}, "no windows are left to train and to validate on"),
        ({"horizon": 0}, "^horizon must be an integer of at least 1, received 0"),
        ({"horizon": 5}, r"horizon \+ 8 = 13 observations, received 12"),
        ({"epochs": 0}, "^epochs must be an integer of at least 1, received 0"),
        ({"epochs": True}, "^epochs must be an integer of at least 1, received True"),
        ({"batch_size": 0}, "^batch_size must be an integer of at least 1, received 0"),
        ({"seed": -1}, "^seed must be an integer of at least 0, received -1"),
        ({"seed": True}, "^seed must be an integer of at least 0, received True"),
        ({"seed": 0.5}, "^seed must be an integer of at least 0, received 0.5"),
        ({"cell": "rnn"}, "^cell must be one of"),
        ({"practice": -1}, "^practice must be an integer of at least 0, received -1"),
    ],
    ids=str,
)
def test_wrong_arguments_of_train_are_told(arguments, message):
    with pytest.raises(ValueError, match=message):
        forecasting.train(TWELVE, **arguments)


def test_train_on_what_is_no_series():
    with pytest.raises(ValueError, match=r"pandas.Series with a PeriodIndex, received list"):
        forecasting.train(TWELVE.tolist())
    with pytest.raises(ValueError, match=r"horizon \+ 8 = 9 observations, received 8"):
        forecasting.train(TWELVE[:8])


# Whole years

TEN_YEARS = sales.generate(years=10, seed=3)


@pytest.fixture(scope="module")
def practised():
    """A network for series of years, with less practice than by default."""
    return forecasting.Network(practice=6000, epochs=8, seed=0)


def test_better_than_the_seasonal_naive_forecast(practised):
    """On each of three kinds of series, and by far in the mean."""
    kinds = [{}, {"outliers": 2}, {"noise_growth": 2.0}]
    errors = []
    for seed, kind in enumerate(kinds):
        table = forecasting.backtest(sales.generate(years=9, seed=100 + seed, **kind), folds=1, make_model=practised)
        errors.append(table.set_index("method")["mase"])
    assert all(mase["model"] < mase["seasonal_naive"] for mase in errors)
    assert np.mean([mase["model"] / mase["seasonal_naive"] for mase in errors]) < 0.9


def test_nothing_of_the_future_is_known(practised):
    """Other months to come, and those beside the fold: the same forecasts, bit for bit."""
    other = TEN_YEARS.copy()
    other.iloc[-12:] = 1e6 * np.arange(12)
    folds = [
        {
            method: predicted.to_numpy()
            for method, *_, predicted, _, _ in forecasting.rolling_forecasts(series, 12, 1, {"lstm": practised})
        }
        for series in (TEN_YEARS, other)
    ]
    assert set(folds[0]) == {"lstm", "last_value", "drift", "seasonal_naive", "exponential_smoothing"}
    for method, predicted in folds[0].items():
        np.testing.assert_array_equal(predicted, folds[1][method])


def test_training_by_whole_years_keeps_the_best_weights_or_the_practised(practised):
    model = practised.train(TEN_YEARS, 12)
    assert (model.name, model.input_shape, model.output_shape) == ("seasonal_forecaster", (None, 48, 1), (None, 12))
    x, y = sales.windows(TEN_YEARS, 48, 12)
    validation = slice(-round(len(x) / 4), None)
    loss = forecasting.mae(y[validation], keras.ops.convert_to_numpy(model(x[validation])))
    model.set_weights(pretraining.practised_weights(48, "lstm", 6000, 0))
    before = forecasting.mae(y[validation], keras.ops.convert_to_numpy(model(x[validation])))
    percent = np.std(y) / 100
    assert loss == pytest.approx(min(before, percent * min(model.history.history["val_loss"])), rel=1e-4)
    assert loss == pytest.approx(min(before, *model.history.history["val_mae"]), rel=1e-4)


@pytest.mark.parametrize("multiplicative", [False, True])
def test_three_years_are_forecast_by_practice_alone(multiplicative):
    """What callbacks see is the practice, validated on the series; its weights are those of all other series."""
    history = sales.generate(years=4, seed=5, multiplicative=multiplicative)[:40]
    seen = []
    watching = keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: seen.append(logs))
    model = forecasting.train(history, horizon=12, seed=0, practice=1920, callbacks=[watching])
    assert (model.input_shape, model.output_shape) == ((None, 24, 1), (None, 12))
    assert len(seen) == forecasting.PRACTICE_EPOCHS == len(model.history.history["val_loss"])
    for weight, practised in zip(model.get_weights(), pretraining.practised_weights(24, "lstm", 1920, 0), strict=True):
        np.testing.assert_array_equal(weight, practised)
    x, y = sales.windows(history, 24, 12)
    if multiplicative:
        x, y = np.log(x), np.log(y)
    found = keras.ops.convert_to_numpy(models_with(model.get_weights())(x))
    assert seen[-1]["val_mae"] == pytest.approx(forecasting.mae(y, found), rel=1e-4)
    made = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sales, "practice", lambda *arguments: made.append(arguments))
        unwatched = forecasting.train(history, horizon=12, seed=0, practice=1920)
    assert made == []  # It has practised already.
    assert unwatched.history.history == {}
    np.testing.assert_array_equal(
        forecasting.forecast(model, history, 12), forecasting.forecast(unwatched, history, 12)
    )


def models_with(weights):
    """The seasonal network for two years that reads numbers as they are."""
    model = models.seasonal_forecaster(24)
    model.set_weights(weights)
    return model


def test_without_practice_three_years_are_too_few():
    with pytest.raises(ValueError, match="practice must be an integer of at least 1, received 0"):
        forecasting.train(TEN_YEARS[:36], practice=0)


def test_a_constant_series_stays_what_it_is(practised):
    constant = series([7.0] * 60)
    found = forecasting.forecast(models.seasonal_forecaster(24), constant, 14)
    assert found.tolist() == [7.0] * 14
    assert forecasting.exponential_smoothing(constant, 2).tolist() == [7.0, 7.0]
    assert forecasting.takes_logarithm(constant) is False


@pytest.mark.parametrize(
    ("values", "answer"),
    [
        (sales.generate(years=8, trend=0.3, multiplicative=True, seed=1), True),
        (sales.generate(years=8, trend=0.3, seed=1), False),
        (sales.generate(years=8, trend=0.3, multiplicative=True, seed=1)[:35], False),  # too short to tell
        (sales.generate(years=8, trend=0.3, multiplicative=True, seed=1).replace({500.0: 0}) - 480, False),
        (sales.generate(years=8, trend=0.3, multiplicative=True, seed=1) * 1e6, True),
    ],
)
def test_the_logarithm_where_seasons_grow_with_the_level(values, answer):
    assert forecasting.takes_logarithm(values) is answer


def test_a_zero_takes_no_logarithm():
    values = sales.generate(years=8, trend=0.3, multiplicative=True, seed=1)
    values.iloc[50] = 0.0
    assert forecasting.takes_logarithm(values) is False


def test_without_statsmodels(monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "statsmodels.tsa.holtwinters", None)
    with pytest.raises(ImportError, match="exponential smoothing needs statsmodels: pip install statsmodels"):
        forecasting.exponential_smoothing(TWELVE, 3)


def test_exponential_smoothing_follows_line_and_season():
    t = np.arange(72)
    history = series(100 + 2 * t + 30 * np.cos(2 * np.pi * t / 12))
    ahead = np.arange(72, 84)
    found = forecasting.exponential_smoothing(history, 12)
    np.testing.assert_allclose(found, 100 + 2 * ahead + 30 * np.cos(2 * np.pi * ahead / 12), atol=3)
    assert months(found)[0] == "2030-01"
    # Too short for a season: the line alone.
    np.testing.assert_allclose(forecasting.exponential_smoothing(TWELVE, 3), NEXT, rtol=0.05)
    with pytest.raises(ValueError, match="at least 10 months, received 9"):
        forecasting.exponential_smoothing(TWELVE[:9], 1)


# Backtest


def test_backtest_by_hand():
    values = series([float(k**2) for k in range(60)])
    given = []

    def model(history, horizon):
        given.append(len(history))
        history.iloc[:] = -1  # a method may do what it likes to its own
        return np.full(horizon, 1000.0)

    table = forecasting.backtest(values, horizon=6, folds=3, make_model=model)
    assert given == [42, 48, 54]
    assert table.columns.tolist() == ["method", "fold", "mae", "smape", "mase", "seconds"]
    methods = ["model", "last_value", "drift", "seasonal_naive", "exponential_smoothing"]
    assert list(zip(table["method"], table["fold"], strict=True)) == [(m, f) for f in range(3) for m in methods]
    row = table[(table["method"] == "model") & (table["fold"] == 1)].iloc[0]
    actual = np.arange(48, 54) ** 2
    scale = np.mean([k**2 - (k - 12) ** 2 for k in range(12, 48)])
    assert row["mae"] == pytest.approx(np.mean(np.abs(actual - 1000)))
    assert row["mase"] == pytest.approx(np.mean(np.abs(actual - 1000)) / scale)
    last = table[(table["method"] == "last_value") & (table["fold"] == 2)].iloc[0]
    assert last["mae"] == pytest.approx(np.mean(np.arange(54, 60) ** 2 - 53**2))
    assert (table["seconds"] >= 0).all()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"folds": 4}, "folds must be at most 3 for 60 months and horizon=12, .* 20 months .* received 4"),
        ({"folds": 0}, "folds must be an integer of at least 1, received 0"),
        ({"horizon": 100}, "series must have at least 2 \\* horizon \\+ 8 = 208 months for one fold, received 60"),
        ({"make_model": {"drift": forecasting.drift}}, "make_model must have other names than last_value, drift, "),
        ({"make_model": {"mine": 3}}, r"make_model\['mine'\] must be a callable \(history, horizon\), received 3"),
        (
            {"make_model": {"mine": lambda history, horizon: [1.0]}},
            r"\['mine'\] must forecast 12 months, received \(1,\)",
        ),
    ],
    ids=["folds", "no fold", "horizon", "name", "not callable", "length"],
)
def test_wrong_arguments_of_backtest_are_told(arguments, message):
    values = series(np.arange(60.0))
    with pytest.raises(ValueError, match=message):
        forecasting.backtest(values, **{"folds": 1, "make_model": forecasting.drift, **arguments})


def test_the_shortest_series_with_a_backtest():
    """Exponential smoothing takes part as soon as there is enough for it."""
    table = forecasting.backtest(series(range(1, 13)), 1, 3, make_model=lambda history, horizon: [0.0])
    assert (table["method"] == "exponential_smoothing").sum() == 2  # of histories of 9, 10 and 11 months
    assert (table["method"] == "drift").sum() == 3


def test_a_month_that_is_missing_is_told():
    values = series(np.arange(60.0))
    values.iloc[7] = float("nan")
    with pytest.raises(ValueError, match="finite numbers, received nan in 2024-08, one of 1 such months"):
        forecasting.backtest(values, make_model=forecasting.drift)
    with pytest.raises(ValueError, match="nan in 2024-08"):
        forecasting.interval(values, forecasting.drift(values, 3))


# Intervals


@pytest.fixture
def naive_network(monkeypatch):
    """In place of training: what was asked for; the forecast is the seasonal naive one."""
    asked = []
    monkeypatch.setattr(forecasting.Network, "train", lambda self, history, horizon: asked.append(len(history)))
    monkeypatch.setattr(intervals, "forecast", lambda model, history, h: forecasting.seasonal_naive(history, h))
    return asked


def test_interval_by_hand(naive_network):
    rng = np.random.default_rng(0)
    values = series(rng.normal(size=100) * 10)
    predicted = forecasting.seasonal_naive(values, 3)
    lower, upper = forecasting.interval(values, predicted)
    # The last origin with three months known is 97; 36 of them, trained anew once a year.
    assert naive_network == [62, 74, 86]
    v = values.to_numpy()
    widest = 0.0
    for h in range(3):
        errors = sorted(abs(v[o + h] - v[o + h - 12]) for o in range(62, 98))
        widest = max(widest, errors[29])  # 0.8 * 37 = 29.6, so the 30th of 36
        assert upper.iloc[h] - predicted.iloc[h] == pytest.approx(widest)
        assert predicted.iloc[h] - lower.iloc[h] == pytest.approx(widest)
    assert months(lower) == months(predicted)


def test_interval_of_logarithms_is_a_ratio(naive_network):
    values = sales.generate(years=9, trend=0.3, multiplicative=True, seed=1)
    predicted = forecasting.seasonal_naive(values, 12)
    lower, upper = forecasting.interval(values, predicted)
    np.testing.assert_allclose(predicted / lower, upper / predicted)
    assert (lower > 0).all()
    assert (upper / predicted > 1.1).all()


@pytest.mark.parametrize("least", [0.0, -1.0])
def test_interval_of_what_was_never_negative_ends_at_zero(naive_network, least):
    values = series(np.abs(np.random.default_rng(0).normal(size=60)) * 100)
    values.iloc[7] = least
    predicted = forecasting.seasonal_naive(values, 12) / 10
    lower, upper = forecasting.interval(values, predicted)
    wide = predicted - (upper - predicted)  # as far below as above
    assert (wide < 0).any()
    pd.testing.assert_series_equal(lower, wide.clip(lower=0) if least == 0 else wide)


def test_interval_covers_what_it_says(naive_network):
    inside = []
    for seed in range(60):
        whole = sales.generate(years=11, seed=seed, multiplicative=bool(seed % 2))
        past, actual = whole.iloc[:-12], whole.iloc[-12:]
        lower, upper = forecasting.interval(past, forecasting.seasonal_naive(past, 12))
        inside.append(((lower <= actual) & (actual <= upper)).mean())
    assert 0.75 < np.mean(inside) < 0.92


@pytest.mark.parametrize(
    ("length", "horizon", "there"), [(46, 3, False), (47, 3, True), (55, 12, False), (56, 12, True)]
)
def test_no_interval_where_the_past_is_too_short(naive_network, length, horizon, there):
    values = series(np.random.default_rng(1).normal(size=length))
    found = forecasting.interval(values, forecasting.seasonal_naive(values, horizon))
    assert (found is not None) is there


@pytest.mark.parametrize("wrong", [0, 1, 1.5, "0.8", True], ids=repr)
def test_a_wrong_coverage_is_told(wrong):
    with pytest.raises(ValueError, match="coverage must be a number between 0 and 1, received"):
        forecasting.interval(TEN_YEARS, TWELVE, coverage=wrong)
