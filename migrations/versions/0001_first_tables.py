"""The first tables, their isolation by tenant, and the job queue."""

import sqlalchemy as sa
from alembic import context, op
from procrastinate.schema import SchemaManager
from sqlalchemy.dialects import postgresql

from shanmen.db.tenancy import TABLES_WITHOUT_TENANT, grant, protect

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Create everything, then protect every table that has a tenant."""
    app_role = context.config.attributes["app_role"]
    _tables()
    tables = sa.inspect(op.get_bind()).get_table_names()
    for table in sorted(set(tables) - {"alembic_version"}):
        if table in TABLES_WITHOUT_TENANT:
            grant(op, table, app_role=app_role)
        else:
            protect(op, table, app_role=app_role)
    op.execute(f'GRANT USAGE ON SEQUENCE tenant_id_seq TO "{app_role}"')
    _job_queue(app_role)


def _job_queue(app_role: str) -> None:
    """Procrastinate's own schema; its jobs carry the tenant in their arguments."""
    # Through the driver: the script's text has percent signs and colons of its own.
    op.get_bind().connection.cursor().execute(SchemaManager.get_schema().encode())
    for what in ("TABLES", "SEQUENCES"):
        rights = "SELECT, INSERT, UPDATE, DELETE" if what == "TABLES" else "USAGE, SELECT"
        names = [
            name
            for (name,) in op.get_bind().execute(
                sa.text(
                    "SELECT c.relname FROM pg_class c "
                    "JOIN pg_namespace n ON n.oid = c.relnamespace "
                    "WHERE n.nspname = current_schema() AND c.relname LIKE 'procrastinate%' "
                    "AND c.relkind = :kind"
                ),
                {"kind": "r" if what == "TABLES" else "S"},
            )
        ]
        for name in names:
            op.execute(f'GRANT {rights} ON {name} TO "{app_role}"')


def _tables() -> None:
    op.create_table(
        "api_key",
        sa.Column("tenant_id", sa.Integer(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("hint", sa.Text(), nullable=False),
        sa.Column("secret_hash", sa.LargeBinary(), nullable=False),
        sa.Column("channel", sa.Text(), nullable=False),
        sa.Column("permissions", postgresql.ARRAY(sa.TEXT()), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("created_by", sa.Text(), nullable=False),
        sa.Column("last_used_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("revoked_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_api_key")),
        sa.UniqueConstraint(
            "tenant_id", "secret_hash", name=op.f("uq_api_key_tenant_id_secret_hash")
        ),
    )
    op.create_table(
        "audit_log",
        sa.Column("tenant_id", sa.Integer(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("actor_kind", sa.Text(), nullable=False),
        sa.Column("actor_id", sa.Text(), nullable=False),
        sa.Column("actor_label", sa.Text(), nullable=False),
        sa.Column("ip", sa.Text(), nullable=False),
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column("entity", sa.Text(), nullable=False),
        sa.Column("entity_id", sa.Text(), nullable=False),
        sa.Column("before", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.Column("after", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_audit_log")),
    )
    op.create_index(
        op.f("ix_audit_log_tenant_id_at"), "audit_log", ["tenant_id", "at"], unique=False
    )
    op.create_index(
        op.f("ix_audit_log_tenant_id_entity_entity_id"),
        "audit_log",
        ["tenant_id", "entity", "entity_id"],
        unique=False,
    )
    op.create_table(
        "blocked_document",
        sa.Column("tenant_id", sa.Integer(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("document", sa.LargeBinary(), nullable=False),
        sa.Column("document_index", sa.BigInteger(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("until", sa.Date(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("created_by", sa.Text(), nullable=False),
        sa.Column("lifted_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("lifted_by", sa.Text(), server_default="", nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_blocked_document")),
    )
    op.create_index(
        op.f("ix_blocked_document_tenant_id_document_index"),
        "blocked_document",
        ["tenant_id", "document_index"],
        unique=False,
    )
    op.create_table(
        "catalog_version",
        sa.Column("tenant_id", sa.Integer(), nullable=False),
        sa.Column("version", sa.Integer(), server_default=sa.text("1"), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", name=op.f("pk_catalog_version")),
    )
    op.create_table(
        "channel_hold",
        sa.Column("tenant_id", sa.Integer(), nullable=False),
        sa.Column("channel", sa.Text(), nullable=False),
        sa.Column("seconds", sa.Integer(), nullable=False),
        sa.CheckConstraint("seconds BETWEEN 60 AND 86400", name=op.f("ck_channel_hold_seconds")),
        sa.PrimaryKeyConstraint("tenant_id", "channel", name=op.f("pk_channel_hold")),
    )
    op.create_table(
        "gate_case",
        sa.Column("tenant_id", sa.Integer(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("site_id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("opened_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("device_id", sa.Uuid(), nullable=False),
        sa.Column("scan_id", sa.Uuid(), nullable=False),
        sa.Column("ticket_id", sa.Uuid(), nullable=True),
        sa.Column(
            "details",
            postgresql.JSONB(astext_type=sa.Text()),
            server_default=sa.text("'{}'"),
            nullable=False,
        ),
        sa.Column("closed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("closed_by", sa.Text(), server_default="", nullable=False),
        sa.Column("note", sa.Text(), server_default="", nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_gate_case")),
        sa.UniqueConstraint(
            "tenant_id", "scan_id", "kind", name=op.f("uq_gate_case_tenant_id_scan_id_kind")
        ),
    )
    op.create_index(
        op.f("ix_gate_case_tenant_id_site_id_opened_at"),
        "gate_case",
        ["tenant_id", "site_id", "opened_at"],
        unique=False,
    )
    op.create_table(
        "gate_feed",
        sa.Column("tenant_id", sa.Integer(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column(
            "xid",
            sa.BigInteger(),
            server_default=sa.text("(pg_current_xact_id()::text)::bigint"),
            nullable=False,
        ),
        sa.Column(
            "at",
            sa.DateTime(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.Column("ticket_ids", postgresql.ARRAY(sa.UUID()), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_gate_feed")),
    )
    op.create_index(
        op.f("ix_gate_feed_tenant_id_at"), "gate_feed", ["tenant_id", "at"], unique=False
    )
    op.create_index(
        op.f("ix_gate_feed_tenant_id_xid"), "gate_feed", ["tenant_id", "xid"], unique=False
    )
    op.create_table(
        "holder",
        sa.Column("tenant_id", sa.Integer(), nullable=False),
        sa.Column("ticket_id", sa.Uuid(), nullable=False),
        sa.Column("seq", sa.SmallInteger(), nullable=False),
        sa.Column("order_id", sa.Uuid(), nullable=False),
        sa.Column("ticket_type_id", sa.Uuid(), nullable=False),
        sa.Column("slot_id", sa.Uuid(), nullable=False),
        sa.Column("visit_day", sa.Date(), nullable=False),
        sa.Column("name", sa.LargeBinary(), nullable=False),
        sa.Column("name_index", sa.BigInteger(), nullable=False),
        sa.Column("document_kind", sa.Text(), nullable=False),
        sa.Column("document", sa.LargeBinary(), nullable=False),
        sa.Column("document_index", sa.BigInteger(), nullable=False),
        sa.Column("active", sa.Boolean(), server_default=sa.text("true"), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "ticket_id", "seq", name=op.f("pk_holder")),
    )
    op.create_index(
        op.f("ix_holder_tenant_id_document_index_visit_day"),
        "holder",
        ["tenant_id", "document_index", "visit_day"],
        unique=False,
    )
    op.create_index(
        op.f("ix_holder_tenant_id_name_index"), "holder", ["tenant_id", "name_index"], unique=False
    )
    op.create_table(
        "idempotency",
        sa.Column("tenant_id", sa.Integer(), nullable=False),
        sa.Column("key_hash", sa.LargeBinary(), nullable=False),
        sa.Column("request_hash", sa.LargeBinary(), nullable=False),
        sa.Column("status", sa.SmallInteger(), nullable=False),
        sa.Column("answer", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "key_hash", name=op.f("pk_idempotency")),
    )
    op.create_index(
        op.f("ix_idempotency_created_at"),
        "idempotency",
        ["created_at"],
        unique=False,
        postgresql_using="brin",
    )
    op.create_table(
        "ledger_account",
        sa.Column("tenant_id", sa.Integer(), nullable=False),
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("debits_fen", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("credits_fen", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "code", name=op.f("pk_ledger_account")),
        postgresql_with={"fillfactor": "40"},
    )
    op.create_table(
        "no_show",
        sa.Column("tenant_id", sa.Integer(), nullable=False),
        sa.Column("ticket_id", sa.Uuid(), nullable=False),
        sa.Column("seq", sa.SmallInteger(), nullable=False),
        sa.Column("ticket_type_id", sa.Uuid(), nullable=False),
        sa.Column("document_index", sa.BigInteger(), nullable=False),
        sa.Column("visit_day", sa.Date(), nullable=False),
        sa.Column("recorded_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("forgiven_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("tenant_id", "ticket_id", "seq", name=op.f("pk_no_show")),
    )
    op.create_index(
        op.f("ix_no_show_tenant_id_document_index_visit_day"),
        "no_show",
        ["tenant_id", "document_index", "visit_day"],
        unique=False,
    )
    op.create_index(
        op.f("ix_no_show_tenant_id_visit_day"), "no_show", ["tenant_id", "visit_day"], unique=False
    )
    op.create_table(
        "orders",
        sa.Column("tenant_id", sa.Integer(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("number", sa.Text(), nullable=False),
        sa.Column("site_id", sa.Uuid(), nullable=False),
        sa.Column("channel", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("visit_day", sa.Date(), nullable=False),
        sa.Column("phone", sa.LargeBinary(), nullable=False),
        sa.Column("phone_index", sa.BigInteger(), nullable=False),
        sa.Column("locale", sa.Text(), nullable=False),
        sa.Column("amount_fen", sa.BigInteger(), nullable=False),
        sa.Column("refunded_fen", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("persons", sa.Integer(), nullable=False),
        sa.Column("lines", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("generation", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("placed_by", sa.Text(), server_default="", nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("hold_expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("hold_extended", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("paid_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("amount_fen >= 0", name=op.f("ck_orders_amount")),
        sa.CheckConstraint(
            "refunded_fen BETWEEN 0 AND amount_fen", name=op.f("ck_orders_refunded")
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_orders")),
        sa.UniqueConstraint("tenant_id", "number", name=op.f("uq_orders_tenant_id_number")),
        postgresql_with={"fillfactor": "70"},
    )
    op.create_index(
        "ix_orders_hold_expires",
        "orders",
        ["tenant_id", "hold_expires_at"],
        unique=False,
        postgresql_where=sa.text("status = 'held'"),
    )
    op.create_index(
        "ix_orders_paid",
        "orders",
        ["tenant_id", "site_id", "paid_at"],
        unique=False,
        postgresql_where=sa.text("paid_at IS NOT NULL"),
    )
    op.create_index(
        op.f("ix_orders_tenant_id_created_at"), "orders", ["tenant_id", "created_at"], unique=False
    )
    op.create_index(
        op.f("ix_orders_tenant_id_phone_index_visit_day"),
        "orders",
        ["tenant_id", "phone_index", "visit_day"],
        unique=False,
    )
    op.create_index(
        op.f("ix_orders_tenant_id_site_id_visit_day"),
        "orders",
        ["tenant_id", "site_id", "visit_day"],
        unique=False,
    )
    op.create_table(
        "payment",
        sa.Column("tenant_id", sa.Integer(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("order_id", sa.Uuid(), nullable=False),
        sa.Column("order_number", sa.Text(), nullable=False),
        sa.Column("provider", sa.Text(), nullable=False),
        sa.Column("amount_fen", sa.BigInteger(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("provider_ref", sa.Text(), server_default="", nullable=False),
        sa.Column("pay_url", sa.Text(), server_default="", nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("paid_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "status IN ('created', 'started', 'paid', 'closed')", name=op.f("ck_payment_status")
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_payment")),
    )
    op.create_index(
        "ix_payment_open",
        "payment",
        ["tenant_id", "created_at"],
        unique=False,
        postgresql_where=sa.text("status IN ('created', 'started')"),
    )
    op.create_index(
        op.f("ix_payment_tenant_id_order_id"), "payment", ["tenant_id", "order_id"], unique=False
    )
    op.create_table(
        "payment_notice",
        sa.Column("tenant_id", sa.Integer(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("provider", sa.Text(), nullable=False),
        sa.Column("event_id", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("payment_id", sa.Uuid(), nullable=False),
        sa.Column("amount_fen", sa.BigInteger(), nullable=False),
        sa.Column("received_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("outcome", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_payment_notice")),
        sa.UniqueConstraint(
            "tenant_id",
            "provider",
            "event_id",
            name=op.f("uq_payment_notice_tenant_id_provider_event_id"),
        ),
    )
    op.create_table(
        "restriction",
        sa.Column("tenant_id", sa.Integer(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("document_index", sa.BigInteger(), nullable=False),
        sa.Column("scope", sa.Text(), nullable=False),
        sa.Column("no_shows", sa.Integer(), nullable=False),
        sa.Column("last_day", sa.Date(), nullable=False),
        sa.Column("until_day", sa.Date(), nullable=False),
        sa.Column("ticket_id", sa.Uuid(), nullable=False),
        sa.Column("seq", sa.SmallInteger(), nullable=False),
        sa.Column("lifted_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("lifted_by", sa.Text(), server_default="", nullable=False),
        sa.Column("reason", sa.Text(), server_default="", nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_restriction")),
        sa.UniqueConstraint(
            "tenant_id",
            "document_index",
            "scope",
            name=op.f("uq_restriction_tenant_id_document_index_scope"),
        ),
    )
    op.create_index(
        op.f("ix_restriction_tenant_id_until_day"),
        "restriction",
        ["tenant_id", "until_day"],
        unique=False,
    )
    op.create_table(
        "role",
        sa.Column("tenant_id", sa.Integer(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("name", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("permissions", postgresql.ARRAY(sa.TEXT()), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_role")),
        sa.UniqueConstraint("tenant_id", "code", name=op.f("uq_role_tenant_id_code")),
    )
    op.create_table(
        "scan",
        sa.Column("tenant_id", sa.Integer(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("site_id", sa.Uuid(), nullable=False),
        sa.Column("entrance_id", sa.Uuid(), nullable=False),
        sa.Column("lane_id", sa.Uuid(), nullable=False),
        sa.Column("direction", sa.Text(), server_default="in", nullable=False),
        sa.Column("method", sa.Text(), nullable=False),
        sa.Column("ticket_id", sa.Uuid(), nullable=True),
        sa.Column("ticket_type_id", sa.Uuid(), nullable=True),
        sa.Column("slot_id", sa.Uuid(), nullable=True),
        sa.Column("outcome", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), server_default="", nullable=False),
        sa.Column("persons", sa.SmallInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("persons_left", sa.SmallInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column(
            "details",
            postgresql.JSONB(astext_type=sa.Text()),
            server_default=sa.text("'{}'"),
            nullable=False,
        ),
        sa.Column("document_index", sa.BigInteger(), nullable=True),
        sa.Column("staff_label", sa.Text(), server_default="", nullable=False),
        sa.Column("override_by", sa.Text(), nullable=True),
        sa.Column("override_reason", sa.Text(), nullable=True),
        sa.Column("undone_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("undone_by", sa.Text(), nullable=True),
        sa.Column("undo_reason", sa.Text(), nullable=True),
        sa.Column("gate_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("device_id", sa.Uuid(), nullable=True),
        sa.Column("gate_persons", sa.SmallInteger(), server_default=sa.text("0"), nullable=False),
        sa.CheckConstraint("(outcome = 'admitted') = (persons > 0)", name=op.f("ck_scan_persons")),
        sa.CheckConstraint("outcome IN ('admitted', 'refused')", name=op.f("ck_scan_outcome")),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_scan")),
    )
    op.create_index(
        op.f("ix_scan_tenant_id_lane_id_at"), "scan", ["tenant_id", "lane_id", "at"], unique=False
    )
    op.create_index(
        op.f("ix_scan_tenant_id_site_id_day_outcome"),
        "scan",
        ["tenant_id", "site_id", "day", "outcome"],
        unique=False,
    )
    op.create_index(
        "ix_scan_ticket",
        "scan",
        ["tenant_id", "ticket_id", "at"],
        unique=False,
        postgresql_where=sa.text("persons > 0"),
    )
    op.create_table(
        "site",
        sa.Column("tenant_id", sa.Integer(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("number", sa.SmallInteger(), nullable=False),
        sa.Column("slug", sa.Text(), nullable=False),
        sa.Column("name", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("intro", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column(
            "notice",
            postgresql.JSONB(astext_type=sa.Text()),
            server_default=sa.text("'{}'"),
            nullable=False,
        ),
        sa.Column("timezone", sa.Text(), nullable=False),
        sa.Column("phone", sa.Text(), server_default="", nullable=False),
        sa.Column(
            "address",
            postgresql.JSONB(astext_type=sa.Text()),
            server_default=sa.text("'{}'"),
            nullable=False,
        ),
        sa.Column(
            "opening_hours",
            postgresql.JSONB(astext_type=sa.Text()),
            server_default=sa.text("'{}'"),
            nullable=False,
        ),
        sa.Column(
            "records",
            postgresql.JSONB(astext_type=sa.Text()),
            server_default=sa.text("'{}'"),
            nullable=False,
        ),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_site")),
        sa.UniqueConstraint("tenant_id", "number", name=op.f("uq_site_tenant_id_number")),
        sa.UniqueConstraint("tenant_id", "slug", name=op.f("uq_site_tenant_id_slug")),
    )
    op.create_table(
        "site_address",
        sa.Column("slug", sa.Text(), nullable=False),
        sa.Column("tenant_id", sa.Integer(), nullable=False),
        sa.Column("site_id", sa.Uuid(), nullable=False),
        sa.Column("name", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.PrimaryKeyConstraint("slug", name=op.f("pk_site_address")),
    )
    op.create_table(
        "tenant",
        sa.Column("id", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("name", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("wrapped_key", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_tenant")),
        sa.UniqueConstraint("code", name=op.f("uq_tenant_code")),
    )
    op.create_table(
        "ticket",
        sa.Column("tenant_id", sa.Integer(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("order_id", sa.Uuid(), nullable=False),
        sa.Column("order_number", sa.Text(), nullable=False),
        sa.Column("seq", sa.SmallInteger(), nullable=False),
        sa.Column("site_id", sa.Uuid(), nullable=False),
        sa.Column("ticket_type_id", sa.Uuid(), nullable=False),
        sa.Column("slot_id", sa.Uuid(), nullable=False),
        sa.Column("visit_day", sa.Date(), nullable=False),
        sa.Column("valid_from", sa.DateTime(timezone=True), nullable=False),
        sa.Column("valid_until", sa.DateTime(timezone=True), nullable=False),
        sa.Column("party_size", sa.SmallInteger(), nullable=False),
        sa.Column("entries", sa.SmallInteger(), nullable=False),
        sa.Column("zones", sa.BigInteger(), nullable=False),
        sa.Column("flags", sa.SmallInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("generation", sa.SmallInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("status", sa.Text(), server_default="valid", nullable=False),
        sa.Column("persons_entered", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("issued_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("first_entered_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("channel", sa.Text(), server_default="", nullable=False),
        sa.CheckConstraint(
            "status IN ('valid', 'used', 'refunded')", name=op.f("ck_ticket_status")
        ),
        sa.CheckConstraint("persons_entered >= 0", name=op.f("ck_ticket_persons_entered")),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_ticket")),
        postgresql_with={"fillfactor": "70"},
    )
    op.create_index(
        op.f("ix_ticket_tenant_id_order_id"), "ticket", ["tenant_id", "order_id"], unique=False
    )
    op.create_index(
        op.f("ix_ticket_tenant_id_order_number"),
        "ticket",
        ["tenant_id", "order_number"],
        unique=False,
    )
    op.create_index(
        op.f("ix_ticket_tenant_id_site_id_valid_until_id"),
        "ticket",
        ["tenant_id", "site_id", "valid_until", "id"],
        unique=False,
    )
    op.create_index(
        op.f("ix_ticket_tenant_id_site_id_visit_day_ticket_type_id"),
        "ticket",
        ["tenant_id", "site_id", "visit_day", "ticket_type_id"],
        unique=False,
    )
    op.create_table(
        "gate_policy",
        sa.Column("tenant_id", sa.Integer(), nullable=False),
        sa.Column("site_id", sa.Uuid(), nullable=False),
        sa.Column(
            "grace_before_minutes", sa.SmallInteger(), server_default=sa.text("15"), nullable=False
        ),
        sa.Column(
            "grace_after_minutes", sa.SmallInteger(), server_default=sa.text("15"), nullable=False
        ),
        sa.Column(
            "repeat_seconds", sa.SmallInteger(), server_default=sa.text("15"), nullable=False
        ),
        sa.Column(
            "entrances",
            postgresql.JSONB(astext_type=sa.Text()),
            server_default=sa.text("'{}'"),
            nullable=False,
        ),
        sa.Column("anti_passback", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column(
            "companions",
            postgresql.JSONB(astext_type=sa.Text()),
            server_default=sa.text("'[]'"),
            nullable=False,
        ),
        sa.Column(
            "static_codes",
            postgresql.JSONB(astext_type=sa.Text()),
            server_default=sa.text("'{}'"),
            nullable=False,
        ),
        sa.Column(
            "passage_seconds", sa.SmallInteger(), server_default=sa.text("8"), nullable=False
        ),
        sa.Column(
            "ask_budget_ms", sa.SmallInteger(), server_default=sa.text("150"), nullable=False
        ),
        sa.Column("day_key_days", sa.SmallInteger(), server_default=sa.text("3"), nullable=False),
        sa.CheckConstraint(
            "ask_budget_ms BETWEEN 0 AND 5000", name=op.f("ck_gate_policy_ask_budget")
        ),
        sa.CheckConstraint("day_key_days BETWEEN 0 AND 31", name=op.f("ck_gate_policy_day_keys")),
        sa.CheckConstraint(
            "grace_before_minutes BETWEEN 0 AND 1440 AND grace_after_minutes BETWEEN 0 AND 1440",
            name=op.f("ck_gate_policy_grace"),
        ),
        sa.CheckConstraint(
            "passage_seconds BETWEEN 1 AND 120", name=op.f("ck_gate_policy_passage")
        ),
        sa.CheckConstraint("repeat_seconds BETWEEN 0 AND 3600", name=op.f("ck_gate_policy_repeat")),
        sa.ForeignKeyConstraint(
            ["tenant_id", "site_id"],
            ["site.tenant_id", "site.id"],
            name=op.f("fk_gate_policy_tenant_id_site_id"),
        ),
        sa.PrimaryKeyConstraint("tenant_id", "site_id", name=op.f("pk_gate_policy")),
    )
    op.create_table(
        "ledger_transfer",
        sa.Column("tenant_id", sa.Integer(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("site_id", sa.Uuid(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("business_day", sa.Date(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("debit", sa.Text(), nullable=False),
        sa.Column("credit", sa.Text(), nullable=False),
        sa.Column("amount_fen", sa.BigInteger(), nullable=False),
        sa.Column("order_id", sa.Uuid(), nullable=False),
        sa.Column("reference", sa.Uuid(), nullable=False),
        sa.CheckConstraint("amount_fen > 0", name=op.f("ck_ledger_transfer_amount")),
        sa.CheckConstraint("debit <> credit", name=op.f("ck_ledger_transfer_two_accounts")),
        sa.ForeignKeyConstraint(
            ["tenant_id", "credit"],
            ["ledger_account.tenant_id", "ledger_account.code"],
            name=op.f("fk_ledger_transfer_tenant_id_credit"),
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "debit"],
            ["ledger_account.tenant_id", "ledger_account.code"],
            name=op.f("fk_ledger_transfer_tenant_id_debit"),
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_ledger_transfer")),
    )
    op.create_index(
        op.f("ix_ledger_transfer_tenant_id_order_id"),
        "ledger_transfer",
        ["tenant_id", "order_id"],
        unique=False,
    )
    op.create_index(
        op.f("ix_ledger_transfer_tenant_id_site_id_business_day"),
        "ledger_transfer",
        ["tenant_id", "site_id", "business_day"],
        unique=False,
    )
    op.create_table(
        "order_event",
        sa.Column("tenant_id", sa.Integer(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("order_id", sa.Uuid(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("from_status", sa.Text(), nullable=False),
        sa.Column("to_status", sa.Text(), nullable=False),
        sa.Column("actor_kind", sa.Text(), nullable=False),
        sa.Column("actor_label", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column(
            "data",
            postgresql.JSONB(astext_type=sa.Text()),
            server_default=sa.text("'{}'"),
            nullable=False,
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "order_id"],
            ["orders.tenant_id", "orders.id"],
            name=op.f("fk_order_event_tenant_id_order_id"),
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_order_event")),
    )
    op.create_index(
        op.f("ix_order_event_tenant_id_order_id"),
        "order_event",
        ["tenant_id", "order_id"],
        unique=False,
    )
    op.create_table(
        "pool",
        sa.Column("tenant_id", sa.Integer(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("site_id", sa.Uuid(), nullable=False),
        sa.Column("name", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("position", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant_id", "site_id"],
            ["site.tenant_id", "site.id"],
            name=op.f("fk_pool_tenant_id_site_id"),
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_pool")),
    )
    op.create_index(
        op.f("ix_pool_tenant_id_site_id"), "pool", ["tenant_id", "site_id"], unique=False
    )
    op.create_table(
        "refund",
        sa.Column("tenant_id", sa.Integer(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("payment_id", sa.Uuid(), nullable=False),
        sa.Column("order_id", sa.Uuid(), nullable=False),
        sa.Column("amount_fen", sa.BigInteger(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("provider_ref", sa.Text(), server_default="", nullable=False),
        sa.Column("attempts", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("last_error", sa.Text(), server_default="", nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "status IN ('requested', 'succeeded', 'failed')", name=op.f("ck_refund_status")
        ),
        sa.CheckConstraint("amount_fen > 0", name=op.f("ck_refund_amount")),
        sa.ForeignKeyConstraint(
            ["tenant_id", "payment_id"],
            ["payment.tenant_id", "payment.id"],
            name=op.f("fk_refund_tenant_id_payment_id"),
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_refund")),
    )
    op.create_index(
        op.f("ix_refund_tenant_id_order_id"), "refund", ["tenant_id", "order_id"], unique=False
    )
    op.create_index(
        op.f("ix_refund_tenant_id_payment_id"), "refund", ["tenant_id", "payment_id"], unique=False
    )
    op.create_table(
        "special_day",
        sa.Column("tenant_id", sa.Integer(), nullable=False),
        sa.Column("site_id", sa.Uuid(), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("day_kind", sa.Text(), nullable=False),
        sa.Column(
            "name",
            postgresql.JSONB(astext_type=sa.Text()),
            server_default=sa.text("'{}'"),
            nullable=False,
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "site_id"],
            ["site.tenant_id", "site.id"],
            name=op.f("fk_special_day_tenant_id_site_id"),
        ),
        sa.PrimaryKeyConstraint("tenant_id", "site_id", "day", name=op.f("pk_special_day")),
    )
    op.create_table(
        "staff",
        sa.Column("tenant_id", sa.Integer(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("login", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("role_id", sa.Uuid(), nullable=False),
        sa.Column("password_hash", sa.Text(), nullable=False),
        sa.Column("active", sa.Boolean(), server_default=sa.text("true"), nullable=False),
        sa.Column("failed_attempts", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("locked_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("last_login_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant_id", "role_id"],
            ["role.tenant_id", "role.id"],
            name=op.f("fk_staff_tenant_id_role_id"),
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_staff")),
        sa.UniqueConstraint("tenant_id", "login", name=op.f("uq_staff_tenant_id_login")),
    )
    op.create_index(
        op.f("ix_staff_tenant_id_role_id"), "staff", ["tenant_id", "role_id"], unique=False
    )
    op.create_table(
        "ticket_type",
        sa.Column("tenant_id", sa.Integer(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("site_id", sa.Uuid(), nullable=False),
        sa.Column("number", sa.SmallInteger(), nullable=False),
        sa.Column("name", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column(
            "description",
            postgresql.JSONB(astext_type=sa.Text()),
            server_default=sa.text("'{}'"),
            nullable=False,
        ),
        sa.Column("audience", sa.Text(), server_default="adult", nullable=False),
        sa.Column("party_size", sa.SmallInteger(), server_default=sa.text("1"), nullable=False),
        sa.Column("documents", sa.Text(), server_default="each", nullable=False),
        sa.Column("min_age", sa.SmallInteger(), nullable=True),
        sa.Column("max_age", sa.SmallInteger(), nullable=True),
        sa.Column("entries", sa.SmallInteger(), server_default=sa.text("1"), nullable=False),
        sa.Column("valid_days", sa.SmallInteger(), server_default=sa.text("1"), nullable=False),
        sa.Column("zones", sa.BigInteger(), server_default=sa.text("1"), nullable=False),
        sa.Column("rotating", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("second_factor", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("min_per_order", sa.SmallInteger(), server_default=sa.text("1"), nullable=False),
        sa.Column("max_per_order", sa.SmallInteger(), server_default=sa.text("10"), nullable=False),
        sa.Column("days_ahead", sa.SmallInteger(), server_default=sa.text("30"), nullable=False),
        sa.Column("sale_closes_minutes", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column(
            "refund",
            postgresql.JSONB(astext_type=sa.Text()),
            server_default=sa.text("'{}'"),
            nullable=False,
        ),
        sa.Column(
            "reschedule",
            postgresql.JSONB(astext_type=sa.Text()),
            server_default=sa.text("'{}'"),
            nullable=False,
        ),
        sa.Column(
            "limits",
            postgresql.JSONB(astext_type=sa.Text()),
            server_default=sa.text("'{}'"),
            nullable=False,
        ),
        sa.Column(
            "channels", postgresql.ARRAY(sa.TEXT()), server_default=sa.text("'{}'"), nullable=False
        ),
        sa.Column("on_sale", sa.Boolean(), server_default=sa.text("true"), nullable=False),
        sa.Column("position", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint(
            "documents IN ('each', 'one', 'none')", name=op.f("ck_ticket_type_documents")
        ),
        sa.CheckConstraint("min_age <= max_age", name=op.f("ck_ticket_type_ages")),
        sa.CheckConstraint(
            "min_per_order BETWEEN 1 AND max_per_order", name=op.f("ck_ticket_type_per_order")
        ),
        sa.CheckConstraint("party_size BETWEEN 1 AND 99", name=op.f("ck_ticket_type_party_size")),
        sa.ForeignKeyConstraint(
            ["tenant_id", "site_id"],
            ["site.tenant_id", "site.id"],
            name=op.f("fk_ticket_type_tenant_id_site_id"),
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_ticket_type")),
        sa.UniqueConstraint(
            "tenant_id", "site_id", "number", name=op.f("uq_ticket_type_tenant_id_site_id_number")
        ),
    )
    op.create_table(
        "zone",
        sa.Column("tenant_id", sa.Integer(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("site_id", sa.Uuid(), nullable=False),
        sa.Column("number", sa.SmallInteger(), nullable=False),
        sa.Column("name", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant_id", "site_id"],
            ["site.tenant_id", "site.id"],
            name=op.f("fk_zone_tenant_id_site_id"),
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_zone")),
        sa.UniqueConstraint(
            "tenant_id", "site_id", "number", name=op.f("uq_zone_tenant_id_site_id_number")
        ),
    )
    op.create_table(
        "allotment",
        sa.Column("tenant_id", sa.Integer(), nullable=False),
        sa.Column("pool_id", sa.Uuid(), nullable=False),
        sa.Column("channel", sa.Text(), nullable=False),
        sa.Column("position", sa.SmallInteger(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("places", sa.Integer(), nullable=True),
        sa.Column("percent", sa.SmallInteger(), nullable=True),
        sa.Column("release_minutes", sa.Integer(), nullable=True),
        sa.CheckConstraint("kind IN ('fixed', 'minimum')", name=op.f("ck_allotment_kind")),
        sa.CheckConstraint(
            "(places IS NULL) <> (percent IS NULL)", name=op.f("ck_allotment_amount")
        ),
        sa.CheckConstraint(
            "places >= 0 AND percent BETWEEN 0 AND 100", name=op.f("ck_allotment_bounds")
        ),
        sa.CheckConstraint("release_minutes >= 0", name=op.f("ck_allotment_release_minutes")),
        sa.ForeignKeyConstraint(
            ["tenant_id", "pool_id"],
            ["pool.tenant_id", "pool.id"],
            name=op.f("fk_allotment_tenant_id_pool_id"),
        ),
        sa.PrimaryKeyConstraint("tenant_id", "pool_id", "channel", name=op.f("pk_allotment")),
    )
    op.create_table(
        "entrance",
        sa.Column("tenant_id", sa.Integer(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("site_id", sa.Uuid(), nullable=False),
        sa.Column("zone_id", sa.Uuid(), nullable=False),
        sa.Column("number", sa.SmallInteger(), nullable=False),
        sa.Column("name", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("active", sa.Boolean(), server_default=sa.text("true"), nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant_id", "site_id"],
            ["site.tenant_id", "site.id"],
            name=op.f("fk_entrance_tenant_id_site_id"),
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "zone_id"],
            ["zone.tenant_id", "zone.id"],
            name=op.f("fk_entrance_tenant_id_zone_id"),
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_entrance")),
        sa.UniqueConstraint(
            "tenant_id", "site_id", "number", name=op.f("uq_entrance_tenant_id_site_id_number")
        ),
    )
    op.create_table(
        "no_show_progress",
        sa.Column("tenant_id", sa.Integer(), nullable=False),
        sa.Column("ticket_type_id", sa.Uuid(), nullable=False),
        sa.Column("since_day", sa.Date(), nullable=False),
        sa.Column("until_day", sa.Date(), nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant_id", "ticket_type_id"],
            ["ticket_type.tenant_id", "ticket_type.id"],
            name=op.f("fk_no_show_progress_tenant_id_ticket_type_id"),
        ),
        sa.PrimaryKeyConstraint("tenant_id", "ticket_type_id", name=op.f("pk_no_show_progress")),
    )
    op.create_table(
        "price_rule",
        sa.Column("tenant_id", sa.Integer(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("ticket_type_id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.Text(), server_default="", nullable=False),
        sa.Column("amount_fen", sa.BigInteger(), nullable=False),
        sa.Column("date_from", sa.Date(), nullable=True),
        sa.Column("date_until", sa.Date(), nullable=True),
        sa.Column("weekdays", sa.SmallInteger(), server_default=sa.text("127"), nullable=False),
        sa.Column("day_kind", sa.Text(), server_default="", nullable=False),
        sa.Column("priority", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.CheckConstraint("amount_fen >= 0", name=op.f("ck_price_rule_amount")),
        sa.CheckConstraint("date_from <= date_until", name=op.f("ck_price_rule_season")),
        sa.CheckConstraint("weekdays BETWEEN 1 AND 127", name=op.f("ck_price_rule_weekdays")),
        sa.ForeignKeyConstraint(
            ["tenant_id", "ticket_type_id"],
            ["ticket_type.tenant_id", "ticket_type.id"],
            name=op.f("fk_price_rule_tenant_id_ticket_type_id"),
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_price_rule")),
    )
    op.create_index(
        op.f("ix_price_rule_tenant_id_ticket_type_id"),
        "price_rule",
        ["tenant_id", "ticket_type_id"],
        unique=False,
    )
    op.create_table(
        "schedule",
        sa.Column("tenant_id", sa.Integer(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("pool_id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("date_from", sa.Date(), nullable=True),
        sa.Column("date_until", sa.Date(), nullable=True),
        sa.Column("weekdays", sa.SmallInteger(), server_default=sa.text("127"), nullable=False),
        sa.Column("day_kind", sa.Text(), server_default="", nullable=False),
        sa.Column("priority", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("slots", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.CheckConstraint("date_from <= date_until", name=op.f("ck_schedule_season")),
        sa.CheckConstraint("weekdays BETWEEN 1 AND 127", name=op.f("ck_schedule_weekdays")),
        sa.ForeignKeyConstraint(
            ["tenant_id", "pool_id"],
            ["pool.tenant_id", "pool.id"],
            name=op.f("fk_schedule_tenant_id_pool_id"),
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_schedule")),
    )
    op.create_index(
        op.f("ix_schedule_tenant_id_pool_id"), "schedule", ["tenant_id", "pool_id"], unique=False
    )
    op.create_table(
        "slot",
        sa.Column("tenant_id", sa.Integer(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("pool_id", sa.Uuid(), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("starts", sa.Time(), nullable=False),
        sa.Column("ends", sa.Time(), nullable=False),
        sa.Column("starts_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ends_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("status", sa.Text(), server_default="open", nullable=False),
        sa.Column(
            "note",
            postgresql.JSONB(astext_type=sa.Text()),
            server_default=sa.text("'{}'"),
            nullable=False,
        ),
        sa.Column("edited", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("own_allotments", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.CheckConstraint("status IN ('open', 'closed')", name=op.f("ck_slot_status")),
        sa.CheckConstraint("ends_at > starts_at", name=op.f("ck_slot_times")),
        sa.ForeignKeyConstraint(
            ["tenant_id", "pool_id"],
            ["pool.tenant_id", "pool.id"],
            name=op.f("fk_slot_tenant_id_pool_id"),
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_slot")),
        sa.UniqueConstraint(
            "tenant_id",
            "pool_id",
            "day",
            "starts",
            name=op.f("uq_slot_tenant_id_pool_id_day_starts"),
        ),
    )
    op.create_table(
        "staff_session",
        sa.Column("tenant_id", sa.Integer(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("staff_id", sa.Uuid(), nullable=False),
        sa.Column("token_hash", sa.LargeBinary(), nullable=False),
        sa.Column("ip", sa.Text(), nullable=False),
        sa.Column("user_agent", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("last_seen_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["tenant_id", "staff_id"],
            ["staff.tenant_id", "staff.id"],
            name=op.f("fk_staff_session_tenant_id_staff_id"),
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_staff_session")),
        sa.UniqueConstraint(
            "tenant_id", "token_hash", name=op.f("uq_staff_session_tenant_id_token_hash")
        ),
    )
    op.create_index(
        op.f("ix_staff_session_tenant_id_staff_id"),
        "staff_session",
        ["tenant_id", "staff_id"],
        unique=False,
    )
    op.create_table(
        "ticket_type_draw",
        sa.Column("tenant_id", sa.Integer(), nullable=False),
        sa.Column("ticket_type_id", sa.Uuid(), nullable=False),
        sa.Column("position", sa.SmallInteger(), nullable=False),
        sa.Column("pool_id", sa.Uuid(), nullable=False),
        sa.Column("quantity", sa.SmallInteger(), nullable=False),
        sa.CheckConstraint("quantity > 0", name=op.f("ck_ticket_type_draw_quantity")),
        sa.ForeignKeyConstraint(
            ["tenant_id", "pool_id"],
            ["pool.tenant_id", "pool.id"],
            name=op.f("fk_ticket_type_draw_tenant_id_pool_id"),
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "ticket_type_id"],
            ["ticket_type.tenant_id", "ticket_type.id"],
            name=op.f("fk_ticket_type_draw_tenant_id_ticket_type_id"),
        ),
        sa.PrimaryKeyConstraint(
            "tenant_id", "ticket_type_id", "position", name=op.f("pk_ticket_type_draw")
        ),
        sa.UniqueConstraint(
            "tenant_id",
            "ticket_type_id",
            "pool_id",
            name=op.f("uq_ticket_type_draw_tenant_id_ticket_type_id_pool_id"),
        ),
    )
    op.create_index(
        op.f("ix_ticket_type_draw_tenant_id_pool_id"),
        "ticket_type_draw",
        ["tenant_id", "pool_id"],
        unique=False,
    )
    op.create_table(
        "type_cap",
        sa.Column("tenant_id", sa.Integer(), nullable=False),
        sa.Column("pool_id", sa.Uuid(), nullable=False),
        sa.Column("ticket_type_id", sa.Uuid(), nullable=False),
        sa.Column("capacity", sa.Integer(), nullable=False),
        sa.CheckConstraint("capacity >= 0", name=op.f("ck_type_cap_capacity")),
        sa.ForeignKeyConstraint(
            ["tenant_id", "pool_id"],
            ["pool.tenant_id", "pool.id"],
            name=op.f("fk_type_cap_tenant_id_pool_id"),
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "ticket_type_id"],
            ["ticket_type.tenant_id", "ticket_type.id"],
            name=op.f("fk_type_cap_tenant_id_ticket_type_id"),
        ),
        sa.PrimaryKeyConstraint("tenant_id", "pool_id", "ticket_type_id", name=op.f("pk_type_cap")),
    )
    op.create_index(
        op.f("ix_type_cap_tenant_id_ticket_type_id"),
        "type_cap",
        ["tenant_id", "ticket_type_id"],
        unique=False,
    )
    op.create_table(
        "zone_limit",
        sa.Column("tenant_id", sa.Integer(), nullable=False),
        sa.Column("zone_id", sa.Uuid(), nullable=False),
        sa.Column("max_inside", sa.Integer(), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("inside", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.CheckConstraint("max_inside > 0", name=op.f("ck_zone_limit_max_inside")),
        sa.ForeignKeyConstraint(
            ["tenant_id", "zone_id"],
            ["zone.tenant_id", "zone.id"],
            name=op.f("fk_zone_limit_tenant_id_zone_id"),
        ),
        sa.PrimaryKeyConstraint("tenant_id", "zone_id", name=op.f("pk_zone_limit")),
    )
    op.create_table(
        "gate_device",
        sa.Column("tenant_id", sa.Integer(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("site_id", sa.Uuid(), nullable=False),
        sa.Column("entrance_id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("code_hash", sa.LargeBinary(), nullable=True),
        sa.Column("code_expires_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("public_key", sa.LargeBinary(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("created_by", sa.Text(), nullable=False),
        sa.Column("enrolled_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("revoked_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("revoked_by", sa.Text(), server_default="", nullable=False),
        sa.Column("last_seen_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("version", sa.Text(), server_default="", nullable=False),
        sa.Column(
            "health",
            postgresql.JSONB(astext_type=sa.Text()),
            server_default=sa.text("'{}'"),
            nullable=False,
        ),
        sa.Column("journal_through", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("share", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant_id", "entrance_id"],
            ["entrance.tenant_id", "entrance.id"],
            name=op.f("fk_gate_device_tenant_id_entrance_id"),
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_gate_device")),
        sa.UniqueConstraint(
            "tenant_id", "code_hash", name=op.f("uq_gate_device_tenant_id_code_hash")
        ),
    )
    op.create_index(
        op.f("ix_gate_device_tenant_id_entrance_id"),
        "gate_device",
        ["tenant_id", "entrance_id"],
        unique=False,
    )
    op.create_table(
        "lane",
        sa.Column("tenant_id", sa.Integer(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("entrance_id", sa.Uuid(), nullable=False),
        sa.Column("number", sa.SmallInteger(), nullable=False),
        sa.Column("name", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("direction", sa.Text(), server_default="in", nullable=False),
        sa.Column("active", sa.Boolean(), server_default=sa.text("true"), nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant_id", "entrance_id"],
            ["entrance.tenant_id", "entrance.id"],
            name=op.f("fk_lane_tenant_id_entrance_id"),
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_lane")),
        sa.UniqueConstraint(
            "tenant_id", "entrance_id", "number", name=op.f("uq_lane_tenant_id_entrance_id_number")
        ),
    )
    op.create_table(
        "stock",
        sa.Column("tenant_id", sa.Integer(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("slot_id", sa.Uuid(), nullable=False),
        sa.Column("scope", sa.Text(), nullable=False),
        sa.Column("ref", sa.Text(), server_default="", nullable=False),
        sa.Column("capacity", sa.Integer(), nullable=False),
        sa.Column("held", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("sold", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("share", sa.Text(), server_default="", nullable=False),
        sa.Column("places", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("releases_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "(scope = 'channel') = (share IN ('fixed', 'minimum')) AND places >= 0",
            name=op.f("ck_stock_share"),
        ),
        sa.CheckConstraint(
            "held >= 0 AND sold >= 0 AND held + sold <= capacity", name=op.f("ck_stock_no_oversell")
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "slot_id"],
            ["slot.tenant_id", "slot.id"],
            name=op.f("fk_stock_tenant_id_slot_id"),
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_stock")),
        sa.UniqueConstraint(
            "tenant_id",
            "slot_id",
            "scope",
            "ref",
            name=op.f("uq_stock_tenant_id_slot_id_scope_ref"),
        ),
        postgresql_with={"fillfactor": "40"},
    )
    op.create_table(
        "gate_command",
        sa.Column("tenant_id", sa.Integer(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("device_id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("lane_id", sa.Uuid(), nullable=True),
        sa.Column("text", sa.Text(), server_default="", nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("created_by", sa.Text(), nullable=False),
        sa.Column("done_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["tenant_id", "device_id"],
            ["gate_device.tenant_id", "gate_device.id"],
            name=op.f("fk_gate_command_tenant_id_device_id"),
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_gate_command")),
    )
    op.create_index(
        op.f("ix_gate_command_tenant_id_device_id_created_at"),
        "gate_command",
        ["tenant_id", "device_id", "created_at"],
        unique=False,
    )
    op.create_table(
        "gate_journal",
        sa.Column("tenant_id", sa.Integer(), nullable=False),
        sa.Column("device_id", sa.Uuid(), nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.Column("scan_id", sa.Uuid(), nullable=False),
        sa.Column("step", sa.Text(), nullable=False),
        sa.Column("gate_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("received_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("lane_id", sa.Uuid(), nullable=False),
        sa.Column("direction", sa.Text(), nullable=False),
        sa.Column("decided_by", sa.Text(), nullable=False),
        sa.Column("method", sa.Text(), nullable=False),
        sa.Column("ticket_id", sa.Uuid(), nullable=True),
        sa.Column("generation", sa.Integer(), nullable=True),
        sa.Column("persons", sa.Integer(), nullable=False),
        sa.Column("persons_left", sa.Integer(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("document_mark", sa.LargeBinary(), nullable=True),
        sa.Column("staff", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant_id", "device_id"],
            ["gate_device.tenant_id", "gate_device.id"],
            name=op.f("fk_gate_journal_tenant_id_device_id"),
        ),
        sa.PrimaryKeyConstraint("tenant_id", "device_id", "seq", name=op.f("pk_gate_journal")),
    )
    op.create_index(
        op.f("ix_gate_journal_tenant_id_scan_id"),
        "gate_journal",
        ["tenant_id", "scan_id"],
        unique=False,
    )
