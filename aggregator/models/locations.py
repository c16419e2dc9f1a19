"""Finds the location of a position offline: the nearest city, and its country and continent.

tools/locations.py writes the data file from GeoNames; NOTICE has the attribution. The file is read when the first
position needs it.
"""

import math
import sys
import zlib
from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from functools import cache, lru_cache
from importlib.resources import files
from itertools import accumulate

import msgspec

DATA_FILE = "locations.bin"
# A position that is farther away from all cities has no location.
MAX_DISTANCE_KM = 200.0

BANDS_PER_DEGREE = 4
BAND_COUNT = 180 * BANDS_PER_DEGREE + 1

# Most positions have a city within the first distance, where there are few to compare.
_SEARCH_DISTANCES_KM = (20.0, MAX_DISTANCE_KM)
_EARTH_RADIUS_KM = 6371.0
_KM_PER_DEGREE = math.radians(_EARTH_RADIUS_KM)


class Country(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A country: its ISO 3166-1 alpha-2 code, and the English names of it and its continent."""

    code: str
    name: str
    continent: str


class Location(msgspec.Struct, frozen=True, gc=False):
    """Where a node is: the fields of the node that its position determines."""

    city: str
    country: str
    country_name: str
    continent: str


class LocationData(msgspec.Struct, frozen=True, array_like=True):
    """The content of the data file: cities in parallel arrays, by bands of latitude from south to north.

    A band covers 1/BANDS_PER_DEGREE degrees; its cities are sorted by longitude. `band_sizes` are their numbers.
    Latitudes and longitudes are little-endian 32-bit floats in degrees. `country_indexes` has one byte for each city,
    its index in `countries`. City names are UTF-8, one on each line.
    """

    countries: tuple[Country, ...]
    band_sizes: tuple[int, ...]
    country_indexes: bytes
    latitudes: bytes
    longitudes: bytes
    city_names: bytes


class CityIndex:
    """Cities by position."""

    def __init__(self, data: LocationData) -> None:
        self._countries, self._country_indexes = data.countries, data.country_indexes
        self._band_starts = tuple(accumulate(data.band_sizes, initial=0))
        self._latitudes, self._longitudes = _decode_floats(data.latitudes), _decode_floats(data.longitudes)
        self._names = data.city_names.split(b"\n")

    def find_nearest(self, latitude: float, longitude: float) -> Location | None:
        """Return the nearest city by great-circle distance, None if it is farther away than MAX_DISTANCE_KM."""
        for limit_km in _SEARCH_DISTANCES_KM:
            index = self._find_nearest_index(latitude, longitude, limit_km)
            if index is not None:
                country = self._countries[self._country_indexes[index]]
                return Location(self._names[index].decode(), country.code, country.name, country.continent)
        return None

    def _find_nearest_index(self, latitude: float, longitude: float, limit_km: float) -> int | None:
        distances = (
            (compute_distance_km(latitude, longitude, self._latitudes[index], self._longitudes[index]), index)
            for index in self._iter_candidates(latitude, longitude, limit_km)
        )
        distance, index = min(distances, default=(math.inf, 0))
        return index if distance <= limit_km else None

    def _iter_candidates(self, latitude: float, longitude: float, limit_km: float) -> Iterator[int]:
        """Yield the indexes of all cities within a distance, and of some others; an index may come twice."""
        margin = limit_km / _KM_PER_DEGREE
        longitude_margin = _compute_longitude_margin(latitude, margin)
        for band in range(get_band(max(latitude - margin, -90.0)), get_band(min(latitude + margin, 90.0)) + 1):
            start, end = self._band_starts[band], self._band_starts[band + 1]
            for center in (longitude, longitude - 360, longitude + 360):
                first = bisect_left(self._longitudes, center - longitude_margin, start, end)
                yield from range(first, bisect_right(self._longitudes, center + longitude_margin, first, end))


# The positions of a fleet, which every refresh looks up again.
@lru_cache(maxsize=2**15)
def find_location(latitude: float, longitude: float) -> Location | None:
    """Return the location of a position in degrees, None if no city is near."""
    return _load_cities().find_nearest(latitude, longitude)


def encode_locations(data: LocationData) -> bytes:
    """Return the content of the data file."""
    return zlib.compress(msgspec.msgpack.encode(data), level=9)


def decode_locations(content: bytes) -> LocationData:
    """Return the data of a data file."""
    return msgspec.msgpack.decode(zlib.decompress(content), type=LocationData)


def get_band(latitude: float) -> int:
    """Return the number of the band that contains a latitude."""
    return int((latitude + 90) * BANDS_PER_DEGREE)


def _compute_longitude_margin(latitude: float, margin: float) -> float:
    """Return by how many degrees of longitude a position within a margin, in degrees, can differ."""
    if abs(latitude) + margin >= 90:
        return 180.0
    return math.degrees(math.asin(math.sin(math.radians(margin)) / math.cos(math.radians(latitude))))


@cache
def _load_cities() -> CityIndex:
    return CityIndex(decode_locations((files("aggregator.models") / DATA_FILE).read_bytes()))


def _decode_floats(encoded: bytes) -> "array[float]":
    floats = array("f", encoded)
    if sys.byteorder == "big":
        floats.byteswap()
    return floats


def compute_distance_km(latitude: float, longitude: float, other_latitude: float, other_longitude: float) -> float:
    """Return the great-circle distance of two positions in degrees."""
    phi, other_phi = math.radians(latitude), math.radians(other_latitude)
    sine_of_half_latitude = math.sin((other_phi - phi) / 2)
    sine_of_half_longitude = math.sin(math.radians(other_longitude - longitude) / 2)
    haversine = sine_of_half_latitude**2 + math.cos(phi) * math.cos(other_phi) * sine_of_half_longitude**2
    return 2 * _EARTH_RADIUS_KM * math.asin(min(1.0, math.sqrt(haversine)))
