//! The targets, one file per thing that reads from outside.

mod cells;
mod dsn;
mod mysql;
mod postgres_auth;
mod postgres_copy;
mod postgres_dsn;
mod postgres_files;
mod postgres_reports;
mod postgres_stream;
mod postgres_types;
mod queries;
mod sql;

/// A function that reads input from outside, and what to feed it.
#[derive(Debug, Clone, Copy)]
pub struct Target {
    /// Also the name of its folder in `corpus/`.
    pub name: &'static str,
    /// The promise it holds the code to.
    pub promise: &'static str,
    /// Panics if the promise is broken.
    pub run: fn(&[u8]),
    /// What its grammar is made of.
    pub words: &'static [&'static str],
}

/// All of them. The tests insist that each has a corpus, and each corpus a target.
pub const TARGETS: &[Target] = &[
    Target {
        name: "cells",
        promise: "cells of any encoding decode exactly or not at all, and never panic",
        run: cells::run,
        words: cells::WORDS,
    },
    Target {
        name: "dsn",
        promise: "a URL is taken apart or refused with a reason, and no text shows its password",
        run: dsn::run,
        words: dsn::WORDS,
    },
    Target {
        name: "mysql_auth",
        promise: "a log-in ends in an answer or a reason, and the password goes out only where it may",
        run: mysql::auth,
        words: mysql::AUTH_WORDS,
    },
    Target {
        name: "mysql_compressed",
        promise: "compressed packets mean the same however they are cut, hold what they say, and what is packed is unpacked",
        run: mysql::compressed,
        words: mysql::COMPRESSED_WORDS,
    },
    Target {
        name: "mysql_errors",
        promise: "what a server says is shown without the data that it quotes, whatever that has in it",
        run: mysql::errors,
        words: mysql::ERROR_WORDS,
    },
    Target {
        name: "mysql_literals",
        promise: "an argument in a text is one literal, and changes nothing else of it",
        run: mysql::literals,
        words: mysql::LITERAL_WORDS,
    },
    Target {
        name: "mysql_packets",
        promise: "a server's packets mean the same however they are cut, and nothing they say panics",
        run: mysql::packets,
        words: mysql::PACKET_WORDS,
    },
    Target {
        name: "mysql_changes",
        promise: "only a plain SET is undone by its opposite, and every SET is noticed",
        run: mysql::changes,
        words: mysql::CHANGE_WORDS,
    },
    Target {
        name: "mysql_types",
        promise: "a MySQL cell is read or refused, and what was read is bound as the same value",
        run: mysql::types,
        words: mysql::TYPE_WORDS,
    },
    Target {
        name: "postgres_auth",
        promise: "a log-in ends in an answer or a reason, within the policy, and no secret goes out unasked",
        run: postgres_auth::run,
        words: postgres_auth::WORDS,
    },
    Target {
        name: "postgres_copy_in",
        promise: "rows that a COPY sends are read as the same rows in each of its formats",
        run: postgres_copy::into,
        words: postgres_copy::IN_WORDS,
    },
    Target {
        name: "postgres_copy_out",
        promise: "a COPY's data is read or refused, naming the row, the same however it is cut",
        run: postgres_copy::out,
        words: postgres_copy::OUT_WORDS,
    },
    Target {
        name: "postgres_copy_stream",
        promise: "a server's messages to a COPY mean the same however they are cut, and nothing they say panics",
        run: postgres_copy::stream,
        words: postgres_copy::STREAM_WORDS,
    },
    Target {
        name: "postgres_dsn",
        promise: "a connection string is read or refused, and no text shows its password",
        run: postgres_dsn::run,
        words: postgres_dsn::WORDS,
    },
    Target {
        name: "postgres_passfile",
        promise: "a password file has the password that the rules say",
        run: postgres_files::passfile,
        words: postgres_files::PASSFILE_WORDS,
    },
    Target {
        name: "postgres_service",
        promise: "a service file has the parameters of a service, or is refused without showing them",
        run: postgres_files::service,
        words: postgres_files::SERVICE_WORDS,
    },
    Target {
        name: "postgres_reports",
        promise: "a server's report is read or refused, and what it quotes of a statement's data is not shown",
        run: postgres_reports::run,
        words: postgres_reports::WORDS,
    },
    Target {
        name: "postgres_shared",
        promise: "statements of several callers are each answered once and in order, the same however the answers are cut",
        run: postgres_stream::shared,
        words: postgres_stream::WORDS,
    },
    Target {
        name: "postgres_stream",
        promise: "a server's messages mean the same however they are cut, and nothing they say panics",
        run: postgres_stream::run,
        words: postgres_stream::WORDS,
    },
    Target {
        name: "postgres_types",
        promise: "a PostgreSQL cell is read or refused, and what was read is bound as the same value",
        run: postgres_types::run,
        words: postgres_types::WORDS,
    },
    Target {
        name: "queries",
        promise: "a query file is read, or refused with a place and a reason for each thing that is wrong",
        run: queries::run,
        words: queries::WORDS,
    },
    Target {
        name: "sql_tokens",
        promise: "every byte of a text is in one token, and every token in one statement",
        run: sql::tokens,
        words: sql::WORDS,
    },
    Target {
        name: "sql_placeholders",
        promise: "rewriting placeholders changes nothing else of a statement",
        run: sql::placeholders,
        words: sql::WORDS,
    },
    Target {
        name: "sql_named",
        promise: "named parameters become placeholders, one for each value",
        run: sql::named,
        words: sql::WORDS,
    },
];

/// The target of this name.
pub fn find(name: &str) -> Option<&'static Target> {
    TARGETS.iter().find(|target| target.name == name)
}
