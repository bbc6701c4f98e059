"""What this module refuses."""

from shanmen.kit.errors import DomainError, NotSignedIn


class WrongLogin(DomainError):
    """Name or password is wrong; it is not said which."""

    code = "sites.wrong_login"
    status = 401


class LockedOut(DomainError):
    """Too many wrong passwords; ``params``: ``until`` (local time as text), ``retry_after``."""

    code = "sites.locked_out"
    status = 429


class SignInFirst(NotSignedIn):
    """The route is for staff and the browser has no living session."""

    code = "sites.sign_in_first"


class BadApiKey(NotSignedIn):
    """The API key is missing, malformed, unknown or revoked."""

    code = "sites.bad_api_key"


class MissingPermission(DomainError):
    """The caller is known and its role or key lacks a permission; ``params``: ``permission``."""

    code = "sites.missing_permission"
    status = 403


class MayNotGrant(DomainError):
    """Nobody hands out, or takes over, permissions beyond their own."""

    code = "sites.may_not_grant"
    status = 403


class UnknownPermission(DomainError):
    """There is no such permission; ``params``: ``permission``."""

    code = "sites.unknown_permission"
    status = 422


class BadSlug(DomainError):
    """The address part is not 2 to 40 of a-z, 0-9 and single hyphens between them."""

    code = "sites.bad_slug"
    status = 422


class SlugTaken(DomainError):
    """Another site has this address part."""

    code = "sites.slug_taken"
    status = 409


class BadCode(DomainError):
    """A code is not 2 to 32 of a-z, 0-9, hyphens and underscores, beginning with a letter."""

    code = "sites.bad_code"
    status = 422


class CodeTaken(DomainError):
    """The code is in use."""

    code = "sites.code_taken"
    status = 409


class BadLogin(DomainError):
    """A login is not 2 to 32 of a-z, 0-9, dots, hyphens and underscores."""

    code = "sites.bad_login"
    status = 422


class LoginTaken(DomainError):
    """Somebody of this tenant has that login."""

    code = "sites.login_taken"
    status = 409


class NameMissing(DomainError):
    """A name has no text in Chinese, or is too long; ``params``: ``limit``."""

    code = "sites.name_missing"
    status = 422


class PasswordTooShort(DomainError):
    """The password is shorter than the minimum; ``params``: ``limit``."""

    code = "sites.password_too_short"
    status = 422


class PasswordTooLong(DomainError):
    """The password is longer than what is hashed; ``params``: ``limit``."""

    code = "sites.password_too_long"
    status = 422


class PasswordTooCommon(DomainError):
    """The password is among those that are tried first, or is the login."""

    code = "sites.password_too_common"
    status = 422


class WrongPassword(DomainError):
    """The present password, asked before setting a new one, is wrong."""

    code = "sites.wrong_password"
    status = 422


class LastAdministrator(DomainError):
    """Somebody who may edit staff has to stay."""

    code = "sites.last_administrator"
    status = 409


class RoleInUse(DomainError):
    """A role that staff have cannot be removed; ``params``: ``count``."""

    code = "sites.role_in_use"
    status = 409


class BuiltInRole(DomainError):
    """A role that came with the product stays."""

    code = "sites.built_in_role"
    status = 409


class NoNumberLeft(DomainError):
    """All numbers are taken; ``params``: ``limit``."""

    code = "sites.no_number_left"
    status = 409


class SiteUnknown(DomainError):
    """No site has this address part, or not for this caller."""

    code = "sites.site_unknown"
    status = 404


class ZoneUnknown(DomainError):
    """There is no such zone in this site."""

    code = "sites.zone_unknown"
    status = 404


class EntranceUnknown(DomainError):
    """There is no such entrance in this site."""

    code = "sites.entrance_unknown"
    status = 404


class SessionUnknown(DomainError):
    """This member of staff has never had a session with this id."""

    code = "sites.session_unknown"
    status = 404


class StaffUnknown(DomainError):
    """Nobody of this tenant has this id."""

    code = "sites.staff_unknown"
    status = 404


class RoleUnknown(DomainError):
    """There is no such role."""

    code = "sites.role_unknown"
    status = 404


class ApiKeyUnknown(DomainError):
    """There is no such API key."""

    code = "sites.api_key_unknown"
    status = 404


class TextTooLong(DomainError):
    """A text is too long; ``params``: ``limit``."""

    code = "sites.text_too_long"
    status = 422


class PasswordsDiffer(DomainError):
    """The new password was not repeated as it was."""

    code = "sites.passwords_differ"
    status = 422


class AnswerLost(DomainError):
    """The change was made under this key, and its answer could not be kept; look it up."""

    code = "sites.answer_lost"
    status = 409
