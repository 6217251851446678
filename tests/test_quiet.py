"""What a program says that starts Keras by way of `_console`."""

import os
import subprocess
import sys

import pytest


@pytest.mark.parametrize(
    "work",
    [
        "keras.ops.transpose(keras.ops.ones((2, 3)) > 0)",
        "keras.ops.transpose(keras.ops.ones((2, 3), 'int32'))",
        "l = keras.layers; keras.Sequential([l.Masking(), l.GRU(2)]).predict(keras.ops.ones((2, 3, 1)), verbose=0)",
    ],
    ids=["a mask", "integers", "a masked layer"],
)
def test_nothing_of_the_processor(work):
    """Where it has no AVX-512, TensorFlow says so of oneDNN, as an error, when it first transposes such an array."""
    environment = {name: value for name, value in os.environ.items() if name != "TF_CPP_MIN_LOG_LEVEL"}
    program = f"from rnn_tutorial import _console; _console.start_keras(); import keras; {work}"
    ran = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=False)
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, "", "")
