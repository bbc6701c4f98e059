"""People who do not exist: names, documents whose check digits are right, telephone numbers.

A person is made from a number alone, so the same number is the same person in every run, and those
who come again need not be remembered.
"""

import random
from dataclasses import dataclass
from datetime import date, timedelta

from shanmen.kit import documents
from shanmen.kit.documents import DocumentKind

SURNAMES = (
    "王李张刘陈杨黄赵吴周徐孙马朱胡郭何高林罗郑梁谢宋唐许韩冯邓曹彭曾萧田董袁潘于蒋蔡余杜叶程苏魏吕丁任沈"
    "姚卢姜崔钟谭陆汪范金石廖贾夏韦付方白邹孟熊秦邱江尹薛闫段雷侯龙史陶黎贺顾毛郝龚邵万钱严覃武戴莫孔向汤"
)
"""The hundred most common, of about nine in ten people; the first of them weigh more."""
GIVEN = (
    "伟芳娜敏静丽强磊军洋勇艳杰娟涛明超秀霞平刚桂文辉建国华梅玲红玉英子涵梓轩宇浩然欣怡雨桐思远佳慧晨曦嘉"
    "诚海波春兰志鹏俊峰婷雪飞云龙凤琴丹琳倩颖莉莹爽凯瑞博睿哲安宁若溪可馨一诺锦程明轩景行乐天知远书瑶清源"
)
REGIONS = (
    "110101 110105 110108 120101 130102 130203 140105 150102 210102 210202 220102 230102 310101 "
    "310104 310115 320102 320106 320505 320583 330102 330106 330108 330204 330302 330402 330502 "
    "330602 330702 330802 330903 331002 331102 340102 340202 341002 350102 350203 350582 360102 "
    "360402 361102 370102 370202 370602 410102 410302 420102 420106 420502 430102 430802 440103 "
    "440106 440304 440305 440605 441900 450102 450305 460106 500103 500112 510104 510107 511102 "
    "520103 530102 530702 610102 610113 620102 630102 640104 650102"
)
"""Counties and districts, more of them near the park; six digits each."""
PREFIXES = [
    "130",
    "131",
    "133",
    "135",
    "136",
    "137",
    "138",
    "139",
    "150",
    "151",
    "152",
    "158",
    "159",
    "176",
    "177",
    "180",
    "186",
    "187",
    "188",
    "189",
]
FIRST_NAMES = [
    "Emma",
    "Liam",
    "Sofia",
    "Noah",
    "Mia",
    "Lucas",
    "Anna",
    "Leo",
    "Yuki",
    "Haruto",
    "Minjun",
    "Olga",
    "Ivan",
    "Marie",
]
FAMILY_NAMES = [
    "Smith",
    "Brown",
    "Müller",
    "Schmidt",
    "Dubois",
    "Rossi",
    "Tanaka",
    "Sato",
    "Kim",
    "Lee",
    "Park",
    "Ivanova",
]
COMMON = 24
"""So many of the surnames make up more than half of the people."""

COUNTED_FROM = 2022
AGES = {
    "adult": (24, 58),
    "child": (7, 15),
    "senior": (61, 68),
    "elder": (71, 86),
    "student": (18, 24),
}
"""Ages by kind of ticket, a year away from the bounds: a birthday never refuses anybody."""


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody made up."""

    name: str
    document_kind: DocumentKind
    document: str


def person(key: int, audience: str, on: date, *, surname: str = "") -> Person:
    """The person of this number, of an age that fits the ticket on a day."""
    dice = random.Random(key)  # noqa: S311 - a replay
    kind = _document_kind(dice, audience)
    if kind is DocumentKind.PASSPORT:
        name = f"{dice.choice(FIRST_NAMES)} {dice.choice(FAMILY_NAMES)}"
        return Person(name, kind, f"{dice.choice('CEGHKPX')}{dice.randrange(10**8):08}")
    name = chinese_name(dice, surname)
    if kind is DocumentKind.HK_MACAO_PERMIT:
        return Person(name, kind, f"{dice.choice('HHHM')}{dice.randrange(10**8):08}")
    if kind is DocumentKind.TAIWAN_PERMIT:
        return Person(name, kind, f"{dice.randrange(10**7, 10**8)}")
    low, high = AGES[audience]
    # Adults come again in other years and keep their birthday; the others' age must fit today.
    year = COUNTED_FROM if audience == "adult" else on.year
    born = date(year - dice.randint(low, high), 1, 1) + timedelta(days=dice.randrange(365))
    return Person(name, kind, id_number(dice, born))


def _document_kind(dice: random.Random, audience: str) -> DocumentKind:
    if audience != "adult":
        return DocumentKind.ID_CARD
    at = dice.random()
    if at < 0.035:  # noqa: PLR2004 - shares of the documents at such a park
        return DocumentKind.PASSPORT
    if at < 0.055:  # noqa: PLR2004
        return DocumentKind.HK_MACAO_PERMIT
    if at < 0.065:  # noqa: PLR2004
        return DocumentKind.TAIWAN_PERMIT
    return DocumentKind.ID_CARD


def chinese_name(dice: random.Random, surname: str = "") -> str:
    """A surname and one or two more characters."""
    if not surname:
        common = dice.random() < 0.6  # noqa: PLR2004 - about the share of the most common
        surname = SURNAMES[dice.randrange(COMMON if common else len(SURNAMES))]
    size = 1 if dice.random() < 0.2 else 2  # noqa: PLR2004 - names of two characters are fewer
    return surname + "".join(dice.choice(GIVEN) for _ in range(size))


def id_number(dice: random.Random, born: date) -> str:
    """The 18 characters of an identity card (GB 11643-1999)."""
    at = dice.randrange(0, len(REGIONS), 7)
    region = REGIONS[at : at + 6]
    first_17 = f"{region}{born:%Y%m%d}{dice.randrange(1, 1000):03}"
    return first_17 + documents.check_digit(first_17)


def phone(key: int) -> str:
    """The mobile number of the person of this number."""
    dice = random.Random(key ^ 0x5DEECE66D)  # noqa: S311 - a replay
    return f"{dice.choice(PREFIXES)}{dice.randrange(10**8):08}"
