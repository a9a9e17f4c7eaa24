-- name: alerts.create :one
-- http: POST /alerts
-- doc:  Raises an alert for a station.
-- param station: int64 min=1
-- param level_m: float64
-- param note: text? max=500
INSERT INTO alerts (station_id, level_m, note)
VALUES (:station, :level_m, :note)
RETURNING id, station_id, level_m, note, created_at;
