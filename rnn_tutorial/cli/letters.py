"""`rnn-tutorial letters`: train a network on an alphabet and ask it for the next letter."""

import argparse
import math
import sys

from rnn_tutorial import _console
from rnn_tutorial.cli.command import Command, add_training, user_input

_EPOCHS = 500


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    parser.add_argument("letters", nargs="*", metavar="LETTER", help="letters to go on from; without any you are asked")
    parser.add_argument("--alphabet", default="abcde", help="letters in their order, each once (default: abcde)")
    add_training(parser, _EPOCHS)


def run(arguments: argparse.Namespace) -> int:
    """Run the command and return its exit code."""
    from rnn_tutorial.data import letters

    asked = "".join(arguments.letters)
    with user_input():
        alphabet = letters.Alphabet(arguments.alphabet)
        if len(alphabet) < 2:
            raise ValueError(f"--alphabet must hold at least 2 letters, received {arguments.alphabet!r}")
        if not arguments.alphabet.isprintable() or any(letter.isspace() for letter in arguments.alphabet):
            raise ValueError(f"--alphabet must hold letters without blanks, received {arguments.alphabet!r}")
        alphabet.encode(asked)
    following = _learn_letters(arguments.alphabet, arguments.epochs, arguments.seed)
    if arguments.letters:
        _answer(asked, following)
    else:
        converse(alphabet, following)
    return 0


def _learn_letters(text, epochs, seed):
    """Train until every letter is followed by the right one.

    Returns:
        {letter: the one that the network says comes next}
    """
    _console.start_keras()
    import keras

    from rnn_tutorial import data, models

    keras.utils.set_random_seed(seed)
    x, y = data.letters.pairs(text)  # a row per letter, in the order of the text
    # Three units are all it takes for five letters; for more, as many as letters learn them in fewer epochs.
    model = models.letter_predictor(len(text), units=3 if len(text) <= 5 else min(len(text), 128))
    model.compile(keras.optimizers.Adam(0.01), loss="sparse_categorical_crossentropy")
    last: dict = {}

    def look(epoch, logs):
        # The accuracy that `fit` reports is a mean over the epoch, from weights that have changed since.
        answers = keras.ops.convert_to_numpy(model(x)).argmax(axis=-1)  # (letters,)
        last.update(epochs=epoch + 1, answers=answers, right=int((answers == y).sum()))
        model.stop_training = last["right"] == len(y)

    watch = keras.callbacks.LambdaCallback(on_epoch_end=look)
    model.fit(**data.batches(x, y, seed=seed), epochs=epochs, callbacks=[watch], verbose=0)
    _tell_accuracy(last["epochs"], last["right"], len(y))
    # `pairs` numbers the letters in sorted order, whatever their order in the text.
    return dict(zip(text, data.letters.alphabet_of(text).decode(last["answers"]), strict=True))


def _tell_accuracy(epochs, right, letters):
    accuracy = math.floor(1000 * right / letters) / 1000  # never rounded up to 1.0
    more = "" if right == letters else "; more --epochs may do better"
    print(
        f"Trained for {epochs} epoch{'s' * (epochs != 1)}: accuracy {accuracy}, "
        f"{right} of {letters} letters are right{more}.",
        flush=True,
    )


def _answer(asked, following):
    for letter in asked:
        print(f"{letter} -> {following[letter]}", flush=True)


def converse(alphabet, following):
    """Ask for letters until an empty line or the end of the input, and answer them as "a -> b".

    Args:
        alphabet: `data.letters.Alphabet` of the letters that have an answer; any other gets it shown, and another try.
        following: {letter: the one that comes next}.
    """
    print(f"Which letter? One of {alphabet.letters}; an empty line ends.", flush=True)
    while True:
        with user_input():  # Bytes that are no text are wrong input too.
            line = _read_line()
        if not line:
            return
        try:
            alphabet.encode(line)
        except ValueError as error:
            print(error, flush=True)
        else:
            _answer(line, following)


def _read_line():
    try:
        # Where nobody types, a prompt would only stand before each answer.
        return input("> " if sys.stdin.isatty() else "").strip()
    except EOFError:
        if sys.stdin.isatty():
            print()
        return ""


COMMAND = Command(
    name="letters",
    help="train a network on an alphabet and ask it for the next letter",
    add_arguments=add_arguments,
    run=run,
    place=1,
)
