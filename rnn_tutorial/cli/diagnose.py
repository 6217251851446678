"""`rnn-tutorial diagnose`: tell what is wrong with runs, from what they have recorded."""

import argparse
import json
import math
import os
import pathlib

from rnn_tutorial.cli.command import Command, complain

_LONGEST_LINE = 1000  # letters of a name or a sentence


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    parser.add_argument("folders", metavar="RUN", nargs="+", type=pathlib.Path, help="folder of a run, or of several")
    parser.add_argument("--json", action="store_true", help="print JSON for another program, a list of all runs")
    parser.epilog = (
        "A folder that is no run is told, and the others are judged all the same. Exit code: 3 where a run has "
        "something severe, else 2 where a folder is no run, else 0."
    )


def run(arguments: argparse.Namespace) -> int:
    """Run the command and return its exit code."""
    from rnn_tutorial import diagnosis

    code, listed = 0, []
    for folder in _runs(arguments.folders):
        try:
            run_data = diagnosis.read(folder)
        except ValueError as error:
            code = max(code, complain(str(error), 2, arguments))
            continue
        findings = diagnosis.diagnose(run_data)
        code = max(code, 3 * any(finding.severity == "severe" for finding in findings))
        if arguments.json:
            listed.append(_as_json(run_data, findings))
        else:
            _print_findings(run_data, findings)
    if arguments.json:
        print(json.dumps(listed, indent=2, ensure_ascii=False))
    return code


def _runs(folders):
    """Each run in the folders once; a folder without any as it is."""
    from rnn_tutorial import diagnosis

    seen = set()
    for folder in folders:
        try:
            found = diagnosis.runs(folder)
        except ValueError:  # Reading the run says why.
            yield folder
            continue
        for run in found:
            if os.path.realpath(run) not in seen:
                seen.add(os.path.realpath(run))
                yield run


def _as_json(run_data, findings):
    """JSON knows no NaN and no infinity; they are null."""

    def number(value):
        return value if math.isfinite(value) else None

    found = [
        {**vars(finding), "numbers": {name: number(float(value)) for name, value in finding.numbers.items()}}
        for finding in findings
    ]
    return {"run": run_data.name, "problems": run_data.problems, "findings": found}


def _print_findings(run_data, findings):
    count = f"{len(findings)} finding{'s' * (len(findings) != 1)}" if findings else "nothing found"
    print(f"{_line(run_data.name)}: {count}")
    for problem in run_data.problems:
        print(f"  {_line(problem)}")
    rows = [("severity", "rule", "layer", "epochs", "tab", "tag")] if findings else []
    for finding in findings:
        first, last = finding.epochs
        epochs = str(first) if first == last else f"{first}-{last}"
        row = finding.severity, finding.rule, finding.layer or "-", epochs, finding.tab, finding.tag
        rows.append(tuple(map(_line, row)))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for number, row in enumerate(rows):
        print("  " + "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
        if number:
            finding = findings[number - 1]
            follows = f" It follows from {finding.follows}." if finding.follows else ""
            print(f"    {_line(finding.cause + follows)}\n    {_line(finding.advice)}\n      {finding.code}")
    print()


def _line(text):
    """A text as it can be printed on one line: names of layers come from a file, and may be anything."""
    shown = text if text.isprintable() else repr(text)[1:-1]
    return shown if len(shown) <= _LONGEST_LINE else f"{shown[:_LONGEST_LINE]}..."


COMMAND = Command(
    name="diagnose",
    help="tell what is wrong with runs, from what they have recorded",
    add_arguments=add_arguments,
    run=run,
    place=4,
)
