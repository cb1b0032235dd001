"""An xDS control plane: Services, followed once, for any number of proxyless gRPC clients and of Envoys.

async with discovery.xds.Server("0.0.0.0:18000"):   # or `python -m discovery.xds`
    ...

os.environ["GRPC_XDS_BOOTSTRAP_CONFIG"] = discovery.xds.grpc_bootstrap("control-plane:18000")
grpc.insecure_channel("xds:///orders.shop:grpc")
"""

try:
    from discovery.xds._bootstrap import envoy_bootstrap, grpc_bootstrap
    from discovery.xds._server import Server
except ModuleNotFoundError as error:
    if (error.name or "").partition(".")[0] in {"envoy", "google", "grpc"}:
        raise ModuleNotFoundError(
            f"discovery.xds needs the package {error.name}: pip install discovery-lb[xds]", name=error.name
        ) from error
    raise

from discovery.split import Split

__all__ = ["Server", "Split", "envoy_bootstrap", "grpc_bootstrap"]
