//! The table of options in `docs/pool.md` is the one the code has.

use std::{env, fs};

use aquifer_pool::OPTIONS;

const BEGIN: &str = "<!-- generated: pool options -->\n";
const END: &str = "<!-- end -->";

fn table() -> String {
    let mut table = String::from(
        "| option | default | takes | what it does | why this default |\n|---|---|---|---|---|\n",
    );
    for option in OPTIONS {
        table += &format!(
            "| `{}` | {} | {}, {} | {} | {} |\n",
            option.name,
            option.default_text(),
            option.kind,
            option.bounds_text(),
            option.help,
            option.reason
        );
    }
    table
}

#[test]
fn the_documented_table_of_options_is_up_to_date() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/pool.md");
    let document = fs::read_to_string(path).expect("docs/pool.md is part of the project");
    let (before, rest) = document.split_once(BEGIN).expect("the marker before the table");
    let (written, after) = rest.split_once(END).expect("the marker after the table");
    if env::var_os("AQUIFER_WRITE_DOCS").is_some() {
        fs::write(path, format!("{before}{BEGIN}{}{END}{after}", table()))
            .expect("docs/pool.md is writable");
        return;
    }
    assert_eq!(
        written,
        table(),
        "docs/pool.md is out of date; type: AQUIFER_WRITE_DOCS=1 cargo test -p aquifer-pool --test docs"
    );
}

#[test]
fn every_option_is_explained_where_the_text_names_it() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/pool.md");
    let document = fs::read_to_string(path).expect("docs/pool.md is part of the project");
    let known: Vec<&str> = OPTIONS.iter().map(|option| option.name).collect();
    // Words in code style that look like options have to be options, statistics, causes or calls.
    let others = [
        "pool_",
        "exhausted",
        "connect_failing",
        "connect_slow",
        "checking",
        "recovering",
        "expired",
        "reclaimed",
        "connecting",
        "timeout",
        "deadline",
        "set_options",
        "resize",
        "n",
        "warm_up",
        "within",
        "off",
        "true",
        "false",
    ];
    for word in document.split('`').skip(1).step_by(2) {
        let plain = word.chars().all(|c| c.is_ascii_lowercase() || c == '_');
        assert!(
            !plain || known.contains(&word) || others.contains(&word) || word.contains("aquifer"),
            "`{word}`"
        );
    }
}
