"""Asks the FAB provider's own security manager what it knows of users and roles, signs in, and adds to both. Prints JSON."""

import json
import os
import sys

from airflow.providers.fab.auth_manager.cli_commands.utils import get_application_builder
from flask import current_app

attempts = json.loads(os.environ["ATTEMPTS"])

with get_application_builder() as builder, current_app.test_request_context():
    manager = builder.sm
    roles = {role.name: sorted(map(str, role.permissions)) for role in manager.get_all_roles()}
    users = {
        user.username: {"id": user.id, "roles": sorted(role.name for role in user.roles)}
        for user in manager.get_all_users()
    }
    entered = [manager.auth_user_db(name, password) is not None for name, password in attempts]
    added = manager.add_user(
        "added", "Ad", "Ded", "added@example.com", manager.find_role("Viewer"), password="secret"
    )
    permission = manager.create_permission("can_read", "DAG:added")
    result = {
        "roles": roles,
        "users": users,
        "entered": entered,
        "added": {"user": manager.find_user("added").id if added else None, "permission": permission.id},
    }

print("\n" + json.dumps(result), file=sys.stdout)
