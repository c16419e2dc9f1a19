"""The default catalog, composed once for all tests."""

from aggregator.models.catalog.default_catalog import compose_default_catalog

CATALOG = compose_default_catalog()
