"""Permissions, roles, addresses, passwords and lock-out: pure decisions."""

import re
import unicodedata
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from shanmen.sites import errors

PERMISSIONS: tuple[str, ...] = (
    "insight.read",
    "orders.read",
    "orders.change",
    "payments.read",
    "admission.scan",
    "admission.override",
    "catalog.edit",
    "inventory.edit",
    "sites.edit",
    "staff.edit",
    "apikeys.edit",
    "audit.read",
)
"""Every permission there is, in the order in which people read them."""

ADMINISTRATOR = "administrator"
GATE = "gate"


@dataclass(frozen=True, slots=True)
class DefaultRole:
    """A role that every tenant begins with."""

    code: str
    name: Mapping[str, str]
    permissions: tuple[str, ...]


DEFAULT_ROLES: tuple[DefaultRole, ...] = (
    DefaultRole(ADMINISTRATOR, {"zh-CN": "管理员", "en": "Administrator"}, PERMISSIONS),
    DefaultRole(
        "manager",
        {"zh-CN": "经理", "en": "Manager"},
        tuple(p for p in PERMISSIONS if p not in {"staff.edit", "apikeys.edit"}),
    ),
    DefaultRole(
        "seller", {"zh-CN": "售票员", "en": "Ticket seller"}, ("orders.read", "orders.change")
    ),
    DefaultRole(GATE, {"zh-CN": "检票员", "en": "Gate staff"}, ("admission.scan",)),
    DefaultRole(
        "finance",
        {"zh-CN": "财务", "en": "Finance"},
        ("insight.read", "orders.read", "payments.read"),
    ),
    DefaultRole(
        "auditor",
        {"zh-CN": "审计", "en": "Auditor"},
        ("insight.read", "orders.read", "payments.read", "audit.read"),
    ),
)

ALWAYS_KEPT: Mapping[str, frozenset[str]] = {ADMINISTRATOR: frozenset({"staff.edit"})}
"""Permissions that a role cannot lose, so that nobody locks everybody out."""


def role_permissions(code: str, wanted: Iterable[str]) -> list[str]:
    """The permissions a role will have, in the usual order.

    Raises:
        UnknownPermission: one of them does not exist.
    """
    asked = set(wanted)
    for permission in sorted(asked - set(PERMISSIONS)):
        raise errors.UnknownPermission(field="permissions", permission=permission)
    asked |= ALWAYS_KEPT.get(code, frozenset())
    return [permission for permission in PERMISSIONS if permission in asked]


def check_grant(
    own: Collection[str] | None, granted: Iterable[str], *, field: str | None = None
) -> None:
    """Let people hand out what they have themselves; None is the system, which has everything.

    The same holds for whoever already has permissions: to set the password of somebody who may
    do more would be to become them.

    Raises:
        MayNotGrant: something among `granted` is not among `own`.
    """
    if own is not None and set(granted) - set(own):
        raise errors.MayNotGrant(field=field)


SLUG = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)*")
SLUG_LENGTHS = range(2, 41)
CODE = re.compile(r"[a-z][a-z0-9_-]{1,31}")
LOGIN = re.compile(r"[a-z0-9][a-z0-9._-]{1,31}")


def clean_slug(slug: str) -> str:
    """A site's part of the address, in lower case; raises BadSlug."""
    cleaned = slug.strip().lower()
    if not SLUG.fullmatch(cleaned) or len(cleaned) not in SLUG_LENGTHS:
        raise errors.BadSlug(field="slug")
    return cleaned


def clean_code(code: str, *, field: str = "code") -> str:
    """A tenant's or a role's code, in lower case; raises BadCode."""
    cleaned = code.strip().lower()
    if not CODE.fullmatch(cleaned):
        raise errors.BadCode(field=field)
    return cleaned


def clean_login(login: str, *, field: str = "login") -> str:
    """A login without its tenant, in lower case; raises BadLogin."""
    cleaned = login.strip().lower()
    if not LOGIN.fullmatch(cleaned):
        raise errors.BadLogin(field=field)
    return cleaned


def split_login(typed: str) -> tuple[str, str]:
    """``name@tenant`` as login and tenant's code, either of them empty where it is missing."""
    login, _, tenant = unicodedata.normalize("NFKC", typed).strip().lower().rpartition("@")
    return login, tenant


NAME_LENGTH = 60
LANGUAGES = ("zh-CN", "en")


def clean_name(name: Mapping[str, str], *, field: str = "name") -> dict[str, str]:
    """A name in Chinese and, where given, in English; raises NameMissing."""
    cleaned = clean_text(name)
    if not cleaned.get("zh-CN"):
        raise errors.NameMissing(field=f"{field}.zh-CN", limit=NAME_LENGTH)
    for language, text in cleaned.items():
        if len(text) > NAME_LENGTH:
            raise errors.NameMissing(field=f"{field}.{language}", limit=NAME_LENGTH)
    return cleaned


def clean_text(text: Mapping[str, str]) -> dict[str, str]:
    """A text in the product's languages, without the ones left empty."""
    found = {language: text.get(language, "").strip() for language in LANGUAGES}
    return {language: words for language, words in found.items() if words}


PASSWORD_MIN = 10
PASSWORD_MAX = 200
"""A limit because hashing a long text is work for the server, and more than anybody types."""

_COMMON = """
    0123456789 1111111111 1122334455 1234512345 1234554321 123456789a 1234567890 12345678910
    123123123123 1357924680 1q2w3e4r5t 1qaz2wsx3edc a123456789 aa123456789 aaaaaaaaaa abc123456789
    abcd123456 abcd1234567 abcdefghij admin12345 admin123456 administrator asdfghjkl1 baseball123
    football123 iloveyou123 letmein1234 p@ssw0rd123 password01 password12 password123 password1234
    passw0rd123 q1w2e3r4t5 qazwsxedcrfv qwer1234567 qwerty12345 qwerty123456 qwertyuiop qwertyuiop1
    root123456 shanmen123 shanmen1234 superadmin superadmin1 test123456 test1234567 trustno1234
    wang123456 welcome123 welcome1234 woaini1314 woaini1314520 woaini520 zhang123456 zxcvbnm123
    zxcvbnm1234 5201314520 1314520520 147258369 1472583690 9876543210 0987654321 8888888888
    6666666666 0000000000 9999999999
"""
COMMON_PASSWORDS = frozenset(_COMMON.split())
"""Passwords of ten or more characters that guessers try first."""

_FEWEST_CHARACTERS = 4


def normalise_password(password: str) -> str:
    """The password as it is hashed.

    The same letters typed on another keyboard are the same, and a space around them, which comes
    from copying, does not count.
    """
    return unicodedata.normalize("NFC", password.strip())


def check_password(password: str, *, login: str, field: str = "password") -> None:
    """Refuse a password that is short, too long, the login, or among the first to be tried.

    Raises:
        PasswordTooShort, PasswordTooLong, PasswordTooCommon: naming `field`.
    """
    text = normalise_password(password)
    if len(text) < PASSWORD_MIN:
        raise errors.PasswordTooShort(field=field, limit=PASSWORD_MIN)
    if len(text) > PASSWORD_MAX:
        raise errors.PasswordTooLong(field=field, limit=PASSWORD_MAX)
    folded = text.casefold()
    plain = re.sub(r"[\s._@-]+", "", folded)
    name = re.sub(r"[._-]+", "", login.casefold())
    if (
        folded in COMMON_PASSWORDS
        or plain in COMMON_PASSWORDS
        or len(set(folded)) < _FEWEST_CHARACTERS
        or plain == name
        or (len(name) >= _FEWEST_CHARACTERS and plain.strip("0123456789") == name)
    ):
        raise errors.PasswordTooCommon(field=field)


MAX_FAILURES = 5
LOCKED_FOR = timedelta(minutes=15)


def is_locked(locked_until: datetime | None, *, now: datetime) -> bool:
    """Whether wrong passwords have closed the account for now."""
    return locked_until is not None and now < locked_until


SESSION_LIMIT = timedelta(days=30)
"""A session in constant use ends nevertheless after this long."""
TOUCH_EVERY = timedelta(minutes=1)
"""Use of a session or a key is written down at most this often."""


def session_expiry(*, created_at: datetime, now: datetime, minutes: int) -> datetime:
    """When a session ends that is used `now` and lives for `minutes` without use."""
    return min(now + timedelta(minutes=minutes), created_at + SESSION_LIMIT)


_BROWSERS = (
    ("MicroMessenger", "WeChat"),
    ("Edg", "Edge"),
    ("OPR", "Opera"),
    ("HuaweiBrowser", "Huawei Browser"),
    ("MQQBrowser", "QQ Browser"),
    ("Firefox", "Firefox"),
    ("FxiOS", "Firefox"),
    ("CriOS", "Chrome"),
    ("Chrome", "Chrome"),
    ("Safari", "Safari"),
)
_SYSTEMS = (
    ("HarmonyOS", "HarmonyOS"),
    ("Android", "Android"),
    ("iPhone", "iPhone"),
    ("iPad", "iPad"),
    ("Windows", "Windows"),
    ("Mac OS X", "macOS"),
    ("Linux", "Linux"),
)


def browser_name(user_agent: str) -> str:
    """What to call a browser in a list of sessions: ``Chrome · Windows``.

    The order matters, because most browsers also claim to be others; an unknown one is shown by
    the beginning of what it says of itself.
    """
    found = [
        next((name for mark, name in marks if mark in user_agent), "")
        for marks in (_BROWSERS, _SYSTEMS)
    ]
    return " · ".join(name for name in found if name) or user_agent[:40]


ZONE_NUMBERS = range(32)
"""A zone's number is a bit of the ticket's rights, so there are 32."""
ENTRANCE_NUMBERS = range(1, 1000)
SITE_NUMBERS = range(1, 256)
"""A site's number is two bytes of the ticket's token; no tenant needs that many sites."""


def free_number(taken: Collection[int], numbers: range) -> int:
    """The lowest free number; raises NoNumberLeft."""
    for number in numbers:
        if number not in taken:
            return number
    raise errors.NoNumberLeft(limit=len(numbers))
