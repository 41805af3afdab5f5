"""Django's database backend for the embedded PostgreSQL: the engine where DATABASE_URL is unset."""
