//! Which programs cargo has built, read from its `--message-format=json` lines.

use crate::failure::Outcome;
use crate::workspace::{EVERYTHING, Workspace, output};
use std::path::{Path, PathBuf};

/// A program that cargo built.
#[derive(Debug, PartialEq)]
pub(crate) struct Program {
    /// The target's name: of the example, of the test file, of the library under test.
    pub(crate) name: String,
    /// The folder of its package, where cargo would run it.
    pub(crate) package: PathBuf,
    pub(crate) executable: PathBuf,
    /// Whether it is a test program; cargo builds ordinary ones along with those.
    pub(crate) is_test: bool,
}

/// Builds with the features of a test run, so that nothing is built twice, and returns the programs
/// of `package` (of all packages without one).
pub(crate) fn build(
    workspace: &Workspace,
    arguments: &[&str],
    package: Option<&str>,
) -> Outcome<Vec<Program>> {
    let mut command = workspace.cargo(arguments);
    command.args(EVERYTHING).arg("--message-format=json-render-diagnostics");
    let lines = output(&mut command)?;
    let wanted =
        |program: &Program| package.is_none_or(|p| program.package == workspace.root.join(p));
    Ok(lines.lines().filter_map(program).filter(wanted).collect())
}

/// Cargo writes these lines compactly, one object each, so that looking for `"key":"` is enough:
/// the first `name` of an artifact is its target's.
fn program(line: &str) -> Option<Program> {
    if !line.starts_with(r#"{"reason":"compiler-artifact""#) {
        return None;
    }
    let manifest = text(line, "manifest_path")?;
    Some(Program {
        name: text(line, "name")?,
        package: Path::new(&manifest).parent()?.to_path_buf(),
        executable: text(line, "executable")?.into(),
        is_test: line.split_once(r#""profile":{"#)?.1.split_once('}')?.0.contains(r#""test":true"#),
    })
}

fn text(line: &str, key: &str) -> Option<String> {
    let (_, rest) = line.split_once(&format!(r#""{key}":""#))?;
    let mut value = String::new();
    let mut characters = rest.chars();
    loop {
        match characters.next()? {
            '"' => return Some(value),
            // Paths hold no control characters: what is escaped is a quote or a backslash.
            '\\' => value.push(characters.next()?),
            character => value.push(character),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_is_read_from_its_line_and_libraries_are_not() {
        let line = r#"{"reason":"compiler-artifact","package_id":"x","manifest_path":"/p/examples/Cargo.toml","target":{"kind":["example"],"name":"hello","src_path":"/p/hello.rs","test":true},"profile":{"opt_level":"0","test":false},"filenames":[],"executable":"/p/target/debug/examples/hello","fresh":true}"#;
        let expected = Program {
            name: "hello".into(),
            package: "/p/examples".into(),
            executable: "/p/target/debug/examples/hello".into(),
            is_test: false,
        };
        assert_eq!(program(line), Some(expected));
        let test = line.replace(r#""test":false"#, r#""test":true"#);
        assert!(program(&test).unwrap().is_test);
        let library = line.replace(r#""/p/target/debug/examples/hello""#, "null");
        assert_eq!(program(&library), None);
        assert_eq!(program(r#"{"reason":"build-finished","success":true}"#), None);
    }

    #[test]
    fn escaped_characters_of_a_path_are_read_back() {
        assert_eq!(text(r#"{"a":"C:\\b \"c\""}"#, "a").unwrap(), r#"C:\b "c""#);
    }
}
