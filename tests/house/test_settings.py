"""Every setting is described, unknown names are faults, all faults are told at once."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from coread import settings
from coread.errors import SettingsFault
from coread.gateways.cli import app

_TOML = """
[data]
folder = "images"

[dimse]
port = 11113
allowed_calling_aes = ["CT1"]

[routing]
rules = "rules.toml"

[[destinations]]
name = "pacs"
kind = "dimse"
host = "pacs.example"
"""


def _write(folder: Path, text: str) -> Path:
    path = folder / "coread.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_defaults_need_neither_file_nor_environment() -> None:
    read = settings.load(None, {})
    assert read.dimse.host == "127.0.0.1"
    assert read.database_url.startswith("sqlite:///")


def test_a_file_is_read_and_its_paths_are_relative_to_it(tmp_path: Path) -> None:
    read = settings.load(_write(tmp_path, _TOML), {})
    assert read.data.folder == tmp_path / "images"
    assert read.routing.rules == tmp_path / "rules.toml"
    assert read.database_url == f"sqlite:///{tmp_path / 'images' / 'coread.sqlite'}"
    assert read.destinations[0].port == 104


def test_the_environment_wins_over_the_file(tmp_path: Path) -> None:
    environ = {"COREAD_DIMSE__PORT": "4242", "COREAD_DIMSE__ALLOWED_CALLING_AES": '["A", "B"]', "PATH": "x"}
    read = settings.load(_write(tmp_path, _TOML), environ)
    assert read.dimse.port == 4242
    assert read.dimse.allowed_calling_aes == ("A", "B")


def test_every_fault_is_told_at_once(tmp_path: Path) -> None:
    text = '[dimse]\nport = "many"\ncolour = 1\n[web]\nhost = "0.0.0.0"\n[workflow]\nheartbeat_s = 20\n'
    with pytest.raises(SettingsFault) as told:
        settings.load(_write(tmp_path, text), {"COREAD_DIMS__PORT": "1", "COREAD_WEB__PORT": "-1"})
    told_keys = (
        "dimse.port: found 'many'",
        "dimse.colour: found an unknown name",
        "dims: found an unknown name",
    )
    for key in (*told_keys, "web.port: found '-1'", "stale_after_s"):
        assert key in told.value.found
    assert told.value.where == "coread.toml"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("[dimse]\nhost = '0.0.0.0'", "allowed_calling_aes"),
        ("[dimse]\nhost = '0.0.0.0'\nallowed_calling_aes = ['CT1']", "open_to_network = true"),
        ("[web]\nhost = '192.0.2.1'", "open_to_network"),
        ("[dimse.tls]\ncertificate = 'a.pem'", "certificate and key"),
        ("[dimse.tls]\ncertificate = 'a.pem'\nkey = 'b.pem'", "authorities"),
        ("[dimse]\nae_title = 'SEVENTEEN LETTERS'", "AE title"),
        ("[database]\nurl = 'mysql://x'", "sqlite:///"),
        ("[[destinations]]\nname = 'a'\nkind = 'dimse'", "host"),
        ("[[destinations]]\nname = 'a'\nkind = 'stow'", "url"),
        ("[[destinations]]\nname = 'a'\nkind = 'fhir'\nurl = 'ftp://x'", "http://"),
        ("[[destinations]]\nname = 'A B'\nkind = 'fhir'\nurl = 'http://x'", "lower-case"),
        ("[[destinations]]\nkind = 'fhir'\nurl = 'http://x'", "name: found nothing"),
        ("[login]\npasswords = false", "nobody could log in"),
        ("[login.oidc]\nissuer = 'https://id.example'", "client_id"),
        ("[login.oidc]\nroles = ['doctors=surgeon']", "value=role"),
        ("[[review.modes]]\nmode = 'blind'", "blind-first"),
        ("[[destinations]]\nname='a'\nkind='fhir'\nurl='http://x'\n" * 2, "a name of their own"),
    ],
)
def test_a_fault_names_what_was_expected(tmp_path: Path, text: str, expected: str) -> None:
    with pytest.raises(SettingsFault, match=expected):
        settings.load(_write(tmp_path, text), {})


def test_a_file_that_is_no_toml_or_not_there_is_a_fault(tmp_path: Path) -> None:
    with pytest.raises(SettingsFault, match="expected TOML"):
        settings.load(_write(tmp_path, "[[["), {})
    with pytest.raises(SettingsFault, match="readable TOML"):
        settings.load(tmp_path / "none.toml", {})


def test_a_value_where_the_environment_wants_a_section_is_a_fault(tmp_path: Path) -> None:
    with pytest.raises(SettingsFault, match="COREAD_DIMSE__PORT"):
        settings.load(_write(tmp_path, "dimse = 1"), {"COREAD_DIMSE__PORT": "1"})


def test_what_the_tests_ask_for_is_no_setting() -> None:
    assert settings.load(None, {"COREAD_SHARED_DATA": "x", "COREAD_SETTINGS": "y"}) == settings.load(None, {})


def test_a_password_is_never_shown() -> None:
    url = "postgresql://coread:tulip@db.example:5432/coread"
    shown = {
        row.key: row.value for row in settings.describe(settings.load(None, {"COREAD_DATABASE__URL": url}))
    }
    assert shown["database.url"] == "postgresql://coread:(hidden)@db.example:5432/coread"
    with pytest.raises(SettingsFault) as told:
        settings.load(None, {"COREAD_DATABASE__URL": "mysql://coread:tulip@db.example"})
    assert "tulip" not in str(told.value)


SECRET = "tulip-in-a-file"


@pytest.fixture
def secrets_in_files(tmp_path: Path) -> Path:
    """Give settings each of whose secrets lies in a file, and one in a URL."""
    for name in ("database", "oidc", "ledger", "keys", "tls"):
        (tmp_path / f"{name}.txt").write_text(f"{SECRET}-{name}\n")
    text = f"""
[data]
keys = "keys.txt"
[database]
url = "postgresql://coread:{SECRET}@db.example/coread"
[web]
certificate = "tls.txt"
key = "tls.txt"
[login.oidc]
issuer = "https://id.example"
client_id = "coread"
client_secret_file = "oidc.txt"
[ledger]
key = "ledger.txt"
"""
    return _write(tmp_path, text)


def test_no_secret_is_ever_printed(secrets_in_files: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("COREAD_DATABASE__URL", "COREAD_LOGIN__OIDC__CLIENT_SECRET"):
        told = CliRunner().invoke(app, ["settings", "--settings", str(secrets_in_files)])
        assert told.exit_code in {0, 78} or isinstance(told.exception, SettingsFault)
        assert SECRET not in told.output + str(told.exception)
        monkeypatch.setenv(name, SECRET)
    assert SECRET not in str(settings.describe(settings.load(secrets_in_files, {})))


def test_a_password_in_a_file_and_tls_reach_the_database_s_url(tmp_path: Path) -> None:
    (tmp_path / "password").write_text("a/b@c\n")
    written = _write(
        tmp_path, '[database]\nurl = "postgresql://me@db.example/x"\npassword_file = "password"\n'
    )
    read = settings.load(written, {})
    assert read.database_url == (
        "postgresql://me:a%2Fb%40c@db.example/x?sslmode=verify-full&sslrootcert=system"
    )
    near = {"COREAD_DATABASE__URL": "postgresql://me@localhost/x"}
    assert settings.load(None, near).database_url == "postgresql://me@localhost/x"
    asked = near | {"COREAD_DATABASE__SSLMODE": "verify-ca", "COREAD_DATABASE__AUTHORITIES": "/ca.pem"}
    assert settings.load(None, asked).database_url.endswith("?sslmode=verify-ca&sslrootcert=%2Fca.pem")
    own = {"COREAD_DATABASE__URL": "postgresql://me@db.example/x?sslmode=require"}
    assert settings.load(None, own).database_url.endswith("/x?sslmode=require")
    (tmp_path / "password").unlink()
    with pytest.raises(SettingsFault, match="password file"):
        _ = settings.load(written, {}).database_url


def test_what_goes_in_clear_is_named(tmp_path: Path) -> None:
    assert settings.load(None, {}).in_clear() == ()
    text = (
        _TOML
        + "[web]\nhost = '192.0.2.1'\nopen_to_network = true\n[audit]\nfhir_url = 'http://arr.example'\n"
    )
    assert settings.load(_write(tmp_path, text), {}).in_clear() == (
        "web.host", "audit.fhir_url", "destinations.pacs",
    )  # fmt: skip


def test_every_setting_has_a_sentence_and_a_unit_where_its_name_bears_one(tmp_path: Path) -> None:
    rows = settings.describe(settings.load(_write(tmp_path, _TOML), {}))
    assert len({row.key for row in rows}) == len(rows) > 40
    assert all(row.sentence.endswith(".") for row in rows)
    assert {row.key for row in rows if row.key.endswith(("_s", "_h", "_mb", "_bytes", "_days"))} == {
        row.key for row in rows if row.unit
    }
    assert "destinations[0].host" in {row.key for row in rows}


def test_the_page_holds_every_setting() -> None:
    page = settings.markdown()
    keys = [row.key for row in settings.describe(settings.load(None, {}))]
    assert all(f"`{key}`" in page for key in [*keys, "destinations[].ae_title"])


@given(st.dictionaries(st.text(max_size=20), st.text(max_size=20), max_size=5))
def test_any_environment_gives_settings_or_one_fault(environ: dict[str, str]) -> None:
    try:
        settings.load(None, {f"COREAD_{key}": value for key, value in environ.items()})
    except SettingsFault as fault:
        assert fault.found  # noqa: PT017 - either outcome is right


def test_login_is_asked_for_unless_only_this_machine_can_come(tmp_path: Path) -> None:
    assert settings.load(None, {}).login.required
    open_door = {"COREAD_LOGIN__REQUIRED": "false"}
    assert not settings.load(None, open_door).login.required
    beyond = {"COREAD_WEB__HOST": "192.0.2.1", "COREAD_WEB__PUBLIC_URL": "https://coread.example"}
    assert settings.load(None, beyond).login.required
    with pytest.raises(SettingsFault, match=r"login\.required or web\.open_to_network"):
        settings.load(None, beyond | open_door)


def test_modes_of_reading_are_tables_of_their_own(tmp_path: Path) -> None:
    text = "[[review.modes]]\nmode = 'blind-first'\nrole = 'doctor'\nreader = 'chest-radiograph'\n"
    loaded = settings.load(_write(tmp_path, text), {})
    assert loaded.review.modes[0].mode == "blind-first"
    shown = {row.key: row.value for row in settings.describe(loaded)}
    assert (shown["review.modes"], shown["review.modes[0].reader"]) == ("1 of them", "chest-radiograph")
