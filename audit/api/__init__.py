"""The log for programs of auditors."""
