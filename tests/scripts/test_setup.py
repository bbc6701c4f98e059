import os
import subprocess
from pathlib import Path

from scripts.setup import digest, in_words_of_uv, pip_settings

ROOT = Path(__file__).resolve().parents[2]


def run(script: str, **environ: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["sh", str(ROOT / "scripts" / script), "runtime"],
        env={**os.environ, **environ},
        check=False,
        capture_output=True,
        text=True,
    )


def test_a_python_that_is_none_is_refused_in_one_sentence():
    refused = run("setup.sh", PYTHON="/bin/false")
    assert refused.returncode == 1
    assert refused.stderr.startswith("/bin/false is not a Python 3.11 or newer")
    assert refused.stderr.count("\n") == 1


def test_a_missing_target_is_refused_in_one_sentence():
    refused = subprocess.run(
        ["make", "-C", str(ROOT), "--no-print-directory", "nonsense"],
        check=False,
        capture_output=True,
        text=True,
    )
    assert refused.returncode != 0
    assert "There is no target 'nonsense'" in refused.stderr
    assert refused.stderr.count("\n") == 1


def test_make_alone_explains_every_target():
    shown = subprocess.run(["make", "-C", str(ROOT)], check=True, capture_output=True, text=True)
    for target in ("run", "setup", "test", "check", "bench", "soak", "lock", "clean"):
        assert f"make {target} " in shown.stdout


def test_variables_of_pip_are_stronger_than_its_files(tmp_path: Path):
    file = tmp_path / "pip.conf"
    file.write_text(
        "[global]\nindex-url = https://one/simple\nfind-links = a\n  b\n[list]\nx = y\n"
    )
    assert pip_settings([file], {}) == {"index-url": "https://one/simple", "find-links": "a b"}
    stronger = pip_settings([file], {"PIP_INDEX_URL": "https://two/simple"})
    assert stronger["index-url"] == "https://two/simple"


def test_a_broken_file_of_pip_is_passed_over(tmp_path: Path):
    file = tmp_path / "pip.conf"
    file.write_text("index-url = no section\n")
    assert pip_settings([file, tmp_path / "missing"], {}) == {}


def test_uv_looks_at_all_indexes_that_pip_would():
    assert in_words_of_uv({}) == {}
    said = in_words_of_uv({"extra-index-url": "https://more/simple", "find-links": "a b"})
    assert said == {
        "UV_INDEX": "https://more/simple",
        "UV_INDEX_STRATEGY": "unsafe-best-match",
        "UV_FIND_LINKS": "a,b",
    }


def test_a_digest_tells_parts_apart(tmp_path: Path):
    assert digest("ab", "c") != digest("a", "bc")
    file = tmp_path / "lock.txt"
    missing = digest(file)
    file.write_text("click==8\n")
    assert digest(file) != missing
    assert digest(file) == digest("click==8\n")
