"""The REST API and the dashboard: questions over HTTP come in, what the store holds goes out.

It reads readings, predictions, alerts and model cards, writes the rules that an owner changes, and
hands readings that come over HTTP to Kafka. It runs no model. `create_app` makes the Flask
application, `python -m api` serves it.
"""

from api.app import create_app

__all__ = ["create_app"]
