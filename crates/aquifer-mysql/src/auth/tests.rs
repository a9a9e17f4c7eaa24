use super::*;

const ALL: Policy = Policy { native: true, cleartext: true, old: false, key_retrieval: false };

fn authenticator(channel: Channel) -> Authenticator {
    Authenticator::new(Some(Secret::new("secret")), ALL, channel, None)
}

fn switch(plugin: &str, data: &[u8]) -> Vec<u8> {
    [b"\xfe", plugin.as_bytes(), b"\0", data].concat()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn the_native_answer_is_the_one_that_servers_expect() {
    // SHA1(password) XOR SHA1(nonce + SHA1(SHA1(password))), by hand with another implementation.
    let mut auth = authenticator(Channel::Plain);
    let nonce = b"0123456789abcdefghij";
    let (plugin, answer) = auth.begin(b"mysql_native_password", nonce).unwrap();
    assert_eq!(plugin, b"mysql_native_password");
    assert_eq!(hex(&answer), "f5cac3f3b3df2133feb57db682c71e6ed433a988");
    assert_eq!(auth.receive(&[0, 0, 0]).unwrap(), Progress::Done);
}

#[test]
fn an_account_without_password_answers_with_nothing() {
    let mut auth = Authenticator::new(None, ALL, Channel::Plain, None);
    let (_, answer) = auth.begin(b"mysql_native_password", &[7; 20]).unwrap();
    assert!(answer.is_empty());
}

#[test]
fn sha2_is_done_when_the_server_remembers_and_sends_the_password_only_in_private() {
    let nonce = b"0123456789abcdefghij";
    for channel in [Channel::Plain, Channel::Tls, Channel::Socket] {
        let mut auth = authenticator(channel);
        let (_, answer) = auth.begin(b"caching_sha2_password", nonce).unwrap();
        assert_eq!(
            hex(&answer),
            "7e4adda2f2d5ef09b4147518becb0cee2939376203650a8c2bb2815959364bd0"
        );
        assert_eq!(auth.receive(b"\x01\x03").unwrap(), Progress::Wait);
        assert_eq!(auth.receive(&[0]).unwrap(), Progress::Done);

        let mut auth = authenticator(channel);
        auth.begin(b"caching_sha2_password", nonce).unwrap();
        match (channel, auth.receive(b"\x01\x04")) {
            (Channel::Plain, Err(error)) => {
                assert_eq!(error.kind(), ErrorKind::Authentication);
                assert!(error.hint().unwrap().contains("TLS"), "{error}");
            }
            (Channel::Tls | Channel::Socket, got) => {
                assert_eq!(got.unwrap(), Progress::Answer(b"secret\0".to_vec()));
            }
            (channel, got) => panic!("{channel:?}: {got:?}"),
        }
    }
}

#[test]
fn ed25519_signs_the_challenge() {
    let mut auth = authenticator(Channel::Plain);
    auth.begin(b"mysql_native_password", &[7; 20]).unwrap();
    let got = auth.receive(&switch("client_ed25519", &[9; 32])).unwrap();
    let Progress::Answer(signature) = got else { panic!("{got:?}") };
    assert_eq!(signature.len(), 64);
    // The same challenge, written as a C string.
    let mut again = authenticator(Channel::Plain);
    let with_nul = [[9; 32].as_slice(), &[0]].concat();
    assert_eq!(
        again.receive(&switch("client_ed25519", &with_nul)).unwrap(),
        Progress::Answer(signature)
    );
}

#[test]
fn a_server_may_change_its_mind_a_few_times_and_not_for_ever() {
    let mut auth = authenticator(Channel::Tls);
    auth.begin(b"dialog", &[7; 20]).unwrap();
    let packet = switch("caching_sha2_password", &[[1; 20].as_slice(), &[0]].concat());
    for _ in 0..SWITCHES_MAX {
        assert!(matches!(auth.receive(&packet).unwrap(), Progress::Answer(_)));
    }
    assert_eq!(auth.receive(&packet).unwrap_err().kind(), ErrorKind::Authentication);
}

#[test]
fn what_is_not_allowed_or_not_known_is_refused_by_name() {
    let none = Policy { native: false, cleartext: false, old: false, key_retrieval: false };
    for (policy, channel, plugin, says) in [
        (none, Channel::Tls, "mysql_native_password", "mysql_native_password"),
        (none, Channel::Tls, "mysql_clear_password", "clear text"),
        (ALL, Channel::Plain, "mysql_clear_password", "not encrypted"),
        (ALL, Channel::Plain, "sha256_password", "not encrypted"),
        (ALL, Channel::Tls, "mysql_old_password", "mysql_old_password"),
        (ALL, Channel::Tls, "authentication_kerberos_client", "authentication_kerberos_client"),
    ] {
        let mut auth = Authenticator::new(Some(Secret::new("hunter2")), policy, channel, None);
        let error = auth.receive(&switch(plugin, &[1; 20])).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Authentication, "{plugin}");
        assert!(error.to_string().contains(says), "{plugin}: {error}");
        assert!(!format!("{error} {error:?}").contains("hunter2"));
    }
    let mut auth = authenticator(Channel::Tls);
    assert_eq!(
        auth.receive(&switch("mysql_clear_password", b"")).unwrap(),
        Progress::Answer(b"secret\0".to_vec())
    );
}

#[test]
fn nonsense_is_an_error_and_never_a_panic() {
    for packet in [
        b"".as_slice(),
        b"\x01",
        b"\x01\x04",
        b"\xfe",
        b"\xfe\0",
        b"\x02",
        b"\x63abc",
        b"\xfecaching_sha2_password\0abc",
        b"\xfeclient_ed25519\0abc",
    ] {
        assert!(authenticator(Channel::Tls).receive(packet).is_err(), "{packet:?}");
    }
    let mut auth = authenticator(Channel::Tls);
    auth.begin(b"mysql_native_password", &[7; 20]).unwrap();
    assert!(auth.receive(b"\x01abc").is_err());
}

#[test]
fn without_tls_the_password_goes_encrypted_by_the_server_s_key() {
    let asking = Policy { key_retrieval: true, ..ALL };
    let own = || Some(Zeroizing::new(server_key::KEY.to_vec()));
    let secret = || Some(Secret::new("secret"));
    let more = |data: &[u8]| [&[answer::MORE_AUTH], data].concat();
    for (plugin, request) in [("caching_sha2_password", 2), ("sha256_password", 1)] {
        let begun = |policy, key| {
            let mut auth = Authenticator::new(secret(), policy, Channel::Plain, key);
            let first = auth.receive(&switch(plugin, &[7; 20]));
            match plugin {
                "sha256_password" => (first, auth),
                _ => (first.and_then(|_| auth.receive(b"\x01\x04")), auth),
            }
        };
        let encrypted = |progress: Progress| match progress {
            Progress::Answer(answer) => {
                assert_eq!(answer.len(), 256);
                assert!(!answer.windows(6).any(|part| part == b"secret"));
                answer
            }
            other => panic!("{plugin}: {other:?}"),
        };
        let one = encrypted(begun(ALL, own()).0.unwrap());
        let other = encrypted(begun(ALL, own()).0.unwrap());
        assert_ne!(one, other, "the padding is random");
        let (asked, mut auth) = begun(asking, None);
        assert_eq!(asked.unwrap(), Progress::Answer(vec![request]));
        encrypted(auth.receive(&more(server_key::KEY)).unwrap());
        for junk in [b"".as_slice(), b"junk", &server_key::KEY[..200]] {
            let (_, mut auth) = begun(asking, None);
            assert_eq!(auth.receive(&more(junk)).unwrap_err().kind(), ErrorKind::Protocol);
        }
        assert_eq!(begun(ALL, None).0.unwrap_err().kind(), ErrorKind::Authentication);
    }
}

#[test]
fn parsec_signs_with_a_key_made_of_the_password_whether_its_packets_are_marked_or_not() {
    for marked in [false, true] {
        let mut auth = authenticator(Channel::Plain);
        auth.begin(b"mysql_native_password", &[7; 20]).unwrap();
        let first = auth.receive(&switch("parsec", &[9; 32])).unwrap();
        assert_eq!(first, Progress::Answer(Vec::new()));
        // The algorithm, the iterations, the salt.
        let salt = [b"P\0".as_slice(), &[5; 18]].concat();
        let packet = if marked { [&[1], salt.as_slice()].concat() } else { salt };
        let Progress::Answer(answer) = auth.receive(&packet).unwrap() else { panic!() };
        assert_eq!(answer.len(), 32 + 64, "the client's challenge and the signature");
        assert_eq!(auth.receive(&[0, 0, 0]).unwrap(), Progress::Done);
    }
    let mut auth = authenticator(Channel::Plain);
    auth.receive(&switch("parsec", &[9; 32])).unwrap();
    for junk in [b"P".as_slice(), b"Q\x00123456789012345678", b"P\x09123456789012345678"] {
        assert!(auth.receive(junk).is_err(), "{junk:?}");
    }
}

#[test]
fn the_oldest_hash_is_used_only_where_it_is_allowed() {
    for packet in [b"\xfe".to_vec(), switch("mysql_old_password", &[7; 20])] {
        let policy = Policy { old: true, ..ALL };
        let mut auth =
            Authenticator::new(Some(Secret::new("secret")), policy, Channel::Plain, None);
        auth.begin(b"mysql_native_password", &[7; 20]).unwrap();
        let Progress::Answer(answer) = auth.receive(&packet).unwrap() else { panic!() };
        assert_eq!(answer.len(), 8);
        let mut auth = authenticator(Channel::Plain);
        auth.begin(b"mysql_native_password", &[7; 20]).unwrap();
        assert_eq!(auth.receive(&packet).unwrap_err().kind(), ErrorKind::Authentication);
    }
}
