"""What a request asks for, and how it is answered."""

import json

import werkzeug
from tensorboard import errors, plugin_util
from tensorboard.backend import http_util

from rnn_tutorial.board import arrays

# A screen has no more points, and an answer no more numbers.
_MOST_BINS = 4096


class Question:
    """What a request asks for."""

    def __init__(self, request):
        self.context = plugin_util.context(request.environ)
        self.experiment = plugin_util.experiment_id(request.environ)
        self._arguments = request.args

    def text(self, name: str) -> str:
        """An argument, as it is."""
        if name not in self._arguments:
            raise errors.InvalidArgumentError(f"the argument {name} is missing")
        return self._arguments[name]

    def one_of(self, name: str, allowed) -> str:
        """An argument that is one of some words."""
        word = self.text(name)
        if word not in allowed:
            raise errors.InvalidArgumentError(f"{name} must be one of {', '.join(allowed)}, received {word!r}")
        return word

    def number(self, name: str, default: int | None = None, at_least: int = 1) -> int:
        """An argument that is an integer; a number of bins is never larger than a screen's."""
        text = self._arguments.get(name, default)
        try:
            value = int(text)
        except (TypeError, ValueError):
            value = at_least - 1
        if not at_least <= value < 2**63:
            raise errors.InvalidArgumentError(f"{name} must be an integer, {at_least} or more, received {text!r}")
        return value if default is None else min(value, _MOST_BINS)


def application(answer):
    """A WSGI application of a function from a `Question` to content and its kind."""

    @werkzeug.Request.application
    def respond(request):
        if request.method not in ("GET", "HEAD"):
            return http_util.Respond(request, "only GET is allowed", "text/plain", code=405, headers=[("Allow", "GET")])
        content, kind = answer(Question(request))
        return http_util.Respond(request, content, kind)

    return respond


def in_json(content) -> tuple[str, str]:
    """An answer in JSON."""
    return json.dumps(content, allow_nan=False), "application/json"


def in_bytes(header: dict, *parts) -> tuple[bytes, str]:
    """An answer of arrays, see `arrays.pack`."""
    return arrays.pack(header, *parts), "application/octet-stream"
