"""The shipped scenarios for programs."""

from typing import Any, Literal

from django.http import HttpRequest
from ninja import Router
from pydantic import BaseModel, Field

from bench.runs.reading import shown_scenario, shown_scenarios
from bench.runs.variants import shipped
from bench.scenarios.model import RunVerdict
from bench.scenarios.yaml_file import to_json
from commands.api.auth import READING
from commands.api.problems import ProblemError
from commands.api.schemas import ProblemDetails
from e2e_site.texts import cut, storable

router = Router()


class ScenarioOut(BaseModel):
    """A scenario that comes with the bench."""

    name: str
    about: str = Field(description="What it proves, in a sentence.")
    engines: list[str]
    place: Literal["own", "cluster", "site"] = Field(description="A database of its own, a server of its own, or ours.")
    commands: int = Field(description="How many it sends.")
    seconds: float = Field(description="Of its load and, at most, of its drain.")
    faults: list[str]
    expects: RunVerdict = Field(description="The verdict that it is to come to.")
    long: bool = Field(description="Left out where the short set is run.")


class ScenarioList(BaseModel):
    items: list[ScenarioOut]


class ScenarioDetail(ScenarioOut):
    source: dict[str, Any] = Field(description="The whole of it, as POST /runs takes it.")


@router.get("", auth=READING, operation_id="list_scenarios", summary="The shipped scenarios", response=ScenarioList)
def listed(request: HttpRequest) -> dict[str, Any]:
    return {"items": [vars(shown) for shown in shown_scenarios()]}


@router.get(
    "/{name}",
    auth=READING,
    operation_id="get_scenario",
    summary="One shipped scenario",
    response={200: ScenarioDetail, 404: ProblemDetails},
)
def detail(request: HttpRequest, name: str) -> dict[str, Any]:
    found = shipped().get(name)
    if found is None:
        raise ProblemError(404, f"There is no scenario {cut(storable(name), 60)!r}.")
    return {**vars(shown_scenario(found)), "source": to_json(found)}
