"""What those who record a run and those who read it agree on, each thing spelled once. Imports nothing."""

# The plugin of TensorBoard that shows what goes through time, and the tab it has.
PLUGIN = "rnn_tutorial"
# Of what is written for it. Version 1 called the gradient that arrives at a step itself `grad_flow_above`.
VERSION = 2
KNOWN_VERSIONS = (1, 2)

# The gradient through time: {part: kind of the tag `rnn/<layer>/<kind>` that holds it}.
FLOWS = {"total": "grad_flow", "immediate": "grad_flow_immediate", "cell": "grad_flow_cell"}
# What is recorded frame by frame.
FRAMES = ("states", "gates")
# {kind of an earlier version: kind of today}
RENAMED = {"grad_flow_above": "grad_flow_immediate"}

# TensorBoard's own, where it is not told another one and nobody else has taken it.
PORT = 6006


def tag(layer: str, kind: str) -> str:
    """The tag of what is recorded of a recurrent layer."""
    return f"rnn/{layer}/{kind}"


def split_tag(tag: str) -> tuple[str, str] | None:
    """The reverse of `tag`: layer and kind, as today's version calls it; None for a tag of something else."""
    beginning, _, rest = tag.partition("/")
    layer, _, kind = rest.rpartition("/")
    return (layer, RENAMED.get(kind, kind)) if beginning == "rnn" and layer else None


def tab_address(host: str = "localhost", port: int = PORT) -> str:
    """The address of the RNN tab of a TensorBoard, whose header may hide the tab behind an arrow."""
    return f"http://{host}:{port}/#{PLUGIN}"
