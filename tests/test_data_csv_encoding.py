"""Encodings of whole files."""

import pytest

from rnn_tutorial.data import csv_encoding, monthly_csv, sales

HEADERS = [
    ("utf-8", "月份,销售额"),
    ("utf-8-sig", "année,quantité"),
    ("utf-16", "月份,销售额"),
    ("utf-16-le", "月份,销售额"),
    ("utf-16-be", "month,sales"),
    ("utf-32", "month,sales"),
    ("gb18030", "月份,销售额"),
    ("gb18030", "日期,面积㎡"),
    ("gb18030", "月份,鑫源销售额"),
    ("gb18030", "月,量"),
    ("cp1252", "année,quantité"),
    ("cp1252", "Monat,Größe"),
    ("cp1252", "Monat,Umsatz €"),
    ("cp1252", "mes,año"),
    ("cp1252", "créée,été"),
    ("cp1252", "mês,preço médio"),
    ("latin-1", "måned,beløb"),
    ("big5", "月份,銷售額"),
    ("big5", "日期,營業額"),
    ("cp932", "年月,売上高"),
    ("cp1251", "месяц,продажи"),
    ("cp1251", "Дата,Объём продаж"),
    ("cp1253", "μήνας,πωλήσεις"),
]
# These look like something else.
GIVEN = [("cp949", "월,매출액"), ("euc_jp", "年月,売上高"), ("koi8-r", "месяц,сумма"), ("cp1254", "ay,satış")]


def write(folder, header, encoding):
    path = folder / "shop.csv"
    rows = [f"2024-{month:02d},{100 * month}" for month in range(1, 13)]
    path.write_bytes("\n".join([header, *rows]).encode(encoding))
    return path


@pytest.mark.parametrize(("encoding", "header"), HEADERS)
def test_names_come_out_as_they_were_written(tmp_path, encoding, header):
    series = sales.read_csv(write(tmp_path, header, encoding))
    assert series.name == header.partition(",")[2]
    assert series.tolist() == [100.0 * month for month in range(1, 13)]


@pytest.mark.parametrize(("encoding", "header"), [*HEADERS, *GIVEN])
def test_an_encoding_that_is_given_decides(tmp_path, encoding, header):
    reading = monthly_csv.read(write(tmp_path, header, encoding), encoding=encoding)
    assert reading.series.name == header.partition(",")[2]


@pytest.mark.parametrize(
    ("encoding", "note"), [("gb18030", ("encoding gb18030, --encoding names another",)), ("utf-8", ()), ("utf-16", ())]
)
def test_an_encoding_that_is_found_out_is_noted(tmp_path, encoding, note):
    assert monthly_csv.read(write(tmp_path, "月份,销售额", encoding)).notes == note


@pytest.mark.parametrize("encoding", ["utf-9", "", 5, "hex", "rot13", "a\0b"])
def test_encoding_of_a_wrong_kind(tmp_path, encoding):
    with pytest.raises(ValueError, match=r"^encoding must be the name of a text encoding"):
        sales.read_csv(write(tmp_path, "month,sales", "utf-8"), encoding=encoding)


def test_an_encoding_that_is_given_and_does_not_fit(tmp_path):
    path = write(tmp_path, "month,sales\n2023-12,1", "utf-8")
    path.write_bytes(path.read_bytes().replace(b"2023-12,1", b"2023-12,\xff"))
    with pytest.raises(ValueError, match=r"shop\.csv, row 2: the bytes b'\\xff.* are not utf-8 text"):
        sales.read_csv(path, encoding="UTF8")


@pytest.mark.parametrize("first", range(0x81, 0xFF, 5))
@pytest.mark.parametrize("second", [0x2C, 0x41, 0x7C, 0xA1, 0xE9])
def test_any_bytes_in_a_header_leave_months_and_numbers_as_they_are(tmp_path, first, second):
    path = write(tmp_path, "month,sales", "utf-8")
    path.write_bytes(path.read_bytes().replace(b"sales", bytes([first, second]) + b"s"))
    try:
        text, _ = csv_encoding.decode(path.read_bytes())
    except csv_encoding.EncodingError:
        return
    assert text.splitlines()[1:] == path.read_bytes().decode("latin-1").splitlines()[1:]


def test_months_in_an_encoding_that_is_taken_for_another_are_refused_with_its_name(tmp_path):
    months = ["sty", "lut", "mar", "kwi", "maj", "cze", "lip", "sie", "wrz", "paź", "lis", "gru"]
    path = tmp_path / "shop.csv"
    path.write_bytes("\n".join(["data;suma", *(f"{month}.19;5,5" for month in months)]).encode("cp1250"))
    with pytest.raises(ValueError, match=r"row 11: .*--encoding names another\)$"):
        sales.read_csv(path)
    assert len(sales.read_csv(path, encoding="cp1250")) == 12
