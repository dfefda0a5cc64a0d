"""The REST API and the dashboard: questions over HTTP come in, what the store holds goes out.

It reads readings, predictions, alerts and model cards, and writes one thing only: the rules that an
owner changes. It runs no model and speaks to no broker. `create_app` makes the Flask application,
`python -m api` serves it.
"""

from api.app import create_app

__all__ = ["create_app"]
