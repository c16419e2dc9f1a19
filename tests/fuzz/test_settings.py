"""Arbitrary environments give settings or a list of problems, and neither contains secrets."""

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from aggregator.errors import SettingsError
from aggregator.querier.prometheus.client import PrometheusClient, QueryLimits
from aggregator.settings import settings
from aggregator.settings.gateway import Settings
from aggregator.settings.settings import SECRET_FILE_SUFFIX, list_secret_names
from tests.fuzz.fuzz_settings import fuzz_examples

# Too long to be part of a message by chance. The text around it may be printed.
SECRET = "hunter2-hunter2"
SETTING_NAMES = sorted(Settings.model_fields)
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
TEXT_WITH_SECRET = st.builds("{}{}{}".format, TEXT, st.just(SECRET), TEXT) | st.builds(
    "{}://{}:{}@{}".format, st.sampled_from(["http", "https", "ftp"]), TEXT, st.just(SECRET), TEXT
)


def describe_environment(environment: dict[str, str]) -> str:
    """Return the printed settings of an environment, or its problems."""
    try:
        read_settings = settings.load_settings(environment, Settings)
    except SettingsError as error:
        problems = error.problems
    else:
        # Creating the clients at startup must not fail either.
        for address in read_settings.upstreams:
            PrometheusClient(address, QueryLimits(1, 1024, 1), read_settings.credentials).close()
        return repr(read_settings)
    assert problems
    # Each problem is one line that starts with the name of its variable.
    names = [line.partition(":")[0] for line in problems]
    assert all(name in SETTING_NAMES or name.removesuffix(SECRET_FILE_SUFFIX) in SETTING_NAMES for name in names)
    return "\n".join(problems)


@fuzz_examples(120)
@given(st.dictionaries(st.sampled_from(SETTING_NAMES), TEXT, max_size=6))
def test_an_environment_gives_settings_or_problems(environment: dict[str, str]) -> None:
    """Arbitrary values of variables give settings or a list of one-line problems."""
    assert describe_environment(environment)
    assert describe_environment({"PROMETHEUS_ADDRESS": "http://h", **environment})


@fuzz_examples(120)
@given(st.dictionaries(st.sampled_from(sorted(list_secret_names(Settings))), TEXT_WITH_SECRET, min_size=1))
def test_secrets_are_not_printed(environment: dict[str, str]) -> None:
    """Neither settings nor problems contain the value of a secret variable, valid or not."""
    assert SECRET not in describe_environment(environment)
    assert SECRET not in describe_environment({"PROMETHEUS_ADDRESS": "http://h", **environment, "HTTP_PORT": "x"})


@fuzz_examples(100)
@given(st.sampled_from(sorted(list_secret_names(Settings))), st.binary(max_size=40), st.binary(max_size=40))
def test_secrets_from_files_are_not_printed(tmp_path: Path, name: str, before: bytes, after: bytes) -> None:
    """Neither settings nor problems contain a secret from a file, whatever bytes are around it."""
    secret_file = tmp_path / "secret"
    secret_file.write_bytes(before + SECRET.encode() + after)
    assert SECRET not in describe_environment(
        {"PROMETHEUS_ADDRESS": "http://h", name + SECRET_FILE_SUFFIX: str(secret_file)}
    )


@fuzz_examples(60)
@given(st.sampled_from(sorted(list_secret_names(Settings))), TEXT)
def test_an_invalid_file_name_is_a_problem(name: str, path: str) -> None:
    """A file that cannot exist is reported as a problem."""
    assert describe_environment({"PROMETHEUS_ADDRESS": "http://h", name + SECRET_FILE_SUFFIX: f"nowhere/{path}"})
