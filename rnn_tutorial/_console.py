"""What is printed: not the lines TensorFlow prints while it starts, and ours only where that does no harm."""

import contextlib
import os
import re
import sys
import tempfile
import warnings

# What a healthy TensorFlow prints to stderr before anybody has done anything: lines of level INFO, the preface to
# them, CUDA's complaint where there is no graphics card, and oneDNN's where the processor is not of the newest.
_NOISE = re.compile(
    rb"I\d{4} \d\d:\d\d:\d\d"
    rb"|WARNING: All log messages before absl::InitializeLog\(\) is called are written to STDERR"
    rb"|To enable the following instructions: .* rebuild TensorFlow with the appropriate compiler flags"
    rb"|E\d{4} \d\d:\d\d:\d\d.* failed call to cuInit: .*"
    rb"|E\d{4} \d\d:\d\d:\d\d.* oneDNN supports DT_\w+ only on platforms with .*"
)


def start_keras():
    """Import Keras and its backend, and hold back what they always print while they start."""
    with _held_back():
        from rnn_tutorial._keras import keras

        # The backend looks for its devices when the first array is made. TensorFlow complains once a process of what
        # oneDNN cannot do on this processor, when it first transposes anything but floats, such as a mask.
        keras.ops.transpose(keras.ops.zeros((2, 2), "int32"))


def tell(text):
    """Print one line, however the output is set up: a line that cannot be printed is no reason to stop."""
    try:
        try:
            print(text, flush=True)
        except UnicodeEncodeError:
            print(text.encode("ascii", "backslashreplace").decode(), flush=True)
    except Exception:  # Nobody reads any more.
        pass


def warn(text, stacklevel=1):
    """Warn; where that is an error, print the text to stderr: what is running must not end with it.

    Args:
        text: A sentence.
        stacklevel: As of `warnings.warn`, 1 being the caller.
    """
    try:
        warnings.warn(text, RuntimeWarning, stacklevel=stacklevel + 1)
    except Exception:  # The user has made errors of warnings, or there is nowhere to write them.
        _tell_instead(text)


def in_words(error: BaseException, longest: int = 300) -> str:
    """What an error says, on one line: some go over pages, and some fail to say anything."""
    try:
        said = " ".join(str(error).split())
    except Exception:
        return type(error).__name__
    return f"{type(error).__name__}: {said[:longest]} ..." if len(said) > longest else f"{type(error).__name__}: {said}"


def _tell_instead(text):
    with contextlib.suppress(Exception):
        print(f"RuntimeWarning: {text}", file=sys.stderr, flush=True)


@contextlib.contextmanager
def _held_back():
    """Catch what C++ code writes to stderr, and pass on all that is not known to be noise, also after an exception."""
    if "keras" in sys.modules or sys.stderr is None:  # It has said what it had to say, or nobody listens.
        yield
        return
    sys.stderr.flush()
    stderr = os.dup(2)
    with tempfile.TemporaryFile() as held:
        os.dup2(held.fileno(), 2)
        try:
            yield
        finally:
            sys.stderr.flush()
            os.dup2(stderr, 2)
            os.close(stderr)
            held.seek(0)
            for line in held:
                if not _NOISE.match(line):
                    os.write(2, line)
