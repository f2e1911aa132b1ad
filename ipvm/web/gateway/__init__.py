"""The gateway: blocks, CARs, files and folders by their CIDs over HTTP."""

from ipvm.web.gateway.handler import gateway

__all__ = ["gateway"]
