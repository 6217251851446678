"""Builders of recurrent networks, plain `keras.Model`s with named layers, not compiled; and how one starts over.

Recurrent layers are called after their cell, in order: `lstm`, `lstm_1`, ... The last layer is `output`.
A saved model loads again in a program that never imports this package, because it holds Keras' own layers only.
"""

import numpy as np

from rnn_tutorial import _checks
from rnn_tutorial._keras import keras

layers, ops = keras.layers, keras.ops

SEASON = 12  # months
# Of the yearly growth so much is expected to go on; as in the damped trend of Gardner and McKenzie (1985).
DAMPING = 0.8
CELLS = {"simple_rnn": layers.SimpleRNN, "lstm": layers.LSTM, "gru": layers.GRU}


def letter_predictor(vocabulary_size=5, timesteps=1, units=3, cell="simple_rnn", embedding=None):
    """Build the network that reads a few letters and predicts the next one.

    The defaults are the network of five letters: SimpleRNN(3), Dense(5, softmax), 47 parameters.

    Example:
    >>> model = letter_predictor(vocabulary_size=26, timesteps=4, units=32, embedding=2)

    Args:
        vocabulary_size: Number of different letters.
        timesteps: Number of letters read before the prediction; None takes any number.
        units: Memory units of the recurrent layer, or a tuple with one number per stacked layer.
        cell: "simple_rnn", "lstm" or "gru".
        embedding: Length of the learned vector of each letter. None reads one-hot vectors instead.

    Returns:
        A model from x to probabilities (batch, vocabulary_size), where x is one-hot
        (batch, timesteps, vocabulary_size), or letter ids (batch, timesteps) with an embedding.

    Raises:
        ValueError: An argument is not allowed; the message names it, the value and what is allowed.
    """
    vocabulary_size = _checks.integer("vocabulary_size", vocabulary_size, at_least=1)
    units = _sizes("units", units)
    _check_cell(cell)
    timesteps = _timesteps(timesteps)
    if embedding is None:
        letters = keras.Input((timesteps, vocabulary_size), name="letters")
        x = letters
    else:
        embedding = _checks.integer("embedding", embedding, at_least=1)
        letters = keras.Input((timesteps,), dtype="int32", name="letters")
        x = layers.Embedding(vocabulary_size, embedding, name="embedding")(letters)
    x = _recurrent_stack(x, units, cell)
    outputs = layers.Dense(vocabulary_size, activation="softmax", name="output")(x)
    return keras.Model(letters, outputs, name="letter_predictor")


def sales_forecaster(window=12, horizon=1, units=(64, 64), cell="lstm", scale=True):
    """Build the stacked network that reads a window of sales and forecasts the months after it.

    The defaults are LSTM(64), LSTM(64), Dense(1) on (12, 1): 49,985 parameters. Sales go in and come out in the
    series' own unit: with `scale`, each window is moved so that its last month is zero and divided by its own
    standard deviation, and the forecast is moved back the same way. That has no parameters and is fitted on
    nothing, so nothing of the future can leak through it; an untrained network forecasts about the last month.

    Example:
    >>> model = sales_forecaster(window=12, horizon=3)
    >>> model.compile("adam", "mse", metrics=["mae"])

    Args:
        window: Number of months read.
        horizon: Number of months forecast at once. With 1, `forecasting.forecast` repeats itself for more.
        units: Units of each stacked layer, an int for a single one.
        cell: "simple_rnn", "lstm" or "gru".
        scale: False feeds the raw numbers to the network and takes its output as it is.

    Returns:
        A model from (batch, window, 1) to (batch, horizon), both in the series' own unit.

    Raises:
        ValueError: An argument is not allowed; the message names it, the value and what is allowed.
    """
    window = _checks.integer("window", window, at_least=1)
    horizon = _checks.integer("horizon", horizon, at_least=1)
    units = _sizes("units", units)
    _check_cell(cell)
    if _checks.flag("scale", scale) and window < 2:
        raise ValueError(f"window must be at least 2 where scale is True (one month has no spread), received {window}")

    sales = keras.Input((window, 1), name="sales")
    x = _scaling(window)(sales) if scale else sales
    x = _recurrent_stack(x, units, cell)
    outputs = layers.Dense(horizon, name="output")(x)
    if scale:
        outputs = _unscaling(window, horizon)([outputs, sales])
    return keras.Model(sales, outputs, name="sales_forecaster")


def seasonal_forecaster(window=36, units=(32, 32), cell="lstm", log=False):
    """Build the network that reads whole years of sales and corrects the forecast that a year before would give.

    What comes before the network has no parameters, is taken from the window alone, and so knows nothing of the future:
    the straight line through the means of the years, and the mean *profile* of a year around it. Together they forecast
    the year to come, with the growth damped: `baseline`. What they leave unexplained, in units of its own mean size,
    is what the network reads: an encoder goes through the twelve months of a year, at each of which it sees that month
    of all years; a decoder goes through the twelve months to come, at each of which it sees the same month of all years
    and what the encoder remembers (Sutskever, Vinyals and Le 2014, without feeding answers back). What it says is
    a correction in the same units. The weights of the output begin as zeros: an untrained network forecasts the
    baseline.

    Example:
    >>> model = seasonal_forecaster(window=36, log=True)

    Args:
        window: Number of months read: whole years, at least two.
        units: Units of the encoder and of the decoder.
        cell: "simple_rnn", "lstm" or "gru".
        log: True reads the logarithm of the sales, so that seasons and growth are shares of the level. Months below a
            thousandth of the window's mean count as that.

    Returns:
        A model from (batch, window, 1) to the twelve months that follow, (batch, 12), both in the series' own unit.

    Raises:
        ValueError: An argument is not allowed; the message names it, the value and what is allowed.
    """
    window = _checks.integer("window", window, at_least=2 * SEASON)
    if window % SEASON:
        raise ValueError(f"window must be whole years, a multiple of {SEASON} months, received {window}")
    units = _sizes("units", units)
    if len(units) != 2:
        raise ValueError(f"units must be two numbers, those of the encoder and of the decoder, received {units}")
    _check_cell(cell)
    _checks.flag("log", log)
    sales = keras.Input((window, 1), name="sales")
    seen, baseline, size = _read_years(window, log)(sales)
    memory = CELLS[cell](units[0], name=cell)(seen)  # (batch, units)
    memory = layers.RepeatVector(SEASON, name="every_month")(memory)  # (batch, 12, units)
    ahead = layers.Concatenate(name="month_and_memory")([seen, memory])
    ahead = CELLS[cell](units[1], return_sequences=True, name=_numbered(cell, 1))(ahead)  # (batch, 12, units)
    correction = layers.Dense(1, kernel_initializer="zeros", name="output")(ahead)  # (batch, 12, 1)
    forecast = _corrected(log)([layers.Flatten(name="correction")(correction), baseline, size])
    return keras.Model(sales, forecast, name="seasonal_forecaster")


def word_predictor(vocabulary_size, embedding=64, units=(128,), cell="lstm"):
    """Build the network that reads words and predicts the next one.

    Example:
    >>> model = word_predictor(vocabulary_size=10_000)
    >>> model.compile("adam", "sparse_categorical_crossentropy")

    Args:
        vocabulary_size: Number of different words.
        embedding: Length of the learned vector of each word.
        units: Units of each stacked layer, an int for a single one.
        cell: "simple_rnn", "lstm" or "gru".

    Returns:
        A model from word ids (batch, time), of any length, to the probabilities of the word that follows,
        (batch, vocabulary_size).

    Raises:
        ValueError: An argument is not allowed; the message names it, the value and what is allowed.
    """
    vocabulary_size = _checks.integer("vocabulary_size", vocabulary_size, at_least=1)
    embedding = _checks.integer("embedding", embedding, at_least=1)
    units = _sizes("units", units)
    _check_cell(cell)
    words = keras.Input((None,), dtype="int32", name="words")
    x = layers.Embedding(vocabulary_size, embedding, name="embedding")(words)
    x = _recurrent_stack(x, units, cell)
    outputs = layers.Dense(vocabulary_size, activation="softmax", name="output")(x)
    return keras.Model(words, outputs, name="word_predictor")


def sequence_model(timesteps, features, outputs, units=(32,), cell="lstm", activation=None, every_step=False):
    """Build a general stack of recurrent layers with a Dense layer on top.

    Example:
    >>> model = sequence_model(timesteps=None, features=2, outputs=1, units=(32, 32), cell="gru")

    Args:
        timesteps: Length of the sequences; None takes any length.
        features: Numbers per time step.
        outputs: Numbers that come out.
        units: Units of each stacked layer, an int for a single one.
        cell: "simple_rnn", "lstm" or "gru".
        activation: Activation of the output layer, as `keras.layers.Dense` takes it.
        every_step: True gives an output, and so a loss, at each time step.

    Returns:
        A model from (batch, timesteps, features) to (batch, outputs), or with `every_step` to
        (batch, timesteps, outputs).

    Raises:
        ValueError: An argument is not allowed; the message names it, the value and what is allowed.
    """
    timesteps = _timesteps(timesteps)
    features = _checks.integer("features", features, at_least=1)
    outputs = _checks.integer("outputs", outputs, at_least=1)
    units = _sizes("units", units)
    _check_cell(cell)
    activation = _activation(activation)
    _checks.flag("every_step", every_step)
    sequence = keras.Input((timesteps, features), name="sequence")
    x = _recurrent_stack(sequence, units, cell, every_step=every_step)
    y = layers.Dense(outputs, activation=activation, name="output")(x)
    return keras.Model(sequence, y, name="sequence_model")


def digit_classifier(inputs=784, hidden=(64, 64), classes=10):
    """Build the feed-forward net that tells handwritten digits apart.

    Example:
    >>> model = digit_classifier()  # 784-64-64-10

    Args:
        inputs: Pixels of a picture, flattened.
        hidden: Units of each hidden layer (relu), an int for a single one.
        classes: Number of classes (softmax).

    Returns:
        A model from (batch, inputs) to probabilities (batch, classes).

    Raises:
        ValueError: An argument is not allowed; the message names it, the value and what is allowed.
    """
    inputs = _checks.integer("inputs", inputs, at_least=1)
    hidden = _sizes("hidden", hidden)
    classes = _checks.integer("classes", classes, at_least=1)
    pixels = keras.Input((inputs,), name="pixels")
    x = pixels
    for number, size in enumerate(hidden):
        x = layers.Dense(size, activation="relu", name=_numbered("hidden", number))(x)
    y = layers.Dense(classes, activation="softmax", name="output")(x)
    return keras.Model(pixels, y, name="digit_classifier")


def start_over(model: keras.Model, seed: int) -> None:
    """Give a compiled model new first weights, and its optimizer the state that it began with.

    Several seeds then train one model, and Keras compiles it once.

    Args:
        model: A compiled, built `keras.Model`.
        seed: The seed of the new weights and of everything random in Keras from now on.
    """
    keras.utils.set_random_seed(seed)
    model.set_weights(keras.models.clone_model(model).get_weights())
    optimizer = model.optimizer
    new = type(optimizer).from_config(optimizer.get_config())
    for one in (optimizer, new):
        if not one.built:
            one.build(model.trainable_variables)
    for variable, fresh in zip(optimizer.variables, new.variables, strict=True):
        variable.assign(fresh)


def _recurrent_stack(x, units, cell, every_step=False):
    """Stack recurrent layers; all but the last hand on their whole sequence, (batch, time, units)."""
    for number, size in enumerate(units):
        is_last = number == len(units) - 1
        layer = CELLS[cell](size, return_sequences=every_step or not is_last, name=_numbered(cell, number))
        x = layer(x)
    return x


def _scaling(window):
    """Sales in their own unit -> windows that end in zero and have standard deviation one."""
    sales = keras.Input((window, 1), name="sales")
    last, spread = _level_and_spread(sales)
    return keras.Model(sales, (sales - last) / spread, name="scale")


def _unscaling(window, horizon):
    """(output of the network, the window it was made from) -> forecast in the series' own unit."""
    outputs = keras.Input((horizon,), name="scaled_forecast")
    sales = keras.Input((window, 1), name="sales")
    last, spread = _level_and_spread(sales)
    forecast = outputs * ops.squeeze(spread, -1) + ops.squeeze(last, -1)  # (batch, horizon)
    return keras.Model([outputs, sales], forecast, name="unscale")


def _level_and_spread(sales):
    """Last value and standard deviation of each window, both (batch, 1, 1)."""
    last = sales[:, -1:, :]
    # The last value is taken off first: float32 would lose a small spread around a large level.
    centred = sales - last
    variance = ops.var(centred, axis=1, keepdims=True)
    # A window without any spread is left as it is; dividing by one keeps the unit.
    spread = ops.sqrt(ops.where(variance > 0, variance, ops.ones_like(variance)))
    return last, spread


def _read_years(window, log):
    """Sales -> what the network reads (batch, 12, features), the baseline (batch, 12), and its unit (batch, 1)."""
    years = window // SEASON
    sales = keras.Input((window, 1), name="sales")
    values = sales
    if log:
        smallest = 1e-3 * ops.mean(ops.abs(sales), axis=1, keepdims=True)
        # A window of zeros alone has a logarithm of one.
        smallest = ops.where(smallest > 0, smallest, ops.ones_like(smallest))
        values = ops.log(ops.maximum(sales, smallest))
    values = ops.reshape(values, (-1, years, SEASON))
    # The level is taken off first: float32 would lose a small season around a large level.
    level = ops.mean(values[:, -1:, :], axis=2, keepdims=True)  # (batch, 1, 1)
    values = values - level
    means = ops.mean(values, axis=2, keepdims=True)  # (batch, years, 1)
    growth = (means[:, -1:, :] - means[:, :1, :]) / (years - 1)  # a year, (batch, 1, 1)
    # A mean belongs to the middle of its year.
    tilt = growth * np.reshape((np.arange(SEASON, dtype="float32") - 5.5) / SEASON, (1, 1, SEASON))
    profile = ops.mean(values - means - tilt, axis=1, keepdims=True)  # (batch, 1, 12)
    rest = values - means - tilt - profile  # (batch, years, 12)
    size = ops.mean(ops.abs(rest), axis=(1, 2), keepdims=True)
    # Where nothing is left unexplained, a thousandth of the whole is the unit; in a window without any spread, one.
    size = ops.maximum(size, 1e-3 * ops.mean(ops.abs(values), axis=(1, 2), keepdims=True))
    size = ops.where(size > 0, size, ops.ones_like(size))
    each_month = ops.ones_like(tilt)
    seen = [
        rest / size,
        # Growth and season may be hundreds of times the rest; arsinh is a logarithm for both signs.
        ops.arcsinh((means - ops.mean(means, axis=1, keepdims=True)) / size) * each_month,
        ops.arcsinh(growth / size) * each_month,
        ops.arcsinh(profile / size),
    ]
    seen = ops.transpose(ops.concatenate(seen, axis=1), (0, 2, 1))  # (batch, 12, features)
    baseline = level + DAMPING * (growth + tilt) + profile  # (batch, 1, 12)
    return keras.Model(sales, [seen, ops.squeeze(baseline, 1), ops.squeeze(size, 1)], name="read_years")


def _corrected(log):
    """(correction, baseline, its unit) -> forecast in the series' own unit."""
    correction = keras.Input((SEASON,), name="correction")
    baseline = keras.Input((SEASON,), name="baseline")
    size = keras.Input((1,), name="size")
    forecast = baseline + correction * size
    return keras.Model([correction, baseline, size], ops.exp(forecast) if log else forecast, name="corrected")


def _numbered(name, number):
    return name if number == 0 else f"{name}_{number}"


def _sizes(argument, value):
    """An int or a sequence of ints -> tuple of ints."""
    if isinstance(value, (list, tuple, np.ndarray)) and np.ndim(value) == 1 and len(value) > 0:
        return tuple(_checks.integer(f"each of {argument}", size, at_least=1) for size in value)
    try:
        return (_checks.integer(argument, value, at_least=1),)
    except ValueError as error:
        raise ValueError(f"{error}; or a non-empty tuple of them, one for each layer") from None


def _timesteps(value):
    if value is None:
        return None
    try:
        return _checks.integer("timesteps", value, at_least=1)
    except ValueError as error:
        raise ValueError(f"{error}; None takes any length") from None


def _check_cell(cell):
    if not isinstance(cell, str) or cell not in CELLS:
        allowed = ", ".join(f'"{name}"' for name in CELLS)
        raise ValueError(f"cell must be one of {allowed}, received {cell!r}")


def _activation(activation):
    try:
        keras.activations.get(activation)
    except (TypeError, ValueError):
        raise ValueError(
            "activation must be None, a callable or the name of a Keras activation "
            f'such as "relu", "softmax" or "tanh", received {activation!r}'
        ) from None
    return activation
