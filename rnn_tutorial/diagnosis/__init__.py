"""Curves in, findings out: what is wrong with a run, the evidence, and what to try.

A rule is a function from recorded curves to a `Finding`, or to None where there is nothing to say. It declares itself
with `@rule`, and so does a rule of your own. `RULES` has them all, and each can be called: `diagnosis.nan(loss)`. Those
of this package are in `diagnosis/rules/`. Each rule's docstring says where its threshold comes from: a paper, or what
was measured on healthy and on sick runs with `benchmarks/diagnosis.py`, whose results stand in the README. Nothing here
needs Keras.
"""

from collections.abc import Callable

from rnn_tutorial.diagnosis import rules
from rnn_tutorial.diagnosis.curves import fall
from rnn_tutorial.diagnosis.engine import diagnose
from rnn_tutorial.diagnosis.findings import SEVERITIES, Finding
from rnn_tutorial.diagnosis.registry import RULES, Rule, rule, while_training
from rnn_tutorial.diagnosis.rules.forecasts import likeness_to_last_input
from rnn_tutorial.recording import RunData, read, runs

__all__ = [
    "RULES",
    "SEVERITIES",
    "Finding",
    "Rule",
    "RunData",
    "diagnose",
    "fall",
    "likeness_to_last_input",
    "read",
    "rule",
    "rules",
    "runs",
    "while_training",
]


def __getattr__(name: str) -> Callable[..., Finding | None]:
    """A rule by its name."""
    if name not in RULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}; its rules are {', '.join(RULES)}")
    return RULES[name].judge
