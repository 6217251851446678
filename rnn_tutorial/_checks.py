"""Checks of arguments that several modules share. Each error names the argument, the value and what is allowed."""

import operator


def integer(argument, value, at_least):
    """Return `value` as an int of at least `at_least`; NumPy integers pass, bool and float do not.

    Raises:
        ValueError: Anything else.
    """
    try:
        number = operator.index(value)
    except TypeError:
        number = None
    if number is None or isinstance(value, bool) or number < at_least:
        raise ValueError(f"{argument} must be an integer of at least {at_least}, received {value!r}")
    return number


def flag(argument, value):
    """Return `value` where it is True or False.

    Raises:
        ValueError: Anything else.
    """
    if not isinstance(value, bool):
        raise ValueError(f"{argument} must be True or False, received {value!r}")
    return value
