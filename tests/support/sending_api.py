"""An API of one operation that spends a token's budget, as those that send do."""

from django.http import HttpRequest
from django.urls import path

from commands.api.auth import changing, sending_budget
from commands.api.problems import handle_errors
from commands.api.root import BusAPI
from e2e_site import urls

api = BusAPI(urls_namespace="tests:sending", docs_url=None, openapi_url=None)
handle_errors(api)


@api.post("/commands", auth=changing("commands.add_testcommand", "send commands"))
def send(request: HttpRequest, count: int) -> dict[str, int]:
    sending_budget(request, count)
    return {"sent": count}


urlpatterns = [path("api/test/", api.urls), *urls.urlpatterns]
