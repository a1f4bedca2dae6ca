"""The documentation site: pages that are made from the program itself, and the site of all pages (``./run docs``)."""
