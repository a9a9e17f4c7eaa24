//! A PostgreSQL server's authentication requests: what it says before we know who it is.
//!
//! An input is one byte that chooses the policy, then requests: a byte for the length, and the body of an
//! `R` message.

use aquifer_driver::ErrorKind;
use aquifer_postgres::{ChannelBinding, fuzzing::Login};

pub(super) const WORDS: &[&str] = &[
    "\u{4}\u{0}\u{0}\u{0}\u{0}",
    "\u{4}\u{0}\u{0}\u{0}\u{3}",
    "\u{8}\u{0}\u{0}\u{0}\u{5}salt",
    "\u{4}\u{0}\u{0}\u{0}\u{7}",
    "\u{0}\u{0}\u{0}\u{a}",
    "\u{0}\u{0}\u{0}\u{b}",
    "\u{0}\u{0}\u{0}\u{c}",
    "SCRAM-SHA-256\u{0}",
    "SCRAM-SHA-256-PLUS\u{0}",
    "OAUTHBEARER\u{0}",
    "r=BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcH",
    ",s=AAAA",
    ",i=1",
    "m=",
    "v=",
    "e=",
];

/// Password and token at once; long enough not to come about by chance.
const SECRET: &str = "hunter2-s3cret";
const REQUIREMENTS: [&str; 4] = ["", "scram-sha-256", "!none", "md5,password,none"];
const BINDINGS: [ChannelBinding; 3] =
    [ChannelBinding::Prefer, ChannelBinding::Disable, ChannelBinding::Require];

pub(super) fn run(bytes: &[u8]) {
    let Some((choice, mut rest)) = bytes.split_first() else {
        return;
    };
    // Deriving keys takes as long as a server asks for, within a bound that is too far for here.
    if rest.windows(6).any(|at| at.starts_with(b"i=") && at[2..].iter().all(u8::is_ascii_digit)) {
        return;
    }
    let tls = choice & 1 == 1;
    let requirement = REQUIREMENTS[usize::from(choice >> 1) % REQUIREMENTS.len()];
    let binding = BINDINGS[usize::from(choice >> 3) % BINDINGS.len()];
    let end_point = tls.then_some(&b"the hash of a certificate"[..]);
    let mut login = Login::new(SECRET, requirement, binding, end_point).expect("a valid policy");

    let mut asked = Vec::new();
    let mut over = false;
    while let Some((length, after)) = rest.split_first() {
        let (body, after) = after.split_at(after.len().min(usize::from(*length)));
        rest = after;
        asked.push(body);
        let mut out = b"sent before".to_vec();
        let done = login.on_request(body, &mut out);
        let frame = out.strip_prefix(b"sent before").expect("what was there stays");
        match done {
            Ok(done) => {
                assert!(!over, "an exchange that is over goes on");
                over = done;
                check_frame(frame, &asked, tls);
                assert!(
                    !done || allowed(requirement, binding, &asked),
                    "{requirement} {binding:?}"
                );
            }
            Err(error) => {
                over = true;
                assert!(frame.is_empty(), "a refusal sends nothing");
                check_error(&error);
            }
        }
    }
}

fn check_frame(frame: &[u8], asked: &[&[u8]], tls: bool) {
    if frame.is_empty() {
        return;
    }
    let (head, payload) = frame.split_at(5);
    assert_eq!(head[0], b'p');
    assert_eq!(head[1..], (payload.len() as u32 + 4).to_be_bytes());
    if payload.windows(SECRET.len()).any(|at| at == SECRET.as_bytes()) {
        let cleartext = asked == [[0, 0, 0, 3]];
        let token = tls && payload.starts_with(b"OAUTHBEARER\0") && asked.len() == 1;
        assert!(cleartext || token, "the secret went out unasked");
    }
}

/// Whether what was asked for satisfies the policy. A proof of the server's needs the right first request.
fn allowed(requirement: &str, binding: ChannelBinding, asked: &[&[u8]]) -> bool {
    let code = |body: &[u8]| body.get(3).copied();
    let first = asked.first().and_then(|body| code(body));
    let bound = first == Some(10) && asked.len() == 4;
    let method = match requirement {
        "scram-sha-256" => bound,
        "!none" => asked.len() > 1,
        "md5,password,none" => first != Some(10),
        _ => true,
    };
    method && (binding != ChannelBinding::Require || bound)
}

fn check_error(error: &aquifer_driver::Error) {
    let expected = [ErrorKind::Authentication, ErrorKind::Unsupported, ErrorKind::Protocol];
    assert!(expected.contains(&error.kind()), "{error:?}");
    assert!(error.nothing_sent(), "nothing of the user's is sent at log-in");
    let shown = format!("{error} {error:?}");
    assert!(!shown.contains(SECRET), "{shown}");
    assert!(shown.len() < 8_000, "a server's text is bounded: {}", shown.len());
}
