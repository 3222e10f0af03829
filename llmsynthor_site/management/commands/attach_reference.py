"""Attach a public reference table to a dataset: the owner declares it public, and a mixture is learned from it.

The file has the form that the dataset's declaration tells, header included. Only the learned components and
the file's SHA-256 are kept; requests may then choose the proposer "public".
"""

from __future__ import annotations

import hashlib
import io
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.exceptions import PermissionDenied, ValidationError
from django.core.management.base import BaseCommand, CommandError

from llmsynthor_site.models import User
from privacy import places, selectors
from privacy.models import Dataset, DatasetVersion
from privacy.problems import ProblemsFound
from privacy.references import check_not_private, codes_of
from synthesis import references
from synthesis.loop import mixtures


class Command(BaseCommand):
    help = __doc__

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("dataset", help="the dataset's id, as its page's address shows it")
        parser.add_argument("file", type=Path)
        parser.add_argument("--owner", required=True, help="username of the dataset's owner, who declares it public")
        parser.add_argument("--public", action="store_true", help="the rows are public: anybody may see them")

    def handle(self, *args: Any, **options: Any) -> None:
        if not options["public"]:
            raise CommandError("say --public: a reference table is not protected, so its rows have to be public")
        try:
            reference = self._attach(options)
        except (User.DoesNotExist, Dataset.DoesNotExist, ValidationError):
            raise CommandError("there is no such dataset, or no such person") from None
        except OSError:
            raise CommandError("the file cannot be read") from None
        except ProblemsFound as refused:
            raise CommandError("\n".join(map(str, refused.problems))) from None
        except PermissionDenied as refused:
            raise CommandError(str(refused)) from None
        kinds = len(reference.plan["weights"])
        self.stdout.write(f"Attached {reference.rows} public rows as {kinds} components, {reference.content_hash}.")

    def _attach(self, options: dict[str, Any]) -> references.Reference:
        owner, dataset = User.objects.get(username=options["owner"]), selectors.dataset(options["dataset"])
        content = options["file"].read_bytes()
        check_not_private(content, key=_fingerprint_key(), fingerprints=_fingerprints())
        limits, schema = settings.LIMITS, selectors.schema(dataset)
        if schema.related is not None:
            raise CommandError("a public reference is a single table: related tables take none")
        if schema.searches:
            searched = ", ".join(search.column for search in schema.searches)
            raise CommandError(f"column {searched}: a public reference needs every category declared, none searched")
        codes = codes_of(schema, io.BytesIO(content), columns=limits["upload_columns"], cell_chars=limits["cell_chars"])
        plan = mixtures.learn(codes, schema.domain)
        sha256 = hashlib.sha256(content).hexdigest()
        return references.attach(by=owner, dataset=dataset, plan=plan, file_sha256=sha256, rows=len(codes))


def _fingerprint_key() -> bytes:
    return bytes.fromhex(places.fingerprint_key().read_text())


def _fingerprints() -> set[str]:
    return set(DatasetVersion.objects.values_list("fingerprint", flat=True))
