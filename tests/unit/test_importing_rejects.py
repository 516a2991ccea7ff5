"""Are rejected rows kept where people can correct them, without harm to them or to other files?"""

import csv
from pathlib import Path

import pytest

from services.importing.rejects import Rejects
from services.importing.table import Row, open_table
from services.importing.values import Rejected, cleaned
from shared.errors import CannotStart

HEADERS = ["Call Id", "=Agent", "Date"]


def rows(path: Path) -> list[list[str]]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        return list(csv.reader(file))


def reject(path: Path, *cells: str) -> Rejects:
    wrong = Rejected("impossible date {text}", text="x")
    wrong.column = "Date"
    with Rejects(path, HEADERS, "en") as rejects:
        rejects.add(Row(7, list(cells)), wrong)
    return rejects


def test_rows_are_kept_with_line_and_reason(tmp_path: Path) -> None:
    file = tmp_path / "calls.rejects.csv"
    rejects = reject(file, "1", "Ann", "x")
    assert rows(file) == [
        ["line", "reason", "Call Id", "'=Agent", "Date"],
        ["7", "Date: impossible date x", "1", "Ann", "x"],
    ]
    assert (rejects.count, rejects.examples) == (1, ["line 7: Date: impossible date x"])
    assert [found.name for found in tmp_path.iterdir()] == [file.name]


def test_formulas_are_defused_and_come_back(tmp_path: Path) -> None:
    file = tmp_path / "calls.rejects.csv"
    cells = ["=cmd|' /C calc'!A0", "@SUM(1)", "-5", "＝1＋1", "＠SUM(1)"]
    reject(file, *cells)
    kept = rows(file)[1][2:]
    assert all(cell.startswith("'") for cell in kept)
    assert [cleaned(cell) for cell in kept] == cells


def test_bytes_that_are_no_text_do_not_stop_it(tmp_path: Path) -> None:
    file = tmp_path / "calls.rejects.csv"
    reject(file, "\udce5", "a\nb", '"')
    assert rows(file)[1][2:] == ["?", "a\nb", '"']


def test_with_nothing_rejected_the_old_file_goes(tmp_path: Path) -> None:
    file = tmp_path / "calls.rejects.csv"
    reject(file, "1")
    with Rejects(file, HEADERS, "en"):
        assert file.exists()
    assert list(tmp_path.iterdir()) == []


def test_after_a_failure_the_old_file_stays(tmp_path: Path) -> None:
    file = tmp_path / "calls.rejects.csv"
    reject(file, "1")
    before = file.read_bytes()
    rejects = Rejects(file, HEADERS, "en")
    rejects.__enter__()
    rejects.add(Row(1, ["2"]), Rejected("no"))
    rejects.__exit__(ZeroDivisionError, None, None)
    assert file.read_bytes() == before
    assert len(list(tmp_path.iterdir())) == 1


def test_a_file_of_somebody_else_stays(tmp_path: Path) -> None:
    file = tmp_path / "calls.rejects.csv"
    file.write_text("mine")
    with pytest.raises(CannotStart, match="not written by an import"):
        reject(file, "1")
    assert file.read_text() == "mine"
    with pytest.raises(CannotStart, match="Cannot write"):
        reject(tmp_path / "none" / "calls.rejects.csv", "1")


def test_a_rejects_file_can_be_imported(tmp_path: Path) -> None:
    file = tmp_path / "calls.rejects.csv"
    reject(file, "1", "Ann", "2021-01-01")
    table = open_table(file, "calls", {})
    assert table.headers == ["line", "reason", "Call Id", "=Agent", "Date"]
