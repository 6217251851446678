"""Dates of whole columns, read from files: what text gives which months, and what is refused."""

import datetime

import babel
import babel.dates
import pytest

from rnn_tutorial.data import sales

LONG = 30  # months, so that each calendar month comes twice


def read(folder, dates, header="date;sales", **arguments):
    path = folder / "shop.csv"
    rows = [f"{date};{100 + index}" for index, date in enumerate(dates)]
    path.write_text("\n".join([header, *rows] if header else rows), encoding="utf-8")
    return sales.read_csv(path, **arguments)


def refusal(folder, dates, **arguments):
    with pytest.raises(ValueError, match=r"shop\.csv") as caught:
        read(folder, dates, **arguments)
    return str(caught.value)


def months_from(year, month, count=LONG):
    return [datetime.date(year + (month - 1 + k) // 12, (month - 1 + k) % 12 + 1, 1) for k in range(count)]


def last_of(date):
    return (date.replace(day=28) + datetime.timedelta(4)).replace(day=1) - datetime.timedelta(1)


def assert_months(series, dates):
    assert series.index.astype(str).tolist() == [f"{date:%Y-%m}" for date in dates]
    assert series.tolist() == [100.0 + index for index in range(len(dates))]


GERMAN = ["Jan", "Feb", "Mrz", "Apr", "Mai", "Jun", "Jul", "Aug", "Sep", "Okt", "Nov", "Dez"]  # as Excel writes them
RUSSIAN = ["янв", "фев", "мар", "апр", "май", "июн", "июл", "авг", "сен", "окт", "ноя", "дек"]
# fmt: off
LOCALES = [
    "en", "de", "de_AT", "fr", "fr_CA", "it", "es", "es_MX", "pt_BR", "nl", "sv", "da", "nb", "fi", "pl", "cs",
    "sk", "hr", "sr_Latn", "sl", "hu", "ro", "ru", "uk", "bg", "el", "tr", "lt", "lv", "et", "vi", "id",
    "th", "ko", "ja", "zh", "he", "hi", "ar", "fa", "ka", "hy", "eu", "ca", "cy", "ga",
]
# fmt: on
ENGLISH = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
CHINESE = ["一", "二", "三", "四", "五", "六", "七", "八", "九", "十", "十一", "十二"]

# How a program or a person writes the first day of a month.
FORMS = {
    "1/31/2019": lambda d: f"{last_of(d).month}/{last_of(d).day}/{d.year}",
    "01/31/2019": lambda d: f"{last_of(d):%m/%d/%Y}",
    "31/01/2019": lambda d: f"{last_of(d):%d/%m/%Y}",
    "31.12.2019": lambda d: f"{last_of(d):%d.%m.%Y}",
    "31-01-2019": lambda d: f"{last_of(d):%d-%m-%Y}",
    "1/1/2019 m/d": lambda d: f"{d.month}/1/{d.year}",
    "01/01/2019 m/d": lambda d: f"{d:%m/%d/%Y}",
    "01/01/2019 d/m": lambda d: f"{d:%d/%m/%Y}",
    "01.01.2019": lambda d: f"{d:%d.%m.%Y}",
    "1.1.2019": lambda d: f"1.{d.month}.{d.year}",
    "1. 1. 2019": lambda d: f"1. {d.month}. {d.year}",
    "15.01.2019": lambda d: f"15.{d:%m.%Y}",
    "05/01/2019 d/m": lambda d: f"05/{d:%m/%Y}",
    "05/01/2019 m/d": lambda d: f"{d:%m}/05/{d.year}",
    "01/01/19 d/m": lambda d: f"{d:%d/%m/%y}",
    "01/01/19 m/d": lambda d: f"{d:%m/%d/%y}",
    "1/31/19": lambda d: f"{d.month}/{last_of(d).day}/{d:%y}",
    "19-01-01": lambda d: f"{d:%y-%m-%d}",
    "01.01.19": lambda d: f"{d:%d.%m.%y}",
    "01/2019": lambda d: f"{d:%m/%Y}",
    "1/2019": lambda d: f"{d.month}/{d.year}",
    "01-2019": lambda d: f"{d:%m-%Y}",
    "01.2019": lambda d: f"{d:%m.%Y}",
    "1.2019": lambda d: f"{d.month}.{d.year}",
    "01/19": lambda d: f"{d:%m/%y}",
    "19/01": lambda d: f"{d:%y/%m}",
    "01-19": lambda d: f"{d:%m-%y}",
    "2019/1": lambda d: f"{d.year}/{d.month}",
    "2019.1": lambda d: f"{d.year}.{d.month}",
    "2019.01": lambda d: f"{d:%Y.%m}",
    "2019 01": lambda d: f"{d:%Y %m}",
    "2019_01": lambda d: f"{d:%Y_%m}",
    "201901": lambda d: f"{d:%Y%m}",
    "20190131": lambda d: f"{last_of(d):%Y%m%d}",
    "2019M01": lambda d: f"{d:%YM%m}",
    "2019M1": lambda d: f"{d.year}M{d.month}",
    "2019-M01": lambda d: f"{d:%Y-M%m}",
    "2019m1": lambda d: f"{d.year}m{d.month}",
    "2019:01": lambda d: f"{d:%Y:%m}",
    "2019年1月份": lambda d: f"{d.year}年{d.month}月份",
    "2019年一月": lambda d: f"{d.year}年{CHINESE[d.month - 1]}月",
    "二〇一九年一月": lambda d: (
        "".join("〇一二三四五六七八九"[int(x)] for x in str(d.year)) + f"年{CHINESE[d.month - 1]}月"
    ),
    "2019年1月31日": lambda d: f"{d.year}年{d.month}月{last_of(d).day}日",
    "2019年01月01日 00:00": lambda d: f"{d:%Y年%m月%d日} 00:00",
    "2019. 1. 31.": lambda d: f"{d.year}. {d.month}. {last_of(d).day}.",
    "２０１９／１": lambda d: f"{d.year}/{d.month}".translate(
        {**{ord(str(k)): 0xFF10 + k for k in range(10)}, 47: "／"}
    ),
    "2019년 1월": lambda d: f"{d.year}년 {d.month}월",
    "2019-01-01 00:00:00 UTC": lambda d: f"{d} 00:00:00 UTC",
    "2019-01-01T00:00:00Z": lambda d: f"{d}T00:00:00Z",
    "2019-01-01T00:00:00.000+02:00": lambda d: f"{d}T00:00:00.000+02:00",
    "2019-01-01 00:00 GMT+1": lambda d: f"{d} 00:00 GMT+1",
    "2019-01-31 23:59:59": lambda d: f"{last_of(d)} 23:59:59",
    "1/1/2019 12:00:00 AM": lambda d: f"{d.month}/1/{d.year} 12:00:00 AM",
    "1/31/2019 11:59 p.m.": lambda d: f"{d.month}/{last_of(d).day}/{d.year} 11:59 p.m.",
    "01.01.2019 0:00": lambda d: f"{d:%d.%m.%Y} 0:00",
    "Jan-19": lambda d: f"{ENGLISH[d.month - 1]}-{d:%y}",
    "JAN-19": lambda d: f"{ENGLISH[d.month - 1].upper()}-{d:%y}",
    "Jan '19": lambda d: f"{ENGLISH[d.month - 1]} '{d:%y}",
    "Jan19": lambda d: f"{ENGLISH[d.month - 1]}{d:%y}",
    "19-Jan": lambda d: f"{d:%y}-{ENGLISH[d.month - 1]}",
    "Jan-2019": lambda d: f"{ENGLISH[d.month - 1]}-{d.year}",
    "2019-Jan": lambda d: f"{d.year}-{ENGLISH[d.month - 1]}",
    "Jan 1, 2019": lambda d: f"{ENGLISH[d.month - 1]} 1, {d.year}",
    "31-Jan-2019": lambda d: f"{last_of(d).day}-{ENGLISH[d.month - 1]}-{d.year}",
    "31-Jan-19": lambda d: f"{last_of(d).day}-{ENGLISH[d.month - 1]}-{d:%y}",
    "01JAN2019": lambda d: f"01{ENGLISH[d.month - 1].upper()}{d.year}",
    "Mrz 19": lambda d: f"{GERMAN[d.month - 1]} {d:%y}",
    "фев.19": lambda d: f"{RUSSIAN[d.month - 1]}.{d:%y}",
    "fevrier 2019": lambda d: babel.dates.format_date(d, "MMMM y", locale="fr").translate(
        {ord("é"): "e", ord("û"): "u"}
    ),
}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("count", [9, LONG])
@pytest.mark.parametrize("header", ["date;sales", None])
def test_months_of_a_column(tmp_path, form, count, header):
    dates = months_from(2018, 8, count)
    assert_months(read(tmp_path, map(FORMS[form], dates), header), dates)


def test_rows_may_be_in_any_order(tmp_path):
    dates = months_from(2019, 1)
    series = read(tmp_path, [FORMS["1/31/2019"](date) for date in reversed(dates)])
    assert series.tolist() == [100.0 + index for index in reversed(range(LONG))]
    assert str(series.index[0]) == "2019-01"


@pytest.mark.parametrize(
    "locale",
    LOCALES,
)
@pytest.mark.parametrize("width", ["MMM", "MMMM", "LLL", "LLLL"])
@pytest.mark.parametrize("form", ["{name}-{date:%y}", "1 {name} {date:%Y}"])
def test_names_of_months_in_the_words_of_many_languages(tmp_path, locale, width, form):
    dates = months_from(2018, 8)
    names = [babel.dates.format_date(date, width, locale=locale) for date in dates]
    assert_months(read(tmp_path, [form.format(name=n, date=d) for n, d in zip(names, dates, strict=True)]), dates)


@pytest.mark.parametrize(
    "locale", ["es", "pt", "ru", "uk", "bg", "lt", "lv", "vi", "ca", "hu", "ko", "ja", "zh", "en", "hr"]
)
@pytest.mark.parametrize("skeleton", ["yMMMM", "yMMM", "yMMMd"])
def test_words_that_a_language_puts_between_month_and_year(tmp_path, locale, skeleton):
    dates = months_from(2018, 8)
    if skeleton not in babel.Locale.parse(locale).datetime_skeletons:
        skeleton = "yMMM"
    cells = [f'"{babel.dates.format_skeleton(skeleton, date, locale=locale)}"' for date in dates]
    assert_months(read(tmp_path, cells), dates)


@pytest.mark.parametrize(
    ("dates", "readings"),
    [
        (
            ["03/04/2019", "04/05/2019", "05/06/2019", "06/07/2019"],
            ["2019-04 (as day/month/year)", "2019-03 (as month"],
        ),
        (["listopad 2019"], ["2019-11", "2019-10", "Croatian"]),
        (
            ["2019.02", "2019.03", "2019.04", "2019.05", "2019.06", "2019.07", "2019.08", "2019.09", "2019.1"],
            ["-01", "-10"],
        ),
        (
            ["2019.1", "2019.11", "2019.12", "2020.01", "2020.02", "2020.03", "2020.04", "2020.05"],
            ["2019-01", "2019-10"],
        ),
        ([f"{name}-01" for name in ENGLISH], ["2001-01", "without its year"]),
        ([f"01-{name}" for name in ENGLISH], ["2001-01", "without its year"]),
        ([f"19-{name}" for name in ENGLISH], ["2019-01", "without its year"]),
        ([f"{month:02d}/01" for month in range(1, 13)], ["2001-01", "without its year"]),
    ],
)
def test_what_can_be_read_in_two_ways_is_refused_with_both(tmp_path, dates, readings):
    message = refusal(tmp_path, dates)
    assert "can be" in message
    assert [reading for reading in readings if reading not in message] == []


def test_a_number_column_that_lost_its_zeros_is_refused(tmp_path):
    dates = [f"{date:%Y.%m}".removesuffix("0") for date in months_from(2018, 8)]
    assert "'2018.1' in column 'date' can be 2018-01" in refusal(tmp_path, dates)


@pytest.mark.parametrize(
    ("form", "other"),
    [
        ("{end}T23:00:00Z", "2019-02"),
        ("{end}T22:00:00.000Z", "2019-02"),
        ("{end} 23:00:00 UTC", "2019-02"),
        ("{end} 18:30:00", "2019-02"),
        ("{end}T19:00:00-05:00", "2019-02"),
        ("{begin}T04:59:59Z", "2018-12"),
    ],
)
def test_times_that_may_belong_to_another_month_elsewhere_are_refused(tmp_path, form, other):
    dates = [form.format(begin=date, end=last_of(date)) for date in months_from(2019, 1, 12)]
    message = refusal(tmp_path, dates)
    assert "can be 2019-01, or " + other in message


def test_summer_time_moves_only_some_months(tmp_path):
    dates = [f"{date}T00:00:00Z" for date in months_from(2019, 1, 3)]
    dates += [f"{date - datetime.timedelta(1)}T23:00:00Z" for date in months_from(2019, 4, 7)]
    assert "'2019-03-31T23:00:00Z' in column 'date' can be 2019-03, or 2019-04" in refusal(tmp_path, dates)


@pytest.mark.parametrize(
    ("cell", "found"),
    [
        ("2019-02-29", "no day of the calendar"),
        ("Total", "is not a date"),
        ("2019", "is not a date"),
        ("FY2019", "is not a date"),
        ("2019M13", "no month of the calendar"),
        ("Q1 2019", "is not a date"),
        ("31年4月", "is not a date"),
        ("平成31年4月", "is not a date"),
        ("108年4月", "is not a date"),
        ("", "is missing"),
    ],
)
def test_one_wrong_cell_is_named(tmp_path, cell, found):
    dates = [f"{date:%Y-%m}" for date in months_from(2019, 1)]
    message = refusal(tmp_path, [*dates[:3], cell, *dates[4:]])
    assert "row 5" in message
    assert found in message


@pytest.mark.parametrize(
    ("form", "cell"),
    [("1/31/2019", "31/1/2019"), ("31.12.2019", "31.02.2019"), ("Jan-19", "Jn-19"), ("201901", "201913")],
)
def test_one_cell_unlike_the_others_is_named_with_what_is_expected(tmp_path, form, cell):
    dates = [FORMS[form](date) for date in months_from(2019, 1)]
    message = refusal(tmp_path, [*dates[:3], cell, *dates[4:]])
    assert f"row 5: {cell!r} in column 'date' is not a date; expected" in message
    assert repr(dates[0]) in message


@pytest.mark.parametrize("cell", ["2024-0l", "31.01.2O24", "Jn-19", "Jan-I9"])
def test_a_misspelt_date_in_the_first_row_is_no_header(tmp_path, cell):
    form = "31.12.2019" if "." in cell else "Jan-19" if "J" in cell else "2019/1"
    dates = [cell, *(FORMS[form](date) for date in months_from(2019, 2))]
    path = tmp_path / "shop.csv"
    path.write_text("\n".join(f"{date};n/a" if date == cell else f"{date};5.5" for date in dates))
    with pytest.raises(ValueError, match="row 1: "):
        sales.read_csv(path)


@pytest.mark.parametrize("form", ["1/31/2019", "01/01/2019 d/m", "Jan-19", "201901", "01/2019"])
def test_gaps_and_doubles_are_told_in_every_form(tmp_path, form):
    dates = [FORMS[form](date) for date in months_from(2019, 1)]
    assert "1 month missing between 2019-01 and 2021-06: 2019-06" in refusal(tmp_path, dates[:5] + dates[6:])
    assert "rows 6 and 32 both hold 2019-05" in refusal(tmp_path, [*dates, dates[4]])


def test_short_years_are_those_of_excel(tmp_path):
    assert_months(read(tmp_path, map(FORMS["Jan-19"], months_from(1949, 1))), months_from(1949, 1))
    assert_months(read(tmp_path, map(FORMS["Jan-19"], months_from(1998, 6))), months_from(1998, 6))


# Year and month in two columns


def two_columns(folder, rows, header, **arguments):
    path = folder / "shop.csv"
    path.write_text("\n".join([header, *rows]), encoding="utf-8")
    return sales.read_csv(path, **arguments)


@pytest.mark.parametrize(
    "month",
    [
        lambda d: f"{d.month}",
        lambda d: f"{d:%m}",
        lambda d: f"M{d:%m}",
        lambda d: ENGLISH[d.month - 1],
        lambda d: babel.dates.format_date(d, "LLLL", locale="pl"),
        lambda d: f"{d.month}月",
    ],
)
@pytest.mark.parametrize("arguments", [{}, {"date": "Year"}, {"date": "Month"}, {"value": "sales"}])
def test_year_and_month_in_two_columns(tmp_path, month, arguments):
    dates = months_from(2018, 8)
    rows = [f"{month(date)},{date.year},{100 + index}" for index, date in enumerate(dates)]
    assert_months(two_columns(tmp_path, rows, "Month,Year,sales", **arguments), dates)


def test_a_month_in_numbers_and_in_words_is_one_month(tmp_path):
    dates = months_from(2018, 8)
    rows = [f"{d.year},{d.month},{ENGLISH[d.month - 1]},{100 + index}" for index, d in enumerate(dates)]
    assert_months(two_columns(tmp_path, rows, "Year,No,Month,sales"), dates)


def test_a_gap_between_year_and_month(tmp_path):
    rows = [f"{d.year},{d.month},5.5" for d in months_from(2018, 8) if d.month != 11]
    with pytest.raises(ValueError, match="3 months missing between 2018-08 and 2021-01: 2018-11"):
        two_columns(tmp_path, rows, "Year,Month,sales")


def test_year_and_month_without_a_header(tmp_path):
    dates = months_from(2018, 8)
    first, *rows = [f"{date.year},{date.month},{100 + index}" for index, date in enumerate(dates)]
    assert_months(two_columns(tmp_path, rows, first), dates)


def test_a_table_with_a_row_per_year_is_no_column_of_months(tmp_path):
    rows = [f"{year},1,5,7" for year in range(2001, 2013)]
    with pytest.raises(ValueError, match="no date column"):
        two_columns(tmp_path, rows, "Year,Jan,Feb,Mar")
