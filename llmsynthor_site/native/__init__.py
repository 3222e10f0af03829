"""The processes of docker/compose.yaml, started on this machine without containers."""
