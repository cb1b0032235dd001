"""A Flask service that calls another: `gunicorn --preload --workers 2 --threads 8 services.callers.flask_app:app`.

One client serves all threads. Made at import it does nothing yet, so that gunicorn may fork it into its workers.
"""

import os

import httpx
from flask import Flask, jsonify
from flask.typing import ResponseReturnValue

from discovery.http import Transport

TARGET = os.environ.get("ECHO_TARGET", "kubernetes:///echo:http")

echo = httpx.Client(transport=Transport(TARGET, host="echo"), base_url="http://echo", timeout=5.0)
app = Flask(__name__)


@app.get("/service")
def service() -> ResponseReturnValue:
    """Answer which pod took the call."""
    response = echo.get("/ping")
    return jsonify(response.raise_for_status().json())


@app.errorhandler(httpx.HTTPError)
def call_failed(error: httpx.HTTPError) -> ResponseReturnValue:
    """Whatever went wrong is an error of httpx's, and its text says where."""
    return jsonify({"error": str(error)}), 502
