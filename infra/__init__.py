"""The embedded stack, provisioning and migrations."""
