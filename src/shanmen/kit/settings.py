"""Settings: each declared once, with its type, its default and what it does.

Defaults, then ``shanmen.toml`` (or the file named by ``SHANMEN_CONFIG``), then environment
variables ``SHANMEN_<NAME>``: the later wins. A value that cannot be meant, and a name that does
not exist, stop the start with a sentence about each; nothing is silently ignored. Variables that
begin with ``SHANMEN_TEST_`` belong to the test suite.
"""

import difflib
import os
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple, get_args, get_origin, get_type_hints

import msgspec
from msgspec import Meta

from shanmen.kit.proxies import networks

PREFIX = "SHANMEN_"
CONFIG_VARIABLE = "SHANMEN_CONFIG"
DEFAULT_FILE = Path("shanmen.toml")
_RESERVED = "SHANMEN_TEST_"
_SECRET = frozenset({"database_url"})


class Problem(NamedTuple):
    """One setting that cannot be used."""

    setting: str
    source: str
    sentence: str


class BrokenSetting(Exception):
    """Settings that stop the start: one sentence for each, without passwords."""

    def __init__(self, problems: list[Problem]) -> None:
        super().__init__("\n".join(problem.sentence for problem in problems))
        self.problems = problems


class Described(NamedTuple):
    """One setting, for the documentation and for ``shanmen settings``."""

    name: str
    env: str
    type: str
    default: str
    doc: str


def _what(doc: str, expected: str, **limits: Any) -> Meta:
    """Say what a setting does, what a value must be, and within which limits."""
    return Meta(description=doc, extra={"expected": expected}, **limits)


_URL = r"^(https?://[^\s/?#]+(/[^\s?#]*)?)?$"
_NAME = r"^[a-z_][a-z0-9_]*$"


class Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Every setting of a Shanmen process."""

    data_dir: Annotated[
        Path,
        _what("Folder for everything that Shanmen keeps on disk.", "the path of a folder"),
    ] = Path("./data")
    database_url: Annotated[
        str,
        _what(
            "PostgreSQL to use, as its owner role: postgresql://user:password@host:5432/name. "
            "Empty means an embedded PostgreSQL inside data_dir.",
            "nothing or an address that begins with postgresql://",
            pattern=r"^(postgres(ql)?(\+psycopg)?://\S+)?$",
        ),
    ] = ""
    app_role: Annotated[
        str,
        _what(
            "Database role that requests run as; it cannot bypass the separation of tenants.",
            "the name of a role in lower case",
            pattern=_NAME,
            max_length=63,
        ),
    ] = "shanmen_app"
    host: Annotated[
        str,
        _what(
            "Address to listen on. 0.0.0.0 listens on every network.",
            "an address or a host name",
            pattern=r"^[0-9A-Za-z.:_-]+$",
        ),
    ] = "127.0.0.1"
    port: Annotated[
        int,
        _what("Port to listen on.", "a whole number from 1 to 65535", ge=1, le=65535),
    ] = 8000
    processes: Annotated[
        int,
        _what(
            "Web processes to start, at most one per processor core.",
            "a whole number from 1 to 256",
            ge=1,
            le=256,
        ),
    ] = 2
    public_url: Annotated[
        str,
        _what(
            "Address under which visitors reach the site, used in links and QR codes. "
            "Empty means http://host:port.",
            "nothing or an address such as https://tickets.example.com",
            pattern=_URL,
        ),
    ] = ""
    master_key_file: Annotated[
        str,
        _what(
            "File with the master keys that protect personal data. Empty means master.key "
            "inside data_dir, made on the first start.",
            "nothing or the path of a file",
        ),
    ] = ""
    field_cipher: Annotated[
        Literal["aes-256-gcm", "sm4-gcm"],
        _what(
            "Cipher for newly written personal data; what is stored stays readable.",
            "aes-256-gcm or sm4-gcm",
        ),
    ] = "aes-256-gcm"
    hold_seconds: Annotated[
        int,
        _what(
            "Seconds for which an unpaid order keeps its places, unless the site says otherwise.",
            "a whole number of seconds from 60 to 86400",
            ge=60,
            le=86_400,
        ),
    ] = 900
    coalesce_max_batch: Annotated[
        int,
        _what(
            "Most orders that go into one database transaction when many arrive at once.",
            "a whole number from 1 to 4096",
            ge=1,
            le=4096,
        ),
    ] = 128
    coalesce_max_queue: Annotated[
        int,
        _what(
            "Most orders per tenant and process that may wait; the next is asked to come back.",
            "a whole number from 1 to 1000000",
            ge=1,
            le=1_000_000,
        ),
    ] = 4096
    session_minutes: Annotated[
        int,
        _what(
            "Minutes without activity after which a member of staff must sign in again.",
            "a whole number of minutes from 5 to 43200",
            ge=5,
            le=43_200,
        ),
    ] = 720
    log_level: Annotated[
        Literal["debug", "info", "warning", "error"],
        _what("How much is written to the log.", "debug, info, warning or error"),
    ] = "info"
    sandbox_pay_port: Annotated[
        int,
        _what(
            "Port of the sandbox payment provider that demo and tests pay at.",
            "a whole number from 1 to 65535",
            ge=1,
            le=65535,
        ),
    ] = 8001
    trusted_proxies: Annotated[
        str,
        _what(
            "Proxies in front whose X-Forwarded-For is believed, so that the audit log has the "
            "address of whoever asked: addresses and networks with commas between them.",
            "nothing, or addresses and networks such as 127.0.0.1, 10.0.0.0/8",
            pattern=r"^[0-9A-Fa-f.:/, ]*$",
        ),
    ] = ""
    lock_timeout_ms: Annotated[
        int,
        _what(
            "Milliseconds that a transaction waits for a lock before it gives up.",
            "a whole number of milliseconds from 10 to 600000",
            ge=10,
            le=600_000,
        ),
    ] = 5000
    pool_size: Annotated[
        int,
        _what(
            "Database connections that one process keeps open at most.",
            "a whole number from 1 to 1000",
            ge=1,
            le=1000,
        ),
    ] = 8

    def __rich_repr__(self) -> list[tuple[str, Any]]:
        return [(name, shown(name, getattr(self, name))) for name in self.__struct_fields__]

    def __repr__(self) -> str:
        return f"Settings({', '.join(f'{n}={v!r}' for n, v in self.__rich_repr__())})"

    @property
    def master_key_path(self) -> Path:
        """The master key file, wherever it is set to be."""
        return Path(self.master_key_file or self.data_dir / "master.key")

    @property
    def base_url(self) -> str:
        """The public address without a slash at its end."""
        if self.public_url:
            return self.public_url.rstrip("/")
        host = "localhost" if self.host in {"0.0.0.0", "::"} else self.host  # noqa: S104
        return f"http://[{host}]:{self.port}" if ":" in host else f"http://{host}:{self.port}"


def shown(name: str, value: object) -> str:
    """Return a setting's value as it may be shown: without the password of the database."""
    text = str(value)
    if name in _SECRET:
        text = re.sub(r"://.*@", "://***@", text)
        text = re.sub(r"\?.*", "?***", text)
    return text


def describe() -> list[Described]:
    """List every setting in the order of its declaration."""
    return [
        Described(
            name=field.name,
            env=PREFIX + field.name.upper(),
            type=_type_name(_HINTS[field.name]),
            default=str(field.default),
            doc=str(_meta(field.name).description),
        )
        for field in msgspec.structs.fields(Settings)
    ]


def load(environ: Mapping[str, str] | None = None, *, file: Path | None = None) -> Settings:
    """Read the settings; raises BrokenSetting with a sentence for each that cannot be used.

    ``file`` stands in for ``SHANMEN_CONFIG`` and ``./shanmen.toml``.
    """
    environ = os.environ if environ is None else environ
    problems: list[Problem] = []
    found: dict[str, tuple[object, str]] = {}
    for name, value, source in [
        *_from_file(environ, file, problems),
        *_from_environment(environ),
    ]:
        if name in _HINTS:
            found[name] = (value, source)
        else:
            problems.append(Problem(name, source, _unknown(name, source)))
    values: dict[str, Any] = {}
    for name, (value, source) in found.items():
        try:
            values[name] = msgspec.convert(value, _HINTS[name], strict=False, dec_hook=_path)
        except msgspec.ValidationError:
            problems.append(Problem(name, source, _broken(name, value, source)))
    if "trusted_proxies" in values:
        # Which digits make a network is more than a pattern can say.
        try:
            networks(values["trusted_proxies"])
        except ValueError:
            value, source = found["trusted_proxies"]
            problems.append(
                Problem("trusted_proxies", source, _broken("trusted_proxies", value, source))
            )
    if problems:
        raise BrokenSetting(problems)
    return Settings(**values)


_HINTS: dict[str, Any] = {
    name: hint
    for name, hint in get_type_hints(Settings, include_extras=True).items()
    if name in Settings.__struct_fields__
}


def _from_file(
    environ: Mapping[str, str], file: Path | None, problems: list[Problem]
) -> list[tuple[str, object, str]]:
    named = environ.get(CONFIG_VARIABLE)
    if file is None and named is None and not DEFAULT_FILE.exists():
        return []
    path = file or Path(named or DEFAULT_FILE)
    try:
        table = tomllib.loads(path.read_text("utf-8"))
    except OSError as error:
        reason = f"cannot be read: {error.strerror}"
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        reason = f"is not valid TOML: {error}"
    else:
        return [(name, value, str(path)) for name, value in table.items()]
    problems.append(Problem("", str(path), f"The settings file {path} {reason}."))
    return []


def _from_environment(environ: Mapping[str, str]) -> list[tuple[str, object, str]]:
    return [
        (variable.removeprefix(PREFIX).lower(), value, variable)
        for variable, value in sorted(environ.items())
        if variable.startswith(PREFIX)
        and variable != CONFIG_VARIABLE
        and not variable.startswith(_RESERVED)
    ]


def _path(kind: type, value: object) -> Path:
    # The only type among the settings that msgspec does not know.
    if kind is Path and isinstance(value, str) and value:
        return Path(value)
    raise ValueError("not a path")


def _unknown(name: str, source: str) -> str:
    near = difflib.get_close_matches(name, _HINTS, n=1)
    hint = f"; did you mean {near[0]}?" if near else "; see `shanmen settings` for those there are."
    return f"There is no setting {name} ({source}){hint}"


def _broken(name: str, value: object, source: str) -> str:
    was = "cannot be used" if name in _SECRET else f"cannot be {value!r}"
    expected = (_meta(name).extra or {})["expected"]
    return f"The setting {name} ({source}) {was}: it must be {expected}."


def _meta(name: str) -> Meta:
    meta = _HINTS[name].__metadata__[0]
    assert isinstance(meta, Meta)  # noqa: S101 (declared above)
    return meta


def _type_name(hint: object) -> str:
    kind = get_args(hint)[0]
    if get_origin(kind) is Literal:
        return " | ".join(get_args(kind))
    return {Path: "path", str: "text", int: "whole number"}[kind]
