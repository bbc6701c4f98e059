import base64
import random
import re

import pytest
import zxingcpp
from playwright.sync_api import Browser

from shanmen.web.assets import STATIC_ROOT, Assets
from shanmen.web.qr import qr_svg

TEXT = "SM1:7WQE0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ$%*+-./:"
DECODE = """async ([picture, wasm]) => {
  ZXingWASM.prepareZXingModule({overrides: {locateFile: () => wasm}});
  const bytes = Uint8Array.from(atob(picture), (c) => c.charCodeAt(0));
  const found = await ZXingWASM.readBarcodes(new Blob([bytes]), {formats: ["QRCode"]});
  return found.map((code) => code.text);
}"""


def test_a_code_is_named_and_escaped():
    svg = qr_svg(TEXT, 'Ticket "A" <1>')
    assert svg.startswith('<svg role="img" aria-label="Ticket &quot;A&quot; &lt;1&gt;"')
    assert "style=" not in svg


def test_upper_case_text_takes_the_smaller_mode():
    size = int(re.search(r'viewBox="0 0 (\d+)', qr_svg(TEXT, "x"))[1])
    assert size < int(re.search(r'viewBox="0 0 (\d+)', qr_svg(TEXT.lower(), "x"))[1])


def modules(svg: str) -> list[str]:
    """The dark and light modules of a picture, followed like a pen."""
    side = int(re.search(r'viewBox="0 0 (\d+)', svg)[1])
    rows = [["0"] * side for _ in range(side)]
    path = re.search(r'stroke="#000" d="([^"]+)"', svg)[1]
    x = y = 0
    for kind, first, second in re.findall(r"([Mmh])(\d+)(?: ([\d.]+))?", path):
        if kind == "M":
            x, y = int(first), int(float(second))
        elif kind == "h":
            rows[y][x : x + int(first)] = "1" * int(first)
        if kind != "M":
            x += int(first)
    return ["".join(row) for row in rows]


def read_back(svg: str) -> str:
    rows = modules(svg)
    picture = bytearray()
    for row in rows:
        line = b"".join(b"\x00" * 3 if module == "1" else b"\xff" * 3 for module in row)
        picture += line * 3
    side = 3 * len(rows)
    image = memoryview(bytes(picture)).cast("B", (side, side))
    [found] = zxingcpp.read_barcodes(image)
    return found.text


@pytest.mark.parametrize("mask", [None, *range(8)])
def test_a_picture_says_its_text_under_each_mask(mask: int | None):
    choose = random.Random(mask or 0)
    for length in (1, 40, 170, 400):
        text = "".join(choose.choices("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ $%*+-./:", k=length))
        assert read_back(qr_svg(text.strip() or "A", "x", mask=mask)) == (text.strip() or "A")


def test_the_mask_that_is_asked_for_is_used():
    assert len({qr_svg(TEXT, "x", mask=mask) for mask in range(8)}) == 8


def test_a_ticket_is_read_and_half_dark_under_a_mask_that_nobody_searched_for():
    choose = random.Random(1)
    for _ in range(200):
        text = "SM1" + "".join(choose.choices("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ", k=167))
        rows = modules(qr_svg(text, "x", mask=4))
        assert read_back(qr_svg(text, "x", mask=4)) == text
        dark = sum(row.count("1") for row in rows) / sum(len(row) - 8 for row in rows[4:-4])
        assert 0.4 < dark < 0.6


@pytest.mark.e2e
def test_a_code_on_a_dark_screen_is_read_by_the_gates_decoder(browser: Browser, kitchen_url: str):
    """Also shows that the decoder runs under the policy of the gate's pages."""
    if not (STATIC_ROOT / "vendor/zxing/reader.js").is_file():
        pytest.skip("scripts/vendor.py has not run")
    page = browser.new_page(viewport={"width": 360, "height": 740}, color_scheme="dark")
    page.goto(f"{kitchen_url}/visitor")
    picture = base64.b64encode(page.locator(".qr-frame").screenshot()).decode()
    page.goto(f"{kitchen_url}/gate/ready")
    page.add_script_tag(url=Assets().url("vendor/zxing/reader.js"))
    wasm = Assets().url("vendor/zxing/zxing_reader.wasm")
    assert page.evaluate(DECODE, [picture, wasm]) == ["SM1:ABCDEFGH"]
    page.close()
