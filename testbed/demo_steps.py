"""The steps of the demo: what happens to a platform team's templates, and what is seen of it.

Each step acts on the real servers, shows what they and kubectl say, and has waited until that is what it
should be.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from testbed.demo_files import BUNDLE, NAMESPACE, SOURCE
from testbed.demo_play import Step
from testbed.demo_stage import Stage
from testbed.demo_view import (
    Expectation,
    bundle_has,
    bundle_says,
    counts,
    portal_has_version,
    portal_shows,
    source_is_silent_on,
    source_says,
)

SWEEP_SECONDS: Final = 60.0
"""How long a removed entity is awaited: a stock portal sweeps every 30 s."""

_SYNC: Final = f"skillmeat-operator sync source/{SOURCE} -n {NAMESPACE} --wait"
_GET: Final = f"kubectl get smsrc,smtb -n {NAMESPACE}"


@dataclass(frozen=True, slots=True)
class Bundle:
    """A bundle as a platform team would have it in SkillMeat."""

    version: str
    description: str
    tags: tuple[str, ...]
    type: str = "service"


BUNDLES: Final[Mapping[str, Bundle]] = MappingProxyType(
    {
        "fin-serv": Bundle(
            "2.1.0",
            "Financial services project with a compliance context pack",
            ("compliance", "financial-services", "python"),
        ),
        "python-service": Bundle(
            "1.4.2", "HTTP service with tests, tracing and review skills", ("python", "rest")
        ),
        "data-pipeline": Bundle(
            "0.9.3", "Batch pipeline with lineage, data contracts and quality checks", ("batch", "data")
        ),
        "react-frontend": Bundle(
            "3.0.1",
            "Web front end with the design system and accessibility reviews",
            ("react", "web"),
            "website",
        ),
        "ml-training": Bundle(
            "1.0.0", "Training job with experiment tracking and a model card", ("machine-learning", "python")
        ),
        "soap-gateway": Bundle(
            "1.0.8", "Gateway to the old SOAP services, superseded by python-service", ("java", "legacy")
        ),
    }
)
"""What SkillMeat has at first."""

NEWCOMER: Final = (
    "terraform-module",
    Bundle(
        "1.1.0", "Infrastructure module with policy checks and a cost estimate", ("terraform",), "library"
    ),
)
RETIRED: Final = "soap-gateway"


def published(*, without: str | None = None, newcomer: bool = True) -> Expectation:
    """The portal shows the templates of these bundles and no others."""
    names = {*BUNDLES, *([NEWCOMER[0]] if newcomer else [])} - {without}
    return portal_shows(*(f"skillmeat-bundle-{name}" for name in sorted(names)))


def _message(obj: str, condition: str) -> str:
    path = f'{{.status.conditions[?(@.type=="{condition}")].message}}{{"\\n"}}'
    return f"kubectl get {obj} -n {NAMESPACE} -o jsonpath='{path}'"


def add(stage: Stage, name: str, bundle: Bundle) -> None:
    """Create a bundle with its template in SkillMeat."""
    stage.bundles[name] = stage.skillmeat.add_template(
        name,
        bundle.version,
        bundle.description,
        bundle.tags,
        required_variables=["name", "owner"],
        skeleton_ref=f"https://git.example.com/skeletons/{name}",
        backstage_type=bundle.type,
    )


def install(stage: Stage) -> None:
    """CRDs, roles and the examples."""
    stage.command("kubectl apply --server-side -k install")
    kinds = "crd/catalogsources.skillmeat.io crd/templatebundles.skillmeat.io"
    stage.command(f"kubectl wait --for=condition=Established {kinds}")
    stage.screen.say("A namespace with the portal's token, and examples/ with the addresses of this run:")
    stage.command(f"kubectl create namespace {NAMESPACE}")
    secret = f"kubectl create secret generic backstage-token -n {NAMESPACE}"
    stage.command(f'{secret} --from-literal=token="$BACKSTAGE_TOKEN"')
    stage.command("kubectl apply -k examples")


def seed(stage: Stage) -> None:
    """SkillMeat gets its bundles."""
    for name, bundle in BUNDLES.items():
        add(stage, name, bundle)
    stage.show_skillmeat()


def first_sync(stage: Stage) -> None:
    """The operator starts and brings everything into the portal."""
    stage.start_operator()
    stage.command(f"kubectl wait --for=condition=Ready smsrc/{SOURCE} -n {NAMESPACE} --timeout=60s")
    number = len(BUNDLES)
    stage.until(
        source_says("Ready", "True", "Succeeded"),
        counts(discovered=number, selected=number, published=number, inCatalog=number),
        bundle_says("Ready", "True"),
        published(newcomer=False),
    )
    stage.command(_GET)
    stage.show_portal()
    stage.screen.shown(f"All {number} were read back from the portal: that is what IN-CATALOG counts.")


def new_bundle(stage: Stage) -> None:
    """A new bundle is in the portal after one requested sync."""
    name, bundle = NEWCOMER
    add(stage, name, bundle)
    stage.command(_SYNC)
    number = len(BUNDLES) + 1
    stage.until(source_says("Ready", "True"), counts(published=number, inCatalog=number), published())
    stage.show_portal()
    stage.screen.shown(f"{name} is there. The next poll would have found it too; sync asks for one now.")


def disabled(stage: Stage) -> None:
    """A disabled template leaves the portal."""
    stage.skillmeat.disable(stage.bundles[RETIRED][1])
    stage.command(_SYNC)
    stage.screen.say("Out of the document at once; a stock portal sweeps what is gone every 30 s …")
    number = len(BUNDLES)
    stage.until(
        source_says("Ready", "True"),
        counts(discovered=number, published=number, inCatalog=number),
        published(without=RETIRED),
        within=SWEEP_SECONDS,
    )
    stage.command(_GET)
    stage.show_portal()
    stage.screen.shown(f"{RETIRED} has left the portal.")


def outside_range(stage: Stage) -> None:
    """A bundle leaves its version range: the accepted version stays."""
    accepted, offered = BUNDLES[BUNDLE].version, "3.0.0"
    stage.skillmeat.update_bundle(stage.bundles[BUNDLE][0], version=offered)
    stage.screen.say(f"SkillMeat has {BUNDLE} {offered} now. What the TemplateBundle accepts:")
    stage.command(f"kubectl get smtb {BUNDLE} -n {NAMESPACE} -o jsonpath='{{.spec.version}}{{\"\\n\"}}'")
    stage.command(_SYNC)
    stage.until(
        source_says("Ready", "True"),
        counts(published=len(BUNDLES), inCatalog=len(BUNDLES), withheld=1, held=1),
        bundle_says("Ready", "True"),
        bundle_says("VersionAccepted", "False", "OutsideRange"),
        bundle_has(bundleVersion=accepted, availableVersion=offered),
        portal_has_version(f"skillmeat-bundle-{BUNDLE}", accepted),
    )
    stage.command(f"kubectl get smtb -n {NAMESPACE}")
    stage.command(_message(f"smtb {BUNDLE}", "Ready"))
    stage.show_portal()
    stage.screen.shown(f"The portal keeps {accepted}, in its last accepted form.")


def outage(stage: Stage) -> None:
    """SkillMeat is away: the portal stays full."""
    stage.watch_portal()
    stage.skillmeat.stop()
    stage.show_skillmeat()
    stage.command(_SYNC)
    stage.until(
        source_says("Ready", "True", "ServingLastGood"),
        source_says("SourceReachable", "False", "SourceUnreachable"),
        counts(published=len(BUNDLES), inCatalog=len(BUNDLES)),
        published(without=RETIRED),
    )
    stage.command(f"kubectl get smsrc -n {NAMESPACE}")
    stage.command(_message(f"smsrc {SOURCE}", "SourceReachable"))
    stage.show_portal()
    stage.screen.shown("The portal is as full as before; Ready stays True for outageGracePeriod (15m).")


def emptied(stage: Stage) -> None:
    """SkillMeat answers with an empty list: nothing leaves the portal."""
    stage.empty_skillmeat.start()
    stage.show_skillmeat()
    stage.command(_SYNC, code=1)
    stage.until(
        source_says("Ready", "False", "RemovalHeld"),
        source_says("RemovalHeld", "True"),
        source_says("SourceReachable", "True"),
        counts(discovered=0, published=len(BUNDLES), held=len(BUNDLES), inCatalog=len(BUNDLES)),
        published(without=RETIRED),
    )
    stage.command(f"kubectl get smsrc -n {NAMESPACE}")
    stage.show_portal()
    stage.screen.shown(
        "Nothing left the portal; Ready=False (and sync, by its exit code 1) asks for a decision."
    )


def recovery(stage: Stage) -> None:
    """The data are back: the hold ends by itself."""
    stage.empty_skillmeat.stop()
    stage.skillmeat.start()
    stage.command(_SYNC)
    stage.until(
        source_says("Ready", "True", "Succeeded"),
        source_is_silent_on("RemovalHeld"),
        counts(discovered=len(BUNDLES), published=len(BUNDLES), inCatalog=len(BUNDLES), held=1),
        bundle_says("Ready", "True"),
        published(without=RETIRED),
    )
    stage.command(_GET)
    stage.show_portal()
    reads = stage.unwatch_portal().reads
    stage.screen.shown(
        f"All is well again. Since step 7 the portal was read {reads} times and lacked nothing."
    )


STEPS: Final = (
    Step("Install: CRDs, roles, and one CatalogSource with one TemplateBundle", install),
    Step("A platform team has its bundles in SkillMeat", seed),
    Step("The operator starts: the first sync", first_sync),
    Step("A new bundle arrives", new_bundle),
    Step("A template is disabled in SkillMeat", disabled),
    Step("A bundle leaves the version range that its TemplateBundle accepts", outside_range),
    Step("SkillMeat goes down", outage),
    Step("SkillMeat comes back with an empty database, and answers []", emptied),
    Step("SkillMeat gets its data back", recovery),
)
"""The demo."""
