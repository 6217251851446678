"""The lessons as notebooks: each converts, and two run in a kernel, with their pictures in the cells."""

import base64
import os
import pathlib
import re

import jupytext
import nbclient
import pytest

from rnn_tutorial import lesson

ROOT = pathlib.Path(__file__).parent.parent
SCRIPTS = sorted([*ROOT.glob("lessons/[0-9]*.py"), *ROOT.glob("lessons/solutions/[0-9]*.py")])
PNG = b"\x89PNG\r\n\x1a\n"


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: str(path.relative_to(ROOT / "lessons")))
def test_every_lesson_is_a_notebook(path):
    """Text cells hold text alone, code cells code alone, and nothing of the script is lost."""
    notebook = jupytext.read(path)
    text = path.read_text(encoding="utf-8")
    kinds = [cell.cell_type for cell in notebook.cells]
    assert kinds.count("markdown") == text.count("# %% [markdown]")
    assert set(kinds) == {"markdown", "code"}
    title = notebook.cells[0].source
    assert re.match(r"(Solutions to )?\d\d · ", title)
    assert '"""' not in title
    for cell in notebook.cells:
        if cell.cell_type == "code":
            compile(cell.source, str(path), "exec")
        else:
            assert not re.search(r"^# %%|^import ", cell.source, re.MULTILINE)
    code = "\n".join(cell.source for cell in notebook.cells if cell.cell_type == "code")
    for line in text.splitlines():
        if line and not line.startswith("#"):
            assert line in code or line.strip('"') in title


def run(name, folder, **values):
    """Execute a lesson in a kernel, started in a folder `lessons`, as an editor does; give back the notebook.

    `values` take the place of numbers in capitals, which is what a reader changes in a notebook.
    """
    here = folder / "lessons"
    here.mkdir()
    notebook = jupytext.read(ROOT / "lessons" / f"{name}.py")
    for key, value in values.items():
        (cell,) = (cell for cell in notebook.cells if re.search(rf"^{key} = ", cell.source, re.MULTILINE))
        cell.source = re.sub(rf"^{key} = .*$", f"{key} = {value}", cell.source, flags=re.MULTILINE)
    client = nbclient.NotebookClient(
        notebook, timeout=300, kernel_name="python3", resources={"metadata": {"path": str(here)}}
    )
    client.execute(env={**os.environ, "PYTHONPATH": str(ROOT)})
    return notebook


def outputs(notebook):
    """What the cells print, and the pictures in them."""
    every = [output for cell in notebook.cells if cell.cell_type == "code" for output in cell.outputs]
    printed = "".join(output.text for output in every if output.output_type == "stream")
    errors = "".join(o.text for o in every if o.output_type == "stream" and o.name == "stderr")
    shown = [output.data for output in every if output.output_type == "display_data"]  # Keras shows its summary, too
    pictures = [base64.b64decode(data["image/png"]) for data in shown if "image/png" in data]
    return printed, errors, pictures


@pytest.mark.parametrize(
    ("name", "values", "runs"),
    [
        ("01_forward_by_hand", {}, {"by_hand"}),
        ("02_next_letter", {"EPOCHS": 60, "SEEDS_TO_COMPARE": "range(1)"}, {"training"}),
    ],
)
def test_runs_as_a_notebook(name, values, runs, tmp_path):
    """The kernel's own arguments are not the lesson's; logs lie at the top, pictures in the cells and in files."""
    printed, errors, pictures = outputs(run(name, tmp_path, **values))
    assert errors == ""
    assert "What you found out\n  - " in printed
    assert f"--logdir ../logs/{name}" in printed
    assert runs <= {path.name for path in (tmp_path / "logs" / name).iterdir()}
    files = {path.read_bytes() for path in (tmp_path / "logs" / name).rglob("*.png")}
    assert pictures
    assert all(picture.startswith(PNG) for picture in pictures)
    assert set(pictures) <= files


def test_a_script_that_has_imported_a_kernel_is_no_notebook(monkeypatch):
    import ipykernel  # noqa: F401

    monkeypatch.setattr("sys.argv", ["lesson.py", "--epochs", "7"])
    assert lesson.start("x", epochs=1, quick_epochs=1).epochs == 7
