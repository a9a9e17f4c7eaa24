CREATE TABLE rivers (
  id        INTEGER PRIMARY KEY,
  name      TEXT    NOT NULL UNIQUE,
  length_km INTEGER NOT NULL
);

CREATE TABLE stations (
  id      INTEGER PRIMARY KEY,
  code    TEXT    NOT NULL UNIQUE,
  river   TEXT    NOT NULL REFERENCES rivers (name),
  lat     REAL    NOT NULL,
  lon     REAL    NOT NULL,
  -- The latest reading, in metres.
  level_m REAL    NOT NULL
);

-- One reading per station and hour; `at` is in seconds since 1970-01-01T00:00:00Z.
CREATE TABLE readings (
  station_id INTEGER NOT NULL REFERENCES stations (id),
  at         INTEGER NOT NULL,
  level_m    REAL    NOT NULL,
  PRIMARY KEY (station_id, at)
) WITHOUT ROWID;

CREATE TABLE alerts (
  id         INTEGER PRIMARY KEY,
  station_id INTEGER NOT NULL REFERENCES stations (id),
  level_m    REAL    NOT NULL CHECK (level_m BETWEEN 0 AND 50),
  note       TEXT,
  created_at TEXT    NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%SZ', 'now'))
);
