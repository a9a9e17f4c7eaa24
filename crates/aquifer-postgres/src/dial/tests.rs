//! Dialling servers that are a few lines long, over loopback.

use std::future::Future;
use std::path::PathBuf;
use std::sync::Arc;

use aquifer_driver::{Dsn, EmptyEnvironment};
use aquifer_net::GivenFiles;
use rustls::ServerConfig;
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use super::*;
use crate::config::Config;
use crate::tls::authority::{Authority, Server};

/// A listener on a free port, and that port.
async fn listener() -> (TcpListener, u16) {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    (listener, port)
}

struct Client {
    config: Config,
    tls: Tls,
}

impl Client {
    fn new(text: &str, root: &str) -> Self {
        let files = GivenFiles(vec![(PathBuf::from("/root"), root.into(), 0o600)]);
        let dsn = Dsn::native("postgres", &format!("user=app {text}"));
        let config = Config::read(&dsn, &EmptyEnvironment, &files).unwrap();
        let tls = Tls::load(&config.ssl, &files).unwrap();
        Self { config, tls }
    }

    async fn dial(&self, encryption: Encryption) -> Result<Dialled, Undialled> {
        dial(&self.config.hosts[0], &self.config.tcp, &self.tls, None, encryption, Some(1)).await
    }
}

/// Reads the request for TLS and answers it.
async fn answer(stream: &mut TcpStream, answer: &[u8]) {
    let mut request = [0; 8];
    stream.read_exact(&mut request).await.unwrap();
    assert_eq!(request, [0, 0, 0, 8, 0x04, 0xd2, 0x16, 0x2f]);
    stream.write_all(answer).await.unwrap();
}

/// Accepts one connection, agrees to TLS, and sends back what it gets.
async fn echo(listener: TcpListener, config: Option<Arc<ServerConfig>>, asked: bool) {
    let (mut stream, _) = listener.accept().await.unwrap();
    if asked {
        answer(&mut stream, if config.is_some() { b"S" } else { b"N" }).await;
    }
    let mut bytes = [0; 4];
    match config {
        Some(config) => {
            let Ok(mut stream) = TlsAcceptor::from(config).accept(stream).await else {
                return;
            };
            stream.read_exact(&mut bytes).await.unwrap();
            stream.write_all(&bytes).await.unwrap();
            stream.flush().await.unwrap();
        }
        None => {
            stream.read_exact(&mut bytes).await.unwrap();
            stream.write_all(&bytes).await.unwrap();
        }
    }
}

/// Sends four bytes and reads them back.
async fn ping(stream: &mut Stream) {
    let parts = [io::IoSlice::new(b"pi"), io::IoSlice::new(b"ng")];
    let sent = stream.write_vectored(&parts).await.unwrap();
    stream.write_all(&b"ping"[sent..]).await.unwrap();
    stream.flush().await.unwrap();
    let mut bytes = [0; 4];
    stream.read_exact(&mut bytes).await.unwrap();
    assert_eq!(&bytes, b"ping");
}

async fn both<T>(server: impl Future<Output = ()>, client: impl Future<Output = T>) -> T {
    tokio::join!(server, client).1
}

#[tokio::test]
async fn a_plain_connection_sends_nothing_of_its_own() {
    let (listener, port) = listener().await;
    let client = Client::new(
        &format!(
            "host=127.0.0.1 port={port} sslmode=disable keepalives_idle=60 keepalives_interval=5 \
             keepalives_count=3 tcp_user_timeout=9000"
        ),
        "",
    );
    let mut dialled = both(echo(listener, None, false), async {
        let mut dialled = client.dial(Encryption::Plain).await.unwrap();
        ping(&mut dialled.stream).await;
        dialled
    })
    .await;
    assert!(!dialled.tls() && dialled.end_point.is_none());
    let Stream::Tcp(stream) = &mut dialled.stream else { panic!("{dialled:?}") };
    assert!(stream.nodelay().unwrap());
    let socket = SockRef::from(&*stream);
    assert!(socket.keepalive().unwrap());
    #[cfg(target_os = "linux")]
    {
        use std::time::Duration;
        assert_eq!(socket.tcp_keepalive_time().unwrap(), Duration::from_secs(60));
        assert_eq!(socket.tcp_keepalive_interval().unwrap(), Duration::from_secs(5));
        assert_eq!(socket.tcp_keepalive_retries().unwrap(), 3);
        assert_eq!(socket.tcp_user_timeout().unwrap(), Some(Duration::from_secs(9)));
    }
}

#[tokio::test]
async fn an_encrypted_connection_carries_bytes_and_has_an_end_point() {
    let authority = Authority::new("ours");
    let issued = authority.issue(&["localhost", "127.0.0.1"]);
    let server = Server::new(&issued).config();
    for host in ["localhost", "127.0.0.1"] {
        for (mode, encryption) in
            [("verify-full", Encryption::Required), ("prefer", Encryption::Offered)]
        {
            let (listener, port) = listener().await;
            let text = format!(
                "host={host} hostaddr=127.0.0.1 port={port} sslmode={mode} sslrootcert=/root"
            );
            let client = Client::new(&text, &authority.pem);
            let dialled = both(echo(listener, Some(Arc::clone(&server)), true), async {
                let mut dialled = client.dial(encryption).await.unwrap();
                ping(&mut dialled.stream).await;
                dialled
            })
            .await;
            assert!(dialled.tls());
            assert_eq!(dialled.end_point.unwrap().len(), 32);
            assert_eq!(dialled.address.encryption, Encryption::Required);
        }
    }
}

#[tokio::test]
async fn a_certificate_that_is_not_accepted_is_not_worth_a_retry() {
    let (ours, stranger) = (Authority::new("ours"), Authority::new("stranger"));
    for (issued, hint) in [
        (ours.issue(&["db2"]), "another host"),
        (stranger.issue(&["localhost"]), "sslrootcert"),
        (ours.issue_with(&["localhost"], crate::tls::authority::expire), "not accepted"),
    ] {
        let (listener, port) = listener().await;
        let text = format!(
            "host=localhost hostaddr=127.0.0.1 port={port} sslmode=verify-full sslrootcert=/root"
        );
        let client = Client::new(&text, &ours.pem);
        let server = Server::new(&issued).config();
        let undialled = both(echo(listener, Some(server), true), async {
            client.dial(Encryption::Required).await.unwrap_err()
        })
        .await;
        assert_eq!(undialled.failure, Failure::Encryption);
        assert_eq!(undialled.error.kind(), ErrorKind::Connect);
        assert_eq!(undialled.error.retry(), Retry::Never);
        let text = undialled.error.to_string();
        assert!(text.contains("localhost") && text.contains(hint), "{text}");
    }
}

#[tokio::test]
async fn a_server_without_tls_is_refused_if_it_is_required_and_taken_if_it_was_offered() {
    let (refusing, port) = listener().await;
    let client = Client::new(&format!("host=127.0.0.1 port={port} sslmode=prefer"), "");
    let error: Error = both(echo_nothing(refusing, b"N"), async {
        client.dial(Encryption::Required).await.unwrap_err().into()
    })
    .await;
    assert_eq!((error.kind(), error.retry()), (ErrorKind::Connect, Retry::Never));
    assert!(error.to_string().contains("does not do TLS"), "{error}");

    let (agreeing, port) = listener().await;
    let client = Client::new(&format!("host=127.0.0.1 port={port} sslmode=prefer"), "");
    let dialled = both(echo(agreeing, None, true), async {
        let mut dialled = client.dial(Encryption::Offered).await.unwrap();
        ping(&mut dialled.stream).await;
        dialled
    })
    .await;
    assert!(!dialled.tls());
    assert_eq!(dialled.address.encryption, Encryption::Plain);
}

/// Answers the request for TLS with these bytes and waits for the client to go.
async fn echo_nothing(listener: TcpListener, bytes: &[u8]) {
    let (mut stream, _) = listener.accept().await.unwrap();
    answer(&mut stream, bytes).await;
    let mut rest = Vec::new();
    // The client may close with bytes of ours unread, which is an error here.
    let _ = stream.read_to_end(&mut rest).await;
}

#[tokio::test]
async fn bytes_stuffed_behind_the_answer_break_the_handshake() {
    let (listener, port) = listener().await;
    let client = Client::new(&format!("host=127.0.0.1 port={port} sslmode=require"), "");
    // As somebody in between would: an AuthenticationOk, in the clear.
    let stuffed = b"SR\0\0\0\x08\0\0\0\0";
    let undialled = both(echo_nothing(listener, stuffed), async {
        client.dial(Encryption::Required).await.unwrap_err()
    })
    .await;
    assert_eq!(undialled.failure, Failure::Encryption);
    assert_eq!(undialled.error.kind(), ErrorKind::Connect);
    assert!(undialled.error.to_string().contains("handshake"), "{}", undialled.error);
}

#[tokio::test]
async fn other_answers_are_errors_that_show_nothing_of_them() {
    for (bytes, part) in [
        (b"Ehunter2\0" as &[u8], "answered the request for TLS with an error"),
        (b"HTTP/1.1 400 hunter2", "does not answer as a PostgreSQL server"),
    ] {
        let (listener, port) = listener().await;
        let client = Client::new(&format!("host=127.0.0.1 port={port} sslmode=require"), "");
        let undialled = both(echo_nothing(listener, bytes), async {
            client.dial(Encryption::Required).await.unwrap_err()
        })
        .await;
        let text = undialled.error.to_string();
        assert!(text.contains(part) && !text.contains("hunter2"), "{text}");
    }
    let (listener, port) = listener().await;
    let client = Client::new(&format!("host=127.0.0.1 port={port} sslmode=require"), "");
    let server = async {
        let (stream, _) = listener.accept().await.unwrap();
        drop(stream);
    };
    let undialled =
        both(server, async { client.dial(Encryption::Required).await.unwrap_err() }).await;
    assert_eq!(undialled.error.retry(), Retry::Safe, "{}", undialled.error);
}

#[tokio::test]
async fn direct_tls_needs_a_server_that_agrees_on_the_protocol() {
    let authority = Authority::new("ours");
    let issued = authority.issue(&["localhost"]);
    for (alpn, agreed) in [(&[b"postgresql" as &[u8]] as &[&[u8]], true), (&[], false)] {
        let (listener, port) = listener().await;
        let text = format!(
            "host=localhost hostaddr=127.0.0.1 port={port} sslmode=verify-full sslrootcert=/root \
             sslnegotiation=direct"
        );
        let client = Client::new(&text, &authority.pem);
        let server = Server { alpn, ..Server::new(&issued) }.config();
        let accepting = async {
            let (stream, _) = listener.accept().await.unwrap();
            let mut stream = TlsAcceptor::from(server).accept(stream).await.unwrap();
            let mut rest = Vec::new();
            let _ = stream.read_to_end(&mut rest).await;
        };
        let dialled = both(accepting, async {
            client.dial(Encryption::Direct).await.map(|dialled| dialled.address)
        })
        .await;
        match dialled {
            Ok(address) => {
                assert!(agreed);
                assert_eq!(address.encryption, Encryption::Direct);
            }
            Err(undialled) => {
                assert!(!agreed, "{}", undialled.error);
                assert!(undialled.error.to_string().contains("PostgreSQL 17"));
            }
        }
    }
}

#[tokio::test]
async fn a_cancel_connection_goes_to_the_same_address_over_the_same_encryption() {
    let authority = Authority::new("ours");
    let issued = authority.issue(&["localhost"]);
    let server = Server::new(&issued).config();
    let (listener, port) = listener().await;
    let text = format!(
        "host=localhost hostaddr=127.0.0.1 port={port} sslmode=verify-full sslrootcert=/root"
    );
    let client = Client::new(&text, &authority.pem);
    let again = TcpListener::from_std(std::net::TcpListener::from(
        SockRef::from(&listener).try_clone().unwrap(),
    ))
    .unwrap();
    let first = both(echo(listener, Some(Arc::clone(&server)), true), async {
        let mut dialled = client.dial(Encryption::Required).await.unwrap();
        ping(&mut dialled.stream).await;
        dialled
    })
    .await;
    let second = both(echo(again, Some(server), true), async {
        let mut dialled = redial(&first.address, &client.config.tcp, &client.tls).await.unwrap();
        ping(&mut dialled.stream).await;
        dialled
    })
    .await;
    assert!(second.tls());
    assert_eq!(second.address, first.address);
    assert_eq!(second.end_point, first.end_point);
}

#[tokio::test]
async fn a_refused_dial_names_every_address_and_may_be_repeated() {
    let (listener, port) = listener().await;
    drop(listener);
    let client = Client::new(&format!("host=127.0.0.1 port={port} sslmode=disable"), "");
    let undialled = client.dial(Encryption::Plain).await.unwrap_err();
    assert_eq!(undialled.failure, Failure::Unreachable);
    let error = undialled.error;
    assert_eq!((error.kind(), error.retry()), (ErrorKind::Connect, Retry::Safe));
    assert!(error.nothing_sent());
    assert!(error.to_string().contains(&format!("127.0.0.1:{port}")), "{error}");
    let source = std::error::Error::source(&error).unwrap();
    assert!(source.downcast_ref::<io::Error>().is_some());

    let client = Client::new(&format!("host=localhost port={port} sslmode=disable"), "");
    let error = client.dial(Encryption::Plain).await.unwrap_err().error;
    assert!(error.to_string().contains("localhost"), "{error}");
    assert!(error.to_string().contains(&format!("127.0.0.1:{port}")), "{error}");
}

#[tokio::test]
async fn a_name_that_does_not_exist_is_a_connect_error() {
    let client = Client::new("host=does-not-exist.invalid sslmode=disable", "");
    let undialled = client.dial(Encryption::Plain).await.unwrap_err();
    assert_eq!(undialled.failure, Failure::Unreachable);
    assert_eq!(undialled.error.kind(), ErrorKind::Connect);
    assert!(undialled.error.to_string().contains("does-not-exist.invalid"));
}

#[cfg(unix)]
mod unix {
    use tokio::net::UnixListener;

    use super::*;

    /// A directory of its own, gone with the value.
    struct Directory(PathBuf);

    impl Directory {
        fn new(name: &str) -> Self {
            let path = std::env::temp_dir().join(format!("aq-{name}-{}", std::process::id()));
            std::fs::create_dir_all(&path).unwrap();
            Self(path)
        }
    }

    impl Drop for Directory {
        fn drop(&mut self) {
            let _ = std::fs::remove_dir_all(&self.0);
        }
    }

    async fn echo(listener: UnixListener) {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut bytes = [0; 4];
        stream.read_exact(&mut bytes).await.unwrap();
        stream.write_all(&bytes).await.unwrap();
    }

    #[tokio::test]
    async fn a_socket_is_dialled_without_tls_whatever_the_mode() {
        let directory = Directory::new("socket");
        let listener = UnixListener::bind(directory.0.join(".s.PGSQL.6543")).unwrap();
        let text = format!("host={} port=6543 sslmode=require", directory.0.display());
        let client = Client::new(&text, "");
        let attempt = plan::Plan::new(&client.config, 0).next().unwrap();
        let dialled = both(echo(listener), async {
            let mut dialled = client.dial(attempt.encryption).await.unwrap();
            ping(&mut dialled.stream).await;
            dialled
        })
        .await;
        assert!(!dialled.tls());
        let Endpoint::Unix { path, .. } = &dialled.address.endpoint else { panic!("{dialled:?}") };
        assert!(path.ends_with(".s.PGSQL.6543"));
    }

    #[cfg(target_os = "linux")]
    #[tokio::test]
    async fn an_abstract_socket_is_dialled_by_its_name() {
        let name = format!("aquifer-{}", std::process::id());
        let listener = UnixListener::bind(format!("\0{name}/.s.PGSQL.5432")).unwrap();
        let client = Client::new(&format!("host=@{name}"), "");
        both(echo(listener), async {
            let mut dialled = client.dial(Encryption::Plain).await.unwrap();
            ping(&mut dialled.stream).await;
        })
        .await;
    }

    #[tokio::test]
    async fn a_missing_socket_is_named() {
        let directory = Directory::new("missing");
        let client = Client::new(&format!("host={}", directory.0.display()), "");
        let error = client.dial(Encryption::Plain).await.unwrap_err().error;
        assert_eq!((error.kind(), error.retry()), (ErrorKind::Connect, Retry::Safe));
        let text = error.to_string();
        assert!(text.contains(".s.PGSQL.5432") && text.contains("running"), "{text}");
    }
}
