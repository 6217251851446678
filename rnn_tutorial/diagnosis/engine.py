"""Applies the rules to a run, and puts what they find in order: the most severe first, causes before effects."""

import dataclasses
import inspect
from collections.abc import Iterable, Iterator

from rnn_tutorial import _console
from rnn_tutorial.diagnosis import facts
from rnn_tutorial.diagnosis.findings import SEVERITIES, Finding
from rnn_tutorial.diagnosis.registry import RULES, Rule
from rnn_tutorial.recording import RunData, schema


def diagnose(run_data: RunData, rules: Iterable[str] | None = None) -> list[Finding]:
    """Apply the rules to what a run has recorded.

    Example:
    >>> for finding in diagnosis.diagnose(diagnosis.read("logs/run")):
    ...     print(finding)

    Args:
        run_data: A `RunData`, see `read`.
        rules: Names of the rules to apply; None applies all in `RULES`.

    Returns:
        A list of `Finding`, the most severe first, but each after the one that it follows from.
    """
    wanted = set(RULES) if rules is None else set(rules)
    if facts.ends_in_nan(run_data):
        wanted = {name for name in wanted if name in RULES and RULES[name].despite_nan}
    found: list[Finding] = []
    for rule in RULES.values():
        if rule.name in wanted:
            try:
                found += _apply(rule, run_data)
            except Exception as error:  # A rule may be anybody's; the others go on.
                _console.warn(f"the rule {rule.name} is left out: {_console.in_words(error)}")
    found.sort(key=lambda finding: SEVERITIES.index(finding.severity))
    ordered: list[Finding] = []
    for finding in found:
        _put(finding, found, ordered)
    return ordered


def _put(finding, found, ordered, effects=()):
    """Append a finding, and before it what it follows from: none of its own effects, where rules name each other."""
    if any(other.place == finding.place for other in ordered):
        return
    effects = (*effects, finding.place)
    causes = (other for cause in RULES[finding.rule].causes for other in found if _explains(other, cause, finding))
    cause = next((other for other in causes if other.place not in effects), None)
    if cause is not None:
        _put(cause, found, ordered, effects)
        finding = dataclasses.replace(finding, follows=cause.place)
    ordered.append(finding)


def _explains(cause, rule, finding):
    """Whether a finding is of a rule, and may be what another one, of the same layer or of the whole, follows from."""
    if cause.rule != rule or cause.severity == "note" or cause.epochs[0] > finding.epochs[1]:
        return False
    return not cause.layer or not finding.layer or f"{cause.layer}/".startswith(f"{finding.layer}/")


def _apply(rule: Rule, run: RunData) -> Iterator[Finding]:
    """What a rule finds in each place of a run."""
    recorded = [_recorded(need, rule.per, run) for need in rule.needs]
    places = dict.fromkeys(place for values in recorded if values for place in values if place or not rule.per)
    defaults = [one.default for one in inspect.signature(rule.judge).parameters.values()][: len(rule.needs)]
    for place in places:
        if rule.where is not None and not rule.where(run, place):
            continue
        arguments = []
        for need, values, default in zip(rule.needs, recorded, defaults, strict=True):
            value = need(run, place) if callable(need) else values.get(place, values.get(""))
            arguments.append(default if value is None else value)
        if any(argument is inspect.Parameter.empty for argument in arguments):
            continue
        finding = rule.judge(*arguments)
        if finding is not None:
            tag = finding.tag.replace(f"{{{rule.per}}}", place) if rule.per else finding.tag
            yield dataclasses.replace(finding, layer=place, tag=tag)


def _recorded(need, per, run):
    """What of a need a run has, {place: what the rule gets there}; the place is "" for what is the same everywhere."""
    if callable(need):
        return {}
    pattern, pick = need if isinstance(need, tuple) else (need, None)
    found: dict[str, dict] = {}
    for tag, series in getattr(run, schema.kind_of(pattern)).items():
        names = schema.match(pattern, tag)
        if names is None:
            continue
        place = names.pop(per, "")
        if names:
            found.setdefault(place, {})[next(iter(names.values()))] = series
        elif place != schema.GLOBAL or per != "weight":  # All weights together are no weight.
            found[place] = series
    return {place: pick(series) for place, series in found.items()} if pick else found
