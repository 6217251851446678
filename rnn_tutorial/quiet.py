"""Start Keras without the lines TensorFlow prints while it starts; what is a real warning still comes through."""

import contextlib
import os
import re
import sys
import tempfile

# What a healthy TensorFlow prints to stderr before anybody has done anything: lines of level INFO, the preface to
# them, and CUDA's complaint where there is no graphics card.
_NOISE = re.compile(
    rb"I\d{4} \d\d:\d\d:\d\d"
    rb"|WARNING: All log messages before absl::InitializeLog\(\) is called are written to STDERR"
    rb"|To enable the following instructions: .* rebuild TensorFlow with the appropriate compiler flags"
    rb"|E\d{4} \d\d:\d\d:\d\d.* failed call to cuInit: .*"
)


def start_keras():
    """Import Keras and its backend, and hold back what they always print while they start."""
    with _held_back():
        import keras

        keras.ops.zeros(1)  # The backend looks for its devices when the first array is made.


@contextlib.contextmanager
def _held_back():
    """Catch what C++ code writes to stderr, and pass on all that is not known to be noise, also after an exception."""
    if "keras" in sys.modules:  # It has started before, and said what it had to say.
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
