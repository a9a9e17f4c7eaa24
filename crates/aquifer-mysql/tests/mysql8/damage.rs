//! Log-ins and answers that end too early, or are damaged: typed errors, no panic, no hang.

use std::time::Duration;

use aquifer_driver::{ErrorKind, Value};
use aquifer_testkit::mysql::scripted::{
    Account, Answer, Cell, Column, Method, Release, Running, Scripted,
};
use aquifer_testkit::mysql::{Certificates, ServerCertificate};

use crate::support::{Session, connect, run};

/// A number that is another one is an error of another kind; a limit that is none is the argument's.
const KINDS: [ErrorKind; 11] = [
    ErrorKind::Connect,
    ErrorKind::ConnectionLost,
    ErrorKind::Protocol,
    ErrorKind::Authentication,
    ErrorKind::Configuration,
    ErrorKind::Permission,
    ErrorKind::Database,
    ErrorKind::Syntax,
    ErrorKind::Data,
    ErrorKind::Conversion,
    ErrorKind::Argument,
];

fn server(method: Method) -> Scripted {
    Scripted::new(Release::Mysql84)
        .account(Account::new("app").method(Method::Native("other".into())).method(method))
        .on("SELECT id, name FROM rivers WHERE id > ?", |_| {
            let columns = vec![Column::bigint("id"), Column::text("name")];
            let row = |id, name: &str| vec![Cell::Int(id), name.into()];
            Answer::rows(columns, vec![row(1, "Rhine"), row(2, "Ob"), vec![3.into(), Cell::Null]])
        })
}

/// A whole log-in and a statement, twice.
async fn all(server: &Running, parameters: &str) -> aquifer_driver::Result<Vec<Vec<Value>>> {
    let mut session: Session = connect(&server.url("app:secret", parameters)).await?;
    let sql = "SELECT id, name FROM rivers WHERE id > ?";
    session.query(sql, &(0,)).await?;
    session.query(sql, &(0,)).await
}

fn rivers() -> Vec<Vec<Value>> {
    let name = |name: &str| Value::from(name);
    vec![
        vec![Value::Int(1), name("Rhine")],
        vec![Value::Int(2), name("Ob")],
        vec![Value::Int(3), Value::Null],
    ]
}

#[test]
fn a_connection_that_ends_at_any_byte_is_an_error_that_says_so() {
    run(async {
        let certificates = Certificates::new(ServerCertificate::Good).unwrap();
        let password = || "secret".to_owned();
        // Keys are made and used anew for each log-in, which takes long: every few bytes will do there.
        for (method, parameters, tls, step) in [
            (Method::Native(password()), "", false, 1),
            (Method::Native(password()), "compress=zlib", false, 2),
            (Method::Native(password()), "compress=zstd", false, 2),
            (Method::CachingSha2(password()), "tls=skip-verify", true, 1),
            (Method::CachingSha2(password()), "allowPublicKeyRetrieval=true", false, 29),
            (Method::Parsec(password()), "", false, 11),
        ] {
            let scripted = server(method);
            let scripted = if tls { scripted.tls(certificates.clone()) } else { scripted };
            let server = scripted.start().await.unwrap();
            assert_eq!(all(&server, parameters).await.unwrap(), rivers());
            let whole = server.said();
            assert!(whole > 500, "{whole}");
            for cut in (0..whole).step_by(step) {
                server.forget_passwords();
                server.cut_after(cut);
                let error = all(&server, parameters).await.unwrap_err();
                let kinds = [ErrorKind::Connect, ErrorKind::ConnectionLost];
                assert!(kinds.contains(&error.kind()), "cut at {cut} of {whole}: {error:?}");
                assert!(!format!("{error} {error:?}").contains("secret"));
            }
            server.behave();
            assert_eq!(all(&server, parameters).await.unwrap(), rivers());
        }
    });
}

#[test]
fn a_byte_that_was_damaged_is_an_error_or_another_value_and_never_a_panic() {
    run(async {
        let server = server(Method::Native("secret".into())).start().await.unwrap();
        for (compress, step) in [("compress=false", 1), ("compress=zlib", 3), ("compress=zstd", 3)]
        {
            server.behave();
            assert_eq!(all(&server, compress).await.unwrap(), rivers());
            // A length that was damaged makes both sides wait; whether that ends as it should is all that counts.
            let parameters = format!("{compress}&timeout=40ms&readTimeout=40ms");
            let whole = server.said();
            for at in (0..whole).step_by(step) {
                server.damage(at);
                let place = format!("{compress}: byte {at} of {whole}");
                // Bounded by the parameters; more than once around, and it hangs.
                let ended = tokio::time::timeout(Duration::from_secs(5), all(&server, &parameters));
                match ended.await.unwrap_or_else(|_| panic!("{place}: it hangs")) {
                    Ok(rows) => assert!(rows.len() <= 3, "{place}: {rows:?}"),
                    Err(error) => assert!(KINDS.contains(&error.kind()), "{place}: {error:?}"),
                }
            }
        }
    });
}
