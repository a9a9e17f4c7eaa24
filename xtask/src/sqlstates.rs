//! The table of SQLSTATE codes, from the list that stands beside it.

use crate::failure::{Failure, Outcome};
use crate::workspace::Workspace;
use std::fmt::Write;
use std::fs;

const LIST: &str = "crates/aquifer-postgres/src/sqlstate/codes.txt";

/// The text of `codes.rs`.
pub(crate) fn table(workspace: &Workspace) -> Outcome<String> {
    let list = fs::read_to_string(workspace.root.join(LIST))
        .map_err(|error| Failure::new(format!("{LIST}: {error}")))?;
    generated(&list).map_err(|error| Failure::new(format!("{LIST}: {error}")))
}

fn generated(list: &str) -> Result<String, String> {
    let (mut constants, mut names, mut classes) = (String::new(), String::new(), String::new());
    for line in list.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        if let Some((class, title)) =
            line.strip_prefix("Class ").and_then(|rest| rest.split_once(' '))
        {
            let _ = writeln!(classes, "    (*b\"{class}\", \"{title}\"),");
            continue;
        }
        let words: Vec<&str> = line.split(' ').collect();
        let (code, name, constant) = match *words {
            [code, _, name] => (code, name, name.to_ascii_uppercase()),
            [code, _, name, constant] => (code, name, constant.to_owned()),
            _ => return Err(format!("not `CODE LEVEL name [CONSTANT]`: {line}")),
        };
        let _ = write!(
            constants,
            "    /// `{code}`: {}.\n    pub const {constant}: Self = Self(*b\"{code}\");\n",
            name.replace('_', " ")
        );
        let _ = writeln!(names, "    (*b\"{code}\", \"{name}\"),");
    }
    Ok(format!(
        "//! Written by `cargo xtask generate` from codes.txt: change that file instead.\n\n\
         use super::SqlState;\n\n\
         /// The codes that PostgreSQL defines. Where two classes have a condition of the same name, the\n\
         /// constants of the rarer classes begin with the class.\n\
         impl SqlState {{\n{constants}}}\n\n\
         /// Condition names, in the order of their codes.\n\
         pub(super) const NAMES: &[([u8; 5], &str)] = &[\n{names}];\n\n\
         /// Class titles, in the order of their codes.\n\
         pub(super) const CLASSES: &[([u8; 2], &str)] = &[\n{classes}];\n"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_condition_becomes_a_constant_and_a_name() {
        let text = generated("# c\n\nClass 01 Warning\n01000 W warning\n01004 W cut WARNING_CUT\n");
        let text = text.unwrap();
        assert!(text.contains("    pub const WARNING: Self = Self(*b\"01000\");\n"));
        assert!(text.contains("    pub const WARNING_CUT: Self = Self(*b\"01004\");\n"));
        assert!(text.contains("    (*b\"01004\", \"cut\"),\n"));
        assert!(text.contains("    (*b\"01\", \"Warning\"),\n"));
    }

    #[test]
    fn a_line_of_another_form_is_refused() {
        assert!(generated("01000\n").unwrap_err().contains("01000"));
    }
}
