"""Lets a 2.x write its roles and permissions, as its web server does when it starts."""

from __future__ import annotations

from airflow.www.app import create_app

create_app(testing=False)
