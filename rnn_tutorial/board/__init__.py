"""The tab RNN in TensorBoard.

TensorBoard imports this file whenever it starts, and does not start where that fails. So it imports what TensorBoard
has loaded anyway, and the rest when the tab is made.
"""

from tensorboard.plugins import base_plugin

from rnn_tutorial.recording import schema

NAME = schema.PLUGIN


class Loader(base_plugin.TBLoader):
    """Tells TensorBoard of the tab; the entry point `tensorboard_plugins`."""

    def fix_flags(self, flags):
        """Keep all epochs, where `--samples_per_plugin` does not say otherwise: TensorBoard's sample is random."""
        if flags.samples_per_plugin == "":  # as where no command line was parsed
            flags.samples_per_plugin = {}
        flags.samples_per_plugin.setdefault(NAME, 0)

    def load(self, context):
        """Make the tab."""
        from rnn_tutorial.board import plugin

        return plugin.Plugin(context)
