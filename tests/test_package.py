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
        "drawing.line_plots",
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
    assert loaded(run_python, "import rnn_tutorial.recording.run") == {"numpy", "tensorboard"}


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


# What each room may import of the others. Everybody may import what begins with an underscore.
ROOMS = {
    "backend": {"inspection"},  # its `keras_internals` only
    "inspection": {"backend"},
    "recording": set(),
    "drawing": {"inspection"},  # its diagrams only
    "diagnosis": {"recording"},
    "models": set(),
    "data": {"backend"},
    "language": {"backend"},
    "forecasting": {"data", "models"},
    "callbacks": {"backend", "inspection", "recording", "drawing", "diagnosis", "language", "data"},
    "board": {"recording", "diagnosis"},
    "cli": {"data", "models", "forecasting", "drawing", "diagnosis", "recording", "callbacks"},
    "lesson": {"drawing", "recording"},
}


def room_of(name):
    """The room of a module `rnn_tutorial.<room>...`; None of another package, and of what everybody may import."""
    first, _, rest = name.partition(".")
    room = rest.partition(".")[0]
    return room if first == "rnn_tutorial" and room and not room.startswith("_") else None


def files_of(room):
    place = PACKAGE / room
    return sorted(place.rglob("*.py")) if place.is_dir() else [place.with_suffix(".py")]


def test_every_module_has_a_room():
    found = {path.stem for path in PACKAGE.iterdir() if path.suffix == ".py" or (path / "__init__.py").exists()}
    assert {name for name in found if not name.startswith("_")} == set(ROOMS)


@pytest.mark.parametrize("room", ROOMS)
def test_data_flow_one_way(room):
    imported = {room_of(name) for path in files_of(room) for name in imports(path)} - {None, room}
    assert imported == ROOMS[room]


@pytest.mark.parametrize(
    ("place", "name", "importers"),
    [
        ("backend", "rnn_tutorial.inspection", {"inspection.keras_internals"}),
        ("callbacks", "rnn_tutorial.diagnosis", None),
        ("callbacks", "rnn_tutorial.language", None),
    ],
)
def test_what_is_allowed_for_one_purpose(place, name, importers):
    """A backend knows of inspection no more than how Keras is made; one callback judges, one writes text."""
    found = {imported for path in files_of(place) for imported in imports(path) if imported.startswith(name)}
    if importers is None:
        assert len({path for path in files_of(place) if any(one.startswith(name) for one in imports(path))}) == 1
    else:
        assert {imported.removeprefix("rnn_tutorial.") for imported in found} <= importers


def test_lesson_and_cli_are_imported_by_nobody():
    """Nor is any of their files, from elsewhere in the package."""
    for room in set(ROOMS) - {"cli", "lesson"}:
        assert imports_of_room(room) & {"cli", "lesson"} == set()


def imports_of_room(room):
    return {room_of(name) for path in files_of(room) for name in imports(path)}


@pytest.mark.parametrize("room", ["recording", "diagnosis", "board", "data"])
def test_rooms_without_keras(room):
    assert {name for path in files_of(room) for name in imports(path) if name.partition(".")[0] == "keras"} == set()


def test_of_drawing_only_diagrams_need_keras():
    assert imports_of("drawing", "keras", "rnn_tutorial._keras", "rnn_tutorial.inspection") == {
        "drawing/diagrams.py",
        "drawing/unrolled.py",
    }


def test_only_a_backend_imports_a_backend():
    assert {place.partition("/")[0] for place in imports_of("", "tensorflow", "jax", "torch")} == {"backend"}
    assert imports_of("backend", "tensorflow") == {"backend/tensorflow.py"}


@pytest.mark.parametrize("place", ["cli", "lesson.py", "_console.py", "_checks.py", "_lazy.py", "__init__.py"])
def test_heads_are_light(place):
    """What is heavy is imported inside functions."""
    path = PACKAGE / place
    for file in sorted(path.glob("*.py")) if path.is_dir() else [path]:
        head = ast.parse(file.read_text()).body
        names = {alias.name for node in head if isinstance(node, ast.Import) for alias in node.names}
        names |= {node.module for node in head if isinstance(node, ast.ImportFrom)}
        assert not {name for name in names if name.partition(".")[0] in HEAVY}, file.name


def test_private_parts_of_keras_are_touched_in_one_place():
    assert imports_of("", "keras.src") <= {"inspection/keras_internals.py"}


def test_no_file_imports_pyplot():
    assert imports_of("", "matplotlib.pyplot", "pylab") == set()


def test_version_is_that_of_the_project():
    project = (PACKAGE.parent / "pyproject.toml").read_text()
    assert re.findall(r'^version = "(.*)"$', project, re.MULTILINE) == [rnn_tutorial.__version__]
