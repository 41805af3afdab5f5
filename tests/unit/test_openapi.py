"""docs/openapi.json: the API's contract, as the code has it."""

import json
import sys

from pydantic import BaseModel

from commands.api.links import LINKS
from commands.api.root import api
from tests.support.clusters import CHECKOUT

COMMITTED = CHECKOUT / "docs" / "openapi.json"
AGAIN = "manage.py openapi > docs/openapi.json"


def test_the_committed_document_is_what_the_code_says() -> None:
    made = json.loads(json.dumps(api.get_openapi_schema()))
    assert json.loads(COMMITTED.read_text("utf-8")) == made, f"write it again: {AGAIN}"


def test_every_operation_has_a_name_of_its_own_and_says_what_it_does() -> None:
    operations = [operation for path in api.get_openapi_schema()["paths"].values() for operation in path.values()]
    names = [operation["operationId"] for operation in operations]
    assert len(set(names)) == len(names)
    assert all(name.isidentifier() and name.islower() for name in names), "they name a client's functions"
    assert all(operation["summary"] for operation in operations)


def test_links_lead_from_answers_to_operations_that_are_there() -> None:
    operations = {
        operation["operationId"]: operation
        for path in api.get_openapi_schema()["paths"].values()
        for operation in path.values()
    }
    for (name, status), links in LINKS.items():
        assert status in operations[name]["responses"]
        for link in links.values():
            taken = {parameter["name"] for parameter in operations[link["operationId"]]["parameters"]}
            assert link["parameters"].keys() <= taken


def test_no_two_shapes_have_one_name() -> None:
    # In the document the second would take the place of the first.
    modules = [
        module
        for name, module in sys.modules.items()
        if name.startswith(("commands.api.", "bench.loadtest.", "bench.runs."))
    ]
    shapes = {
        value
        for module in modules
        for value in vars(module).values()
        if isinstance(value, type) and issubclass(value, BaseModel) and value.__module__ == module.__name__
    }
    names = [shape.__name__ for shape in shapes]
    assert sorted(name for name in names if names.count(name) > 1) == []
