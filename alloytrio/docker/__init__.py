"""Docker's Engine API, as far as reading needs it. Start at ``client.py``. Nothing here can change anything in
Docker: only GET requests can be sent.
"""

from alloytrio.docker.client import DockerClient, Event, LogStream
from alloytrio.docker.host import DockerHost, parse_host
from alloytrio.docker.models import ContainerDetails, ContainerSummary, NetworkSummary

__all__ = [
    "ContainerDetails",
    "ContainerSummary",
    "DockerClient",
    "DockerHost",
    "Event",
    "LogStream",
    "NetworkSummary",
    "parse_host",
]
