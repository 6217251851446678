"""Arrays or a model in, pictures out.

What draws arrays gives a matplotlib `Figure`, which `png` makes bytes of, and knows no Keras; what draws a model does.
"""

from typing import TYPE_CHECKING

from rnn_tutorial import _lazy

if TYPE_CHECKING:
    from rnn_tutorial.drawing.diagrams import layers_diagram, unrolled_diagram
    from rnn_tutorial.drawing.dot import INSTALL_DOT, has_dot
    from rnn_tutorial.drawing.forecasts import forecast
    from rnn_tutorial.drawing.galleries import gallery
    from rnn_tutorial.drawing.heatmaps import heatmap, weights
    from rnn_tutorial.drawing.line_plots import curves, lines, scatter, spread
    from rnn_tutorial.drawing.style import png
    from rnn_tutorial.drawing.through_time import gates, gradient_flow, states

__all__ = [
    "INSTALL_DOT",
    "curves",
    "forecast",
    "gallery",
    "gates",
    "gradient_flow",
    "has_dot",
    "heatmap",
    "layers_diagram",
    "lines",
    "png",
    "scatter",
    "spread",
    "states",
    "unrolled_diagram",
    "weights",
]
__getattr__, __dir__ = _lazy.attach(
    __name__,
    {
        "INSTALL_DOT": "dot",
        "curves": "line_plots",
        "forecast": "forecasts",
        "gallery": "galleries",
        "gates": "through_time",
        "gradient_flow": "through_time",
        "has_dot": "dot",
        "heatmap": "heatmaps",
        "layers_diagram": "diagrams",
        "lines": "line_plots",
        "png": "style",
        "scatter": "line_plots",
        "spread": "line_plots",
        "states": "through_time",
        "unrolled_diagram": "diagrams",
        "weights": "heatmaps",
    },
)
