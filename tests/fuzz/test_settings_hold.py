"""Environments of any kind: each gives settings or says what is wrong, and never what is secret."""

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from aggregator import settings
from aggregator.errors import SettingsError
from aggregator.querier.client import Client, Limits
from aggregator.settings import FILE_SUFFIX, SECRETS, Settings
from tests.fuzz.effort import tries

# Long enough not to be part of a message by chance; what stands around it may be told.
SECRET = "hunter2-hunter2"
NAMES = sorted(Settings.model_fields)
NUMBERS = ["0", "1", "-1", "1e400", "nan", "inf", "1_0", "٣", "9" * 5_000]
WORDS = ["", " ", "true", "on", "OFF", "1.2.5", "[]", "{}", "\x00", "\ud800", "\udcff", "-----BEGIN"]
ADDRESSES = [
    "http://",
    "http://h:99999",
    "http://[",
    "http://[::1",
    "https://u:p@h/@",
    "http://h?q#f",
    "//h",
    "http://\udcff@h",
]
TEXT = st.text(max_size=30) | st.sampled_from([*NUMBERS, *WORDS, *ADDRESSES])
NEAR_TEXT = st.builds("{}{}{}".format, TEXT, st.just(SECRET), TEXT) | st.builds(
    "{}://{}:{}@{}".format, st.sampled_from(["http", "https", "ftp"]), TEXT, st.just(SECRET), TEXT
)


def read(environment: dict[str, str]) -> str:
    """Return what reading an environment says: of the settings as they print, or of what is wrong."""
    try:
        read_settings = settings.read(environment)
    except SettingsError as error:
        problems = error.problems
    else:
        # What is made of it at the start must not fail either.
        for address in read_settings.upstreams:
            Client(address, Limits(1, 1024, 1), read_settings.access).close()
        return repr(read_settings)
    assert problems
    # One problem a line, each with the name of its variable before all else.
    named = [line.partition(":")[0] for line in problems]
    assert all(name in NAMES or name.removesuffix(FILE_SUFFIX) in NAMES for name in named)
    return "\n".join(problems)


@tries(120)
@given(st.dictionaries(st.sampled_from(NAMES), TEXT, max_size=6))
def test_any_environment(environment: dict[str, str]) -> None:
    """Whatever the variables hold, they become settings or a list of problems, a line each."""
    assert read(environment)
    assert read({"PROMETHEUS_ADDRESS": "http://h", **environment})


@tries(120)
@given(st.dictionaries(st.sampled_from(sorted(SECRETS)), NEAR_TEXT, min_size=1))
def test_no_secret_is_told(environment: dict[str, str]) -> None:
    """Neither settings nor problems print what a secret variable holds, right or wrong."""
    assert SECRET not in read(environment)
    assert SECRET not in read({"PROMETHEUS_ADDRESS": "http://h", **environment, "HTTP_PORT": "x"})


@tries(100)
@given(st.sampled_from(sorted(SECRETS)), st.binary(max_size=40), st.binary(max_size=40))
def test_no_secret_of_a_file_is_told(tmp_path: Path, name: str, before: bytes, behind: bytes) -> None:
    """The same where a file holds it, whatever bytes are around it."""
    held = tmp_path / "secret"
    held.write_bytes(before + SECRET.encode() + behind)
    assert SECRET not in read({"PROMETHEUS_ADDRESS": "http://h", name + FILE_SUFFIX: str(held)})


@tries(60)
@given(st.sampled_from(sorted(SECRETS)), TEXT)
def test_any_file_name(name: str, path: str) -> None:
    """A file that cannot be one is a problem like others."""
    assert read({"PROMETHEUS_ADDRESS": "http://h", name + FILE_SUFFIX: f"nowhere/{path}"})
