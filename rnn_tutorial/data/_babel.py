"""Babel, or one sentence that says what to install where it is missing."""

try:
    import babel
except ModuleNotFoundError as error:
    if error.name != "babel":
        raise
    raise ModuleNotFoundError(
        "reading CSV files needs Babel, which is not installed: pip install 'rnn-tutorial[lessons]'", name="babel"
    ) from None

__all__ = ["babel"]
