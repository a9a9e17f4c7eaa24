//! [`Setup`]: the statements that make a fresh session the one that was configured. Without I/O.

use crate::config::Config;
use crate::config::variables;
use crate::session_change::Changed;

/// What is set in each session, at the log-in and after each reset.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Setup {
    /// Names of variables and their values as they stand in a statement.
    variables: Vec<(String, String)>,
    collation: Option<String>,
    charset: String,
    database: Option<String>,
    /// The statement that goes back to the role of the log-in, where a reset does not and the role is known.
    role: Option<String>,
}

/// What a server can be told.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Server {
    /// It tells what changes in a session.
    pub(crate) tracks: bool,
    pub(crate) mariadb: bool,
}

impl Setup {
    pub(crate) fn new(config: &Config, server: Server, charset: &str) -> Self {
        let mut variables = vec![("time_zone".to_owned(), format!("'{}'", config.time_zone))];
        if server.tracks {
            variables.push(("session_track_state_change".to_owned(), "ON".to_owned()));
            let (name, value) = if server.mariadb {
                // The variables that are tracked by default, and the number of the last write.
                let tracked = "'autocommit,character_set_client,character_set_connection,\
                               character_set_results,time_zone,last_gtid'";
                ("session_track_system_variables", tracked)
            } else {
                ("session_track_gtids", "'OWN_GTID'")
            };
            variables.push((name.to_owned(), value.to_owned()));
        }
        for (name, value) in &config.system_variables {
            // Checked with the configuration.
            variables.extend(variables::literal(value).map(|value| (name.clone(), value)));
        }
        let (collation, database) = (config.collation.clone(), config.database.clone());
        Self { variables, collation, charset: charset.to_owned(), database, role: None }
    }

    /// The session has begun with this role, or none.
    pub(crate) fn set_role(&mut self, role: Option<&str>) {
        self.role = Some(match role {
            Some(role) => format!("SET ROLE `{}`", role.replace('`', "``")),
            None => "SET ROLE NONE".to_owned(),
        });
    }

    /// True if what follows a reset takes back another role.
    pub(crate) fn restores_role(&self) -> bool {
        self.role.is_some()
    }

    /// One statement.
    pub(crate) fn sql(&self) -> String {
        let mut sql = format!("SET {}", self.names());
        for (name, value) in &self.variables {
            sql.push_str(&format!(", {name} = {value}"));
        }
        sql
    }

    /// What follows a reset, which keeps the current database, whoever chose it, and on MariaDB the role.
    pub(crate) fn after_reset(&self) -> String {
        // The role first: what comes then may need its privileges, as at the log-in.
        let parts = self.role.clone().into_iter().chain([self.sql()]).chain(self.use_database());
        parts.collect::<Vec<_>>().join(";\n")
    }

    /// The statement that goes back to the database of the configuration, if it has one.
    pub(crate) fn use_database(&self) -> Option<String> {
        self.database.as_ref().map(|name| format!("USE `{}`", name.replace('`', "``")))
    }
}

impl Setup {
    /// What makes the session fresh again that differs from a fresh one in this way alone; `None` if nothing short of a
    /// reset does.
    pub(crate) fn undo(&self, changed: &Changed) -> Option<String> {
        let mut parts = Vec::new();
        if changed.anything {
            return None;
        }
        let is_text =
            |name: &str| name.starts_with("character_set") || name.starts_with("collation");
        if changed.variables.iter().any(|name| is_text(name)) {
            parts.push(self.names());
        }
        for name in changed.variables.iter().filter(|name| !is_text(name)) {
            parts.push(format!("{name} = {}", self.fresh(name)));
        }
        let mut sql = Vec::new();
        if !parts.is_empty() {
            sql.push(format!("SET {}", parts.join(", ")));
        }
        if changed.database {
            sql.push(self.use_database()?);
        }
        (!sql.is_empty()).then(|| sql.join(";\n"))
    }

    /// The value that a variable has in a fresh session, as it stands in a statement.
    fn fresh(&self, name: &str) -> &str {
        let set = self.variables.iter().rev().find(|(known, _)| known == name);
        match set {
            Some((_, value)) => value,
            // The driver depends on it, whatever the server's default is.
            None if name == "autocommit" => "ON",
            None => "DEFAULT",
        }
    }

    fn names(&self) -> String {
        match &self.collation {
            Some(collation) => format!("NAMES {} COLLATE {collation}", self.charset),
            None => format!("NAMES {}", self.charset),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_is_set_up_by_one_statement() {
        let config = Config {
            collation: Some("utf8mb4_bin".to_owned()),
            database: Some("a`b".to_owned()),
            system_variables: vec![
                ("sql_mode".to_owned(), "ANSI', x = '1".to_owned()),
                ("wait_timeout".to_owned(), "60".to_owned()),
            ],
            ..Config::default()
        };
        let server = Server { tracks: false, mariadb: true };
        let setup = Setup::new(&config, server, "utf8mb4");
        assert_eq!(
            setup.sql(),
            "SET NAMES utf8mb4 COLLATE utf8mb4_bin, time_zone = '+00:00', \
             sql_mode = 'ANSI'', x = ''1', wait_timeout = 60"
        );
        assert!(setup.after_reset().starts_with("SET NAMES"));
        assert!(setup.after_reset().ends_with(";\nUSE `a``b`"));
        let mut setup = setup;
        for (role, sql) in [(None, "SET ROLE NONE;\nSET "), (Some("a`b"), "SET ROLE `a``b`;\nSET ")]
        {
            setup.set_role(role);
            assert!(setup.restores_role() && setup.after_reset().starts_with(sql), "{role:?}");
        }
        let tracks =
            |mariadb| Setup::new(&config, Server { tracks: true, mariadb }, "utf8mb4").sql();
        assert!(tracks(true).contains("last_gtid") && tracks(false).contains("OWN_GTID"));
    }

    #[test]
    fn known_changes_are_undone_one_by_one() {
        let config = Config {
            database: Some("shop".to_owned()),
            system_variables: vec![("sql_mode".to_owned(), "ANSI".to_owned())],
            ..Config::default()
        };
        let server = Server { tracks: true, mariadb: true };
        let setup = Setup::new(&config, server, "utf8mb4");
        let undo = |setup: &Setup, texts: &[&str]| {
            let mut changed = Changed::default();
            texts.iter().for_each(|sql| changed.add(Changed::by(sql)));
            setup.undo(&changed)
        };
        assert_eq!(
            undo(&setup, &["SET sql_mode = ''", "SET wait_timeout = 1, autocommit = 0"]).unwrap(),
            "SET sql_mode = 'ANSI', wait_timeout = DEFAULT, autocommit = ON"
        );
        assert_eq!(
            undo(&setup, &["SET NAMES latin1", "SET time_zone = 'SYSTEM'", "USE x"]).unwrap(),
            "SET NAMES utf8mb4, time_zone = '+00:00';\nUSE `shop`"
        );
        assert_eq!(undo(&setup, &["SET sql_mode = ''", "SET @a = 1"]), None);
        let nowhere = Setup::new(&Config::default(), server, "utf8mb4");
        assert_eq!(undo(&nowhere, &["USE x"]), None, "there is no database to go back to");
    }
}
