"""The public catalogue names what owners allow and what still stands, and says nothing that was not declared public."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import mlcroissant
import pytest
import rdflib
from django.core.management import CommandError, call_command

from synthesis.models import SynthesisRequest
from tests import privacy_site, request_site

pytestmark = pytest.mark.django_db(databases=["default", "log"], transaction=True)


@pytest.fixture
def released(site: Any) -> SynthesisRequest:
    """Of a dataset whose owner lets it be named, with a purpose that nobody outside is to read."""
    small = request_site.make()
    small.dataset = privacy_site.dataset(
        small.owner, content=request_site.table(), title="Pay", catalogue=True, dataUse=["DUO:0000042", "DUO:0000021"]
    )
    with request_site.open_door():
        return small.released(title="Secret title", purpose="A purpose of our own")


def export(folder: Path) -> dict[str, str]:
    call_command("export_catalogue", out=folder)
    return {path.name: path.read_text() for path in folder.iterdir()}


def test_it_names_a_released_package_for_tools_and_people(released: SynthesisRequest, tmp_path: Path) -> None:
    found = export(tmp_path / "out")
    package = str(released.run.package.pk)
    graph = rdflib.Graph().parse(data=found["catalogue.jsonld"], format="json-ld")
    dcat = rdflib.Namespace("http://www.w3.org/ns/dcat#")
    [named] = graph.objects(predicate=dcat.dataset)
    assert str(named) == f"urn:uuid:{package}"
    assert rdflib.URIRef("http://purl.obolibrary.org/obo/DUO_0000042") in set(graph.objects(subject=named))
    described = mlcroissant.Dataset(jsonld=json.loads(found[f"{package}.croissant.json"]))
    assert described.metadata.name == "Synthetic table from Pay"
    assert "an ethics committee must have approved (DUO:0000021)" in found["index.html"]
    assert not any("Secret title" in text or "A purpose of our own" in text for text in found.values())


def test_a_release_that_no_longer_stands_is_gone_and_an_owner_who_did_not_allow_it_is_left_out(
    released: SynthesisRequest, tmp_path: Path
) -> None:
    SynthesisRequest.objects.filter(pk=released.pk).update(state="revoked")
    assert set(export(tmp_path / "revoked")) == {"catalogue.jsonld", "index.html"}
    SynthesisRequest.objects.filter(pk=released.pk).update(state="released")
    declared = json.loads(released.dataset.declaration)
    del declared["catalogue"]
    type(released.dataset).objects.filter(pk=released.dataset_id).update(declaration=json.dumps(declared))
    assert set(export(tmp_path / "not allowed")) == {"catalogue.jsonld", "index.html"}


def test_a_folder_that_exists_is_left_as_it_is(site: Any, tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    with pytest.raises(CommandError, match="name a folder that does not exist yet"):
        call_command("export_catalogue", out=tmp_path / "there")
