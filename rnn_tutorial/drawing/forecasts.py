"""A series, and what several methods make of the months after it."""

from collections.abc import Mapping
from typing import Any

import pandas as pd
from matplotlib.figure import Figure

from rnn_tutorial.drawing.style import BLUE, GREEN, GREY, ORANGE, RED, legible


def forecast(
    history: pd.Series,
    forecasts: Mapping[str, pd.Series],
    unit: str = "sales",
    actual: pd.Series | None = None,
    actual_label: str = "actual",
    band: tuple[pd.Series, pd.Series, str] | None = None,
) -> Figure:
    """Draw a series and what several methods make of the months after it.

    Args:
        history: pandas.Series with a PeriodIndex.
        forecasts: {method: pandas.Series with a PeriodIndex}; the first one is drawn in front.
        unit: What the series counts, for the axis.
        actual: pandas.Series of the true values, where they are known.
        actual_label: What to call them.
        band: (lower, upper, label), two pandas.Series between which the first forecast's interval is shaded; None
            draws none.

    Returns:
        A matplotlib `Figure`.
    """
    figure = Figure(figsize=(8, 4), layout="constrained")
    axes = figure.subplots()
    axes.plot(_dates(history), history.to_numpy(), color="black", marker="o", markersize=3, label="history")
    styles = [(BLUE, "-", "o"), (ORANGE, "--", "s"), (GREEN, "-.", "^"), (RED, ":", "v"), (GREY, "--", "D")]
    for number, (name, series) in reversed(list(enumerate(forecasts.items()))):
        color, line, marker = styles[number % len(styles)]
        front: dict[str, Any] = {"linewidth": 2.2, "zorder": 5} if number == 0 else {"linewidth": 1.3}
        axes.plot(
            _dates(series),
            series.to_numpy(),
            line,
            color=color,
            marker=marker,
            markersize=5,
            label=name,
            **front,
        )
    if actual is not None:
        axes.plot(_dates(actual), actual.to_numpy(), "x", color="black", markersize=8, label=actual_label, zorder=6)
    if band is not None:
        lower, upper, band_label = band
        axes.fill_between(
            _dates(lower), lower.to_numpy(), upper.to_numpy(), color=BLUE, alpha=0.2, linewidth=0, label=band_label
        )
    axes.axvline(_dates(history)[-1], color=GREY, linewidth=0.8)
    axes.set_xlabel("month")
    label, family = legible(unit)
    axes.set_ylabel(label, family=family)
    axes.grid(alpha=0.3)
    handles, labels = axes.get_legend_handles_labels()
    order = [0, *reversed(range(1, len(forecasts) + 1)), *range(len(forecasts) + 1, len(labels))]
    axes.legend([handles[i] for i in order], [labels[i] for i in order], frameon=False)
    return figure


def _dates(series):
    return series.index.to_timestamp().to_numpy()
