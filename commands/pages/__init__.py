"""The pages and their live fragments: one module a page, with its context function."""
