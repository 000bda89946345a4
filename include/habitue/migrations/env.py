"""Alembic's entry: `habitue.database.upgrade` and the tests hand in the connection."""

from alembic import context

from habitue.tables import metadata

connection = context.config.attributes.get("connection")
if connection is None:
    raise SystemExit("run `habitue db upgrade`: it knows where the base is")
context.configure(connection=connection, target_metadata=metadata, compare_type=True)
with context.begin_transaction():
    context.run_migrations()
