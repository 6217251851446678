"""`python lessons`: one line a lesson, a failing one does not hide the others, no events is a failure."""

import pathlib
import re
import shutil
import subprocess
import sys

import pytest

RUNNER = pathlib.Path(__file__).parent.parent / "lessons" / "__main__.py"
GOOD = "import sys, pathlib; pathlib.Path(sys.argv[2], 'run.tfevents.1').write_text('x'); print('fine')"


@pytest.fixture
def course(tmp_path):
    """A course of lessons that take no time: {name: program} -> the runner's result."""

    def run(lessons, *arguments):
        folder = tmp_path / "lessons"
        folder.mkdir()
        shutil.copy(RUNNER, folder)
        for name, program in lessons.items():
            (folder / f"{name}.py").write_text(program)
        return subprocess.run(
            [sys.executable, "lessons", *arguments],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    return run


def test_all_well(course, tmp_path):
    ran = course({"02_b": GOOD, "01_a": GOOD})
    assert ran.returncode == 0
    lines = ran.stdout.splitlines()
    assert re.fullmatch(r"01_a +0 s  logs.01_a", lines[0])
    assert re.fullmatch(r"02_b +0 s  logs.02_b", lines[1])
    assert lines[2].startswith("2 of 2 lessons ran to their end")
    assert lines[3].endswith("--logdir logs")
    assert lines[4].endswith(" http://localhost:6006/#rnn_tutorial")
    assert (tmp_path / "logs" / "01_a" / "output.txt").read_text() == "fine\n"


def test_a_failure_hides_nothing(course):
    ran = course({"01_a": "raise RuntimeError('out of ink')", "02_b": GOOD})
    assert ran.returncode == 1
    assert "RuntimeError: out of ink" in ran.stdout
    assert re.search(r"02_b +0 s", ran.stdout)
    assert "1 of 2 lessons ran to their end" in ran.stdout
    assert "Failed: 01_a" in ran.stdout


def test_no_events_is_a_failure(course):
    ran = course({"01_a": "print('nothing to see')"})
    assert ran.returncode == 1
    assert "it left no event file" in ran.stdout


def test_some_of_them(course):
    ran = course({"01_a": GOOD, "02_b": GOOD}, "02")
    assert ran.returncode == 0
    assert "01_a" not in ran.stdout


def test_unknown_number(course):
    ran = course({"01_a": GOOD}, "07")
    assert ran.returncode == 2
    assert "there is no lesson 07; there are 01" in ran.stderr
