//! `aquifer check` as a program.

mod common;

use common::{Scratch, json, stderr};

const GOOD: &str = "\
-- name: t.list :many
-- http: GET /t
-- param code: text?
-- limit: 10
SELECT id, code FROM t WHERE :code IS NULL OR code = :code;

-- name: t.add :exec
-- http: POST /t
-- param code: text
INSERT INTO t (code) VALUES (:code);
";

#[test]
fn good_queries_exit_with_0() {
    let scratch = Scratch::new();
    scratch.database("my.db");
    scratch.write("queries/t.sql", GOOD);
    let output = scratch.run(&["check", "./my.db", "--queries", "queries"]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert!(stderr(&output).starts_with("2 queries checked against "), "{output:?}");
    assert!(output.stdout.is_empty());

    let output = scratch.run(&["check", "./my.db", "--format", "json"]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert!(output.stderr.is_empty());
    let report = json(&output);
    assert_eq!(report["ok"], true);
    let list = &report["queries"][0];
    assert_eq!(list["name"], "t.list");
    assert_eq!(list["reads_only"], true);
    assert_eq!(
        list["parameters"][0],
        serde_json::json!({"name": "code", "type": "text", "as": null, "required": false})
    );
    assert_eq!(list["parameters"][1]["name"], "limit");
    assert_eq!(list["columns"][0]["name"], "id");
    assert_eq!(list["columns"][1]["type"], "TEXT");
    assert_eq!(report["queries"][1]["reads_only"], false);
    assert_eq!(report["queries"][1]["columns"], serde_json::json!([]));
}

#[test]
fn mistakes_exit_with_1_and_are_all_shown_with_their_places() {
    let scratch = Scratch::new();
    scratch.database("my.db");
    scratch.write(
        "queries/bad.sql",
        "-- name: a :many\n-- http: GET /a\n-- param code: text\n\
         SELECT id,\n       nope\nFROM t WHERE code = :code;\n\n\
         -- name: b :one\n-- http: GET /b\nINSERT INTO t (code) VALUES ('x') RETURNING id;\n\n\
         -- name: c :one\n-- http: GET /c\nSELECT id, id FROM t;\n\n\
         -- name: d :exec\n-- http: POST /d\nSELECT 1 AS one;\n\n\
         -- name: e :many\n-- http: POST /e\nDELETE FROM t;\n\n\
         -- name: f :one\n-- http: GET /f\nSELEC 1;\n",
    );
    let output = scratch.run(&["check", "./my.db"]);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let said = stderr(&output);
    for line in [
        "queries/bad.sql:5:8: the database refuses `a`: ",
        "queries/bad.sql:9:10: GET must only read, but this writes",
        "queries/bad.sql:12:10: two columns are called `id`",
        "queries/bad.sql:16:10: `d` is :exec but gives rows",
        "queries/bad.sql:20:10: `e` is :many but gives no rows",
        "queries/bad.sql:26:1: the database refuses `f`: ",
        "error: 6 mistakes in the queries",
    ] {
        assert!(said.lines().any(|said| said.starts_with(line)), "{line}\n{said}");
    }

    let output = scratch.run(&["check", "./my.db", "--format", "json"]);
    assert_eq!(output.status.code(), Some(1));
    let report = json(&output);
    assert_eq!(report["ok"], false);
    assert_eq!(report["errors"].as_array().unwrap().len(), 6);
    assert_eq!(report["errors"][0]["line"], 5);
}

#[test]
fn malformed_heads_are_found_without_asking_the_database() {
    let scratch = Scratch::new();
    scratch.database("my.db");
    scratch.write("queries/a.sql", "-- name: a :one\n-- htp: GET /a\nSELECT :x;\n");
    scratch.write("queries/b.sql", "SELECT 1;\n");
    let output = scratch.run(&["check", "./my.db"]);
    assert_eq!(output.status.code(), Some(1));
    let said = stderr(&output);
    assert!(
        said.contains("queries/a.sql:2:4: unknown head key `htp`\n  did you mean `http`?"),
        "{said}"
    );
    assert!(said.contains("queries/b.sql:1:1: this statement has no `name` line"), "{said}");
}

#[test]
fn checking_changes_nothing() {
    let scratch = Scratch::new();
    let file = scratch.database("my.db");
    scratch.write("queries/t.sql", GOOD);
    assert_eq!(scratch.run(&["check", "./my.db"]).status.code(), Some(0));
    scratch
        .write("queries/t.sql", "-- name: t :one\n-- http: GET /t\nSELECT count(*) AS n FROM t;\n");
    let serving = scratch.serve(&[file.to_str().unwrap()]);
    assert_eq!(serving.get("/t").1["n"], 2);
}

#[test]
fn statements_that_make_no_sense_on_a_pool_are_refused_and_leave_no_trace() {
    let scratch = Scratch::new();
    let file = scratch.database("my.db");
    let before = std::fs::read(&file).unwrap();
    scratch.write(
        "queries/bad.sql",
        "-- name: a :exec\n-- http: POST /a\nPRAGMA journal_mode = delete;\n\n\
         -- name: b :exec\n-- http: POST /b\nVACUUM INTO 'copy.db';\n\n\
         -- name: c :exec\n-- http: POST /c\nATTACH 'other.db' AS other;\n\n\
         -- name: d :exec\n-- http: POST /d\nBEGIN;\n\n\
         -- name: e :exec\n-- http: POST /e\nINSERT INTO t (code) VALUES ('x');\n",
    );
    let output = scratch.run(&["check", "./my.db"]);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let said = stderr(&output);
    for line in [
        "queries/bad.sql:3:1: `a` sets something",
        "queries/bad.sql:7:1: `b` rewrites the whole database",
        "queries/bad.sql:11:1: `c` attaches",
        "queries/bad.sql:15:1: `d` controls a transaction",
        "error: 4 mistakes in the queries",
    ] {
        assert!(said.lines().any(|said| said.starts_with(line)), "{line}\n{said}");
    }
    assert_eq!(std::fs::read(&file).unwrap(), before);
    assert!(!scratch.0.join("copy.db").exists() && !scratch.0.join("other.db").exists());
}

#[test]
fn files_heads_and_statements_are_reported_in_one_round() {
    let scratch = Scratch::new();
    scratch.database("my.db");
    scratch.write(
        "queries/a.sql",
        "-- name: a :one\n-- htp: GET /a\nSELECT 1;\n\n\
         -- name: b :one\n-- http: GET /b\nSELECT nope FROM t;\n",
    );
    scratch.write("queries/c.sql", "-- name: c :one\n-- http: GET /c\nSELEC 1;\n");
    std::fs::write(scratch.0.join("queries/b.sql"), [0xff]).unwrap();
    let output = scratch.run(&["check", "./my.db"]);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let said = stderr(&output);
    let mut rest = &*said;
    for part in [
        "queries/a.sql:2:4: unknown head key",
        "queries/a.sql:7:8: the database refuses `b`",
        "queries/b.sql:1:1: this is not UTF-8",
        "queries/c.sql:3:1: the database refuses `c`",
    ] {
        let at = rest.find(part).unwrap_or_else(|| panic!("{part}\n{said}"));
        rest = &rest[at + part.len()..];
    }
    let serving = scratch.run(&["serve", "./my.db", "--listen", "127.0.0.1:0", "--no-admin"]);
    assert_eq!(serving.status.code(), Some(1));
    assert_eq!(stderr(&serving), said);
}

#[test]
fn a_memory_database_is_said_to_be_empty() {
    let scratch = Scratch::new();
    scratch.write("queries/t.sql", GOOD);
    let output = scratch.run(&["check", "sqlite::memory:"]);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert!(stderr(&output).contains("  a memory database is empty; "), "{output:?}");
    scratch.write("queries/t.sql", "-- name: t :one\n-- http: GET /t\nSELECT 1 AS one;\n");
    let output = scratch.run(&["check", "sqlite::memory:"]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert!(stderr(&output).contains("checked against an empty database in memory in "));
}

#[test]
fn checking_creates_no_database_whatever_the_mode() {
    let scratch = Scratch::new();
    scratch.write("queries/t.sql", GOOD);
    for url in ["sqlite://nope.db?mode=rwc", "sqlite://nope.db", "sqlite://nope.db?mode=rw"] {
        let output = scratch.run(&["check", url]);
        assert_eq!(output.status.code(), Some(1), "{output:?}");
        let said = stderr(&output);
        assert!(said.contains("does not exist") && !said.contains("rwc"), "{said}");
        assert!(!scratch.0.join("nope.db").exists());
    }
}

#[test]
fn what_is_not_there_exits_with_1_and_wrong_usage_with_2() {
    let scratch = Scratch::new();
    scratch.database("my.db");
    scratch.write("queries/t.sql", GOOD);
    scratch.write("none/readme.txt", "");
    for (args, code, says) in [
        (&["check", "./nope.db"][..], 1, "there is no database file"),
        (&["check", "./my.db", "--queries", "nope"], 1, "cannot read the directory"),
        (&["check", "./my.db", "--queries", "none"], 1, "no `.sql` file"),
        (
            &["check", "./my.db", "--queries", "queries/t.sql"],
            1,
            "pass the directory that it is in",
        ),
        (&["check", "./my.db", "--format", "xml"], 2, "xml"),
        (&["check", "mongo://x", "--queries", "queries"], 2, "unknown scheme"),
    ] {
        let output = scratch.run(args);
        assert_eq!(output.status.code(), Some(code), "{args:?} {output:?}");
        assert!(stderr(&output).contains(says), "{args:?} {output:?}");
    }
}

#[test]
fn checking_makes_no_demo() {
    let scratch = Scratch::new();
    let output = scratch.run(&["check"]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert!(stderr(&output).contains("checked against the demo in memory in "), "{output:?}");
    assert!(!scratch.0.join("share").exists());
}

#[test]
fn the_demos_own_queries_pass() {
    let scratch = Scratch::new();
    let output = scratch.run(&["check", "--memory"]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert!(
        stderr(&output).starts_with("6 queries checked against the demo in memory in "),
        "{output:?}"
    );
}

#[test]
fn help_and_version_are_there() {
    let scratch = Scratch::new();
    let version = scratch.run(&["--version"]);
    let expected = format!("aquifer {}\n", env!("CARGO_PKG_VERSION"));
    assert_eq!(String::from_utf8(version.stdout).unwrap(), expected);
    let help = scratch.run(&["serve", "--help"]);
    let help = String::from_utf8(help.stdout).unwrap();
    for word in ["--queries", "--listen", "--admin", "--memory", "DATABASE_URL", "Examples:"] {
        assert!(help.contains(word), "{word}\n{help}");
    }
    assert_eq!(scratch.run(&[]).status.code(), Some(2));
}
