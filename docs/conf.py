"""The documentation: pages of Markdown whose code runs while they are built, and a reference made of the docstrings."""

import os
import sys
from pathlib import Path

import thalweg

sys.path.insert(0, str(Path(__file__).parent / "extensions"))
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # for the kernels: its threads would spin beside XLA's

project = "thalweg"
author = "The thalweg authors"
copyright = author
version = release = thalweg.__version__

extensions = [
    "myst_nb",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx_design",
    "docstrings",  # extensions/docstrings.py: plain text as reStructuredText
    "scripts",  # extensions/scripts.py: examples/*.py as pages
]
exclude_patterns = ["extensions"]
html_theme = "furo"
html_title = f"thalweg {release}"
html_copy_source = html_show_sphinx = False
html_static_path = ["static"]
html_css_files = ["tables.css"]
pygments_style = "friendly"

nb_execution_mode = "force"
nb_execution_timeout = 900  # seconds for one cell
nb_execution_raise_on_error = True
nb_execution_in_temp = True
nb_execution_show_tb = True
nb_output_stderr = "error"
nb_merge_streams = True

myst_enable_extensions = ["colon_fence"]
myst_heading_anchors = 3
autodoc_member_order = "bysource"
autodoc_typehints = "none"  # Args say the shape and the unit, which no type does
autodoc_preserve_defaults = True
maximum_signature_line_length = 88
napoleon_numpy_docstring = False
napoleon_custom_sections = ["Cost", "Source"]
