//! `rename_all`: Rust names into column names and variant names.

use quote::ToTokens;
use syn::Ident;
use syn::ext::IdentExt;

use crate::attributes::Attributes;
use crate::diagnostics::{Diagnostics, listed, nearest};

/// How names are written in the database. The rules are serde's.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(crate) enum Case {
    AsIs,
    Lower,
    Upper,
    Pascal,
    Camel,
    Snake,
    ScreamingSnake,
    Kebab,
    ScreamingKebab,
}

const CASES: [(&str, Case); 8] = [
    ("lowercase", Case::Lower),
    ("UPPERCASE", Case::Upper),
    ("PascalCase", Case::Pascal),
    ("camelCase", Case::Camel),
    ("snake_case", Case::Snake),
    ("SCREAMING_SNAKE_CASE", Case::ScreamingSnake),
    ("kebab-case", Case::Kebab),
    ("SCREAMING-KEBAB-CASE", Case::ScreamingKebab),
];

impl Case {
    /// What `rename_all` says, or names as they are.
    pub(crate) fn of(attributes: &Attributes, found: &mut Diagnostics) -> Self {
        let Some(text) = attributes.text("rename_all") else { return Self::AsIs };
        let wanted = text.value();
        if let Some((_, case)) = CASES.iter().find(|(name, _)| *name == wanted) {
            return *case;
        }
        let names = CASES.map(|(name, _)| name);
        let hint = match nearest(&wanted, names) {
            Some(near) => format!("; did you mean `{near}`?"),
            None => format!("; there are {}", listed(&names)),
        };
        found.error(text, format!("`{wanted}` is not a way to write names{hint}"));
        Self::AsIs
    }

    /// A `snake_case` field name, rewritten.
    pub(crate) fn field(self, name: &str) -> String {
        match self {
            Self::AsIs | Self::Lower | Self::Snake => name.to_owned(),
            Self::Upper | Self::ScreamingSnake => name.to_ascii_uppercase(),
            Self::Pascal => pascal(name),
            Self::Camel => lower_first(&pascal(name)),
            Self::Kebab => name.replace('_', "-"),
            Self::ScreamingKebab => name.to_ascii_uppercase().replace('_', "-"),
        }
    }

    /// A `PascalCase` variant name, rewritten.
    pub(crate) fn variant(self, name: &str) -> String {
        match self {
            Self::AsIs | Self::Pascal => name.to_owned(),
            Self::Lower => name.to_ascii_lowercase(),
            Self::Upper => name.to_ascii_uppercase(),
            Self::Camel => lower_first(name),
            Self::Snake => snake(name),
            Self::ScreamingSnake => snake(name).to_ascii_uppercase(),
            Self::Kebab => snake(name).replace('_', "-"),
            Self::ScreamingKebab => snake(name).to_ascii_uppercase().replace('_', "-"),
        }
    }
}

fn pascal(name: &str) -> String {
    let mut out = String::with_capacity(name.len());
    for word in name.split('_') {
        let mut letters = word.chars();
        if let Some(first) = letters.next() {
            out.push(first.to_ascii_uppercase());
            out.push_str(letters.as_str());
        }
    }
    out
}

fn lower_first(name: &str) -> String {
    let mut letters = name.chars();
    match letters.next() {
        Some(first) => format!("{}{}", first.to_ascii_lowercase(), letters.as_str()),
        None => String::new(),
    }
}

fn snake(name: &str) -> String {
    let mut out = String::with_capacity(name.len() + 4);
    for (index, letter) in name.char_indices() {
        if index > 0 && letter.is_uppercase() {
            out.push('_');
        }
        out.push(letter.to_ascii_lowercase());
    }
    out
}

/// The identifier without `r#`.
pub(crate) fn plain(ident: &Ident) -> String {
    ident.unraw().to_string()
}

/// Names that were seen, to refuse the second of a kind.
#[derive(Default)]
pub(crate) struct Names(Vec<String>);

impl Names {
    /// Takes `name`, or says at `at` that it was taken before.
    pub(crate) fn take(
        &mut self,
        name: &str,
        at: impl ToTokens,
        what: &str,
        found: &mut Diagnostics,
    ) {
        if name.is_empty() {
            found.error(at, format!("a {what} must not be empty"));
        } else if self.0.iter().any(|earlier| earlier == name) {
            found.error(at, format!("the {what} `{name}` is taken by an earlier one"));
        } else {
            self.0.push(name.to_owned());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_rewritten_from_snake_case() {
        let rewritten = CASES.map(|(_, case)| case.field("level_m_max"));
        assert_eq!(
            rewritten,
            [
                "level_m_max",
                "LEVEL_M_MAX",
                "LevelMMax",
                "levelMMax",
                "level_m_max",
                "LEVEL_M_MAX",
                "level-m-max",
                "LEVEL-M-MAX",
            ]
        );
        assert_eq!(Case::Camel.field("_type"), "type");
    }

    #[test]
    fn variants_are_rewritten_from_pascal_case() {
        let rewritten = CASES.map(|(_, case)| case.variant("InReview"));
        assert_eq!(
            rewritten,
            [
                "inreview",
                "INREVIEW",
                "InReview",
                "inReview",
                "in_review",
                "IN_REVIEW",
                "in-review",
                "IN-REVIEW",
            ]
        );
    }
}
