"""Models over tables that Django never writes: SQL functions, workers and tools do."""

from typing import Any, ClassVar, NoReturn, TypeVar

from django.db import models

_Row = TypeVar("_Row", bound=models.Model)


class ReadOnlyError(TypeError):
    """A model that is for reading was about to be written."""


class ReadOnlyQuerySet(models.QuerySet[_Row]):
    """Reads; whatever would write raises `ReadOnlyError`."""

    def _refuse(self) -> NoReturn:
        # Only subclasses of ReadOnlyModel have such a manager.
        raise ReadOnlyError(f"{self.model.__name__} is read-only here: {getattr(self.model, 'written_by', '')}")

    def create(self, **kwargs: Any) -> NoReturn:
        self._refuse()

    def get_or_create(self, *args: Any, **kwargs: Any) -> NoReturn:
        self._refuse()

    def update_or_create(self, *args: Any, **kwargs: Any) -> NoReturn:
        self._refuse()

    def bulk_create(self, *args: Any, **kwargs: Any) -> NoReturn:
        self._refuse()

    def bulk_update(self, *args: Any, **kwargs: Any) -> NoReturn:
        self._refuse()

    def update(self, **kwargs: Any) -> NoReturn:
        self._refuse()

    def delete(self) -> NoReturn:
        self._refuse()


class ReadOnlyModel(models.Model):
    """A row that Django never writes; ``written_by`` says what does, in the error of an attempt to write it."""

    written_by: ClassVar[str]

    class Meta:
        abstract = True

    def save(self, **kwargs: Any) -> NoReturn:
        raise ReadOnlyError(f"{type(self).__name__} is read-only here: {self.written_by}")

    def delete(self, *args: Any, **kwargs: Any) -> NoReturn:
        raise ReadOnlyError(f"{type(self).__name__} is read-only here: {self.written_by}")
