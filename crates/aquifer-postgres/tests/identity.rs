//! Who is at the other end, and who this end is: certificates that are required, keys that are locked, lists
//! of what is revoked, the user behind a socket, and the password file that is not trusted.

mod support;

use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::PathBuf;
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};

use aquifer_driver::{Access, Connector, ErrorKind, Retry, RowBatch, Value};
use aquifer_postgres::{Notice, SessionObserver, Severity};
use aquifer_testkit::postgres::{Auth, Role, Server, ServerCertificate, Settings};

use support::{Postgres, SERVER, Session, connect, connector, run, socket_url};

/// A temporary directory.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let path =
            std::env::temp_dir().join(format!("aquifer-identity-{}-{number}", std::process::id()));
        fs::create_dir(&path).unwrap();
        Self(path)
    }

    fn write(&self, name: &str, text: &[u8], mode: u32) -> String {
        let path = self.0.join(name);
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
        path.display().to_string()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[test]
fn a_required_certificate_is_refused_by_the_client_where_the_server_does_not_ask() {
    let asking =
        Server::start(Settings::new().tls(ServerCertificate::Good).auth(Auth::Cert)).unwrap();
    run(async {
        let certified = |url: &str| {
            format!(
                "{url}&sslcertmode=require&sslcert={}&sslkey={}",
                asking.client_certificate_path().display(),
                asking.client_key_path().display()
            )
        };
        let identity =
            |server: &Server, mode: &str| certified(&format!("{}?sslmode={mode}", server.url()));
        for mode in ["require", "prefer"] {
            connect(&identity(&asking, mode)).await.unwrap();
        }
        // Not encrypted, so nothing is shown.
        let plain = Server::start(Settings::new()).unwrap();
        for url in [
            identity(&plain, "prefer"),
            identity(&plain, "disable"),
            certified(&socket_url(&plain)),
        ] {
            let refused = connect(&url).await.expect_err(&url);
            assert_eq!((refused.kind(), refused.retry()), (ErrorKind::Connect, Retry::Never));
            assert!(refused.message().contains("certificate"), "{refused}");
        }
    });
}

#[test]
fn a_locked_key_logs_its_owner_in() {
    let server =
        Server::start(Settings::new().tls(ServerCertificate::Good).auth(Auth::Cert)).unwrap();
    let folder = Folder::new();
    let locked = folder.0.join("locked.key");
    let made = Command::new("openssl")
        .args(["pkcs8", "-topk8", "-passout", "pass:hunter2", "-in"])
        .arg(server.client_key_path())
        .arg("-out")
        .arg(&locked)
        .status();
    assert!(made.unwrap().success());
    fs::set_permissions(&locked, Permissions::from_mode(0o600)).unwrap();
    run(async {
        let url = format!(
            "{}?sslmode=require&sslcert={}&sslkey={}",
            server.url(),
            server.client_certificate_path().display(),
            locked.display()
        );
        connect(&format!("{url}&sslpassword=hunter2")).await.unwrap();
    });
}

/// The operating system's user that the server runs as.
fn server_user() -> String {
    let owner = fs::metadata(SERVER.socket_dir()).unwrap().uid().to_string();
    let accounts = fs::read_to_string("/etc/passwd").unwrap();
    let mut accounts = accounts.lines().map(|line| line.split(':').collect::<Vec<_>>());
    let account = accounts.find(|fields| fields.get(2) == Some(&&*owner));
    account.expect("the server's user has a name")[0].to_owned()
}

#[test]
fn a_socket_is_used_only_if_the_required_user_serves_it() {
    run(async {
        let url = socket_url(&SERVER);
        let mut session = connect(&url).await.unwrap();
        let name = server_user();
        connect(&format!("{url}&requirepeer={name}")).await.unwrap();
        let refused = connect(&format!("{url}&requirepeer=somebody")).await.err().unwrap();
        assert_eq!((refused.kind(), refused.retry()), (ErrorKind::Connect, Retry::Never));
        assert!(refused.message().contains(&name), "{refused}");
        // TCP has no such thing.
        connect(&format!("{}?requirepeer=somebody", SERVER.url())).await.unwrap();
        assert_eq!(session.scalar("SELECT 1").await.unwrap(), Value::Int(1));
    });
}

#[test]
fn a_stop_over_a_socket_with_a_required_user_reaches_the_server() {
    run(async {
        let user = server_user();
        let mut session =
            connect(&format!("{}&requirepeer={}", socket_url(&SERVER), user)).await.unwrap();
        let canceller = session.connection.canceller();
        let process = session.postgres().process_id();
        let sleeps = format!(
            "SELECT count(*) FROM pg_stat_activity WHERE pid = {process} AND wait_event = 'PgSleep'"
        );
        let stopped = async {
            support::until(|| SERVER.psql(&sleeps).unwrap() == "1\n").await;
            canceller.cancel().await;
        };
        let (ended, ()) = tokio::join!(session.query("SELECT pg_sleep(3600)", &()), stopped);
        assert_eq!(ended.unwrap_err().kind(), ErrorKind::Cancelled);
    });
}

#[derive(Default)]
struct Heard(Mutex<Vec<(Severity, String)>>);

impl SessionObserver for Heard {
    fn notice(&self, notice: &Notice) {
        self.0.lock().unwrap().push((notice.severity(), notice.message().to_owned()));
    }
}

#[test]
fn a_password_file_that_is_not_used_is_warned_of_even_if_nobody_asks_for_a_password() {
    let role = Role::new("scram", Auth::Scram).password("hunter2-s3cret");
    let server = Server::start(Settings::new().role(role)).unwrap();
    let folder = Folder::new();
    run(async {
        for (mode, warned) in [(0o644, true), (0o600, false)] {
            let file = folder.write("pgpass", b"*:*:*:*:hunter2-s3cret\n", mode);
            let address = server.address();
            let url = |user: &str| format!("postgres://{user}@{address}/aquifer?passfile={file}");
            for (user, works) in [("aquifer", true), ("scram", !warned)] {
                let heard = Arc::<Heard>::default();
                let observer: Arc<dyn SessionObserver> = Arc::<Heard>::clone(&heard);
                let connector: Arc<dyn Connector> =
                    Arc::new(connector(&url(user)).with_observer(observer));
                let opened = connector.connect(Access::ReadWrite).await;
                assert_eq!(opened.is_ok(), works, "{user} {mode:o}");
                let heard = heard.0.lock().unwrap().clone();
                assert_eq!(heard.is_empty(), !warned, "{heard:?}");
                for (severity, message) in heard.iter() {
                    assert_eq!(*severity, Severity::Warning);
                    assert!(message.contains(&file) && message.contains("0600"), "{message}");
                    assert!(!message.contains("hunter2"));
                }
                if let Ok(connection) = opened {
                    let mut session = Session { connection, batch: RowBatch::new() };
                    assert_eq!(session.scalar("SELECT 1").await.unwrap(), Value::Int(1));
                }
            }
        }
    });
}
