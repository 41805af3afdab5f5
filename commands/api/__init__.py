"""The API: one module a noun, each a router; its contract is docs/openapi.json."""
