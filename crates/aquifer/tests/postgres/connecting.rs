//! What happens around opening connections.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use aquifer::driver::{Connector, Dsn, EmptyEnvironment};
use aquifer::pool::Warning;
use aquifer::postgres::{PostgresConnector, Secret};
use aquifer::{Builder, Db, Error, ErrorKind, Observer, Result};
use aquifer_testkit::pgbouncer::{PgBouncer, PoolMode};
use aquifer_testkit::postgres::{Auth, Role, Server, Settings};

#[tokio::test]
async fn each_connection_asks_for_its_password_anew() -> Result<()> {
    let role = Role::new("app", Auth::Scram).password("first");
    let server = Server::start(Settings::new().role(role)).unwrap();
    let current = Arc::new(Mutex::new("first"));
    let asked = Arc::new(AtomicU32::new(0));
    let dsn = Dsn::parse(&server.url_of("app", "of no use", "aquifer"))?;
    let connector = PostgresConnector::from_dsn(&dsn, &EmptyEnvironment)?.before_connect({
        let (current, asked) = (Arc::clone(&current), Arc::clone(&asked));
        move |mut config| {
            asked.fetch_add(1, Ordering::Relaxed);
            let password = *current.lock().unwrap();
            async move {
                // It may take its time.
                tokio::task::yield_now().await;
                config.password = Some(Secret::new(password));
                Ok(config)
            }
        }
    });
    let db = Builder::from_connector(Arc::new(connector)).max_open(3).open()?;
    let first = db.acquire().await?;

    server.psql("ALTER ROLE app PASSWORD 'second'").unwrap();
    let stale = db.acquire().await.unwrap_err();
    assert_eq!(stale.kind(), ErrorKind::Authentication, "{stale}");
    assert!(!format!("{stale:?} {stale}").contains("first"));

    *current.lock().unwrap() = "second";
    let mut second = db.acquire().await?;
    assert_eq!(second.get::<String>("SELECT current_user::text", ()).await?, "app");
    assert_eq!(asked.load(Ordering::Relaxed), 3, "once per connection that was dialled");
    drop((first, second));
    db.get::<i32>("SELECT 1", ()).await?;
    assert_eq!(asked.load(Ordering::Relaxed), 3, "not for one that is open");
    Ok(())
}

#[tokio::test]
async fn what_the_hook_says_is_why_there_is_no_connection() -> Result<()> {
    let dsn = Dsn::parse("postgres://app@db.invalid/shop")?;
    let connector =
        PostgresConnector::from_dsn(&dsn, &EmptyEnvironment)?.before_connect(|_| async {
            Err(Error::new(ErrorKind::Authentication, "the vault is sealed"))
        });
    assert_eq!(connector.target(), "db.invalid:5432/shop");
    let db = Builder::from_connector(Arc::new(connector)).open()?;
    let sealed = db.ping().await.unwrap_err();
    assert_eq!(sealed.kind(), ErrorKind::Authentication);
    assert!(sealed.to_string().contains("the vault is sealed"), "{sealed}");
    Ok(())
}

#[tokio::test]
async fn a_hook_may_move_the_host() -> Result<()> {
    let server = &*super::SERVER;
    let dsn = Dsn::parse("postgres://aquifer@db.invalid/aquifer")?;
    let here = Dsn::parse(&server.url())?;
    let here = PostgresConnector::from_dsn(&here, &EmptyEnvironment)?.config().clone();
    let connector =
        PostgresConnector::from_dsn(&dsn, &EmptyEnvironment)?.before_connect(move |mut config| {
            config.hosts.clone_from(&here.hosts);
            config.user.clone_from(&here.user);
            config.password.clone_from(&here.password);
            async { Ok(config) }
        });
    let db = Builder::from_connector(Arc::new(connector)).open()?;
    assert_eq!(db.get::<i32>("SELECT 1", ()).await?, 1);
    Ok(())
}

#[derive(Default)]
struct Limits(Mutex<Vec<Warning>>);

impl Observer for Limits {
    fn warning(&self, pool: &str, warning: &Warning) {
        assert_eq!(pool, "primary");
        self.0.lock().unwrap().push(warning.clone());
    }
}

impl Limits {
    fn of(&self) -> Vec<Warning> {
        self.0.lock().unwrap().clone()
    }
}

#[tokio::test]
async fn a_pool_that_is_larger_than_the_server_allows_is_warned_of_once() -> Result<()> {
    let server = Server::start(
        Settings::new().max_connections(20).log_statements().role(Role::new("few", Auth::Trust)),
    )
    .unwrap();
    server.psql("ALTER ROLE few CONNECTION LIMIT 5").unwrap();
    // Three are reserved to superusers.
    for (url, max_open, expected) in [
        (server.url(), 17, None),
        (server.url(), 18, Some(17)),
        (server.url_of("few", "", "aquifer"), 6, Some(5)),
    ] {
        let limits = Arc::new(Limits::default());
        let observer: Arc<dyn Observer> = Arc::<Limits>::clone(&limits);
        let before = asked(&server);
        let db = Db::builder(&url)?.max_open(max_open).observer(observer).open()?;
        db.warm_up(2).await?;
        while asked(&server) == before || db.stats().in_use > 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        let expected: Vec<_> =
            expected.map(|server| Warning::ServerLimit { max_open, server }).into_iter().collect();
        for _ in 0..3 {
            db.get::<i32>("SELECT 1", ()).await?;
        }
        assert_eq!(limits.of(), expected);
        assert!(db.close().await.is_clean());
        assert_eq!(asked(&server), before + 1, "one question for the whole `Db`");
    }
    // Behind a pooler the limit is the pooler's.
    let pooler = PgBouncer::start(&server, PoolMode::Transaction).unwrap();
    let limits = Arc::new(Limits::default());
    let observer: Arc<dyn Observer> = Arc::<Limits>::clone(&limits);
    let url = format!("{}?default_query_exec_mode=cache_describe", pooler.url());
    let before = asked(&server);
    let db = Db::builder(&url)?.max_open(1000).observer(observer).open()?;
    db.warm_up(1).await?;
    while asked(&server) == before || db.stats().in_use > 0 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert_eq!(limits.of(), []);
    // Nobody would hear.
    let db = Db::builder(&server.url())?.max_open(1000).open()?;
    let before = asked(&server);
    db.warm_up(2).await?;
    assert!(db.close().await.is_clean());
    assert_eq!(asked(&server), before);
    Ok(())
}

/// How often the server was asked for its limit.
fn asked(server: &Server) -> usize {
    let statements = server.statements();
    statements.iter().filter(|sql| sql.contains("superuser_reserved_connections")).count()
}
