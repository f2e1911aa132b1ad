"""Serve over HTTP: a server, and what it answers with."""

from ipvm.web.gateway import gateway
from ipvm.web.message import Answer, Handler, OnAnswered, Request, refusal
from ipvm.web.server import serve

__all__ = ["Answer", "Handler", "OnAnswered", "Request", "gateway", "refusal", "serve"]
