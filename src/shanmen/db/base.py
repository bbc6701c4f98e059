"""Declarative base and column types that all models share."""

import uuid
from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, ClassVar

from sqlalchemy import BigInteger, DateTime, Index, Integer, LargeBinary, MetaData, Text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

NAMING = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s",
    "pk": "pk_%(table_name)s",
}

Names = dict[str, str]
"""A text in several languages: ``{"zh-CN": "成人票", "en": "Adult"}``."""

Fen = Annotated[int, mapped_column(BigInteger)]
"""Money: integer fen (1/100 yuan)."""

BlindIndex = Annotated[int, mapped_column(BigInteger)]
"""The first 64 bits of an HMAC: finds a value that is stored encrypted."""


class Base(DeclarativeBase):
    """Base of every model; its metadata is the whole schema."""

    metadata = MetaData(naming_convention=NAMING)
    type_annotation_map: ClassVar[Mapping[Any, Any]] = {
        datetime: DateTime(timezone=True),
        Names: JSONB,
        dict[str, Any]: JSONB,
        list[Any]: JSONB,
        list[dict[str, Any]]: JSONB,
        bytes: LargeBinary,
        str: Text,
        int: Integer,
    }


class TenantMixin:
    """A row that one tenant owns: `tenant_id` leads the primary key."""

    tenant_id: Mapped[int] = mapped_column(Integer, primary_key=True, sort_order=-100)


class TenantRow(TenantMixin):
    """A tenant's row with an id of its own."""

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, sort_order=-99)


def tenant_index(*columns: str, **options: Any) -> Index:
    """Index that begins with the tenant, as every query does."""
    return Index(None, "tenant_id", *columns, **options)
