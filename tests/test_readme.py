"""What the README says is so: its Python runs, its links exist, its commands are the project's own."""

import pathlib
import re
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```python\n(.*?)^```", README, re.MULTILINE | re.DOTALL)


def test_python_blocks(tmp_path, monkeypatch, capsys):
    """In order and in one program, as a reader would type them."""
    monkeypatch.chdir(tmp_path)
    assert len(BLOCKS) >= 5
    program = {}
    for number, block in enumerate(BLOCKS):
        exec(compile(block, f"README block {number}", "exec"), program)
    runs = {path.parent.name for path in tmp_path.rglob("*tfevents*.rnn_tutorial")} - {"train", "validation"}
    assert runs == {"mine", "apart", "checked", "by_hand"}
    assert "700" in capsys.readouterr().out


def test_rows_of_a_table_have_as_many_cells():
    for name in ("README.md", "README.zh-CN.md"):
        cells = 0
        for line in (ROOT / name).read_text(encoding="utf-8").splitlines():
            found = len(re.findall(r"(?<!\\)\|", line)) if line.startswith("|") else 0
            assert found in (0, cells) or not cells, line
            cells = found


def test_links():
    links = re.findall(r"\]\((?!https?:)([^)#]+)", README)
    assert links
    for link in links:
        assert (ROOT / link).exists(), link


def test_every_lesson_is_in_the_table():
    rows = re.findall(r"^\| \[(\d\d_\w+)\]\(lessons/\1\.py\) \| .+ \| \d+\.\d \|$", README, re.MULTILINE)
    assert rows == sorted(path.stem for path in (ROOT / "lessons").glob("[0-9][0-9]_*.py"))


@pytest.mark.parametrize("target", re.findall(r"^make (\w+)", README, re.MULTILINE))
def test_make_targets(target):
    assert re.search(rf"^{target}:", (ROOT / "Makefile").read_text(), re.MULTILINE)


@pytest.mark.parametrize("command", re.findall(r"^rnn-tutorial (\w+)", README, re.MULTILINE))
def test_commands(command):
    """Each command of the README exists."""
    shown = subprocess.run(
        [sys.executable, "-m", "rnn_tutorial.cli", command, "--help"], capture_output=True, text=True, check=False
    )
    assert shown.returncode == 0
    assert command in shown.stdout
