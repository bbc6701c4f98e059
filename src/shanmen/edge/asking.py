"""Asking the server to decide, for as long as a visitor can be made to wait."""

from uuid import UUID

from msgspec import structs

from shanmen.admission.protocol import PATH_DECIDE, Answer, AskRequest, encode
from shanmen.edge.client import REVOKED, Breaker, Refused, Server
from shanmen.edge.wire import Unreachable


async def ask(
    server: Server, breaker: Breaker, scan: AskRequest, *, budget_ms: int
) -> Answer | None:
    """The server's decision; None where the gate has to decide alone.

    When time runs out the connection is given up, so a late answer reaches nobody. What the server
    may have decided meanwhile bears the same scan id as the gate's own decision, and at the upload
    the gate's journal is the truth. Raises Refused when this gate has been revoked.
    """
    question = encode(structs.replace(scan, patience_ms=budget_ms))
    try:
        answer = await server.call("POST", PATH_DECIDE, question, Answer, seconds=budget_ms / 1000)
    except Unreachable:
        breaker.failed()
        return None
    except Refused as refused:
        if refused.code == REVOKED:
            raise
        return None
    return answer if _fits(answer, scan.scan_id) else None


def _fits(answer: Answer, scan_id: UUID) -> bool:
    return answer.scan_id == scan_id and answer.persons >= 0
