"""What lanes and the guard's page hand over, looked at before anything is done with it."""

from shanmen.kit.errors import BadInput

MOST_PERSONS = 99
MOST_BY_HAND = 999
"""A guard tells of so many at once who went through a lane in an emergency."""


def check_persons(persons: int, *, most: int = MOST_PERSONS) -> None:
    """Raise BadInput where it is no number of persons."""
    if not 1 <= persons <= most:
        raise BadInput(field="persons")


def check_words(**words: str) -> None:
    """Raise BadInput naming the one that says nothing."""
    for name, text in words.items():
        if not text.strip():
            raise BadInput(field=name)
