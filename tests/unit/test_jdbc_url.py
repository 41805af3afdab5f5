"""The address of the database as Flyway's driver takes it."""

import pytest

from e2e_site.schema.flyway import jdbc_url
from e2e_site.schema.migration_files import FlywayError


@pytest.mark.parametrize(
    ("host", "dbname", "parameters", "url"),
    [
        ("db.example.org", "bus", {}, "jdbc:postgresql://db.example.org:5432/bus"),
        ("::1", "bus", {}, "jdbc:postgresql://[::1]:5432/bus"),
        ("h", "a b/c", {"user": "somebody"}, "jdbc:postgresql://h:5432/a%20b%2Fc"),
        (
            "h",
            "bus",
            {"sslmode": "verify-full", "sslrootcert": "/ca.pem", "connect_timeout": "5"},
            "jdbc:postgresql://h:5432/bus?connectTimeout=5&sslmode=verify-full&sslrootcert=%2Fca.pem",
        ),
    ],
)
def test_an_address_keeps_its_parts(host: str, dbname: str, parameters: dict[str, str], url: str) -> None:
    assert jdbc_url(host, 5432, dbname, parameters) == url


def test_a_socket_is_refused_since_the_driver_speaks_tcp_only() -> None:
    with pytest.raises(FlywayError, match="--runner builtin"):
        jdbc_url("/run/postgresql", 5432, "bus", {})
