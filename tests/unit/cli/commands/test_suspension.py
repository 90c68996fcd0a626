"""`suspend` and `resume`."""

import pytest

CASES = {
    "suspend": (False, True, "bundle/payments in namespace team-a is suspended.\n"),
    "suspend again": (True, None, "bundle/payments in namespace team-a is suspended already.\n"),
    "resume": (True, False, "bundle/payments in namespace team-a is resumed.\n"),
    "resume again": (False, None, "bundle/payments in namespace team-a is not suspended.\n"),
}


@pytest.mark.parametrize("case", CASES)
def test_suspend_and_resume(commands, make, case: str) -> None:
    before, written, printed = CASES[case]
    commands.cluster.add(make.bundles, make.bundle(spec={"suspend": before}))
    assert commands.run(case.partition(" ")[0], "bundle/payments") == 0
    patches = [("TemplateBundle", "team-a", "payments", {"spec": {"suspend": written}})]
    assert commands.cluster.patches == ([] if written is None else patches)
    assert commands.printed == printed


@pytest.mark.parametrize("command", ["suspend", "resume"])
def test_what_does_not_exist(commands, command: str) -> None:
    assert commands.run(command, "source/none") == 1
    assert commands.said.startswith("error: There is no CatalogSource 'none' in namespace 'team-a'")


def test_the_cluster_is_the_one_the_flags_name(commands, make) -> None:
    commands.cluster.add(make.sources, make.source(namespace="default"))
    assert commands.run("suspend", "--context", "two", "source/main") == 0
    assert commands.cluster.choices[0].context == "two"


def test_several_at_once_as_kubectl_takes_them(commands, make) -> None:
    commands.cluster.add(make.sources, make.source())
    commands.cluster.add(make.bundles, make.bundle())
    assert commands.run("suspend", "source/main", "bundle/payments") == 0
    assert [patch[:3] for patch in commands.cluster.patches] == [
        ("CatalogSource", "team-a", "main"),
        ("TemplateBundle", "team-a", "payments"),
    ]
    assert commands.run("resume", "smtb", "payments") == 0
