//! [`Plan`]: which host is tried next, and how, until one will do. Without I/O.
//!
//! The rules are libpq's: all hosts in order; within a host, the kinds of encryption that the mode
//! allows; with `prefer-standby`, a second round over those that answered but were no standbys. What
//! would be the same everywhere (a refused password) ends the plan.

use std::fmt;

use aquifer_driver::{Error, ErrorKind, Retry};

use crate::config::{
    Config, HostSpec, LoadBalanceHosts, SslConfig, SslMode, SslNegotiation, TargetSessionAttrs,
};

/// How a connection is encrypted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Encryption {
    /// Not at all.
    Plain,
    /// If the server agrees; else the same connection goes on unencrypted.
    Offered,
    /// The server agrees, or there is no connection.
    Required,
    /// Without asking first.
    Direct,
}

/// The kinds of encryption to try with a host, in order.
pub(crate) fn attempts(ssl: &SslConfig, host: &HostSpec) -> &'static [Encryption] {
    if host.socket().is_some() {
        return &[Encryption::Plain];
    }
    match (ssl.mode, ssl.negotiation) {
        (SslMode::Disable, _) => &[Encryption::Plain],
        (SslMode::Allow, _) => &[Encryption::Plain, Encryption::Required],
        (SslMode::Prefer, _) => &[Encryption::Offered, Encryption::Plain],
        (_, SslNegotiation::Postgres) => &[Encryption::Required],
        (_, SslNegotiation::Direct) => &[Encryption::Direct],
    }
}

/// What to try.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Attempt {
    /// Index in [`Config::hosts`].
    pub(crate) host: usize,
    pub(crate) encryption: Encryption,
    /// What the order of the host's addresses is drawn from, if it is drawn.
    pub(crate) shuffle: Option<u64>,
    /// What the session must be, once it is open: see [`suits`].
    pub(crate) wanted: TargetSessionAttrs,
}

/// Why an attempt failed, as far as it matters for what is tried next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Failure {
    /// Nothing answered.
    Unreachable,
    /// The server answered, but there is no encryption as it was asked for.
    Encryption,
    /// The server refused the session; it may accept one that is encrypted differently.
    /// `encrypted` says how this one was.
    Refused { encrypted: bool },
    /// The session is not what is wanted: another host may have it.
    WrongRole,
    /// The same would happen everywhere.
    Final,
}

impl Failure {
    /// What it means that a session was not opened over a connection that was. `encrypted` says how that
    /// one was.
    pub(crate) fn of_session(error: &Error, encrypted: bool) -> Self {
        match (error.kind(), error.sqlstate(), error.retry()) {
            // No line of pg_hba.conf: there may be one for the other kind of connection, or elsewhere.
            (ErrorKind::Authentication, Some("28000"), _) => Self::Refused { encrypted },
            // A wrong password, a database that does not exist, a parameter that is not known: asking
            // again, here or elsewhere, would be a second failed login.
            (
                ErrorKind::Authentication
                | ErrorKind::Configuration
                | ErrorKind::Unsupported
                | ErrorKind::UndefinedObject,
                ..,
            ) => Self::Final,
            (_, Some(_), Retry::Never) => Self::Final,
            // Starting, stopping or full, and it says so whatever the encryption.
            (_, Some(_), _) => Self::Unreachable,
            // The connection ended without a word, or with one that makes no sense.
            (_, None, _) => Self::Encryption,
        }
    }
}

/// Goes through hosts and kinds of encryption, and keeps what went wrong.
#[derive(Debug)]
pub(crate) struct Plan {
    /// What remains of this round, the next one last.
    rest: Vec<Attempt>,
    /// What was tried last.
    current: Option<Attempt>,
    /// Whether what is no standby is tried again in a second round.
    again: bool,
    /// That second round, in order.
    second: Vec<Attempt>,
    names: Vec<String>,
    failures: Vec<(usize, Error)>,
}

impl Plan {
    /// The plan for a new connection. `seed` decides the order with `load_balance_hosts=random`, and
    /// nothing otherwise.
    pub(crate) fn new(config: &Config, seed: u64) -> Self {
        let mut order: Vec<usize> = (0..config.hosts.len()).collect();
        let random = config.load_balance_hosts == LoadBalanceHosts::Random;
        if random {
            shuffle(&mut order, seed);
        }
        let wanted = match config.target_session_attrs {
            TargetSessionAttrs::PreferStandby => TargetSessionAttrs::Standby,
            wanted => wanted,
        };
        let mut rest: Vec<Attempt> = order
            .into_iter()
            .flat_map(|host| {
                attempts(&config.ssl, &config.hosts[host]).iter().map(move |encryption| Attempt {
                    host,
                    encryption: *encryption,
                    shuffle: random.then(|| seed.wrapping_add(host as u64)),
                    wanted,
                })
            })
            .collect();
        rest.reverse();
        Self {
            rest,
            current: None,
            again: config.target_session_attrs == TargetSessionAttrs::PreferStandby,
            second: Vec::new(),
            names: config.hosts.iter().map(HostSpec::to_string).collect(),
            failures: Vec::new(),
        }
    }

    /// What to try now, or `None` if nothing is left: [`into_error`](Self::into_error) then says why.
    pub(crate) fn next(&mut self) -> Option<Attempt> {
        if self.rest.is_empty() {
            self.again = false;
            self.rest = std::mem::take(&mut self.second);
            self.rest.reverse();
        }
        self.current = self.rest.pop();
        self.current
    }

    /// The attempt that [`next`](Self::next) gave last has failed.
    pub(crate) fn failed(&mut self, failure: Failure, error: Error) {
        let Some(current) = self.current.take() else {
            return;
        };
        self.failures.push((current.host, error));
        match failure {
            Failure::Unreachable => {
                self.rest.retain(|attempt| attempt.host != current.host);
            }
            Failure::Encryption => {}
            Failure::Refused { encrypted } => {
                // The same again would be refused again: `prefer`, when the server has no TLS.
                self.rest.retain(|attempt| {
                    attempt.host != current.host
                        || encrypted != (attempt.encryption != Encryption::Plain)
                });
            }
            Failure::WrongRole => {
                self.rest.retain(|attempt| attempt.host != current.host);
                if self.again {
                    self.second.push(Attempt { wanted: TargetSessionAttrs::Any, ..current });
                }
            }
            Failure::Final => {
                self.rest.clear();
                self.second.clear();
            }
        }
    }

    /// Why there is no connection: the only error as it is, or one that lists all.
    pub(crate) fn into_error(mut self) -> Error {
        match self.failures.len() {
            0 => Error::new(ErrorKind::Configuration, "there is no host to connect to"),
            1 => self.failures.remove(0).1,
            _ => joined(&self.names, self.failures),
        }
    }
}

/// The errors of all hosts, as the cause of the one that is returned.
///
/// Reached through `Error::source` by downcasting.
#[derive(Debug)]
pub struct ConnectErrors(Vec<Error>);

impl ConnectErrors {
    /// What went wrong, in the order of the attempts.
    #[must_use]
    pub fn errors(&self) -> &[Error] {
        &self.0
    }
}

impl fmt::Display for ConnectErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, error) in self.0.iter().enumerate() {
            let separator = if index == 0 { "" } else { "; " };
            write!(f, "{separator}{error}")?;
        }
        Ok(())
    }
}

impl std::error::Error for ConnectErrors {}

#[cold]
fn joined(names: &[String], failures: Vec<(usize, Error)>) -> Error {
    let mut message = String::from("no connection to any host: ");
    for (index, (host, error)) in failures.iter().enumerate() {
        if index > 0 {
            message += "; ";
        }
        let text = error.to_string();
        if !text.contains(&names[*host]) {
            message += &names[*host];
            message += ": ";
        }
        message += text.strip_prefix("no connection to ").unwrap_or(&text);
    }
    let errors: Vec<Error> = failures.into_iter().map(|(_, error)| error).collect();
    // The last word is that of the attempt that ended the plan, if it was of a kind of its own.
    let last = &errors[errors.len() - 1];
    let kind = match last.kind() {
        kind @ (ErrorKind::Authentication | ErrorKind::Configuration) => kind,
        _ => ErrorKind::Connect,
    };
    let retry =
        if kind == ErrorKind::Connect && errors.iter().any(|error| error.retry() == Retry::Safe) {
            Retry::Safe
        } else {
            Retry::Never
        };
    let error = Error::new(kind, message).with_retry(retry);
    let error = match last.sqlstate() {
        Some(state) => error.with_sqlstate(state),
        None => error,
    };
    error.with_source(ConnectErrors(errors))
}

/// Whether a session is what is wanted. `read_only` is `default_transaction_read_only` or being in
/// recovery, `standby` is `in_hot_standby`, both as the server reports them.
pub(crate) fn suits(wanted: TargetSessionAttrs, read_only: bool, standby: bool) -> bool {
    match wanted {
        TargetSessionAttrs::Any | TargetSessionAttrs::PreferStandby => true,
        TargetSessionAttrs::ReadWrite => !read_only && !standby,
        TargetSessionAttrs::ReadOnly => read_only || standby,
        TargetSessionAttrs::Primary => !standby,
        TargetSessionAttrs::Standby => standby,
    }
}

/// Fisher and Yates's shuffle, drawn from a seed by SplitMix64.
pub(super) fn shuffle<T>(items: &mut [T], mut seed: u64) {
    for last in (1..items.len()).rev() {
        seed = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut drawn = seed;
        drawn = (drawn ^ (drawn >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        drawn = (drawn ^ (drawn >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        drawn ^= drawn >> 31;
        items.swap(last, (drawn % (last as u64 + 1)) as usize);
    }
}

#[cfg(test)]
mod tests {
    use aquifer_driver::{Dsn, EmptyEnvironment};
    use proptest::prelude::*;

    use super::*;
    use aquifer_net::GivenFiles;

    fn config(text: &str) -> Config {
        let dsn = Dsn::native("postgres", &format!("user=app {text}"));
        Config::read(&dsn, &EmptyEnvironment, &GivenFiles::default()).unwrap()
    }

    fn error(text: &str) -> Error {
        Error::new(ErrorKind::Connect, text.to_owned())
    }

    /// Runs the plan with what an attempt comes to; the attempts, and whether one succeeded.
    fn run(
        config: &Config,
        seed: u64,
        mut outcome: impl FnMut(Attempt) -> Option<Failure>,
    ) -> (Vec<(usize, Encryption)>, Plan, bool) {
        let mut plan = Plan::new(config, seed);
        let mut tried = Vec::new();
        while let Some(attempt) = plan.next() {
            tried.push((attempt.host, attempt.encryption));
            match outcome(attempt) {
                Some(failure) => plan.failed(failure, error(&format!("e{}", attempt.host))),
                None => return (tried, plan, true),
            }
        }
        (tried, plan, false)
    }

    use Encryption::{Direct, Offered, Plain, Required};

    #[test]
    fn the_mode_says_how_a_host_is_encrypted() {
        for (text, expected) in [
            ("sslmode=disable", vec![Plain]),
            ("sslmode=allow", vec![Plain, Required]),
            ("sslmode=prefer", vec![Offered, Plain]),
            ("sslmode=require", vec![Required]),
            ("sslmode=verify-ca", vec![Required]),
            ("sslmode=verify-full", vec![Required]),
            ("sslmode=verify-full sslnegotiation=direct", vec![Direct]),
            ("host=/tmp sslmode=verify-full", vec![Plain]),
            ("host=@pg sslmode=prefer", vec![Plain]),
        ] {
            let config = config(text);
            assert_eq!(attempts(&config.ssl, &config.hosts[0]), expected, "{text}");
        }
    }

    #[test]
    fn a_host_that_does_not_answer_is_dialled_once() {
        let config = config("host=a,b");
        let (tried, plan, _) = run(&config, 0, |_| Some(Failure::Unreachable));
        assert_eq!(tried, [(0, Offered), (1, Offered)]);
        let error = plan.into_error();
        assert_eq!(error.kind(), ErrorKind::Connect);
        assert_eq!(error.retry(), Retry::Safe);
        assert!(error.to_string().contains("a:5432: e0; b:5432: e1"), "{error}");
        let source = std::error::Error::source(&error).unwrap();
        let causes = source.downcast_ref::<ConnectErrors>().unwrap();
        assert_eq!(causes.errors().len(), 2);
    }

    #[test]
    fn encryption_that_fails_leads_to_the_next_kind_of_the_same_host() {
        let config = config("host=a,b");
        let (tried, ..) = run(&config, 0, |_| Some(Failure::Encryption));
        assert_eq!(tried, [(0, Offered), (0, Plain), (1, Offered), (1, Plain)]);
    }

    #[test]
    fn what_was_refused_is_not_tried_again_the_same_way() {
        let prefer = config("host=a");
        let (tried, ..) = run(&prefer, 0, |_| Some(Failure::Refused { encrypted: false }));
        assert_eq!(tried, [(0, Offered)], "the offer was declined, so this was plain already");
        let (tried, ..) = run(&prefer, 0, |attempt| {
            Some(Failure::Refused { encrypted: attempt.encryption == Offered })
        });
        assert_eq!(tried, [(0, Offered), (0, Plain)]);
        let allow = config("host=a sslmode=allow");
        let (tried, ..) = run(&allow, 0, |attempt| {
            (attempt.encryption == Plain).then_some(Failure::Refused { encrypted: false })
        });
        assert_eq!(tried, [(0, Plain), (0, Required)]);
    }

    #[test]
    fn a_refused_password_ends_the_plan() {
        let config = config("host=a,b target_session_attrs=prefer-standby");
        let mut plan = Plan::new(&config, 0);
        plan.next().unwrap();
        plan.failed(Failure::WrongRole, error("no standby"));
        plan.next().unwrap();
        let refused =
            Error::new(ErrorKind::Authentication, "wrong password").with_sqlstate("28P01");
        plan.failed(Failure::Final, refused);
        assert_eq!(plan.next(), None);
        let error = plan.into_error();
        assert_eq!(error.kind(), ErrorKind::Authentication);
        assert_eq!(error.sqlstate(), Some("28P01"));
        assert_eq!(error.retry(), Retry::Never);
        assert!(error.to_string().contains("no standby"), "{error}");
    }

    #[test]
    fn a_standby_is_preferred_and_anything_else_taken_in_a_second_round() {
        let config = config("host=a,b,c sslmode=require target_session_attrs=prefer-standby");
        // b does not answer; neither a nor c is a standby.
        let role = |attempt: Attempt| match attempt.host {
            1 => Some(Failure::Unreachable),
            _ if suits(attempt.wanted, false, false) => None,
            _ => Some(Failure::WrongRole),
        };
        let (tried, _, connected) = run(&config, 0, role);
        assert!(connected);
        assert_eq!(tried, [(0, Required), (1, Required), (2, Required), (0, Required)]);
        // With a standby at the end, there is no second round.
        let (tried, ..) = run(&config, 0, |a| {
            (!suits(a.wanted, true, a.host == 2)).then_some(Failure::WrongRole)
        });
        assert_eq!(tried.len(), 3);
    }

    #[test]
    fn what_a_server_says_decides_where_to_go_on() {
        let said = |kind, state| Error::new(kind, "said").with_sqlstate(state);
        let refused = Failure::Refused { encrypted: true };
        for (error, expected) in [
            (said(ErrorKind::Authentication, "28000"), refused),
            (said(ErrorKind::Authentication, "28P01"), Failure::Final),
            (said(ErrorKind::Authentication, ""), Failure::Final),
            (said(ErrorKind::UndefinedObject, "3D000"), Failure::Final),
            (said(ErrorKind::Connect, "42501").with_retry(Retry::Never), Failure::Final),
            (said(ErrorKind::Connect, "57P03"), Failure::Unreachable),
            (said(ErrorKind::Resources, "53300").with_retry(Retry::Safe), Failure::Unreachable),
            (said(ErrorKind::Connect, ""), Failure::Encryption),
            (said(ErrorKind::Protocol, ""), Failure::Encryption),
        ] {
            assert_eq!(Failure::of_session(&error, true), expected, "{error:?}");
        }
    }

    #[test]
    fn the_only_error_is_returned_as_it_is() {
        let config = config("host=a sslmode=require");
        let (_, plan, _) = run(&config, 0, |_| Some(Failure::Encryption));
        assert_eq!(plan.into_error().message(), "e0");
    }

    #[test]
    fn sessions_suit_as_libpq_has_it() {
        use TargetSessionAttrs as T;
        // (read only, standby): a writable primary, a read-only primary, a standby.
        let servers = [(false, false), (true, false), (true, true)];
        for (wanted, expected) in [
            (T::Any, [true, true, true]),
            (T::ReadWrite, [true, false, false]),
            (T::ReadOnly, [false, true, true]),
            (T::Primary, [true, true, false]),
            (T::Standby, [false, false, true]),
            (T::PreferStandby, [true, true, true]),
        ] {
            assert_eq!(
                servers.map(|(read_only, standby)| suits(wanted, read_only, standby)),
                expected
            );
        }
    }

    #[test]
    fn a_balanced_order_comes_from_the_seed_and_spreads() {
        let config = config("host=a,b,c,d sslmode=require load_balance_hosts=random");
        let order = |seed| run(&config, seed, |_| Some(Failure::Unreachable)).0;
        assert_eq!(order(7), order(7));
        let mut first = [0; 4];
        for seed in 0..4000 {
            let tried = order(seed);
            let mut hosts: Vec<_> = tried.iter().map(|attempt| attempt.0).collect();
            first[hosts[0]] += 1;
            hosts.sort_unstable();
            assert_eq!(hosts, [0, 1, 2, 3]);
        }
        assert!(first.iter().all(|count| (900..1100).contains(count)), "{first:?}");
    }

    proptest! {
        #[test]
        fn every_plan_ends(
            hosts in 1usize..5, mode in 0usize..4, attrs in 0usize..6, seed: u64,
            outcomes in prop::collection::vec(0u8..5, 40),
        ) {
            let mode = ["disable", "allow", "prefer", "require"][mode];
            let attrs =
                ["any", "read-write", "read-only", "primary", "standby", "prefer-standby"][attrs];
            let names = ["a", "b", "c", "d"][..hosts.min(4)].join(",");
            let config = config(&format!(
                "host={names} sslmode={mode} target_session_attrs={attrs} load_balance_hosts=random"
            ));
            let mut outcomes = outcomes.into_iter();
            let (tried, plan, connected) = run(&config, seed, |attempt| {
                Some(match outcomes.next().unwrap() {
                    0 => Failure::Unreachable,
                    1 => Failure::Encryption,
                    2 => Failure::Refused { encrypted: attempt.encryption != Plain },
                    3 => Failure::WrongRole,
                    _ => return None,
                })
            });
            prop_assert!(tried.len() <= 3 * config.hosts.len());
            if !connected {
                prop_assert_eq!(plan.failures.len(), tried.len());
                plan.into_error();
            }
        }
    }
}
