import ast
import pathlib
import re

import pytest

import rnn_tutorial

PACKAGE = pathlib.Path(rnn_tutorial.__file__).parent
HEAVY = ("keras", "tensorflow", "jax", "torch", "numpy", "pandas", "matplotlib", "tensorboard")
PUBLIC = {"board", "callbacks", "data", "diagnosis", "drawing", "forecasting", "inspection", "language", "models"}
PUBLIC |= {"recording"}


def loaded(run_python, statement):
    """Return which of the heavy modules a statement loads in a fresh interpreter."""
    printed = run_python(f"import sys\n{statement}\nprint(*[name for name in {HEAVY!r} if name in sys.modules])")
    return set(printed.split())


def imports(path):
    """Top-level names of all modules that a file imports, wherever in the file, and `a.b` of `from a import b`."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield alias.name
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path} has a relative import"
            for alias in node.names:
                yield f"{node.module}.{alias.name}"


def imports_of(place, *names):
    """Files of a part of the package that import one of the names."""
    files = [PACKAGE / place] if place.endswith(".py") else sorted((PACKAGE / place).rglob("*.py"))
    assert files
    return {
        str(path.relative_to(PACKAGE))
        for path in files
        for imported in imports(path)
        if any(imported == name or imported.startswith(f"{name}.") for name in names)
    }


def test_importing_the_package_loads_nothing_heavy(run_python):
    assert loaded(run_python, "import rnn_tutorial; dir(rnn_tutorial); rnn_tutorial.__version__") == set()


def test_the_check_for_heavy_modules_sees_them(run_python):
    assert {"numpy", "matplotlib"} <= loaded(run_python, "import rnn_tutorial; rnn_tutorial.drawing.png")


@pytest.mark.parametrize(
    "module",
    [
        "diagnosis",
        "recording.events",
        "drawing",
        "drawing.heatmaps",
        "drawing.line_plots",
        "drawing.through_time",
        "data",
        "data.digits",
        "data.letters",
        "data.sales",
        "forecasting",
        "_console",
    ],
)
def test_modules_that_do_without_keras_do_not_load_it(run_python, module):
    assert not loaded(run_python, f"import rnn_tutorial.{module}") & {"keras", "tensorflow", "jax", "torch"}


def test_events_do_without_matplotlib_and_pandas(run_python):
    assert loaded(run_python, "import rnn_tutorial.recording.events") == {"numpy", "tensorboard"}


def test_baselines_do_without_keras(run_python):
    statement = (
        "from rnn_tutorial import data, forecasting; "
        "forecasting.baselines(data.sales.TWELVE_MONTHS, 3); forecasting.choose_window(12)"
    )
    assert not loaded(run_python, statement) & {"keras", "tensorflow", "matplotlib"}


def test_a_module_is_loaded_when_it_is_first_used(run_python):
    printed = run_python(
        """
        import sys
        import rnn_tutorial
        before = "rnn_tutorial.recording.events" in sys.modules
        rnn_tutorial.recording.Run
        after = "rnn_tutorial.recording.events" in sys.modules
        print(before, after, rnn_tutorial.recording is sys.modules["rnn_tutorial.recording"])
        """
    )
    assert printed.split() == ["False", "True", "True"]


def test_dir_lists_the_public_modules(run_python):
    # In a fresh interpreter, where no test has loaded any of them.
    listed = run_python("import rnn_tutorial; print(*dir(rnn_tutorial))").split()
    assert set(listed) >= PUBLIC | {"__version__"}
    assert listed == sorted(listed)
    assert len(listed) == len(set(listed))


def test_everything_in_all_can_be_imported():
    assert set(rnn_tutorial.__all__) >= PUBLIC
    for name in rnn_tutorial.__all__:
        assert getattr(rnn_tutorial, name).__name__ == f"rnn_tutorial.{name}"


def test_an_unknown_attribute_is_told_with_those_there_are():
    with pytest.raises(AttributeError, match="'rnn_tutorial' has no attribute 'modles'") as caught:
        _ = rnn_tutorial.modles
    assert all(name in str(caught.value) for name in PUBLIC)
    assert not hasattr(rnn_tutorial, "modles")
    with pytest.raises(ImportError):
        from rnn_tutorial import modles  # noqa: F401


def test_only_backend_imports_a_backend():
    assert imports_of("", "tensorflow", "jax", "torch", "numpy.distutils") == {"backend/__init__.py"}


def test_no_file_imports_pyplot():
    assert imports_of("", "matplotlib.pyplot", "pylab") == set()


@pytest.mark.parametrize(
    "place",
    [
        "diagnosis/__init__.py",
        "recording/events.py",
        "recording/records.py",
        "drawing/boxes_and_arrows.py",
        "drawing/line_plots.py",
        "drawing/page.py",
        "_console.py",
        "lesson.py",
        "_checks.py",
        "cli/__init__.py",
    ],
)
def test_files_without_keras_at_their_head(place):
    head = ast.parse((PACKAGE / place).read_text()).body
    names = {alias.name for node in head if isinstance(node, ast.Import) for alias in node.names}
    names |= {node.module for node in head if isinstance(node, ast.ImportFrom)}
    assert not {name for name in names if name.split(".")[0] in ("keras", "tensorflow")}


def test_data_flows_one_way():
    ours = "rnn_tutorial."
    callbacks = f"{ours}callbacks"
    # Bytes for TensorBoard need nothing of the package but its checks, its locks and its way to print.
    inside = {name for name in imports(PACKAGE / "recording/events.py") if name.startswith(ours)}
    assert inside == {f"{ours}_checks", f"{ours}recording.locks", f"{ours}_console"}
    assert imports_of("recording", "keras") == set()
    inside = {name for name in imports(PACKAGE / "diagnosis/__init__.py") if name.startswith(ours)}
    assert inside == {f"{ours}recording.events", f"{ours}recording.records"}
    assert imports_of("recording/records.py", "rnn_tutorial", "keras") == set()
    assert imports_of("drawing", "keras") == {"drawing/diagrams.py", "drawing/unrolled.py"}
    for place in ("models.py", "data", "inspection", "backend"):
        assert imports_of(place, callbacks, f"{ours}recording", f"{ours}drawing") == set()
    assert imports_of("drawing", callbacks, f"{ours}recording") == set()
    # The check sees an import that is there.
    assert imports_of("drawing/diagrams.py", f"{ours}drawing.style") == {"drawing/diagrams.py"}


def test_version_is_that_of_the_project():
    project = (PACKAGE.parent / "pyproject.toml").read_text()
    assert re.findall(r'^version = "(.*)"$', project, re.MULTILINE) == [rnn_tutorial.__version__]
