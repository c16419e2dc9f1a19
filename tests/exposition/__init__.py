"""Tests of aggregator/exposition/."""
