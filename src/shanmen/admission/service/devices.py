"""Gates as devices: a one-time code, enrolment, revoking, and who it is that asks."""

import hashlib
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import lru_cache
from uuid import UUID

from nacl.signing import SigningKey
from sqlalchemy import select

from shanmen.admission.errors import (
    DeviceMissing,
    DeviceNameMissing,
    EnrolCode,
    EntranceUnknown,
)
from shanmen.admission.models import GateDevice
from shanmen.admission.protocol import Enrolled, EnrolRequest, fingerprint
from shanmen.audit import service as audit
from shanmen.db.pipeline import Statement, run
from shanmen.db.session import Session
from shanmen.kit import clock, ids
from shanmen.kit.crypto import Keyring
from shanmen.sites.places import Place, places, places_statement

CODE_HOURS = 24
SECRET_CHARS = 10
SECRET_BYTES = 7
NAME_LENGTH = 80
MAX_TENANT_CHARS = 7

DEVICE = """
SELECT d.id, d.name, d.public_key, d.revoked_at IS NOT NULL, d.entrance_id, d.site_id,
    e.number, z.id, z.number, s.number, s.timezone,
    ARRAY(SELECT l.id FROM lane l
          WHERE l.tenant_id = d.tenant_id AND l.entrance_id = d.entrance_id ORDER BY l.number)
FROM gate_device d
JOIN entrance e ON e.tenant_id = d.tenant_id AND e.id = d.entrance_id
JOIN zone z ON z.tenant_id = e.tenant_id AND z.id = e.zone_id
JOIN site s ON s.tenant_id = e.tenant_id AND s.id = e.site_id
WHERE d.tenant_id = %s AND d.id = %s AND d.public_key IS NOT NULL
"""
TURN = """
SELECT count(*) FROM gate_device
WHERE tenant_id = %s AND site_id = %s AND public_key IS NOT NULL AND revoked_at IS NOT NULL
"""


@dataclass(frozen=True, slots=True)
class Device:
    """An enrolled gate and where it stands."""

    id: UUID
    name: str
    public_key: bytes = field(repr=False)
    revoked: bool
    entrance_id: UUID
    site_id: UUID
    entrance_number: int
    zone_id: UUID
    zone_number: int
    site_number: int
    timezone: str
    lane_ids: list[UUID]


@dataclass(frozen=True, slots=True)
class NewCode:
    """What the console shows once."""

    device_id: UUID
    code: str = field(repr=False)
    """With the fingerprint of the server's key behind it."""
    expires_at: datetime

    def command(self, server_url: str) -> str:
        """What makes a computer this gate, if it is run there."""
        return f"shanmen gate enrol {server_url.rstrip('/')} {self.code}"


@lru_cache(maxsize=4096)
def server_key(keyring: Keyring) -> SigningKey:
    """The key that signs what the tenant's gates are told."""
    return SigningKey(keyring.derive("gate-server-key"))


@lru_cache(maxsize=4096)
def document_key(keyring: Keyring, site_id: UUID, turn: int) -> bytes:
    """The key of the marks that a site's gates know documents by.

    Each gate that is revoked is a `turn`: the others get another key, so that the one that may have
    been in a stolen gate's memory tells nothing of what they hold.
    """
    return keyring.derive("gate-document-key", site_id.bytes, turn)


def document_keys(keyring: Keyring, site_id: UUID, *, turn: int) -> list[bytes]:
    """All that a site's gates had so far: one may have been cut off since another was revoked."""
    return [document_key(keyring, site_id, each) for each in range(turn + 1)]


def turn_statement(tenant_id: int, *, site_id: UUID) -> Statement:
    """Read which `turn` a site's documents' key has come to: one number."""
    return Statement(TURN, (tenant_id, site_id))


def tenant_of_code(code: str) -> int | None:
    """The tenant that a one-time code belongs to; None where it cannot be one."""
    text = ids.normalise(code)
    tenant = text[SECRET_CHARS:]
    if not 0 < len(tenant) <= MAX_TENANT_CHARS or set(text) - set(ids.CROCKFORD):
        return None
    number = 0
    for character in tenant:
        number = number * len(ids.CROCKFORD) + ids.CROCKFORD.index(character)
    return number


async def key_of_server(session: Session) -> SigningKey:
    """The tenant's own."""
    return server_key(session.keyring)


async def device(session: Session, *, device_id: UUID) -> Device | None:
    """An enrolled gate, also a revoked one."""
    rows = (await run(session, [Statement(DEVICE, (session.tenant_id, device_id))]))[0]
    if not rows:
        return None
    return Device(*rows[0])


async def add_device(session: Session, *, entrance_id: UUID, name: str) -> NewCode:
    """Prepare a gate at an entrance; raises EntranceUnknown, DeviceNameMissing."""
    place = (await _places(session)).get(entrance_id)
    if place is None:
        raise EntranceUnknown(field="entrance_id")
    name = name.strip()
    if not 0 < len(name) <= NAME_LENGTH:
        raise DeviceNameMissing(field="name", limit=NAME_LENGTH)
    row = GateDevice(
        tenant_id=session.tenant_id,
        id=ids.new_id(),
        site_id=place.site_id,
        entrance_id=entrance_id,
        name=name,
        created_at=clock.now(),
        created_by=session.actor.label,
    )
    session.add(row)
    made = _new_code(session, row)
    await session.flush()
    await audit.record(
        session,
        action="admission.device_added",
        entity="gate_device",
        entity_id=row.id,
        after={"name": name, "entrance_id": entrance_id},
    )
    return made


async def renew_code(session: Session, *, device_id: UUID) -> NewCode:
    """Another one-time code for a gate that was not enrolled yet; raises DeviceMissing.

    A machine that was set up anew is a new gate: its journal begins anew too.
    """
    row = await _locked(session, device_id)
    if row.revoked_at is not None or row.public_key is not None:
        raise DeviceMissing
    made = _new_code(session, row)
    await session.flush()
    await audit.record(
        session, action="admission.device_code_made", entity="gate_device", entity_id=row.id
    )
    return made


async def revoke_device(session: Session, *, device_id: UUID) -> None:
    """Take a gate's rights away for good; once more changes nothing. Raises DeviceMissing.

    The site's other gates get a new key for documents, and all tickets anew under it.
    """
    row = await _locked(session, device_id)
    if row.revoked_at is not None:
        return
    row.revoked_at = clock.now()
    row.revoked_by = session.actor.label
    row.code_hash = None
    row.share = 0
    await session.flush()
    await audit.record(
        session,
        action="admission.device_revoked",
        entity="gate_device",
        entity_id=row.id,
        before={"revoked_at": None},
        after={"revoked_at": row.revoked_at},
    )


async def enrol(session: Session, *, request: EnrolRequest) -> Enrolled:
    """Take a gate's key against its one-time code.

    The same code with the same key again is the same enrolment, whose answer was lost. Raises
    EnrolCode.
    """
    row = await session.scalar(
        select(GateDevice)
        .where(
            GateDevice.tenant_id == session.tenant_id,
            GateDevice.code_hash == _hash(ids.normalise(request.code)),
        )
        .with_for_update()
    )
    now = clock.now()
    if row is None or row.code_expires_at is None or row.code_expires_at <= now:
        raise EnrolCode
    if row.public_key is not None and row.public_key != request.public_key:
        raise EnrolCode
    place = (await _places(session))[row.entrance_id]
    if row.public_key is None:
        row.public_key = request.public_key
        row.enrolled_at = now
        row.version = request.version
        await session.flush()
        await audit.record(
            session,
            action="admission.device_enrolled",
            entity="gate_device",
            entity_id=row.id,
            after={"name": row.name, "version": request.version},
        )
    return Enrolled(
        device_id=row.id,
        server_key=server_key(session.keyring).verify_key.encode(),
        tenant=str(session.tenant_id),
        site_number=place.site_number,
        entrance_number=place.entrance_number,
    )


def _new_code(session: Session, row: GateDevice) -> NewCode:
    number = int.from_bytes(ids.secret_bytes(SECRET_BYTES), "big") % 32**SECRET_CHARS
    code = ids.crockford(number, SECRET_CHARS) + _tenant_text(session.tenant_id)
    row.code_hash = _hash(code)
    row.code_expires_at = clock.now() + timedelta(hours=CODE_HOURS)
    key = server_key(session.keyring).verify_key.encode()
    return NewCode(row.id, f"{code}-{fingerprint(key)}", row.code_expires_at)


def _tenant_text(tenant_id: int) -> str:
    length = max(1, -(-tenant_id.bit_length() // 5))
    return ids.crockford(tenant_id, length)


def _hash(code: str) -> bytes:
    # Fifty random bits that live for a day need no slow hash.
    return hashlib.sha256(b"SMG-enrol" + code.encode()).digest()


async def _locked(session: Session, device_id: UUID) -> GateDevice:
    row = await session.get(GateDevice, (session.tenant_id, device_id), with_for_update=True)
    if row is None:
        raise DeviceMissing
    return row


async def _places(session: Session) -> dict[UUID, Place]:
    return places((await run(session, [places_statement(session.tenant_id)]))[0])
