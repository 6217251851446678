"""What a rule has found: how bad, where, since when, the evidence, and what to try."""

import dataclasses

SEVERITIES = ("severe", "warning", "note")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Finding:
    """What one rule has found.

    Attributes:
        severity: "severe": the run is worth nothing as it is; "warning": somebody should look; "note": good to know.
        rule: Name of the rule, a key of `RULES`; the rule's declaration says it.
        layer: The layer, or the layer and its weight, that it is about; "" for the whole network. `diagnose` says it.
        epochs: First and last epoch in which it shows.
        numbers: {name: number}, the evidence.
        cause: What is the matter, a sentence.
        advice: What to try, a sentence.
        tab: The tab of TensorBoard to look at; as the rule declares, where the finding does not say another.
        tag: The tag to look at there; likewise.
        code: A line of Python to begin with, for a program that has `keras`, `model`, `x` and `y`.
        follows: The rule, and the layer, of an earlier finding that explains this one; "" where none does.
    """

    severity: str
    rule: str = ""
    layer: str = ""
    epochs: tuple[int, int]
    numbers: dict[str, float]
    cause: str
    advice: str
    tab: str = ""
    tag: str = ""
    code: str = ""
    follows: str = ""

    def __post_init__(self):
        if self.severity not in SEVERITIES:
            raise ValueError(f"severity must be one of {', '.join(map(repr, SEVERITIES))}, received {self.severity!r}")

    @property
    def place(self) -> str:
        """The rule, and the layer if it is about one."""
        return f"{self.rule} in {self.layer}" if self.layer else self.rule

    @property
    def when(self) -> str:
        """The epochs in words."""
        first, last = self.epochs
        return f"epoch {first}" if first == last else f"epochs {first} to {last}"

    def __str__(self):
        follows = f" It follows from {self.follows}." if self.follows else ""
        return f"{self.severity}: {self.place}, {self.when}: {self.cause}{follows}"
