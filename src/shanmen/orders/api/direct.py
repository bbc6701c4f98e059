"""Placing orders, and hearing payment notices, without the framework's conveniences."""

from typing import Final

import msgspec

from shanmen.orders.api.callback import hear_notice
from shanmen.orders.api.desk import place_order, site_of_caller
from shanmen.orders.schemas import OrderInput
from shanmen.sites.access import access_in
from shanmen.web.direct import Call, DirectRoute

OK: Final = 200
CREATED: Final = 201
MAX_KEY: Final = 255

_decode = msgspec.json.Decoder(OrderInput).decode
_encode = msgspec.json.Encoder().encode


async def place(call: Call) -> tuple[int, bytes] | None:
    """Place an order; what is not well-formed is for the documented route to explain."""
    key = call.text(b"idempotency-key")
    if not call.is_json or call.query or not 0 < len(key) <= MAX_KEY:
        return None
    access = access_in(call.app)
    caller = await access.api_caller(call.text(b"authorization"))
    if not caller.may("orders.change"):
        return None
    try:
        data = _decode(call.body)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return None
    site = await site_of_caller(access, call.parameters[0], caller)
    order = await place_order(call.app.state, site=site, caller=caller, order=data, key=key)
    return CREATED, _encode(order)


async def hear(call: Call) -> tuple[int, bytes] | None:
    """Hear a provider's notice, as `callback.callback` does."""
    provider, tenant = call.parameters
    if call.query or not (tenant.isascii() and tenant.isdigit()):
        return None
    answer = await hear_notice(
        call.app, call.texts(), call.body, provider=provider, tenant=int(tenant)
    )
    return OK, _encode(answer)


routes = [
    DirectRoute("POST", "/api/v1/sites/{slug}/orders", place),
    DirectRoute("POST", "/pay/callback/{provider}/{tenant}", hear),
]
