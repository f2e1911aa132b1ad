"""Take blocks from HTTP trustless gateways, and trust them to the last byte as little as anybody."""

from ipvm.exchange.gateway.address import InvalidGateway
from ipvm.exchange.gateway.configuration import configured_gateways
from ipvm.exchange.gateway.source import EntityBytes, Gateway, Scope

__all__ = ["EntityBytes", "Gateway", "InvalidGateway", "Scope", "configured_gateways"]
