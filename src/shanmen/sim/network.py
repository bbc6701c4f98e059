"""A network between a gate and the server that does whatever networks do, by a seed."""

import random
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from http import HTTPStatus

from shanmen.admission.protocol import PATH_DECIDE, PATH_ENROL
from shanmen.edge.wire import Reply, Unreachable
from shanmen.kit import clock
from shanmen.kit.clock import Simulated
from shanmen.sim.server import Backend

Later = Callable[[timedelta, Callable[[], Awaitable[None]]], None]

_LOST, _ANSWER_LOST, _TWICE, _DELAYED, _REPEATED = 0.02, 0.05, 0.08, 0.11, 0.13


@dataclass
class Network:
    """One gate's way to the server."""

    server: Backend
    true: Simulated
    chance: random.Random
    later: Later
    cut: bool = False
    calm: bool = True
    """Nothing goes wrong by itself, as while the park is being set up."""
    arrives: Callable[[str, Reply], None] | None = None
    """Is told of every answer that the gate gets, with the path of its question."""
    decisions: int = 0
    """So often a decision was asked for."""
    counts: dict[str, int] = field(default_factory=dict)
    answered: dict[str, Reply] = field(default_factory=dict)
    taken_twice: int = 0
    """Questions that the server took though it had taken them before."""
    forged: int = 0
    """Answers that were those to an earlier question: a gate must not believe them."""

    async def request(
        self, method: str, path: str, *, headers: Mapping[str, str], body: bytes, seconds: float
    ) -> Reply:
        """Deliver a question, and perhaps its answer."""
        kind = path.partition("?")[0]
        self.decisions += kind == PATH_DECIDE
        if self.cut:
            raise Unreachable("There is no network.")
        roll = 1.0 if self.calm or kind == PATH_ENROL else self.chance.random()
        latency = 0.4 if 0.13 < roll < 0.16 else self.chance.uniform(0.004, 0.06)  # noqa: PLR2004
        self.true.advance(min(latency, seconds) if not self.calm else 0)
        if roll < _LOST:
            self._note("lost")
            raise Unreachable("The question was lost.")
        if _TWICE <= roll < _DELAYED:
            self._note("delayed")
            wait = timedelta(seconds=self.chance.uniform(1, 40))
            question = dict(headers)

            async def deliver() -> None:
                await self._ask(method, path, question, body)

            self.later(wait, deliver)
            raise Unreachable("The question is still on its way.")
        earlier = self.answered.get(kind)
        if _DELAYED <= roll < _REPEATED and earlier is not None:
            self._note("repeated")
            self.forged += 1
            return earlier
        reply = await self._ask(method, path, headers, body)
        if _ANSWER_LOST <= roll < _TWICE:
            self._note("twice")
            again = await self._ask(method, path, headers, body)
            self.taken_twice += again.status == HTTPStatus.OK
        if roll < _ANSWER_LOST or latency > seconds:
            self._note("answer lost" if roll < _ANSWER_LOST else "late")
            raise Unreachable("The answer was lost, or came too late.")
        self.answered[kind] = reply
        if self.arrives is not None:
            self.arrives(kind, reply)
        return reply

    async def close(self) -> None:
        """The client is everybody's."""

    async def _ask(self, method: str, path: str, headers: Mapping[str, str], body: bytes) -> Reply:
        with clock.using(self.true):
            return await self.server.ask(method, path, headers, body)

    def _note(self, what: str) -> None:
        self.counts[what] = self.counts.get(what, 0) + 1
