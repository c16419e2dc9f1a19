"""Run the example service: `python -m demo.example_service`."""

import os
import sys

import uvicorn

from demo.example_service.app import create_app
from demo.example_service.database import open_database
from demo.example_service.settings import SettingsError, load_settings


def main() -> None:
    """Serve until a signal; exit with a message if a setting is invalid."""
    try:
        settings = load_settings(os.environ)
    except SettingsError as error:
        sys.exit(f"example service: {error}")
    app = create_app(lambda: open_database(settings.database), allows_faults=settings.allows_faults)
    uvicorn.run(app, host=settings.host, port=settings.port, log_level="warning", access_log=False)


if __name__ == "__main__":
    main()
