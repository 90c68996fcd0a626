"""`status`: tables, what needs attention, pages, data, exit codes."""

import json
import re

import pytest
import yaml

from skillmeat_operator.cli.errors import CommandError

UNCHECKED = ("repaired", "notRunnable", "orphaned")


def lines_of(text: str, heading: str) -> list[str]:
    """The lines of the block below a heading."""
    block = text.split(f"{heading}\n", 1)[1].split("\n\n", 1)[0]
    return block.rstrip("\n").splitlines()


def test_nothing_there(commands) -> None:
    assert commands.run("status") == 0
    assert commands.printed.startswith(
        "There are neither CatalogSources nor TemplateBundles in namespace team-a "
        "(`skillmeat-operator status -A` looks everywhere).\n"
    )


def test_all_is_ready(commands, make) -> None:
    commands.cluster.add(make.sources, make.source())
    commands.cluster.add(
        make.bundles,
        make.bundle(bundleVersion="2.1.0", stale=False, catalog={"present": True, "upToDate": True}),
    )
    assert commands.run("status") == 0
    assert [" ".join(line.split()) for line in lines_of(commands.printed, "CatalogSources")] == [
        "NAME READY REASON DISCOVERED PUBLISHED IN-CATALOG HELD STALE INVALID PROBLEMS AGE",
        "main True Succeeded 4 3 3 0 0 0 0 3d",
    ]
    assert [" ".join(line.split()) for line in lines_of(commands.printed, "TemplateBundles")] == [
        "NAME READY REASON VERSION STALE IN-CATALOG SOURCE AGE",
        "payments True Succeeded 2.1.0 no yes main 5d",
    ]
    assert "\nAll is Ready.\n" in commands.printed


def test_one_namespace_or_all(commands, make) -> None:
    for namespace in ("team-b", "team-a"):
        commands.cluster.add(make.sources, make.source("main", namespace))
    assert commands.run("status", "-n", "team-b") == 0
    assert "team-a" not in commands.printed
    commands.run("-A", "status")
    assert "NAMESPACE   NAME" in commands.printed
    assert commands.printed.index("team-a      main") < commands.printed.index("team-b      main")


NOT_READY = {
    "unreachable": (
        {"conditions": [("Ready", "False", "SourceUnreachable", "SkillMeat does not answer.")]},
        "Ready False, SourceUnreachable for 12m",
        "What to do: Check that SkillMeat runs",
    ),
    "never seen": ({"conditions": []}, "Ready Unknown, -", "What to do: Check that the operator runs"),
    "spec newer than the condition": (
        {"conditions": [("Ready", "True", "Succeeded", "")], "generation": 2},
        "The operator has not looked at generation 2 yet; of generation 1 it said Ready True, Succeeded.",
        "What to do: Check that the operator runs",
    ),
    "first visit": (
        {"conditions": [("Ready", "Unknown", "Progressing", "The first sync is under way.")]},
        "Ready Unknown, Progressing for 12m",
        "What to do: Wait",
    ),
    "a reason of another version": (
        {"conditions": [("Ready", "False", "SomethingNew", "It is new.")]},
        "Ready False, SomethingNew for 12m",
        "It is new.",
    ),
}


@pytest.mark.parametrize("case", NOT_READY)
def test_what_is_not_ready_comes_with_message_and_remedy(commands, make, case: str) -> None:
    given, headline, remedy = NOT_READY[case]
    conditions = [make.condition(*each) for each in given["conditions"]]
    commands.cluster.add(make.sources, make.source("bad", **{**given, "conditions": conditions}))
    commands.cluster.add(make.sources, make.source("good"))
    assert commands.run("status") == 1
    attention = "\n".join(lines_of(commands.printed, "Needs attention"))
    assert attention.startswith("source/bad in team-a: ")
    assert headline in attention
    assert remedy in attention
    assert "good" not in attention


def test_an_object_that_is_being_deleted_is_not_ready(commands, make) -> None:
    source = make.source()
    source["metadata"]["deletionTimestamp"] = make.ago(minutes=1)
    commands.cluster.add(make.sources, source)
    assert commands.run("status") == 1
    assert "Succeeded (deleting)" in commands.printed


def test_a_suspended_object_is_marked_and_may_be_ready(commands, make) -> None:
    commands.cluster.add(make.sources, make.source(spec={"suspend": True}))
    assert commands.run("status") == 0
    assert "Succeeded (suspended)" in commands.printed


def test_ready_with_an_outage_is_worth_a_look(commands, make) -> None:
    conditions = [
        make.condition("Ready", "True", "ServingLastGood", "The last good state is served."),
        make.condition("SourceReachable", "False", "SourceUnreachable", "It refuses connections."),
    ]
    commands.cluster.add(make.sources, make.source(conditions=conditions))
    assert commands.run("status") == 0
    look = "\n".join(lines_of(commands.printed, "Ready, but worth a look"))
    assert "SourceReachable False, SourceUnreachable for 12m: It refuses connections." in look
    assert "Needs attention" not in commands.printed


PROBLEM = {
    "entityRef": "template:skillmeat/x",
    "severity": "Error",
    "reason": "SchemaRefused",
    "message": "Its first tag has to be lower case.",
}


def test_problems_are_counted_and_lead_to_the_page(commands, make) -> None:
    commands.cluster.add(make.sources, make.source(problems=[PROBLEM]))
    assert commands.run("status") == 0
    assert (
        "1 problem: `skillmeat-operator status source/main -n team-a` lists what and why." in commands.printed
    )


def test_a_status_without_counts_has_dashes(commands, make) -> None:
    source = make.source(conditions=[])
    del source["status"]["entities"]
    commands.cluster.add(make.sources, source)
    commands.run("status")
    assert lines_of(commands.printed, "CatalogSources")[1].split() == [
        "main",
        "Unknown",
        *"-------",
        "0",
        "3d",
    ]


def test_colour_marks_what_is_bad(commands, make) -> None:
    conditions = [make.condition("Ready", "False", "SourceUnreachable", "No answer.")]
    commands.cluster.add(make.sources, make.source("bad", conditions=conditions))
    commands.cluster.add(make.sources, make.source("good"))
    commands.run("status")
    assert "\x1b" not in commands.printed
    seen = commands.on_a_terminal()
    seen.run("status")
    assert "\x1b[31mFalse\x1b[0m" in seen.printed
    assert "\x1b[32mTrue\x1b[0m" in seen.printed


def test_control_characters_of_objects_do_not_reach_the_terminal(commands, make) -> None:
    conditions = [make.condition("Ready", "False", "SourceUnreachable", "a\x1b[2Jb")]
    commands.cluster.add(make.sources, make.source(conditions=conditions, spec={"suspend": False}))
    commands.run("status")
    commands.run("status", "source/main")
    assert "\x1b" not in commands.printed
    assert "a [2Jb" in commands.printed


def page(commands, make, **given) -> str:
    commands.cluster.add(make.sources, make.source(**given))
    commands.run("status", "source/main")
    return commands.printed


def test_the_page_explains_counts_in_words(commands, make) -> None:
    counts = {**make.counts, "invalid": 2}
    rows = lines_of(page(commands, make, entities=counts), "Templates")
    assert [row.split()[:2] for row in rows[1:-1]] == [
        ["discovered", "4"], ["selected", "3"], ["invalid", "2"], ["published", "3"], ["inCatalog", "3"],
    ]  # fmt: skip
    assert "Templates that Backstage would refuse" in "\n".join(rows)
    assert rows[-1].strip().startswith("None: withheld, conflicting, held,")


def test_the_page_shows_every_condition_with_age_and_message(commands, make) -> None:
    conditions = [
        make.condition(
            "Stale", "Unknown", "StalenessUnknown", "It cannot be told.", since=make.ago(hours=30)
        ),
        make.condition("Ready", "True", "Succeeded", "All is there.", generation=1),
        make.condition("Custom", "True", "Other", "Of another controller."),
    ]
    rows = lines_of(page(commands, make, conditions=conditions), "Conditions")
    assert [row.split() for row in rows[1::2]] == [
        ["Ready", "True", "Succeeded", "12m"],
        ["Stale", "Unknown", "StalenessUnknown", "30h"],
        ["Custom", "True", "Other", "12m"],
    ]
    assert [row.strip() for row in rows[2::2]] == [
        "All is there.",
        "It cannot be told.",
        "Of another controller.",
    ]


def test_the_page_tells_conditions_of_an_older_generation(commands, make) -> None:
    text = page(commands, make, generation=3)
    assert "(Of generation 1, now it is 3.) 3 templates are in the catalog." in text


REMOVAL = {"id": "3fa9c0", "count": 8, "refs": ["template:skillmeat/a", "template:skillmeat/b"]}
APPROVE = (
    "annotate --overwrite --namespace team-a catalogsources.skillmeat.io/main "
    "skillmeat.io/approve-removal=3fa9c0"
)


def test_the_page_of_a_held_removal_has_the_line_that_approves_it(commands, make) -> None:
    text = page(commands, make, removal={**REMOVAL, "since": make.ago(minutes=30)})
    assert f"    kubectl {APPROVE}\n" in text
    assert "8 of the published templates have been missing from the source for 30m." in text
    assert "    template:skillmeat/a\n    template:skillmeat/b\n    and 6 more\n" in text


def test_the_approving_line_leads_to_the_same_cluster(commands, make, kubeconfig) -> None:
    commands.cluster.add(make.sources, make.source(removal={**REMOVAL, "since": make.ago(minutes=30)}))
    flags = ("--context", "two", "--kubeconfig", str(kubeconfig), "-n", "team-a")
    commands.run("status", "source/main", *flags)
    assert f"    kubectl --kubeconfig={kubeconfig} --context=two {APPROVE}\n" in commands.printed


def test_an_approved_removal_is_not_approved_twice(commands, make) -> None:
    text = page(
        commands,
        make,
        removal={**REMOVAL, "since": make.ago(minutes=1)},
        annotations={"skillmeat.io/approve-removal": "3fa9c0"},
    )
    assert "It has been approved" in text
    assert "kubectl" not in text.split("Conditions")[0]


def test_the_page_lists_problems_in_full(commands, make) -> None:
    text = page(
        commands, make, problems=[PROBLEM, {**PROBLEM, "severity": "Warning", "reason": "OwnerNotFound"}]
    )
    rows = lines_of(text, "Problems (2)")
    assert rows[0] == "  Error template:skillmeat/x: SchemaRefused"
    assert rows[1].strip() == "Its first tag has to be lower case."
    assert rows[2].startswith("  Warning ")


def test_the_page_says_when_status_lists_no_more(commands, make) -> None:
    text = page(commands, make, problems=[PROBLEM] * 20)
    assert "Status lists 20 at most" in text


REQUESTS = {
    "handled": ({"skillmeat.io/reconcile-requested-at": "t1"}, {"skillmeat": "t1"}, "t1 handled"),
    "waiting": (
        {"skillmeat.io/reconcile-requested-at": "t2"},
        {"skillmeat": "t1"},
        "t2 not handled yet, last handled: t1",
    ),
    "first": ({"reconcile.fluxcd.io/requestedAt": "f1"}, {}, "f1 not handled yet, last handled: none"),
    "annotation gone": ({}, {"flux": "f1"}, "f1 handled"),
}


@pytest.mark.parametrize("case", REQUESTS)
def test_the_page_shows_the_last_requests(commands, make, case: str) -> None:
    annotations, handled, told = REQUESTS[case]
    rows = lines_of(page(commands, make, annotations=annotations, handledRequests=handled), "Requested syncs")
    assert len(rows) == 1
    assert rows[0].endswith(f"   {told}")


def test_the_page_shows_the_bundles_of_this_source_only(commands, make) -> None:
    commands.cluster.add(make.bundles, make.bundle("mine"))
    commands.cluster.add(make.bundles, make.bundle("not-mine", source="other"))
    rows = lines_of(page(commands, make), "TemplateBundles (1)")
    assert [row.split()[0] for row in rows] == ["NAME", "mine"]


def test_a_bundle_that_is_not_ready_makes_its_source_s_page_end_with_1(commands, make) -> None:
    conditions = [make.condition("Ready", "False", "BundleNotFound", "There is none.")]
    commands.cluster.add(make.bundles, make.bundle("mine", conditions=conditions))
    commands.cluster.add(make.sources, make.source())
    assert commands.run("status", "source/main") == 1


def test_the_page_shows_revision_target_and_last_change(commands, make) -> None:
    text = page(
        commands,
        make,
        revision="sha256:ab",
        lastChangeTime=make.ago(hours=4),
        catalog={"url": "http://portal", "target": "http://op/x.yaml"},
        source={"version": "0.74.0", "edition": "community"},
    )
    assert [row.split(maxsplit=1) for row in lines_of(text, "Content")] == [
        ["Source", "http://skillmeat:8000 (0.74.0, community)"],
        ["Portal", "http://portal"],
        ["Document", "http://op/x.yaml"],
        ["Revision", "sha256:ab"],
        ["Last", "change   4h ago"],
    ]


def test_the_page_of_a_bundle(commands, make) -> None:
    commands.cluster.add(
        make.bundles,
        make.bundle(
            conditions=[make.condition("Ready", "True", "OutsideRange", "Version 2.1.0 stays published.")],
            spec={"version": "^2.1.0", "overrides": {"title": "x", "owner": "y"}},
            entityRef="template:skillmeat/payments",
            bundleVersion="2.1.0",
            availableVersion="3.0.0",
            stale=True,
            catalog={"present": True, "upToDate": False},
            components={"total": 3, "withoutDeploymentSet": 1},
        ),
    )
    assert commands.run("status", "smtb/payments") == 0
    assert "Source has       3.0.0" in commands.printed
    assert "yes, SkillMeat has something newer" in commands.printed
    assert "yes, with other content" in commands.printed
    assert "3 scaffolded from it, 1 without a deployment set in SkillMeat" in commands.printed
    assert "Overrides           owner, title" in commands.printed
    assert "main (does not exist)" in commands.printed


@pytest.mark.parametrize("name", ["source/none", "bundle/none"])
def test_an_object_that_does_not_exist(commands, name: str) -> None:
    assert commands.run("status", name) == 1
    assert commands.said.startswith("error: There is no ")
    assert "'none' in namespace 'team-a'" in commands.said
    assert commands.said.count("\n") == 1


def test_the_life_sign_counts(commands, make) -> None:
    spec = {"holderIdentity": "pod-1", "leaseDurationSeconds": 15, "renewTime": make.ago(minutes=20)}
    commands.cluster.leases["skillmeat-operator", "skillmeat-operator"] = {"spec": spec}
    commands.cluster.add(make.sources, make.source())
    assert commands.run("status") == 1
    assert "The last life sign is 20m old (by pod-1)" in commands.printed
    assert commands.run("status", "--operator-namespace", "elsewhere") == 0


def test_data_for_programs_is_the_same_in_json_and_yaml(commands, make) -> None:
    conditions = [make.condition("Ready", "False", "SourceUnreachable", "No answer.")]
    commands.cluster.add(make.sources, make.source(conditions=conditions))
    commands.cluster.add(make.bundles, make.bundle())
    assert commands.run("status", "-o", "json") == 1
    first = commands.printed
    data = json.loads(first)
    commands.run("status", "-o", "yaml")
    assert yaml.safe_load(commands.printed.removeprefix(first)) == data
    assert data["catalogSources"][0]["ready"] is False
    assert data["catalogSources"][0]["reason"] == "SourceUnreachable"
    assert data["catalogSources"][0]["status"]["entities"] == make.counts
    assert data["catalogSources"][0]["status"]["conditions"] == conditions
    assert data["templateBundles"][0]["source"] == "main"
    assert data["operator"]["alive"] is None


@pytest.mark.parametrize(
    ("name", "key"), [("source/main", "catalogSource"), ("bundle/payments", "templateBundle")]
)
def test_data_of_one_object(commands, make, name: str, key: str) -> None:
    commands.cluster.add(make.sources, make.source())
    commands.cluster.add(make.bundles, make.bundle())
    assert commands.run("status", name, "-o", "json") == 0
    assert json.loads(commands.printed)[key]["name"] == name.partition("/")[2]


def test_a_cluster_that_cannot_be_read_is_one_sentence(commands) -> None:
    commands.cluster.error = CommandError("The API server does not know them: install the CRDs.")
    assert commands.run("status") == 1
    assert commands.said == "error: The API server does not know them: install the CRDs.\n"


@pytest.mark.parametrize("status", [{"conditions": "x"}, {"entities": {"published": -1}}, None])
def test_a_status_that_cannot_be_read_reads_as_none(commands, make, status) -> None:
    commands.cluster.add(make.sources, {**make.source(), "status": status})
    assert commands.run("status", "source/main") == 1
    assert "The operator has not said anything about it yet." in commands.printed


# As kubectl's users write it


EQUAL = {
    "flags in front": (["-n", "team-b", "status"], ["status", "-n", "team-b"]),
    "output in front": (["-o", "json", "-n", "team-b", "status"], ["status", "-n", "team-b", "-o", "json"]),
    "all namespaces win": (["status", "-A", "-n", "team-b"], ["status", "-A"]),
    "a short flag with an equals sign": (
        ["status", "-n=team-b", "-o=json"],
        ["status", "-nteam-b", "-ojson"],
    ),
    "a switch with a value": (["status", "--all-namespaces=true"], ["status", "-A"]),
    "a switch that is off": (["status", "-A=false", "-n", "team-b"], ["status", "-n", "team-b"]),
    "kind and name as two words": (["status", "smsrc", "main"], ["status", "source/main"]),
    "our own word for the kind": (["status", "source", "main"], ["status", "source/main"]),
    "a name twice": (["status", "source/main", "smsrc/main"], ["status", "source/main"]),
}


@pytest.mark.parametrize("case", EQUAL)
def test_it_takes_what_kubectl_takes(commands, make, case: str) -> None:
    for namespace in ("team-a", "team-b"):
        commands.cluster.add(make.sources, make.source("main", namespace))
        commands.cluster.add(make.bundles, make.bundle("payments", namespace))
    given, meant = EQUAL[case]
    assert commands.run(*given) == 0, commands.said
    first = commands.printed
    assert commands.run(*meant) == 0
    assert commands.printed.removeprefix(first) == first


def test_one_kind_or_several_names(commands, make) -> None:
    commands.cluster.add(make.sources, make.source())
    for name in ("payments", "risk"):
        commands.cluster.add(make.bundles, make.bundle(name))
    commands.run("status", "smtb", "-o", "name")
    assert commands.printed == ("templatebundle.skillmeat.io/payments\ntemplatebundle.skillmeat.io/risk\n")
    commands.run("status", "smtb", "risk", "payments")
    assert commands.printed.index("TemplateBundle team-a/risk") < commands.printed.index(
        "\n\nTemplateBundle team-a/payments"
    )
    assert commands.run("status", "smtb", "risk", "none", "-o", "json") == 1
    assert "There is no TemplateBundle 'none'" in commands.said


def test_names_of_objects_are_what_kubectl_prints_and_say_nothing_else(commands, make) -> None:
    bad = [make.condition("Ready", "False", "SourceUnreachable", "No answer.")]
    commands.cluster.add(make.sources, make.source(conditions=bad))
    commands.cluster.add(make.bundles, make.bundle())
    assert commands.run("status", "-o", "name") == 0
    assert commands.printed == ("catalogsource.skillmeat.io/main\ntemplatebundle.skillmeat.io/payments\n")


def test_wide_shows_more_columns(commands, make) -> None:
    message = "The last good state is served."
    conditions = [make.condition("Ready", "True", "ServingLastGood", message)]
    commands.cluster.add(make.sources, make.source(conditions=conditions, spec={"suspend": True}))
    commands.cluster.add(make.bundles, make.bundle(entityRef="template:skillmeat/payments"))
    assert commands.run("status", "-o", "wide") == 0
    sources = lines_of(commands.printed, "CatalogSources")
    assert sources[0].split()[-4:] == ["AGE", "URL", "SUSPENDED", "MESSAGE"]
    assert re.search(rf"3d +http://skillmeat:8000 +yes +{message}$", sources[1])
    bundles = lines_of(commands.printed, "TemplateBundles")
    assert bundles[0].split()[-5:] == ["ENTITY", "COMPONENTS", "PUBLISH", "SUSPENDED", "MESSAGE"]
    assert re.search(r"5d +template:skillmeat/payments +- +yes +no +-$", bundles[1])
    assert commands.run("status", "source/main", "-o", "wide") == 0


def test_age_is_the_objects(commands, make) -> None:
    changed = [make.condition("Ready", "True", "Succeeded", since=make.ago(minutes=1))]
    commands.cluster.add(make.sources, make.source(conditions=changed))
    commands.run("status")
    assert lines_of(commands.printed, "CatalogSources")[1].endswith("   3d")


PROBLEM_COUNTS = {
    "fewer than the list holds": (3, {"invalid": 2}, "3", "Problems (3)"),
    "more errors than the list holds": (
        20,
        {"invalid": 3990, "missing": 10},
        "4000",
        "Problems (20 of 4000)",
    ),
    "a full list, and perhaps warnings beyond": (20, {"invalid": 5}, "20+", "Problems (20 of 20+)"),
}


@pytest.mark.parametrize("case", PROBLEM_COUNTS)
def test_problems_are_counted_beyond_what_status_lists(commands, make, case: str) -> None:
    listed, counts, told, head = PROBLEM_COUNTS[case]
    entities = {**make.counts, **counts}
    commands.cluster.add(make.sources, make.source(problems=[PROBLEM] * listed, entities=entities))
    commands.run("status")
    assert lines_of(commands.printed, "CatalogSources")[1].split()[-2] == told
    assert f"  {told} problems: `skillmeat-operator status source/main" in commands.printed
    commands.run("status", "source/main")
    assert f"\n{head}\n" in commands.printed


LONG = "The portal refuses the document: " + "a reason that goes on " * 20 + "to its end."


def test_piped_nothing_is_cut_or_wrapped(commands, make) -> None:
    name = "n" * 60
    conditions = [make.condition("Ready", "False", "SourceUnreachable", LONG)]
    commands.cluster.add(make.sources, make.source(name, conditions=conditions))
    for arguments in (["status"], ["status", "-o", "wide"], ["status", f"source/{name}"]):
        before = len(commands.printed)
        commands.run(*arguments)
        text = commands.printed[before:]
        assert any(LONG in line for line in text.splitlines())
        assert name in text


@pytest.mark.parametrize("columns", [60, 132])
def test_on_a_terminal_the_page_is_as_wide_as_it_is(commands, make, columns: int) -> None:
    conditions = [make.condition("Ready", "False", "SourceUnreachable", LONG)]
    commands.cluster.add(make.sources, make.source("n" * 50, conditions=conditions))
    seen = commands.on_a_terminal(COLUMNS=str(columns), NO_COLOR="1")
    seen.run("status")
    sentences = [len(line) for line in lines_of(seen.printed, "Needs attention")[1:]]
    assert columns - 12 <= max(sentences) <= columns
    assert re.search(r"^n{50} +False +SourceUnreachable +4 .* 3d$", seen.printed, re.MULTILINE)


def test_on_a_terminal_a_message_is_wrapped_in_its_column(commands, make) -> None:
    conditions = [make.condition("Ready", "False", "SourceUnreachable", LONG)]
    commands.cluster.add(make.sources, make.source(conditions=conditions))
    seen = commands.on_a_terminal(COLUMNS="200", NO_COLOR="1")
    seen.run("status", "-o", "wide")
    rows = lines_of(seen.printed, "CatalogSources")
    place = rows[0].index("MESSAGE")
    assert max(map(len, rows)) <= 200
    assert " ".join(row[place:] for row in rows[1:]) == LONG


def test_a_line_to_be_copied_is_never_wrapped(commands, make) -> None:
    commands.cluster.add(make.sources, make.source(removal={**REMOVAL, "since": make.ago(minutes=30)}))
    seen = commands.on_a_terminal(COLUMNS="40")
    seen.run("status", "source/main")
    assert f"    kubectl {APPROVE}\n" in seen.printed


def test_counts_that_nobody_has_checked_are_neither_shown_nor_zero(commands, make) -> None:
    commands.cluster.add(make.sources, make.source())
    commands.run("status", "source/main")
    assert not any(key in commands.printed for key in UNCHECKED)
    commands.run("status", "-o", "json")
    assert not any(key in commands.printed for key in UNCHECKED)


def test_an_api_server_that_is_away_is_told_after_one_call(commands) -> None:
    commands.cluster.error = commands.cluster.lease_error = CommandError("It is away.")
    assert commands.run("status") == 1
    assert (commands.printed, commands.said) == ("", "error: It is away.\n")


@pytest.mark.parametrize(
    ("flags", "seconds"),
    [
        ([], 15.0),
        (["--request-timeout", "2s"], 2.0),
        (["--request-timeout=3"], 3.0),
        (["--request-timeout=0"], 86400.0),
        (["--request-timeout=0s"], 86400.0),
    ],
)
def test_request_timeout(commands, flags: list[str], seconds: float) -> None:
    assert commands.run("status", *flags) == 0
    assert commands.run(*flags, "status") == 0
    assert [choice.request_timeout for choice in commands.cluster.choices] == [seconds] * 2
