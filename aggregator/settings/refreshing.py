"""How often the upstream is asked, and how much is asked of it."""

from collections.abc import Iterator

from aggregator.settings.kinds import Bytes, Count, Group, Seconds, SecondsOrNone, setting


class RefreshSettings(Group):
    """The pace of refreshes and what a query may take."""

    CLUSTER_NAME: str = setting(
        "default",
        "name of the cluster of hosts whose series have a `node` label but none that tells their cluster",
        "a name",
    )
    REFRESH_INTERVAL: Seconds = setting(
        10.0,
        "seconds from the start of one refresh to the next; less than MAX_STALE",
        "seconds, more than 0, at most 86400",
    )
    REFRESH_TIMEOUT: Seconds = setting(
        10.0,
        "seconds that all queries of a refresh may take together, and the reading of their answers; where one is not "
        "answered, what came of the others is read for half as long more at most",
        "seconds, more than 0, at most 86400",
    )
    QUERY_TIMEOUT: Seconds = setting(
        5.0,
        "seconds that one query may take; no more than REFRESH_TIMEOUT, which ends all of them",
        "seconds, more than 0, at most 86400",
    )
    MAX_STALE: Seconds = setting(
        300.0,
        "seconds for which the last good answer is served while the upstream fails; more than REFRESH_INTERVAL",
        "seconds, more than 0, at most 86400",
    )
    VANISHED_NOTICE: SecondsOrNone = setting(
        300.0,
        "seconds for which answers are marked incomplete after a cluster, or at least a tenth of all nodes, vanished "
        "between two refreshes; 0: not marked",
        "seconds, 0 or more",
    )
    QUERY_CONCURRENCY: Count = setting(8, "queries that are under way at once, with each upstream", "1 to 100")
    MAX_ANSWER_BYTES: Bytes = setting(
        256 * 2**20,
        "bytes that one answer may have; a larger one counts as failed",
        "bytes, at least 1024",
        "268435456 (256 MiB)",
    )

    def contradictions(self) -> Iterator[str]:
        """Yield what the pace and the patience have against each other."""
        yield from super().contradictions()
        if self.REFRESH_INTERVAL >= self.MAX_STALE:
            interval, stale = f"{self.REFRESH_INTERVAL:g}", f"{self.MAX_STALE:g}"
            if "MAX_STALE" in self.model_fields_set:
                yield f"MAX_STALE: is {stale}; expected: more than REFRESH_INTERVAL, which is {interval}"
            else:
                yield f"REFRESH_INTERVAL: is {interval}; expected: less than MAX_STALE, which is {stale} unless set"

    def remarks(self) -> Iterator[str]:
        """Yield a patience that never comes into play."""
        yield from super().remarks()
        if "QUERY_TIMEOUT" in self.model_fields_set and self.QUERY_TIMEOUT > self.REFRESH_TIMEOUT:
            yield f"QUERY_TIMEOUT is more than REFRESH_TIMEOUT: no query gets more than {self.REFRESH_TIMEOUT:g} s"
