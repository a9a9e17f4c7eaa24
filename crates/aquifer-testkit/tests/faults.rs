//! The proxy that fails on command does what it was told, where it was told.
#![cfg(all(unix, feature = "postgres"))]

use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use aquifer_testkit::faults::{Fault, FaultProxy, Protocol, Side, What, When};

/// A server that answers each packet of MySQL's form with itself, and tells how many bytes each connection sent it.
fn echo() -> (SocketAddr, Receiver<usize>) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = listener.local_addr().unwrap();
    let (tell, told) = channel();
    std::thread::spawn(move || {
        for mut client in listener.incoming().flatten() {
            let tell = tell.clone();
            std::thread::spawn(move || {
                let (mut buffer, mut total) = ([0; 1024], 0);
                while let Ok(read @ 1..) = client.read(&mut buffer) {
                    total += read;
                    if client.write_all(&buffer[..read]).is_err() {
                        break;
                    }
                }
                let _ = tell.send(total);
            });
        }
    });
    (address, told)
}

fn start() -> (FaultProxy, TcpStream, Receiver<usize>) {
    let (server, told) = echo();
    let proxy = FaultProxy::start(server, Protocol::Mysql).unwrap();
    let client = TcpStream::connect(proxy.address()).unwrap();
    client.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    (proxy, client, told)
}

/// A packet with `body`.
fn packet(body: &[u8]) -> Vec<u8> {
    let mut packet = vec![u8::try_from(body.len()).unwrap(), 0, 0, 0];
    packet.extend_from_slice(body);
    packet
}

/// Sends a packet and reads as much.
fn exchange(client: &mut TcpStream, body: &[u8]) -> std::io::Result<Vec<u8>> {
    let sent = packet(body);
    client.write_all(&sent)?;
    let mut back = vec![0; sent.len()];
    client.read_exact(&mut back)?;
    Ok(back.split_off(4))
}

#[test]
fn without_a_fault_everything_passes_and_is_counted() {
    let (proxy, mut client, _told) = start();
    assert_eq!(exchange(&mut client, b"abc").unwrap(), b"abc");
    proxy.count();
    assert_eq!(exchange(&mut client, b"de").unwrap(), b"de");
    assert_eq!(exchange(&mut client, b"").unwrap(), b"");
    let counts = proxy.counts();
    for side in [Side::Client, Side::Server] {
        assert_eq!((counts.messages(side), counts.bytes(side)), (2, 10), "{side:?}");
    }
    assert!(!proxy.fired());
}

#[test]
fn a_cut_after_a_message_lets_that_message_pass() {
    let (proxy, mut client, told) = start();
    exchange(&mut client, b"warm").unwrap();
    proxy.arm(Fault::new(Side::Client, When::Messages(1), What::Cut));
    assert_eq!(exchange(&mut client, b"abc").unwrap(), b"abc");
    assert!(!proxy.fired());
    assert!(exchange(&mut client, b"lost").is_err());
    assert!(proxy.fired());
    assert_eq!(told.recv().unwrap(), 8 + 7, "the server got nothing of what was cut off");
}

#[test]
fn a_cut_inside_an_answer_leaves_a_part_of_it() {
    let (proxy, mut client, _told) = start();
    proxy.arm(Fault::new(Side::Server, When::Bytes(6), What::Cut));
    client.write_all(&packet(b"abc")).unwrap();
    let mut got = Vec::new();
    client.read_to_end(&mut got).unwrap();
    assert_eq!(got, b"\x03\0\0\0ab");
}

#[test]
fn a_reset_is_no_ordinary_end() {
    let (proxy, mut client, _told) = start();
    exchange(&mut client, b"warm").unwrap();
    proxy.arm(Fault::new(Side::Client, When::Bytes(0), What::Reset));
    client.write_all(&packet(b"abc")).unwrap();
    let error = client.read(&mut [0; 9]).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConnectionReset);
}

#[test]
fn half_a_close_leaves_the_other_direction_open() {
    let (proxy, mut client, told) = start();
    proxy.arm(Fault::new(Side::Client, When::Messages(1), What::HalfClose));
    client.write_all(&[packet(b"abc"), packet(b"lost")].concat()).unwrap();
    let mut got = Vec::new();
    client.read_to_end(&mut got).unwrap();
    assert_eq!(got, packet(b"abc"), "the answer comes all the same");
    assert_eq!(told.recv().unwrap(), 7);
}

#[test]
fn of_a_connection_that_vanishes_neither_end_hears_any_more() {
    for (what, side) in [What::Vanish, What::Strand].into_iter().zip([Side::Client, Side::Server]) {
        let (proxy, mut client, told) = start();
        exchange(&mut client, b"abc").unwrap();
        proxy.arm(Fault::new(side, When::Messages(0), what));
        client.write_all(&packet(b"more")).unwrap();
        client.set_read_timeout(Some(Duration::from_millis(200))).unwrap();
        let unheard = client.read(&mut [0; 9]).unwrap_err().kind();
        let silent = matches!(unheard, ErrorKind::WouldBlock | ErrorKind::TimedOut);
        assert!(silent || (what == What::Strand && unheard == ErrorKind::ConnectionReset));
        assert!(proxy.fired());
        drop(client);
        let server = told.recv_timeout(Duration::from_millis(200));
        assert!(server.is_err(), "the server heard of the end");
        // Others pass.
        let mut other = TcpStream::connect(proxy.address()).unwrap();
        assert_eq!(exchange(&mut other, b"abc").unwrap(), b"abc");
        drop(proxy);
        let heard = told.recv_timeout(Duration::from_secs(20)).unwrap();
        assert!(heard == 7 || (side == Side::Server && heard == 15), "{heard} bytes");
    }
}

#[test]
fn a_delay_keeps_what_it_delays() {
    let (proxy, mut client, _told) = start();
    let pause = Duration::from_millis(80);
    proxy.arm(Fault::new(Side::Server, When::Messages(0), What::Delay(pause)));
    let begun = Instant::now();
    assert_eq!(exchange(&mut client, b"abc").unwrap(), b"abc");
    // A lower bound, which no load can break.
    assert!(begun.elapsed() >= pause);
}

#[test]
fn a_fault_at_a_time_hits_connections_that_stand_still() {
    let (proxy, mut client, _told) = start();
    exchange(&mut client, b"warm").unwrap();
    proxy.arm(Fault::new(Side::Client, When::Elapsed(Duration::from_millis(20)), What::Cut));
    assert_eq!(client.read(&mut [0; 9]).unwrap(), 0);
    assert!(proxy.fired());
}

#[test]
fn throttled_and_corrupted_bytes_arrive_as_they_were_told_to() {
    let (proxy, mut client, _told) = start();
    let slow = What::Throttle { bytes: 2, pause: Duration::from_millis(1) };
    proxy.arm(Fault::new(Side::Server, When::Messages(0), slow));
    assert_eq!(exchange(&mut client, b"abcdefgh").unwrap(), b"abcdefgh");
    proxy.arm(Fault::new(Side::Client, When::Bytes(5), What::Corrupt(0x20)));
    assert_eq!(exchange(&mut client, b"abc").unwrap(), b"aBc");
    assert_eq!(exchange(&mut client, b"abc").unwrap(), b"abc", "it happens once");
}

#[test]
fn a_network_that_repeats_sends_everything_to_the_server_twice() {
    let (proxy, mut client, told) = start();
    proxy.arm(Fault::new(Side::Client, When::Bytes(0), What::Twice));
    assert_eq!(exchange(&mut client, b"abc").unwrap(), b"abc");
    drop(client);
    let sent = [told.recv().unwrap(), told.recv().unwrap()];
    assert_eq!(sent, [7, 7]);
}

#[test]
fn a_proxy_that_refuses_takes_nobody_until_it_does_again() {
    let (proxy, mut client, _told) = start();
    exchange(&mut client, b"warm").unwrap();
    proxy.refuse(true);
    let mut refused = TcpStream::connect(proxy.address()).unwrap();
    assert_eq!(refused.read(&mut [0; 1]).unwrap_or(0), 0);
    proxy.refuse(false);
    let mut taken = TcpStream::connect(proxy.address()).unwrap();
    assert_eq!(exchange(&mut taken, b"abc").unwrap(), b"abc");
    assert_eq!(proxy.accepted(), 3);
    proxy.cut_all();
    assert_eq!(client.read(&mut [0; 1]).unwrap(), 0);
}
