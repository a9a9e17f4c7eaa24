use super::*;

const ALL: Policy = Policy { native: true, cleartext: true };

fn authenticator(channel: Channel) -> Authenticator {
    Authenticator::new(Some(Secret::new("secret")), ALL, channel)
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
    let mut auth = Authenticator::new(None, ALL, Channel::Plain);
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
    let none = Policy { native: false, cleartext: false };
    for (policy, channel, plugin, says) in [
        (none, Channel::Tls, "mysql_native_password", "mysql_native_password"),
        (none, Channel::Tls, "mysql_clear_password", "clear text"),
        (ALL, Channel::Plain, "mysql_clear_password", "not encrypted"),
        (ALL, Channel::Plain, "sha256_password", "not encrypted"),
        (ALL, Channel::Tls, "mysql_old_password", "mysql_old_password"),
        (ALL, Channel::Tls, "authentication_kerberos_client", "authentication_kerberos_client"),
    ] {
        let mut auth = Authenticator::new(Some(Secret::new("hunter2")), policy, channel);
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
