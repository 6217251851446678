"""Rules declare themselves here: what each needs, what it is applied to, and who else should know of it."""

import dataclasses
import functools
import inspect
import re
from collections.abc import Callable
from typing import Any, ParamSpec

import numpy as np

from rnn_tutorial import _checks
from rnn_tutorial.diagnosis.findings import Finding
from rnn_tutorial.recording import RunData

P = ParamSpec("P")
Series = dict[Any, Any]
# The tag of a series; such a tag, and a function that picks something out of the series; a function of run and place.
Need = str | tuple[str, Callable[[Series], Any]] | Callable[[RunData, str], Any]
# What a rule may be applied to, one by one, and what of the RNN tab may show what it has found; "" is for neither.
PLACES = ("", "layer", "weight")
PANELS = ("", "flow", "states", "gates")
# The last of those that are told where several are equally severe.
_LAST = 1000


@dataclasses.dataclass(frozen=True)
class Rule:
    """A rule and what it declares of itself, see `rule`.

    Attributes:
        name: The name of the function.
        judge: The function, from what it needs to a `Finding` or None.
    """

    name: str
    judge: Callable[..., Finding | None]
    needs: tuple[Need, ...]
    per: str
    where: Callable[[RunData, str], bool] | None
    while_training: bool
    at_once: bool
    despite_nan: bool
    only_notes: bool
    panel: str
    causes: tuple[str, ...]
    order: int

    def __post_init__(self):
        object.__setattr__(self, "__doc__", self.judge.__doc__)


# All rules by their names, in the order in which they are told.
RULES: dict[str, Rule] = {}


def rule(
    *,
    needs: tuple[Need, ...],
    per: str = "",
    where: Callable[[RunData, str], bool] | None = None,
    while_training: bool = False,
    at_once: bool = False,
    despite_nan: bool = False,
    only_notes: bool = False,
    panel: str = "",
    tab: str = "Time Series",
    tag: str = "",
    causes: tuple[str, ...] = (),
    order: int = _LAST,
) -> Callable[[Callable[P, Finding | None]], Callable[P, Finding | None]]:
    """Make a rule of a function from recorded curves to a `Finding`, or to None where there is nothing to say.

    From then on `diagnose` and `HealthCheck` know it in this program; the RNN tab, which is another one, knows those
    that stand in `diagnosis/rules/`. The function stays one that can be called with curves of any origin. Its findings
    get its name, and the tab and the tag declared here where they say no other.

    Example:
    >>> @rule(needs=("loss", "gradient_flow_ratio/{layer}"), per="layer", tag="gradient_flow_ratio/{layer}")
    ... def deaf(loss, ratio=None, *, least=1e-6):
    ...     "No step but the last is heard."

    Args:
        needs: What the function gets, one for each of its positional parameters:

            - A string, the curve {epoch: value} of a metric by its name in Keras' `History` ("loss", "val_loss"), or of
              a tag; see `recording.schema`. A tag with {layer} or {weight} is that of the place the rule is applied to,
              and with one more name in braces the rule gets {what stands there: curve}. Of histograms, arrays and
              frames the values of the curve are tables, arrays, and pairs of a header and an array; histograms are
              those below weights/ and gradients/, arrays and frames those below rnn/, and all else are numbers.
            - A pair of such a string and a function that picks what the rule gets out of the curve, such as
              `curves.last`.
            - A function from the `RunData` and the place to what the rule gets; see `diagnosis.facts`.

            What a run lacks, or what is None, is left to the parameter's default; without what has no default the
            function is not called.
        per: "layer" or "weight": apply it to each that has a tag among its needs; "" applies it to the whole run.
        where: Function from the `RunData` and the place to whether to apply it there; None applies it everywhere.
        while_training: True lets `HealthCheck` tell it of a training that is not over, and stop training for it.
        at_once: True tells it at the first such finding; else `HealthCheck` waits for the second one.
        despite_nan: True applies it to a run, too, whose loss has become NaN for good, where others mean nothing.
        only_notes: True says that its findings are never more than a "note".
        panel: The panel of the RNN tab that shows what it has found, "flow", "states" or "gates"; "" for none.
        tab: The tab of TensorBoard to look at.
        tag: The tag to look at there, with {layer} or {weight} in it for the place.
        causes: Names of the rules whose findings explain those of this one, on the way from the cause.
        order: Of findings that are equally severe those of a smaller number are told first.

    Raises:
        ValueError: An argument is not allowed, or another rule has that name.
    """
    _one_of("per", per, PLACES)
    _check_needs(needs, per)
    _one_of("panel", panel, PANELS)
    flags = {"while_training": while_training, "at_once": at_once, "despite_nan": despite_nan, "only_notes": only_notes}
    for name, value in flags.items():
        _checks.flag(name, value)
    if at_once and not while_training:
        raise ValueError("at_once must be False where while_training is, received True")
    if where is not None and not callable(where):
        raise ValueError(f"where must be None or a function of a RunData and a place, received {where!r}")
    for name, text in (("tab", tab), ("tag", tag)):
        if not isinstance(text, str) or set(_names(text)) - {per}:
            raise ValueError(f"{name} must be a string, of names in braces with that of per={per!r}, received {text!r}")
    if not isinstance(causes, tuple) or not all(isinstance(cause, str) for cause in causes):
        raise ValueError(f"causes must be a tuple of names of rules, received {causes!r}")
    if not isinstance(order, int) or isinstance(order, bool):
        raise ValueError(f"order must be an integer, received {order!r}")

    def declare(function: Callable[P, Finding | None]) -> Callable[P, Finding | None]:
        name = function.__name__
        _check_parameters(function, needs)
        _check_name(function)

        @functools.wraps(function)
        def judge(*args: P.args, **kwargs: P.kwargs) -> Finding | None:
            # The ratio of two numbers at the ends of their range is infinite, and that is worth no warning.
            with np.errstate(all="ignore"):
                finding = function(*args, **kwargs)
            if finding is None:
                return None
            if not isinstance(finding, Finding):
                raise TypeError(f"a rule must return a Finding or None, received {finding!r}")
            return dataclasses.replace(finding, rule=name, tab=finding.tab or tab, tag=finding.tag or tag)

        RULES[name] = Rule(name, judge, needs, per, where, **flags, panel=panel, causes=causes, order=order)
        for key in sorted(RULES, key=lambda key: RULES[key].order):  # A dict is in the order in which keys come.
            RULES[key] = RULES.pop(key)
        return judge

    return declare


def while_training() -> list[str]:
    """Names of the rules that say something of a training that is not over; the others would speak too early."""
    return [rule.name for rule in RULES.values() if rule.while_training]


def _check_needs(needs, per):
    if not isinstance(needs, tuple) or not needs:
        raise ValueError(f"needs must be a tuple, one for each parameter of the rule, received {needs!r}")
    places = []
    for need in needs:
        pattern = need
        if isinstance(need, tuple):
            pattern = need[0] if len(need) == 2 and callable(need[1]) else None
        if callable(pattern):
            continue
        if not isinstance(pattern, str) or not pattern:
            raise ValueError(
                f"needs must hold tags, pairs of a tag and a function of its curve, and functions of a RunData and a "
                f"place, received {need!r}"
            )
        names = _names(pattern)
        if names and (not per or names.count(per) != 1 or len(names) > 2):
            raise ValueError(
                f"needs must hold tags with {{{per or 'layer'}}} and at most one more name in braces where per="
                f"{per or 'layer'!r}, and without braces where per='', received {pattern!r} with per={per!r}"
            )
        places += names
    if per and per not in places:
        raise ValueError(f"needs must hold a tag with {{{per}}} where per={per!r}, received {needs!r}")


def _check_parameters(function, needs):
    """See that a function can be called with what it needs, and with nothing else."""
    parameters = inspect.signature(function).parameters.values()
    given = [one for one in parameters if one.kind in (one.POSITIONAL_ONLY, one.POSITIONAL_OR_KEYWORD)]
    extra = [one for one in parameters if one.kind == one.KEYWORD_ONLY]
    extra += given[len(needs) :]
    if len(needs) > len(given) or any(one.default is one.empty for one in extra):
        raise ValueError(
            f"needs must hold one for each positional parameter of {function.__name__}{inspect.signature(function)}, "
            f"received {len(needs)}"
        )


def _check_name(function):
    """See that a rule has a name of its own. Who runs the cell of a notebook again declares the same rule again."""
    earlier = RULES.get(function.__name__)
    if earlier is not None and (earlier.judge.__module__, earlier.judge.__qualname__) != (
        function.__module__,
        function.__qualname__,
    ):
        raise ValueError(
            f"the rule must have a name of its own, received {function.__name__!r}, which is taken by "
            f"{earlier.judge.__module__}"
        )


def _one_of(argument, value, allowed):
    if value not in allowed:
        raise ValueError(f"{argument} must be one of {', '.join(map(repr, allowed))}, received {value!r}")


def _names(pattern):
    """The names in braces of a tag."""
    return re.findall(r"\{(\w+)\}", pattern)
