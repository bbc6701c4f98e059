import gzip
import re
from pathlib import Path

import pytest

from shanmen.web.assets import STATIC_ROOT, Assets


def test_an_address_changes_with_any_file(tmp_path):
    (tmp_path / "a.css").write_text("a")
    (tmp_path / "b.js").write_text("b")
    before = Assets(tmp_path).url("a.css")
    (tmp_path / "b.js").write_text("c")
    assert Assets(tmp_path).url("a.css") != before


def test_a_watched_tree_is_read_again(tmp_path):
    assets = Assets(tmp_path, watch=True)
    with pytest.raises(FileNotFoundError, match=r"a\.css"):
        assets.url("a.css")
    (tmp_path / "a.css").write_text("a")
    assert assets.url("a.css").endswith("/a.css")
    assert assets.load("a.css").body == b"a"


def test_files_are_kept_for_ever_under_their_own_version(client):
    url = Assets().url("css/base.css")
    answer = client.get(url)
    assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert answer.headers["content-encoding"] == "gzip"
    assert answer.headers["content-type"] == "text/css; charset=utf-8"
    assert answer.content == (STATIC_ROOT / "css/base.css").read_bytes()


def test_an_old_version_gets_todays_file_and_asks_again(client):
    answer = client.get("/static/0123456789ab/css/base.css")
    assert answer.headers["cache-control"] == "no-cache"
    again = client.get(
        "/static/0123456789ab/css/base.css", headers={"if-none-match": answer.headers["etag"]}
    )
    assert (again.status_code, again.content) == (304, b"")


@pytest.mark.parametrize("path", ["nothing.css", "../plugin.py", "%2e%2e/plugin.py", "/etc/passwd"])
def test_nothing_outside_the_tree_is_served(client, path):
    assert client.get(f"/static/x/{path}").status_code in {404, 405}


def test_head_has_no_body(client):
    answer = client.head(Assets().url("css/base.css"))
    assert (answer.status_code, answer.content) == (200, b"")


def test_the_icon_is_where_browsers_look(client):
    assert client.get("/favicon.ico").headers["content-type"].startswith("image/svg+xml")


def test_pages_are_compressed_and_small_answers_are_not(client):
    page = client.get("/visitor")
    assert page.headers["content-encoding"] == "gzip"
    assert "accept-encoding" in page.headers["vary"].lower()
    small = client.get("/api/query?count=1")
    assert "content-encoding" not in small.headers


def test_stylesheets_name_only_tokens_that_exist():
    sources = {path.name: path.read_text() for path in STATIC_ROOT.glob("css/**/*.css")}
    defined = set(re.findall(r"(--[a-z-]+):", "".join(sources.values())))
    for name, source in sources.items():
        assert set(re.findall(r"var\((--[a-z-]+)", source)) <= defined, name


def luminance(colour: str) -> float:
    digits = colour.lstrip("#")
    digits = digits if len(digits) == 6 else "".join(digit * 2 for digit in digits)
    parts = [int(digits[i : i + 2], 16) / 255 for i in (0, 2, 4)]
    linear = [
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts
    ]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(first: str, second: str) -> float:
    light, dark = sorted((luminance(first), luminance(second)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_contrasts_with_its_ground(scheme):
    source = Path(STATIC_ROOT / "css/base.css").read_text()
    blocks = re.findall(r":root \{(.*?)\}", source, re.DOTALL)
    tokens = dict(re.findall(r"(--[a-z-]+): (#[0-9a-f]+);", blocks[0]))
    if scheme == "dark":
        tokens |= dict(re.findall(r"(--[a-z-]+): (#[0-9a-f]+);", blocks[1]))
    grounds = ["--paper", "--surface", "--sunken"]
    pairs = [(text, ground) for text in ("--ink", "--muted", "--green") for ground in grounds]
    pairs += [("--accent", "--paper"), ("--accent", "--surface"), ("--green", "--green-soft")]
    pairs += [("--on-green", "--green"), ("--on-accent", "--accent"), ("--ink", "--green-soft")]
    pairs += [(f"--{tone}", f"--{tone}-soft") for tone in ("good", "warn", "bad", "info")]
    pairs += [(f"--{tone}", ground) for tone in ("good", "warn", "bad") for ground in grounds[:2]]
    for text, ground in pairs:
        ratio = contrast(tokens[text], tokens[ground])
        assert ratio >= 4.5, f"{text} on {ground} is {ratio:.2f}"


def test_the_vendored_libraries_carry_their_licences():
    vendor = STATIC_ROOT / "vendor"
    if not vendor.is_dir():
        pytest.skip("scripts/vendor.py has not run")
    for folder in (path for path in vendor.iterdir() if path.is_dir()):
        assert list(folder.glob("LICENSE*")), folder.name


def test_compressed_files_read_back():
    asset = Assets().load("css/base.css")
    assert asset.zipped is not None
    assert gzip.decompress(asset.zipped) == asset.body
