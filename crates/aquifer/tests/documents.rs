//! The documents' Rust blocks are programs that compile: `cargo test --doc` does that for the documents
//! that `src/lib.rs` includes. Here: it includes all of them, and every block says what it is.

use std::fs;
use std::path::{Path, PathBuf};

/// The README and everything in `docs`, by their paths from the workspace's root.
fn documents() -> Vec<(String, String)> {
    let root = root();
    let mut names = vec!["README.md".to_owned()];
    for entry in fs::read_dir(root.join("docs")).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        if name.ends_with(".md") {
            names.push(format!("docs/{name}"));
        }
    }
    names.into_iter().map(|name| (fs::read_to_string(root.join(&name)).unwrap(), name)).collect()
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// The line and the language of each block.
fn blocks(text: &str) -> Vec<(usize, &str)> {
    let mut open = false;
    let mut blocks = Vec::new();
    for (number, line) in (1..).zip(text.lines()) {
        let Some(language) = line.trim_start().strip_prefix("```") else { continue };
        if !open {
            blocks.push((number, language.trim()));
        }
        open = !open;
    }
    assert!(!open, "a block is not closed");
    blocks
}

#[test]
fn every_document_is_compiled() {
    let compiled = include_str!("../src/lib.rs");
    for (_, name) in documents() {
        let included = format!("include_str!(\"../../../{name}\")");
        assert!(
            compiled.contains(&included),
            "{name} is not compiled: include it in `documents` in crates/aquifer/src/lib.rs"
        );
    }
}

#[test]
fn every_block_says_its_language() {
    for (text, name) in documents() {
        for (line, language) in blocks(&text) {
            assert!(
                !language.is_empty(),
                "{name}:{line}: rustdoc takes a block without a language for Rust; say ```text"
            );
            assert!(
                !language.contains("ignore"),
                "{name}:{line}: a block that is not compiled goes stale"
            );
        }
    }
}

#[test]
fn the_readme_shows_a_program() {
    let readme = fs::read_to_string(root().join("README.md")).unwrap();
    assert!(blocks(&readme).iter().any(|&(_, language)| language == "rust"));
}
