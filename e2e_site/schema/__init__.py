"""The schema of a database, which Flyway owns: set-up, PGMQ, Flyway or the built-in runner, databases of one's own."""
