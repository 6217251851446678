"""A backend is a file: what it fills is used, what it leaves open is told, and nothing else knows of it."""

import ast
import pathlib
import shutil

import pytest

import rnn_tutorial
from rnn_tutorial.backend import protocol

PACKAGE = pathlib.Path(rnn_tutorial.__file__).parent
KERAS_HAS = {"tensorflow", "jax", "torch", "openvino", "numpy"}
FILES = sorted(path for path in (PACKAGE / "backend").glob("*.py") if path.stem in KERAS_HAS)
# What has no generic answer.
OPEN = ["compiled", "differentiate", "pull_back", "dataflow", "carry", "exchange", "is_taken_over"]
# NumPy is a backend of Keras without gradients and without a file of ours.
STAND_IN = '''
"""A stand-in: nothing is compiled."""

from rnn_tutorial.backend import common


def compiled(function, model):
    pure, read = common.stateless(function, model)
    return lambda *arrays: (print("compiled"), pure(read(), *arrays))[1]


def is_replicated(model):
    return "who knows"
'''
MODEL = """
import keras
import numpy as np
from rnn_tutorial import backend, inspection

keras.utils.set_random_seed(0)
x = np.random.default_rng(0).normal(size=(2, 5, 3)).astype("float32")
inputs = keras.Input((5, 3))
hidden = keras.layers.LSTM(4, return_sequences=True, name="lstm")(inputs)
model = keras.Model(inputs, keras.layers.Dense(1)(hidden))
"""


@pytest.fixture
def run_with(tmp_path, run_python):
    """Run a program on the backend NumPy, with a copy of the package that has one more file, `backend/numpy.py`."""

    def run(file, program):
        shutil.copytree(PACKAGE, tmp_path / "rnn_tutorial", ignore=shutil.ignore_patterns("__pycache__"))
        (tmp_path / "rnn_tutorial" / "backend" / "numpy.py").write_text(file)
        first = "import sys\nsys.path.insert(0, sys.argv[1])\n"  # before the current folder
        return run_python(first + program, tmp_path, KERAS_BACKEND="numpy")

    return run


def functions(path):
    """{name: names of the arguments} of the public functions of a file; of one that is assigned, None."""
    found = {}
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.FunctionDef):
            found[node.name] = [argument.arg for argument in node.args.args]
        elif isinstance(node, ast.Assign):
            found.update({target.id: None for target in node.targets if isinstance(target, ast.Name)})
    return {name: arguments for name, arguments in found.items() if not name.startswith("_")}


def test_one_file_adds_a_backend(run_with):
    printed = run_with(
        STAND_IN,
        MODEL
        + """
states = inspection.trace(model, x)["lstm"].hidden
expected = keras.Model(inputs, hidden).predict(x, verbose=0)
np.testing.assert_allclose(states, expected, rtol=1e-5, atol=1e-6)
print(backend.name(), backend.is_replicated(model))
""",
    )
    assert printed.split("\n") == ["compiled", "numpy who knows", ""]


def test_what_it_leaves_out_has_the_generic_answer(run_with):
    run_with(
        STAND_IN,
        MODEL
        + """
batch = next(iter(backend.endless_batches((x, x[:, 0]), 2, 0)))
assert [array.shape for array in batch] == [(2, 5, 3), (2, 3)]
last, (states,) = backend.scan(lambda carry, slices: (carry[0] + slices[0],), (np.zeros(3),), [np.ones((4, 3))], 4)
assert states[:, 0].tolist() == [1, 2, 3, 4] and last[0].tolist() == [4, 4, 4]
assert backend.apart(sum, [1, 2]) == 3 and not backend.is_stateless()
""",
    )


def test_what_it_leaves_open_is_told(run_with):
    printed = run_with(
        STAND_IN,
        MODEL
        + """
try:
    inspection.gradient_flow(model, x, np.zeros((2, 5, 1)), loss="mse")
except NotImplementedError as error:
    print(error)
""",
    )
    said = (
        "the backend numpy has no function 'differentiate', so gradients through time cannot be computed; "
        "it belongs in rnn_tutorial/backend/numpy.py"
    )
    assert printed.split("\n") == ["compiled", said, ""]


def test_an_open_function_names_itself_and_the_backend(run_python):
    # There is no file for NumPy: all comes from the protocol.
    program = """
        import inspect
        import sys
        from rnn_tutorial import backend
        for name in sys.argv[1:]:
            function = getattr(backend, name)
            try:
                function(*[None] * len(inspect.signature(function).parameters))
            except NotImplementedError as error:
                print(error)
    """
    lines = run_python(program, *OPEN, KERAS_BACKEND="numpy").splitlines()
    for function, said in zip(OPEN, lines, strict=True):
        assert said.startswith(f"the backend numpy has no function '{function}', so ")
        assert said.endswith("; it belongs in rnn_tutorial/backend/numpy.py")


def test_all_other_functions_have_a_generic_answer():
    tree = ast.parse((PACKAGE / "backend" / "protocol.py").read_text())
    leaves_open = [
        node.name
        for node in tree.body
        if isinstance(node, ast.FunctionDef) and node.name != "_is_missing" and "_is_missing(" in ast.unparse(node)
    ]
    assert sorted(leaves_open) == sorted(OPEN)


def test_an_error_in_a_backends_file_is_not_taken_for_its_absence(run_with):
    program = """
try:
    import rnn_tutorial.backend
except ModuleNotFoundError as error:
    print(error.name)
"""
    assert run_with("import there_is_no_such_module\n", program) == "there_is_no_such_module\n"


@pytest.mark.parametrize(("running", "other"), [("tensorflow", "jax"), ("jax", "tensorflow"), ("numpy", "jax")])
def test_only_the_file_of_the_running_backend_is_imported(running, other, run_python):
    printed = run_python(
        """
        import sys
        from rnn_tutorial import backend
        print(*[name.rpartition(".")[2] for name in sys.modules if name.startswith("rnn_tutorial.backend.")])
        """,
        KERAS_BACKEND=running,
    )
    imported = set(printed.split())
    assert (running in imported) == (running != "numpy")
    assert not any(name.startswith(other) for name in imported)


def test_the_protocol_lists_its_functions():
    assert sorted(functions(PACKAGE / "backend" / "protocol.py")) == protocol.__all__


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_backend_fills_functions_of_the_protocol(path):
    promised = functions(PACKAGE / "backend" / "protocol.py")
    filled = functions(path)
    assert set(filled) <= set(promised) - {"name"}
    for name, arguments in filled.items():
        assert arguments in (None, promised[name]), name
    if "is_stateless" in filled:
        assert {"carry", "exchange", "is_taken_over", "sync"} <= set(filled)


def test_nothing_else_asks_which_backend_runs():
    may = {"cli/doctor.py", "_console.py", "_keras.py"}
    questions = {"keras.config.backend", "keras.backend.backend", "backend.name"}
    asking = set()
    for path in sorted(PACKAGE.rglob("*.py")):
        place = path.relative_to(PACKAGE).as_posix()
        if place.startswith("backend/") or place in may:
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Constant) and node.value in {*KERAS_HAS, "KERAS_BACKEND"}:
                asking.add((place, node.value))
            elif isinstance(node, ast.Attribute) and ast.unparse(node) in questions:
                asking.add((place, ast.unparse(node)))
    assert asking == set()
