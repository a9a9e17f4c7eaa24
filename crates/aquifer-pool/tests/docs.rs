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
