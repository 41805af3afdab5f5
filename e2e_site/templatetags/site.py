"""Tags of the base layout. They need no request, and no database where no user is logged in: error pages use them."""

from typing import Any

from django import template
from django.conf import settings
from django.utils.html import format_html
from django.utils.safestring import SafeString

from e2e_site import __version__, texts
from e2e_site.roles import is_for_reading
from e2e_site.times import Times, times_of

register = template.Library()


@register.simple_tag
def icon(name: str, css_class: str = "") -> SafeString:
    """A symbol of ``_icons.html``. It is decoration: the word beside it says the same."""
    return format_html('<svg class="icon {}" aria-hidden="true"><use href="#i-{}"></use></svg>', css_class, name)


@register.simple_tag
def environment() -> str:
    """What this installation is called, shown as a badge; empty for none."""
    return settings.ENVIRONMENT


@register.simple_tag(takes_context=True)
def may(context: template.Context, *permissions: str) -> bool:
    """Whether to offer what one of these permissions is needed for: to who has it, and to who might after a login.

    A page that knows no user, an error page, offers all.
    """
    wanted = [right for right in permissions if is_for_reading(right) or not settings.READ_ONLY]
    user = context.get("user")
    if user is None or not user.is_authenticated:
        return bool(wanted)
    return any(user.has_perm(right) for right in wanted)


@register.simple_tag
def version() -> str:
    return __version__


@register.simple_tag(takes_context=True)
def times(context: template.Context) -> Times:
    """How this page shows times."""
    return times_of(context.get("request"))


@register.inclusion_tag("_footer.html", takes_context=True)
def footer(context: template.Context) -> dict[str, Any]:
    """The version, the keys, and how times are shown. ``back``: this page."""
    request = context.get("request")
    back = "" if request is None else request.get_full_path() if request.method == "GET" else request.path
    return {"modes": list(Times), "times": times_of(request), "back": back, "csrf_token": context.get("csrf_token")}


@register.filter
def outside(text: object) -> SafeString:
    """A text that came from outside: what cannot be seen is shown, and none of it turns the line around it."""
    return format_html("<bdi>{}</bdi>", texts.visible(str(text)))


@register.filter
def visible(text: object) -> str:
    """The same for a tooltip or another attribute, which takes no markup."""
    return texts.visible(str(text))


@register.filter
def cut(text: object, most: int) -> str:
    """At most so many characters, "…" included."""
    return texts.cut(str(text), most)


@register.inclusion_tag("_nav_item.html", takes_context=True)
def nav_item(context: template.Context, view_name: str, label: str, symbol: str, *sections: str) -> dict[str, object]:
    """One entry of the sidebar; current on its own page, and on every page whose path begins with a section."""
    request = context.get("request")
    match = getattr(request, "resolver_match", None)
    current = match is not None and match.view_name == view_name
    if sections and request is not None:
        current = current or request.path.startswith(sections)
    return {"view_name": view_name, "label": label, "symbol": symbol, "current": current}
