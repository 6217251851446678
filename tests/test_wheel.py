"""The wheel in a new environment without TensorFlow and Keras: it brings what TensorBoard needs for the tab."""

import importlib.metadata
import json
import os
import pathlib
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
def installed(folder):
    """The folder of programs of an environment with our wheel, TensorBoard and what that brings."""
    source = folder / "source"
    source.mkdir()
    for name in ("pyproject.toml", "requirements.txt", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    shutil.copytree(ROOT / "rnn_tutorial", source / "rnn_tutorial", ignore=shutil.ignore_patterns("__pycache__"))
    run(sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "-w", str(folder / "dist"), str(source), cwd=folder)
    (wheel,) = (folder / "dist").glob("*.whl")
    run(sys.executable, "-m", "venv", str(folder / "environment"), cwd=folder)
    programs = folder / "environment" / ("Scripts" if os.name == "nt" else "bin")
    pip = [str(programs / "python"), "-m", "pip", "install", "-q"]
    versions = [f"{name}=={importlib.metadata.version(name)}" for name in ("tensorboard", "numpy", "google-crc32c")]
    run(*pip, *versions, cwd=folder)
    run(*pip, "--no-deps", str(wheel), cwd=folder)
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
