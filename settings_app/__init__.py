"""Configuration of the workers: one typed row, edited in the admin."""
