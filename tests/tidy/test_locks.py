"""Locked lists: complete, by hash, and without the address that they were made from."""

import json
import re
import tomllib

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.tidy.tree import ROOT, short

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
BASE = PROJECT["project"]["dependencies"]
SERVER = BASE + PROJECT["project"]["optional-dependencies"]["server"]
GROUPS = PROJECT["dependency-groups"]
WANTED = {
    "base": BASE,
    "server": SERVER,
    "dev": SERVER + GROUPS["dev"],
    "build": GROUPS["build"] + PROJECT["build-system"]["requires"],
    "installer": GROUPS["installer"],
    "node": GROUPS["node"],
}
LISTS = sorted((ROOT / "requirements").glob("*.txt"))


def pins(text: str) -> dict[str, str]:
    """Version by name; of two pins that a marker chooses between, the last one."""
    return {
        canonicalize_name(match[1]): match[2]
        for match in re.finditer(r"^([A-Za-z0-9_.-]+)==([^\s;\\]+)", text, re.MULTILINE)
    }


def faults(text: str) -> list[str]:
    """Lines that pin nothing by hash, or tell where the list was made."""
    found = []
    lines = text.splitlines()
    for number, line in enumerate(lines, start=1):
        if "://" in line or re.match(r"\s*(--(extra-)?index-url|--find-links|-e |\.|/)", line):
            found.append(f"{number}: an address: {line}")
        if re.match(r"[A-Za-z0-9]", line):
            following = lines[number] if number < len(lines) else ""
            if "==" not in line or "--hash=sha256:" not in following:
                found.append(f"{number}: no version with a hash: {line}")
    return found


def outdated(wanted: list[str], text: str) -> list[str]:
    """Requirements of the project that a list does not fulfil."""
    pinned = pins(text)
    found = []
    for line in wanted:
        requirement = Requirement(line)
        version = pinned.get(canonicalize_name(requirement.name))
        if version is None or not requirement.specifier.contains(version, prereleases=True):
            found.append(line)
    return found


def addresses(lock: dict[str, object]) -> list[str]:
    """Packages of an npm lock file with a download address, or without a hash."""
    packages = lock["packages"]
    assert isinstance(packages, dict)
    return [
        name
        for name, entry in packages.items()
        if name and ("resolved" in entry or "integrity" not in entry)
    ]


def test_lists_are_hashed_and_without_addresses():
    found = {short(path): faults(path.read_text(encoding="utf-8")) for path in LISTS}
    assert found == {short(ROOT / "requirements" / f"{name}.txt"): [] for name in sorted(WANTED)}


@pytest.mark.parametrize("name", WANTED)
def test_list_has_what_the_project_asks_for(name: str):
    text = (ROOT / "requirements" / f"{name}.txt").read_text(encoding="utf-8")
    assert outdated(WANTED[name], text) == [], "run 'make lock'"


def test_lists_agree_on_versions():
    names = ("base", "server", "dev", "build")
    together = [pins((ROOT / "requirements" / f"{name}.txt").read_text()) for name in names]
    for smaller in together:
        differing = {n: v for n, v in smaller.items() if together[2].get(n, v) != v}
        assert differing == {}


def test_browser_libraries_are_hashed_and_without_addresses():
    lock = json.loads((ROOT / "package-lock.json").read_text(encoding="utf-8"))
    assert addresses(lock) == []
    assert pinned_exactly(json.loads((ROOT / "package.json").read_text(encoding="utf-8")))


def pinned_exactly(package: dict[str, dict[str, str]]) -> bool:
    kinds = (package.get("dependencies", {}), package.get("devDependencies", {}))
    return all(version[0].isdigit() for kind in kinds for version in kind.values())


def test_faults_are_found():
    good = "click==8.3.0 \\\n    --hash=sha256:00\n    # via shanmen (pyproject.toml)\n"
    assert faults(good) == []
    assert len(faults("click==8.3.0\n")) == 1
    assert len(faults("--index-url https://mirror/simple\n" + good)) == 1
    assert len(faults("click @ file:///tmp/click.whl \\\n    --hash=sha256:00\n")) == 2
    assert outdated(["click>=8.3"], good) == []
    assert outdated(["click>=9", "rich>=14"], good) == ["click>=9", "rich>=14"]
    assert addresses({"packages": {"": {}, "a": {"integrity": "sha512-x"}}}) == []
    assert addresses({"packages": {"a": {"integrity": "x", "resolved": "y"}, "b": {}}}) == [
        "a",
        "b",
    ]
    assert not pinned_exactly({"dependencies": {"htmx.org": "^2.0.0"}})
