"""Does a schema come to be what the code expects: once, wholly or not at all, and never backwards?"""

import asyncio
from collections.abc import Callable
from pathlib import Path

import asyncpg
import pytest
from sqlalchemy import MetaData
from sqlalchemy.exc import DBAPIError

from shared import migrations
from shared.errors import CannotStart
from shared.migrations import Schema, migrate

FIRST = """
CREATE TABLE {schema}.things (id integer PRIMARY KEY, said text DEFAULT 'at 10:30, {{"a":1}}');
INSERT INTO {schema}.things (id) VALUES (1);
"""
SECOND = "ALTER TABLE {schema}.things ADD COLUMN more text;\n"


def history(folder: Path, *steps: str) -> Path:
    """A folder of migrations, one for each step."""
    (folder / "versions").mkdir(parents=True, exist_ok=True)
    (folder / "env.py").write_text("from alembic import context\n\ncontext.run_migrations()\n")
    for n, statements in enumerate(steps, start=1):
        (folder / "versions" / f"{n:04}_step.py").write_text(
            f"from shared.migrations import execute_each\n\nrevision = '{n:04}'\n"
            f"down_revision = {f'{n - 1:04}' if n > 1 else None!r}\n\n\n"
            f"def upgrade() -> None:\n    execute_each({statements!r}, schema='young')\n"
        )
    return folder


async def things(url: str) -> list[dict[str, object]]:
    connection = await asyncpg.connect(url)
    rows = await connection.fetch("SELECT * FROM young.things")
    await connection.close()
    return [dict(row) for row in rows]


@pytest.fixture
def url(fresh_database: Callable[[str], str]) -> str:
    return fresh_database("migrations")


def schema(url: str, folder: Path) -> Schema:
    return Schema("young", url, MetaData(schema="young"), folder)


async def test_step_by_step_and_again_without_effect(url: str, tmp_path: Path) -> None:
    assert await migrate(schema(url, history(tmp_path, FIRST))) == "0001"
    assert await things(url) == [{"id": 1, "said": 'at 10:30, {"a":1}'}]
    assert await migrate(schema(url, tmp_path)) == "0001"
    assert await migrate(schema(url, history(tmp_path, FIRST, SECOND))) == "0002"
    assert await things(url) == [{"id": 1, "said": 'at 10:30, {"a":1}', "more": None}]


async def test_all_at_once_by_several_processes(url: str, tmp_path: Path) -> None:
    young = schema(url, history(tmp_path, FIRST, SECOND))
    assert await asyncio.gather(*(migrate(young) for _ in range(4))) == ["0002"] * 4
    assert len(await things(url)) == 1


async def test_a_step_that_fails_leaves_nothing(url: str, tmp_path: Path) -> None:
    await migrate(schema(url, history(tmp_path, FIRST)))
    broken = SECOND + "UPDATE {schema}.things SET more = 'x';\nSELECT 1 / 0;\n"
    with pytest.raises(DBAPIError):
        await migrate(schema(url, history(tmp_path, FIRST, SECOND, broken.replace("more", "even_more"))))
    assert await things(url) == [{"id": 1, "said": 'at 10:30, {"a":1}'}]
    (tmp_path / "versions" / "0003_step.py").unlink()
    assert await migrate(schema(url, tmp_path)) == "0002"


async def test_data_of_a_newer_release_is_left_alone(url: str, tmp_path: Path) -> None:
    await migrate(schema(url, history(tmp_path / "new", FIRST, SECOND)))
    with pytest.raises(CannotStart, match="newer release"):
        await migrate(schema(url, history(tmp_path / "old", FIRST)))
    assert len(await things(url)) == 1


async def test_a_server_that_is_too_old_is_named(url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(migrations, "OLDEST_SERVER", 990000)
    with pytest.raises(CannotStart, match="18 or newer is needed"):
        await migrate(schema(url, history(tmp_path, FIRST)))


async def test_a_table_in_use_is_not_waited_for(url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(migrations, "PATIENCE", "100ms")
    await migrate(schema(url, history(tmp_path, FIRST)))
    reader = await asyncpg.connect(url)
    await reader.execute("BEGIN; SELECT * FROM young.things")
    with pytest.raises(CannotStart, match="in use"):
        await migrate(schema(url, history(tmp_path, FIRST, SECOND)))
    await reader.close()
    assert await migrate(schema(url, tmp_path)) == "0002"


async def test_a_role_that_may_not_create_schemas_can_start_on_its_own(url: str, tmp_path: Path) -> None:
    await migrate(schema(url, history(tmp_path, FIRST)))
    admin = await asyncpg.connect(url)
    await admin.execute(
        "CREATE ROLE young_service LOGIN PASSWORD 'secret'; GRANT USAGE ON SCHEMA young TO young_service"
    )
    await admin.execute("GRANT SELECT ON ALL TABLES IN SCHEMA young TO young_service")
    host = url.rpartition("@")[2]
    assert await migrate(schema(f"postgresql://young_service:secret@{host}", tmp_path)) == "0001"
    await admin.execute("DROP OWNED BY young_service; DROP ROLE young_service")
    await admin.close()


async def test_addresses_as_hosts_give_them(url: str, tmp_path: Path) -> None:
    asked = url.replace("postgresql://", "postgres://") + "?sslmode=prefer"
    assert await migrate(schema(asked, history(tmp_path, FIRST))) == "0001"
