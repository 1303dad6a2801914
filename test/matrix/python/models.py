"""Shared by the matrix's scripts: a release's own models, whichever release runs it (1.10 to 3.3)."""

from __future__ import annotations

import importlib
import pkgutil

import airflow.models
from airflow.models.base import Base


def import_models() -> None:
    for module in pkgutil.iter_modules(airflow.models.__path__):
        try:
            importlib.import_module("airflow.models." + module.name)
        except ImportError:
            continue


def mapped_classes() -> list:
    if hasattr(Base, "registry"):
        found = {mapper.class_ for mapper in Base.registry.mappers}
    else:  # SQLAlchemy 1.3
        found = {cls for cls in Base._decl_class_registry.values() if hasattr(cls, "__table__")}
    return sorted(found, key=lambda cls: cls.__name__)


def open_session():
    """A session as that release makes it; 1.10 and 2.0 have no create_session in airflow.utils.session."""
    try:
        from airflow.utils.session import create_session
    except ImportError:
        from airflow.utils.db import create_session
    return create_session()


def release_of() -> tuple:
    from airflow import version

    return tuple(int(part) for part in version.version.split(".")[:3])
