//! What of the server's text may be shown: it quotes names and data alike, and data is the user's.
//!
//! A quoted part stays if the number is known to quote names only, or if the statement's text has it, which the
//! caller wrote. The whole text is in [`Error::detail`].

use aquifer_driver::{Error, ErrorKind};

use super::ServerError;

/// Numbers whose texts quote names and the statement's own text, never data.
const NAMES_ONLY: [u16; 32] = [
    1044, 1045, 1046, 1048, 1049, 1050, 1051, 1052, 1054, 1060, 1061, 1072, 1075, 1091, 1095, 1109,
    1128, 1136, 1142, 1143, 1146, 1149, 1176, 1227, 1264, 1265, 1305, 1364, 1370, 1406, 1451, 1452,
];

/// `ER_SIGNAL_WARN`, `ER_SIGNAL_NOT_FOUND`, `ER_SIGNAL_EXCEPTION`: what SIGNAL has unless it says another number.
const SIGNALS: [u16; 3] = [1642, 1643, 1644];

/// `ER_PARSE_ERROR`, which quotes the statement from where it is wrong: with the arguments that were written into it.
const PARSE_ERROR: u16 = 1064;

impl ServerError {
    pub(super) fn describe(&self, kind: ErrorKind, sql: &str) -> Error {
        let shown = match kind {
            ErrorKind::UniqueViolation => "a unique key has this entry already".to_owned(),
            // A procedure's or a trigger's own words can be anything.
            _ if self.is_raised() && !sql.contains(&self.message) => {
                "a procedure or trigger of the database raised an error".to_owned()
            }
            _ if self.number == PARSE_ERROR => near(&self.message, sql),
            _ if NAMES_ONLY.contains(&self.number) => self.message.clone(),
            _ => masked(&self.message, sql),
        };
        let mut message = shown;
        let constraint = self.constraint(kind);
        if kind == ErrorKind::UniqueViolation
            && let Some(name) = &constraint
        {
            message.push_str(&format!(" (key `{name}`)"));
        }
        let error = Error::new(kind, message);
        let error = match self.is_raised() {
            true => error.with_hint("`detail()` has its text"),
            false => error,
        };
        let mut error = error
            .with_code(self.number.to_string())
            .with_sqlstate(self.sqlstate().unwrap_or_default())
            .with_detail(self.message.clone());
        if let Some(name) = constraint {
            error = error.with_constraint(name);
        }
        if matches!(self.number, 1048 | 1263 | 1364 | 1264 | 1265 | 1406)
            && let Some(column) = quoted(&self.message, '\'').next()
        {
            error = error.with_column(column);
        }
        error
    }

    /// True for the text of a SIGNAL.
    fn is_raised(&self) -> bool {
        SIGNALS.contains(&self.number) || self.sqlstate() == Some("45000")
    }

    /// The violated constraint's name, as far as the text tells.
    fn constraint(&self, kind: ErrorKind) -> Option<String> {
        match kind {
            // MySQL 8 writes `table.key`, others the key alone.
            ErrorKind::UniqueViolation => {
                let (_, key) = self.message.rsplit_once("for key ")?;
                let key = quoted(key, '\'').next()?;
                Some(key.rsplit_once('.').map_or(key, |(_, name)| name).to_owned())
            }
            ErrorKind::ForeignKeyViolation | ErrorKind::CheckViolation => {
                let after = self.message.split_once("CONSTRAINT ");
                let name = match after {
                    Some((_, rest)) => quoted(rest, '`').next()?,
                    None => quoted(&self.message, '\'').next()?,
                };
                // MariaDB names a column's own check `table.column`.
                Some(name.to_owned())
            }
            _ => None,
        }
    }
}

/// The parts between pairs of `quote`.
fn quoted(text: &str, quote: char) -> impl Iterator<Item = &str> {
    text.split(quote).skip(1).step_by(2)
}

/// The text of a parse error, whose one quoted part, which has quotes in it itself, is left out if the statement does
/// not have it.
fn near(text: &str, sql: &str) -> String {
    let parts = text.split_once('\'').and_then(|(head, rest)| {
        let (quoted, tail) = rest.rsplit_once('\'')?;
        Some((head, quoted, tail))
    });
    match parts {
        Some((_, quoted, _)) if sql.contains(quoted) => text.to_owned(),
        Some((head, _, tail)) => format!("{head}'…'{tail}"),
        None => text.to_owned(),
    }
}

/// Servers cut their texts off at 512 bytes.
const WHOLE_MAX: usize = 511;

/// What servers write between quoted parts. Anything else there may be data that has quotes in it itself.
const BETWEEN: [&str; 6] =
    [" for column ", " for key ", " in ", " for function ", " can't be set to the value of ", "."];

/// The text with every quoted part left out that the statement does not have.
fn masked(text: &str, sql: &str) -> String {
    /// Stands for the apostrophe of "can't", which quotes nothing.
    const APOSTROPHE: &str = "\u{1}";
    let text = text.replace("n't ", &format!("n{APOSTROPHE}t "));
    let restored = |text: &str| text.replace(APOSTROPHE, "'");
    let parts: Vec<&str> = text.split('\'').collect();
    let between = parts.iter().skip(2).step_by(2);
    let known = between
        .take(parts.len().saturating_sub(3) / 2)
        .all(|part| BETWEEN.contains(&restored(part).as_str()));
    match parts.as_slice() {
        [whole] => restored(whole),
        // The last part may be the beginning of a quoted one.
        [head, ..] if text.len() >= WHOLE_MAX => format!("{} …", restored(head).trim_end()),
        [head, _] => format!("{} …", restored(head).trim_end()),
        // Nobody can tell what is inside.
        [head, .., tail] if parts.len().is_multiple_of(2) || !known => {
            format!("{}'…'{}", restored(head), restored(tail))
        }
        parts => {
            let shown = parts.iter().enumerate().map(|(index, part)| {
                let part = restored(part);
                if index % 2 == 1 && !sql.contains(&part) { "…".to_owned() } else { part }
            });
            shown.collect::<Vec<_>>().join("'")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(number: u16, message: &str, sql: &str) -> Error {
        let packet =
            [b"\xff", number.to_le_bytes().as_slice(), b"#23000", message.as_bytes()].concat();
        ServerError::parse(&packet).unwrap().into_error(Some(sql))
    }

    #[test]
    fn what_a_procedure_says_is_shown_if_the_statement_says_it() {
        let raised = error(1644, "no place for hunter2", "CALL place('Elbe')");
        assert!(!format!("{raised} {raised:?}").contains("hunter2"), "{raised:?}");
        assert_eq!(raised.detail(), Some("no place for hunter2"));
        let own = "SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'on purpose'";
        assert!(error(1644, "on purpose", own).to_string().contains("on purpose"));
    }

    #[test]
    fn data_is_left_out_and_names_stay() {
        let secret = "Duplicate entry 'hunter2' for key 'users.code'";
        let duplicate = error(1062, secret, "");
        assert_eq!(duplicate.constraint(), Some("code"));
        assert!(!duplicate.to_string().contains("hunter2"), "{duplicate}");
        assert_eq!(duplicate.detail(), Some(secret));
        let value = error(1366, "Incorrect integer value: 'hunter2' for column `d`.`t`.`n`", "");
        assert!(!value.to_string().contains("hunter2") && value.to_string().contains("`n`"));
        let own = error(1525, "Incorrect DATE value: 'x'", "SELECT DATE 'x'");
        assert!(own.to_string().contains("'x'"), "{own}");
        let odd = error(1366, "Incorrect value: 'it's hunter2' for column", "");
        assert!(!odd.to_string().contains("hunter2"), "{odd}");
        let written = "SELEC 'hunter2' FROM u";
        let message = format!("You have an error; use near '{written}' at line 1");
        let shown = error(1064, &message, "SELEC ? FROM u").to_string();
        assert!(!shown.contains("hunter2") && shown.contains("near '…' at line 1"), "{shown}");
        assert!(error(1064, &message, written).to_string().contains(written));
        for data in [
            "a' hunter2 '",
            "a' for column 'hunter2",
            "can't hunter2",
            "' hunter2",
            "'",
            "n't 'hunter2' ",
        ] {
            let message = format!("Incorrect integer value: '{data}' for column 'n' at row 1");
            let shown = error(1366, &message, "").to_string();
            assert!(!shown.contains("hunter2") && shown.contains("at row 1"), "{data}: {shown}");
        }
        let mode = "Variable 'sql_mode' can't be set to the value of 'NOSUCH'";
        let shown = error(1231, mode, "SET sql_mode = 'NOSUCH'").to_string();
        assert!(shown.contains(mode), "{shown}");
        let full = "Can't create more than max_prepared_stmt_count statements (current value: 6)";
        assert!(error(1461, full, "").to_string().contains(full));
        let missing = error(1146, "Table 'd.stations' doesn't exist", "");
        assert!(missing.to_string().contains("d.stations"));
    }

    #[test]
    fn constraints_and_columns_are_named() {
        let foreign = "Cannot add or update a child row: a foreign key constraint fails \
                       (`d`.`b`, CONSTRAINT `b_a` FOREIGN KEY (`a`) REFERENCES `a` (`id`))";
        assert_eq!(error(1452, foreign, "").constraint(), Some("b_a"));
        let check = "CONSTRAINT `positive` failed for `d`.`t`";
        assert_eq!(error(4025, check, "").constraint(), Some("positive"));
        let mysql = "Check constraint 'positive' is violated.";
        assert_eq!(error(3819, mysql, "").constraint(), Some("positive"));
        assert_eq!(error(1048, "Column 'n' cannot be null", "").column(), Some("n"));
    }
}
