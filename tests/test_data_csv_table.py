"""Files as tables: what stands around the rows, which columns are taken, and how large a file may be."""

import os
import threading
import time

import pytest

from rnn_tutorial.data import sales

MONTHS = [f"{2019 + k // 12}-{k % 12 + 1:02d}" for k in range(24)]
ROWS = [f"{month},{100 + k}" for k, month in enumerate(MONTHS)]
VALUES = [100.0 + k for k in range(24)]


def write(folder, lines):
    path = folder / "shop.csv"
    path.write_text("\n".join(lines), encoding="utf-8")
    return path


def read(folder, lines, **arguments):
    return sales.read_csv(write(folder, lines), **arguments)


def refusal(folder, lines, **arguments):
    with pytest.raises(ValueError, match=r"shop\.csv") as caught:
        read(folder, lines, **arguments)
    return str(caught.value)


# Around the rows


@pytest.mark.parametrize("mark", ["sep=;", '"sep=;"', "sep=|", "sep=\t", "sep=,", "sep=^"])
def test_a_line_of_excel_that_names_the_delimiter(tmp_path, mark):
    delimiter = mark.strip('"')[-1]
    lines = [mark, *(row.replace(",", delimiter) for row in ["month,sales", *ROWS])]
    series = read(tmp_path, lines)
    assert series.tolist() == VALUES
    assert series.name == "sales"


@pytest.mark.parametrize(
    ("above", "rows"),
    [
        (["Category: All categories", ""], "row 1"),
        (["Sales of shop 7"], "row 1"),
        (["Sales of shop 7,"], "row 1"),
        (["Sales of shop 7", "from 2019-01-31"], "rows 1 to 2"),
        (['"Data Source","World Development Indicators",', "", '"Last Updated Date","2024-06-28",', ""], "rows 1 to 3"),
        (["Report,Sales", "Region,North"], "rows 1 to 2"),
        (["Table 1. Sales, in thousands", "Source: office", "", "Notes, see page 2, below"], "rows 1 to 4"),
    ],
)
@pytest.mark.parametrize("header", ["month,sales", "month,sales,remark"])
def test_rows_above_the_header_are_named(tmp_path, above, rows, header):
    message = refusal(tmp_path, [*above, header, *(row + "," * header.count("remark") for row in ROWS)])
    assert "row 1: " in message
    assert f"delete {rows}" in message


@pytest.mark.parametrize("above", [["Sales of shop 7"], ["Sales of shop 7", "in thousands"]])
def test_rows_above_months_without_header_are_named(tmp_path, above):
    rows = "row 1" if len(above) == 1 else "rows 1 to 2"
    assert f"delete {rows}" in refusal(tmp_path, [*above, *ROWS])


def test_rows_above_a_header_of_years_are_named(tmp_path):
    lines = ["Source: office", "", "country,1960,1961,1962", "A,1,2,3", "B,4,5,6"]
    assert "delete row 1" in refusal(tmp_path, lines)


@pytest.mark.parametrize(
    ("below", "rows"),
    [
        (["Total,2676"], "row 26 if it is"),
        (["TOTAL,2676", "Source: office"], "rows 26 to 27"),
        ([",2676"], "row 26 if it is"),
        (["2019,1254", "2020,1422"], "rows 26 to 27"),
        (["FY2019,1254"], "row 26 if it is"),
        (["", "Source: office"], "row 27 if it is"),
        (["* estimated, see page 2, below"], "row 26 if it is"),
        (["Source: office", "* estimated, see page 2, below"], "rows 26 to 27"),
    ],
)
def test_rows_below_the_months_are_named(tmp_path, below, rows):
    message = refusal(tmp_path, ["month,sales", *ROWS, *below])
    assert f"delete {rows}" in message


def test_a_total_in_the_middle_is_named(tmp_path):
    message = refusal(tmp_path, ["month,sales", *ROWS[:12], "Total 2019,1254", *ROWS[12:]])
    assert "row 14: 'Total 2019'" in message
    assert "delete row 14 if it is" in message


@pytest.mark.parametrize("header", ["month,sales", "month,sales,", None])
@pytest.mark.parametrize("end", [",", ",,"])
def test_delimiters_at_the_ends_of_rows(tmp_path, header, end):
    series = read(tmp_path, [header] * bool(header) + [row + end for row in ROWS])
    assert series.tolist() == VALUES


def test_units_in_a_second_header_are_named(tmp_path):
    message = refusal(tmp_path, ["month,sales", ",EUR", *ROWS])
    assert "'month', 'sales' stands above the header" in message


@pytest.mark.parametrize("name", ["2019年以来的月份", "Month (from Jan 2019)", "1st of the month", "Date 2019"])
def test_a_name_with_digits_is_a_name(tmp_path, name):
    assert read(tmp_path, [f"{name},sales", *ROWS]).tolist() == VALUES


# Which columns


@pytest.mark.parametrize("name", ["", "Unnamed: 0"])
@pytest.mark.parametrize("first", [0, 1])
def test_the_index_of_pandas_is_passed_over(tmp_path, name, first):
    lines = [f"{name},month,sales", *(f"{first + k},{row}" for k, row in enumerate(ROWS))]
    assert read(tmp_path, lines).tolist() == VALUES


def test_a_column_without_a_name_that_is_no_index_is_not(tmp_path):
    lines = [",month,sales", *(f"{7 * k % 5},{row}" for k, row in enumerate(ROWS))]
    assert "2 columns hold numbers, '1', 'sales'" in refusal(tmp_path, lines)


def test_an_index_alone_is_no_reason_to_find_no_numbers(tmp_path):
    assert read(tmp_path, ["month,", *(f"{month},{k}" for k, month in enumerate(MONTHS))]).tolist() == list(range(24))


def test_a_second_column_of_months_in_other_words_does_not_matter(tmp_path):
    names = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
    lines = ["month,label,sales", *(f"{m},{names[int(m[5:]) - 1]}-{m[2:4]},{k}" for k, m in enumerate(MONTHS))]
    assert read(tmp_path, lines).tolist() == list(range(24))


@pytest.mark.parametrize("column", ["type", "store"])
def test_series_one_above_the_other_are_told_by_the_column_that_names_them(tmp_path, column):
    lines = [f"{column},month,sales", *(f"{name},{row}" for name in ("north", "south") for row in ROWS)]
    message = refusal(tmp_path, lines)
    assert f"both hold 2019-01, with 'north' and 'south' in column {column!r}" in message
    assert f"keep the rows of one {column!r}" in message


@pytest.mark.parametrize("cut", [2, 6, 12, 23])
def test_series_one_after_the_other_are_not_joined(tmp_path, cut):
    lines = ["month,sales,type", *(f"{row},{'actual' if k < cut else 'budget'}" for k, row in enumerate(ROWS))]
    message = refusal(tmp_path, lines)
    assert f"column 'type' holds 'actual' up to {MONTHS[cut - 1]}, then 'budget'" in message


@pytest.mark.parametrize(
    "text",
    [
        lambda k: "north",
        lambda k: "" if k % 5 else "holiday",
        lambda k: f"remark {k}",
        lambda k: "Q" + str(k // 3 % 4 + 1),
        lambda k: ["winter", "spring", "summer", "autumn"][(k + 1) // 3 % 4],
        lambda k: f"FY{19 + k // 12}",
        lambda k: f"H{k // 6 % 2 + 1} {2019 + k // 12}",
        lambda k: "JFMAMJJASOND"[k % 12],
        lambda k: "promotion" if k in (3, 9, 17) else "none",
    ],
)
def test_other_columns_of_text_are_passed_over(tmp_path, text):
    lines = ["month,sales,text", *(f"{row},{text(k)}" for k, row in enumerate(ROWS))]
    assert read(tmp_path, lines).tolist() == VALUES


# How large


def test_a_large_file_is_refused_before_it_is_read(tmp_path):
    path = tmp_path / "shop.csv"
    with path.open("wb") as file:
        file.truncate(2**30)  # takes no room on the disk
    began = time.perf_counter()
    with pytest.raises(ValueError, match=r"shop\.csv: the file is larger than 8 MB \(1024 MB\)"):
        sales.read_csv(path)
    assert time.perf_counter() - began < 1


@pytest.mark.parametrize("row", [b"1\n", b"2024-01,100\n", b"1\r"])
def test_three_million_rows_are_refused_at_once(tmp_path, row):
    path = tmp_path / "shop.csv"
    path.write_bytes(row * 3_000_000)
    began = time.perf_counter()
    with pytest.raises(ValueError, match=r"shop\.csv: the file (is larger than 8 MB|has 3000000 lines)"):
        sales.read_csv(path)
    assert time.perf_counter() - began < 1


@pytest.mark.skipif(not os.path.exists("/dev/zero"), reason="needs a device without an end")
def test_a_device_without_an_end_is_refused():
    began = time.perf_counter()
    with pytest.raises(ValueError, match="/dev/zero: the file is larger than 8 MB"):
        sales.read_csv("/dev/zero")
    assert time.perf_counter() - began < 1


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_a_pipe_is_read(tmp_path):
    path = tmp_path / "pipe"
    os.mkfifo(path)
    writer = threading.Thread(target=path.write_text, args=["\n".join(["month,sales", *ROWS])])
    writer.start()
    series = sales.read_csv(path)
    writer.join()
    assert series.tolist() == VALUES


def test_a_thousand_years_can_be_read(tmp_path):
    rows = [f"{1 + k // 12:04d}-{k % 12 + 1:02d},{k}" for k in range(12_000)]
    assert len(read(tmp_path, ["month,sales", *rows])) == 12_000
