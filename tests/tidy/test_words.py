"""Nothing of one machine, no secret, and no unfinished business in what is published."""

import re
from pathlib import Path

from tests.tidy.tree import files, short, text_of

PATTERNS = {
    "a note to finish something later": r"\b(?:TODO|FIXME|HACK|XXX)\b",
    "a path of one machine": r"(?<![\w.~-])/(?:home|Users|work|root)/[\w.-]+",
    "a private key": r"-----BEGIN [A-Z ]*PRIVATE KEY-----",
    "a key of a cloud": r"\b(?:AKIA|LTAI)[0-9A-Za-z]{16,}\b",
    "a token": r"\b(?:gh[pousr]_|sk_live_|glpat-|xox[bp]-|smk_)[0-9A-Za-z]{20,}\b",
    # `password` and `secret` are what an example says.
    "a password in an address": r"://[\w.-]+:(?!password@|secret@)[\w.!#%^*+-]+@[\w.]",
    "the host of a package registry": (
        r"\b(?:registry\.npmjs\.org|files\.pythonhosted\.org|pypi\.org/simple"
        r"|registry\.npmmirror\.com|pypi\.tuna\.tsinghua\.edu\.cn)"
    ),
}

# What may stay, each with its reason.
ALLOWED = {
    # It asks the default index whether it answers, to tell a dead network from another failure.
    ("scripts/setup.py", "the host of a package registry"),
    # It shows that a password in an address is never printed, with passwords made up for it.
    ("tests/kit/test_settings.py", "a password in an address"),
}


def complaints(name: str, text: str) -> list[str]:
    """What must not be published, with its line."""
    return [
        f"{name}:{number}: {what}"
        for what, pattern in PATTERNS.items()
        if (name, what) not in ALLOWED
        for number, line in enumerate(text.splitlines(), start=1)
        if re.search(pattern, line)
    ]


def test_nothing_that_must_not_be_published():
    found = [
        complaint
        for path in files()
        if path != Path(__file__) and (text := text_of(path)) is not None
        for complaint in complaints(short(path), text)
    ]
    assert found == []


def test_each_kind_is_found():
    samples = [
        "# TODO: later",
        "path = '/home/lin/shanmen'",
        "-----BEGIN EC PRIVATE KEY-----",
        "id = 'AKIAABCDEFGHIJKLMNOP'",
        "token = 'ghp_abcdefghijklmnopqrstuvwxyz0123456789'",
        "url = 'postgresql://shanmen:hunter2@10.0.0.4/x'",
        '"resolved": "https://registry.npmjs.org/htmx.org/-/htmx.org-2.0.4.tgz"',
    ]
    kinds = [complaint for sample in samples for complaint in complaints("x", sample)]
    assert kinds == [f"x:1: {what}" for what in PATTERNS]


def test_harmless_words_are_left_alone():
    for text in (
        "https://github.com/shanmen/shanmen",
        "postgresql://shanmen:secret@localhost/shanmen",
        "the home page is /home, and ~/work/x is yours",
        "smk_ begins every key",
        "pip reads https://user:…@mirror",
    ):
        assert complaints("x", text) == []
