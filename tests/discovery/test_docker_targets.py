"""From Docker's answers to targets, against its table."""

from alloytrio.discovery.docker_targets import label_name, targets_of
from alloytrio.docker import ContainerSummary, NetworkSummary
from alloytrio.targets import Target

NETWORKS = [
    NetworkSummary.model_validate(
        {"Id": "n1", "Name": "net_a", "Scope": "local", "Internal": True, "Labels": {"a.b": "x"}}
    ),
    NetworkSummary.model_validate({"Id": "n2", "Name": "net_b", "Scope": "swarm", "Ingress": True, "Labels": None}),
]
NETWORK_A = {
    "__meta_docker_network_id": "n1",
    "__meta_docker_network_name": "net_a",
    "__meta_docker_network_scope": "local",
    "__meta_docker_network_internal": "true",
    "__meta_docker_network_ingress": "false",
    "__meta_docker_network_label_a_b": "x",
}


def container(**fields: object) -> dict[str, object]:
    return {
        "Id": "c1", "Names": ["/web-1"], "Labels": {}, "State": "running", "Ports": [],
        "HostConfig": {"NetworkMode": "net_a"},
        "NetworkSettings": {"Networks": {"net_a": {"NetworkID": "n1", "IPAddress": "172.18.0.2"}}}, **fields,
    }  # fmt: skip


def targets(*answers: dict[str, object], match_first_network: bool = True) -> list[Target]:
    return targets_of(
        [ContainerSummary.model_validate(answer) for answer in answers],
        NETWORKS,
        port=80,
        host_networking_host="localhost",
        match_first_network=match_first_network,
    )


def addresses(*answers: dict[str, object], match_first_network: bool = True) -> list[str]:
    return [target["__address__"] for target in targets(*answers, match_first_network=match_first_network)]


def networks(**by_name: object) -> dict[str, object]:
    return {"Networks": by_name}


def test_all_labels() -> None:
    """A container with a published port has every label."""
    [target] = targets(
        container(
            Image="web:1", ImageID="sha256:abc", Labels={"com.docker.compose.service": "web", "x-y.z é": "v"},
            Ports=[{"PrivatePort": 8080, "PublicPort": 80, "IP": "0.0.0.0", "Type": "tcp"}],
        )
    )  # fmt: skip
    assert target == {
        "__address__": "172.18.0.2:8080",
        "__meta_docker_container_id": "c1",
        "__meta_docker_container_name": "/web-1",
        "__meta_docker_container_network_mode": "net_a",
        "__meta_docker_container_state": "running",
        "__meta_docker_container_image": "web:1",
        "__meta_docker_container_image_id": "sha256:abc",
        "__meta_docker_container_label_com_docker_compose_service": "web",
        "__meta_docker_container_label_x_y_z__": "v",
        "__meta_docker_network_ip": "172.18.0.2",
        "__meta_docker_port_private": "8080",
        "__meta_docker_port_public": "80",
        "__meta_docker_port_public_ip": "0.0.0.0",
        **NETWORK_A,
    }


def test_ports() -> None:
    """One target per TCP port and binding; other ports do not count; without any, the configured port is used."""
    tcp = {"PrivatePort": 80, "Type": "tcp"}
    both = [{**tcp, "PublicPort": 80, "IP": "0.0.0.0"}, {**tcp, "PublicPort": 80, "IP": "::"}]
    assert addresses(container(Ports=both)) == ["172.18.0.2:80"] * 2
    assert addresses(container(Ports=[{"PrivatePort": 53, "Type": "udp"}])) == ["172.18.0.2:80"]
    assert addresses(container(Ports=None)) == ["172.18.0.2:80"]
    [target] = targets(container(Ports=[tcp]))
    assert "__meta_docker_port_public" not in target


def test_networks() -> None:
    """The first network by name, or one target for each; a null endpoint is none."""
    several = networks(
        net_b={"NetworkID": "n2", "IPAddress": "10.0.0.2"}, net_a={"NetworkID": "n1", "IPAddress": "1.1.1.1"}
    )
    assert addresses(container(NetworkSettings=several)) == ["1.1.1.1:80"]
    assert addresses(container(NetworkSettings=several), match_first_network=False) == ["10.0.0.2:80", "1.1.1.1:80"]
    null = networks(net_a=None, net_b={"NetworkID": "n2", "IPAddress": "10.0.0.2"})
    [target] = targets(container(NetworkSettings=null))
    assert (target["__meta_docker_network_name"], target["__meta_docker_network_ingress"]) == ("net_b", "true")
    [unknown] = targets(container(NetworkSettings=networks(x={"NetworkID": "gone", "IPAddress": "1.1.1.1"})))
    assert "__meta_docker_network_name" not in unknown


def test_addresses() -> None:
    """Host networking, IPv6 only, and no address at all."""
    host = container(
        HostConfig={"NetworkMode": "host"}, NetworkSettings=networks(host={"NetworkID": "n1", "IPAddress": ""})
    )
    assert addresses(host) == ["localhost"]
    six = networks(net_a={"NetworkID": "n1", "IPAddress": "", "GlobalIPv6Address": "fd00::2"})
    assert addresses(container(NetworkSettings=six)) == ["[fd00::2]:80"]
    assert addresses(container(NetworkSettings=networks(net_a={"NetworkID": "n1"}))) == [":80"]


def test_shared_network() -> None:
    """A container in another's network has that one's address, through any number of others; a circle has none."""
    shared = container(Id="c2", Names=["/side"], HostConfig={"NetworkMode": "container:c1"}, NetworkSettings=None)
    third = container(Id="c3", Names=["/s3"], HostConfig={"NetworkMode": "container:c2"}, NetworkSettings=networks())
    assert addresses(container(), shared, third) == ["172.18.0.2:80"] * 3
    assert addresses(shared) == [""]
    circle = container(HostConfig={"NetworkMode": "container:c2"}, NetworkSettings=networks())
    assert addresses(circle, shared) == ["", ""]


def test_no_network() -> None:
    """A container without any network has a target with its own labels, since its log can be read."""
    [target] = targets(container(HostConfig={"NetworkMode": "none"}, NetworkSettings=networks(), State="exited"))
    assert target["__meta_docker_container_id"] == "c1"
    assert target["__meta_docker_container_state"] == "exited"
    assert not any(name.startswith("__meta_docker_network") for name in target)


def test_no_name() -> None:
    """A container without a name is left out."""
    assert targets(container(Names=[]), container(Names=None)) == []


def test_label_name() -> None:
    """Each character that is none of a label's becomes one underscore."""
    assert label_name("com.docker.compose/x--y é") == "com_docker_compose_x__y__"
