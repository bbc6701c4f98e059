"""The calendar of days tells why a day cannot be chosen."""

import re
from datetime import timedelta

import pytest

from tests.orders.conftest import Shop


@pytest.mark.parametrize(
    ("days", "state", "said"), [(40, "closed", "不开放"), (200, "notyet", "未开售")]
)
async def test_a_day_not_yet_on_sale_is_not_called_closed(
    shop: Shop, days: int, state: str, said: str
) -> None:
    day = shop.park.day + timedelta(days=days)
    page = await shop.get(f"{shop.base}?month={day:%Y-%m}")
    found = re.findall(
        rf'<span class="day day-(\w+)">\s*<span[^>]*>{day.day}</span>'
        r'<span class="visually-hidden">[^，]*，([^，]*)，',
        page,
    )
    assert found == [(state, said)]
