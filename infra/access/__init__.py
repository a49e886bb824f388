"""Least privilege: who may do what in each server, and what makes it so."""
