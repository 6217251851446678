"""Keras, or one sentence that says what to install where its backend is missing."""

try:
    import keras
except ModuleNotFoundError as error:
    if error.name not in ("tensorflow", "jax", "torch"):
        raise
    raise ModuleNotFoundError(
        f"Keras runs on {error.name}, which is not installed: pip install 'rnn-tutorial[{error.name}]', "
        "or choose another backend with the environment variable KERAS_BACKEND",
        name=error.name,
    ) from None

__all__ = ["keras"]
