"""The saved views of a list, beside its filter."""

from typing import Any

from django import template

from commands.pages.saved_views import LONGEST_NAME, LONGEST_QUERY, address_of, filter_of, views_of

register = template.Library()


@register.inclusion_tag("commands/_saved_views.html", takes_context=True)
def saved_views(context: template.Context, page: str) -> dict[str, Any]:
    """What the user saved, each with its address; ``query``: the filter of this page, where it could be saved."""
    request = context["request"]
    if not request.user.is_authenticated:
        return {"shown": False}
    query = filter_of(page, request.GET)
    views = [(view, address_of(view), view.query == query) for view in views_of(request.user, page)]
    is_new = bool(query) and len(query) <= LONGEST_QUERY and not any(current for _, _, current in views)
    return {
        "shown": bool(views) or is_new,
        "page": page,
        "views": views,
        "query": query if is_new else "",
        "longest": LONGEST_NAME,
        "csrf_token": context.get("csrf_token"),
    }
