"""What the site itself keeps, whatever it is about."""

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models.functions import Now


class ApiToken(models.Model):
    """A row of ``e2e_api_token``: never the token itself."""

    token_id = models.BigAutoField(primary_key=True)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, db_constraint=False)
    name = models.TextField()
    prefix = models.TextField()
    digest = models.BinaryField()
    permissions = ArrayField(models.TextField())
    created_at = models.DateTimeField()
    expires_at = models.DateTimeField(null=True)
    last_used_at = models.DateTimeField(null=True)
    revoked_at = models.DateTimeField(null=True)

    class Meta:
        managed = False
        db_table = "e2e_api_token"
        verbose_name = "API token"
        # Of others: who has "view" sees them, who has "change" revokes them. One's own need no permission.
        default_permissions = ("view", "change")

    def __str__(self) -> str:
        return f"{self.name} ({self.prefix}…)"


class SavedView(models.Model):
    """A row of ``e2e_saved_view``: the ``query`` of a list's address, under a name of its user's."""

    view_id = models.BigAutoField(primary_key=True)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.DO_NOTHING, db_constraint=False)
    page = models.TextField()
    name = models.TextField()
    query = models.TextField()
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        managed = False
        db_table = "e2e_saved_view"
        default_permissions = ()

    def __str__(self) -> str:
        return self.name
