"""Alembic's environment: runs in the connection that `shanmen.db.migrate` opened."""

from alembic import context

from shanmen.wiring import metadata

connection = context.config.attributes["connection"]
context.configure(
    connection=connection,
    target_metadata=metadata(),
    include_name=lambda name, kind, _: (
        not (kind == "table" and str(name).startswith("procrastinate"))
    ),
)
with context.begin_transaction():
    context.run_migrations()
