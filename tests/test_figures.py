import io
import types

import matplotlib.colors
import numpy as np
import pandas as pd
import PIL.Image
import pytest
from matplotlib.figure import Figure

from rnn_tutorial import drawing
from rnn_tutorial.data import sales
from rnn_tutorial.drawing.boxes_and_arrows import boxes


def decoded(content):
    """PNG bytes as an array (height, width, 3), decoded to the last byte by another library."""
    image = PIL.Image.open(io.BytesIO(content))
    assert image.format == "PNG"
    return np.asarray(image.convert("RGB"))


def drawn(figure, dpi=60):
    """Render a figure and make sure that there is something in the picture, also at its edges white."""
    pixels = decoded(drawing.png(figure, dpi))
    width, height = figure.get_size_inches()
    assert pixels.shape == (pytest.approx(height * dpi, abs=1), pytest.approx(width * dpi, abs=1), 3)
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
    figure = drawing.curves(history)
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
    figure = drawing.curves(history, epochs=[5, 6, 7])
    assert figure.axes[0].get_lines()[0].get_xdata().tolist() == [5, 6, 7]
    drawn(figure)
    # Epochs are whole numbers.
    ticks = figure.axes[0].xaxis.get_major_locator().tick_values(5, 7)
    assert all(tick == round(tick) for tick in ticks)


@pytest.mark.parametrize("count", [1, 2, 3, 4, 5, 7])
def test_a_panel_a_metric(count):
    figure = drawing.curves({f"metric_{number}": [1.0, 2.0] for number in range(count)})
    visible = [axes for axes in figure.axes if axes.get_visible()]
    assert [axes.get_title() for axes in visible] == [f"metric {number}" for number in range(count)]
    drawn(figure)


def test_a_single_epoch_can_be_seen():
    figure = drawing.curves({"loss": [0.5], "val_loss": [0.25]})
    assert all(line.get_marker() == "o" for line in figure.axes[0].get_lines())
    with_points = drawn(figure)
    hidden = drawing.curves({"loss": [0.5], "val_loss": [0.25]})
    for line in hidden.axes[0].get_lines():
        line.set_visible(False)
    assert not np.array_equal(with_points, drawn(hidden))


def test_gaps_stay_gaps():
    figure = drawing.curves({"loss": [1.0, 0.5, float("nan"), 0.25], "val_loss": [float("nan"), 0.75, None, 0.5]})
    training, validation = (line.get_ydata() for line in figure.axes[0].get_lines())
    assert np.array_equal(training, [1.0, 0.5, np.nan, 0.25], equal_nan=True)
    assert np.array_equal(validation, [np.nan, 0.75, np.nan, 0.5], equal_nan=True)
    drawn(figure)


@pytest.mark.parametrize("values", [[float("nan")] * 3, [float("inf"), 1.0, 2.0], [float("-inf")] * 3])
def test_curves_that_are_not_finite_are_drawn_all_the_same(values):
    drawn(drawing.curves({"loss": values}))


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
    figure = drawing.curves({"loss": values, "accuracy": [0.5] * len(values)})
    assert [axes.get_yscale() for axes in figure.axes] == [scale, "linear"]
    drawn(figure)


@pytest.mark.parametrize(
    "values",
    [[-0.00025, -0.00031], [1234567.0, 834567.0], [-1e12, 1e12], [1e-7, 1e-12], [0.98, 0.985], [1000.001, 1000.002]],
    ids=str,
)
def test_the_numbers_of_curves_stay_in_the_picture(values):
    figure = drawing.curves({"loss": values, "accuracy": values})
    drawn(figure, dpi=100)
    for axes in figure.axes:
        box = axes.get_tightbbox()
        assert figure.bbox.count_contains(box.corners()) == 4
    first, second = (axes.get_tightbbox() for axes in figure.axes)
    assert not first.overlaps(second)


def test_validation_counts_for_the_log_axis():
    assert drawing.curves({"loss": [1.0, 0.5], "val_loss": [1.0, 0.001]}).axes[0].get_yscale() == "log"
    assert drawing.curves({"loss": [1.0, 0.001], "val_loss": [1.0, -1.0]}).axes[0].get_yscale() == "linear"


def test_validation_without_training():
    figure = drawing.curves({"val_loss": [1.0, 0.5]})
    assert figure.axes[0].get_title() == "loss"
    assert labels(figure.axes[0]) == ["validation"]


def test_no_curves_are_refused():
    with pytest.raises(ValueError, match=r"history must hold at least one curve, received \{\}"):
        drawing.curves({})


def test_a_long_training_is_a_line_without_points():
    figure = drawing.curves({"loss": np.linspace(1, 0.5, 500)})
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
    figure = drawing.forecast(series, forecasts, unit="pieces sold", actual=actual)
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


def test_forecast_with_an_interval():
    series = sales.TWELVE_MONTHS
    months = pd.period_range("2025-01", periods=3, freq="M")
    lower, upper = pd.Series([600.0, 590.0, 580.0], months), pd.Series([800.0, 810.0, 820.0], months)
    forecasts = {"lstm": pd.Series([701.0, 752.0, 803.0], months), "drift": pd.Series([700.0, 750.0, 800.0], months)}
    figure = drawing.forecast(series, forecasts, band=(lower, upper, "80% interval"))
    (axes,) = figure.axes
    assert labels(axes) == ["history", "lstm", "drift", "80% interval"]
    (band,) = axes.collections
    corners = band.get_paths()[0].vertices[:, 1]
    assert set(corners) == {*lower, *upper}
    drawn(figure)


def test_forecast_without_methods_or_with_many():
    series = sales.TWELVE_MONTHS
    assert labels(drawing.forecast(series, {}).axes[0]) == ["history"]
    names = [f"method {number}" for number in range(7)]
    figure = drawing.forecast(series, dict.fromkeys(names, series[-2:]))
    assert labels(figure.axes[0]) == ["history", *names]
    drawn(figure)


# Heatmaps


def test_heatmap_shows_every_number():
    values = np.array([[0.914, -0.5, 0.0], [0.02, 1.0, -0.004]])
    figure = drawing.heatmap(values, ["a", "b"], ["x", "y", "z"], "What follows", "this", "that")
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
    figure = drawing.heatmap([[0.2, 0.5]], ["a"], ["x", "y"], "t", center=0.2)
    norm = figure.axes[0].get_images()[0].norm
    assert (norm.vmin, norm.vmax) == pytest.approx((-0.1, 0.5))


def test_numbers_on_dark_ground_are_white():
    figure = drawing.heatmap([[1.0, 0.1, -1.0]], ["a"], ["x", "y", "z"], "t")
    assert [text.get_color() for text in figure.axes[0].texts] == ["white", "black", "white"]


@pytest.mark.parametrize("values", [[[0.0, 0.0]], [[0.5, float("nan")]]], ids=["zeros", "nan"])
def test_heatmap_without_spread_or_with_gaps(values):
    drawn(drawing.heatmap(values, ["a"], ["x", "y"], "t"))


# Boxes and arrows


def box(x, y, text, **style):
    style = {"width": 1.0, "height": 0.5, "fill": "#DCEAF7", "line": "#0072B2", **style}
    return types.SimpleNamespace(x=x, y=y, text=text, **style)


def arrow(tail, head, **style):
    style = {"color": "#D55E00", "dashed": False, "arrow": "forward", "around": False, **style}
    return types.SimpleNamespace(tail=tail, head=head, **style)


def test_boxes_are_drawn_at_their_places():
    a, b, c = box(0, 0, "first\n(3,)"), box(3, 1, "second"), box(3, -1, "text alone", line="")
    figure = boxes([a, b, c], [arrow(a, b), arrow(a, c, dashed=True, arrow="none"), arrow(b, c, arrow="both")])
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
    figure = boxes([a, b], [arrow(a, b)])
    (shown,) = [text for text in figure.axes[0].texts if getattr(text, "arrow_patch", None)]
    assert shown.xy == pytest.approx((4.5, 0))
    assert shown.xyann == pytest.approx((1.0, 0))


def test_arrows_around_leave_and_come_back_at_the_side():
    a, b, c = box(0, 0, "a"), box(0, -1, "b"), box(0, -2, "c")
    figure = boxes([a, b, c], [arrow(a, c, around=True)])
    (shown,) = [text for text in figure.axes[0].texts if getattr(text, "arrow_patch", None)]
    assert shown.xyann == pytest.approx((0.5, 0))
    assert shown.xy == pytest.approx((0.5, -2))
    pixels = drawn(figure, dpi=50)
    # Right of the boxes, beside the middle one, where its way leads: a thin line.
    middle = pixels[int(1.45 * 50) - 5 : int(1.45 * 50) + 5, int(1.25 * 50) :]
    assert (middle < 250).any()


def test_one_box():
    drawn(boxes([box(2, 2, "alone")], []))


# What happens in a layer: one page, an image a panel


def images(figure):
    """{label: image} of the panels, without the scales beside them."""
    return {image.get_label(): image for image in figure.axes[0].get_images() if image.get_label() != "scale"}


def written(figure):
    return [text.get_text() for text in figure.axes[0].texts]


def hatched(figure):
    """The hatched rectangles: grounds of panels, and one in the legend."""
    return [artist for artist in figure.axes[0].patches if artist.get_hatch()]


def color_of(image, value):
    return [round(255 * part) for part in image.cmap(image.norm(value))[:3]]


def texts_inside(figure):
    """No text may leave the page."""
    drawn(figure, dpi=100)
    page = figure.bbox
    for text in figure.axes[0].texts:
        box = text.get_window_extent()
        assert page.count_contains(box.corners()) == 4, text.get_text()


def texts_apart(figure):
    """No text may cover another."""
    drawing.png(figure)
    boxes = [(text.get_text(), text.get_window_extent()) for text in figure.axes[0].texts]
    for number, (first, box) in enumerate(boxes):
        for second, other in boxes[:number]:
            assert not box.overlaps(other), (first, second)


def numbers_beside(figure, side):
    """The numbers left of the panels ("right" aligned) or below them."""
    along = {"left": lambda text: text.get_va() == "center_baseline" and text.get_ha() == "right"}
    along["below"] = lambda text: text.get_va() == "top"
    return [text.get_text() for text in figure.axes[0].texts if along[side](text) and text.get_text().isdigit()]


def place(image, row, column):
    """The pixel in the middle of a cell, in a page of 100 pixels an inch."""
    left, right, bottom, top = image.get_extent()
    rows, columns = image.get_array().shape
    x = left + (column + 0.5) * (right - left) / columns
    y = top + (row + 0.5) * (bottom - top) / rows
    return int(y * 100), int(x * 100)


# Gradient through time


def test_flow_shows_the_logarithm_of_every_norm():
    norms = np.array([[1e-6, 1e-3, 0.5], [2e-5, 1e-2, 2.0]])
    figure = drawing.gradient_flow(norms, [3, 10], "lstm: gradient")
    (image,) = images(figure).values()
    assert np.allclose(image.get_array(), np.log10(norms))
    assert not np.ma.is_masked(image.get_array())
    # One power of ten below the smallest, as it is one itself, and the next above the largest.
    assert (image.norm.vmin, image.norm.vmax) == (-7, 1)
    assert {"lstm: gradient", "time step", "epoch", "‖dL/dh‖", "≤ 1e-7"} <= set(written(figure))
    assert {"masked", "infinite"}.isdisjoint(written(figure))
    assert not hatched(figure)
    assert numbers_beside(figure, "left") == ["3", "10"]
    assert numbers_beside(figure, "below") == ["0", "1", "2"]
    pixels = drawn(figure, dpi=100)
    for cell in np.ndindex(norms.shape):
        shown = pixels[place(image, *cell)].tolist()
        assert shown == pytest.approx(color_of(image, np.log10(norms[cell])), abs=2), cell


def test_the_first_epoch_is_on_top():
    figure = drawing.gradient_flow([[1.0], [10.0]], [0, 1], "t")
    (image,) = images(figure).values()
    first, second = (place(image, row, 0)[0] for row in (0, 1))
    assert first < second
    heights = {text.get_text(): text.get_position()[1] for text in figure.axes[0].texts if text.get_ha() == "right"}
    assert heights["0"] * 100 == pytest.approx(first, abs=2)
    assert heights["1"] * 100 == pytest.approx(second, abs=2)


@pytest.mark.parametrize(
    ("norms", "floor", "scale", "below"),
    [
        ([1.0, 0.02], None, (-2, 0), "≤ 1e-2"),
        ([1.0, 1e-30, 0.0], None, (-12, 0), "≤ 1e-12"),
        ([20.0, 1e-30], None, (-10, 2), "≤ 1e-10"),
        ([1e-20, 1e-22], None, (-23, -20), "≤ 1e-23"),
        ([3.0, 3.0], None, (0, 1), "≤ 1e0"),
        ([1.0, 1.0], None, (-1, 0), "≤ 1e-1"),
        ([0.0, 0.0], None, (-12, 0), "≤ 1e-12"),
        ([float("nan"), float("nan")], None, (-12, 0), "≤ 1e-12"),
        ([float("inf"), float("inf")], None, (-12, 0), "≤ 1e-12"),
        ([1.0, 0.5], 1e-6, (-6, 0), "≤ 1e-6"),
        ([1.0, 0.5], 3e-10, (np.log10(3e-10), 0), "≤ 3e-10"),
        ([1e-3, 1e-4], 5.0, (np.log10(5), 1), "≤ 5"),
        ([1e300, 5e-324], None, (288, 300), "≤ 1e288"),
    ],
    ids=str,
)
def test_scale_of_the_flow(norms, floor, scale, below):
    figure = drawing.gradient_flow([norms], [0], "t", floor=floor)
    (image,) = images(figure).values()
    assert (image.norm.vmin, image.norm.vmax) == pytest.approx(scale)
    assert below in written(figure)
    texts_inside(figure)
    texts_apart(figure)


def test_what_is_at_the_floor_or_below_has_a_colour_of_its_own():
    norms = np.array([[0.0, 1e-9, 1e-8, 1.1e-8, 1.0]], "float32")
    figure = drawing.gradient_flow(norms, [0], "t", floor=float(norms[0, 2]))
    (image,) = images(figure).values()
    pixels = drawn(figure, dpi=100)
    shown = [matplotlib.colors.to_hex(pixels[place(image, 0, column)] / 255) for column in range(5)]
    assert shown[:3] == ["#000000"] * 3
    assert "#000000" not in shown[3:]
    # The scale shows it too.
    (block,) = [artist for artist in figure.axes[0].patches if artist.get_facecolor() == (0, 0, 0, 1)]
    assert block.get_x() > image.get_extent()[1]


def test_masked_steps_of_the_flow_are_hatched_and_explained():
    nan = float("nan")
    figure = drawing.gradient_flow([[nan, 0.5, 1.0], [nan, 0.2, float("inf")]], [0, 1], "t")
    (image,) = images(figure).values()
    assert np.ma.getmaskarray(image.get_array()).tolist() == [[True, False, False]] * 2
    ground, legend = hatched(figure)
    left, right, bottom, top = image.get_extent()
    assert ground.get_bbox().bounds == pytest.approx((left, top, right - left, bottom - top))
    assert ground.get_zorder() < image.get_zorder()
    assert legend.get_y() > bottom
    assert {"masked", "infinite"} <= set(written(figure))
    pixels = drawn(figure, dpi=100)
    y, x = place(image, 0, 0)
    patch = pixels[y - 20 : y + 20, x - 20 : x + 20].reshape(-1, 3)
    assert (patch == 0xDD).all(axis=1).any(), "the grey ground"
    assert (patch.min(axis=1) < 0xA0).any(), "the lines of the hatching"
    assert matplotlib.colors.to_hex(pixels[place(image, 1, 2)] / 255) == "#ff00ff"


def test_a_long_training_is_thinned_but_keeps_both_ends():
    epochs = np.arange(5000) * 3 + 7
    norms = np.geomspace(1e-8, 1, 5000)[:, None] * np.ones(500)
    figure = drawing.gradient_flow(norms, epochs, "t")
    (image,) = images(figure).values()
    rows, columns = image.get_array().shape
    assert 100 <= rows <= 400
    assert 100 <= columns <= 400
    assert image.get_array()[0, 0] == pytest.approx(-8)
    assert image.get_array()[-1, -1] == pytest.approx(0)
    assert {"epoch (every 20th)", "time step (every 2nd)"} <= set(written(figure))
    shown = list(map(int, numbers_beside(figure, "left")))
    assert (shown[0], shown[-1]) == (7, 15004)
    assert set(shown) <= set(epochs.tolist())
    assert numbers_beside(figure, "below")[-1] == "499"
    texts_inside(figure)
    texts_apart(figure)


@pytest.mark.parametrize("frames", [1, 2, 3, 7, 12, 100, 301])
@pytest.mark.parametrize("steps", [1, 2, 12, 50])
def test_flow_of_any_size(frames, steps):
    epochs = np.cumsum(np.arange(frames))[::-1].max() - np.cumsum(np.arange(frames))[::-1]
    figure = drawing.gradient_flow(np.ones((frames, steps)), epochs, "t")
    (image,) = images(figure).values()
    left, right, bottom, top = image.get_extent()
    assert right - left > 3
    assert bottom - top > 2
    shown = numbers_beside(figure, "left")
    assert (shown[0], shown[-1]) == (str(epochs[0]), str(epochs[-1]))
    assert len(shown) <= 12
    texts_inside(figure)
    texts_apart(figure)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (([1.0, 2.0], [0]), r"norms must be \(frames, time\) and not empty, received shape \(2,\)"),
        ((np.ones((0, 3)), []), r"norms must be \(frames, time\) and not empty, received shape \(0, 3\)"),
        (([[1.0], [2.0]], [0]), r"epochs must hold one epoch for each of the 2 rows of norms, received array\(\[0\]\)"),
        (([[1.0], [2.0]], [1, 1]), r"epochs must be whole, increasing and not below 0, received array\(\[1, 1\]\)"),
        (([[1.0]], [-1]), "epochs must be whole, increasing and not below 0"),
        (([[1.0]], [0.5]), "epochs must be whole, increasing and not below 0"),
        (([[-1.0, 2.0]], [0]), "norms must not be negative, received -1.0"),
        (([[1.0]], [0], "t", 0.0), "floor must be positive and finite, received 0.0"),
        (([[1.0]], [0], "t", float("inf")), "floor must be positive and finite, received inf"),
        (([[1.0]], [0], "t", float("nan")), "floor must be positive and finite, received nan"),
    ],
    ids=str,
)
def test_flow_refuses(arguments, message):
    arguments = arguments if len(arguments) > 2 else (*arguments, "t")
    with pytest.raises(ValueError, match=message):
        drawing.gradient_flow(*arguments)


# States


def test_states_show_every_value():
    hidden, cell = np.array([[0.5, -0.25, 0.0], [0.1, 0.2, 0.3]]), np.array([[4.0, -2.0, 0.0], [1.0, 2.0, 3.0]])
    figure = drawing.states({"hidden": hidden, "cell": cell}, "lstm: states")
    shown = images(figure)
    assert list(shown) == ["hidden", "cell"]
    assert shown["hidden"].get_array().tolist() == hidden.tolist()
    assert shown["cell"].get_array().tolist() == cell.tolist()
    assert [(image.norm.vmin, image.norm.vmax) for image in shown.values()] == [(-1, 1), (-4, 4)]
    assert min(shown["cell"].cmap(shown["cell"].norm(0.0))) > 0.95
    # Side by side.
    assert shown["hidden"].get_extent()[1] < shown["cell"].get_extent()[0]
    assert written(figure).count("time step") == written(figure).count("unit") == 2
    assert {"lstm: states", "hidden", "cell", "1", "-1", "4", "-4"} <= set(written(figure))
    pixels = drawn(figure, dpi=100)
    for image in shown.values():
        for index in np.ndindex(hidden.shape):
            color = pixels[place(image, *index)].tolist()
            assert color == pytest.approx(color_of(image, image.get_array()[index]), abs=2)


def test_a_hidden_state_beyond_1_has_its_own_reach():
    assert images(drawing.states({"hidden": [[5.0, 0.0]]}, "t"))["hidden"].norm.vmax == 5


@pytest.mark.parametrize("units", [1, 3, 64, 256, 1024])
@pytest.mark.parametrize("steps", [1, 12, 1000])
@pytest.mark.parametrize("kinds", [["hidden"], ["hidden", "cell"], ["hidden", "cell", "third"]], ids=len)
def test_states_of_any_size(units, steps, kinds):
    values = np.linspace(-1234.5, 1234.5, units * steps).reshape(units, steps)
    figure = drawing.states(dict.fromkeys(kinds, values), "encoder/bidirectional/forward_lstm: states")
    assert max(images(figure)["hidden"].get_array().shape) <= 400
    assert images(figure)["hidden"].get_array()[-1, -1] == values[-1, -1]
    assert numbers_beside(figure, "left")[: len(numbers_beside(figure, "left")) // len(kinds)][-1] == str(units - 1)
    texts_inside(figure)
    texts_apart(figure)


@pytest.mark.parametrize(
    "values",
    [
        np.zeros((2, 3)),
        np.full((2, 3), np.nan),
        np.full((2, 3), np.inf),
        np.full((2, 3), 5e-324),
        np.full((2, 3), 1.7e308),
        np.array([[1, -np.inf, np.nan]]),
        np.array([[True, False]]),
        np.float16([[1, 2]]),
    ],
    ids=["zeros", "nan", "inf", "tiny", "huge", "mixed", "bool", "float16"],
)
def test_states_gates_and_weights_of_strange_values(values):
    for figure in (
        drawing.states({"hidden": values, "cell": values}, "t"),
        drawing.gates({"input": values, "candidate": -values.astype("float64")}, "t"),
        drawing.weights({"kernel": {"a": values, "b": values}}, "t"),
    ):
        texts_inside(figure)
        texts_apart(figure)
        assert ("infinite" in written(figure)) == bool(np.isinf(values).any())


@pytest.mark.parametrize("draw", ["flow", "states", "gates"])
def test_what_is_masked_and_what_is_not_a_number(draw):
    """Where it is known which steps are masked, they alone are hatched."""
    nan = float("nan")
    values = np.array([[nan, nan, 1.0, nan, 0.5], [nan, nan, nan, 0.2, 0.5]])
    make = {
        "flow": lambda masked: drawing.gradient_flow(values, [0, 1], "t", masked=masked),
        "states": lambda masked: drawing.states({"hidden": values}, "t", masked),
        "gates": lambda masked: drawing.gates({"input": values}, "t", masked),
    }[draw]
    figure = make([True, False, False, False, True])
    assert {"masked", "not a number"} <= set(written(figure))
    image = next(iter(images(figure).values()))
    left, right, bottom, top = image.get_extent()
    first, last, legend = hatched(figure)
    for ground, column in ((first, 0), (last, 4)):
        start = left + column * (right - left) / 5
        assert ground.get_bbox().bounds == pytest.approx((start, top, (right - left) / 5, bottom - top))
    assert legend.get_y() > bottom
    texts_inside(figure)
    assert {"masked", "not a number"} & set(written(make([True, True, True, True, False]))) == {"masked"}
    assert {"masked", "not a number"} & set(written(make(np.zeros(5, bool)))) == {"not a number"}
    assert {"masked", "not a number"} & set(written(make(None))) == {"masked"}


def test_masked_steps_of_states_are_hatched_and_explained():
    hidden = np.array([[float("nan"), 0.5], [float("nan"), -0.5]])
    figure = drawing.states({"hidden": hidden, "cell": np.ones((2, 2))}, "t")
    assert np.ma.getmaskarray(images(figure)["hidden"].get_array()).tolist() == [[True, False]] * 2
    assert not np.ma.is_masked(images(figure)["cell"].get_array())
    # The ground of one panel, and the legend.
    assert len(hatched(figure)) == 2
    assert "masked" in written(figure)
    assert not hatched(drawing.states({"hidden": np.ones((2, 2))}, "t"))
    texts_inside(figure)


def test_infinite_values_have_a_colour_of_their_own():
    figure = drawing.states({"cell": [[np.inf, -np.inf, 2.0, -2.0]]}, "t")
    (image,) = images(figure).values()
    pixels = drawn(figure, dpi=100)
    shown = [matplotlib.colors.to_hex(pixels[place(image, 0, column)] / 255) for column in range(4)]
    assert shown[:2] == ["#ff00ff"] * 2
    # The largest value itself is still on the scale.
    assert shown[2:] == ["#67001f", "#053061"]


# Gates


def test_gates_share_a_scale_and_candidates_have_another():
    kinds = {
        "input": [[0.0, 1.0], [0.5, 0.25]],
        "forget": [[0.9, 0.8], [0.7, float("nan")]],
        "candidate": [[-0.5, 0.5], [0.0, 0.9]],
        "output": [[0.1, 0.2], [0.3, 0.4]],
    }
    figure = drawing.gates(kinds, "lstm: gates")
    shown = images(figure)
    assert list(shown) == list(kinds)
    for gate, values in kinds.items():
        assert np.array_equal(shown[gate].get_array().filled(np.nan), values, equal_nan=True)
        sequential = gate != "candidate"
        assert (shown[gate].norm.vmin, shown[gate].norm.vmax) == ((0, 1) if sequential else (-1, 1))
        assert shown[gate].cmap.name == ("viridis" if sequential else "RdBu_r")
    assert {"lstm: gates", *kinds, "0 closed", "1 open", "-1", "masked"} <= set(written(figure))
    # Two scales, four panels in two rows, one of them hatched, as is the legend.
    assert len(figure.axes[0].get_images()) == 6
    assert len({image.get_extent()[0] for image in shown.values()}) == 2
    assert len({image.get_extent()[2] for image in shown.values()}) == 2
    assert len(hatched(figure)) == 2
    texts_inside(figure)
    texts_apart(figure)


def test_gates_alone_have_one_scale():
    figure = drawing.gates({"update": [[0.0, 1.0]]}, "t")
    assert "0 closed" in written(figure)
    assert "-1" not in written(figure)
    figure = drawing.gates({"candidate": [[-3.0, 1.0]]}, "t")
    assert images(figure)["candidate"].norm.vmin == -3
    assert "0 closed" not in written(figure)


@pytest.mark.parametrize("count", [1, 2, 3, 4, 5, 7])
@pytest.mark.parametrize("shape", [(1, 1), (3, 12), (64, 50), (256, 500)], ids=str)
def test_any_number_of_gates(count, shape):
    values = np.linspace(0, 1, shape[0] * shape[1]).reshape(shape)
    kinds = {f"gate {number}": values * (-1) ** number for number in range(count)}
    figure = drawing.gates(kinds, "gru: gates")
    shown = images(figure)
    assert list(shown) == list(kinds)
    assert len({tuple(image.get_extent()) for image in shown.values()}) == count
    texts_inside(figure)
    texts_apart(figure)


@pytest.mark.parametrize("picture", [drawing.states, drawing.gates])
def test_states_and_gates_refuse(picture):
    with pytest.raises(ValueError, match=r"kinds must hold at least one matrix, received \{\}"):
        picture({}, "t")
    with pytest.raises(
        ValueError, match=r"kinds\['hidden'\] must be \(units, time\) and not empty, received shape \(3,\)"
    ):
        picture({"hidden": [1.0, 2.0, 3.0]}, "t")
    with pytest.raises(ValueError, match=r"received shape \(2, 0\)"):
        picture({"hidden": np.ones((2, 0))}, "t")


def test_gates_of_several_shapes_are_refused():
    with pytest.raises(
        ValueError, match=r"kinds must all have the same shape, received \{'a': \(1, 2\), 'b': \(1, 3\)\}"
    ):
        drawing.gates({"a": np.ones((1, 2)), "b": np.ones((1, 3))}, "t")


# Weights


@pytest.fixture(scope="module")
def lstm_weights():
    random = np.random.default_rng(0)
    names = "input", "forget", "candidate", "output"
    return {
        "kernel": {gate: random.normal(0, 0.3, (5, 8)) for gate in names},
        "recurrent_kernel": {gate: random.normal(0, 0.1, (8, 8)) for gate in names},
        "bias": {gate: random.normal(0, 0.01, 8) for gate in names},
    }


def test_weights_have_a_row_each_and_a_column_a_gate(lstm_weights):
    figure = drawing.weights(lstm_weights, "lstm: weights")
    shown = images(figure)
    assert list(shown) == [f"{weight}/{gate}" for weight, parts in lstm_weights.items() for gate in parts]
    for weight, parts in lstm_weights.items():
        reach = max(np.abs(matrix).max() for matrix in parts.values())
        for gate, matrix in parts.items():
            image = shown[f"{weight}/{gate}"]
            assert image.get_array().tolist() == np.atleast_2d(matrix).tolist()
            assert (image.norm.vmin, image.norm.vmax) == (-reach, reach)
        assert {f"{reach:.2g}", f"{-reach:.2g}"} <= set(written(figure))
    extents = {name: image.get_extent() for name, image in shown.items()}
    for gate in lstm_weights["kernel"]:
        assert len({extents[f"{weight}/{gate}"][0] for weight in lstm_weights}) == 1
        assert written(figure).count(gate) == 1
    heights = [extents[f"{weight}/input"][2] - extents[f"{weight}/input"][3] for weight in lstm_weights]
    assert heights[0] == pytest.approx(heights[1])
    assert heights[2] < heights[0] / 2, "a bias is a strip"
    assert {"lstm: weights", "kernel: 4 × (5 × 8)", "recurrent_kernel: 4 × (8 × 8)", "bias: 4 × 8"} <= set(
        written(figure)
    )
    # A scale for each of the three.
    assert len(figure.axes[0].get_images()) == 12 + 3
    assert len(figure.axes[0].patches) == 12 + 3, "no ground and no legend"
    texts_inside(figure)
    texts_apart(figure)


def test_weights_that_are_not_split():
    matrices = {"kernel": {"": np.ones((64, 10))}, "bias": {"": np.ones(10)}}
    figure = drawing.weights(matrices, "dense: weights")
    assert list(images(figure)) == ["kernel", "bias"]
    assert {"kernel: 64 × 10", "bias: 10", "row", "column"} <= set(written(figure))
    assert "" not in written(figure)
    texts_inside(figure)
    texts_apart(figure)


def test_weights_of_a_gru_with_two_biases_and_of_rows_with_other_gates(lstm_weights):
    gates = "update", "reset", "candidate"
    figure = drawing.weights(
        {"kernel": dict.fromkeys(gates, np.ones((3, 4))), "bias": dict.fromkeys(gates, np.ones((2, 4)))}, "t"
    )
    assert images(figure)["bias/reset"].get_array().shape == (2, 4)
    texts_apart(figure)
    figure = drawing.weights(
        {**lstm_weights, "gamma": {"": np.ones(30)}, "other": {"left": [1.0], "right": [2.0]}}, "t"
    )
    assert {"input", "left", "right", "gamma: 30", "other: 2 × 1"} <= set(written(figure))
    # Where the columns are not the same ones, every row has its numbers.
    assert numbers_beside(figure, "below").count("7") == 3
    texts_inside(figure)
    texts_apart(figure)


def test_huge_weights_are_thinned():
    matrix = np.arange(10_000 * 640.0).reshape(10_000, 640)
    figure = drawing.weights({"embeddings": {"": matrix}}, "t")
    (image,) = images(figure).values()
    assert image.get_array().shape[0] <= 400
    assert image.get_array()[0, 0] == 0
    assert image.get_array()[-1, -1] == matrix[-1, -1]
    assert {"embeddings: 10000 × 640 (every 50th row)", "column (every 5th)"} <= set(written(figure))
    assert numbers_beside(figure, "left")[-1] == "9999"
    texts_inside(figure)
    texts_apart(figure)


def test_weights_that_are_not_numbers_are_grey():
    figure = drawing.weights({"kernel": {"": [[1.0, float("nan")]]}}, "t")
    (image,) = images(figure).values()
    assert np.ma.getmaskarray(image.get_array()).tolist() == [[False, True]]
    assert drawn(figure, dpi=100)[place(image, 0, 1)].tolist() == [0xDD] * 3
    assert "not a number" in written(figure)
    assert not hatched(figure)


@pytest.mark.parametrize("units", [1, 3, 64, 256])
def test_weights_of_any_size(units):
    names = "input", "forget", "candidate", "output"
    matrices = {
        name: dict.fromkeys(names, np.ones(shape)) for name, shape in (("a", (1, units)), ("b", (units, units)))
    }
    figure = drawing.weights(matrices, "t")
    texts_inside(figure)
    texts_apart(figure)


@pytest.mark.parametrize(
    ("matrices", "message"),
    [
        ({}, r"matrices must hold at least one weight, and each weight one matrix, received \{\}"),
        ({"kernel": {}}, r"each weight one matrix, received \{'kernel': \{\}\}"),
        (
            {"kernel": {"": 1.0}},
            r"matrices\['kernel'\]\[''\] must be \(rows, columns\) and not empty, received shape \(\)",
        ),
        ({"kernel": {"a": np.ones((1, 2, 3))}}, r"matrices\['kernel'\]\['a'\] must be .* received shape \(1, 2, 3\)"),
        ({"bias": {"": []}}, r"received shape \(1, 0\)"),
    ],
    ids=str,
)
def test_weights_refuse(matrices, message):
    with pytest.raises(ValueError, match=message):
        drawing.weights(matrices, "t")


@pytest.mark.parametrize(
    "name",
    ["编码器", "$a$ and $b", "ख़", "two\nlines", "a_layer_with_a_name_" * 8, "编码器" * 40, ""],
    ids=["chinese", "dollars", "no font", "lines", "long", "long chinese", "empty"],
)
def test_names_of_layers_are_drawn_without_complaint_and_fit(name):
    values = np.linspace(-1, 1, 12).reshape(3, 4)
    for figure in (
        drawing.gradient_flow(abs(values), [0, 1, 2], f"{name}: gradient"),
        drawing.states({"hidden": values, name: values}, f"{name}: states"),
        drawing.gates({name: values, "update": abs(values), "candidate": values}, f"{name}: gates"),
        drawing.weights(
            {name: {name: values, "b": values}, "bias": {name: values[0], "b": values[0]}}, f"{name}: weights"
        ),
    ):
        texts_inside(figure)
        (title,) = [
            text
            for text in written(figure)
            if text.endswith(("gradient", "states", "gates", "weights")) and ":" in text
        ]
        assert "\n" not in title


@pytest.mark.parametrize("name", ["sales", "LSTM × 2 … ≤ ‖"])
def test_what_the_font_has_is_kept(name):
    assert name in written(drawing.states({"hidden": [[1.0]]}, name))
    assert f"?{name}?" in written(drawing.states({"hidden": [[1.0]]}, f"\n{name}\n"))


# PNG


@pytest.mark.parametrize("dpi", [40, 100])
def test_png_has_the_size_asked_for(dpi):
    figure = Figure(figsize=(3, 2))
    figure.subplots().plot([1, 2])
    assert decoded(drawing.png(figure, dpi)).shape == (2 * dpi, 3 * dpi, 3)


def test_png_is_white_and_not_transparent():
    figure = Figure(figsize=(1, 1), facecolor="none")
    image = PIL.Image.open(io.BytesIO(drawing.png(figure)))
    assert np.asarray(image.convert("RGBA")).reshape(-1, 4).min(axis=0).tolist() == [255, 255, 255, 255]


def test_every_public_name_is_there():
    for name in drawing.__all__:
        assert getattr(drawing, name) is not None
    assert set(drawing.__all__) <= set(dir(drawing))


def test_no_fit_waits_for_what_draws_to_be_loaded(run_python):
    """It would be taken for the time that a picture takes, and pictures would be left out for it."""
    names = [f"rnn_tutorial.drawing.{name}" for name in ("diagrams", "heatmaps", "line_plots", "through_time")]
    printed = run_python(
        f"import sys, rnn_tutorial.callbacks; print([name for name in {names!r} if name not in sys.modules])"
    )
    assert printed.splitlines()[-1] == "[]"


def test_nothing_needs_a_screen(run_python):
    printed = run_python(
        """
        import sys
        from rnn_tutorial import data, drawing
        drawing.png(drawing.curves({"loss": [1.0, 0.5]}))
        drawing.png(drawing.forecast(data.sales.TWELVE_MONTHS, {}))
        drawing.png(drawing.heatmap([[1.0]], ["a"], ["b"], "t"))
        drawing.png(drawing.gradient_flow([[1.0]], [0], "t"))
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
    figure = drawing.forecast(series, {"last value": series}, unit=name)
    drawing.png(figure)
    (axes,) = figure.axes
    assert axes.get_ylabel() in (name, name.replace("$", r"\$"), "value")


def drawn_lines(figure):
    (panel,) = figure.axes
    return panel, {line.get_label(): line for line in panel.lines if not line.get_label().startswith("_")}


def test_lines_are_drawn_as_given():
    values = {"SimpleRNN": [1.0, 2.0, np.nan, 4.0], "LSTM $c$": np.array([3.0, 2.0])}
    panel, lines = drawn_lines(drawing.lines(values, "title", "time step", "norm"))
    np.testing.assert_array_equal(lines["SimpleRNN"].get_ydata(), values["SimpleRNN"])
    np.testing.assert_array_equal(lines[r"LSTM \$c\$"].get_ydata(), values["LSTM $c$"])
    assert (panel.get_title(), panel.get_xlabel(), panel.get_ylabel()) == ("title", "time step", "norm")
    assert panel.get_yscale() == "linear"


def test_zeros_on_a_log_axis_are_marked_at_the_edge():
    figure = drawing.lines({"a": [0.0, 0.0, 1e-30, 1.0], "b": [1e-3, 1e-2, 1e-1, 1.0]}, "t", "x", "y", log=True)
    panel, lines = drawn_lines(figure)
    assert panel.get_yscale() == "log"
    np.testing.assert_array_equal(lines["a"].get_ydata(), [np.nan, np.nan, 1e-30, 1.0])
    (marks,) = [line for line in panel.lines if line.get_label().startswith("_")]
    assert marks.get_xdata().tolist() == [0, 1]
    assert "0" in panel.get_legend().get_title().get_text()
    drawing.png(figure)


def test_lines_without_zeros_have_no_marks():
    panel, _ = drawn_lines(drawing.lines({"a": [1.0, 2.0]}, "t", "x", "y", log=True))
    assert len(panel.lines) == 1
    assert panel.get_legend().get_title().get_text() == ""


def test_no_lines():
    with pytest.raises(ValueError, match="series must hold at least one curve"):
        drawing.lines({}, "t", "x", "y")


@pytest.mark.parametrize("label", ["a", "simple_rnn, seed 12", "lstm with its gates opened, after training"])
@pytest.mark.parametrize("draw", [drawing.lines, drawing.spread], ids=["lines", "spread"])
def test_the_legend_is_not_cut(draw, label):
    if draw is drawing.lines:
        figure = drawing.lines({label: [1.0, 2.0], "b": [2.0, 1.0]}, "title", "x", "y")
    else:
        figure = drawing.spread({"b": [[1.0, 2.0]]}, ["10"], "title", "x", "y", baseline=(1.5, label))
    drawn(figure, dpi=100)
    (panel,) = figure.axes
    box = panel.get_legend().get_window_extent()
    assert box.x1 <= figure.bbox.width
    assert panel.get_window_extent().x1 < box.x0
    assert panel.get_window_extent().width > 0.25 * figure.bbox.width


def test_spread_shows_every_measurement():
    measured = {"lstm": [[0.1, 0.2, 0.4], [0.01]], "gru": [[0.05], [0.02, 0.03]]}
    figure = drawing.spread(measured, ["10", "25"], "title", "steps", "error", baseline=(1 / 6, "guessing"))
    drawn(figure)
    (panel,) = figure.axes
    points = [line for line in panel.lines if line.get_marker() == "o" and len(line.get_xdata())]
    assert [line.get_ydata().tolist() for line in points] == [*measured["lstm"], *measured["gru"]]
    assert [round(line.get_xdata()[0]) for line in points] == [0, 1, 0, 1]
    assert labels(panel) == ["lstm", "gru", "guessing"]
    assert panel.get_yscale() == "log"
    assert [text.get_text() for text in panel.get_xticklabels()] == ["10", "25"]


@pytest.mark.parametrize("wrong", [[[1.0]], [[1.0], []], [[1.0], [0.0]], [[1.0], [np.nan]]])
def test_spread_of_what_it_cannot_show(wrong):
    with pytest.raises(ValueError, match=r"series\['a'\] must hold positive numbers for each of \['10', '25'\]"):
        drawing.spread({"a": wrong}, ["10", "25"], "title", "x", "y")


# Scatter and gallery


def test_scatter_has_a_point_for_every_number():
    arrays = {"kernel": np.arange(12.0).reshape(3, 4) - 5, "bias $b$": [1.0, np.nan, -np.inf, 4.0], "one": 7.0}
    figure = drawing.scatter(arrays, "title", "place", "weight")
    assert [axes.get_title() for axes in figure.axes] == [
        "kernel: 12 values",
        r"bias \$b\$: 4 values",
        "one: 1 value",
    ]
    points = [axes.lines[-1] for axes in figure.axes]
    assert points[0].get_ydata().tolist() == (np.arange(12.0) - 5).tolist()
    np.testing.assert_array_equal(points[1].get_ydata(), [1.0, np.nan, np.nan, 4.0])
    assert all(line.get_linestyle() == "None" and line.get_marker() == "." for line in points)
    assert [axes.get_ylabel() for axes in figure.axes] == ["weight"] * 3
    assert [axes.get_xlabel() for axes in figure.axes] == ["", "", "place"]  # the panels have one below the other
    assert "title" in [text.get_text() for text in figure.texts]
    drawn(figure)


@pytest.mark.parametrize("count", [1, 500, 5_000, 60_000])
def test_scatter_of_any_size_shows_its_points_and_fits(count):
    values = np.random.default_rng(0).normal(size=count) * 1e4
    figure = drawing.scatter({"kernel": values, "again": values}, "title")
    with_points = drawn(figure, dpi=100)
    first, second = (axes.get_tightbbox() for axes in figure.axes)
    assert not first.overlaps(second)
    for axes in figure.axes:
        assert figure.bbox.count_contains(axes.get_tightbbox().corners()) == 4
        axes.lines[-1].set_visible(False)
    assert not np.array_equal(with_points, drawn(figure, dpi=100))


@pytest.mark.parametrize(
    ("series", "message"),
    [
        ({}, "series must hold at least one array"),
        ({"a": []}, r"series\['a'\] must hold at least one number, .*\(0,\)"),
    ],
    ids=str,
)
def test_scatter_refuses(series, message):
    with pytest.raises(ValueError, match=message):
        drawing.scatter(series, "title")


def gallery_images(figure):
    """{label: image} of the pictures, the scale left out."""
    (page,) = figure.axes
    return {image.get_label(): image for image in page.images if image.get_label() != "scale"}


def test_gallery_shows_every_picture_on_one_scale():
    pictures = np.random.default_rng(0).random((10, 4, 3))
    figure = drawing.gallery(pictures, "title", [f"no. {number}" for number in range(10)], columns=4)
    images = gallery_images(figure)
    assert list(images) == [str(number) for number in range(10)]
    for number, image in enumerate(images.values()):
        np.testing.assert_array_equal(image.get_array(), pictures[number])
        assert (image.norm.vmin, image.norm.vmax) == (0, pictures.max())
        assert image.get_cmap().name == "gray_r"
    (page,) = figure.axes
    texts = [text.get_text() for text in page.texts]
    assert {"title", "no. 0", "no. 9"} <= set(texts)
    left, top = ([image.get_extent()[i] for image in images.values()] for i in (0, 3))
    assert len({round(x, 3) for x in left}) == 4
    assert len({round(y, 3) for y in top}) == 3
    drawn(figure)


def test_gallery_with_negative_numbers_has_white_at_zero():
    figure = drawing.gallery(np.array([[[-2.0, 0.0], [1.0, np.nan]]]), "title")
    (image,) = gallery_images(figure).values()
    assert (image.norm.vmin, image.norm.vmax) == (-2, 2)
    assert image.get_cmap().name == "RdBu_r"
    assert image.get_array().mask.sum() == 1
    drawn(figure)


@pytest.mark.parametrize(("shape", "columns"), [((1, 28, 28), 8), ((64, 28, 28), 8), ((3, 2, 40), 1), ((5, 9, 3), 100)])
def test_gallery_of_any_size(shape, columns):
    figure = drawing.gallery(np.random.default_rng(0).normal(size=shape), "title", ["label"] * shape[0], columns)
    assert len(gallery_images(figure)) == shape[0]
    drawn(figure)
    for text in figure.axes[0].texts:
        assert figure.bbox.count_contains(text.get_window_extent().corners()) == 4


def test_gallery_of_zeros():
    drawn(drawing.gallery(np.zeros((2, 3, 3)), "title"))


@pytest.mark.parametrize(
    ("pictures", "labels", "message"),
    [
        (np.zeros((3, 4)), None, r"pictures must be \(n, height, width\) and not empty, received shape \(3, 4\)"),
        (np.zeros((0, 4, 4)), None, r"received shape \(0, 4, 4\)"),
        (np.zeros((2, 4, 4)), ["a"], "labels must be one a picture, 2; received 1"),
    ],
    ids=["flat", "none", "labels"],
)
def test_gallery_refuses(pictures, labels, message):
    with pytest.raises(ValueError, match=message):
        drawing.gallery(pictures, "title", labels)
