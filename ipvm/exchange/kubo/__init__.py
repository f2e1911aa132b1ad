"""Take blocks from a Kubo node over its RPC, and give it what is to be had from it."""

from ipvm.exchange.kubo.address import InvalidKubo, configured_kubo
from ipvm.exchange.kubo.conditions import KuboUnavailable
from ipvm.exchange.kubo.node import Kubo

__all__ = ["InvalidKubo", "Kubo", "KuboUnavailable", "configured_kubo"]
