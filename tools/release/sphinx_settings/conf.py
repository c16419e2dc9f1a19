"""The settings of Sphinx for the site of the documentation. `tools/release/site.py` uses them."""

from importlib import metadata

project = "Aggregator"
extensions = ["myst_parser"]
html_theme = "furo"
html_title = f"Aggregator {metadata.version('aggregator')}"
html_copy_source = False
html_show_copyright = False
# Headings have the same anchors as on code hosts.
myst_heading_anchors = 6
root_doc = "README"
# Examples of JSON are shortened with `…`, and PromQL has numbers such as 1e-3, which the highlighter does not know.
suppress_warnings = ["misc.highlighting_failure"]
source_suffix = {".md": "markdown"}
