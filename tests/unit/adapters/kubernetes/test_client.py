from __future__ import annotations

import base64

import pytest

from skillmeat_operator.adapters.kubernetes.errors import (
    KubernetesError,
    NotFoundError,
    UnavailableError,
)
from skillmeat_operator.adapters.kubernetes.transport import METADATA_LIST


def page(answer, *names: str, version: str = "7", more: str | None = None):
    metadata = {"resourceVersion": version} | ({"continue": more} if more else {})
    return answer(200, {"metadata": metadata, "items": [{"metadata": {"name": name}} for name in names]})


async def test_list_reads_all_pages_in_order(client, server, answer):
    server.answers = [page(answer, "a", "b", more="p2"), page(answer, "c", more="p3"), page(answer)]

    found = await client.list_all("catalogsources")

    assert [item["metadata"]["name"] for item in found.items] == ["a", "b", "c"]
    assert found.resource_version == "7"
    assert [request.query.get("continue") for request in server.requests] == [None, "p2", "p3"]
    assert {request.query["limit"] for request in server.requests} == {"200"}


async def test_no_more_is_kept_of_an_item_than_is_asked_for(client, server, answer):
    server.answers = [page(answer, "a", "b", more="p2"), page(answer, "c")]

    found = await client.list_all("catalogsources", keep=lambda item: item["metadata"]["name"].upper())

    assert found.items == ("A", "B", "C")


async def test_list_that_expires_half_way_begins_again_and_mixes_nothing(client, server, answer, refusal):
    server.answers = [
        page(answer, "old", version="1", more="p2"),
        answer(410, refusal(410, "Expired")),
        page(answer, "new", version="2"),
    ]

    found = await client.list_all("catalogsources")

    assert [item["metadata"]["name"] for item in found.items] == ["new"]
    assert found.resource_version == "2"


async def test_list_that_expires_again_and_again_is_unavailable(client, server, answer, refusal):
    server.answers = [page(answer, "old", more="p2"), answer(410, refusal(410, "Expired"))] * 4

    with pytest.raises(UnavailableError, match="expired"):
        await client.list_all("catalogsources")
    assert len(server.requests) == 6


async def test_list_that_fails_half_way_is_a_failure_and_not_a_shorter_list(client, server, answer):
    server.answers = [page(answer, "a", more="p2"), answer(500, {})]

    with pytest.raises(UnavailableError):
        await client.list_all("catalogsources")


async def test_endless_list_is_given_up(client, server, answer):
    server.answers = [page(answer, more="again")]

    with pytest.raises(UnavailableError, match="more than"):
        await client.list_all("catalogsources")


@pytest.mark.parametrize(
    ("plural", "namespace", "path"),
    [
        ("catalogsources", None, "/apis/skillmeat.io/v1alpha1/catalogsources"),
        ("templatebundles", "team", "/apis/skillmeat.io/v1alpha1/namespaces/team/templatebundles"),
        ("configmaps", "team", "/api/v1/namespaces/team/configmaps"),
    ],
)
async def test_list_is_of(plural, namespace, path, client, server):
    await client.list_all(plural, namespace, label_selector="a=b,c=d", metadata_only=True)

    (request,) = server.requests
    assert (request.path, request.query["labelSelector"]) == (path, "a=b,c=d")
    assert request.headers["Accept"] == METADATA_LIST


async def test_names_are_quoted(client, server):
    await client.get("configmaps", "a/b", "../c?d")

    assert server.requests[0].path == "/api/v1/namespaces/a%2Fb/configmaps/..%2Fc%3Fd"


async def test_status_is_patched_alone_and_only_over_the_version_it_was_made_from(client, server):
    await client.patch_status("catalogsources", "team", "main", {"revision": None}, "7")

    (request,) = server.requests
    assert request.method == "PATCH"
    assert request.path.endswith("/namespaces/team/catalogsources/main/status")
    assert request.body == {"status": {"revision": None}, "metadata": {"resourceVersion": "7"}}
    assert request.headers["Content-Type"] == "application/merge-patch+json"
    assert request.query == {"fieldManager": "skillmeat-operator"}


async def test_finalizers_are_set_only_over_the_version_they_were_made_from(client, server):
    await client.patch_finalizers("catalogsources", "team", "main", ("x",), "7")

    (request,) = server.requests
    assert request.path.endswith("/catalogsources/main")
    assert request.body == {"metadata": {"finalizers": ["x"], "resourceVersion": "7"}}


async def test_patch_without_precondition_has_none(client, server):
    await client.patch("catalogsources", "team", "main", {"spec": {"suspend": True}}, resource_version=None)

    assert server.requests[0].body == {"spec": {"suspend": True}}


async def test_delete_says_what_it_deletes(client, server):
    assert await client.delete("configmaps", "team", "x", uid="u", resource_version="7")
    assert server.requests[0].body["preconditions"] == {"uid": "u", "resourceVersion": "7"}


async def test_delete_of_what_is_gone_is_no_error(client, server, answer, refusal):
    server.answers = [answer(404, refusal(404, "NotFound", name="x"))]

    assert await client.delete("configmaps", "team", "x") is False


async def test_secret_is_decoded_and_stays_out_of_repr(client, server, answer):
    data = {"token": base64.b64encode(b"canary").decode()}
    metadata = {"resourceVersion": "7", "annotations": {"a": "b"}}
    server.answers = [answer(200, {"metadata": metadata, "data": data})]

    secret = await client.get_secret("team", "portal")

    assert secret.data == {"token": b"canary"}
    assert (secret.annotations, secret.resource_version) == ({"a": "b"}, "7")
    assert "canary" not in repr(secret)


@pytest.mark.parametrize("method", ["get_secret", "get_config_map"])
async def test_absent_object_is_none(method, client, server, answer, refusal):
    server.answers = [answer(404, refusal(404, "NotFound", name="x"))]

    assert await getattr(client, method)("team", "x") is None


async def test_secret_without_data_is_empty(client, server, answer):
    server.answers = [answer(200, {"metadata": {}})]

    assert (await client.get_secret("team", "x")).data == {}


async def test_missing_kind_says_nothing_about_its_objects(client, server, answer):
    server.answers = [answer(404, text="404 page not found")]

    with pytest.raises(UnavailableError):
        await client.get("catalogsources", "team", "main")


async def test_missing_object_is_not_found(client, server, answer, refusal):
    server.answers = [answer(404, refusal(404, "NotFound", name="main", group="skillmeat.io"))]

    with pytest.raises(NotFoundError):
        await client.get("catalogsources", "team", "main")


async def test_answer_that_is_no_object_is_an_error(client, server, answer):
    server.answers = [answer(200, [])]

    with pytest.raises(KubernetesError, match="no object"):
        await client.get("catalogsources", "team", "main")


async def test_cluster_uid_is_that_of_kube_system(client, server, answer):
    server.answers = [answer(200, {"metadata": {"uid": "0a1b"}})]

    assert await client.cluster_uid() == "0a1b"
    assert server.requests[0].path == "/api/v1/namespaces/kube-system"


async def test_namespace_is_that_of_the_access(client):
    assert client.namespace == "operators"
