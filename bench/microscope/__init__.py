"""One command of the site close up: every attempt of it on one axis of time across workers, and who holds its rows."""
