//! The demo's data: a fixed seed, a small generator of our own, and one formula for the readings, which
//! SQLite computes.

use aquifer::{Db, Result};

/// Stations.
pub(super) const STATIONS: u32 = 200;
/// Readings per station, one per hour.
pub(super) const HOURS: u32 = 1_000;
/// Written into the file as `user_version`; another demo gets another number.
pub(super) const VERSION: i64 = 1;

const SCHEMA: &str = include_str!("schema.sql");
/// 2026-01-01T00:00:00Z.
const START_S: i64 = 1_767_225_600;
const SEED: u64 = 0x61_71_75_69_66_65_72;
/// Names, lengths in kilometres, and how many of the stations stand on them.
const RIVERS: [(&str, u32, u32); 10] = [
    ("Nera", 116, 31),
    ("Tiber", 405, 27),
    ("Arno", 241, 22),
    ("Po", 652, 36),
    ("Adige", 410, 20),
    ("Piave", 220, 14),
    ("Brenta", 174, 12),
    ("Oglio", 280, 14),
    ("Adda", 313, 13),
    ("Ticino", 248, 11),
];

/// Steele, Lea and Flood's SplitMix64.
struct SplitMix(u64);

impl SplitMix {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }
}

#[derive(Debug, Clone, PartialEq)]
struct Station {
    id: i64,
    code: String,
    river: &'static str,
    lat: f64,
    lon: f64,
    /// The latest level, in centimetres.
    level_cm: i64,
}

fn stations() -> Vec<Station> {
    let mut random = SplitMix(SEED);
    let mut left = RIVERS.map(|(_, _, stations)| u64::from(stations));
    let mut stations = Vec::new();
    for id in 1..=i64::from(STATIONS) {
        // Draw a station without replacement from what the rivers have left.
        let mut draw = random.below(left.iter().sum());
        let mut river = 0;
        while draw >= left[river] {
            draw -= left[river];
            river += 1;
        }
        let (lat, lon) = (random.below(250), random.below(550));
        let level_cm = 90 + random.below(280) as i64;
        // The one that the documentation quotes.
        let (river, lat, level_cm) = if id == 7 { (0, 5, 184) } else { (river, lat, level_cm) };
        left[river] = left[river].saturating_sub(1);
        let name = RIVERS[river].0;
        stations.push(Station {
            id,
            code: format!("{}-{id:02}", &name[..1]),
            river: name,
            lat: (4_250 + lat) as f64 / 100.0,
            lon: (750 + lon) as f64 / 100.0,
            level_cm,
        });
    }
    stations
}

/// How far the level of station `s.id` is from its base at `h.hour`, in centimetres: a wave of a week,
/// and noise.
const DEVIATION_SQL: &str = "abs((h.hour + s.id * 37) % 168 - 84) / 3 \
                             + (s.id * 7919 + h.hour * 104729) % 10007 * 31 % 11";

/// Makes the tables and fills them.
///
/// # Errors
///
/// The database's error.
pub(super) async fn fill(db: &Db) -> Result<()> {
    db.transaction(async |tx| {
        tx.exec(SCHEMA, ()).await?;
        for (index, (name, length_km, _)) in RIVERS.iter().enumerate() {
            let row = (index as i64 + 1, *name, *length_km);
            tx.exec("INSERT INTO rivers (id, name, length_km) VALUES (?, ?, ?)", row).await?;
        }
        for station in stations() {
            let level_m = station.level_cm as f64 / 100.0;
            let row =
                (station.id, &*station.code, station.river, station.lat, station.lon, level_m);
            tx.exec(
                "INSERT INTO stations (id, code, river, lat, lon, level_m) VALUES (?, ?, ?, ?, ?, ?)",
                row,
            )
            .await?;
        }
        // Levels end, at the last hour, at what the stations say.
        let last = HOURS - 1;
        let last_deviation = DEVIATION_SQL.replace("h.hour", &last.to_string());
        let readings = format!(
            "WITH RECURSIVE h (hour) AS (SELECT 0 UNION ALL SELECT hour + 1 FROM h WHERE hour < {last}), \
             s (id, base_cm) AS MATERIALIZED \
             (SELECT s.id, CAST(round(s.level_m * 100) AS INTEGER) - ({last_deviation}) FROM stations s) \
             INSERT INTO readings (station_id, at, level_m) \
             SELECT s.id, {START_S} + h.hour * 3600, (s.base_cm + {DEVIATION_SQL}) / 100.0 \
             FROM s CROSS JOIN h"
        );
        tx.exec(&readings, ()).await?;
        tx.exec(&format!("PRAGMA user_version = {VERSION}"), ()).await?;
        Ok(())
    })
    .await
}

#[cfg(test)]
mod tests {
    use super::*;

    /// [`DEVIATION_SQL`] in Rust.
    fn deviation_cm(station: i64, hour: i64) -> i64 {
        let wave = (((hour + station * 37) % 168) - 84).abs() / 3;
        let noise = ((station * 7_919 + hour * 104_729) % 10_007 * 31) % 11;
        wave + noise
    }

    #[test]
    fn the_generator_is_splitmix64() {
        let mut random = SplitMix(1_234_567);
        let first: Vec<_> = (0..3).map(|_| random.next()).collect();
        assert_eq!(
            first,
            [6_457_827_717_110_365_317, 3_203_168_211_198_807_973, 9_817_491_932_198_370_423]
        );
    }

    #[test]
    fn station_7_is_the_one_that_the_documentation_quotes() {
        let stations = stations();
        assert_eq!(stations.len(), STATIONS as usize);
        let seven = &stations[6];
        assert_eq!(
            (&*seven.code, seven.river, seven.lat, seven.level_cm),
            ("N-07", "Nera", 42.55, 184)
        );
    }

    #[tokio::test]
    async fn readings_are_computed_alike_in_rust_and_in_sql() {
        let db = Db::connect("sqlite::memory:").await.unwrap();
        fill(&db).await.unwrap();
        let count: i64 = db.get("SELECT count(*) FROM readings", ()).await.unwrap();
        assert_eq!(count, i64::from(STATIONS * HOURS));
        let negative: i64 =
            db.get("SELECT count(*) FROM readings WHERE level_m <= 0", ()).await.unwrap();
        assert_eq!(negative, 0);
        for station in stations() {
            let levels: Vec<f64> = db
                .select(
                    "SELECT level_m FROM readings WHERE station_id = ? ORDER BY at",
                    (station.id,),
                )
                .await
                .unwrap();
            let last = i64::from(HOURS) - 1;
            let base = station.level_cm - deviation_cm(station.id, last);
            for (hour, level) in levels.iter().enumerate() {
                let expected = (base + deviation_cm(station.id, hour as i64)) as f64 / 100.0;
                assert_eq!(*level, expected, "station {} hour {hour}", station.id);
            }
            assert_eq!(levels.last(), Some(&(station.level_cm as f64 / 100.0)));
        }
    }
}
