"""Codebooks for tests, as owners hand them in; the workbook is written by hand, as an XLSX is a zip of XML."""

from __future__ import annotations

import io
import zipfile
from xml.sax.saxutils import escape

ROWS = [
    ["Variable", "Label", "Type", "Values", "Min", "Max", "Missing", "Required"],
    ["person", "Person", "id", "", "", "", "", ""],
    ["sex", "Sex", "categorical", "1 = male | 2 = female", "", "", "-9", "yes"],
    ["region", "Region", "string", "north, south, east", "", "", "-9; NA", ""],
    ["age", "Age in years", "integer", "", "0", "110", "", ""],
    ["pay", "Pay", "numeric (8)", "", "0", "100000", "", ""],
    ["seen", "Date seen", "date", "", "2020-01-01", "2024-12-31", "", ""],
    ["works", "Has work", "yes/no", "", "", "", "", ""],
    ["said", "Anything else", "open text", "", "", "", "", ""],
    ["weight", "Weight", "float", "", "", "heavy", "", ""],
]

REDCAP_HEADINGS = [
    "Variable / Field Name", "Form Name", "Section Header", "Field Type", "Field Label",
    "Choices, Calculations, OR Slider Labels", "Field Note", "Text Validation Type OR Show Slider Number",
    "Text Validation Min", "Text Validation Max", "Identifier?",
    "Branching Logic (Show field only if...)", "Required Field?",
]  # fmt: skip
REDCAP_ROWS = [
    ["record_id", "base", "", "text", "Record", "", "", "", "", "", "", "", ""],
    ["hello", "base", "", "descriptive", "Welcome", "", "", "", "", "", "", "", ""],
    ["fullname", "base", "", "text", "Name", "", "", "", "", "", "y", "", ""],
    ["sex", "base", "", "radio", "Sex", "1, Male | 2, Female", "", "", "", "", "", "", "y"],
    ["age", "base", "", "text", "Age", "", "", "integer", "0", "120", "", "", "y"],
    ["weight", "base", "", "text", "Weight", "", "", "number_1dp", "20", "250", "", "", ""],
    ["visit", "base", "", "text", "Visit", "", "", "date_dmy", "2020-01-01", "2023-12-31", "", "", ""],
    ["smokes", "base", "", "yesno", "Smokes", "", "", "", "", "", "", "", "y"],
    ["packs", "base", "", "dropdown", "Packs", "0, none | 1, one | 2, more", "", "", "", "", "", "[smokes]=1", "y"],
    ["drugs", "base", "", "checkbox", "Takes", "a, Aspirin | b, Other", "", "", "", "", "", "", ""],
    ["pain", "base", "", "slider", "Pain", "", "", "number", "", "", "", "", ""],
    ["notes", "base", "", "notes", "Notes", "", "", "", "", "", "", "", ""],
]  # fmt: skip

TABLE_SCHEMA = {
    "title": "Trips",
    "missingValues": ["", "NA"],
    "primaryKey": "trip",
    "fields": [
        {"name": "trip", "type": "string", "constraints": {"unique": True}},
        {"name": "mode", "type": "string", "constraints": {"enum": ["bus", "bike"], "required": True}},
        {"name": "zone", "type": "integer", "categories": [{"value": 1, "label": "in"}, {"value": 2, "label": "out"}]},
        {"name": "km", "type": "number", "constraints": {"minimum": 0, "maximum": 80.5}},
        {"name": "left", "type": "datetime", "constraints": {"minimum": "2020-01-01", "maximum": "2020-12-31"}},
        {"name": "paid", "type": "boolean", "trueValues": ["J"], "falseValues": ["N"]},
        {"name": "born", "type": "year", "constraints": {"minimum": 1900, "maximum": 2020}},
        {"name": "where", "type": "geopoint"},
    ],
}


def csv_of(rows: list[list[str]], delimiter: str = ",") -> bytes:
    quoted = (delimiter.join('"' + cell.replace('"', '""') + '"' for cell in row) for row in rows)
    return ("\r\n".join(quoted) + "\r\n").encode()


def xlsx_of(rows: list[list[object]], *, reference: str = "") -> bytes:
    """A workbook with one sheet; numbers are number cells. ``reference`` places one more cell far away."""
    lines = []
    for number, row in enumerate(rows, start=1):
        cells = "".join(_cell(f"{_letters(place)}{number}", value) for place, value in enumerate(row))
        lines.append(f'<row r="{number}">{cells}</row>')
    if reference:
        lines.append(f'<row r="{reference.lstrip("ABCDEFGHIJKLMNOPQRSTUVWXYZ")}">{_cell(reference, "far")}</row>')
    space = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
    relations = "http://schemas.openxmlformats.org/package/2006/relationships"
    office = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
    parts = {
        "[Content_Types].xml": '<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types"/>',
        "_rels/.rels": f'<Relationships xmlns="{relations}"><Relationship Id="a" Type="{office}/officeDocument" '
        'Target="xl/workbook.xml"/></Relationships>',
        "xl/workbook.xml": f'<workbook xmlns="{space}" xmlns:r="{office}"><sheets>'
        '<sheet name="codebook" sheetId="1" r:id="b"/></sheets></workbook>',
        "xl/_rels/workbook.xml.rels": f'<Relationships xmlns="{relations}"><Relationship Id="b" '
        f'Type="{office}/worksheet" Target="worksheets/sheet1.xml"/></Relationships>',
        "xl/worksheets/sheet1.xml": f'<worksheet xmlns="{space}"><sheetData>{"".join(lines)}</sheetData></worksheet>',
    }
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in parts.items():
            archive.writestr(name, f'<?xml version="1.0" encoding="UTF-8"?>{text}')
    return packed.getvalue()


def _letters(place: int) -> str:
    return chr(ord("A") + place)


def _cell(reference: str, value: object) -> str:
    if isinstance(value, int | float):
        return f'<c r="{reference}"><v>{value}</v></c>'
    return f'<c r="{reference}" t="inlineStr"><is><t>{escape(str(value))}</t></is></c>'
