"""Channels with the shape of grpc's own, that balance every call over the endpoints of one target.

channel = discovery.grpc.insecure_channel("kubernetes:///orders.shop:grpc")
channel = discovery.grpc.aio.insecure_channel("kubernetes:///orders.shop:grpc")
"""

from discovery.grpc import aio
from discovery.grpc._channel import insecure_channel, secure_channel
from discovery.grpc._split import split_channel

__all__ = ["aio", "insecure_channel", "secure_channel", "split_channel"]
