from hypothesis import given
from hypothesis import strategies as st

from shanmen.web import signing

SECRET = b"s" * 32


def test_a_token_survives_its_mask_and_never_looks_the_same():
    token = signing.new_token(SECRET)
    first, second = signing.mask(token), signing.mask(token)
    assert first != second
    assert signing.unmask(first) == signing.unmask(second) == token
    assert signing.token_is_valid(SECRET, token)
    assert not signing.token_is_valid(b"x" * 32, token)
    assert not signing.token_is_valid(SECRET, None)


def test_a_signature_is_for_one_purpose():
    text = signing.sign(SECRET, "flash", b"hello")
    assert signing.read_signed(SECRET, "flash", text) == b"hello"
    assert signing.read_signed(SECRET, "csrf", text) is None
    assert signing.read_signed(SECRET, "flash", text[:-2]) is None


@given(st.text())
def test_garbage_is_refused_quietly(text):
    assert signing.read_signed(SECRET, "flash", text) is None
    assert not signing.token_is_valid(SECRET, text)
    assert not signing.token_is_valid(SECRET, signing.unmask(text))
