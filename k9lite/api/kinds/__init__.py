"""The kinds, one file per API group."""
