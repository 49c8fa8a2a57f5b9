"""Alloy's options of ``run``, so that a Compose file goes on working when only the image is replaced.

What has a meaning here becomes a variable of the environment, which stands over the file; the rest is named in a
warning. Source: Alloy 1.18 ``internal/alloycli/cmd_run.go``.
"""

import argparse
from collections.abc import Sequence
from dataclasses import dataclass, field

from alloytrio.errors import ConfigError

STORAGE_PATH = "ALLOYTRIO_STORAGE__PATH"
_SET = {
    "storage.path": (STORAGE_PATH, "the data directory"),
    "server.http.listen-addr": ("ALLOYTRIO_ADMIN__LISTEN_ADDR", "address of the page and the API"),
    "server.http.ui-path-prefix": ("ALLOYTRIO_ADMIN__UI_PATH_PREFIX", "path of the page behind a proxy"),
}
_WITHOUT_MEANING = {
    "stability.level": "there are no experimental features to allow",
    "disable-reporting": "nothing is ever reported",
}
_BYPASS = "config.bypass-conversion-errors"
_BYPASSES = ("-b", "--bypass-errors")
_FORMAT = "config.format"

_CLUSTER = "there is no clustering: each host runs its own, a gateway tier stands behind a load balancer"
_OTHERS = {
    "server.http.memory-addr": "components talk to each other directly",
    "server.http.enable-pprof": "there is no Go profiler",
    "server.http.disable-support-bundle": "the support bundle is part of the API",
    "server.http.enable-graphql": "the API is under /api/v1",
    "server.http.enable-graphql-playground": "the API is under /api/v1",
    "config.extra-args": "no other converter takes arguments",
    "feature.community-components.enabled": "there are no community components",
    "feature.component-shutdown-deadline": "service.shutdown_grace is the time to end, the rest stays on disk",
    "feature.prometheus.direct-fanout.enabled": "samples go to the journal directly",
    "feature.prometheus.metric-validation-scheme": "names are those of Prometheus 2",
    "windows.priority": "this is not Windows",
    "cluster.enabled": _CLUSTER,
    "cluster.node-name": _CLUSTER,
    "cluster.join-addresses": _CLUSTER,
    "cluster.discover-peers": _CLUSTER,
    "cluster.rejoin-interval": _CLUSTER,
    "cluster.advertise-address": _CLUSTER,
    "cluster.advertise-interfaces": _CLUSTER,
    "cluster.max-join-peers": _CLUSTER,
    "cluster.name": _CLUSTER,
    "cluster.enable-tls": _CLUSTER,
    "cluster.tls-ca-path": _CLUSTER,
    "cluster.tls-cert-path": _CLUSTER,
    "cluster.tls-key-path": _CLUSTER,
    "cluster.tls-server-name": _CLUSTER,
    "cluster.wait-for-size": _CLUSTER,
    "cluster.wait-timeout": _CLUSTER,
}
_SWITCHES = {
    "disable-reporting", _BYPASS, "server.http.enable-pprof", "server.http.disable-support-bundle",
    "server.http.enable-graphql", "server.http.enable-graphql-playground", "feature.community-components.enabled",
    "feature.prometheus.direct-fanout.enabled", "cluster.enabled", "cluster.enable-tls",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class AlloyFlags:
    """What Alloy's options mean here.

    Args:
        environment: variables that stand over those of the process.
        bypass_errors: go on without what is not supported of an Alloy file.
        warnings: options that have no effect, one sentence each.
    """

    environment: dict[str, str] = field(default_factory=dict)
    bypass_errors: bool = False
    warnings: tuple[str, ...] = ()


def add_alloy_flags(parser: argparse.ArgumentParser) -> None:
    """Adds the options to the parser of ``run``; those without effect do not show in the help."""
    group = parser.add_argument_group("options of Alloy")
    for name, (variable, meaning) in _SET.items():
        group.add_argument(f"--{name}", dest=name, metavar="VALUE", help=f"{meaning}; the same as {variable}")
    group.add_argument(
        *_BYPASSES, f"--{_BYPASS}", dest=_BYPASS, nargs="?", const="true", help="leave out what is not supported"
    )
    for name in (*_WITHOUT_MEANING, _FORMAT, *_OTHERS):
        group.add_argument(f"--{name}", dest=name, help=argparse.SUPPRESS)


def with_switch_values(arguments: Sequence[str]) -> list[str]:
    """Go's switches take no second word: ``--disable-reporting`` of ``run`` → ``--disable-reporting=true``."""
    if arguments[:1] != ["run"]:
        return list(arguments)
    named = [f"--{_BYPASS}" if each in _BYPASSES else each for each in arguments]
    return [f"{each}=true" if each.startswith("--") and each[2:] in _SWITCHES else each for each in named]


def alloy_flags(options: argparse.Namespace) -> AlloyFlags:
    """What the parsed options mean.

    Raises:
        ConfigError: the file is said to be in a language that has to be converted first.
    """
    given = {name: value for name, value in vars(options).items() if value is not None}
    if (language := given.get(_FORMAT, "alloy")) != "alloy":
        raise ConfigError(f"--{_FORMAT}={language}: convert the file first, with alloytrio convert --from {language}")
    environment = {variable: str(given[name]) for name, (variable, _) in _SET.items() if name in given}
    warnings = tuple(
        f"--{name} has no effect: {why}" for name, why in _OTHERS.items() if given.get(name, "false") != "false"
    )
    return AlloyFlags(environment, given.get(_BYPASS, "false") == "true", warnings)
