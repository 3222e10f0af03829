"""Receiving a browser's file: spooled in the site's own folder, and refused at once when it says it is too large."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.exceptions import RequestDataTooBig
from django.core.files.uploadhandler import TemporaryFileUploadHandler

OTHER_FIELDS = 4 * 2**20  # what a form may hold beside its file


class LimitedUpload(TemporaryFileUploadHandler):
    def handle_raw_input(
        self, input_data: Any, meta: Any, content_length: int, boundary: Any, encoding: Any = None
    ) -> None:
        if content_length > settings.LIMITS["upload_bytes"] + OTHER_FIELDS:
            raise RequestDataTooBig(f"the file is larger than {settings.LIMITS['upload_bytes']} bytes")
