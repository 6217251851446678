"""Numbers of whole columns, read from files: marks, currencies, signs, and what is refused."""

import pytest

from rnn_tutorial.data import monthly_csv

MONTHS = [f"2024-{month:02d}" for month in range(1, 13)]


def read(folder, cells, delimiter=";", **arguments):
    """Read twelve months that repeat the cells."""
    path = folder / "shop.csv"
    column = [cells[index % len(cells)] for index in range(12)]
    rows = [f'{month}{delimiter}"{cell}"' for month, cell in zip(MONTHS, column, strict=True)]
    path.write_text("\n".join([f"month{delimiter}sales", *rows]), encoding="utf-8")
    return monthly_csv.read(path, **arguments)


def values(folder, cells, **arguments):
    return read(folder, cells, **arguments).series.tolist()[: len(cells)]


def refusal(folder, cells, **arguments):
    with pytest.raises(ValueError, match=r"shop\.csv") as caught:
        read(folder, cells, **arguments)
    return str(caught.value)


@pytest.mark.parametrize(
    ("cells", "expected"),
    [
        (["$1,234.00", "$950.50"], [1234, 950.5]),
        (["1.234,56 €", "950,00 €"], [1234.56, 950]),
        (["€ 1.234,56", "€ 950,00"], [1234.56, 950]),
        (["¥1,234,000", "¥950"], [1234000, 950]),
        (["￥1,234,000", "￥950"], [1234000, 950]),
        (["£1,234.5", "£0.5"], [1234.5, 0.5]),
        (["₹1,234.50", "₹2"], [1234.5, 2]),
        (["R$ 1.234,56", "R$ 950,00"], [1234.56, 950]),
        (["US$1,234.50", "US$5"], [1234.5, 5]),
        (["1 234,50 kr", "950,00 kr"], [1234.5, 950]),
        (["1 234,50 zł", "950,00 zł"], [1234.5, 950]),
        (["1 234,50 Kč", "950,00 Kč"], [1234.5, 950]),
        (["CHF 1'234.50", "CHF 950.00"], [1234.5, 950]),
        (["CHF 1’234.50", "CHF 950.00"], [1234.5, 950]),
        (["1234.50 USD", "5.00 USD"], [1234.5, 5]),
        (["EUR 1234,5", "EUR 5,0"], [1234.5, 5]),
        (["1 234,50 ₽", "950,00 ₽"], [1234.5, 950]),
        (["1234元", "950元"], [1234, 950]),
        (["1234円", "950円"], [1234, 950]),
        (["₩1,234,567", "₩950"], [1234567, 950]),
        (["-$5.00", "$7.00"], [-5, 7]),
        (["$-5.00", "$7.00"], [-5, 7]),
        (["-5,00 €", "7,00 €"], [-5, 7]),
        (["(50.5)", "60.5"], [-50.5, 60.5]),
        (["(1,234.50)", "1,200.25"], [-1234.5, 1200.25]),
        (["($5.00)", "$7.00"], [-5, 7]),
        (["$(5.00)", "$7.00"], [-5, 7]),
        (["(50.5)", "(60.5)"], [-50.5, -60.5]),
        (["1\u2009234,5", "950,5"], [1234.5, 950.5]),
        (["1\u202f234\u202f567", "950"], [1234567, 950]),
        (["１２３４．５", "９５０．２５"], [1234.5, 950.25]),
    ],
)
def test_amounts(tmp_path, cells, expected):
    assert values(tmp_path, cells) == expected


@pytest.mark.parametrize("delimiter", [",", "\t", "|"])
def test_amounts_in_other_files(tmp_path, delimiter):
    assert values(tmp_path, ["$1,234.00", "$950.50"], delimiter=delimiter) == [1234, 950.5]


@pytest.mark.parametrize(
    ("cells", "found"),
    [
        (["5", "5", "$5"], "'$5' in column 'sales' is not a number like those in the other rows"),
        (["$5", "$5", "5"], "'5' in column 'sales' is not in $, as other rows are"),
        (["$5", "$5", "€5"], "'€5' in column 'sales' is not in $"),
        (["(5.5)", "-7.5"], "'(5.5)' in column 'sales' is in parentheses, and '-7.5' in row 3 has a minus sign"),
        (["1.5M", "2.5M"], "no numeric column"),
        (["1.5K", "2.5K"], "no numeric column"),
        (["12%", "13%"], "no numeric column"),
        (["5 kg", "6 kg"], "no numeric column"),
        (["Rs.500", "Rs.600"], "no numeric column"),
        (["$.50", "$.60"], "no numeric column"),
        (["5)", "6)"], "no numeric column"),
        (["(-5)", "(-6)"], "no numeric column"),
        (["$5€", "$6€"], "no numeric column"),
        (["<1", "5", "6"], "'<1' in column 'sales' is not a number"),
        (["5*", "5", "6"], "'5*' in column 'sales' is not a number"),
        (["$ -", "$5", "$6"], "'$ -' in column 'sales' is not a number"),
    ],
)
def test_what_is_no_amount(tmp_path, cells, found):
    assert found in refusal(tmp_path, cells)


@pytest.mark.parametrize(
    ("cell", "readings"),
    [("1,300", "1300 or 1.3"), ("12.300", "12.3 or 12300"), ("1,300 €", "1300 or 1.3"), ("-2,450", "-2450 or -2.45")],
)
def test_a_mark_that_every_row_leaves_open_in_a_semicolon_file_is_refused(tmp_path, cell, readings):
    message = refusal(tmp_path, [cell])
    assert f"row 2: {cell!r} in column 'sales' can be {readings}" in message
    assert "--decimal" in message


def test_small_whole_numbers_beside_such_a_mark_do_not_decide(tmp_path):
    assert "'1,300' in column 'sales' can be 1300 or 1.3" in refusal(tmp_path, ["1,300", "2", "1,875"])


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
@pytest.mark.parametrize(
    ("cell", "decimal", "expected"),
    [
        ("1,300", ",", 1.3),
        ("1,300", ".", 1300),
        ("12.300", ",", 12300),
        ("12.300", ".", 12.3),
        ("1.234,5", ",", 1234.5),
    ],
)
def test_a_decimal_mark_that_is_given_decides(tmp_path, delimiter, cell, decimal, expected):
    reading = read(tmp_path, [cell], delimiter, decimal=decimal)
    assert reading.series.tolist() == [expected] * 12
    assert reading.notes == ()


def test_a_decimal_mark_that_is_given_and_does_not_fit(tmp_path):
    message = refusal(tmp_path, ["100", "1.234,5"], decimal=".")
    assert "row 3: '1.234,5' in column 'sales' is not a number with '.' as its decimal mark" in message


@pytest.mark.parametrize("decimal", ["", ";", ".,", 5, True])
def test_decimal_of_a_wrong_kind(tmp_path, decimal):
    with pytest.raises(ValueError, match=r"^decimal must be '\.' or ',', received "):
        read(tmp_path, ["5"], decimal=decimal)


@pytest.mark.parametrize(
    ("cells", "delimiter", "note"),
    [
        (["1,300"], ",", "the comma marks thousands: '1,300' is 1300, and 1.3 with --decimal ,"),
        (["1,300"], "\t", "the comma marks thousands: '1,300' is 1300, and 1.3 with --decimal ,"),
        (["12.300"], ",", "the point marks decimals: '12.300' is 12.3, and 12300 with --decimal ,"),
        (["(50.5)", "60"], ",", "'(50.5)' is -50.5"),
        (["950", "1,300"], ";", "the comma marks thousands: '1,300' is 1300, and 1.3 with --decimal ,"),
    ],
)
def test_what_is_taken_for_granted_is_noted(tmp_path, cells, delimiter, note):
    assert read(tmp_path, cells, delimiter).notes == (note,)


@pytest.mark.parametrize("cells", [["1,234.5", "1,234"], ["12,5", "1,234"], ["100", "250"], ["1,234,567", "1,234"]])
def test_what_is_certain_is_not(tmp_path, cells):
    assert read(tmp_path, cells).notes == ()
