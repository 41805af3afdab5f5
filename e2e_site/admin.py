"""Users and groups in the admin. Who is no superuser gives nobody, and least of all themselves, more than they have."""

from typing import Any

from django.contrib import admin
from django.contrib.auth.admin import GroupAdmin, UserAdmin
from django.contrib.auth.models import Group, User
from django.db.models import Model
from django.http import HttpRequest

from e2e_site.roles import ROLES

admin.site.unregister(User)
admin.site.unregister(Group)


@admin.register(User)
class SiteUserAdmin(UserAdmin):  # type: ignore[type-arg]  # takes none at run time
    """Without being a superuser one gives roles, and leaves superusers and single permissions alone."""

    def get_readonly_fields(self, request: HttpRequest, obj: Model | None = None) -> Any:
        own = super().get_readonly_fields(request, obj)
        return own if _is_superuser(request) else (*own, "is_superuser", "user_permissions")

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return self._may_touch(request, obj) and super().has_change_permission(request, obj)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return self._may_touch(request, obj) and super().has_delete_permission(request, obj)

    def get_deleted_objects(self, objs: Any, request: HttpRequest) -> Any:
        """Of many at once too: superusers are in the way of who is none."""
        deletable, counts, needed, protected = super().get_deleted_objects(objs, request)
        if any(not self._may_touch(request, user) for user in objs):
            needed = {*needed, "superuser"}
        return deletable, counts, needed, protected

    def formfield_for_manytomany(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        """Groups beside the roles may have any right: only superusers put users into them."""
        if db_field.name == "groups" and not _is_superuser(request):
            kwargs["queryset"] = Group.objects.filter(name__in=ROLES)
        return super().formfield_for_manytomany(db_field, request, **kwargs)

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:
        """The groups that its form did not offer stay."""
        kept = [] if _is_superuser(request) else list(form.instance.groups.exclude(name__in=ROLES))
        super().save_related(request, form, formsets, change)
        form.instance.groups.add(*kept)

    def _may_touch(self, request: HttpRequest, user: User | None) -> bool:
        return user is None or not user.is_superuser or _is_superuser(request)


@admin.register(Group)
class SiteGroupAdmin(GroupAdmin):
    """The roles are as `e2e_site.roles` has them: ``manage.py setup`` would undo what is changed here."""

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return not _is_role(obj) and super().has_change_permission(request, obj)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return not _is_role(obj) and super().has_delete_permission(request, obj)


def _is_role(group: Any) -> bool:
    return group is not None and group.name in ROLES


def _is_superuser(request: HttpRequest) -> bool:
    return bool(request.user.is_active and getattr(request.user, "is_superuser", False))
