"""One way to install the chart, through its whole life on the API server: each step says what is wrong, nothing where all is well."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import yaml

from tests.deploy.cluster.api import Api, Key, Object, Refused, settled, written
from tests.deploy.cluster.controllers import hooks_end
from tests.deploy.cluster.helm import Helm, Release, Said
from tests.deploy.cluster.objects import changes, lacking, pods, title, too_long
from tests.deploy.cluster.references import dangling, kafka_triggers, shared

NO_HOOKS: Final = "--no-hooks"
EDITION: Final = "--set=settings.report.edition=7"
"""Stated, since the chart's own is the release's revision, which no two upgrades share."""
SETTING: Final = "--set=settings.report.validate_every=7"
IMAGE: Final = ("--set=image.tag=9.9.9", "--set=image.digest=")
OWN_NAME: Final = "--set=fullnameOverride="
"""Two releases cannot share a stated name."""
WRONG_UPGRADES: Final = ("nonsense=1", "settings.report.validate_every=often")
WRONG_INSTALLATIONS: Final = ("settings.kafka.nonsense=1", "image.tag=latest")
LONGEST: Final = "a-release-of-the-longest-name-that-helm-takes-53-long"
SCALED: Final = 5
OF_SETTINGS: Final = re.compile(r"\.data\.TOCSIN_|\.spec\.template\.metadata\.annotations\.checksum/")
OF_IMAGES: Final = re.compile(r"\.spec\.template\.spec\.(initContainers|containers)\[\d+\]\.image$")


class Broken(Exception):
    """A step failed on which the next depend."""


class Pointless(Exception):
    """A way to install gives a step nothing to do."""


@dataclass(frozen=True, slots=True)
class Way:
    """A way to install: a file of values."""

    name: str
    file: Path


@dataclass(slots=True)
class Trial:
    """What the steps share."""

    api: Api
    helm: Helm
    way: Way
    first: Way
    """The smallest way, from which a site may come."""
    scalers: Mapping[str, Any]
    """KEDA's list of triggers."""
    values: Mapping[str, Any] = field(init=False)
    release: Release = field(init=False)
    installed: Mapping[Key, Object] = field(init=False)
    empty: Mapping[Key, Object] = field(init=False)

    def __post_init__(self) -> None:
        self.values = yaml.safe_load(self.way.file.read_text("utf-8"))
        self.release = Release("flags", self.api.namespace(f"life-{self.way.name}"))
        self.empty = self.api.held(self.release.namespace)

    def install(self) -> Iterator[str]:
        """The release is installed, and neither helm nor the server warns."""
        yield from _succeeds(self.helm.install(self.release, [self.way.file], NO_HOOKS, EDITION))
        self.installed = self.api.held(self.release.namespace)

    def held(self) -> Iterator[str]:
        """The server holds each object as it was rendered, and none besides."""
        rendered = self.helm.rendered(self.release)
        for thing in rendered:
            held = self.installed.get(_key(thing))
            yield from (f"{title(thing)}{found}" for found in lacking(thing, held or {}))
        for key in self.installed.keys() - self.empty.keys() - set(map(_key, rendered)):
            yield f"{key[1]} {key[2]} was not rendered"

    def admitted(self) -> Iterator[str]:
        """The namespace takes a pod of each workload and hook, with no field unknown."""
        path = f"/api/v1/namespaces/{self.release.namespace}/pods"
        for thing, pod in pods([*self.helm.rendered(self.release), *self.helm.hooks(self.release)]):
            yield from _refused(f"pod of {title(thing)}", lambda pod=pod: self.api.create(path, _in(pod, self.release), dry_run=True))  # type: ignore[misc] # mypy takes no lambda with a default for a Callable

    def hooks_accepted(self) -> Iterator[str]:
        """The server takes each object of a hook, with no field unknown."""
        for thing in self.helm.hooks(self.release):
            path = self.api.path_of(thing, self.release.namespace)
            yield from _refused(title(thing), lambda path=path, thing=thing: self.api.create(path, thing, dry_run=True))  # type: ignore[misc] # as above

    def names(self) -> Iterator[str]:
        """Every name leads somewhere, selectors find pods, KEDA knows its triggers, and no name is too long."""
        rendered = self.helm.rendered(self.release)
        things = [*rendered, *self.helm.hooks(self.release)]
        yield from dangling(things, self.values)
        yield from kafka_triggers(rendered, self.scalers)
        yield from too_long(things)

    def again(self) -> Iterator[str]:
        """The same values once more write nothing."""
        before = written(self.api.held(self.release.namespace))
        yield from self._upgraded(EDITION)
        after = written(self.api.held(self.release.namespace))
        yield from (f"{key[1]} {key[2]} was written" for key in sorted({*before, *after}) if before.get(key) != after.get(key))

    def setting(self) -> Iterator[str]:
        """Another setting changes the settings and begins each pod that reads them anew, and nothing else."""
        before = self._settled()
        yield from self._upgraded(EDITION, SETTING)
        changed = _changed(before, self._settled())
        yield from _only(changed, OF_SETTINGS)
        configured = {name for _, kind, name in changed if kind == "ConfigMap"}
        yield from () if configured else ("no ConfigMap changed",)
        for key, thing in self.installed.items():
            if configured & set(_configured_by(thing)) and key not in changed:
                yield f"{title(thing)} reads the settings and does not begin anew"

    def image(self) -> Iterator[str]:
        """Another image changes images, and nothing else."""
        before = self._settled()
        yield from self._upgraded(EDITION, SETTING, *IMAGE)
        changed = _changed(before, self._settled())
        yield from _only(changed, OF_IMAGES)
        yield from () if changed else ("no image changed",)

    def scaled(self) -> Iterator[str]:
        """What an autoscaler set outlives an upgrade."""
        autoscaled = list(_autoscaled(self.installed))
        if not autoscaled:
            raise Pointless
        for key in autoscaled:
            thing = self.installed[key]
            self._scale(self.release, key, thing, SCALED)
            yield from self._upgraded(EDITION)
            replicas = self.api.held(self.release.namespace)[key]["spec"]["replicas"]
            yield from () if replicas == SCALED else (f"{key[1]} {key[2]} went from {SCALED} to {replicas} replicas",)
            self._scale(self.release, key, thing, thing["spec"]["replicas"])

    def rollback(self) -> Iterator[str]:
        """The way back to the first revision gives back all that it was."""
        yield from _succeeds(self.helm.rollback(self.release, 1, NO_HOOKS))
        yield from _told(_changed(settled(self.installed), self._settled()))

    def wrong(self) -> Iterator[str]:
        """A wrong value fails before anything is written, for a release that is there and for a new one."""
        before, records = written(self.api.held(self.release.namespace)), self.api.records(self.release.namespace)
        new = Release("never", self.release.namespace)
        for act, release, values in ((self.helm.upgrade, self.release, WRONG_UPGRADES), (self.helm.install, new, WRONG_INSTALLATIONS)):
            for value in values:
                said = act(release, [self.way.file], NO_HOOKS, EDITION, f"--set={value}")
                yield from (f"{act.__name__} took {value}",) if said.ok else ()
        if (before, records) != (written(self.api.held(self.release.namespace)), self.api.records(self.release.namespace)):
            yield "something was written"

    def beside(self) -> Iterator[str]:
        """A second release in the namespace takes no pod of the first, and leaves nothing of itself behind."""
        second, before = Release("second", self.release.namespace), written(self.api.held(self.release.namespace))
        yield from _succeeds(self.helm.install(second, [self.way.file], NO_HOOKS, EDITION, OWN_NAME))
        one, other = (self.helm.rendered(each) for each in (self.release, second))
        yield from shared(one, other)
        yield from shared(other, one)
        yield from _succeeds(self.helm.uninstall(second, NO_HOOKS))
        if before != written(self.api.held(self.release.namespace)):
            yield "what the namespace held is not as before"

    def uninstall(self) -> Iterator[str]:
        """Nothing is left."""
        yield from self._gone(self.release, NO_HOOKS)

    def hooks(self) -> Iterator[str]:
        """With hooks that end well it is installed, tested, upgraded and removed; each finds what it names, and nothing is left."""
        release = Release("hooks", self.api.namespace(f"hooks-{self.way.name}"))
        with hooks_end(self.api, release.namespace, self.values, well=True) as ending:
            yield from _succeeds(self.helm.install(release, [self.way.file]))
            yield from _succeeds(self.helm.test(release))
            yield from _succeeds(self.helm.upgrade(release, [self.way.file], SETTING))
            yield from self._gone(release)
        yield from dict.fromkeys(ending.missing)
        yield from () if ending.ended else ("no hook ran",)

    def hooks_stop(self) -> Iterator[str]:
        """A hook that ends badly stops an installation; before an upgrade, nothing of the release has changed."""
        release = Release("hooks", self.api.namespace(f"stop-{self.way.name}"))
        yield from self._stopped(release, self.helm.install)
        yield from self._nothing_but_hooks(release)
        yield from (left for left in self._gone(release) if not left.startswith("Job "))  # the one that failed stays, for its log
        yield from _succeeds(self.helm.upgrade(release, [self.way.file], NO_HOOKS, "--install"))
        before = self._settled_of(release)
        checks = {_key(each) for each in self.helm.hooks(release)}
        yield from self._stopped(release, self.helm.upgrade)
        if not self._checked_afterwards(release):
            changed = _changed(before, self._settled_of(release))
            yield from _told({key: paths for key, paths in changed.items() if key not in checks})

    def longest(self) -> Iterator[str]:
        """The longest name that a release may have is taken, and leaves room in every name."""
        release = Release(LONGEST, self.api.namespace(f"longest-{self.way.name}"))
        yield from _succeeds(self.helm.install(release, [self.way.file], NO_HOOKS))
        things = [*self.helm.rendered(release), *self.helm.hooks(release)]
        yield from too_long(things)
        yield from dangling(things, self.values)
        yield from self._gone(release, NO_HOOKS)

    def from_first(self) -> Iterator[str]:
        """A site comes from the smallest way, with as many processes as before, and goes back to it, whatever an autoscaler did."""
        release = Release("grown", self.api.namespace(f"grown-{self.way.name}"))
        yield from _succeeds(self.helm.install(release, [self.first.file], NO_HOOKS))
        before = self._settled_of(release)
        yield from _succeeds(self.helm.upgrade(release, [self.way.file], NO_HOOKS))
        after = self._settled_of(release)
        yield from _fewer(before, after, set(_autoscaled(after)))
        for key in _autoscaled(after):
            self._scale(release, key, after[key], SCALED)
        yield from _succeeds(self.helm.rollback(release, 1, NO_HOOKS))
        yield from _told(_changed(before, self._settled_of(release)))
        yield from self._gone(release, NO_HOOKS)

    def _upgraded(self, *options: str) -> Iterator[str]:
        yield from _succeeds(self.helm.upgrade(self.release, [self.way.file], NO_HOOKS, *options))

    def _settled(self) -> Mapping[Key, Object]:
        return self._settled_of(self.release)

    def _settled_of(self, release: Release) -> Mapping[Key, Object]:
        return settled(self.api.held(release.namespace))

    def _gone(self, release: Release, *options: str) -> Iterator[str]:
        yield from _succeeds(self.helm.uninstall(release, *options))
        left = self.api.held(release.namespace).keys() - self.empty.keys()
        yield from (f"{kind} {name} is left" for _, kind, name in sorted(left))
        yield from (f"helm's record {name} is left" for name in self.api.records(release.namespace))

    def _stopped(self, release: Release, act: Callable[..., Said]) -> Iterator[str]:
        with hooks_end(self.api, release.namespace, self.values, well=False) as ending:
            if act(release, [self.way.file], SETTING, "--timeout=60s").ok:
                yield f"helm {act.__name__} went on though {', '.join(ending.ended) or 'no hook'} failed"

    def _nothing_but_hooks(self, release: Release) -> Iterator[str]:
        """After a failed installation whose Jobs ran first."""
        if not self._checked_afterwards(release):
            allowed = self.empty.keys() | {_key(each) for each in self.helm.hooks(release)}
            left = self.api.held(release.namespace).keys() - allowed
            yield from (f"{kind} {name} was made though the installation was stopped before" for _, kind, name in sorted(left))

    def _checked_afterwards(self, release: Release) -> bool:
        """Whether every Job of the release's hooks runs after its objects were changed."""
        jobs = [each for each in self.helm.hooks(release) if each["kind"] == "Job"]
        return not any("pre-upgrade" in each["metadata"]["annotations"]["helm.sh/hook"] for each in jobs)

    def _scale(self, release: Release, key: Key, thing: Object, replicas: int) -> None:
        """As an autoscaler does."""
        path = f"{self.api.path_of(thing, release.namespace)}/{key[2]}/scale"
        self.api.merge(path, {"spec": {"replicas": replicas}}, manager="autoscaler")


STEPS: Final[Sequence[tuple[str, Callable[[Trial], Iterator[str]]]]] = (
    ("install", Trial.install),
    ("objects held as rendered", Trial.held),
    ("pods admitted (restricted)", Trial.admitted),
    ("hooks accepted", Trial.hooks_accepted),
    ("names lead somewhere", Trial.names),
    ("upgrade, same values", Trial.again),
    ("upgrade, one setting", Trial.setting),
    ("upgrade, another image", Trial.image),
    ("upgrade under an autoscaler", Trial.scaled),
    ("rollback", Trial.rollback),
    ("wrong values", Trial.wrong),
    ("a second release beside it", Trial.beside),
    ("uninstall", Trial.uninstall),
    ("hooks that end well", Trial.hooks),
    ("hooks that end badly", Trial.hooks_stop),
    ("the longest name", Trial.longest),
    ("from the smallest way and back", Trial.from_first),
)
"""Each step, as the table calls it; a step may rely on those before it."""


def _succeeds(said: Said) -> Iterator[str]:
    if not said.ok:
        raise Broken(said.reason)
    yield from said.warnings


def _refused(what: str, ask: Callable[[], Any]) -> Iterator[str]:
    try:
        ask()
    except Refused as refused:
        yield f"{what}: {refused}"


def _in(pod: Object, release: Release) -> Object:
    return {**pod, "metadata": {**pod["metadata"], "namespace": release.namespace}}


def _key(thing: Object) -> Key:
    return thing["apiVersion"].rpartition("/")[0], thing["kind"], thing["metadata"]["name"]


def _changed(before: Mapping[Key, Object], after: Mapping[Key, Object]) -> Mapping[Key, Sequence[str]]:
    """Paths that differ, by object; one that is on one side only differs at the empty path."""
    differing = {key: list(changes(before.get(key), after.get(key))) for key in sorted({*before, *after})}
    return {key: paths for key, paths in differing.items() if paths}


def _only(changed: Mapping[Key, Sequence[str]], allowed: re.Pattern[str]) -> Iterator[str]:
    yield from _told({key: [path for path in paths if not allowed.match(path)] for key, paths in changed.items()})


def _told(changed: Mapping[Key, Sequence[str]]) -> Iterator[str]:
    yield from (f"{kind} {name}{path or ' as a whole'} changed" for (_, kind, name), paths in changed.items() for path in paths)


def _autoscaled(held: Mapping[Key, Object]) -> Iterator[Key]:
    """The workloads whose number of pods an autoscaler sets."""
    for thing in held.values():
        target = thing.get("spec", {}).get("scaleTargetRef") if thing["kind"] in ("ScaledObject", "HorizontalPodAutoscaler") else None
        if target:
            yield "apps", target["kind"], target["name"]


def _fewer(before: Mapping[Key, Object], after: Mapping[Key, Object], autoscaled: Collection[Key]) -> Iterator[str]:
    """Workloads that have fewer pods than before, which nobody asked for.

    One that an autoscaler takes over has one until its first look: helm no longer states the number, and the server falls back to 1.
    """
    for key in sorted(before.keys() & after.keys() - set(autoscaled)):
        had, has = (each[key].get("spec", {}).get("replicas", 0) for each in (before, after))
        yield from (f"{key[1]} {key[2]} went from {had} to {has} replicas",) if has < had else ()


def _configured_by(thing: Object) -> Iterator[str]:
    """Names of the ConfigMaps whose values the object's pods have in their environment."""
    for _, pod in pods([thing]):
        for container in pod["spec"]["containers"]:
            yield from (each["configMapRef"]["name"] for each in container.get("envFrom", ()) if "configMapRef" in each)
