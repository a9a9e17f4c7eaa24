-- Queries as a service has them: every part of the language of heads is here.

-- name: stations.get :one
-- http: GET /stations/{id}
-- doc:  A station by its number.
-- param id: int64 min=1
SELECT id, code, river, lat, level_m FROM stations WHERE id = :id;

-- name: stations.readings :many
-- http: GET /stations/{id}/readings
-- doc:  The readings of a station, newest first,
-- doc:  as far back as asked for.
-- param id: int64 min=1
-- param after: timestamptz?
-- param verified: bool = false
-- limit: 100 max 1000
SELECT at, level_m
FROM   readings -- one row per hour; see 'docs'
WHERE  station_id = :id
  AND  (:after IS NULL OR at > :after)
  AND  (NOT :verified OR state = 'verified')
ORDER  BY at DESC;

-- name: readings.create :one
-- http: POST /readings
-- param station: int64 min=1
-- param at: timestamptz
-- param level_m: float64 min=-10 max=50
-- param state: enum(raw, verified, rejected) = raw
-- param source: uuid?
-- param note: text? max=200
-- param photo: bytes? max=65536
INSERT INTO readings (station_id, at, level_m, state, source, note, photo)
VALUES (:station, :at, :level_m, :state, :source, :note, :photo)
RETURNING id;

-- name: readings.search :many
-- http: QUERY /readings/search
-- param stations: json
-- param above: decimal?
-- param since: date = 2024-01-01
-- limit: 1000 max 10000
SELECT station_id, at, level_m
FROM   readings
WHERE  station_id IN (SELECT value FROM json_each(:stations))
  AND  (:above IS NULL OR level_m > :above)
  AND  at >= :since
ORDER  BY station_id, at;
