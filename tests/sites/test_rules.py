from datetime import UTC, datetime, timedelta

import pytest

from shanmen.sites import errors, rules

NOW = datetime(2026, 10, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("password", "refused"),
    [
        ("short", errors.PasswordTooShort),
        ("         x", errors.PasswordTooShort),
        ("123456789", errors.PasswordTooShort),
        ("x" * 201, errors.PasswordTooLong),
        ("1234567890", errors.PasswordTooCommon),
        ("Password123", errors.PasswordTooCommon),
        ("p.a.s.s.w.o.r.d-123", errors.PasswordTooCommon),
        ("aaaaaaaaaaaa", errors.PasswordTooCommon),
        ("abababababab", errors.PasswordTooCommon),
        ("li.na.chen", errors.PasswordTooCommon),
        ("LiNaChen2026", errors.PasswordTooCommon),
    ],
)
def test_passwords_that_will_not_do(password, refused):
    with pytest.raises(refused) as caught:
        rules.check_password(password, login="li.na.chen", field="new")
    assert caught.value.field == "new"


@pytest.mark.parametrize(
    "password", ["correct horse battery", "山高水长人情深且远大", "x7$Kd92mQp"]
)
def test_passwords_that_will_do(password):
    rules.check_password(password, login="admin")


def test_the_same_letters_are_the_same_password():
    assert rules.normalise_password(" caf\u0065\u0301 ") == rules.normalise_password("caf\u00e9")


@pytest.mark.parametrize("slug", ["lushan", "west-lake", "a1", "5a", " LuShan "])
def test_slugs_that_will_do(slug):
    assert rules.clean_slug(slug) == slug.strip().lower()


@pytest.mark.parametrize(
    "slug", ["", "a", "-a", "a-", "a--b", "a_b", "庐山", "a" * 41, "a b", "a/b", "a\n"]
)
def test_slugs_that_will_not_do(slug):
    if slug == "a\n":
        slug = "ab\nc"  # A line break inside; around it, it is stripped.
    with pytest.raises(errors.BadSlug):
        rules.clean_slug(slug)


def test_a_login_is_split_at_its_last_at():
    assert rules.split_login(" Li.Na＠LuShan ") == ("li.na", "lushan")
    assert rules.split_login("a@b@c") == ("a@b", "c")
    assert rules.split_login("admin") == ("", "admin")


def test_nobody_grants_more_than_they_have():
    rules.check_grant(None, rules.PERMISSIONS)
    rules.check_grant({"orders.read"}, ["orders.read"])
    with pytest.raises(errors.MayNotGrant):
        rules.check_grant({"orders.read"}, ["orders.read", "orders.change"])


def test_permissions_have_an_order_and_administrators_keep_theirs():
    assert rules.role_permissions("x", ["audit.read", "orders.read"]) == [
        "orders.read",
        "audit.read",
    ]
    assert rules.role_permissions("administrator", []) == ["staff.edit"]
    with pytest.raises(errors.UnknownPermission) as caught:
        rules.role_permissions("x", ["fly"])
    assert caught.value.params == {"permission": "fly"}


def test_default_roles_name_real_permissions():
    for role in rules.DEFAULT_ROLES:
        assert set(role.permissions) <= set(rules.PERMISSIONS)


def test_a_session_has_an_end():
    later = rules.session_expiry(created_at=NOW, now=NOW + timedelta(hours=1), minutes=30)
    assert later == NOW + timedelta(hours=1, minutes=30)
    last = rules.session_expiry(created_at=NOW, now=NOW + timedelta(days=30), minutes=30)
    assert last == NOW + timedelta(days=30)


def test_numbers_run_out():
    assert rules.free_number({0, 1, 3}, range(32)) == 2
    with pytest.raises(errors.NoNumberLeft):
        rules.free_number(set(range(32)), range(32))


def test_a_name_needs_its_chinese():
    assert rules.clean_name({"zh-CN": " 庐山 ", "en": "", "fr": "x"}) == {"zh-CN": "庐山"}
    for name in ({}, {"en": "Lushan"}, {"zh-CN": "  "}, {"zh-CN": "山" * 61}):
        with pytest.raises(errors.NameMissing) as caught:
            rules.clean_name(name)
        assert caught.value.field == "name.zh-CN"


@pytest.mark.parametrize(
    ("user_agent", "name"),
    [
        (
            (
                "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) "
                "Chrome/138.0 Safari/537.36 Edg/138.0"
            ),
            "Edge · Windows",
        ),
        (
            (
                "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 "
                "(KHTML, like Gecko) Mobile/15E148 MicroMessenger/8.0.50"
            ),
            "WeChat · iPhone",
        ),
        (
            "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
            "Firefox · Linux",
        ),
        ("Mozilla/5.0 (Linux; Android 15) Chrome/138.0 Mobile Safari/537.36", "Chrome · Android"),
        ("python-httpx/0.28.1", "python-httpx/0.28.1"),
        ("", ""),
    ],
)
def test_browsers_have_short_names(user_agent, name):
    assert rules.browser_name(user_agent) == name
