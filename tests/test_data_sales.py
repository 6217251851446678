import os
import re
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest

from rnn_tutorial.data import sales

VALUES = [100.0, 150.0, 200.0, 250.0, 300.0, 350.0, 400.0, 450.0, 500.0, 550.0, 600.0, 650.0]
MONTHS = [f"2024-{month:02d}" for month in range(1, 13)]


def write(folder, content, encoding="utf-8", name="shop.csv"):
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode(encoding))
    return path


def lines(cells, header="month,sales", dates=MONTHS, delimiter=","):
    """Lay out one line per month; `cells` replace the values from the first month on."""
    cells = [*cells, *(f"{value:.0f}" for value in VALUES[len(cells) :])]
    rows = [f"{date}{delimiter}{cell}" for date, cell in zip(dates, cells, strict=True)]
    return "\n".join([header, *rows] if header else rows) + "\n"


def with_cell(row, cell, **layout):
    """Lay out twelve months with `cell` as the value in one row, the header being row 1."""
    cells = [f"{value:.0f}" for value in VALUES]
    cells[row - 2] = cell
    return lines(cells, **layout)


def refusal(path, error=ValueError, **arguments):
    """Return the message with which read_csv refuses a file, checked for what all of them have in common."""
    with pytest.raises(error) as caught:
        sales.read_csv(path, **arguments)
    message = str(caught.value)
    assert os.path.basename(path) in message
    assert "expected" in message
    assert "\n" not in message
    assert caught.value.__suppress_context__ or caught.value.__context__ is None
    return message


# TWELVE_MONTHS


def test_twelve_months_are_those_of_the_course():
    expected = pd.Series(VALUES, index=pd.PeriodIndex(MONTHS, freq="M"), name="sales")
    pd.testing.assert_series_equal(sales.TWELVE_MONTHS, expected)


def test_module_loads_without_keras_or_tensorflow():
    code = (
        "import importlib.util as u, sys; s = u.spec_from_file_location('sales', sys.argv[1]); "
        "m = u.module_from_spec(s); sys.modules['sales'] = m; s.loader.exec_module(m); "
        "print(sorted({'keras', 'tensorflow', 'jax', 'matplotlib'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, sales.__file__], capture_output=True, text=True, check=True, timeout=120
    )
    assert done.stdout.strip() == "[]"


# read_csv: what it can read


def test_returns_a_sorted_monthly_float_series_named_as_the_column(tmp_path):
    path = write(tmp_path, lines([]))
    series = sales.read_csv(path)
    assert isinstance(series.index, pd.PeriodIndex)
    assert series.index.freqstr == "M"
    assert series.dtype == np.float64
    pd.testing.assert_series_equal(series, sales.TWELVE_MONTHS)


def test_path_may_be_a_string(tmp_path):
    assert sales.read_csv(str(write(tmp_path, lines([])))).tolist() == VALUES


def test_reads_back_what_pandas_writes(tmp_path):
    path = tmp_path / "shop.csv"
    sales.TWELVE_MONTHS.to_csv(path)
    pd.testing.assert_series_equal(sales.read_csv(path), sales.TWELVE_MONTHS)


def test_reads_back_what_pandas_writes_without_a_name(tmp_path):
    path = tmp_path / "shop.csv"
    sales.TWELVE_MONTHS.rename(None).to_csv(path)
    series = sales.read_csv(path)
    assert series.tolist() == VALUES
    assert series.name == "0"


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
@pytest.mark.parametrize("header", [True, False])
def test_delimiters_with_and_without_header(tmp_path, delimiter, header):
    path = write(tmp_path, lines([], header=f"month{delimiter}sales" if header else None, delimiter=delimiter))
    series = sales.read_csv(path)
    assert series.tolist() == VALUES
    assert series.index.astype(str).tolist() == MONTHS
    assert series.name == ("sales" if header else "2")


@pytest.mark.parametrize("ending", ["\n", "\r\n", "\r"])
def test_line_endings(tmp_path, ending):
    path = write(tmp_path, lines([]).replace("\n", ending))
    assert sales.read_csv(path).tolist() == VALUES


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gb18030"])
def test_encodings_with_chinese_headers(tmp_path, encoding):
    path = write(tmp_path, lines([], header="月份,销售额"), encoding)
    series = sales.read_csv(path)
    assert series.tolist() == VALUES
    assert series.name == "销售额"
    pd.testing.assert_series_equal(sales.read_csv(path, date="月份", value="销售额"), series)


def test_byte_order_mark_does_not_hide_a_quoted_header(tmp_path):
    path = write(tmp_path, lines([], header='"month","sales"'), "utf-8-sig")
    assert sales.read_csv(path, date="month").tolist() == VALUES


@pytest.mark.parametrize(
    "form",
    [
        "{year}-{month:02d}",
        "{year}-{month}",
        "{year}-{month:02d}-28",
        "{year}-{month:02d}-01T00:00:00",
        "{year}-{month:02d}-01 23:59:59.5",
        "{year}-{month:02d}-01T00:00:00+08:00",
        "{year}/{month}",
        "{year}/{month}/28",
        "{year}/{month}/1 0:00",
        "{year}.{month}",
        "{year}.{month:02d}.01",
        "{year}年{month}月",
        "{year}年{month:02d}月28日",
        "{year} 年 {month} 月",
        "  {year}-{month:02d}  ",
        '"{year}-{month:02d}"',
    ],
)
@pytest.mark.parametrize("header", ["month,sales", None])
def test_forms_of_dates(tmp_path, form, header):
    dates = [form.format(year=2023 + month // 12, month=month % 12 + 1) for month in range(6, 18)]
    series = sales.read_csv(write(tmp_path, lines([], header=header, dates=dates)))
    assert series.tolist() == VALUES
    assert series.index.astype(str).tolist() == [
        *(f"2023-{month:02d}" for month in range(7, 13)),
        *(f"2024-{month:02d}" for month in range(1, 7)),
    ]


def test_last_day_of_a_leap_february(tmp_path):
    path = write(tmp_path, lines([], dates=["2024-01-31", "2024-02-29", *MONTHS[2:]]))
    assert str(sales.read_csv(path).index[1]) == "2024-02"


@pytest.mark.parametrize(
    ("delimiter", "cell", "expected"),
    [
        (",", "1234.5", 1234.5),
        (",", '"1,234.5"', 1234.5),
        (",", '"1,234"', 1234.0),
        (",", ' "1,234"', 1234.0),
        (",", '"1,234,567.25"', 1234567.25),
        (",", '"1.234,56"', 1234.56),
        (",", '"12,5"', 12.5),
        (",", "1 234", 1234.0),
        (",", "1'234.5", 1234.5),
        (",", "-12.5", -12.5),
        (",", "+12", 12.0),
        (",", "1.5e3", 1500.0),
        (",", ".5", 0.5),
        (",", "100.", 100.0),
        (",", "１２３４．５", 1234.5),
        (",", "−7", -7.0),
        (";", "1,234", 1234.0),
        ("\t", "1,234", 1234.0),
        (";", "1,234.5", 1234.5),
        (";", "12,5", 12.5),
        ("\t", "12,5", 12.5),
        (";", "1234,567", 1234.567),
        (";", "0,123", 0.123),
        (";", "1.234,56", 1234.56),
        (";", "1.234.567", 1234567.0),
        (";", "1.234.567,8", 1234567.8),
        (";", "1 234", 1234.0),
        (";", "1 234,567", 1234.567),
        (";", "1\u00a0234,5", 1234.5),
        (";", "1\u202f234.5", 1234.5),
        (";", "1\u2009234\u2009567", 1234567.0),
        (";", "1'234'567", 1234567.0),
        (";", "1\u2019234,5", 1234.5),
        (";", "12.5", 12.5),
    ],
)
def test_forms_of_numbers(tmp_path, delimiter, cell, expected):
    path = write(tmp_path, with_cell(4, cell, header=f"month{delimiter}sales", delimiter=delimiter))
    series = sales.read_csv(path)
    assert series["2024-03"] == expected
    assert series.drop(pd.Period("2024-03", freq="M")).tolist() == VALUES[:2] + VALUES[3:]


def test_one_unambiguous_cell_decides_the_decimal_mark_of_the_whole_column(tmp_path):
    comma = write(tmp_path, lines(["1,234", "1.234", "12,5"], header="m;s", delimiter=";"), name="comma.csv")
    point = write(tmp_path, lines(["1,234", "1.234", "12.5"], header="m;s", delimiter=";"), name="point.csv")
    assert sales.read_csv(comma).tolist()[:4] == [1.234, 1234.0, 12.5, 250.0]
    assert sales.read_csv(point).tolist()[:4] == [1234.0, 1.234, 12.5, 250.0]


def test_each_column_decides_for_itself(tmp_path):
    content = lines([f"{value:.0f};0,5" for value in VALUES], header="month;sales;rate", delimiter=";")
    content = content.replace(";100;", ";1,234;")
    assert sales.read_csv(write(tmp_path, content), value="sales").iloc[0] == 1234.0
    assert sales.read_csv(write(tmp_path, content), value="rate").iloc[0] == 0.5


def test_rows_in_any_order_with_blank_lines(tmp_path):
    header, *rows = lines([]).splitlines()
    content = "\n".join(["", header, "", *rows[::-1], "  ", ",", "", ""])
    pd.testing.assert_series_equal(sales.read_csv(write(tmp_path, content)), sales.TWELVE_MONTHS)


def test_extra_columns_are_passed_over(tmp_path):
    rows = [f"north,{month},{value},remark\n" for month, value in zip(MONTHS, VALUES, strict=True)]
    series = sales.read_csv(write(tmp_path, "region,month,units,note\n" + "".join(rows)))
    assert series.tolist() == VALUES
    assert series.name == "units"


def test_short_rows_pass_where_only_a_remark_is_missing(tmp_path):
    content = lines([f"{value}" for value in VALUES], header="month,sales,note")
    assert sales.read_csv(write(tmp_path, content)).tolist() == VALUES


def test_columns_by_name(tmp_path):
    rows = [f"{month},{value},{2 * value}\n" for month, value in zip(MONTHS, VALUES, strict=True)]
    path = write(tmp_path, "month,sales,profit\n" + "".join(rows))
    assert sales.read_csv(path, value="sales").tolist() == VALUES
    assert sales.read_csv(path, date="month", value=" profit ").tolist() == [2 * value for value in VALUES]


@pytest.mark.parametrize(("date", "value"), [("3", "1"), (3, 1), (None, "1"), (np.int64(3), None)])
def test_columns_by_position_without_header(tmp_path, date, value):
    rows = [f"{value},x,{month}\n" for month, value in zip(MONTHS, VALUES, strict=True)]
    series = sales.read_csv(write(tmp_path, "".join(rows)), date=date, value=value)
    assert series.tolist() == VALUES
    assert series.name == "1"


def test_a_name_of_digits_comes_before_a_position(tmp_path):
    rows = [f"{month},{value},{2 * value}\n" for month, value in zip(MONTHS, VALUES, strict=True)]
    path = write(tmp_path, "month,2023,2024\n" + "".join(rows))
    assert sales.read_csv(path, value="2024").tolist() == [2 * value for value in VALUES]
    assert sales.read_csv(path, value=2).name == "2023"


def test_sales_that_look_like_dotted_months_are_still_numbers(tmp_path):
    path = write(tmp_path, lines([f"20{month + 10}.{month}" for month in range(1, 13)]))
    series = sales.read_csv(path)
    assert series.name == "sales"
    assert series.tolist()[:2] == [2011.1, 2012.2]


def test_quoted_line_breaks_count_as_lines(tmp_path):
    content = lines(["100", "150", "x"], header='"month",sales,"a\nremark"')
    assert "row 5" in refusal(write(tmp_path, content))


def test_horizon_plus_eight_observations_are_enough(tmp_path):
    assert len(sales.read_csv(write(tmp_path, lines([])), horizon=4)) == 12


# read_csv: what it refuses


def test_missing_file(tmp_path):
    message = refusal(tmp_path / "absent.csv", FileNotFoundError)
    assert "No such file" in message


def test_directory(tmp_path):
    (tmp_path / "shop.csv").mkdir()
    assert "is a directory" in refusal(tmp_path / "shop.csv", OSError)


def test_unreadable_file(tmp_path, monkeypatch):
    path = write(tmp_path, lines([]))

    def denied(self, mode):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(type(path), "open", denied)
    assert "Permission denied" in refusal(path, PermissionError)


@pytest.mark.parametrize("path", [None, 3, b"shop.csv", "shop\0.csv"])
def test_path_that_is_none(path):
    with pytest.raises(ValueError, match=re.escape(f"path must be the path of a CSV file, received {path!r}")):
        sales.read_csv(path)


@pytest.mark.parametrize("content", ["", "\n\n", "\ufeff", " \n,\n"])
def test_empty_file(tmp_path, content):
    assert "the file is empty" in refusal(write(tmp_path, content))


def test_header_only(tmp_path):
    message = refusal(write(tmp_path, "month,sales\n\n"))
    assert "'month', 'sales'" in message
    assert "no rows" in message


def test_undecodable_file(tmp_path):
    content = lines([]).encode().replace(b"200", b"2\x98\x81\xff0")
    message = refusal(write(tmp_path, content))
    assert "row 4" in message
    assert r"\x98\x81\xff" in message
    assert "UTF-8" in message


def test_nul_bytes(tmp_path):
    message = refusal(write(tmp_path, lines([]).replace("200", "2\0000")))
    assert "row 4" in message
    assert "NUL" in message


def test_workbook(tmp_path):
    assert "row 1" in refusal(write(tmp_path, b"PK\x03\x04\x14\x00\x06\x00\x08\x00", name="shop.xlsx"))


@pytest.mark.parametrize("cell", ['"200', '"2"00'])
def test_broken_quotes(tmp_path, cell):
    message = refusal(write(tmp_path, with_cell(4, cell)))
    assert "row 4" in message
    assert "quotes" in message


def test_a_cell_too_long_for_the_csv_module(tmp_path):
    assert "row 4" in refusal(write(tmp_path, with_cell(4, "9" * 200_000)))


def test_no_date_column(tmp_path):
    content = lines([], dates=[f"{month}. Monat" for month in range(1, 13)])
    message = refusal(write(tmp_path, content))
    assert "no date column" in message
    assert "'month', 'sales'" in message
    assert "row 2 holds '1. Monat', '100'" in message


def test_unknown_delimiter_is_told_by_its_row(tmp_path):
    message = refusal(write(tmp_path, lines([], header="month^sales", delimiter="^")))
    assert "no date column among 'month^sales' (row 2 holds '2024-01^100')" in message


@pytest.mark.parametrize("cells", [["many"] * 12, [""] * 12])
def test_no_numeric_column(tmp_path, cells):
    message = refusal(write(tmp_path, lines(cells)))
    assert "no numeric column" in message
    assert "'month', 'sales'" in message


def test_dates_alone(tmp_path):
    assert "no numeric column" in refusal(write(tmp_path, "month\n" + "\n".join(MONTHS)))


def test_several_numeric_columns(tmp_path):
    rows = [f"{month},{value},x,{value}\n" for month, value in zip(MONTHS, VALUES, strict=True)]
    message = refusal(write(tmp_path, "month,sales,note,profit\n" + "".join(rows)))
    assert "'sales', 'profit'" in message
    assert "value=" in message
    assert "'note'" not in message


def test_several_date_columns(tmp_path):
    rows = [f"{month},{value},{month}-15\n" for month, value in zip(MONTHS, VALUES, strict=True)]
    path = write(tmp_path, "ordered,sales,paid\n" + "".join(rows))
    message = refusal(path)
    assert "'ordered', 'paid'" in message
    assert "date=" in message
    assert sales.read_csv(path, date="paid").tolist() == VALUES


@pytest.mark.parametrize("argument", ["date", "value"])
@pytest.mark.parametrize("wanted", ["revenue", "", "3", 3, "0"])
def test_named_column_that_is_not_there(tmp_path, argument, wanted):
    message = refusal(write(tmp_path, lines([])), **{argument: wanted})
    assert f"{argument}={wanted!r}" in message
    assert "'month', 'sales'" in message


def test_named_column_of_a_file_without_header(tmp_path):
    message = refusal(write(tmp_path, lines([], header=None)), value="sales")
    assert "value='sales'" in message
    assert "'1', '2'" in message


def test_name_that_two_columns_have(tmp_path):
    rows = [f"{month},{value},{2 * value}\n" for month, value in zip(MONTHS, VALUES, strict=True)]
    path = write(tmp_path, "month,sales,sales\n" + "".join(rows))
    assert "2 columns have the name value='sales'" in refusal(path, value="sales")
    assert sales.read_csv(path, value=2).tolist() == VALUES


def test_one_column_named_twice(tmp_path):
    message = refusal(write(tmp_path, lines([])), date="month", value=1)
    assert "date='month' and value=1 name the same column" in message


@pytest.mark.parametrize("wanted", [0, -1, 1.0, True, ["sales"]])
@pytest.mark.parametrize("argument", ["date", "value"])
def test_column_argument_of_a_wrong_kind(tmp_path, argument, wanted):
    with pytest.raises(ValueError, match=re.escape(f"received {wanted!r}")) as caught:
        sales.read_csv(write(tmp_path, lines([])), **{argument: wanted})
    assert str(caught.value).startswith(argument)


@pytest.mark.parametrize("horizon", [0, -3, 1.0, "1", None, True])
def test_horizon_of_a_wrong_kind(tmp_path, horizon):
    with pytest.raises(ValueError, match=re.escape(f"horizon must be an integer of at least 1, received {horizon!r}")):
        sales.read_csv(write(tmp_path, lines([])), horizon=horizon)


def test_too_few_cells(tmp_path):
    message = refusal(write(tmp_path, lines([]).replace("2024-03,200", "2024-03")))
    assert "row 4: found 1 cell, '2024-03'; expected 2 as in row 1" in message


def test_too_many_cells_from_an_unquoted_thousands_separator(tmp_path):
    message = refusal(write(tmp_path, with_cell(4, "1,234")))
    assert "row 4: found 3 cells, '2024-03', '1', '234'; expected 2 as in row 1" in message


def test_rows_of_different_widths_without_header(tmp_path):
    message = refusal(write(tmp_path, lines(["1,010", "1,020", "950"], header=None)), value=2)
    assert "row 3: found 2 cells, '2024-03', '950'; expected 3 as in row 1" in message


@pytest.mark.parametrize("cell", ["", "NaN", "n/a", "-", "NULL", "#N/A", "—", " "])
def test_missing_values(tmp_path, cell):
    message = refusal(write(tmp_path, with_cell(4, cell)))
    assert f"row 4: {cell.strip()!r} in column 'sales' is a missing value" in message


@pytest.mark.parametrize(
    "cell",
    ["abc", "12 pieces", "€12", "12%", "1_000", "0x10", "1.2.3", "1 23", "12 34.5", "100²", "1e", "--5", "٣"],
)
def test_values_that_are_not_numbers(tmp_path, cell):
    message = refusal(write(tmp_path, with_cell(4, cell)))
    assert f"row 4: {cell!r} in column 'sales' is not a number" in message


@pytest.mark.parametrize("cell", ["1,23,456", "12,34.5", "1.234,5.6", "1,234.567,8"])
def test_misplaced_separators(tmp_path, cell):
    message = refusal(write(tmp_path, with_cell(4, cell, header="month;sales", delimiter=";")))
    assert f"row 4: {cell!r} in column 'sales' is not a number" in message


@pytest.mark.parametrize("cell", ["inf", "-inf", "Infinity", "∞", "1e999", "-1e999"])
def test_infinite_values(tmp_path, cell):
    message = refusal(write(tmp_path, with_cell(4, cell)))
    assert f"row 4: {cell!r} in column 'sales' is infinite" in message


def test_long_cells_are_shortened(tmp_path):
    message = refusal(write(tmp_path, with_cell(4, "x" * 5000)))
    assert "row 4: 'xxx" in message
    assert len(message) < 400


def test_decimal_marks_that_contradict_each_other(tmp_path):
    cells = ["100", "12,5", "1.234,5", "7.25"]
    message = refusal(write(tmp_path, lines(cells, header="month;sales", delimiter=";")))
    assert "'12,5' in row 3 and '7.25' in row 5 have different decimal marks" in message
    assert "'sales'" in message


@pytest.mark.parametrize("other", ["950", "1,050"])
def test_point_that_may_mark_decimals_or_thousands(tmp_path, other):
    cells = [other, "1.050", *["1.100"] * 10]
    message = refusal(write(tmp_path, lines(cells, header="month;sales", delimiter=";")))
    assert f"{other!r} in row 2 and '1.050' in row 3 do not tell" in message


def test_point_before_three_digits_in_every_row_marks_decimals(tmp_path):
    path = write(tmp_path, lines([f"{month}.125" for month in range(1, 13)]))
    assert sales.read_csv(path).tolist() == [month + 0.125 for month in range(1, 13)]


@pytest.mark.parametrize(
    "cell",
    ["foo", "Total", "2024", "01/2024", "2024-1-", "2024-01/15", "24-01", "2024-01-01T25:00", "２０２４"],
)
def test_unreadable_dates(tmp_path, cell):
    message = refusal(write(tmp_path, lines([], dates=[*MONTHS[:2], cell, *MONTHS[3:]])))
    assert "row 4: " in message
    assert "in column 'month' is not a date" in message
    assert cell in message or cell == "２０２４"


def test_missing_date(tmp_path):
    message = refusal(write(tmp_path, lines([], dates=[*MONTHS[:2], "", *MONTHS[3:]])))
    assert "row 4: the date in column 'month' is missing" in message


@pytest.mark.parametrize("cell", ["2024-13", "2024-00", "2024/13/1", "2024年13月", "0000-01"])
def test_impossible_months(tmp_path, cell):
    message = refusal(write(tmp_path, lines([], dates=[*MONTHS[:2], cell, *MONTHS[3:]])))
    assert f"row 4: {cell!r} in column 'month' is no month of the calendar" in message
    assert "1 to 12" in message


@pytest.mark.parametrize(
    ("cell", "days"), [("2024-02-30", 29), ("2023/2/29", 28), ("2024年4月31日", 30), ("2024-01-00", 31)]
)
def test_impossible_days(tmp_path, cell, days):
    message = refusal(write(tmp_path, lines([], dates=[*MONTHS[:2], cell, *MONTHS[3:]])))
    assert f"row 4: {cell!r} in column 'month' is no day of the calendar" in message
    assert f"1 to {days}" in message


def test_half_of_the_dates_being_wrong_still_finds_the_first_wrong_row(tmp_path):
    message = refusal(write(tmp_path, lines([], dates=[*MONTHS[:6], *["?"] * 6])))
    assert "row 8: '?'" in message


def test_half_of_the_values_being_wrong_still_finds_the_first_wrong_row(tmp_path):
    message = refusal(write(tmp_path, lines(["1"] * 6 + ["x"] * 6)))
    assert "row 8: 'x'" in message


def test_misspelt_date_in_the_first_row_is_not_taken_for_a_header(tmp_path):
    message = refusal(write(tmp_path, lines([], header=None, dates=["2024-0l", *MONTHS[1:]])))
    assert "row 1: '2024-0l' in column '1' is not a date" in message


def test_duplicate_months(tmp_path):
    message = refusal(write(tmp_path, lines([], dates=[*MONTHS[:4], "2024-02-15", *MONTHS[5:]])))
    assert "rows 3 and 6 both hold 2024-02" in message
    assert "one row per month" in message


@pytest.mark.parametrize(
    ("dates", "found"),
    [
        ([*MONTHS[:6], *MONTHS[7:], "2025-01"], "1 month missing between 2024-01 and 2025-01: 2024-07;"),
        (
            ["2023-10", *MONTHS[1:]],
            "3 months missing between 2023-10 and 2024-12: 2023-11, 2023-12, 2024-01;",
        ),
        (["2023-11", *MONTHS[1:11], "2025-02"], "2023-12, 2024-01, 2024-12, ...;"),
        (
            ["0024-01", *MONTHS[1:]],
            "24000 months missing between 0024-01 and 2024-12: 0024-02, 0024-03, 0024-04, ...;",
        ),
    ],
)
def test_gaps_in_the_calendar(tmp_path, dates, found):
    assert found in refusal(write(tmp_path, lines([], dates=dates)))


@pytest.mark.parametrize(("observations", "horizon"), [(8, 1), (12, 5)])
def test_too_few_observations(tmp_path, observations, horizon):
    content = "".join(lines([]).splitlines(keepends=True)[: observations + 1])
    message = refusal(write(tmp_path, content), horizon=horizon)
    assert f"found only {observations} observations" in message
    assert f"at least {horizon + 8} to forecast horizon={horizon}" in message


@pytest.mark.parametrize("seed", range(40))
def test_damaged_files_are_read_or_refused_and_never_crash(tmp_path, seed):
    random = np.random.default_rng(seed)
    content = bytearray(lines([f'"{value:,.1f}"' for value in 10 * np.array(VALUES)]).encode())
    for _ in range(int(random.integers(1, 6))):
        content[random.integers(len(content))] = random.integers(256)
    path = write(tmp_path, bytes(content[: random.integers(1, len(content) + 1)]))
    try:
        series = sales.read_csv(path)
    except ValueError:
        series = None
    if series is None:
        refusal(path)
    else:
        assert np.isfinite(series.to_numpy()).all()


@pytest.mark.parametrize(
    ("header", "read"),
    [
        (",0,1", True),
        ("0,1,2", True),
        ("1,2,3", True),
        ("month,2024,x", True),
        (",5,x", False),
        ("month,5,x", False),
    ],
)
def test_numbers_in_the_first_row_are_names_only_where_they_can_hardly_be_sales(tmp_path, header, read):
    rows = [f"{month},{value},x\n" for month, value in zip(MONTHS, VALUES, strict=True)]
    path = write(tmp_path, f"{header}\n" + "".join(rows))
    if read:
        assert sales.read_csv(path).tolist() == VALUES
    else:
        assert "row 1: " in refusal(path)


# windows


def test_windows_of_four_months():
    x, y = sales.windows([1, 2, 3, 4], window=2)
    assert x.tolist() == [[[1.0], [2.0]], [[2.0], [3.0]]]
    assert y.tolist() == [[3.0], [4.0]]


@pytest.mark.parametrize("window", [1, 2, 5, 9])
@pytest.mark.parametrize("horizon", [1, 2, 3])
def test_windows_agree_with_a_loop(window, horizon):
    values = np.random.default_rng(window * 10 + horizon).normal(size=12)
    x, y = sales.windows(values, window, horizon)
    n = 12 - window - horizon + 1
    assert x.shape == (n, window, 1)
    assert y.shape == (n, horizon)
    for start in range(n):
        for step in range(window):
            assert x[start, step, 0] == np.float32(values[start + step])
        for step in range(horizon):
            assert y[start, step] == np.float32(values[start + window + step])


@pytest.mark.parametrize(
    "series",
    [
        sales.TWELVE_MONTHS,
        sales.TWELVE_MONTHS.astype(int),
        sales.TWELVE_MONTHS.astype("Float64"),
        sales.TWELVE_MONTHS.astype(object),
        VALUES,
        tuple(VALUES),
        np.array(VALUES)[::-1][::-1],
    ],
)
def test_windows_of_any_series(series):
    x, y = sales.windows(series, 9, 3)
    assert x[:, :, 0].tolist() == [VALUES[:9]]
    assert y.tolist() == [VALUES[9:]]


@pytest.mark.parametrize("window", [1, 11])
def test_windows_are_owned_contiguous_float32(window):
    values = np.array(VALUES, dtype=np.float32)
    for array in sales.windows(values, window):
        assert array.dtype == np.float32
        assert array.flags.owndata
        assert array.flags.c_contiguous
        assert array.flags.writeable
        array[...] = -1
    assert values.tolist() == VALUES


@pytest.mark.parametrize("argument", ["window", "horizon"])
@pytest.mark.parametrize("value", [0, -1, 2.0, "2", None, True])
def test_windows_with_a_wrong_size(argument, value):
    sizes = {"window": 2, "horizon": 1, argument: value}
    with pytest.raises(ValueError, match=re.escape(f"{argument} must be an integer of at least 1, received {value!r}")):
        sales.windows(VALUES, **sizes)


@pytest.mark.parametrize(
    ("series", "shape"),
    [(np.zeros((12, 1)), "(12, 1)"), (sales.TWELVE_MONTHS.to_frame(), "(12, 1)"), (5.0, "()")],
)
def test_windows_of_more_or_less_than_one_dimension(series, shape):
    with pytest.raises(ValueError, match=re.escape(f"series has shape {shape}; expected one dimension")):
        sales.windows(series, 2)


def test_windows_of_ragged_rows():
    with pytest.raises(ValueError, match="rows of different lengths"):
        sales.windows([[1.0], [1.0, 2.0]], 2)


@pytest.mark.parametrize(("bad", "shown"), [(np.nan, "nan"), (np.inf, "inf"), (-np.inf, "-inf"), (1e39, "1e[+]39")])
def test_windows_of_values_that_are_not_finite(bad, shown):
    with pytest.raises(ValueError, match=rf"series\[3\] is {shown}, one of 2 such values"):
        sales.windows([1.0, 2.0, 3.0, bad, 5.0, bad], 2)


@pytest.mark.parametrize(
    "series",
    [
        ["1", "2", "3"],
        np.array(["1", 2, 3], dtype=object),
        [1j, 2j, 3j],
        np.array(MONTHS, dtype="datetime64[M]"),
    ],
)
def test_windows_of_what_is_not_numbers(series):
    with pytest.raises(ValueError, match=r"series holds values of type .* that are not numbers"):
        sales.windows(series, 1)


def test_windows_of_too_short_a_series():
    message = "series has 4 observations; window=3 with horizon=2 needs at least 5"
    with pytest.raises(ValueError, match=re.escape(message)):
        sales.windows([1, 2, 3, 4], 3, 2)
    assert len(sales.windows([1, 2, 3, 4, 5], 3, 2)[0]) == 1


# split


def test_split_keeps_the_last_quarter_for_validation():
    x, y = sales.windows(sales.TWELVE_MONTHS, 4)  # (8, 4, 1), (8, 1)
    (x_train, y_train), (x_validation, y_validation) = sales.split(x, y)
    assert y_train.tolist() == [[300.0], [350.0], [400.0], [450.0], [500.0], [550.0]]
    assert y_validation.tolist() == [[600.0], [650.0]]
    np.testing.assert_array_equal(x_train, x[:6])
    np.testing.assert_array_equal(x_validation, x[6:])


def test_split_leaves_out_windows_that_reach_into_validation():
    x, y = sales.windows(sales.TWELVE_MONTHS, 3, 3)  # (7, 3, 1), (7, 3)
    (x_train, y_train), (x_validation, y_validation) = sales.split(x, y, validation=2)
    assert y_train.tolist() == [[250.0, 300.0, 350.0], [300.0, 350.0, 400.0], [350.0, 400.0, 450.0]]
    assert y_validation.tolist() == [[500.0, 550.0, 600.0], [550.0, 600.0, 650.0]]
    np.testing.assert_array_equal(x_train, x[:3])
    np.testing.assert_array_equal(x_validation, x[5:])


@pytest.mark.parametrize("horizon", [1, 2, 3, 6])
@pytest.mark.parametrize("validation", [0.1, 0.25, 0.5, 1, 7])
def test_no_validation_target_is_ever_a_training_target(horizon, validation):
    months = np.arange(40)  # each value names its month
    x, y = sales.windows(months, 4, horizon)
    (x_train, y_train), (x_validation, y_validation) = sales.split(x, y, validation)
    assert set(y_train.ravel()).isdisjoint(y_validation.ravel())
    assert y_train.max() + 1 == y_validation.min()  # and no window more than needed is left out
    assert len(x_train) == len(y_train)
    assert len(x_validation) == len(y_validation)
    assert y_validation.max() == 39


@pytest.mark.parametrize(
    ("validation", "number"),
    [(0.25, 5), (0.5, 10), (0.01, 1), (0.37, 7), (0.125, 3), (3, 3), (np.int64(3), 3), (np.float32(0.5), 10)],
)
def test_split_by_share_or_number(validation, number):
    x, y = np.zeros((20, 3, 1)), np.zeros((20, 1))
    (x_train, _), (x_validation, _) = sales.split(x, y, validation)
    assert (len(x_train), len(x_validation)) == (20 - number, number)


@pytest.mark.parametrize("validation", [0, 0.0, 1.0, 1.5, -0.25, -1, np.nan, None, "0.25", True, False])
def test_split_with_a_wrong_validation(validation):
    with pytest.raises(ValueError, match=r"validation must be .*" + re.escape(f"received {validation!r}")):
        sales.split(np.zeros((20, 3, 1)), np.zeros((20, 1)), validation)


@pytest.mark.parametrize(
    ("windows", "horizon", "validation"),
    [(20, 1, 20), (20, 1, 25), (20, 1, 0.99), (1, 1, 0.25), (4, 3, 2), (0, 1, 1)],
)
def test_split_that_leaves_nothing_to_train_on(windows, horizon, validation):
    with pytest.raises(ValueError, match=rf"validation={validation} takes .* of {windows} windows"):
        sales.split(np.zeros((windows, 3, 1)), np.zeros((windows, horizon)), validation)


@pytest.mark.parametrize("shape", [(20,), (20, 1, 1), (20, 0), ()])
def test_split_with_targets_of_a_wrong_shape(shape):
    with pytest.raises(ValueError, match=re.escape(f"y has shape {shape}")):
        sales.split(np.zeros((20, 3, 1)), np.zeros(shape))


@pytest.mark.parametrize("shape", [(19, 3, 1), ()])
def test_split_with_inputs_that_do_not_belong_to_the_targets(shape):
    with pytest.raises(ValueError, match=re.escape(f"x has shape {shape} and y (20, 1)")):
        sales.split(np.zeros(shape), np.zeros((20, 1)))


# Made-up sales


def test_generate_by_hand():
    """Without noise: a line, and around it a profile that repeats, has no mean and the size asked for."""
    series = sales.generate(years=4, trend=0.12, season=0.2, noise=0.0, seed=5, level=100.0)
    assert (len(series), str(series.index[0]), series.name) == (48, "2014-01", "sales")
    rest = series.to_numpy() - 100 * (1 + 0.12 * np.arange(48) / 12)
    np.testing.assert_allclose(rest[12:], rest[:-12], atol=1e-9)
    assert rest[:12].mean() == pytest.approx(0, abs=1e-9)
    assert rest[:12].std() == pytest.approx(20)
    grown = sales.generate(years=4, trend=0.12, season=0.2, noise=0.0, seed=5, level=100.0, multiplicative=True)
    np.testing.assert_allclose(np.log(grown / 100), series.to_numpy() / 100 - 1, atol=1e-9)


def test_generate_with_what_may_go_wrong():
    plain = sales.generate(years=8, noise=0.1, seed=6)
    pd.testing.assert_series_equal(plain, sales.generate(years=8, noise=0.1, seed=6))
    assert not np.allclose(plain, sales.generate(years=8, noise=0.1, seed=7))
    moved = (sales.generate(years=8, noise=0.1, seed=6, shift=0.5) - plain).to_numpy()
    (at,) = np.flatnonzero(np.diff(moved) > 1)
    assert 31 <= at < 64
    np.testing.assert_allclose(moved, np.where(np.arange(96) > at, 250.0, 0.0), atol=1e-9)
    off = (sales.generate(years=8, noise=0.1, seed=6, outliers=3) - plain).to_numpy()
    np.testing.assert_allclose(np.sort(np.abs(off))[-4:], [0, 400, 400, 400], atol=1e-9)
    louder = sales.generate(years=100, trend=0.0, season=0.0, noise=0.1, seed=6, noise_growth=2.0).to_numpy()
    assert louder[:120].std() == pytest.approx(50, rel=0.3)
    assert louder[-120:].std() == pytest.approx(150, rel=0.3)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [({"years": 0}, "years must be"), ({"outliers": -1}, "outliers must be"), ({"seed": 0.5}, "seed must be")],
)
def test_generate_with_wrong_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        sales.generate(**arguments)


def test_practice_is_of_one_size_and_of_many_kinds():
    made = sales.practice(samples=500, months=48, seed=1)
    assert (made.shape, made.dtype) == ((500, 48), np.float32)
    assert np.isfinite(made).all()
    np.testing.assert_array_equal(made, sales.practice(samples=500, months=48, seed=1))
    np.testing.assert_allclose(made[:, 35], 0, atol=1e-6)
    np.testing.assert_allclose(np.abs(made[:, 12:36] - made[:, :24]).mean(axis=1), 1, rtol=1e-3)
    # As last year is a good forecast of some, and a poor one of others.
    naive = np.abs(made[:, 36:] - made[:, 24:36]).mean(axis=1)
    assert np.quantile(naive, 0.05) < 0.6
    assert np.quantile(naive, 0.95) > 1.7
    with pytest.raises(ValueError, match="months must be an integer of at least 36, received 24"):
        sales.practice(10, 24)
