"""Settings: where they come from, and how a broken one is explained."""

import os
from pathlib import Path

import pytest

from shanmen.kit import settings
from shanmen.kit.settings import BrokenSetting, Settings, describe, load


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "shanmen.toml"


def problems(environ: dict[str, str], file: Path | None = None) -> str:
    with pytest.raises(BrokenSetting) as caught:
        load(environ, file=file)
    return str(caught.value)


def test_defaults_are_enough(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    loaded = load({})
    assert loaded == Settings()
    assert (loaded.host, loaded.port, loaded.data_dir) == ("127.0.0.1", 8000, Path("data"))
    assert loaded.master_key_path == Path("data/master.key")
    assert loaded.base_url == "http://127.0.0.1:8000"


def test_the_environment_wins_over_the_file(file: Path) -> None:
    file.write_text('port = 9000\nhost = "0.0.0.0"\ndata_dir = "/srv/shanmen"\n')
    loaded = load({"SHANMEN_PORT": "9001", "PATH": "/bin"}, file=file)
    assert (loaded.port, loaded.host) == (9001, "0.0.0.0")  # noqa: S104
    assert loaded.master_key_path == Path("/srv/shanmen/master.key")
    assert loaded.base_url == "http://localhost:9001"


def test_the_file_is_found_here_or_where_the_variable_says(
    file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file.write_text("port = 9000")
    other = tmp_path / "other.toml"
    other.write_text("port = 9100")
    monkeypatch.chdir(tmp_path)
    assert load({}).port == 9000
    assert load({"SHANMEN_CONFIG": str(other)}).port == 9100
    assert load({"SHANMEN_CONFIG": str(other)}, file=file).port == 9000
    monkeypatch.setattr(os, "environ", {"SHANMEN_PORT": "9200"})
    assert load().port == 9200


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("port", "http", "a whole number from 1 to 65535"),
        ("port", "0", "a whole number from 1 to 65535"),
        ("port", "", "a whole number from 1 to 65535"),
        ("processes", "1.5", "a whole number from 1 to 256"),
        ("field_cipher", "des", "aes-256-gcm or sm4-gcm"),
        ("log_level", "LOUD", "debug, info, warning or error"),
        ("public_url", "tickets.example.com", "nothing or an address such as https://"),
        ("public_url", "https://a.example/?x=1", "nothing or an address such as https://"),
        ("app_role", "shanmen app; drop", "the name of a role in lower case"),
        ("data_dir", "", "the path of a folder"),
        ("host", "", "an address or a host name"),
        ("trusted_proxies", "nginx", "nothing, or addresses and networks such as 127.0.0.1"),
        ("trusted_proxies", "10.0.0.1/8", "nothing, or addresses and networks such as"),
    ],
)
def test_a_broken_value_is_explained_in_a_sentence(name: str, value: str, expected: str) -> None:
    variable = f"SHANMEN_{name.upper()}"
    sentence = problems({variable: value})
    assert sentence.startswith(
        f"The setting {name} ({variable}) cannot be {value!r}: it must be {expected}"
    )
    assert sentence.endswith(".")
    assert "\n" not in sentence


def test_values_of_the_file_are_checked_as_well(file: Path) -> None:
    file.write_text('port = "many"\nhold_seconds = 1\nhost = 5\n')
    sentences = problems({}, file).split("\n")
    assert len(sentences) == 3
    assert all(str(file) in sentence for sentence in sentences)


def test_unknown_names_are_named_with_the_nearest(file: Path) -> None:
    file.write_text("prot = 1\n[server]\nport = 1\n")
    said = problems({"SHANMEN_DATABSE_URL": "x", "SHANMEN_XYZZY": "1"}, file)
    assert f"There is no setting prot ({file}); did you mean port?" in said
    assert f"There is no setting server ({file})" in said
    assert "SHANMEN_DATABSE_URL); did you mean database_url?" in said
    assert "There is no setting xyzzy (SHANMEN_XYZZY); see `shanmen settings`" in said


def test_variables_of_the_test_suite_are_left_alone() -> None:
    load({"SHANMEN_TEST_KEEP_DATABASE": "1"}, file=Path(os.devnull))


def test_a_file_that_is_missing_or_no_toml_is_explained(file: Path) -> None:
    assert "cannot be read: No such file" in problems({"SHANMEN_CONFIG": str(file)})
    file.write_text("port = ")
    assert f"{file} is not valid TOML" in problems({"SHANMEN_CONFIG": str(file)})
    file.write_bytes(b"\xff\xfe")
    assert f"{file} is not valid TOML" in problems({"SHANMEN_CONFIG": str(file)})


@pytest.mark.parametrize(
    "url",
    [
        "mysql://root:hunter2@db/x",
        "host=db password=hunter2",
        "postgresql://u:hunter2@db /x",
    ],
)
def test_the_password_of_the_database_is_never_shown(url: str) -> None:
    assert "hunter2" not in problems({"SHANMEN_DATABASE_URL": url})


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://owner:hunter2@db:5432/shanmen",
        "postgresql+psycopg://owner:a@hunter2/x@db/shanmen",
        "postgres://db/shanmen?user=owner&password=hunter2",
    ],
)
def test_settings_can_be_printed_without_passwords(url: str) -> None:
    loaded = load({"SHANMEN_DATABASE_URL": url})
    assert loaded.database_url == url
    assert "hunter2" not in repr(loaded)
    assert "hunter2" not in str(dict(loaded.__rich_repr__()))


@pytest.mark.parametrize(
    ("given", "base"),
    [
        ({"public_url": "https://tickets.example.com/"}, "https://tickets.example.com"),
        ({"public_url": "https://example.com/park"}, "https://example.com/park"),
        ({"host": "::1", "port": 81}, "http://[::1]:81"),
        ({"host": "::"}, "http://localhost:8000"),
    ],
)
def test_the_public_address_has_no_slash_at_its_end(given: dict, base: str) -> None:
    assert load({f"SHANMEN_{k.upper()}": str(v) for k, v in given.items()}).base_url == base


def test_every_setting_says_what_it_is() -> None:
    listed = describe()
    assert [one.name for one in listed] == list(Settings.__struct_fields__)
    for one in listed:
        assert one.env == f"SHANMEN_{one.name.upper()}"
        assert one.doc.endswith(".")
        assert one.type
        assert (settings._meta(one.name).extra or {})["expected"]
    assert ("port", "whole number", "8000") in [(o.name, o.type, o.default) for o in listed]


def test_defaults_pass_their_own_checks() -> None:
    for one in describe():
        assert load({one.env: one.default}, file=Path(os.devnull)) == Settings()
