"""Documents agree with each other: same structure in both languages, links that lead somewhere."""

import re
from pathlib import Path
from urllib.parse import unquote

from tests.tidy.tree import ROOT, named, short

FENCE = re.compile(r"^(```|~~~).*?^\1[ \t]*$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\(\s*<?([^)\s>]+)>?(?:\s+\"[^\"]*\")?\s*\)")
PICTURE = re.compile(r"<(?:img|a|source)\b[^>]*?\b(?:src|href|srcset)=\"([^\"]+)\"")
TRANSLATED = ".zh-CN.md"

DOCUMENTS = named(".md")


def headings(text: str) -> list[tuple[int, str]]:
    """Level and words of each heading; what stands in code is none."""
    found = re.findall(r"^(#{1,6})\s+(.+?)\s*#*\s*$", FENCE.sub("", text), re.MULTILINE)
    return [(len(marks), words) for marks, words in found]


def shape(text: str) -> list[str]:
    """What translations have in common: levels of headings, and blocks of code word for word."""
    parts = []
    for block in re.finditer(rf"{FENCE.pattern}|^#{{1,6}}(?=\s)", text, re.MULTILINE | re.DOTALL):
        # A comment in a block of commands is prose, and translated.
        lines = (re.sub(r"(^|\s+)#.*", "", line) for line in block[0].splitlines())
        parts.append(block[0] if block[1] is None else "\n".join(line for line in lines if line))
    return parts


def anchor(words: str) -> str:
    """The name that a heading gets: lower case, without punctuation, spaces as hyphens."""
    plain = re.sub(r"!?\[([^\]]*)\]\([^)]*\)", r"\1", words).replace("`", "").strip().lower()
    return re.sub(r"[^\w\- ]", "", plain).replace(" ", "-")


def dead_links(path: Path, text: str) -> list[str]:
    """Relative links that lead to no file, or to no heading of it."""
    prose = re.sub(r"`[^`\n]*`", "", FENCE.sub("", text))
    found = []
    for target in LINK.findall(prose) + PICTURE.findall(prose):
        if re.match(r"[a-z][a-z0-9+.-]*:", target):
            continue
        name, _, part = target.partition("#")
        file = (path.parent / unquote(name)).resolve() if name else path
        if not file.exists() or ROOT not in (file, *file.parents):
            found.append(target)
        elif part and file.suffix == ".md":
            other = text if file == path else file.read_text(encoding="utf-8")
            if unquote(part) not in {anchor(words) for _, words in headings(other)}:
                found.append(target)
    return found


def test_both_readmes_are_there():
    assert (ROOT / "README.md").is_file()
    assert (ROOT / f"README{TRANSLATED}").is_file()


def test_translations_have_the_same_structure():
    differing = []
    for path in DOCUMENTS:
        if path.name.endswith(TRANSLATED):
            original = path.with_name(path.name.removesuffix(TRANSLATED) + ".md")
            mine = shape(path.read_text(encoding="utf-8"))
            if not original.is_file() or mine != shape(original.read_text(encoding="utf-8")):
                differing.append(short(path))
    assert differing == []


def test_links_lead_somewhere():
    dead = {short(path): dead_links(path, path.read_text(encoding="utf-8")) for path in DOCUMENTS}
    assert {name: links for name, links in dead.items() if links} == {}


def test_decisions_are_numbered_without_gaps():
    names = sorted(path.name for path in (ROOT / "docs" / "adr").glob("0*.md"))
    assert [int(name[:4]) for name in names] == list(range(1, len(names) + 1))
    index = (ROOT / "docs" / "adr" / "README.md").read_text(encoding="utf-8")
    assert [name for name in names if f"({name})" not in index] == []


def test_differing_translations_are_found():
    english = "# Shanmen\n\n## Start\n\n```sh\nmake run   # starts it\n```\n"
    chinese = "# 山门\n\n## 开始\n\n```sh\nmake run   # 启动\n```\n"
    assert shape(english) == shape(chinese)
    assert shape(english) != shape(chinese.replace("make run", "make test"))
    assert shape(english) != shape(chinese.replace("## ", "### "))
    assert shape(english) != shape(chinese + "\n## 更多\n")


def test_dead_links_are_found():
    readme = ROOT / "README.md"
    assert dead_links(readme, "[a](LICENSE) [b](#top)\n\n# Top\n") == []
    assert dead_links(readme, "[a](nowhere.md)") == ["nowhere.md"]
    assert dead_links(readme, "[![a](no.svg)](LICENSE)") != []
    assert dead_links(readme, "[b](#bottom)\n\n# Top\n") == ["#bottom"]
    assert dead_links(readme, '<img src="docs/no.png" width="300">') == ["docs/no.png"]
    assert dead_links(readme, "```md\n[a](nowhere.md)\n```\n`[a](b.md)`\nhttps://a.example\n") == []
    assert dead_links(readme, "[a](../outside.md)") == ["../outside.md"]
