"""What the reports refuse; texts: ``insight.error.<name>``."""

from shanmen.kit.errors import DomainError


class DaysBackwards(DomainError):
    """The last day is before the first."""

    code = "insight.days_backwards"
    status = 422


class TooManyDays(DomainError):
    """More days than are answered at once; ``params``: ``most``."""

    code = "insight.too_many_days"
    status = 422
