"""The laboratory, for the tests of this folder."""

from tests.lab import lab, lab_template, lab_url

__all__ = ["lab", "lab_template", "lab_url"]
