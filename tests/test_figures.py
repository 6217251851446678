import io
import types

import matplotlib.colors
import numpy as np
import pandas as pd
import PIL.Image
import pytest
from matplotlib.figure import Figure

from rnn_tutorial import figures
from rnn_tutorial.data import sales


def decoded(content):
    """PNG bytes as an array (height, width, 3), decoded to the last byte by another library."""
    image = PIL.Image.open(io.BytesIO(content))
    assert image.format == "PNG"
    return np.asarray(image.convert("RGB"))


def drawn(figure, dpi=60):
    """Render a figure and make sure that there is something in the picture, also at its edges white."""
    pixels = decoded(figures.png(figure, dpi))
    width, height = figure.get_size_inches()
    assert pixels.shape == (int(height * dpi), int(width * dpi), 3)
    assert pixels.reshape(-1, 3).std(axis=0).max() > 1, "a blank picture"
    assert pixels[0, 0].tolist() == pixels[-1, -1].tolist() == [255, 255, 255]
    return pixels


def labels(axes):
    return [text.get_text() for text in axes.get_legend().get_texts()]


# Learning curves


@pytest.fixture(scope="module")
def history():
    return {
        "loss": [4.0, 2.0, 1.0],
        "val_loss": [5.0, 3.0, 2.5],
        "mean_absolute_error": [0.5, 0.4, 0.3],
        "val_mean_absolute_error": [0.6, 0.5, 0.45],
        "accuracy": [0.1, 0.2, 0.9],
    }


def test_curves_show_every_metric_with_its_validation(history):
    figure = figures.curves(history)
    assert isinstance(figure, Figure)
    assert [axes.get_title() for axes in figure.axes] == ["loss", "mean absolute error", "accuracy"]
    assert [axes.get_xlabel() for axes in figure.axes] == ["epoch"] * 3
    assert [labels(axes) for axes in figure.axes] == [["training", "validation"]] * 2 + [["training"]]
    for axes, metric in zip(figure.axes, ("loss", "mean_absolute_error", "accuracy"), strict=True):
        lines = {line.get_label(): line for line in axes.get_lines()}
        assert lines["training"].get_xdata().tolist() == [0, 1, 2]
        assert lines["training"].get_ydata().tolist() == history[metric]
        if "validation" in lines:
            assert lines["validation"].get_ydata().tolist() == history[f"val_{metric}"]
            assert lines["validation"].get_color() != lines["training"].get_color()
            assert lines["validation"].get_linestyle() != lines["training"].get_linestyle()
    drawn(figure)


def test_epochs_are_those_given(history):
    figure = figures.curves(history, epochs=[5, 6, 7])
    assert figure.axes[0].get_lines()[0].get_xdata().tolist() == [5, 6, 7]
    drawn(figure)
    # Epochs are whole numbers.
    ticks = figure.axes[0].xaxis.get_major_locator().tick_values(5, 7)
    assert all(tick == round(tick) for tick in ticks)


@pytest.mark.parametrize("count", [1, 2, 3, 4, 5, 7])
def test_a_panel_a_metric(count):
    figure = figures.curves({f"metric_{number}": [1.0, 2.0] for number in range(count)})
    visible = [axes for axes in figure.axes if axes.get_visible()]
    assert [axes.get_title() for axes in visible] == [f"metric {number}" for number in range(count)]
    drawn(figure)


def test_a_single_epoch_can_be_seen():
    figure = figures.curves({"loss": [0.5], "val_loss": [0.25]})
    assert all(line.get_marker() == "o" for line in figure.axes[0].get_lines())
    with_points = drawn(figure)
    hidden = figures.curves({"loss": [0.5], "val_loss": [0.25]})
    for line in hidden.axes[0].get_lines():
        line.set_visible(False)
    assert not np.array_equal(with_points, drawn(hidden))


def test_gaps_stay_gaps():
    figure = figures.curves({"loss": [1.0, 0.5, float("nan"), 0.25], "val_loss": [float("nan"), 0.75, None, 0.5]})
    training, validation = (line.get_ydata() for line in figure.axes[0].get_lines())
    assert np.array_equal(training, [1.0, 0.5, np.nan, 0.25], equal_nan=True)
    assert np.array_equal(validation, [np.nan, 0.75, np.nan, 0.5], equal_nan=True)
    drawn(figure)


@pytest.mark.parametrize("values", [[float("nan")] * 3, [float("inf"), 1.0, 2.0], [float("-inf")] * 3])
def test_curves_that_are_not_finite_are_drawn_all_the_same(values):
    drawn(figures.curves({"loss": values}))


@pytest.mark.parametrize(
    ("values", "scale"),
    [
        ([1.0, 0.009], "log"),
        ([1.0, float("nan"), 0.009], "log"),
        ([0.009, 1.0], "log"),
        ([1.0, 0.02], "linear"),
        ([1.0, 0.0], "linear"),
        ([100.0, -0.1], "linear"),
        ([float("nan"), float("nan")], "linear"),
    ],
    ids=str,
)
def test_a_long_way_is_shown_on_a_log_axis(values, scale):
    figure = figures.curves({"loss": values, "accuracy": [0.5] * len(values)})
    assert [axes.get_yscale() for axes in figure.axes] == [scale, "linear"]
    drawn(figure)


def test_validation_counts_for_the_log_axis():
    assert figures.curves({"loss": [1.0, 0.5], "val_loss": [1.0, 0.001]}).axes[0].get_yscale() == "log"
    assert figures.curves({"loss": [1.0, 0.001], "val_loss": [1.0, -1.0]}).axes[0].get_yscale() == "linear"


def test_validation_without_training():
    figure = figures.curves({"val_loss": [1.0, 0.5]})
    assert figure.axes[0].get_title() == "loss"
    assert labels(figure.axes[0]) == ["validation"]


def test_no_curves_are_refused():
    with pytest.raises(ValueError, match=r"history must hold at least one curve, received \{\}"):
        figures.curves({})


def test_a_long_training_is_a_line_without_points():
    figure = figures.curves({"loss": np.linspace(1, 0.5, 500)})
    assert figure.axes[0].get_lines()[0].get_marker() in ("None", None, "")
    drawn(figure)


# Forecasts


def test_forecast_shows_every_method():
    series = sales.TWELVE_MONTHS
    months = pd.period_range("2025-01", periods=3, freq="M")
    forecasts = {
        "lstm": pd.Series([701.0, 752.0, 803.0], months),
        "last value": pd.Series([650.0] * 3, months),
        "drift": pd.Series([700.0, 750.0, 800.0], months),
    }
    actual = pd.Series([705.0, 745.0], months[:2])
    figure = figures.forecast(series, forecasts, unit="pieces sold", actual=actual)
    (axes,) = figure.axes
    assert axes.get_xlabel() == "month"
    assert axes.get_ylabel() == "pieces sold"
    assert labels(axes) == ["history", "lstm", "last value", "drift", "actual"]
    lines = {line.get_label(): line for line in axes.get_lines()}
    for name, expected in {"history": series, **forecasts, "actual": actual}.items():
        assert lines[name].get_ydata().tolist() == expected.tolist()
        shown = pd.DatetimeIndex(lines[name].get_xdata())
        assert [(date.year, date.month) for date in shown] == [(month.year, month.month) for month in expected.index]
    assert lines["lstm"].get_zorder() > lines["last value"].get_zorder()
    drawn(figure)


def test_forecast_without_methods_or_with_many():
    series = sales.TWELVE_MONTHS
    assert labels(figures.forecast(series, {}).axes[0]) == ["history"]
    names = [f"method {number}" for number in range(7)]
    figure = figures.forecast(series, dict.fromkeys(names, series[-2:]))
    assert labels(figure.axes[0]) == ["history", *names]
    drawn(figure)


# Heatmaps


def test_heatmap_shows_every_number():
    values = np.array([[0.914, -0.5, 0.0], [0.02, 1.0, -0.004]])
    figure = figures.heatmap(values, ["a", "b"], ["x", "y", "z"], "What follows", "this", "that")
    axes, bar = figure.axes
    assert axes.get_title() == "What follows"
    assert (axes.get_ylabel(), axes.get_xlabel()) == ("this", "that")
    assert [tick.get_text() for tick in axes.get_yticklabels()] == ["a", "b"]
    assert [tick.get_text() for tick in axes.get_xticklabels()] == ["x", "y", "z"]
    shown = {text.get_position(): text.get_text() for text in axes.texts}
    assert shown == {(0, 0): "0.91", (1, 0): "-0.50", (2, 0): "0.00", (0, 1): "0.02", (1, 1): "1.00", (2, 1): "-0.00"}
    (image,) = axes.get_images()
    assert image.get_array().tolist() == values.tolist()
    # Zero is white, and as far to the blue as to the red.
    assert (image.norm.vmin, image.norm.vmax) == (-1, 1)
    assert min(image.cmap(image.norm(0.0))) > 0.95
    assert bar is not axes
    drawn(figure)


def test_heatmap_around_another_centre():
    figure = figures.heatmap([[0.2, 0.5]], ["a"], ["x", "y"], "t", center=0.2)
    norm = figure.axes[0].get_images()[0].norm
    assert (norm.vmin, norm.vmax) == pytest.approx((-0.1, 0.5))


def test_numbers_on_dark_ground_are_white():
    figure = figures.heatmap([[1.0, 0.1, -1.0]], ["a"], ["x", "y", "z"], "t")
    assert [text.get_color() for text in figure.axes[0].texts] == ["white", "black", "white"]


@pytest.mark.parametrize("values", [[[0.0, 0.0]], [[0.5, float("nan")]]], ids=["zeros", "nan"])
def test_heatmap_without_spread_or_with_gaps(values):
    drawn(figures.heatmap(values, ["a"], ["x", "y"], "t"))


# Boxes and arrows


def box(x, y, text, **style):
    style = {"width": 1.0, "height": 0.5, "fill": "#DCEAF7", "line": "#0072B2", **style}
    return types.SimpleNamespace(x=x, y=y, text=text, **style)


def arrow(tail, head, **style):
    style = {"color": "#D55E00", "dashed": False, "arrow": "forward", "around": False, **style}
    return types.SimpleNamespace(tail=tail, head=head, **style)


def test_boxes_are_drawn_at_their_places():
    a, b, c = box(0, 0, "first\n(3,)"), box(3, 1, "second"), box(3, -1, "text alone", line="")
    figure = figures.boxes([a, b, c], [arrow(a, b), arrow(a, c, dashed=True, arrow="none"), arrow(b, c, arrow="both")])
    (axes,) = figure.axes
    texts = {text.get_text(): text.get_position() for text in axes.texts if text.get_text()}
    assert texts == {"first\n(3,)": (0, 0), "second": (3, 1), "text alone": (3, -1)}
    assert len(axes.patches) == 2, "a box without a line is its text alone"
    pixels = drawn(figure, dpi=50)
    # One inch of the page is one unit: from -0.5 to 3.5 and from -1.25 to 1.25, with 0.2 to each side.
    assert pixels.shape == (int(2.9 * 50), int(4.4 * 50), 3)
    # Each box is filled where it stands.
    for node in (a, b):
        row, column = (1.45 - (node.y - 0.2)) * 50, (node.x - 0.4 + 0.7) * 50
        assert matplotlib.colors.to_hex(pixels[int(row), int(column)] / 255) == "#dceaf7"


def test_arrows_end_at_the_borders_of_their_boxes():
    a, b = box(0, 0, "", width=2.0, height=1.0), box(5, 0, "", width=1.0, height=1.0)
    figure = figures.boxes([a, b], [arrow(a, b)])
    (shown,) = [text for text in figure.axes[0].texts if getattr(text, "arrow_patch", None)]
    assert shown.xy == pytest.approx((4.5, 0))
    assert shown.xyann == pytest.approx((1.0, 0))


def test_arrows_around_leave_and_come_back_at_the_side():
    a, b, c = box(0, 0, "a"), box(0, -1, "b"), box(0, -2, "c")
    figure = figures.boxes([a, b, c], [arrow(a, c, around=True)])
    (shown,) = [text for text in figure.axes[0].texts if getattr(text, "arrow_patch", None)]
    assert shown.xyann == pytest.approx((0.5, 0))
    assert shown.xy == pytest.approx((0.5, -2))
    pixels = drawn(figure, dpi=50)
    # Right of the boxes, beside the middle one, where its way leads: a thin line.
    middle = pixels[int(1.45 * 50) - 5 : int(1.45 * 50) + 5, int(1.25 * 50) :]
    assert (middle < 250).any()


def test_one_box():
    drawn(figures.boxes([box(2, 2, "alone")], []))


# PNG


@pytest.mark.parametrize("dpi", [40, 100])
def test_png_has_the_size_asked_for(dpi):
    figure = Figure(figsize=(3, 2))
    figure.subplots().plot([1, 2])
    assert decoded(figures.png(figure, dpi)).shape == (2 * dpi, 3 * dpi, 3)


def test_png_is_white_and_not_transparent():
    figure = Figure(figsize=(1, 1), facecolor="none")
    image = PIL.Image.open(io.BytesIO(figures.png(figure)))
    assert np.asarray(image.convert("RGBA")).reshape(-1, 4).min(axis=0).tolist() == [255, 255, 255, 255]


def test_nothing_needs_a_screen(run_python):
    printed = run_python(
        """
        import sys
        from rnn_tutorial import data, figures
        figures.png(figures.curves({"loss": [1.0, 0.5]}))
        figures.png(figures.forecast(data.sales.TWELVE_MONTHS, {}))
        figures.png(figures.heatmap([[1.0]], ["a"], ["b"], "t"))
        print([name for name in ("matplotlib.pyplot", "tkinter", "keras", "tensorflow") if name in sys.modules])
        """,
        DISPLAY="",
        MPLBACKEND="TkAgg",
    )
    assert printed.strip() == "[]"


@pytest.mark.parametrize("name", ["销售额", "sales", "$5 to $6", "ख़"], ids=["chinese", "plain", "dollars", "no font"])
def test_names_from_elsewhere_are_drawn_without_complaint(name):
    # Warnings are errors: a letter that a font lacks would warn.
    series = pd.Series([1.0, 2.0], index=pd.period_range("2024-01", periods=2, freq="M"))
    figure = figures.forecast(series, {"last value": series}, unit=name)
    figures.png(figure)
    (axes,) = figure.axes
    assert axes.get_ylabel() in (name, name.replace("$", r"\$"), "value")
