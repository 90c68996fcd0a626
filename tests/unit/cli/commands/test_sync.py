"""`sync`: the request, the wait for its echo, the outcome."""

import pytest

REQUEST = "skillmeat.io/reconcile-requested-at"


def answers(make, *, after: int, name: str = "main", echo: str | None = None, **status):
    """An operator that echoes the request when the object is read for the given time after it was made."""
    reads = 0

    def act(cluster) -> None:
        nonlocal reads
        if not cluster.patches:
            return
        reads += 1
        if reads == after:
            key = (make.sources.kind, "team-a", name)
            obj = cluster.objects[key]
            token = echo or obj["metadata"]["annotations"][REQUEST]
            obj["status"] = {**obj["status"], "handledRequests": {"skillmeat": token}, **status}

    return act


def test_a_request_is_a_fresh_annotation(commands, make) -> None:
    commands.cluster.add(make.sources, make.source())
    assert commands.run("sync", "source/main") == 0
    assert commands.run("sync", "source/main") == 0
    assert commands.cluster.patches == [
        ("CatalogSource", "team-a", "main", {"metadata": {"annotations": {REQUEST: token}}})
        for token in ("token-1", "token-2")
    ]
    assert commands.printed.splitlines()[0] == (
        "Requested a sync of source/main in namespace team-a; `skillmeat-operator status source/main -n "
        "team-a` shows what comes of it."
    )


def test_waiting_ends_with_the_echo_and_the_outcome(commands, make) -> None:
    commands.cluster.add(make.sources, make.source())
    commands.cluster.on_get = answers(make, after=5)
    assert commands.run("sync", "source/main", "--wait") == 0
    assert commands.printed == (
        "source/main: Ready True, Succeeded; 4 discovered, 3 selected, 3 published, 3 in the catalog.\n"
    )
    assert commands.said == "Requested a sync of source/main, waiting up to 2m…\n"
    assert commands.context.monotonic() == pytest.approx(4 * 0.2)


def test_an_outcome_that_is_not_ready_ends_with_1_and_says_why(commands, make) -> None:
    commands.cluster.add(make.sources, make.source())
    commands.cluster.on_get = answers(
        make,
        after=1,
        conditions=[make.condition("Ready", "False", "RemovalHeld", "8 templates vanished.")],
        entities={**make.counts, "held": 8},
    )
    assert commands.run("sync", "source/main", "--wait") == 1
    assert commands.printed.endswith("3 in the catalog, 8 held. 8 templates vanished.\n")


def test_what_is_missing_is_told_with_its_reason(commands, make) -> None:
    commands.cluster.add(make.sources, make.source())
    missing = {
        "entityRef": "template:skillmeat/late",
        "severity": "Error",
        "reason": "NotYetProcessed",
        "message": "the portal does not show it yet",
    }
    commands.cluster.on_get = answers(
        make,
        after=300,
        conditions=[make.condition("Ready", "False", "NotYetProcessed", "1 of 3 templates is not there.")],
        entities={**make.counts, "inCatalog": 2, "missing": 1},
        problems=[missing],
    )
    assert commands.run("sync", "source/main", "--wait") == 1
    assert commands.printed == (
        "source/main: Ready False, NotYetProcessed; 4 discovered, 3 selected, 3 published, 2 in the catalog, "
        "1 missing. 1 of 3 templates is not there.\n"
        "  template:skillmeat/late: NotYetProcessed: the portal does not show it yet\n"
    )
    assert 59 < commands.context.monotonic() < 61


def test_without_an_echo_the_wait_ends_and_says_what_to_check(commands, make) -> None:
    commands.cluster.add(make.sources, make.source(handledRequests={"skillmeat": "old"}))
    assert commands.run("sync", "source/main", "--wait", "--timeout", "30s") == 1
    assert commands.printed == ""
    assert commands.said.count("Still waiting: source/main: Ready True") == 2
    assert "Known so far: source/main: Ready True, Succeeded; 4 discovered" in commands.said
    assert commands.said.endswith(
        "error: source/main has not been synced within 30s; the request stands, so check that the "
        "operator runs and "
        "look at `skillmeat-operator status source/main -n team-a`.\n"
    )
    assert commands.context.monotonic() == pytest.approx(30, abs=0.3)


def test_the_echo_of_a_later_request_counts(commands, make) -> None:
    commands.cluster.add(make.sources, make.source())
    inner = answers(make, after=3)

    def act(cluster) -> None:
        if cluster.patches:
            cluster.objects["CatalogSource", "team-a", "main"]["metadata"]["annotations"][REQUEST] = (
                "of-a-webhook"
            )
        inner(cluster)

    commands.cluster.on_get = act
    assert commands.run("sync", "source/main", "--wait") == 0


def test_the_echo_from_before_does_not_count_even_if_its_token_is_set_again(commands, make) -> None:
    commands.cluster.add(
        make.sources, make.source(annotations={REQUEST: "in-git"}, handledRequests={"skillmeat": "in-git"})
    )

    def act(cluster) -> None:
        if cluster.patches:
            cluster.objects["CatalogSource", "team-a", "main"]["metadata"]["annotations"][REQUEST] = "in-git"

    commands.cluster.on_get = act
    assert commands.run("sync", "source/main", "--wait", "--timeout", "1s") == 1


def test_the_echo_of_somebody_else_s_token_does_not_count(commands, make) -> None:
    commands.cluster.add(make.sources, make.source())
    commands.cluster.on_get = answers(make, after=1, echo="another")
    assert commands.run("sync", "source/main", "--wait", "--timeout", "1s") == 1


SUSPENDED = (
    "error: source/main is suspended, so nothing is synced: "
    "`skillmeat-operator resume source/main -n team-a` first.\n"
)


@pytest.mark.parametrize("flags", [[], ["--wait"]])
def test_a_suspended_source_is_not_asked(commands, make, flags: list[str]) -> None:
    commands.cluster.add(make.sources, make.source(spec={"suspend": True}))
    assert commands.run("sync", "source/main", *flags) == 1
    assert commands.said == SUSPENDED
    assert commands.cluster.patches == []


def test_a_source_suspended_meanwhile_ends_the_wait(commands, make) -> None:
    commands.cluster.add(make.sources, make.source())

    def act(cluster) -> None:
        if cluster.patches:
            cluster.objects["CatalogSource", "team-a", "main"]["spec"]["suspend"] = True

    commands.cluster.on_get = act
    assert commands.run("sync", "source/main", "--wait") == 1
    assert commands.said.endswith(SUSPENDED)


GONE = {
    "deleted": (
        lambda cluster: cluster.objects.pop(("CatalogSource", "team-a", "main"), None),
        "error: source/main was deleted while its sync was awaited.\n",
    ),
    "replaced": (
        lambda cluster: cluster.objects["CatalogSource", "team-a", "main"]["metadata"].update(uid="other"),
        "error: source/main was deleted and created anew while its sync was awaited: ask again.\n",
    ),
    "being deleted": (
        lambda cluster: cluster.objects["CatalogSource", "team-a", "main"]["metadata"].update(
            deletionTimestamp="2026-03-01T02:59:00Z"
        ),
        "error: source/main is being deleted, so it is not synced any more.\n",
    ),
}


@pytest.mark.parametrize("case", GONE)
def test_a_source_that_goes_meanwhile_ends_the_wait(commands, make, case: str) -> None:
    happens, said = GONE[case]
    commands.cluster.add(make.sources, make.source())
    commands.cluster.on_get = lambda cluster: happens(cluster) if cluster.patches else None
    assert commands.run("sync", "source/main", "--wait") == 1
    assert commands.said.endswith(said)


def test_a_bundle_asks_its_source_and_shows_the_bundle(commands, make) -> None:
    commands.cluster.add(make.sources, make.source("upstream"))
    commands.cluster.add(
        make.bundles,
        make.bundle(source="upstream", bundleVersion="2.1.0", entityRef="template:skillmeat/payments"),
    )
    commands.cluster.on_get = answers(make, after=2, name="upstream")
    assert commands.run("sync", "bundle/payments", "--wait") == 0
    assert [patch[:3] for patch in commands.cluster.patches] == [("CatalogSource", "team-a", "upstream")]
    assert commands.printed == (
        "bundle/payments: Ready True, Succeeded; version 2.1.0 published as template:skillmeat/payments.\n"
    )


def test_the_bundle_s_own_readiness_decides(commands, make) -> None:
    commands.cluster.add(make.sources, make.source())
    conditions = [make.condition("Ready", "False", "BundleNotFound", "There is no such bundle.")]
    commands.cluster.add(make.bundles, make.bundle(conditions=conditions))
    commands.cluster.on_get = answers(make, after=1)
    assert commands.run("sync", "bundle/payments", "--wait") == 1
    assert commands.printed == "bundle/payments: Ready False, BundleNotFound. There is no such bundle.\n"


def test_a_bundle_without_its_source_says_which_is_missing(commands, make) -> None:
    commands.cluster.add(make.bundles, make.bundle(source="upstream"))
    assert commands.run("sync", "bundle/payments") == 1
    assert commands.said.startswith("error: There is no CatalogSource 'upstream' in namespace 'team-a'")


@pytest.mark.parametrize("name", ["source/none", "bundle/none"])
def test_what_does_not_exist_is_not_asked(commands, name: str) -> None:
    assert commands.run("sync", name, "-n", "team-b") == 1
    assert "'none' in namespace 'team-b'" in commands.said


def test_real_tokens_are_never_the_same_twice() -> None:
    from skillmeat_operator.cli.main import process_context  # noqa: PLC0415

    new_token = process_context("x").new_token
    tokens = [new_token() for _ in range(1000)]
    assert len(set(tokens)) == len(tokens)
    assert all(
        len(token) == len("2026-03-01T03:00:00.000000000Z") and token.endswith("Z") for token in tokens
    )


def test_on_a_terminal_waiting_is_one_line_that_goes_away(commands, make) -> None:
    commands.cluster.add(make.sources, make.source())
    seen = commands.on_a_terminal()
    assert seen.run("sync", "source/main", "--wait", "--timeout", "15s") == 1
    moving, _, rest = seen.said.partition("\x1b[?25h")
    assert moving.startswith("\x1b[?25l"), "the cursor is hidden while a line moves"
    assert "Known so far: source/main: Ready True" in rest
    assert "error: source/main has not been synced within 15s" in rest
