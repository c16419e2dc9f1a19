"""Tests of what is published: distributions, versions, licenses, the SBOM and the site of the documentation."""
