"""The stand-in runs as it does for an integrator: its own process, over HTTP."""

import httpx
import pytest

from shanmen.payments.providers.sandbox import SandboxProvider
from shanmen.payments.providers.sandbox_keys import load_merchant_keys
from shanmen.payments.standin.process import StandInProcess
from tests.payments.sandbox_kit import Control, Merchant, Sandbox, free_port, merchant_server
from tests.support.patience import PATIENCE_SECONDS


@pytest.fixture(scope="session")
def standin_folder(tmp_path_factory):
    return tmp_path_factory.mktemp("standin")


@pytest.fixture(scope="session")
def standin(standin_folder):
    with StandInProcess(data_dir=standin_folder, port=free_port()) as process:
        yield process


@pytest.fixture
async def merchant():
    async with merchant_server() as server:
        yield server


@pytest.fixture
async def sandbox(standin, standin_folder, merchant: Merchant):
    provider = SandboxProvider(base_url=standin.url, keys=load_merchant_keys(standin_folder))
    control = Control(standin.url, standin_folder)
    async with httpx.AsyncClient(
        base_url=standin.url, timeout=PATIENCE_SECONDS, trust_env=False
    ) as browser:
        yield Sandbox(
            url=standin.url,
            data_dir=standin_folder,
            provider=provider,
            control=control,
            merchant=merchant,
            browser=browser,
        )
        await control.call("DELETE", "/faults")
    await control.aclose()
    await provider.aclose()
