"""Accounts by email."""
