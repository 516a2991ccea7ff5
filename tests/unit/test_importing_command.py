"""Do the commands take what they promise, and say in the reader's language what came of it?"""

from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from services.importing.command import calls_command, employees_command
from shared.errors import CannotStart

app = typer.Typer()
app.command("calls")(calls_command)
app.command("employees")(employees_command)

CALLS = "Number;Wer;Beginn;Ende;Erledigt\n1;Ann;03.04.2021 9:00;03.04.2021 9:05;oui\n2;;03.04.2021 9:00;;\n3;Bo;x;y;z\n"


def run(*arguments: str | Path) -> str:
    done = CliRunner().invoke(app, [str(argument) for argument in arguments])
    if done.exception and not isinstance(done.exception, SystemExit):
        raise done.exception
    assert done.exit_code == 0, done.output
    return done.output


@pytest.fixture
def log(tmp_path: Path) -> Path:
    file = tmp_path / "Anrufe.csv"
    file.write_text(CALLS, encoding="cp1252")
    return file


MAPPED = ("--map", "call_id=Number", "--map", "agent_id=Wer", "--map", "started_at=Beginn", "--map", "ended_at=#4")


def test_options_of_the_command(log: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HEADSET_TIMEZONE", raising=False)
    said = run("calls", log, "--dry-run", *MAPPED, "--map", "answered=Erledigt", "--timezone", "Europe/Berlin")
    assert "Anrufe.csv: 3 rows read, 2 taken, 0 repeated, 1 rejected" in said
    assert "delimiter semicolon, dates dmy, zone Europe/Berlin" in said
    assert "line 4: Beginn: 'x' is not a date with a time of day" in said
    assert (log.parent / "Anrufe.rejects.csv").exists()


def test_a_mapping_file(log: Path, tmp_path: Path) -> None:
    mapping = tmp_path / "mapping.toml"
    mapping.write_text(
        'timezone = "Europe/Berlin"\nyes = ["fait"]\n[columns]\ncall_id = "Number"\nagent_id = "Wer"\n'
        'started_at = "Beginn"\nended_at = "Ende"\nanswered = "Erledigt"\n'
    )
    assert "2 taken" in run("calls", log, "--dry-run", "--mapping", mapping, "--rejects", tmp_path / "r.csv")
    assert (tmp_path / "r.csv").exists()


def test_what_cannot_be_read_is_said(log: Path) -> None:
    with pytest.raises(CannotStart, match=r"No column was found for call_id.*The columns are: Number, Wer, Beginn"):
        run("calls", log, "--dry-run")
    with pytest.raises(CannotStart, match="No time zone is called"):
        run("calls", log, "--dry-run", *MAPPED, "--map", "answered=Erledigt", "--timezone", "Mars")
    with pytest.raises(CannotStart, match="A source is named by"):
        run("calls", log, "--dry-run", *MAPPED, "--name", "../x")
    with pytest.raises(CannotStart, match="The setting timezone is not valid"):
        CliRunner(env={"HEADSET_TIMEZONE": "Mars"}).invoke(app, ["calls", str(log)], catch_exceptions=False)


def test_employees(tmp_path: Path) -> None:
    file = tmp_path / "staff.csv"
    file.write_text("工号,姓名,岗位,班组,班长,入职日期\n1001,陈静,客服专员,北,900,2024年3月1日\n", encoding="utf-8")
    assert "1 rows read" in run("employees", file, "--dry-run")
