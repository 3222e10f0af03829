"""Receiving a browser's file: spooled sealed and without a name, and refused at once when it says it is too large.

The key of a spool is in this process's memory alone, and its file has no name: when the process ends, however that
happens, nothing is left to read, and nothing to sweep.
"""

from __future__ import annotations

import hashlib
import io
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.exceptions import RequestDataTooBig
from django.core.files.uploadedfile import UploadedFile
from django.core.files.uploadhandler import FileUploadHandler

from privacy.spooling import Spool, SpoolReader

OTHER_FIELDS = 4 * 2**20  # what a form may hold beside its file


class SealedUpload(FileUploadHandler):
    """Every uploaded file of a request, large or small, as a file that can be read once; its ``sha256`` is known."""

    file: Spool  # Django closes what a handler calls its file when a request breaks off

    def handle_raw_input(
        self, input_data: Any, meta: Any, content_length: int, boundary: Any, encoding: Any = None
    ) -> None:
        if content_length > settings.LIMITS["upload_bytes"] + OTHER_FIELDS:
            raise RequestDataTooBig(f"the file is larger than {settings.LIMITS['upload_bytes']} bytes")

    def new_file(self, *args: Any, **values: Any) -> None:
        super().new_file(*args, **values)
        self.file, self.digest = Spool(Path(settings.FILE_UPLOAD_TEMP_DIR)), hashlib.sha256()

    def receive_data_chunk(self, raw_data: bytes, start: int) -> None:
        if raw_data:  # an empty record would read as the last one
            self.file.write(raw_data)
            self.digest.update(raw_data)

    def file_complete(self, file_size: int) -> UploadedFile[bytes]:
        content = io.BufferedReader(SpoolReader(self.file), 2**20)
        taken = UploadedFile(
            content, self.file_name, self.content_type, file_size, self.charset, self.content_type_extra
        )
        taken.sha256 = self.digest.hexdigest()  # type: ignore[attr-defined]  # of what can be read only once
        return taken

    def upload_interrupted(self) -> None:
        if hasattr(self, "file"):
            self.file.close()
