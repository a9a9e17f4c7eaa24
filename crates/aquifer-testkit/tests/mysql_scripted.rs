//! The server that speaks as MySQL 8 does, seen by a client that is written by hand.
#![cfg(all(unix, feature = "mysql"))]

use aquifer_testkit::mysql::scripted::{
    Account, Answer, Column, Method, Release, Scripted, capability,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const BASE: u32 = capability::PROTOCOL_41
    | capability::SECURE_CONNECTION
    | capability::PLUGIN_AUTH
    | capability::DEPRECATE_EOF;

async fn packet(stream: &mut TcpStream) -> Vec<u8> {
    let mut head = [0; 4];
    stream.read_exact(&mut head).await.unwrap();
    let mut body = vec![0; u32::from_le_bytes([head[0], head[1], head[2], 0]) as usize];
    stream.read_exact(&mut body).await.unwrap();
    body
}

/// Greets, and logs in without a password.
async fn log_in(server: &aquifer_testkit::mysql::scripted::Running, flags: u32) -> TcpStream {
    let mut stream = TcpStream::connect(server.address()).await.unwrap();
    let greeting = packet(&mut stream).await;
    assert!(greeting.starts_with(b"\x0a8.4."), "{greeting:?}");
    let mut hello = (BASE | flags).to_le_bytes().to_vec();
    hello.extend_from_slice(&[0, 0, 0, 1, 45]);
    hello.extend_from_slice(&[0; 23]);
    hello.extend_from_slice(b"app\0\0mysql_native_password\0");
    if flags & capability::ZSTD_COMPRESSION_ALGORITHM != 0 {
        hello.push(3);
    }
    let len = hello.len() as u8;
    stream.write_all(&[&[len, 0, 0, 1], hello.as_slice()].concat()).await.unwrap();
    assert_eq!(packet(&mut stream).await[0], 0, "it is let in");
    stream
}

#[test]
fn a_client_is_answered_plainly_or_compressed_as_it_asked() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let server = Scripted::new(Release::Mysql84)
            .account(Account::new("app").method(Method::Native(String::new())))
            .on("SELECT big", |_| {
                Answer::rows(vec![Column::text("big")], vec![vec![vec![b'x'; 5000].into()]])
            })
            .start()
            .await
            .unwrap();
        let mut stream = log_in(&server, 0).await;
        stream.write_all(b"\x0b\0\0\0\x03SELECT big").await.unwrap();
        assert_eq!(packet(&mut stream).await, [1], "one column");
        packet(&mut stream).await;
        assert_eq!(packet(&mut stream).await.len(), 5003);
        assert_eq!(packet(&mut stream).await[0], 0xfe);
        for flags in [capability::COMPRESS, capability::ZSTD_COMPRESSION_ALGORITHM] {
            let mut stream = log_in(&server, flags).await;
            // A packet around a packet, which is too short to be compressed.
            stream.write_all(b"\x0f\0\0\0\0\0\0\x0b\0\0\0\x03SELECT big").await.unwrap();
            let mut sent = 0;
            for (number, whole) in [(1, 0), (2, 0), (3, 5007), (4, 0)] {
                let mut head = [0; 7];
                stream.read_exact(&mut head).await.unwrap();
                let size = |part: &[u8]| u32::from_le_bytes([part[0], part[1], part[2], 0]);
                assert_eq!((head[3], size(&head[4..])), (number, whole), "{flags:#x}");
                let mut body = vec![0; size(&head) as usize];
                stream.read_exact(&mut body).await.unwrap();
                sent += body.len();
                if flags == capability::ZSTD_COMPRESSION_ALGORITHM && whole > 0 {
                    assert_eq!(body[..4], [0x28, 0xb5, 0x2f, 0xfd], "zstd's first bytes");
                }
            }
            assert!(sent < 200, "{sent}");
        }
        assert_eq!(server.commands(), ["Query SELECT big"; 3]);
        assert!(server.hellos()[2].flags & capability::ZSTD_COMPRESSION_ALGORITHM != 0);
    });
}
