CREATE TABLE IF NOT EXISTS dni (
    id SERIAL PRIMARY KEY,
    name TEXT NOT NULL,
    dni TEXT NOT NULL UNIQUE
);

CREATE TABLE IF NOT EXISTS flights (
    id SERIAL PRIMARY KEY,
    flight_number TEXT NOT NULL UNIQUE,
    airline TEXT NOT NULL,
    origin TEXT NOT NULL,
    destination TEXT NOT NULL,
    departure_date DATE NOT NULL,
    arrival_date DATE NOT NULL
);

CREATE TABLE IF NOT EXISTS immigration (
    id SERIAL PRIMARY KEY,
    name TEXT NOT NULL,
    dni TEXT NOT NULL UNIQUE,
    lodging TEXT NOT NULL,
    declared_money NUMERIC NOT NULL,
    flight_number TEXT NOT NULL
);

INSERT INTO dni (name, dni) VALUES
    ('John Doe', '12345678A'),
    ('Jane Roe', '87654321B')
ON CONFLICT DO NOTHING;

INSERT INTO flights (flight_number, airline, origin, destination, departure_date, arrival_date) VALUES
    ('AA123', 'AA', 'JFK', 'LAX', '2023-10-15', '2023-10-15'),
    ('IB456', 'IB', 'MAD', 'EZE', '2023-10-16', '2023-10-17')
ON CONFLICT DO NOTHING;
