"""What all figures share: colours, sizes of letters, fonts that have them, and the bytes of a PNG file.

No pyplot: nothing here needs a screen or keeps a window open.
"""

import functools
import io

from matplotlib import font_manager
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ft2font import FT2Font

# Distinct to colour-blind readers too (Okabe and Ito 2008).
BLUE, ORANGE, GREEN, RED, GREY = "#0072B2", "#D55E00", "#009E73", "#CC3311", "#767676"
COLORS = (BLUE, ORANGE, GREEN, "#CC79A7", "#56B4E9", "#E69F00", "black", GREY)
# In points: what a card of TensorBoard, about 350 pixels wide, leaves readable.
TITLE, LABEL, NUMBER = 13, 11.5, 10.5


def png(figure: Figure, dpi: float = 100) -> bytes:
    """Render a figure as the bytes of a PNG file."""
    buffer = io.BytesIO()
    FigureCanvasAgg(figure)
    # White behind everything: TensorBoard's dark theme would swallow black labels on nothing.
    # The least compression halves the time that the bytes take, for a tenth more of them.
    figure.savefig(buffer, format="png", dpi=dpi, facecolor="white", pil_kwargs={"compress_level": 1})
    return buffer.getvalue()


def legible(text: object, instead: str = "value") -> tuple[str, str]:
    """Make a text that comes from elsewhere fit for a picture.

    Args:
        text: The text, such as the name of a column.
        instead: What to write where no installed font has the text's letters.

    Returns:
        The text, and the family of the font that has its letters.
    """
    for family in _families():
        letters = _letters(family)
        if all(ord(letter) in letters for letter in str(text)):
            # Two dollar signs would be read as mathematics.
            return str(text).replace("$", r"\$"), family
    return instead, _families()[0]


def without_unknown_letters(text: str) -> str:
    """The text with a question mark for each letter that matplotlib's own font lacks."""
    known = _letters(_families()[0])
    return "".join(letter if ord(letter) in known else "?" for letter in text)


@functools.cache
def _letters(family):
    """The numbers of all letters that a font has."""
    return frozenset(FT2Font(font_manager.findfont(family)).get_charmap())


@functools.cache
def _families():
    """The font that comes with matplotlib, and those for Chinese that are installed."""
    chinese = "Noto Sans CJK SC", "Noto Sans CJK JP", "Source Han Sans SC", "WenQuanYi Micro Hei"
    of_systems = "Microsoft YaHei", "SimHei", "PingFang SC", "Heiti SC", "Arial Unicode MS"
    installed = {font.name for font in font_manager.fontManager.ttflist}
    return ["DejaVu Sans", *(family for family in (*chinese, *of_systems) if family in installed)]
