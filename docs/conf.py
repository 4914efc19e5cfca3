"""The documentation site: `make docs`.

Its source folder is the whole repository, so that a link from one page to another is the same on the site and in a
checkout: pages are the README, docs/, the page of each problem, experiments/ and sweeps/.
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parent.parent), str(Path(__file__).parent / "extensions")]

import dlgd  # noqa: E402

project = "dlgd"
author = "dlgd developers"
copyright = "dlgd developers"
version = release = dlgd.__version__

extensions = [
    "myst_nb",
    "sphinx.ext.autodoc",
    "sphinx.ext.viewcode",
    "sphinx_design",
    "sphinx_copybutton",
    "mathml",
    "option_lists",
    "option_pages",
]
root_doc = "docs/index"
include_patterns = [
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "docs/**",
    "dlgd/problems/*/README.md",
    "examples/*/README.md",
    "experiments/**",
    "sweeps/README.md",
]
# conf/experiment and conf/sweep are links to experiments/ and sweeps/; the others are no pages and large
exclude_patterns = [
    ".*",
    "conf",
    "dlgd/conf",
    "cache",
    "outputs",
    "multirun",
    "mlartifacts",
    "build",
    "docs/extensions",
    "tests",
]

# --- pages in Markdown, executed where they are notebooks ----------------------------------------------------------

myst_enable_extensions = ["dollarmath", "amsmath", "colon_fence", "deflist", "attrs_inline"]
myst_fence_as_directive = ["math"]
myst_heading_anchors = 3
nb_execution_mode = "cache"
nb_execution_cache_path = str(Path(__file__).parent.parent / "build" / "notebooks")
nb_execution_timeout = 1200  # s of a cell, on a machine with other work too
nb_execution_raise_on_error = True
nb_execution_in_temp = True
nb_merge_streams = True

# --- the reference -----------------------------------------------------------------------------------------------

autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_preserve_defaults = True
autodoc_default_options = {"members": True}

# --- the site ----------------------------------------------------------------------------------------------------

html_math_renderer = "mathml"
html_theme = "pydata_sphinx_theme"
html_title = "dlgd"
html_static_path = ["static"]
html_css_files = ["dlgd.css"]
html_extra_path = ["site"]  # index.html, which leads to docs/index.html
html_show_sourcelink = False
html_copy_source = False
html_sidebars = {"docs/index": [], "docs/start": []}  # which have no pages below them
html_theme_options = {
    "show_prev_next": True,
    "navigation_with_keys": False,
    "show_nav_level": 1,
    "navbar_align": "left",
    "header_links_before_dropdown": 6,
    # All pages but the tutorials, whose code needs the width.
    "secondary_sidebar_items": {
        pattern: ["page-toc"] for pattern in ("*", "[!d]*/**", "dlgd/**", "docs/*", "docs/[!t]*/**")
    }
    | {"docs/tutorials/*": []},
    "footer_start": ["copyright"],
    "footer_end": [],
    "pygments_light_style": "a11y-high-contrast-light",
    "pygments_dark_style": "a11y-high-contrast-dark",
}
