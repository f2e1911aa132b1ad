"""Take blocks from HTTP trustless gateways, and trust them to the last byte as little as anybody."""

from ipvm.exchange.gateway.address import InvalidGateway, gateway_address
from ipvm.exchange.gateway.source import EntityBytes, Gateway, Scope

__all__ = ["EntityBytes", "Gateway", "InvalidGateway", "Scope", "gateway_address"]
