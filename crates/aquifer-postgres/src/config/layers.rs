//! Connection string, service and environment, laid over each other, and the configuration that they
//! make.

use std::path::{Path, PathBuf};

use aquifer_driver::{Environment, Error, ErrorKind, Result};
use aquifer_net::{Files, is_missing};

use super::draft::Draft;
use super::modes::{Pooler, ProtocolVersion, QueryMode, SslMode, SslNegotiation};
use super::parameters::{self, PARAMETERS};
use super::{Config, PemSource, RootCert, Secret, host, keyword, service};

/// Where a value comes from.
#[derive(Debug, Clone)]
enum Origin {
    ConnectionString,
    Service(String),
    Environment,
}

/// The values of all parameters, each from the foremost layer that has it.
#[derive(Default)]
pub(super) struct Layers {
    values: Vec<(usize, String, Origin)>,
    run_time: Vec<(String, String)>,
}

impl Layers {
    fn get(&self, name: &str) -> Option<&str> {
        let index = parameters::find(name)?;
        self.values.iter().find(|value| value.0 == index).map(|value| value.1.as_str())
    }

    /// Takes the pairs of the connection string: the last of several with the same name counts, and an
    /// alias wins over its name.
    pub(super) fn take_dsn(&mut self, pairs: &[(String, String)]) -> Result<()> {
        let mut by_alias = Vec::new();
        for (key, value) in pairs {
            if key.contains('\0') || value.contains('\0') {
                return Err(Error::new(
                    ErrorKind::Configuration,
                    format!("the parameter `{}` has a NUL byte", keyword::shown(key)),
                ));
            }
            let Some(index) = parameters::find(key) else {
                self.take_run_time(key, value)?;
                continue;
            };
            let is_alias = PARAMETERS[index].option.name != key;
            if !is_alias && by_alias.contains(&index) {
                continue;
            }
            if is_alias {
                by_alias.push(index);
            }
            self.values.retain(|known| known.0 != index);
            self.values.push((index, value.clone(), Origin::ConnectionString));
        }
        Ok(())
    }

    /// What is no parameter of ours is a setting of the server, unless it is a slip of the pen.
    fn take_run_time(&mut self, key: &str, value: &str) -> Result<()> {
        let shown = keyword::shown(key);
        let error = Error::new(
            ErrorKind::Configuration,
            format!("the connection string has no parameter `{shown}`"),
        );
        if let Some(near) = parameters::near_miss(key) {
            return Err(error.with_hint(format!(
                "did you mean `{near}`? A setting of the server can also be given as `options=-c name=value`"
            )));
        }
        let named = key.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
            && !key.starts_with("_pq_.")
            && key.len() <= 128
            && key.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_.$".contains(&byte));
        if !named {
            return Err(error.with_hint(if key.contains("://") {
                "a URL begins with `postgres://`"
            } else {
                "and a setting of the server cannot have that name"
            }));
        }
        self.run_time.retain(|(known, _)| !known.eq_ignore_ascii_case(key));
        self.run_time.push((key.to_owned(), value.to_owned()));
        Ok(())
    }

    pub(super) fn take_environment(&mut self, environment: &dyn Environment) -> Result<()> {
        for (index, parameter) in PARAMETERS.iter().enumerate() {
            if parameter.variable.is_empty() || self.values.iter().any(|known| known.0 == index) {
                continue;
            }
            // An empty variable is how many tools say that there is none.
            let Some(value) = environment.var(parameter.variable).filter(|value| !value.is_empty())
            else {
                continue;
            };
            if value.contains('\0') {
                return Err(Error::new(
                    ErrorKind::Configuration,
                    format!("the environment variable `{}` has a NUL byte", parameter.variable),
                ));
            }
            self.values.push((index, value, Origin::Environment));
        }
        Ok(())
    }

    /// Adds the parameters of the service, if one is named, behind those of the connection string.
    pub(super) fn take_service(
        &mut self,
        environment: &dyn Environment,
        files: &dyn Files,
    ) -> Result<()> {
        let named = |name, variable| {
            let given = self.get(name).filter(|value| !value.is_empty()).map(str::to_owned);
            given.or_else(|| environment.var(variable).filter(|value| !value.is_empty()))
        };
        let Some(service) = named("service", "PGSERVICE") else {
            return Ok(());
        };
        let given = named("servicefile", "PGSERVICEFILE").map(PathBuf::from);
        let own = given.clone().or_else(|| home_file(environment, "pg_service.conf"));
        let shared = environment
            .var("PGSYSCONFDIR")
            .filter(|value| !value.is_empty())
            .map(|directory| Path::new(&directory).join("pg_service.conf"));
        let shown = keyword::shown(&service);
        for path in [own, shared].into_iter().flatten() {
            let failed = |why: &str| {
                Error::new(
                    ErrorKind::Configuration,
                    format!("the service file {} cannot be read: {why}", path.display()),
                )
            };
            let bytes = match files.read(&path) {
                Ok(bytes) => bytes,
                Err(error) if is_missing(&error) && given.as_ref() != Some(&path) => continue,
                Err(error) => return Err(failed(&error.to_string()).with_source(error)),
            };
            let text = String::from_utf8(bytes).map_err(|_| failed("it is not UTF-8"))?;
            let file = path.display().to_string();
            let Some(pairs) = service::parse(&text, &file, &service)? else {
                continue;
            };
            let origin = format!("the service `{shown}` in {file}");
            for (key, value) in pairs {
                let Some(index) = parameters::find(&key) else {
                    let error = Error::new(
                        ErrorKind::Configuration,
                        format!("{origin} has an unknown parameter `{}`", keyword::shown(&key)),
                    );
                    return Err(match parameters::near_miss(&key) {
                        Some(near) => error.with_hint(format!("did you mean `{near}`?")),
                        None => error.with_hint(
                            "settings of the server are given as `options=-c name=value`",
                        ),
                    });
                };
                if value.contains('\0') {
                    return Err(failed("it has a NUL byte"));
                }
                if !self.values.iter().any(|known| known.0 == index) {
                    self.values.push((index, value, Origin::Service(origin.clone())));
                }
            }
            return Ok(());
        }
        Err(Error::new(
            ErrorKind::Configuration,
            format!("no service file has the service `{shown}`"),
        )
        .with_hint("the file is ~/.pg_service.conf, or what `servicefile` or PGSERVICEFILE names"))
    }

    /// What the message calls a parameter.
    fn named(&self, index: usize) -> String {
        let parameter = &PARAMETERS[index];
        let name = parameter.option.name;
        match self.values.iter().find(|known| known.0 == index).map(|known| &known.2) {
            Some(Origin::Environment) => {
                format!("the environment variable `{}`", parameter.variable)
            }
            Some(Origin::Service(service)) => format!("the parameter `{name}` of {service}"),
            Some(Origin::ConnectionString) | None => format!("the parameter `{name}`"),
        }
    }

    /// Sets everything that was given, in the order of the table, and works out the rest.
    pub(super) fn finish(self, environment: &dyn Environment) -> Result<Config> {
        let mut draft = Draft::new();
        draft.config.run_time.clone_from(&self.run_time);
        let mut values: Vec<&(usize, String, Origin)> = self.values.iter().collect();
        values.sort_by_key(|value| value.0);
        for (index, text, _) in values {
            let parameter = &PARAMETERS[*index];
            (parameter.set)(&mut draft, text).ok_or_else(|| {
                Error::new(
                    ErrorKind::Configuration,
                    format!("{} takes {}", self.named(*index), parameter.takes),
                )
            })?;
        }
        let hosts =
            host::hosts(&draft.host, &draft.hostaddr, &draft.port).map_err(|(name, what)| {
                let index = parameters::find(name).unwrap_or_default();
                Error::new(ErrorKind::Configuration, format!("{} {what}", self.named(index)))
            })?;
        let user = draft.user.take().or_else(|| environment.user()).ok_or_else(|| {
            Error::new(ErrorKind::Configuration, "there is no user to log in as")
                .with_hint("give `user`, or set PGUSER")
        })?;
        set_ssl(&mut draft, environment)?;
        let mut config = draft.config;
        config.hosts = hosts;
        config.user = user;
        config.application_name = draft.application_name.or(draft.fallback_application_name);
        config.passfile = draft.passfile.or_else(|| home_file(environment, "pgpass"));
        config.query_mode = draft.query_mode.unwrap_or(match draft.pooler {
            Some(Pooler::Transaction) => QueryMode::CacheDescribe,
            Some(Pooler::None) | None => QueryMode::CacheStatement,
        });
        config.pooler = draft.pooler.unwrap_or(match config.query_mode {
            QueryMode::CacheDescribe => Pooler::Transaction,
            QueryMode::CacheStatement | QueryMode::SimpleProtocol => Pooler::None,
        });
        // What asks for more than 3.0 has a server that can answer.
        config.max_protocol_version = draft.max_protocol_version.unwrap_or({
            match config.min_protocol_version {
                ProtocolVersion::V3_0 => ProtocolVersion::V3_0,
                ProtocolVersion::V3_2 => ProtocolVersion::LATEST,
            }
        });
        if config.min_protocol_version > config.max_protocol_version {
            return Err(Error::new(
                ErrorKind::Configuration,
                "`min_protocol_version` is higher than `max_protocol_version`",
            ));
        }
        if config.ssl.mode == SslMode::VerifyFull
            && config.hosts.iter().any(|host| host.host.is_empty())
        {
            return Err(Error::new(
                ErrorKind::Configuration,
                "`sslmode=verify-full` needs a host whose name the certificate can have",
            )
            .with_hint("give `host` beside `hostaddr`"));
        }
        Ok(config)
    }
}

/// Works out modes, defaults and contradictions of everything about TLS.
fn set_ssl(draft: &mut Draft, environment: &dyn Environment) -> Result<()> {
    let refused = |message: &'static str| Error::new(ErrorKind::Configuration, message);
    let system = !draft.sslinline && draft.sslrootcert.as_deref() == Some("system");
    let ssl = &mut draft.config.ssl;
    ssl.mode = match draft.sslmode {
        None if system => SslMode::VerifyFull,
        None => SslMode::Prefer,
        // The system's roots sign certificates for anybody: without the name they prove nothing.
        Some(mode) if system && mode != SslMode::VerifyFull => {
            return Err(refused("`sslrootcert=system` needs `sslmode=verify-full`"));
        }
        Some(mode) => mode,
    };
    if ssl.negotiation == SslNegotiation::Direct && ssl.mode < SslMode::Require {
        return Err(refused("`sslnegotiation=direct` needs `sslmode=require` or stronger"));
    }
    if ssl.min_version > ssl.max_version {
        return Err(refused(
            "`ssl_min_protocol_version` is higher than `ssl_max_protocol_version`",
        ));
    }
    let inline = draft.sslinline;
    let source = |given: Option<String>, default: &str| match given {
        Some(text) if inline => Some(PemSource::Inline(Secret::new(text))),
        Some(path) => Some(PemSource::File(path.into())),
        None if inline => None,
        None => home_file(environment, default).map(PemSource::File),
    };
    ssl.cert = source(draft.sslcert.take(), "postgresql.crt");
    ssl.key = source(draft.sslkey.take(), "postgresql.key");
    ssl.crl = source(draft.sslcrl.take(), "root.crl");
    ssl.root_cert = if system {
        Some(RootCert::System)
    } else {
        source(draft.sslrootcert.take(), "root.crt").map(RootCert::Pem)
    };
    Ok(())
}

/// A file of the user's at its customary place.
fn home_file(environment: &dyn Environment, name: &str) -> Option<PathBuf> {
    if cfg!(windows) {
        let data = environment.var("APPDATA").filter(|data| !data.is_empty())?;
        let name = match name {
            "pgpass" => "pgpass.conf",
            "pg_service.conf" => ".pg_service.conf",
            other => other,
        };
        return Some(Path::new(&data).join("postgresql").join(name));
    }
    let home = PathBuf::from(environment.home()?);
    Some(match name {
        "pgpass" => home.join(".pgpass"),
        "pg_service.conf" => home.join(".pg_service.conf"),
        other => home.join(".postgresql").join(other),
    })
}
