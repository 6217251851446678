"""What a network that learns words would write."""

import html
import re

import numpy as np

from rnn_tutorial import _checks, language
from rnn_tutorial.callbacks.observer import Observer
from rnn_tutorial.data import text
from rnn_tutorial.recording import schema


class SampledText(Observer):
    """Let the network go on with a text, at several temperatures, and write what comes to the Text tab.

    The tags are `sampled/temperature_0.5` and so on. What the network was given to read stands first, what it wrote
    stands in bold. Each epoch draws with the same random numbers, so that what changes is the network.

    Example:
    >>> prompt = vocabulary.encode("this is what the".split())
    >>> model.fit(x, y, epochs=20, callbacks=[SampledText("logs/run", prompt, vocabulary)])

    Args:
        log_dir: Folder of the run. If it holds a run already, this one goes to `<log_dir>_2`, `_3`, ...
        prompt: Ids of the words that the network reads first, (words,), or several such texts (texts, words). As many
            words as this it reads each time, so that best it has as many as a window of the training data.
        vocabulary: A `data.text.Vocabulary`, or another list of words with `decode`.
        temperatures: Numbers of at least 0; see `language.sample`.
        count: Number of words to write.
        seed: Integer from which the choice of words follows.
        every: Look at every so many epochs.

    Raises:
        ValueError: An argument is not allowed; or, when training begins, the model does not give one probability for
            each word of the vocabulary.
    """

    def __init__(self, log_dir, prompt, vocabulary, temperatures=(0.5, 1.0, 1.5), count=20, seed=0, every=1):
        super().__init__(log_dir, every)
        prompts = np.asarray(prompt)
        if prompts.ndim not in (1, 2) or prompts.size == 0 or prompts.dtype.kind not in "iu":
            raise ValueError(
                "prompt must be ids of words, (words,) or (texts, words), at least one, received "
                f"{prompts.dtype} of shape {prompts.shape}"
            )
        if not callable(getattr(vocabulary, "decode", None)):
            raise ValueError(f"vocabulary must be a data.text.Vocabulary, received {type(vocabulary).__name__}")
        if prompts.min() < 0 or prompts.max() >= len(vocabulary):
            raise ValueError(
                f"prompt must hold ids in 0 .. {len(vocabulary) - 1}, received {prompts.min()} .. {prompts.max()}"
            )
        self.prompts = np.atleast_2d(prompts)  # (texts, words)
        self.vocabulary = vocabulary
        temperatures = [temperatures] if np.ndim(temperatures) == 0 else list(temperatures)
        if not temperatures:
            raise ValueError("temperatures must not be empty, received none")
        self.temperatures = [language.check_temperature("each of temperatures", value) for value in temperatures]
        self.count = _checks.integer("count", count, at_least=1)
        self.seed = _checks.integer("seed", seed, at_least=0)

    def check(self, model):
        """See that the model gives a probability for each word."""
        shape = getattr(model, "output_shape", None)
        if not isinstance(shape, tuple) or len(shape) != 2 or shape[1] not in (None, len(self.vocabulary)):
            raise ValueError(
                f"vocabulary has {len(self.vocabulary)} words, so that the model must give (batch, "
                f"{len(self.vocabulary)}); it gives {shape}"
            )

    def look(self, epoch, logs):
        """Write."""
        self._check_once()
        for temperature in self.temperatures:
            paragraphs = [self._paragraph(prompt, temperature) for prompt in self.prompts]
            self.run.text(schema.SAMPLED.format(temperature=f"{temperature:g}"), "\n\n".join(paragraphs), epoch)

    def _paragraph(self, prompt, temperature):
        drawn = language.sample(self.model, prompt, self.count, temperature, self.seed)
        read, written = (_plain(text.join(self.vocabulary.decode(ids))) for ids in (prompt, drawn))
        return f"... {read} **{written}**"


def _plain(words):
    """Words as Markdown that shows them as they are: `<code>` is no tag, and `__init__` is not bold."""
    return re.sub(r"([\\`*_\[\]])", r"\\\1", html.escape(words, quote=False))
