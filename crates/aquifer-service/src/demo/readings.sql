-- name: readings.recent :many
-- http: GET /stations/{id}/readings
-- doc:  The readings of a station, newest first.
-- param id: int64 min=1
-- limit: 100 max 1000
SELECT strftime('%Y-%m-%dT%H:%M:%SZ', at, 'unixepoch') AS at, level_m
FROM   readings
WHERE  station_id = :id
ORDER  BY readings.at DESC;

-- name: readings.search :many
-- http: QUERY /readings/search
-- doc:  Readings of a river's stations, between two moments and above a level.
-- param river: text
-- param after: timestamptz? as unix
-- param before: timestamptz? as unix
-- param above_m: float64?
-- limit: 100 max 10000
SELECT s.code,
       strftime('%Y-%m-%dT%H:%M:%SZ', r.at, 'unixepoch') AS at,
       r.level_m
FROM   stations s
JOIN   readings r ON r.station_id = s.id
WHERE  s.river = :river
  AND  (:after   IS NULL OR r.at >= :after)
  AND  (:before  IS NULL OR r.at <  :before)
  AND  (:above_m IS NULL OR r.level_m > :above_m)
ORDER  BY s.id, r.at;

-- name: readings.daily :many
-- http: GET /readings/daily
-- doc:  Lowest, mean and highest level of a station, day by day.
-- param station: int64 min=1
SELECT date(at, 'unixepoch')    AS day,
       min(level_m)             AS low_m,
       round(avg(level_m), 3)   AS mean_m,
       max(level_m)             AS high_m,
       count(*)                 AS readings
FROM   readings
WHERE  station_id = :station
GROUP  BY at / 86400
ORDER  BY day;
