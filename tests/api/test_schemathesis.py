"""The API keeps to its own description: whatever is sent, only what is described comes back.

schemathesis makes up requests from the description, good ones and broken ones. Every second one
gets the ids of rows that exist, so that the handlers behind them are reached.
"""

import asyncio
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from litestar import Litestar
from msgspec import structs
from schemathesis import APIOperation, Case, GenerationMode, checks
from schemathesis.core.failures import FailureGroup
from schemathesis.specs.openapi import checks as openapi_checks

from shanmen.app import create_app
from shanmen.kit import ids
from shanmen.kit.settings import Settings
from shanmen.sites.rules import PERMISSIONS
from tests.conftest import APP_ROLE, MASTERS, Cluster, open_database
from tests.walk.conftest import Transport, running
from tests.walk.world import World, make_world

EXAMPLES = 6
"""For each operation, in `make test`; the soak test makes a hundred times as many."""
UNAVAILABLE = 503
"""The payment provider is not running, or too many are waiting: described, and no mistake."""
CHECKS = [
    openapi_checks.status_code_conformance,
    openapi_checks.content_type_conformance,
    openapi_checks.response_schema_conformance,
    openapi_checks.response_headers_conformance,
]


@dataclass
class Api:
    """The running application and a key that may do everything."""

    runner: asyncio.Runner
    http: httpx.AsyncClient
    world: World
    description: dict[str, Any]
    sent: int = 0
    answered: Counter[int] = field(default_factory=Counter)

    def send(self, case: Case) -> httpx.Response:
        """Send a case; every second one about rows that exist."""
        self.sent += 1
        if self.sent % 2:
            case.path_parameters = self._real(case.path_parameters)
            case.body = self._real(case.body)
        kwargs = case.as_transport_kwargs(base_url="http://test")
        kwargs.pop("cookies", None)
        headers = {
            name: value
            for name, value in kwargs["headers"].items()
            if value is not None and name.lower() != "authorization"
        }
        kwargs["headers"] = {**headers, "authorization": f"Bearer {self.world.api_key}"}
        kwargs.setdefault("content", kwargs.pop("data", None))
        answer = self.runner.run(self.http.request(**kwargs))
        self.answered[answer.status_code] += 1
        return answer

    def _real(self, value: Any, name: str = "") -> Any:
        if isinstance(value, dict):
            return {key: self._real(inner, key) for key, inner in value.items()}
        if isinstance(value, list):
            return [self._real(inner, name) for inner in value]
        known = self.world.values
        return known[name] if isinstance(value, str) and name in known else value


@pytest.fixture(scope="module")
def api(
    cluster: Cluster, template: str, worker_id: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Api]:
    """Runs in a loop of its own, because schemathesis calls it from outside of any."""
    url = cluster.clone(f"{template}_{worker_id}_{ids.new_id().hex[-8:]}", template)
    data: Path = tmp_path_factory.mktemp("api")
    (data / "master.key").write_text(MASTERS.current.line() + "\n")
    chosen = structs.replace(Settings(), data_dir=data, app_role=APP_ROLE)
    with asyncio.Runner() as runner:
        opened = runner.run(_open(url, chosen))
        yield Api(runner, *opened[:3])
        runner.run(opened[3]())


async def _open(url: str, chosen: Settings) -> tuple[Any, ...]:
    database = open_database(url)
    app: Litestar = create_app(chosen, database=database)
    life = running(app)
    await life.__aenter__()
    http = httpx.AsyncClient(transport=Transport(app), base_url="http://test")
    world = await make_world(database, mark="甲", people=3_500_001, phone="13900001357")
    described = await http.get("/api/openapi.json")
    assert described.status_code == 200

    async def close() -> None:
        await http.aclose()
        await life.__aexit__(None, None, None)
        await database.close()

    return http, world, described.json(), close


def check(api: Api, case: Case) -> None:
    response = api.send(case)
    wanted = list(CHECKS)
    if response.status_code != UNAVAILABLE:
        wanted.append(checks.not_a_server_error)
    case.validate_response(response, checks=wanted)


QUICK = settings(
    max_examples=EXAMPLES,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    phases=[Phase.explicit, Phase.generate],
    derandomize=True,
    database=None,
)


def cases(operation: APIOperation[Any, Any, Any, Any]) -> st.SearchStrategy[Case]:
    """Requests as the description wants them, and requests that break it somewhere."""
    good = operation.as_strategy(generation_mode=GenerationMode.POSITIVE)
    broken = operation.as_strategy(generation_mode=GenerationMode.NEGATIVE)
    return good | broken if can_be_broken(operation) else good


def can_be_broken(operation: APIOperation[Any, Any, Any, Any]) -> bool:
    """Whether there is anything in the request that could be wrong."""
    return bool(operation.body) or any(operation.iter_parameters())


def keep_to_the_description(api: Api, chosen: settings) -> None:
    """Try every operation; all failures are told together."""
    wrong: list[str] = []
    schema = schemathesis.openapi.from_dict(api.description)
    for result in schema.get_all_operations():
        operation = result.ok()

        @chosen
        @given(case=cases(operation))
        def try_it(case: Case) -> None:
            check(api, case)

        try:
            try_it()
        except FailureGroup as group:
            told = "\n".join(f"{failure.title}: {failure.message}" for failure in group.exceptions)
            wrong.append(f"{operation.label}\n{told}")
    assert not wrong, "\n\n".join(wrong)
    # Not only refusals were seen.
    assert api.answered[200] > len(api.description["paths"]) / 2, api.answered


def test_the_api_keeps_to_its_description(api: Api) -> None:
    keep_to_the_description(api, QUICK)


@pytest.mark.soak
def test_the_api_keeps_to_its_description_for_long(api: Api) -> None:
    keep_to_the_description(api, settings(QUICK, max_examples=100 * EXAMPLES, derandomize=False))


def test_the_description_covers_every_route_of_the_api(api: Api) -> None:
    """Nothing of the API is left out, and each operation names its permission's refusal."""
    assert len(api.description["paths"]) > 25
    assert set(PERMISSIONS)
    for path, operations in api.description["paths"].items():
        for method, operation in operations.items():
            if isinstance(operation, dict) and "responses" in operation:
                assert operation["responses"].keys() & {"401", "4XX", "default"}, (path, method)
