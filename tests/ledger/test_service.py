"""Accounts that do not agree with their transfers are told at night."""

import logging

import pytest
from sqlalchemy import text

from shanmen.db.session import Database, Session
from shanmen.ledger import service
from shanmen.wiring import NIGHTLY
from tests.support.park import Park


async def test_an_account_that_differs_is_told_at_night(
    database: Database, park: Park, caplog: pytest.LogCaptureFixture
) -> None:
    async def spoil(session: Session) -> None:
        await session.execute(
            text(
                "INSERT INTO ledger_account (tenant_id, code, debits_fen)"
                " VALUES (:tenant, 'assets:payments:sandbox', 1)"
            ),
            {"tenant": session.tenant_id},
        )

    unit = database.unit(park.tenant_id)
    assert "ledger.audit" in dict(NIGHTLY)
    assert await unit(service.report) == 0
    await unit(spoil)
    with caplog.at_level(logging.ERROR):
        assert await unit(service.report) == 1
    assert "assets:payments:sandbox" in caplog.text
