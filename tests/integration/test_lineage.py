"""An auditor finds every package that descends from a dataset, a model or a template, and no other."""

from __future__ import annotations

import uuid
from typing import Any

import pytest
from django.http import QueryDict
from django.test import Client

from llmsynthor_site.desk import lineage
from llmsynthor_site.desk.forms import LineageFilter
from synthesis.models import EgressManifest, Package, Run, SynthesisRequest
from tests import privacy_site, request_site

pytestmark = pytest.mark.django_db(databases=["default", "log"], transaction=True)
OLD = "a" * 64


@pytest.fixture
def small(site: Any) -> request_site.Site:
    return request_site.make()


def packed(site: request_site.Site, *, model: str, templates: list[str], dataset: Any = None) -> Package:
    """A request whose run ended with a package, as rows alone: what the page reads."""
    request = site.submitted(title=f"With {model}")
    if dataset is not None:
        SynthesisRequest.objects.filter(pk=request.pk).update(dataset=dataset)
    body = {"model": model, "templates": [{"name": str(at), "sha256": sha} for at, sha in enumerate(templates)]}
    EgressManifest.objects.create(request=request, body=body)
    return Package.objects.create(
        run=Run.objects.create(request=request, settings={}), manifest={}, content_hash="c" * 64
    )


def found(**asked: str) -> set[uuid.UUID]:
    query = QueryDict(mutable=True)
    query.update(asked)
    return set(lineage.packages(LineageFilter(query)).values_list("pk", flat=True))


def test_by_dataset_by_model_and_by_template(small: request_site.Site) -> None:
    other = privacy_site.dataset(small.owner, content=request_site.table(), title="Another table")
    one = packed(small, model="m-1", templates=["b" * 64, OLD])
    two = packed(small, model="m-2", templates=["b" * 64])
    three = packed(small, model="m-1", templates=[OLD], dataset=other)
    assert found() == {one.pk, two.pk, three.pk}
    assert found(model="m-1") == {one.pk, three.pk}
    assert found(template=OLD) == {one.pk, three.pk}
    assert found(dataset=str(other.pk)) == {three.pk}
    assert found(model="m-1", dataset=str(small.dataset.pk)) == {one.pk}
    assert found(template="d" * 64) == set()
    assert found(until="2001-01-01") == set()


def test_the_page_lists_them_and_says_what_is_wrong_with_a_filter(small: request_site.Site) -> None:
    packed(small, model="<b>m</b>", templates=[OLD])
    client = Client()
    client.force_login(small.amir)
    shown = client.get("/desk/lineage/").content.decode()
    assert "1 package, newest first" in shown
    assert "&lt;b&gt;m&lt;/b&gt;" in shown
    wrong = client.get("/desk/lineage/?template=xyz").content.decode()
    assert "A template is named by its SHA-256" in wrong
    assert "1 package, newest first" in wrong  # a filter that cannot be read narrows nothing
    client.force_login(small.rosa)
    assert client.get("/desk/lineage/").status_code == 403
