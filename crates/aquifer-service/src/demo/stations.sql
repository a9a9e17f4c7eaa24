--- Each statement below is one endpoint: its name, its route, its parameters.
--- `aquifer check --queries <this directory>` verifies them; `aquifer serve` reads them at its start.

-- name: stations.list :many
-- http: GET /stations
-- doc:  All gauging stations, or those of one river.
-- param river: text?
-- limit: 200 max 1000
SELECT id, code, river, lat, level_m
FROM   stations
WHERE  :river IS NULL OR river = :river
ORDER  BY id;

-- name: stations.get :one
-- http: GET /stations/{id}
-- doc:  One station with its latest level.
-- param id: int64 min=1
SELECT id, code, river, lat, level_m
FROM   stations
WHERE  id = :id;
