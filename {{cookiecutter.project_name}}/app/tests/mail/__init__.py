"""Accounts by mail."""
