"""The command line ``thalweg``."""
