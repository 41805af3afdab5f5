"""What a person or a program may ask for: one validation for pages, API and command line."""
