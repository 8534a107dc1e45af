"""Alembic's entry: runs the migrations on the connection that the store hands over."""

from alembic import context

context.configure(
    connection=context.config.attributes["connection"],
    # SQLite has transactional DDL once the driver's own transactions are off: all or nothing.
    transactional_ddl=True,
)
with context.begin_transaction():
    context.run_migrations()
