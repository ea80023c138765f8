"""The tests. /conftest.py sets the settings they run with."""
