"""Where the RNN tab is: TensorBoard's header may hide the tab behind an arrow."""

# TensorBoard's own, where it is not told another one and nobody else has taken it.
PORT = 6006


def tab(host="localhost", port=PORT):
    """Return the address of the RNN tab of a TensorBoard."""
    return f"http://{host}:{port}/#rnn_tutorial"
