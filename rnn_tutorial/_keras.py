"""Keras, or one sentence that says what to install where its backend is missing."""

try:
    import keras
except ModuleNotFoundError as error:
    backend = (error.name or "").partition(".")[0]
    if backend not in ("tensorflow", "jax", "torch"):
        raise
    raise ModuleNotFoundError(
        f"Keras runs on {backend}, which is not installed: pip install 'rnn-tutorial[{backend}]', "
        "or choose another backend with the environment variable KERAS_BACKEND",
        name=backend,
    ) from None

__all__ = ["keras"]
