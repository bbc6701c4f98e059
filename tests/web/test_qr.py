import base64
import re

import pytest
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
