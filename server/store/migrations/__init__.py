"""Alembic's scripts; shipped inside the package and run at every start."""
