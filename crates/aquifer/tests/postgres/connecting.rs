//! What happens around opening connections.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};

use aquifer::driver::{Connector, Dsn, EmptyEnvironment};
use aquifer::postgres::{PostgresConnector, Secret};
use aquifer::{Builder, Error, ErrorKind, Result};
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
