"""Alembic's entry: run the migrations on the connection that `Database.migrate` gives."""

from alembic import context

context.configure(
    connection=context.config.attributes["connection"],
    transaction_per_migration=False,
    render_as_batch=True,
)
context.run_migrations()
