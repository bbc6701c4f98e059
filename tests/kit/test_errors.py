"""Coded errors: what must fail at import, and what an error carries."""

import importlib
import pickle
import pkgutil
import tomllib
from pathlib import Path
from string import Formatter

import pytest

import shanmen.kit
from shanmen.kit import errors
from shanmen.kit.errors import DomainError, Overloaded, all_errors

FROM_THE_DATABASE = {"lock_timeout"}
"""The session raises it; the words are here, beside those of the other overloads."""
LOCALE = Path(errors.__file__).parent / "locale"


def test_a_missing_code_fails_at_import() -> None:
    with pytest.raises(TypeError, match="Nameless needs its own code"):

        class Nameless(DomainError):
            status = 409


def test_a_code_is_not_inherited() -> None:
    with pytest.raises(TypeError, match="needs its own code"):

        class Heir(errors.NotFound):
            pass


@pytest.mark.parametrize("code", ["sold_out", "Inventory.sold_out", "inventory.", "a b.c", 7])
def test_a_malformed_code_fails_at_import(code: object) -> None:
    with pytest.raises(TypeError, match="needs its own code"):
        type("Odd", (DomainError,), {"code": code, "status": 409})


@pytest.mark.parametrize("status", [None, 200, 600, "409"])
def test_a_missing_or_odd_status_fails_at_import(status: object) -> None:
    with pytest.raises(TypeError, match="needs a status"):
        type("Odd", (DomainError,), {"code": "kit_test.odd", "status": status})
    assert "kit_test.odd" not in all_errors()


def test_a_taken_code_fails_at_import() -> None:
    with pytest.raises(TypeError, match=r"takes the code 'kit\.not_found' of shanmen\.kit\.errors"):
        type("Second", (DomainError,), {"code": "kit.not_found", "status": 404})


def test_an_abstract_base_needs_nothing_and_lends_its_status() -> None:
    class Base(DomainError, abstract=True):
        status = 410

    class Gone(Base):
        code = "kit_test.gone"

    try:
        assert Gone.status == 410
        assert all_errors()["kit_test.gone"] is Gone
    finally:
        errors._registry.pop("kit_test.gone")


def test_it_carries_field_and_parameters_and_prints_no_parameters() -> None:
    error = errors.BadInput(field="visitors.0.document", number="11010519491231002X")
    assert error.field == "visitors.0.document"
    assert error.params == {"number": "11010519491231002X"}
    assert "1101" not in f"{error} {error!r}"
    assert str(error) == "kit.bad_input (visitors.0.document)"


def test_it_survives_pickling() -> None:
    error = pickle.loads(pickle.dumps(Overloaded(retry_after=3, field="slot")))  # noqa: S301
    assert isinstance(error, Overloaded)
    assert (error.retry_after, error.field, error.params) == (3, "slot", {"retry_after": 3})


def _texts(locale: str) -> dict[str, str]:
    tables: dict[str, dict[str, str]] = tomllib.loads(
        (LOCALE / f"{locale}.toml").read_text("utf-8")
    )
    return {f"{table}.{key}": text for table, keys in tables.items() for key, text in keys.items()}


def test_both_locales_have_the_same_keys_and_placeholders() -> None:
    chinese, english = _texts("zh-CN"), _texts("en")
    assert chinese.keys() == english.keys()
    for key, text in chinese.items():
        fields = [
            sorted(name for _, name, _, _ in Formatter().parse(t) if name)
            for t in (text, english[key])
        ]
        assert fields[0] == fields[1], key


def test_every_error_of_the_kit_has_its_text_and_every_text_its_error() -> None:
    for module in pkgutil.iter_modules(shanmen.kit.__path__, "shanmen.kit."):
        importlib.import_module(module.name)
    codes = {code.removeprefix("kit.") for code in all_errors() if code.startswith("kit.")}
    texts = {key.removeprefix("error.") for key in _texts("en") if key.startswith("error.")}
    assert codes <= texts
    assert {key for key in texts if not key.endswith("_next")} <= codes | FROM_THE_DATABASE
