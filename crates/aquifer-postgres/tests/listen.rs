//! LISTEN and NOTIFY, against real servers.

mod support;

use std::sync::Arc;
use std::time::Duration;

use aquifer_driver::{ErrorKind, Retry, TxOptions};
use aquifer_postgres::{Event, ListenOptions, Listener, Overflow};
use aquifer_testkit::postgres::{Proxy, Server, Settings};
use aquifer_testkit::scripted::{Script, Scripted};
use aquifer_testkit::{at_most, drop_at_every_poll};

use support::{Postgres, SERVER, connect, connector, run};

fn options() -> ListenOptions {
    let mut options = ListenOptions::default();
    options.reconnect_min = Duration::from_millis(5);
    options.reconnect_max = Duration::from_millis(50);
    options
}

fn listener(url: &str, options: ListenOptions) -> Listener {
    Listener::new(Arc::new(connector(url)), options)
}

/// The next event, in short.
async fn next(listener: &mut Listener) -> String {
    shown(listener.recv().await)
}

fn shown(event: Option<Event>) -> String {
    match event {
        Some(Event::Notification(n)) => format!("{}={}", n.channel, n.payload),
        Some(Event::Missed(missed)) => format!("{missed:?}"),
        Some(Event::Disconnected(_)) => "Disconnected".into(),
        Some(Event::ConnectFailed { .. }) => "ConnectFailed".into(),
        Some(other) => format!("{other:?}"),
        None => "None".into(),
    }
}

#[test]
fn notifications_come_in_order_from_the_channels_that_are_listened_to() {
    run(async {
        let database = SERVER.fresh_database().unwrap();
        let mut sender = connect(database.url()).await.unwrap();
        let mut listener = listener(database.url(), options());
        listener.listen("Orders \"now\"").await.unwrap();
        assert_eq!(next(&mut listener).await, "Connected");
        listener.listen("plain").await.unwrap();
        listener.listen("plain").await.unwrap();
        assert_eq!(listener.channels().collect::<Vec<_>>(), ["Orders \"now\"", "plain"]);
        let postgres = sender.postgres();
        for (channel, payload) in
            [("plain", "1"), ("PLAIN", "2"), ("Orders \"now\"", "3"), ("plain", "ä")]
        {
            postgres.notify(channel, payload).await.unwrap();
        }
        for expected in ["plain=1", "Orders \"now\"=3", "plain=ä"] {
            assert_eq!(next(&mut listener).await, expected);
        }
        listener.ping().await.unwrap();
        listener.unlisten("plain").await.unwrap();
        sender.postgres().notify("plain", "4").await.unwrap();
        sender.postgres().notify("Orders \"now\"", "5").await.unwrap();
        assert_eq!(next(&mut listener).await, "Orders \"now\"=5");
        listener.unlisten_all().await.unwrap();
        sender.postgres().notify("Orders \"now\"", "6").await.unwrap();
        listener.listen("last").await.unwrap();
        sender.postgres().notify("last", "").await.unwrap();
        match listener.recv().await {
            Some(Event::Notification(last)) => {
                assert_eq!((&*last.channel, &*last.payload), ("last", ""));
                assert_eq!(last.process_id, sender.postgres().process_id());
                assert_ne!(Some(last.process_id), listener.process_id());
            }
            other => panic!("{other:?}"),
        }
        listener.close().await;
    });
}

#[test]
fn a_notification_goes_with_its_transaction_and_its_size_is_checked_before() {
    run(async {
        let database = SERVER.fresh_database().unwrap();
        let mut sender = connect(database.url()).await.unwrap();
        let mut listener = listener(database.url(), options());
        listener.listen("c").await.unwrap();
        assert_eq!(next(&mut listener).await, "Connected");
        use aquifer_driver::Command;
        for end in [Command::Rollback, Command::Commit] {
            sender.command(Command::Begin(TxOptions::new())).await.unwrap();
            sender.postgres().notify("c", &format!("{end:?}")).await.unwrap();
            sender.command(end).await.unwrap();
        }
        assert_eq!(next(&mut listener).await, "c=Commit");
        let rounds = sender.connection.counters().rounds;
        let error = sender.postgres().notify("c", &"x".repeat(8000)).await.unwrap_err();
        assert_eq!((error.kind(), error.nothing_sent()), (ErrorKind::Argument, true));
        let error = sender.postgres().notify(&"c".repeat(64), "").await.unwrap_err();
        assert_eq!((error.kind(), error.nothing_sent()), (ErrorKind::Argument, true));
        assert_eq!(sender.connection.counters().rounds, rounds);
        let largest = "x".repeat(7999);
        sender.postgres().notify("c", &largest).await.unwrap();
        assert_eq!(next(&mut listener).await, format!("c={largest}"));
        assert_eq!(listener.listen("").await.unwrap_err().kind(), ErrorKind::Argument);
    });
}

#[test]
fn a_restarted_server_is_listened_to_again_before_the_word_of_it() {
    run(async {
        let server = Server::start(Settings::new()).unwrap();
        let mut listener = listener(&server.url(), options());
        listener.listen("a").await.unwrap();
        listener.listen("b").await.unwrap();
        assert_eq!(next(&mut listener).await, "Connected");
        server.stop().unwrap();
        match listener.recv().await {
            Some(Event::Disconnected(error)) => assert_eq!(error.sqlstate(), Some("57P01")),
            other => panic!("{other:?}"),
        }
        match listener.recv().await {
            Some(Event::ConnectFailed { error, retry_in }) => {
                assert_eq!(error.kind(), ErrorKind::Connect);
                assert_eq!(retry_in, Duration::from_millis(5));
            }
            other => panic!("{other:?}"),
        }
        // Asked for while there is no connection.
        listener.listen("c").await.unwrap();
        assert_eq!(listener.ping().await.unwrap_err().kind(), ErrorKind::ConnectionLost);
        server.restart().unwrap();
        let mut event = next(&mut listener).await;
        while event == "ConnectFailed" {
            event = next(&mut listener).await;
        }
        assert_eq!(event, "Reconnected");
        // Whoever was told so is heard from now on.
        let mut sender = connect(&server.url()).await.unwrap();
        for channel in ["a", "b", "c"] {
            sender.postgres().notify(channel, "again").await.unwrap();
        }
        for expected in ["WhileDisconnected", "a=again", "b=again", "c=again"] {
            assert_eq!(next(&mut listener).await, expected);
        }
    });
}

#[test]
fn a_first_connect_that_fails_is_an_error_of_whoever_waits_for_it() {
    run(async {
        let proxy = Proxy::start("127.0.0.1:1".parse().unwrap()).unwrap();
        let mut listener = listener(&proxy.url(), options());
        listener.listen("a").await.unwrap();
        assert_eq!(listener.connected().await.unwrap_err().kind(), ErrorKind::Connect);
        assert_eq!(next(&mut listener).await, "ConnectFailed", "it goes on trying");
        assert!(Listener::connect(&proxy.url()).await.is_err());
        let mut listener = Listener::connect(&SERVER.url()).await.unwrap();
        assert_eq!(next(&mut listener).await, "Connected");
    });
}

#[test]
fn the_overflow_policy_decides_what_a_slow_reader_gets() {
    run(async {
        let database = SERVER.fresh_database().unwrap();
        let mut sender = connect(database.url()).await.unwrap();
        for (overflow, expected) in [
            (Overflow::Wait, vec!["1", "2", "3", "4", "5", "6"]),
            (Overflow::DropOldest, vec!["Dropped(3)", "4", "5", "6"]),
            (Overflow::DropNewest, vec!["1", "2", "3", "Dropped(3)"]),
        ] {
            let mut options = options();
            (options.queue_max, options.overflow) = (3, overflow);
            let mut listener = listener(database.url(), options);
            listener.listen("c").await.unwrap();
            assert_eq!(next(&mut listener).await, "Connected");
            // All of one transaction's come together.
            let sql = "SELECT pg_notify('c', n::text) FROM generate_series(1, 6) n";
            sender.query(sql, &()).await.unwrap();
            // The answer comes after all that was committed before the question.
            if overflow != Overflow::Wait {
                listener.ping().await.unwrap();
            }
            for expected in expected {
                let event = next(&mut listener).await;
                assert_eq!(event.trim_start_matches("c="), expected, "{overflow:?}");
            }
            sender.postgres().notify("c", "last").await.unwrap();
            assert_eq!(next(&mut listener).await, "c=last");
            listener.close().await;
        }
    });
}

#[test]
fn a_full_queue_that_waits_is_not_read_past() {
    run(async {
        let database = SERVER.fresh_database().unwrap();
        let mut sender = connect(database.url()).await.unwrap();
        let mut options = options();
        options.queue_max = 3;
        let mut listener = listener(database.url(), options);
        listener.listen("c").await.unwrap();
        assert_eq!(next(&mut listener).await, "Connected");
        let sql = "SELECT pg_notify('c', n || repeat('x', 1000)) FROM generate_series(1, 2000) n";
        sender.query(sql, &()).await.unwrap();
        assert!(next(&mut listener).await.starts_with("c=1x"));
        // The answer comes after two megabytes of notifications.
        let error = listener.listen("d").await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Resources);
        for n in 2..=2000 {
            assert!(next(&mut listener).await.starts_with(&format!("c={n}x")));
        }
        listener.listen("e").await.unwrap();
        sender.postgres().notify("d", "kept").await.unwrap();
        assert_eq!(next(&mut listener).await, "d=kept");
    });
}

#[test]
fn a_silent_connection_is_asked_and_a_dead_one_is_replaced() {
    run(async {
        let proxy = Proxy::start(SERVER.address()).unwrap();
        let mut options = options();
        options.ping_every = Some(Duration::from_millis(20));
        options.answer_within = Duration::from_millis(200);
        let mut listener = listener(&proxy.url(), options);
        listener.listen("c").await.unwrap();
        assert_eq!(next(&mut listener).await, "Connected");
        proxy.take();
        // Nothing happens, but for questions and answers.
        let nothing = tokio::time::timeout(Duration::from_millis(300), listener.recv()).await;
        assert!(nothing.is_err());
        assert!(proxy.take_only().count_client(b'S') > 1, "it asks");
        proxy.hold_answers();
        match listener.recv().await {
            Some(Event::Disconnected(error)) => {
                assert_eq!(error.kind(), ErrorKind::ConnectionLost);
                assert!(error.message().contains("has not answered"), "{error}");
            }
            other => panic!("{other:?}"),
        }
        proxy.release_answers();
        assert_eq!(next(&mut listener).await, "Reconnected");
        assert_eq!(proxy.connections(), 2);
    });
}

#[test]
fn a_cut_connection_is_replaced_and_the_channels_come_along() {
    run(async {
        let proxy = Proxy::start(SERVER.address()).unwrap();
        let mut listener = listener(&proxy.url(), options());
        listener.listen("cut").await.unwrap();
        assert_eq!(next(&mut listener).await, "Connected");
        let mut sender = connect(&SERVER.url()).await.unwrap();
        for round in 0..3 {
            proxy.cut();
            for expected in ["Disconnected", "Reconnected", "WhileDisconnected"] {
                assert_eq!(next(&mut listener).await, expected);
            }
            sender.postgres().notify("cut", &round.to_string()).await.unwrap();
            assert_eq!(next(&mut listener).await, format!("cut={round}"));
        }
        proxy.cut();
        // Asked for while the connection breaks: kept, and listened to again.
        listener.listen("more").await.unwrap();
        for expected in ["Disconnected", "Reconnected", "WhileDisconnected"] {
            assert_eq!(next(&mut listener).await, expected);
        }
        sender.postgres().notify("more", "1").await.unwrap();
        assert_eq!(next(&mut listener).await, "more=1");
    });
}

#[test]
fn whoever_waits_is_woken_by_close() {
    run(async {
        let mut listener = listener(&SERVER.url(), options());
        let closer = listener.closer();
        assert_eq!(next(&mut listener).await, "Connected");
        let waiting = tokio::spawn(async move {
            let event = shown(listener.recv().await);
            (event, listener)
        });
        tokio::task::yield_now().await;
        closer.close();
        let (event, mut listener) = waiting.await.unwrap();
        assert_eq!(event, "None");
        assert_eq!(next(&mut listener).await, "None");
        assert_eq!(listener.listen("a").await.unwrap_err().kind(), ErrorKind::Closed);
        assert_eq!(listener.ping().await.unwrap_err().kind(), ErrorKind::Closed);
        assert_eq!(listener.connected().await.unwrap_err().kind(), ErrorKind::Closed);
        assert_eq!(listener.process_id(), None, "its connection is closed");
    });
}

#[test]
fn nothing_is_lost_by_dropped_calls() {
    run(async {
        let database = SERVER.fresh_database().unwrap();
        let mut sender = connect(database.url()).await.unwrap();
        let mut listener = listener(database.url(), options());
        // Dropped while it dials, while it asks for channels, while it waits.
        drop_at_every_poll(
            1000,
            &mut listener,
            async |listener: &mut Listener| listener.connected().await,
            async |_, _| {},
        )
        .await;
        let mut polls = 0;
        loop {
            polls += 1;
            at_most(polls, listener.listen("c")).await;
            if at_most(polls, listener.ping()).await.is_some_and(|done| done.is_ok()) {
                break;
            }
        }
        assert_eq!(next(&mut listener).await, "Connected");
        for n in 0..20 {
            sender.postgres().notify("c", &n.to_string()).await.unwrap();
            let mut polls = 1;
            let event = loop {
                match at_most(polls, listener.recv()).await {
                    Some(event) => break event,
                    None => polls += 1,
                }
                tokio::task::yield_now().await;
            };
            assert_eq!(shown(event), format!("c={n}"));
        }
    });
}

#[test]
fn a_server_that_refuses_to_listen_is_a_failed_connect() {
    run(async {
        // Ready, and then an error to the LISTEN.
        let ready = b"R\0\0\0\x08\0\0\0\0K\0\0\0\x0c\0\0\0\x07\0\0\0\x09Z\0\0\0\x05I".to_vec();
        let fields = b"SERROR\0VERROR\0C0A000\0Mnot on a standby\0\0";
        let mut refusal = vec![b'E'];
        refusal.extend_from_slice(&(fields.len() as u32 + 4).to_be_bytes());
        refusal.extend_from_slice(fields);
        refusal.extend_from_slice(b"Z\0\0\0\x05I");
        let script = || {
            Script::new()
                .startup()
                .send(ready.clone())
                .expect("Q")
                .send(refusal.clone())
                .await_close()
        };
        let server = Scripted::start([script(), script()]).unwrap();
        let mut listener = listener(&server.url(), options());
        listener.listen("c").await.unwrap();
        for pause in [5, 10] {
            match listener.recv().await {
                Some(Event::ConnectFailed { error, retry_in }) => {
                    assert_eq!(error.kind(), ErrorKind::Unsupported);
                    assert_eq!(retry_in, Duration::from_millis(pause));
                }
                other => panic!("{other:?}"),
            }
        }
        assert_eq!(server.surplus(), 0);
    });
}

#[test]
fn a_server_that_is_silent_at_a_reconnect_is_dialled_again() {
    run(async {
        // Accepts, and says nothing.
        let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("postgres://aquifer@{}/x?sslmode=disable", silent.local_addr().unwrap());
        let mut options = options();
        options.connect_within = Duration::from_millis(100);
        let mut listener = listener(&url, options);
        for _ in 0..2 {
            let error = listener.connected().await.unwrap_err();
            assert_eq!((error.kind(), error.retry()), (ErrorKind::Connect, Retry::Safe), "{error}");
        }
    });
}
