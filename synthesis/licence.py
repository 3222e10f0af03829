"""The terms a researcher accepts before downloading. A new text needs a new version."""

LICENCE_VERSION = "1"
LICENCE_TEXT = """\
1. This table is synthetic. No row in it describes a person, and nothing in it may be presented as if it did.
2. Use it for the purpose stated in the request, and cite the privacy statement that comes with it.
3. Do not try to find out whether a person was in the data it was made from, or what is true of them.
4. You may share it with the people named in the request; others ask for their own copy.
5. If you learn of a recall, stop using it and delete your copies.
"""
