"""The export that verifying is timed on must be one that holds, however the verifier grows."""

from benchmarks import audit_export


def test_a_made_export_of_many_requests_holds(tmp_path):
    small, large = (audit_export.verified(tmp_path, entries) for entries in (100, 300))

    assert 50 < small["entries"] <= 100 < 200 < large["entries"] <= 300
    assert large["peak_mib"] > 0
