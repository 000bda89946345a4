"""Habitué turns a shop's purchase history into quarterly letters, e-mails and win-back calls."""

from importlib.metadata import version

__version__ = version("habitue")
