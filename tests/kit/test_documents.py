"""Identity documents: numbers that pass, numbers that do not and why, and what may be shown."""

from datetime import UTC, date, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shanmen.kit import clock, documents
from shanmen.kit.documents import DocumentInvalid, DocumentKind, age_on, check, mask, mask_name

TODAY = datetime(2026, 5, 1, 4, tzinfo=UTC)
KINDS = list(DocumentKind)


def number_18(region: str = "110105", birth: str = "19491231", sequence: str = "002") -> str:
    first = region + birth + sequence
    return first + documents.check_digit(first)


def reason(kind: str, number: str) -> str:
    with clock.at(TODAY), pytest.raises(DocumentInvalid) as caught:
        check(kind, number, field="visitors.0.document")
    assert caught.value.field == "visitors.0.document"
    assert caught.value.params["kind"] == kind
    assert set(caught.value.params) <= {"kind", "actual"}
    return caught.value.reason


def test_the_examples_of_the_standard() -> None:
    # GB 11643-1999, appendix.
    assert documents.check_digit("11010519491231002") == "X"
    assert documents.check_digit("44052418800101001") == "4"


def test_an_id_card_tells_birth_sex_and_region() -> None:
    document = check("id_card", "11010519491231002X")
    assert document.kind is DocumentKind.ID_CARD
    assert document.birth_date == date(1949, 12, 31)
    assert document.sex == "female"
    assert document.region_code == "110105"
    assert check("id_card", number_18(sequence="013")).sex == "male"


@pytest.mark.parametrize(
    "typed",
    [
        "11010519491231002x",
        " 110105 19491231 002X ",
        "110105-19491231-002X",
        "１１０１０５１９４９１２３１００２Ｘ",
        "１１０１０５　１９４９１２３１　００２ｘ",
        "11010519491231002X\u200b",
    ],
)
def test_typing_is_put_right(typed: str) -> None:
    assert check(DocumentKind.ID_CARD, typed).number == "11010519491231002X"


@pytest.mark.parametrize(
    ("number", "why"),
    [
        ("", "length"),
        ("   ", "length"),
        ("1101051949123100", "length"),
        ("110105491231002", "length"),
        ("11010519491231002X1", "length"),
        ("1" * 10_000, "length"),
        ("1101051949123100XX", "characters"),
        ("11010519491231O02X", "characters"),
        ("١١٠١٠٥١٩٤٩١٢٣١٠٠٢X", "characters"),
        ("110105194912310021", "check_digit"),
        ("11010519491231020X", "check_digit"),
        ("110105194913310021", "birth_date"),
        ("110105194902290021", "birth_date"),
        (number_18(birth="18991231"), "birth_date"),
        (number_18(birth="20260502"), "birth_date"),
        (number_18(region="160105"), "region"),
        (number_18(region="010105"), "region"),
        (number_18(region="810000", birth="19900307"), "kind"),
        (number_18(region="911156", birth="19900307"), "kind"),
    ],
)
def test_an_id_card_is_refused_with_a_reason(number: str, why: str) -> None:
    assert reason("id_card", number) == why


def test_somebody_born_today_may_come() -> None:
    with clock.at(datetime(2026, 4, 30, 16, 0, tzinfo=UTC)):
        assert check("id_card", number_18(birth="20260501")).birth_date == date(2026, 5, 1)


@pytest.mark.parametrize("region", ["810000", "820000", "830000"])
def test_a_residence_permit(region: str) -> None:
    document = check("hmt_residence_permit", number_18(region=region, birth="19900307"))
    assert (document.region_code, document.birth_date) == (region, date(1990, 3, 7))
    with pytest.raises(documents.DocumentKindMismatch) as caught:
        check("hmt_residence_permit", number_18())
    assert caught.value.params["actual"] == "id_card"
    assert reason("hmt_residence_permit", number_18(region="810001")) == "region"


def test_a_foreign_permanent_resident_of_either_card() -> None:
    new = check("foreign_permanent_resident", number_18(region="911156", birth="19810801"))
    assert (new.birth_date, new.sex, new.region_code) == (date(1981, 8, 1), "female", None)
    with clock.at(TODAY):
        old = check("foreign_permanent_resident", "usa 1100 810801 15")
        assert (old.number, old.birth_date, old.sex) == ("USA110081080115", date(1981, 8, 1), None)
        child = check("foreign_permanent_resident", "USA110020050115")
        assert child.birth_date == date(2020, 5, 1)
    assert reason("foreign_permanent_resident", "USA11008108011") == "length"
    assert reason("foreign_permanent_resident", "USA11008108A115") == "characters"
    assert reason("foreign_permanent_resident", "USA110081130115") == "birth_date"
    assert reason("foreign_permanent_resident", number_18()) == "kind"
    assert reason("foreign_permanent_resident", "9" * 18) == "birth_date"


@pytest.mark.parametrize(
    ("kind", "number", "normal"),
    [
        ("passport", "e12345678", "E12345678"),
        ("passport", "EA 1234567", "EA1234567"),
        ("passport", "123456789", "123456789"),
        ("hk_macao_permit", "h12345678", "H12345678"),
        ("hk_macao_permit", "M1234567801", "M12345678"),
        ("taiwan_permit", "12345678", "12345678"),
        ("taiwan_permit", "1234567801", "1234567801"),
    ],
)
def test_permits_and_passports(kind: str, number: str, normal: str) -> None:
    document = check(kind, number)
    assert document.number == normal
    assert (document.birth_date, document.sex, document.region_code) == (None, None, None)


@pytest.mark.parametrize(
    ("kind", "number", "why"),
    [
        ("passport", "E123", "length"),
        ("passport", "E" * 18, "length"),
        ("passport", "ABCDEFGH", "characters"),
        ("passport", "E1234567é", "characters"),
        ("hk_macao_permit", "H1234567", "length"),
        ("hk_macao_permit", "H123456780", "length"),
        ("hk_macao_permit", "T12345678", "characters"),
        ("hk_macao_permit", "123456789", "characters"),
        ("taiwan_permit", "1234567", "length"),
        ("taiwan_permit", "T1234567", "characters"),
    ],
)
def test_permits_and_passports_are_refused_with_a_reason(kind: str, number: str, why: str) -> None:
    assert reason(kind, number) == why


def test_an_unknown_kind_names_the_field() -> None:
    with pytest.raises(documents.DocumentKindUnknown) as caught:
        check("library_card", "1", field="document_kind")
    assert caught.value.field == "document_kind"


BIRTHS = st.dates(date(1900, 1, 1), date(2026, 4, 30)).map(lambda day: f"{day:%Y%m%d}")
SEQUENCES = st.integers(0, 999).map(lambda number: f"{number:03}")


@given(BIRTHS, SEQUENCES)
def test_every_well_formed_number_passes(birth: str, sequence: str) -> None:
    number = number_18("440524", birth, sequence)
    with clock.at(TODAY):
        document = check("id_card", number.lower())
    assert document.number == number
    assert f"{document.birth_date:%Y%m%d}" == birth
    assert (document.sex == "male") == (int(sequence) % 2 == 1)


@given(BIRTHS, SEQUENCES, st.integers(0, 16), st.integers(1, 9))
def test_one_wrong_digit_is_always_noticed(birth: str, seq: str, at: int, by: int) -> None:
    number = number_18("440524", birth, seq)
    wrong = f"{number[:at]}{(int(number[at]) + by) % 10}{number[at + 1 :]}"
    with clock.at(TODAY), pytest.raises(DocumentInvalid):
        check("id_card", wrong)


@given(BIRTHS, SEQUENCES, st.integers(0, 15))
def test_two_swapped_digits_are_always_noticed(birth: str, seq: str, at: int) -> None:
    number = number_18("440524", birth, seq)
    swapped = number[:at] + number[at + 1] + number[at] + number[at + 2 :]
    if swapped != number:
        with clock.at(TODAY), pytest.raises(DocumentInvalid):
            check("id_card", swapped)


@given(st.sampled_from(KINDS), st.text(max_size=70))
def test_any_text_is_either_a_document_or_refused(kind: DocumentKind, text: str) -> None:
    try:
        document = check(kind, text)
    except DocumentInvalid as refused:
        assert refused.reason  # noqa: PT017 (either way is right)
    else:
        assert check(kind, document.number) == document


@pytest.mark.parametrize(
    ("text", "numbers"),
    [
        ("11010519491231002x", ["11010519491231002X"]),
        ("12345678", ["12345678"]),
        ("h12345678-01", ["H12345678", "H1234567801"]),
        ("110105194912310021", []),
        ("", []),
    ],
)
def test_what_a_text_may_stand_for(text: str, numbers: list[str]) -> None:
    assert documents.readings(text) == numbers


@pytest.mark.parametrize(
    ("number", "shown"),
    [
        ("11010519491231002X", "110*************2X"),
        ("E12345678", "E12****78"),
        ("12345678", "123***78"),
        ("1234567", "1*****7"),
        ("12", "1*"),
        ("", ""),
    ],
)
def test_a_number_is_shown_masked(number: str, shown: str) -> None:
    assert mask(number) == shown


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("张三", "张*"),
        ("欧阳娜娜", "欧***"),
        ("买买提·艾力", "买**·**"),
        ("张", "张"),
        (" 李 四 ", "李 *"),
        ("John Smith", "J*** S****"),
        ("Anne-Marie O'Neil", "A***-M**** O'N***"),
        ("Łukasz Żak", "Ł***** Ż**"),
        ("", ""),
    ],
)
def test_a_name_is_shown_masked(name: str, shown: str) -> None:
    assert mask_name(name) == shown


@given(st.text(min_size=1, max_size=40))
def test_masks_keep_the_length_and_hide_the_rest(text: str) -> None:
    assert len(mask(text)) == len(text)
    assert len(mask_name(text)) == len(text.strip())
    if len(text) > 4:
        assert mask(text).count("*") >= len(text) - 5


def test_a_document_does_not_print_its_number() -> None:
    printed = repr(check("id_card", "11010519491231002X"))
    assert "1101" not in printed
    assert "1949" not in printed
    assert "id_card" in printed.lower()


@pytest.mark.parametrize(
    ("birth", "day", "age"),
    [
        (date(2012, 5, 2), date(2026, 5, 1), 13),
        (date(2012, 5, 1), date(2026, 5, 1), 14),
        (date(2012, 2, 29), date(2026, 2, 28), 13),
        (date(2012, 2, 29), date(2026, 3, 1), 14),
        (date(2012, 2, 29), date(2028, 2, 29), 16),
        (date(2026, 5, 1), date(2026, 5, 1), 0),
        (date(2026, 5, 2), date(2026, 5, 1), -1),
    ],
)
def test_age_is_full_years(birth: date, day: date, age: int) -> None:
    assert age_on(birth, day) == age
