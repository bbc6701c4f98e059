"""The stand-in as a process: what a restart keeps, who may run it, how it ends."""

import asyncio
import contextlib
import sys
import threading
from datetime import UTC, datetime, timedelta
from stat import S_IMODE

import pytest

from shanmen.payments.providers.base import PaymentStatus, ProviderUnavailable, RefundStatus
from shanmen.payments.providers.sandbox import SandboxProvider
from shanmen.payments.providers.sandbox_keys import load_merchant_keys, load_provider_keys
from shanmen.payments.standin.app import create_app
from shanmen.payments.standin.process import StandInFailed, StandInProcess
from shanmen.payments.standin.store import AlreadyRunning
from tests.payments.sandbox_kit import Control, Sandbox, free_port, until


def test_keys_are_made_once_whichever_side_comes_first(tmp_path):
    found: list[object] = []

    def load(side):
        found.append(side(tmp_path))

    threads = [
        threading.Thread(target=load, args=(side,))
        for side in (load_merchant_keys, load_provider_keys) * 2
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({(keys.merchant_serial, keys.provider_serial, keys.api_key) for keys in found}) == 1  # type: ignore[attr-defined]
    folder = tmp_path / "sandbox-pay"
    assert [path.name for path in folder.iterdir()] == ["keys"]
    assert S_IMODE((folder / "keys").stat().st_mode) == 0o700
    assert {S_IMODE(path.stat().st_mode) for path in (folder / "keys").iterdir()} == {0o600}


async def test_a_restart_loses_nothing(tmp_path, merchant):
    port = free_port()
    process = StandInProcess(data_dir=tmp_path, port=port)
    provider = SandboxProvider(base_url=process.url, keys=load_merchant_keys(tmp_path))
    control = Control(process.url, tmp_path)
    sandbox = Sandbox(process.url, tmp_path, provider, control, merchant, browser=control._client)
    await control.faults(refund_status="PROCESSING", refund_seconds=2, retry_scale=0.3)

    open_attempt, opened = await sandbox.started()
    paid = await sandbox.paid()
    merchant.status = 500
    untold, _ = await sandbox.started()
    assert not (await control.pay(untold.out_trade_no))["event"]["taken"]
    refund = sandbox.refund_of(paid)
    await provider.refund(refund)

    process.kill()
    merchant.status = 200
    before = len(merchant.received)
    with StandInProcess(data_dir=tmp_path, port=port):
        assert await provider.start(open_attempt) == opened
        assert (await provider.query(paid.out_trade_no)).status is PaymentStatus.PAID
        assert (await control.call("GET", "/faults"))["retry_scale"] == 0.3
        received = (await merchant.expect(before + 2))[before:]
        told = {provider.verify_callback(one.headers, one.body).out_trade_no for one in received}
        assert told == {untold.out_trade_no, paid.out_trade_no}
        state = await provider.query_refund(refund.out_refund_no)
        assert state.status is RefundStatus.SUCCEEDED
    await control.aclose()
    await provider.aclose()


async def test_what_expired_while_it_was_away_is_closed_after(tmp_path, merchant):
    port = free_port()
    process = StandInProcess(data_dir=tmp_path, port=port)
    provider = SandboxProvider(base_url=process.url, keys=load_merchant_keys(tmp_path))
    control = Control(process.url, tmp_path)
    sandbox = Sandbox(process.url, tmp_path, provider, control, merchant, browser=control._client)
    await sandbox.started(expire_at=datetime.now(UTC) + timedelta(seconds=2))
    process.stop()
    assert merchant.received == []
    with StandInProcess(data_dir=tmp_path, port=port):
        await merchant.expect(1)
    await control.aclose()
    await provider.aclose()


def test_one_folder_has_one_stand_in(standin, standin_folder):
    with pytest.raises(AlreadyRunning):
        create_app(standin_folder)
    with pytest.raises(StandInFailed):
        StandInProcess(data_dir=standin_folder, port=free_port())


async def test_it_ends_with_its_parent(tmp_path):
    port = free_port()
    program = (
        "import os, sys; from pathlib import Path;"
        "from shanmen.payments.standin.process import StandInProcess;"
        f"p = StandInProcess(data_dir=Path({str(tmp_path)!r}), port={port});"
        "print(p.pid, flush=True); os._exit(9)"
    )
    parent = await asyncio.create_subprocess_exec(
        sys.executable, "-c", program, stdout=asyncio.subprocess.PIPE
    )
    pid, _ = await parent.communicate()
    assert parent.returncode == 9
    assert int(pid) > 0

    def ended() -> bool:
        try:
            create_app(tmp_path).state.standin.store.close()
        except AlreadyRunning:
            return False
        return True

    await until(ended)


async def test_it_ends_at_once_while_it_keeps_someone_waiting(tmp_path, merchant):
    process = StandInProcess(data_dir=tmp_path, port=free_port())
    provider = SandboxProvider(base_url=process.url, keys=load_merchant_keys(tmp_path))
    control = Control(process.url, tmp_path)
    sandbox = Sandbox(process.url, tmp_path, provider, control, merchant, browser=control._client)
    await control.faults(hang={"create": "after"}, hang_seconds=60)
    stopper = threading.Timer(0.5, process.stop)
    stopper.start()
    start = datetime.now(UTC)
    # Whether the answer still gets out is a matter of milliseconds; the end must not wait for it.
    with contextlib.suppress(ProviderUnavailable):
        await sandbox.started()
    stopper.join()
    assert datetime.now(UTC) - start < timedelta(seconds=20)
    await control.aclose()
    await provider.aclose()
