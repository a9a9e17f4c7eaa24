//! What observers hear of the server besides answers.

use std::sync::{Arc, Mutex};

use aquifer::driver::{Dsn, EmptyEnvironment, ServerNotice};
use aquifer::postgres::{Notice, PostgresConnector, SessionObserver, Severity};
use aquifer::{Builder, Db, Observer, Result};

use super::SERVER;

#[derive(Default)]
struct Heard(Mutex<Vec<String>>);

impl Heard {
    fn take(&self) -> Vec<String> {
        std::mem::take(&mut *self.0.lock().unwrap())
    }

    fn hears(&self, what: String) {
        self.0.lock().unwrap().push(what);
    }
}

impl Observer for Heard {
    fn notice(&self, pool: &str, notice: &ServerNotice<'_>) {
        let (severity, code) = (notice.severity, notice.code.unwrap_or("-"));
        let hint = notice.hint.unwrap_or("-");
        self.hears(format!("{pool}: {severity} {code} {} {hint}", notice.message));
        assert!(!format!("{notice:?}").contains(notice.message));
    }

    fn parameter(&self, pool: &str, name: &str, value: &str) {
        self.hears(format!("{pool}: {name}={value}"));
    }
}

impl SessionObserver for Heard {
    fn notice(&self, notice: &Notice) {
        assert_eq!(notice.severity(), Severity::Warning);
        self.hears(format!("driver: {}", notice.message()));
    }
}

const RAISE: &str = "DO $$ BEGIN
     RAISE WARNING 'level of % is odd', 7 USING ERRCODE = 'AQ001', HINT = 'look';
 END $$";

#[tokio::test]
async fn notices_and_changed_settings_reach_every_observer() -> Result<()> {
    let database = SERVER.fresh_database().unwrap();
    let heard = Arc::new(Heard::default());
    let observer: Arc<dyn Observer> = Arc::<Heard>::clone(&heard);
    let db = Db::builder(database.url())?.observer(observer).open()?;
    db.ping().await?;
    assert_eq!(heard.take(), Vec::<String>::new());
    db.exec(RAISE, ()).await?;
    assert_eq!(heard.take(), ["primary: WARNING AQ001 level of 7 is odd look"]);
    let mut conn = db.acquire().await?;
    conn.exec("SET TIME ZONE 'Asia/Tokyo'", ()).await?;
    assert_eq!(heard.take(), ["primary: TimeZone=Asia/Tokyo"]);
    conn.exec("DROP TABLE IF EXISTS nowhere", ()).await?;
    let expected = "primary: NOTICE 00000 table \"nowhere\" does not exist, skipping -";
    assert_eq!(heard.take(), [expected]);
    Ok(())
}

#[tokio::test]
async fn an_observer_of_the_driver_hears_beside_those_of_the_db() -> Result<()> {
    let database = SERVER.fresh_database().unwrap();
    let (general, own) = (Arc::new(Heard::default()), Arc::new(Heard::default()));
    let dsn = Dsn::parse(database.url())?;
    let observer: Arc<dyn SessionObserver> = Arc::<Heard>::clone(&own);
    let connector = PostgresConnector::from_dsn(&dsn, &EmptyEnvironment)?.with_observer(observer);
    let connector = Arc::new(connector);
    let alone = Builder::from_connector(Arc::<PostgresConnector>::clone(&connector) as _).open()?;
    alone.exec(RAISE, ()).await?;
    assert_eq!(own.take(), ["driver: level of 7 is odd"]);
    let observer: Arc<dyn Observer> = Arc::<Heard>::clone(&general);
    let watched = Builder::from_connector(connector).observer(observer).open()?;
    watched.exec(RAISE, ()).await?;
    assert_eq!(own.take(), ["driver: level of 7 is odd"]);
    assert_eq!(general.take(), ["primary: WARNING AQ001 level of 7 is odd look"]);
    Ok(())
}
