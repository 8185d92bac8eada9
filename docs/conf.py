# SPDX-FileCopyrightText: 2026 CESNET z.s.p.o.
# SPDX-License-Identifier: MIT
"""Settings of Sphinx; warnings are errors (``./run-tests.sh docs``)."""

import sys
from importlib.metadata import version as installed_version
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

project = "oarepo-s3"
author = "CESNET z.s.p.o."
copyright = "2026, CESNET z.s.p.o."  # noqa: A001
release = version = installed_version("oarepo-s3")

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "_ext.from_code", "_ext.client"]
myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 3
source_suffix = {".rst": "restructuredtext", ".md": "markdown"}
exclude_patterns = ["_build", "_ext"]
autodoc_typehints = "description"
autodoc_member_order = "bysource"
# Names of ours have to lead somewhere; those of others do not, as nothing is fetched while the pages are built.
nitpicky = True
nitpick_ignore_regex = [(r"py:.*", r"(?!oarepo_s3\b).*")]
# What only the package itself makes.
nitpick_ignore = [("py:class", "oarepo_s3.store.sigv4.Grant"), ("py:class", "oarepo_s3.store.endpoint.Location")]
html_theme = "furo"
html_title = "oarepo-s3"
html_copy_source = False
html_static_path = ["_static"]
html_css_files = ["tables.css"]
