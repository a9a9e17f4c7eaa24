//! What a session does after its log-in.

use std::collections::HashMap;
use std::io;
use std::sync::Arc;

use super::answer::{binary_row, head, text_row};
use super::packet::{
    self, AUTOCOMMIT, IN_TRANSACTION, MORE_RESULTS, Reader, TRACK_SCHEMA, TRACK_STATE,
};
use super::release::capability as has;
use super::wire::{Bytes, Channel, Wire};
use super::{Answer, Cell, Column, Done, Ears, Failure, Hello, Rows, Shared, Stage, login};

/// How long a command may be that the server takes.
const PACKET_MAX: i64 = 64 << 20;

/// What Aquifer's driver asks behind its settings.
const LOG_IN: &str =
    "SELECT @@max_allowed_packet, CONCAT_WS(' ', CONNECTION_ID(), RIGHT(UUID(), 17))";

/// One session.
struct Session<'a> {
    shared: &'a Shared,
    wire: Wire,
    hello: Hello,
    status: u16,
    /// Texts by number.
    statements: HashMap<u32, String>,
    prepared: u32,
    ears: Ears,
}

/// Serves a connection to its end.
pub(super) async fn serve(
    shared: &Shared,
    stream: Box<dyn Bytes>,
    channel: Channel,
    number: u32,
) -> io::Result<()> {
    let mut wire = Wire::new(stream, channel);
    let hello = login::log_in(shared, &mut wire, number).await?;
    let ears = Ears::default();
    shared.lock().sessions.insert(number, ears.clone());
    let statements = HashMap::new();
    let mut session =
        Session { shared, wire, hello, status: AUTOCOMMIT, statements, prepared: 0, ears };
    let ended = session.run().await;
    shared.lock().sessions.remove(&number);
    ended
}

impl Session<'_> {
    async fn run(&mut self) -> io::Result<()> {
        loop {
            let leave = Arc::clone(&self.ears.leave);
            let command = tokio::select! {
                command = self.wire.read() => command?,
                () = leave.notified() => return self.leave().await,
            };
            let Some((kind, rest)) = command.split_first() else {
                return self.refuse(1047, "08S01", "Unknown command").await;
            };
            let text = || String::from_utf8_lossy(rest).into_owned();
            match kind {
                0x01 => return Ok(()),
                0x03 => {
                    let sql = text();
                    self.heard(format!("Query {sql}"));
                    self.query(&sql).await?;
                }
                0x0e => {
                    self.heard("Ping".to_owned());
                    self.done(&Done::default(), 0).await?;
                }
                0x1f => {
                    self.heard("Reset".to_owned());
                    self.statements.clear();
                    self.status = AUTOCOMMIT;
                    self.done(&Done::default(), 0).await?;
                }
                0x16 => {
                    let sql = text();
                    self.heard(format!("Prepare {sql}"));
                    self.prepare(sql).await?;
                }
                0x17 => {
                    let number = Reader(rest).u32().unwrap_or_default();
                    self.execute(number).await?;
                }
                0x19 => {
                    let number = Reader(rest).u32().unwrap_or_default();
                    let sql = self.statements.remove(&number).unwrap_or_default();
                    self.heard(format!("Close {sql}"));
                }
                _ => self.refuse(1047, "08S01", "Unknown command").await?,
            }
        }
    }

    /// Says why the session is over, and ends it.
    async fn leave(&mut self) -> io::Result<()> {
        self.wire.begins_anew();
        let farewell = self.shared.lock().farewell.clone();
        if let Some(farewell) = farewell {
            self.fail(&farewell).await?;
        }
        self.wire.close().await
    }

    fn heard(&self, command: String) {
        self.shared.lock().commands.push(command);
    }

    async fn write(&mut self, payload: &[u8]) -> io::Result<()> {
        self.wire.write(self.shared, payload).await
    }

    async fn refuse(&mut self, number: u16, state: &str, message: &str) -> io::Result<()> {
        self.fail(&Failure::new(number, state, message)).await
    }

    async fn fail(&mut self, failure: &Failure) -> io::Result<()> {
        let state = Some(failure.state.as_str());
        self.write(&packet::error(failure.number, state, &failure.message)).await
    }

    async fn done(&mut self, done: &Done, more: u16) -> io::Result<()> {
        let (numbers, status) = ((done.affected, done.insert_id), self.status | more);
        let client = self.hello.flags;
        let packet = packet::ok(0, numbers, status, done.warnings, &done.tracked, client);
        self.write(&packet).await
    }

    /// Runs the statements of a text in turn, until one fails.
    async fn query(&mut self, sql: &str) -> io::Result<()> {
        if let Some((Stage::Setup, failure)) = &self.shared.settings.refusal
            && !self.shared.lock().admits
        {
            let failure = failure.clone();
            self.fail(&failure).await?;
            return self.wire.close().await;
        }
        let parts: Vec<&str> = match self.shared.settings.rules.contains_key(sql) {
            true => vec![sql],
            false => sql.split(";\n").collect(),
        };
        let last = parts.len() - 1;
        for (index, sql) in parts.into_iter().enumerate() {
            let answer = self.answer_to(sql, false);
            let more = if index < last { MORE_RESULTS } else { 0 };
            if !self.answer(answer, more, false).await? {
                break;
            }
        }
        Ok(())
    }

    /// What the text answers; `only_described` if it is not run.
    fn answer_to(&mut self, sql: &str, only_described: bool) -> Answer {
        if let Some(rule) = self.shared.settings.rules.get(sql) {
            let mut state = self.shared.lock();
            let runs = state.runs.entry(sql.to_owned()).or_default();
            let before = if only_described { 0 } else { std::mem::replace(runs, *runs + 1) };
            drop(state);
            return rule(before);
        }
        let word = sql.split_whitespace().next().unwrap_or_default().to_ascii_uppercase();
        match word.as_str() {
            "BEGIN" | "START" if !only_described => self.status |= IN_TRANSACTION,
            "COMMIT" | "ROLLBACK" if !only_described => self.status &= !IN_TRANSACTION,
            "KILL" if !only_described => {
                let number = sql.rsplit(' ').next().and_then(|number| number.parse().ok());
                let state = self.shared.lock();
                let session = number.and_then(|number: u32| state.sessions.get(&number));
                let Some(session) = session else {
                    return Answer::failed(1094, "HY000", "Unknown thread id");
                };
                session.stop.notify_one();
            }
            "BEGIN" | "START" | "COMMIT" | "ROLLBACK" | "KILL" | "DO" | "SAVEPOINT" => {}
            "USE" => return Answer::tracked(TRACK_SCHEMA, b"\x04shop"),
            "SET" => return Answer::tracked(TRACK_STATE, b"\x011"),
            _ if sql.starts_with(LOG_IN) => {
                // Who it is, it does not say.
                let mut columns = vec![Column::bigint("@@max_allowed_packet"), Column::text("id")];
                let mut row = vec![Cell::Int(PACKET_MAX), Cell::Null];
                if sql.ends_with(", CURRENT_ROLE()") {
                    columns.push(Column::text("CURRENT_ROLE()"));
                    row.push(Cell::Null);
                }
                return Answer::rows(columns, vec![row]);
            }
            _ => {
                let message = "You have an error in your SQL syntax";
                return Answer::failed(1064, "42000", message);
            }
        }
        Answer::done()
    }

    /// Sends an answer; false if nothing can come after it.
    async fn answer(&mut self, answer: Answer, more: u16, binary: bool) -> io::Result<bool> {
        match answer {
            Answer::Done(done) => self.done(&done, more).await?,
            Answer::Failed(failure) => {
                if failure.number == 1213 {
                    self.status &= !IN_TRANSACTION;
                }
                self.fail(&failure).await?;
                return Ok(false);
            }
            Answer::Rows(rows) => return self.rows(&rows, more, binary).await,
            Answer::Several(answers) => {
                let last = answers.len().saturating_sub(1);
                for (index, answer) in answers.into_iter().enumerate() {
                    let more = if index < last { MORE_RESULTS } else { more };
                    if !Box::pin(self.answer(answer, more, binary)).await? {
                        return Ok(false);
                    }
                }
            }
            Answer::Payloads(payloads) => {
                for payload in payloads {
                    self.write(&payload).await?;
                }
            }
            Answer::Raw(bytes) => self.wire.write_raw(self.shared, bytes).await?,
            Answer::Waits => {
                let stop = Arc::clone(&self.ears.stop);
                tokio::select! {
                    () = stop.notified() => {}
                    gone = self.wire.until_client_moves() => gone?,
                }
                self.refuse(1317, "70100", "Query execution was interrupted").await?;
                return Ok(false);
            }
            Answer::Closes => self.wire.close().await?,
        }
        Ok(true)
    }

    async fn rows(&mut self, rows: &Rows, more: u16, binary: bool) -> io::Result<bool> {
        let mariadb = self.shared.settings.release.is_mariadb();
        let caches = mariadb && self.hello.mariadb_flags & 0x10 != 0;
        self.write(&head(rows.columns.len(), caches)).await?;
        self.describe(&rows.columns).await?;
        for cells in &rows.rows {
            let row = if binary { binary_row(cells) } else { text_row(cells) };
            self.write(&row).await?;
        }
        if let Some(failure) = &rows.then {
            self.fail(failure).await?;
            return Ok(false);
        }
        let status = self.status | more;
        let end = match self.deprecates_eof() {
            true => packet::ok(0xfe, (0, 0), status, 0, &[], self.hello.flags),
            false => packet::eof(status),
        };
        self.write(&end).await?;
        Ok(true)
    }

    fn deprecates_eof(&self) -> bool {
        self.hello.flags & has::DEPRECATE_EOF != 0
    }

    /// Describes columns or placeholders; nothing if there are none.
    async fn describe(&mut self, columns: &[Column]) -> io::Result<()> {
        let extended = self.hello.mariadb_flags & 8 != 0;
        for column in columns {
            self.write(&column.describe(extended)).await?;
        }
        if !columns.is_empty() && !self.deprecates_eof() {
            self.write(&packet::eof(self.status)).await?;
        }
        Ok(())
    }

    async fn prepare(&mut self, sql: String) -> io::Result<()> {
        let answer = self.answer_to(&sql, true);
        if let Answer::Failed(failure) = &answer
            && [1064, 1295, 1461].contains(&failure.number)
        {
            let failure = failure.clone();
            return self.fail(&failure).await;
        }
        self.prepared += 1;
        let placeholders = vec![Column::text("?"); sql.matches('?').count()];
        let columns = answer.columns().to_vec();
        let mut packet = vec![0];
        packet.extend_from_slice(&self.prepared.to_le_bytes());
        packet.extend_from_slice(&(columns.len() as u16).to_le_bytes());
        packet.extend_from_slice(&(placeholders.len() as u16).to_le_bytes());
        packet.extend_from_slice(&[0, 0, 0]);
        self.statements.insert(self.prepared, sql);
        self.write(&packet).await?;
        self.describe(&placeholders).await?;
        self.describe(&columns).await
    }

    async fn execute(&mut self, number: u32) -> io::Result<()> {
        // MariaDB's way to name the statement that was prepared last.
        let number = if number == u32::MAX { self.prepared } else { number };
        let Some(sql) = self.statements.get(&number).cloned() else {
            self.heard("Execute what is unknown".to_owned());
            return self.refuse(1243, "HY000", "Unknown prepared statement handler").await;
        };
        self.heard(format!("Execute {sql}"));
        let answer = self.answer_to(&sql, false);
        self.answer(answer, 0, true).await.map(drop)
    }
}
