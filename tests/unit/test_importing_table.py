"""Is a file read whatever wrote it, row by row, with each row on its line, and is nothing lost in between?"""

import csv
import io
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.importing.table import LONGEST_CELL, LONGEST_LINE, Row, Table, open_table
from shared.errors import CannotStart

HEADERS = ["Call Id", "Agent", "Date", "Time", "Answered", "Topic"]
ROWS = [["1", "Ann", "2021-01-01", "9:00", "Y", "Zahlungsgebühr für Süßes"], ["2", "Bo", "2021-01-01", "9:01", "N", ""]]
CHINESE = [
    ["流水号", "坐席", "日期", "时间", "是否接通", "业务类型"],
    ["1", "张三", "2021-01-01", "9:00", "是", "合同咨询"],
]


def text_of(rows: list[list[str]], delimiter: str = ",", ends: str = "\r\n") -> str:
    lines = io.StringIO()
    csv.writer(lines, delimiter=delimiter, lineterminator=ends).writerows(rows)
    return lines.getvalue()


def opened(path: Path, content: str | bytes, **how: str) -> Table:
    file = path / "calls.csv"
    file.write_bytes(content if isinstance(content, bytes) else content.encode())
    return open_table(file, "calls", {}, **how)  # type: ignore[arg-type]


def cells(table: Table) -> list[list[str]]:
    return [row.cells for row in table.rows() if row.wrong is None]


def wrong(table: Table) -> list[tuple[int, str]]:
    return [(row.line, str(row.wrong)) for row in table.rows() if row.wrong]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32", "cp1252"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
@pytest.mark.parametrize("ends", ["\r\n", "\n", "\r"])
def test_encodings_and_delimiters_are_found_out(tmp_path: Path, encoding: str, delimiter: str, ends: str) -> None:
    table = opened(tmp_path, text_of([HEADERS, *ROWS], delimiter, ends).encode(encoding))
    assert (list(table.headers), cells(table)) == (HEADERS, ROWS)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "gb18030", "gbk"])
def test_chinese_is_found_out(tmp_path: Path, encoding: str) -> None:
    table = opened(tmp_path, text_of(CHINESE).encode(encoding))
    assert [list(table.headers), *cells(table)] == CHINESE


@pytest.mark.parametrize(
    "content",
    [
        text_of([HEADERS, ["1", "Łukasz Żółć", *ROWS[1][2:]]]).encode("cp1250"),
        text_of([HEADERS, ["1", "김철수", "상담 전화 연결", *ROWS[1][3:]]]).encode("euc-kr"),
        text_of([HEADERS, ["1", "やまだ", "電話", *ROWS[1][3:]]]).encode("euc-jp"),
        text_of([HEADERS, ["1", "Иван", *ROWS[1][2:]]]).encode("cp1251"),
        text_of([HEADERS, ["1", "山田太郎", *ROWS[1][2:]]]).encode("shift-jis"),
        text_of([HEADERS, ["1", "張三", "電話", *ROWS[1][3:]]]).encode("big5"),
    ],
)
def test_an_open_encoding_is_asked_for(tmp_path: Path, content: bytes) -> None:
    with pytest.raises(CannotStart, match="--encoding"):
        opened(tmp_path, content)


def test_an_encoding_may_be_given(tmp_path: Path) -> None:
    table = opened(tmp_path, text_of([HEADERS, ["1", "Иван", *ROWS[1][2:]]]).encode("cp1251"), encoding="cp1251")
    assert cells(table)[0][1] == "Иван"
    with pytest.raises(CannotStart, match="There is no encoding"):
        opened(tmp_path, b"a", encoding="rot13")
    with pytest.raises(CannotStart, match="not in the encoding"):
        opened(tmp_path, b"\xd8\x00\xd8\x00", encoding="utf-16-be")


def test_damage_costs_only_its_row(tmp_path: Path) -> None:
    rows = [[str(n), "张三", "2021-01-01", "9:00", "是", "合同"] for n in range(20)]
    damaged = text_of([HEADERS, *rows]).encode().replace("\r\n7,张三".encode(), b"\r\n7,\xe5\xbc")
    table = opened(tmp_path, damaged)
    assert [row[1] for row in cells(table)].count("张三") == 19
    assert any("\udce5" in cell for row in cells(table) for cell in row), "recognisable, for the row to be refused"


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (b"", "is empty"), (b"\r\n \r\n", "is empty"), (b"PK\x03\x04rest", "is a workbook or an archive"),
        (b"\xd0\xcf\x11\xe0rest", "is a workbook"), (b"\x1f\x8brest", "archive"),
        ("a,b".encode("utf-16-le"), "utf-16-le"),
    ],
)  # fmt: skip
def test_files_that_are_no_csv(tmp_path: Path, content: bytes, what: str) -> None:
    with pytest.raises(CannotStart, match=what):
        opened(tmp_path, content)


def test_files_that_are_not_there(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "none.csv"):
        with pytest.raises(CannotStart, match="There is no file"):
            open_table(path, "calls", {})


def test_lines_above_the_headers_and_blank_ones(tmp_path: Path) -> None:
    text = (
        "Report of calls\r\n\r\nCreated;2021-04-01\r\n"
        + text_of([HEADERS], ";")
        + ";;;;;\r\n\r\n"
        + text_of(ROWS, ";")
        + "\r\n"
    )
    table = opened(tmp_path, text)
    assert table.header_line == 4
    assert [(row.line, row.cells[0]) for row in table.rows()] == [(7, "1"), (8, "2")]


def test_the_delimiter_that_excel_names(tmp_path: Path) -> None:
    assert cells(opened(tmp_path, "sep=^\r\n" + text_of([HEADERS, *ROWS], "^"))) == ROWS


def test_a_file_without_headers(tmp_path: Path) -> None:
    file = tmp_path / "calls.csv"
    file.write_text(text_of(ROWS), encoding="utf-8")
    table = open_table(file, "calls", {}, headers=False)
    assert (list(table.headers), cells(table)) == (["#1", "#2", "#3", "#4", "#5", "#6"], ROWS)


def test_rows_of_another_width(tmp_path: Path) -> None:
    table = opened(tmp_path, text_of([HEADERS, ROWS[0][:4], [*ROWS[0], "more"], [*ROWS[0], "", " "], ROWS[1]]))
    assert wrong(table) == [(2, "4 cells where the headers have 6"), (3, "7 cells where the headers have 6")]
    assert cells(table) == [ROWS[0], ROWS[1]]


def test_cells_with_line_ends(tmp_path: Path) -> None:
    row = [*ROWS[0][:5], "first\r\nsecond\n\nfourth"]
    table = opened(tmp_path, text_of([HEADERS, row, ROWS[1]]))
    assert [(r.line, r.cells) for r in table.rows()] == [(2, row), (6, ROWS[1])]


@pytest.mark.parametrize("broken", ['3,Cy,2021-01-01,9:02,Y,"Billing', '3,Cy,2021-01-01,9:02,Y,"Bill"ing'])
def test_a_quotation_mark_too_many_costs_only_its_line(tmp_path: Path, broken: str) -> None:
    quoted = '4,Di,2021-01-01,9:03,Y,"Billing, old"'
    lines = [*text_of([HEADERS, *ROWS]).splitlines(), broken, *[quoted] * 3, ",".join(ROWS[1])]
    table = opened(tmp_path, "\r\n".join(lines) + "\r\n")
    assert wrong(table) == [(4, "the quotation marks do not pair up")]
    assert next(row.cells for row in table.rows() if row.wrong) == [broken]
    assert [row[0] for row in cells(table)] == ["1", "2", "4", "4", "4", "2"]


@pytest.mark.parametrize("size", [LONGEST_CELL + 1, LONGEST_LINE * 2 + 5])
@pytest.mark.parametrize("quote", ["", '"'])
def test_a_huge_cell_costs_only_its_line(tmp_path: Path, size: int, quote: str) -> None:
    huge = f"3,Cy,2021-01-01,9:02,Y,{quote}{'x' * size}{quote}\r\n"
    table = opened(tmp_path, text_of([HEADERS, ROWS[0]]) + huge + text_of([ROWS[1]]))
    assert [line for line, _ in wrong(table)] == [3]
    assert [(row.line, row.cells) for row in table.rows() if not row.wrong] == [(2, ROWS[0]), (4, ROWS[1])]


def test_how_far_it_is(tmp_path: Path) -> None:
    table = opened(tmp_path, text_of([HEADERS, *ROWS * 3000]))
    told: list[int] = []
    assert sum(1 for _ in table.rows(told.append)) == 6000
    assert told == sorted(told)
    assert told[-1] == table.size
    assert 0 < told[len(told) // 2] < table.size


_cell = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0\r\ufeff"), max_size=8)


@given(
    st.lists(st.lists(_cell, min_size=6, max_size=6), max_size=8),
    st.sampled_from(",;\t|"),
    st.sampled_from(["\n", "\r\n"]),
)
@settings(max_examples=60)
def test_what_was_written_is_read(
    tmp_path_factory: pytest.TempPathFactory, rows: list[list[str]], mark: str, end: str
) -> None:
    table = opened(tmp_path_factory.mktemp("table"), text_of([HEADERS, *rows], mark, end))
    assert cells(table) == [row for row in rows if any(map(str.strip, row))]


@given(st.binary(max_size=400))
@settings(max_examples=150)
def test_any_bytes_are_rows_or_a_reason(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    try:
        table = opened(tmp_path_factory.mktemp("table"), b"Call Id,Agent,Date\n" + content)
    except CannotStart:
        return
    assert all(isinstance(row, Row) for row in table.rows())
