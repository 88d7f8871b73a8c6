"""The version of thalweg, said once: hatch reads it here, and a source tree that was not installed has it too."""

__version__ = "0.1.0"
