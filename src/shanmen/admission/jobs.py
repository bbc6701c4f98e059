"""What admission does in the background. Each is safe to run twice."""

from shanmen.db.pipeline import run
from shanmen.db.session import Session
from shanmen.tickets import feed


async def forget_feed(session: Session) -> None:
    """Drop what no gate's mark asks for any more."""
    await run(session, [feed.forget_statement(session.tenant_id)])
