"""What pages and the API read from the database: named statements, and what becomes of their rows."""
