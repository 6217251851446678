"""Run the lessons in order: `python lessons`, or some of them: `python lessons 02 05 --seed 3`.

Prints one line a lesson, with its time and the folder it wrote; what a lesson itself prints goes to `output.txt` in that
folder. A lesson that fails, or leaves no event file, does not keep the others from running, but fails the whole.
"""

import pathlib
import subprocess
import sys
import time

from rnn_tutorial.lesson import tensorboard_command
from rnn_tutorial.recording import schema

LESSONS = pathlib.Path(__file__).resolve().parent
LOGS = pathlib.Path("logs")


def main(arguments):
    """Run the lessons whose numbers come first, all of them without any; options such as --quick go to each."""
    first_option = next((place for place, argument in enumerate(arguments) if argument.startswith("-")), len(arguments))
    numbers, options = arguments[:first_option], arguments[first_option:]
    lessons = sorted(LESSONS.glob("[0-9][0-9]_*.py"))
    unknown = [number for number in numbers if not any(lesson.name.startswith(f"{number}_") for lesson in lessons)]
    if unknown:
        there = ", ".join(lesson.name[:2] for lesson in lessons)
        print(f"there is no lesson {unknown[0]}; there are {there}", file=sys.stderr)
        return 2
    chosen = [lesson for lesson in lessons if not numbers or lesson.name[:2] in numbers]
    began = time.monotonic()
    failed = [lesson.stem for lesson in chosen if not run(lesson, options)]
    minutes = (time.monotonic() - began) / 60
    print(f"{len(chosen) - len(failed)} of {len(chosen)} lessons ran to their end, in {minutes:.1f} minutes.")
    if failed:
        print(f"Failed: {', '.join(failed)}")
        return 1
    print(f"Now look: {tensorboard_command()} --logdir {LOGS}")
    print(f"The RNN tab: {schema.tab_address()}")
    return 0


def run(lesson, options):
    """Run one lesson and print its line; whether it ended well."""
    folder = LOGS / lesson.stem
    folder.mkdir(parents=True, exist_ok=True)
    output = folder / "output.txt"
    before = events_below(folder)
    print(f"{lesson.stem:24}", end=" ", flush=True)
    began = time.monotonic()
    with output.open("w", encoding="utf-8") as file:
        command = [sys.executable, str(lesson), "--log-dir", str(folder), *options]
        code = subprocess.call(command, stdin=subprocess.DEVNULL, stdout=file, stderr=subprocess.STDOUT)
    seconds = time.monotonic() - began
    if code:
        print(f"FAILED after {seconds:.0f} s with exit code {code}; the end of {output}:", flush=True)
        print("".join(f"    {line}\n" for line in output.read_text(encoding="utf-8").splitlines()[-15:]))
    elif events_below(folder) == before:
        print(f"FAILED: it left no event file in {folder}", flush=True)
    else:
        print(f"{seconds:4.0f} s  {folder}", flush=True)
        return True
    return False


def events_below(folder):
    """The event files in a folder and below it."""
    return {path for path in folder.rglob("*tfevents*") if path.is_file()}


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
