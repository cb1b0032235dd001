"""What clients of the control plane are told at their start, as JSON: where it is, and who they are."""

from __future__ import annotations

import json
import platform
from collections.abc import Mapping
from typing import Any

from discovery.model import split_address

_XDS = "xds"


def grpc_bootstrap(address: str, *, node: str = "") -> str:
    """For GRPC_XDS_BOOTSTRAP_CONFIG, which gRPC reads when a process makes its first `xds:` channel.

    address  HOST:PORT of the control plane
    node     what the client is called in its log; "" is the host's name

    Raises ValueError for an address that is none.
    """
    split_address(address)
    server = {"server_uri": address, "channel_creds": [{"type": "insecure"}], "server_features": ["xds_v3"]}
    # grpc-js refuses a node without a locality.
    me = {"id": node or platform.node(), "locality": {}}
    return json.dumps({"xds_servers": [server], "node": me})


def envoy_bootstrap(address: str, listeners: Mapping[str, str], *, node: str = "", admin: str = "127.0.0.1:0") -> str:
    """For `envoy --config-yaml`: a sidecar that listens so, for HTTP/1.1 and gRPC alike.

    address    HOST:PORT of the control plane
    listeners  Services, and where it listens for each: `{"orders.shop:http": "127.0.0.1:15001"}`
    node       what it is called in the control plane's log; "" is the host's name
    admin      HOST:PORT of its admin interface; port 0 takes a free one

    Raises ValueError for an address that is none.
    """
    host, port = split_address(address)
    for listener in listeners.values():
        listen_address(listener)
    ads: dict[str, Any] = {"ads": {}, "resource_api_version": "V3"}
    endpoint = {"endpoint": {"address": _address(host, port)}}
    control = {
        "name": _XDS,
        "type": "STRICT_DNS",
        "connect_timeout": "1s",
        "typed_extension_protocol_options": {
            "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
                "@type": "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
                # A control plane that has vanished is found out, and the stream begun anew.
                "explicit_http_config": {
                    "http2_protocol_options": {"connection_keepalive": {"interval": "30s", "timeout": "5s"}}
                },
            }
        },
        "load_assignment": {"cluster_name": _XDS, "endpoints": [{"lb_endpoints": [endpoint]}]},
    }
    return json.dumps(
        {
            "node": {
                "id": node or platform.node(),
                "cluster": "discovery",
                "metadata": {"listeners": dict(listeners)},
            },
            "dynamic_resources": {
                "lds_config": ads,
                "cds_config": ads,
                "ads_config": {
                    "api_type": "GRPC",
                    "transport_api_version": "V3",
                    "grpc_services": [{"envoy_grpc": {"cluster_name": _XDS}}],
                },
            },
            "static_resources": {"clusters": [control]},
            "admin": {"address": _address(*listen_address(admin))},
        }
    )


def listen_address(text: str) -> tuple[str, int]:
    """As `split_address`, but the port may be 0 for any free one."""
    if text.endswith(":0"):
        return split_address(text + "1")[0], 0
    return split_address(text)


def _address(host: str, port: int) -> dict[str, Any]:
    return {"socket_address": {"address": host, "port_value": port}}
