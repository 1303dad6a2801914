"""Writes the rows of a source as JSON for prove_target.py. Environment: DATABASE_URL, FERNET_KEY, RELEASE, OUT."""

from __future__ import annotations

import json
import os

from database import read_tables


def main() -> None:
    tables = read_tables(os.environ["DATABASE_URL"], os.environ["FERNET_KEY"])
    with open(os.environ["OUT"], "w") as file:
        json.dump({"release": os.environ["RELEASE"], "tables": tables}, file)


if __name__ == "__main__":
    main()
