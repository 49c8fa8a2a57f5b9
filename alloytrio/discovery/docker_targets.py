"""From Docker's answers to targets. Pure functions.

Source: Prometheus ``discovery/moby/docker.go``. On purpose different: a container without any network has a target
too (Prometheus' users have none, and so no logs); the labels ``…_container_image``, ``…_image_id`` and
``…_container_state`` are there.
"""

import re
from collections.abc import Iterable, Mapping, Sequence

from alloytrio.docker import ContainerSummary, NetworkSummary
from alloytrio.docker.models import Endpoint, Port
from alloytrio.targets import Target

META = "__meta_docker_"
CONTAINER_ID = META + "container_id"
CONTAINER_STATE = META + "container_state"
_NOT_IN_LABELS = re.compile(r"[^A-Za-z0-9_]")


def label_name(text: str) -> str:
    """A Docker label's name as part of a label name: each other character becomes one underscore."""
    return _NOT_IN_LABELS.sub("_", text)


def targets_of(
    containers: Sequence[ContainerSummary],
    networks: Iterable[NetworkSummary],
    *,
    port: int,
    host_networking_host: str,
    match_first_network: bool,
) -> list[Target]:
    """All targets, in the order of the containers.

    Args:
        containers: as listed.
        networks: all of them.
        port: in the address of a container without a TCP port.
        host_networking_host: address of a container in the host's network.
        match_first_network: use only the first network by name.
    """
    by_id = {container.id: container for container in containers}
    network_labels = {network.id: _network_labels(network) for network in networks}
    targets: list[Target] = []
    for container in containers:
        if not container.names:
            continue
        labels = _container_labels(container)
        endpoints = _endpoints(container, by_id)
        if match_first_network and len(endpoints) > 1:
            first = min(endpoints, key=lambda name: name.encode())
            endpoints = {first: endpoints[first]}
        if not endpoints:
            address = host_networking_host if container.network_mode == "host" else ""
            targets.append({"__address__": address, **labels})
        for endpoint in endpoints.values():
            address = _address(endpoint)
            common = {
                **labels,
                META + "network_ip": address,
                **network_labels.get(endpoint.network_id, {}),
            }
            fallback = host_networking_host if container.network_mode == "host" else _join(address, port)
            targets += _port_targets(container.ports or [], address, fallback, common)
    return targets


def _port_targets(ports: Sequence[Port], address: str, fallback: str, common: Target) -> Iterable[Target]:
    """One target per TCP port, or one without a port."""
    tcp = [port for port in ports if port.kind == "tcp"]
    if not tcp:
        return [{"__address__": fallback, **common}]
    targets: list[Target] = []
    for port in tcp:
        target = {
            "__address__": _join(address, port.private),
            **common,
            META + "port_private": str(port.private),
        }
        if port.public > 0:
            target[META + "port_public"] = str(port.public)
            target[META + "port_public_ip"] = port.ip
        targets.append(target)
    return targets


def _container_labels(container: ContainerSummary) -> dict[str, str]:
    labels = {
        CONTAINER_ID: container.id,
        META + "container_name": (container.names or [""])[0],
        META + "container_network_mode": container.network_mode,
    }
    if container.image:
        labels[META + "container_image"] = container.image
    if container.image_id:
        labels[META + "container_image_id"] = container.image_id
    if container.state:
        labels[CONTAINER_STATE] = container.state
    for name, value in sorted((container.labels or {}).items()):
        labels[META + "container_label_" + label_name(name)] = value
    return labels


def _network_labels(network: NetworkSummary) -> dict[str, str]:
    labels = {
        META + "network_id": network.id,
        META + "network_name": network.name,
        META + "network_scope": network.scope,
        META + "network_internal": "true" if network.internal else "false",
        META + "network_ingress": "true" if network.ingress else "false",
    }
    for name, value in sorted((network.labels or {}).items()):
        labels[META + "network_label_" + label_name(name)] = value
    return labels


def _endpoints(container: ContainerSummary, by_id: Mapping[str, ContainerSummary]) -> Mapping[str, Endpoint]:
    """The container's networks, or those of the container whose network it shares."""
    seen: set[str] = set()
    while not container.networks and container.network_mode.startswith("container:"):
        seen.add(container.id)
        other = by_id.get(container.network_mode.removeprefix("container:"))
        if other is None or other.id in seen:
            return {}
        container = other
    return container.networks


def _address(endpoint: Endpoint) -> str:
    return endpoint.ip_address or endpoint.global_ipv6_address


def _join(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
