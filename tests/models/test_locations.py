"""The location of a position: the nearest city, its country and its continent."""

import subprocess
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aggregator.models.locations import (
    MAX_DISTANCE_KM,
    CityIndex,
    Country,
    Location,
    compute_distance_km,
    decode_locations,
    encode_locations,
    find_location,
)
from demo.fleet_parts import CITIES
from demo.fleet_parts import City as DemoCity
from tools.locations import City, build_data, rename_districts

SLOVENIA = {"SI": {"name": "Slovenia", "continentcode": "EU"}}


def build_city(name: str, latitude: float, longitude: float, population: int = 10_000, region: str = "1") -> City:
    """Return a city of Slovenia."""
    return City(name, latitude, longitude, "SI", region, population)


def find_in(cities: list[City], latitude: float, longitude: float) -> str | None:
    """Return the name of the city that is found among these cities, after they were written to a file and read."""
    data = decode_locations(encode_locations(build_data(cities, SLOVENIA)))
    location = CityIndex(data).find_nearest(latitude, longitude)
    return None if location is None else location.city


@pytest.mark.parametrize(
    ("position", "expected"),
    [
        ((46.2389, 14.3556), Location("Kranj", "SI", "Slovenia", "Europe")),
        ((-33.4489, -70.6693), Location("Santiago", "CL", "Chile", "South America")),
        ((40.7128, -74.0060), Location("New York City", "US", "United States", "North America")),
        ((35.6895, 139.6917), Location("Tokyo", "JP", "Japan", "Asia")),
        ((-1.2921, 36.8219), Location("Nairobi", "KE", "Kenya", "Africa")),
        ((-36.8485, 174.7633), Location("Auckland", "NZ", "New Zealand", "Oceania")),
    ],
)
def test_cities_of_all_continents(position: tuple[float, float], expected: Location) -> None:
    """The centre of a city has its name, country and continent."""
    assert find_location(*position) == expected


@pytest.mark.parametrize("city", CITIES, ids=lambda city: city.name)
def test_cities_of_the_demo(city: DemoCity) -> None:
    """Every city of the simulated fleet is found under its English name."""
    location = find_location(city.latitude, city.longitude)
    assert location is not None
    assert location.city.casefold().replace("ń", "n") == city.name


@pytest.mark.parametrize(
    ("position", "country"),
    [((45.9560, 13.6480), "SI"), ((45.9408, 13.6219), "IT"), ((46.1950, 6.2360), "FR"), ((46.2044, 6.1432), "CH")],
)
def test_both_sides_of_a_border(position: tuple[float, float], country: str) -> None:
    """Nova Gorica and Gorizia, Annemasse and Geneva: the nearest city decides the country."""
    location = find_location(*position)
    assert location is not None
    assert location.country == country


def test_a_district_is_part_of_its_city() -> None:
    """Kreuzberg is in Berlin; Potsdam, which is near, is not."""
    kreuzberg, potsdam = find_location(52.497, 13.403), find_location(52.39, 13.06)
    assert kreuzberg is not None
    assert potsdam is not None
    assert (kreuzberg.city, potsdam.city) == ("Berlin", "Potsdam")


@pytest.mark.parametrize("position", [(90.0, 0.0), (-90.0, 180.0), (-40.0, -120.0), (0.0, -150.0)])
def test_no_city_is_near(position: tuple[float, float]) -> None:
    """The poles and the middle of the ocean have no location."""
    assert find_location(*position) is None


def test_the_limit_is_200_km() -> None:
    """A city is found from 199 km away, not from 201 km."""
    cities = [build_city("only", 46.0, 14.0)]
    degrees_per_km = 1 / compute_distance_km(0.0, 0.0, 1.0, 0.0)
    assert find_in(cities, 46.0 + 199 * degrees_per_km, 14.0) == "only"
    assert find_in(cities, 46.0 + 201 * degrees_per_km, 14.0) is None


def test_the_nearest_city_is_the_one_by_great_circle() -> None:
    """Far north, a degree of longitude is much shorter than a degree of latitude."""
    cities = [build_city("one degree south", 79.0, 10.0), build_city("two degrees east", 80.0, 12.0)]
    assert find_in(cities, 80.0, 10.0) == "two degrees east"


def test_cities_are_found_across_the_date_line() -> None:
    """179.9° east and 179.9° west are 22 km apart on the equator."""
    assert find_in([build_city("west", 0.5, -179.9), build_city("east", 0.5, 179.0)], 0.5, 179.9) == "west"


LATITUDES = st.floats(-90, 90) | st.sampled_from([-90.0, 0.0, 89.9, 90.0])
LONGITUDES = st.floats(-180, 180) | st.sampled_from([-180.0, -179.9, 179.9, 180.0])


@settings(max_examples=200, deadline=None)
@given(
    positions=st.lists(st.tuples(LATITUDES, LONGITUDES), min_size=1, max_size=8),
    offset=st.tuples(st.floats(-3, 3), st.floats(-3, 3)),
)
def test_no_city_is_nearer(positions: list[tuple[float, float]], offset: tuple[float, float]) -> None:
    """The city that is found is as near as the nearest one of all, everywhere on earth."""
    cities = [build_city(str(index), *position) for index, position in enumerate(positions)]
    latitude = max(-90.0, min(90.0, positions[0][0] + offset[0]))
    longitude = max(-180.0, min(180.0, positions[0][1] + offset[1]))
    distances = [compute_distance_km(latitude, longitude, city.latitude, city.longitude) for city in cities]
    found = find_in(cities, latitude, longitude)
    # The file rounds positions to a few metres.
    if found is None:
        assert min(distances) > MAX_DISTANCE_KM - 0.01
    else:
        assert distances[int(found)] <= min(*distances, MAX_DISTANCE_KM) + 0.01


@pytest.mark.parametrize(
    ("other", "expected"),
    [
        (build_city("inside", 46.0, 14.05), "large"),
        (build_city("outside", 46.0, 14.2), "outside"),
        (build_city("not small", 46.0, 14.05, population=200_000), "not small"),
        (build_city("in another region", 46.0, 14.05, region="2"), "in another region"),
    ],
    ids=lambda value: value.name if isinstance(value, City) else "",
)
def test_which_cities_are_districts(other: City, expected: str) -> None:
    """A city is a district if a city of its region, three times larger, covers its position."""
    cities = [build_city("large", 46.0, 14.0, population=500_000), other]
    assert [city.name for city in rename_districts(cities)] == ["large", expected]


def test_the_data_file_is_read_on_demand() -> None:
    """A process without positions does not read the data file: importing the module opens no file but modules."""
    script = (
        "import sys; opened = []\n"
        "sys.addaudithook(lambda event, args: opened.append(str(args[0])) if event == 'open' else None)\n"
        "from aggregator.models import locations\n"
        "before = [path for path in opened if path.endswith(locations.DATA_FILE)]\n"
        "locations.find_location(46.0, 14.0); locations.find_location(47.0, 15.0)\n"
        "print(len(before), len([path for path in opened if path.endswith(locations.DATA_FILE)]))\n"
    )
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert result.stdout.split() == ["0", "1"]


def test_the_data_file_keeps_countries_and_names() -> None:
    """The tool that writes the file names the country and its continent."""
    data = decode_locations(encode_locations(build_data([build_city("Škofja Loka", 46.2, 14.3)], SLOVENIA)))
    assert data.countries == (Country("SI", "Slovenia", "Europe"),)
    assert data.city_names.decode() == "Škofja Loka"
