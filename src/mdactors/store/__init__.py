"""Blocking clients of caches and stores, each interface beside its implementations."""
