//! `#[aquifer(...)]`: which attributes exist, where they go, and what excludes what.

use std::fmt::Display;

use quote::ToTokens;
use syn::ext::IdentExt;
use syn::parse::{Parse, ParseStream};
use syn::punctuated::Punctuated;
use syn::{Attribute, Ident, Lit, LitStr, Token};

use crate::diagnostics::{Diagnostics, listed, nearest};

/// What follows an attribute's name.
#[derive(Clone, Copy, PartialEq)]
enum Takes {
    Nothing,
    Text(&'static str),
    Either(&'static str),
}

struct Known {
    name: &'static str,
    takes: Takes,
}

/// Two attributes that cannot stand together, and why.
struct Conflict(&'static str, &'static [&'static str], &'static str);

/// Where an attribute stands: what is known there.
pub(crate) struct Place {
    kind: Kind,
    /// "a row's field": completes "... is not an attribute of".
    what: &'static str,
    known: &'static [Known],
    conflicts: &'static [Conflict],
}

#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Row,
    Value,
}

const fn flag(name: &'static str) -> Known {
    Known { name, takes: Takes::Nothing }
}

const fn text(name: &'static str, example: &'static str) -> Known {
    Known { name, takes: Takes::Text(example) }
}

const fn either(name: &'static str, example: &'static str) -> Known {
    Known { name, takes: Takes::Either(example) }
}

const CRATE: Known = text("crate", "::path::to::aquifer");
const RENAME_ALL: Known = text("rename_all", "camelCase");
const FROM: Known = text("from", "Type");
const TRY_FROM: Known = text("try_from", "Type");
const INTO: Known = text("into", "Type");

const ONE_READER: Conflict =
    Conflict("with", &["from", "try_from"], "each says on its own how the value is read");
const ONE_SOURCE: Conflict =
    Conflict("try_from", &["from"], "each says on its own how the value is read");
const JSON_CONVERTS: Conflict = Conflict(
    "json",
    &["from", "try_from", "into", "with"],
    "`json` already says how the value is read and written",
);

/// A struct that derives `FromRow` or `ToParams`.
pub(crate) const ROW: Place = Place {
    kind: Kind::Row,
    what: "a row type",
    known: &[CRATE, RENAME_ALL, flag("lax")],
    conflicts: &[],
};

/// A named field of such a struct.
pub(crate) const ROW_FIELD: Place = Place {
    kind: Kind::Row,
    what: "a row's named field",
    known: &[
        text("rename", "name"),
        either("default", "path::to::function"),
        flag("skip"),
        flag("flatten"),
        either("nested", "prefix_"),
        flag("json"),
        FROM,
        TRY_FROM,
        INTO,
        text("with", "path::to::function"),
    ],
    conflicts: &[
        Conflict(
            "skip",
            &["rename", "flatten", "nested", "json", "from", "try_from", "into", "with"],
            "a skipped field has no column",
        ),
        Conflict(
            "flatten",
            &["rename", "default", "nested", "json", "from", "try_from", "into", "with"],
            "a flattened struct brings its own columns",
        ),
        Conflict(
            "nested",
            &["rename", "default", "json", "from", "try_from", "into", "with"],
            "a nested struct brings its own columns; `nested = \"prefix_\"` sets their prefix",
        ),
        JSON_CONVERTS,
        ONE_READER,
        ONE_SOURCE,
    ],
};

/// A field of a tuple struct that is read by position.
pub(crate) const POSITION_FIELD: Place = Place {
    kind: Kind::Row,
    what: "a field that is read by position",
    known: &[
        flag("skip"),
        either("default", "path::to::function"),
        flag("json"),
        FROM,
        TRY_FROM,
        text("with", "path::to::function"),
    ],
    conflicts: &[
        Conflict("skip", &["json", "from", "try_from", "with"], "a skipped field has no column"),
        JSON_CONVERTS,
        ONE_READER,
        ONE_SOURCE,
    ],
};

/// A type that derives `FromValue` or `ToValue`.
pub(crate) const VALUE: Place = Place {
    kind: Kind::Value,
    what: "a value type",
    known: &[
        CRATE,
        RENAME_ALL,
        text("repr", "i32"),
        flag("json"),
        flag("composite"),
        FROM,
        TRY_FROM,
        INTO,
    ],
    conflicts: &[
        JSON_CONVERTS,
        Conflict(
            "composite",
            &["json", "from", "try_from", "into", "repr", "rename_all"],
            "a composite is its fields, in the order of the database's type",
        ),
        ONE_SOURCE,
        Conflict("json", &["repr", "rename_all"], "a JSON document follows serde's attributes"),
    ],
};

/// A field of a newtype.
pub(crate) const VALUE_FIELD: Place =
    Place { kind: Kind::Value, what: "a newtype's field", known: &[flag("skip")], conflicts: &[] };

/// A field of a struct that is a composite.
pub(crate) const COMPOSITE_FIELD: Place = Place {
    kind: Kind::Value,
    what: "a composite's field",
    known: &[flag("skip")],
    conflicts: &[],
};

/// A variant of an enum that is a value.
pub(crate) const VARIANT: Place = Place {
    kind: Kind::Value,
    what: "an enum's variant",
    known: &[text("rename", "name")],
    conflicts: &[],
};

const PLACES: [&Place; 7] =
    [&ROW, &ROW_FIELD, &POSITION_FIELD, &VALUE, &VALUE_FIELD, &COMPOSITE_FIELD, &VARIANT];

struct Entry {
    name: Ident,
    value: Option<Lit>,
}

impl Parse for Entry {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        // `crate` is a keyword and still a name here.
        let name = input
            .call(Ident::parse_any)
            .map_err(|error| syn::Error::new(error.span(), "expected the name of an attribute"))?;
        let value = if input.peek(Token![=]) {
            input.parse::<Token![=]>()?;
            match input.parse::<Lit>() {
                Ok(value) => Some(value),
                Err(error) => {
                    return Err(syn::Error::new(
                        error.span(),
                        format!("expected a string in quotes: `{name} = \"...\"`"),
                    ));
                }
            }
        } else {
            None
        };
        if !input.is_empty() && !input.peek(Token![,]) {
            return Err(input.error(format!("expected `,` after `{name}`")));
        }
        Ok(Self { name, value })
    }
}

/// The attributes of one type, field or variant.
pub(crate) struct Attributes(Vec<Entry>);

impl Attributes {
    /// Reads and checks every `#[aquifer(...)]` among `attributes`.
    pub(crate) fn read(attributes: &[Attribute], place: &Place, found: &mut Diagnostics) -> Self {
        let mut entries: Vec<Entry> = Vec::new();
        for attribute in attributes {
            if !attribute.path().is_ident("aquifer") {
                continue;
            }
            let parsed = attribute
                .parse_args_with(Punctuated::<Entry, Token![,]>::parse_terminated)
                .map_err(|error| {
                    if matches!(attribute.meta, syn::Meta::List(_)) {
                        error
                    } else {
                        syn::Error::new_spanned(
                            &attribute.meta,
                            "expected a list: `#[aquifer(...)]`",
                        )
                    }
                });
            match parsed {
                Ok(parsed) => {
                    for entry in parsed {
                        if place.accepts(&entry, found) {
                            match entries.iter().any(|earlier| earlier.name == entry.name) {
                                true => found
                                    .error(&entry.name, format!("`{}` is given twice", entry.name)),
                                false => entries.push(entry),
                            }
                        }
                    }
                }
                Err(error) => found.add(error),
            }
        }
        let this = Self(entries);
        for Conflict(one, others, why) in place.conflicts {
            if this.get(one).is_none() {
                continue;
            }
            for other in others.iter().filter_map(|other| this.get(other)) {
                found.error(
                    &other.name,
                    format!("`{}` and `{one}` exclude each other: {why}", other.name),
                );
            }
        }
        this
    }

    fn get(&self, name: &str) -> Option<&Entry> {
        self.0.iter().find(|entry| entry.name == name)
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        self.get(name).is_some()
    }

    /// The attribute's name as written, to point an error at.
    pub(crate) fn name(&self, name: &str) -> Option<&Ident> {
        self.get(name).map(|entry| &entry.name)
    }

    /// The text of `name = "text"`.
    pub(crate) fn text(&self, name: &str) -> Option<&LitStr> {
        match self.get(name)?.value.as_ref()? {
            Lit::Str(text) => Some(text),
            _ => None,
        }
    }

    /// The text of `name = "text"`, parsed as Rust.
    pub(crate) fn parsed<T: Parse>(
        &self,
        name: &str,
        what: &str,
        found: &mut Diagnostics,
    ) -> Option<T> {
        let text = self.text(name)?;
        match text.parse() {
            Ok(parsed) => Some(parsed),
            Err(_) => {
                found.error(text, format!("`{}` is not {what}", text.value()));
                None
            }
        }
    }

    /// Refuses an attribute that is known here, but has no meaning for this shape.
    pub(crate) fn refuse(&self, name: &str, why: impl Display, found: &mut Diagnostics) {
        if let Some(name) = self.name(name) {
            found.error(name, why);
        }
    }
}

impl Place {
    fn accepts(&self, entry: &Entry, found: &mut Diagnostics) -> bool {
        let name = entry.name.to_string();
        let Some(known) = self.known.iter().find(|known| known.name == name) else {
            found.error(&entry.name, self.unknown(&name));
            return false;
        };
        match (known.takes, &entry.value) {
            (Takes::Nothing, Some(value)) => {
                found.error(value, format!("`{name}` takes no value"));
                false
            }
            (Takes::Text(example), None) => {
                found.error(
                    &entry.name,
                    format!("`{name}` needs a value: `{name} = \"{example}\"`"),
                );
                false
            }
            (Takes::Text(example) | Takes::Either(example), Some(value))
                if !matches!(value, Lit::Str(_)) =>
            {
                found
                    .error(value, format!("expected a string in quotes: `{name} = \"{example}\"`"));
                false
            }
            _ => true,
        }
    }

    fn unknown(&self, name: &str) -> String {
        let names: Vec<_> = self.known.iter().map(|known| known.name).collect();
        let elsewhere = PLACES
            .iter()
            .filter(|place| place.known.iter().any(|known| known.name == name))
            .min_by_key(|place| place.kind != self.kind);
        let what = self.what;
        if let Some(place) = elsewhere {
            return format!(
                "`{name}` belongs on {}, not on {what}, which takes {}",
                place.what,
                listed(&names)
            );
        }
        match nearest(name, names.iter().copied()) {
            Some(near) => format!("`{name}` is unknown; did you mean `{near}`?"),
            None => format!("`{name}` is unknown; {what} takes {}", listed(&names)),
        }
    }
}

/// The path that generated code starts at: `::aquifer`, or what `crate = "..."` says.
pub(crate) fn root(attributes: &Attributes, found: &mut Diagnostics) -> syn::Path {
    attributes
        .parsed("crate", "a path to the crate `aquifer`", found)
        .unwrap_or_else(|| syn::parse_quote!(::aquifer))
}

/// The name of a type as it reads in a message.
pub(crate) fn shown(tokens: &impl ToTokens) -> String {
    let mut shown = tokens.to_token_stream().to_string();
    for (spaced, close) in [
        (" < ", "<"),
        (" > ", "> "),
        (" >", ">"),
        (" :: ", "::"),
        (":: ", "::"),
        ("& ", "&"),
        (" ,", ","),
    ] {
        shown = shown.replace(spaced, close);
    }
    shown.trim().to_owned()
}
