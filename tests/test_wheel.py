"""The wheel in new environments: with what the tab alone needs, and with the core, without a backend for Keras."""

import importlib.metadata
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import time
import urllib.request

import pytest

from rnn_tutorial import recording

ROOT = pathlib.Path(__file__).parent.parent
STATIC = ROOT / "rnn_tutorial" / "board" / "static"
ENVIRONMENT = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}


def run(*command, cwd):
    # Outside the repository, so that what is imported is what was installed.
    done = subprocess.run(command, check=False, cwd=cwd, env=ENVIRONMENT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("wheel")


@pytest.fixture(scope="module")
def wheel(folder):
    source = folder / "source"
    source.mkdir()
    for name in ("pyproject.toml", "requirements.txt", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    shutil.copytree(ROOT / "rnn_tutorial", source / "rnn_tutorial", ignore=shutil.ignore_patterns("__pycache__"))
    run(sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "-w", str(folder / "dist"), str(source), cwd=folder)
    (built,) = (folder / "dist").glob("*.whl")
    return built


def environment(folder, name, *packages):
    """The folder of programs of a new environment with some packages, in the versions that are installed here."""
    run(sys.executable, "-m", "venv", str(folder / name), cwd=folder)
    programs = folder / name / ("Scripts" if os.name == "nt" else "bin")
    pip = [str(programs / "python"), "-m", "pip", "install", "-q"]
    run(*pip, *(f"{package}=={importlib.metadata.version(package)}" for package in packages), cwd=folder)
    return programs, pip


@pytest.fixture(scope="module")
def installed(folder, wheel):
    """An environment with our wheel, TensorBoard and what that brings."""
    programs, pip = environment(folder, "environment", "tensorboard", "numpy", "google-crc32c")
    run(*pip, "--no-deps", str(wheel), cwd=folder)
    return programs


@pytest.fixture(scope="module")
def core(folder, wheel):
    """An environment with our wheel and what it requires, as of `pip install rnn-tutorial`."""
    packages = ("keras", "numpy", "pandas", "tensorboard", "google-crc32c", "matplotlib")
    programs, pip = environment(folder, "core", *packages)
    run(*pip, str(wheel), cwd=folder)
    return programs


def test_files_and_entry_point(installed, folder):
    program = """
import importlib.metadata, json, pathlib
files = [str(pathlib.PurePosixPath(file)) for file in importlib.metadata.files("rnn_tutorial")]
points = importlib.metadata.entry_points(group="tensorboard_plugins")
installed = sorted(found.metadata["Name"].lower() for found in importlib.metadata.distributions())
print(json.dumps([files, [[point.name, point.value] for point in points], installed]))
"""
    files, points, installed_names = json.loads(run(str(installed / "python"), "-c", program, cwd=folder))
    for file in STATIC.iterdir():
        assert f"rnn_tutorial/board/static/{file.name}" in files
    assert ["rnn_tutorial", "rnn_tutorial.board:Loader"] in points
    assert not {"tensorflow", "keras", "jax", "matplotlib", "pandas"} & set(installed_names)


def test_tensorboard_shows_the_tab(installed, folder, serve, record_layer):
    with recording.Run(folder / "logs" / "watched") as written:
        record_layer(written)
    assert run(str(installed / "tensorboard"), "--version", cwd=folder).strip().startswith("2.")
    address = serve(
        lambda port: [installed / "tensorboard", "--logdir", folder / "logs", "--port", str(port), "--host=127.0.0.1"],
        environment=ENVIRONMENT,
    )

    def get(path):
        with urllib.request.urlopen(f"{address}/data/{path}", timeout=60) as answer:
            return answer.read()

    listed = json.loads(get("plugins_listing"))["rnn_tutorial"]
    assert listed["tab_name"] == "RNN"
    for file in STATIC.iterdir():
        assert get(f"plugin/rnn_tutorial/static/{file.name}") == file.read_bytes()
    deadline = time.monotonic() + 60
    while not (found := json.loads(get("plugin/rnn_tutorial/runs"))["runs"]) or not found[0]["layers"]:
        assert time.monotonic() < deadline, "it was not loaded"
        time.sleep(0.1)
    assert [(one["name"], one["layers"][0]["name"]) for one in found] == [("watched", "lstm")]
    assert json.loads(get("plugin/rnn_tutorial/findings?run=watched")) == {"findings": [], "note": ""}


def test_the_core_brings_no_backend(core, folder):
    program = "import importlib.metadata as m; print(*{found.metadata['Name'].lower() for found in m.distributions()})"
    names = set(run(str(core / "python"), "-c", program, cwd=folder).split())
    assert {"keras", "pandas", "matplotlib", "tensorboard"} <= names
    assert not {"tensorflow", "jax", "torch", "nltk", "statsmodels", "babel", "scikit-learn", "pydot"} & names


def test_the_core_reads_writes_and_diagnoses(core, folder):
    program = """
import math
from rnn_tutorial import diagnosis, drawing, recording
with recording.Run("logs/by_hand") as run:
    for epoch in range(6):
        run.part("train").scalar("epoch_loss", math.nan if epoch > 2 else 1.0, epoch)
print(len(drawing.png(drawing.curves({"loss": [1.0, 0.5]}))) > 1000)
"""
    assert run(str(core / "python"), "-c", program, cwd=folder) == "True\n"
    done = subprocess.run(
        [core / "rnn-tutorial", "diagnose", "logs/by_hand"],
        check=False,
        cwd=folder,
        env=ENVIRONMENT,
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stderr) == (3, "")  # something severe
    assert re.search(r"^ *severe +nan ", done.stdout, re.MULTILINE)


@pytest.mark.parametrize("backend", ["tensorflow", "jax", "torch"])
@pytest.mark.parametrize(
    "statement",
    [
        "from rnn_tutorial import callbacks",
        "from rnn_tutorial.callbacks import observe",
        "from rnn_tutorial import inspection",
        "from rnn_tutorial import models",
        "from rnn_tutorial.models import letter_predictor",
        "from rnn_tutorial.inspection import trace",
        "from rnn_tutorial import drawing; drawing.layers_diagram",
        "from rnn_tutorial import backend",
    ],
)
def test_a_missing_backend_is_one_sentence(core, folder, backend, statement):
    program = f"try:\n    {statement}\nexcept ImportError as error:\n    print(error)"
    said = subprocess.run(
        [core / "python", "-c", program],
        check=False,
        cwd=folder,
        env={**ENVIRONMENT, "KERAS_BACKEND": backend},
        capture_output=True,
        text=True,
    )
    assert said.stdout == (
        f"Keras runs on {backend}, which is not installed: pip install 'rnn-tutorial[{backend}]', "
        "or choose another backend with the environment variable KERAS_BACKEND\n"
    )
    assert said.stderr == ""


@pytest.mark.parametrize(
    ("command", "extra"),
    [
        (["letters", "abc", "--epochs", "1"], "tensorflow"),
        (["forecast", "sales.csv"], "lessons"),
    ],
)
def test_a_command_that_trains_says_what_is_missing(core, folder, command, extra):
    (folder / "sales.csv").write_text("month,sales\n2024-01,3\n2024-02,4\n2024-03,5\n", encoding="utf-8")
    done = subprocess.run(
        [core / "rnn-tutorial", *command],
        check=False,
        cwd=folder,
        env=ENVIRONMENT,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert f"pip install 'rnn-tutorial[{extra}]'" in line


@pytest.mark.parametrize("backend", ["tensorflow", "jax"])
def test_the_doctor_of_the_core(core, folder, backend):
    """It asks for the backend that Keras is to run on, and for no other."""
    done = subprocess.run(
        [core / "rnn-tutorial", "doctor"],
        check=False,
        cwd=folder,
        env={**ENVIRONMENT, "KERAS_BACKEND": backend},
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stderr) == (1, "")
    missing = [line for line in done.stdout.splitlines() if line.startswith("--")]
    necessary = [line.split()[1] for line in missing if not line.endswith("(not necessary)")]
    assert set(necessary) - {"setuptools"} == {"Keras", *(["TensorFlow"] if backend == "tensorflow" else [])}
    assert sum(f"pip install 'rnn-tutorial[{backend}]'" in line for line in missing) == 1
    assert sum("pip install 'rnn-tutorial[lessons]' (not necessary)" in line for line in missing) == 6
