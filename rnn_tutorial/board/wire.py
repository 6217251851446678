"""What the page has to know of the wire before it asks for anything; it spells nothing of this itself."""

from rnn_tutorial.recording import schema

# How the page writes the parts of the gradient: {part of `schema.FLOWS`: (label, symbol)}.
_FLOWS = {
    "total": ("total", "‖dL/dh‖"),
    "immediate": ("immediate", "immediate ‖dL/dh‖"),
    "cell": ("cell", "‖dL/dc‖"),
}
# {kind of `schema.FRAMES`: label}
_FRAMES = {"states": "states", "gates": "gates"}


def described() -> dict:
    """The plugin, its version, and what can be recorded of a layer, each with its label, in the order of use."""
    flows = {flow: dict(zip(("label", "symbol"), _FLOWS[flow], strict=True)) for flow in schema.FLOWS}
    frames = {kind: {"label": _FRAMES[kind]} for kind in schema.FRAMES}
    return {"plugin": schema.PLUGIN, "version": schema.VERSION, "flows": flows, "frames": frames}
