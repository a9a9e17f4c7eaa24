//! What a row type is: its fields, and the column that each takes. `FromRow` and `ToParams` read the
//! same description, so one struct works in both directions.

use proc_macro2::TokenStream;
use syn::{Data, DeriveInput, ExprPath, Field, Fields, Index, Member, Path, Type};

use crate::attributes::{Attributes, POSITION_FIELD, ROW, ROW_FIELD, root};
use crate::diagnostics::Diagnostics;
use crate::generics::inside_option;
use crate::rename::{Case, Names, plain};

pub(crate) struct RowType<'a> {
    pub(crate) root: Path,
    pub(crate) lax: bool,
    pub(crate) positional: bool,
    pub(crate) fields: Vec<RowField<'a>>,
}

pub(crate) struct RowField<'a> {
    pub(crate) member: Member,
    pub(crate) ty: &'a Type,
    pub(crate) role: Role,
}

/// What a field has to do with the columns.
pub(crate) enum Role {
    Column(Box<Column>),
    /// No column at all; filled with a default.
    Skip(Fill),
    /// A struct whose columns stand among this struct's.
    Flatten,
    /// A struct whose columns carry a prefix.
    Nested(String),
}

pub(crate) struct Column {
    /// Empty for fields that are read by position.
    pub(crate) name: String,
    /// What a missing column gives.
    pub(crate) default: Option<Fill>,
    pub(crate) reading: Reading,
    pub(crate) into: Option<Type>,
}

/// How a value comes about without a column.
pub(crate) enum Fill {
    Default,
    Function(ExprPath),
}

/// How a cell becomes the field.
pub(crate) enum Reading {
    Plain,
    Json,
    From(Type),
    TryFrom(Type),
    With(ExprPath),
}

impl Fill {
    pub(crate) fn value(&self, ty: &Type) -> TokenStream {
        match self {
            Self::Default => code!(<#ty as ::core::default::Default>::default()),
            Self::Function(path) => code!(#path()),
        }
    }
}

impl RowField<'_> {
    /// The struct inside a flattened or nested field, without its `Option`.
    pub(crate) fn inner(&self) -> &Type {
        inside_option(self.ty).unwrap_or(self.ty)
    }
}

impl<'a> RowType<'a> {
    /// Describes `input`; `derive` is the trait's name, for messages.
    pub(crate) fn of(input: &'a DeriveInput, derive: Derive, found: &mut Diagnostics) -> Self {
        let attributes = Attributes::read(&input.attrs, &ROW, found);
        let mut this = Self {
            root: root(&attributes, found),
            lax: attributes.has("lax"),
            positional: false,
            fields: Vec::new(),
        };
        let case = Case::of(&attributes, found);
        match &input.data {
            Data::Struct(data) => match &data.fields {
                Fields::Named(fields) if !fields.named.is_empty() => {
                    let mut names = Names::default();
                    let mut prefixes = Names::default();
                    for field in &fields.named {
                        this.fields.push(named_field(
                            field,
                            case,
                            &mut names,
                            &mut prefixes,
                            found,
                        ));
                    }
                }
                Fields::Unnamed(fields) if !fields.unnamed.is_empty() => match derive {
                    Derive::FromRow => {
                        this.positional = true;
                        attributes.refuse(
                            "rename_all",
                            "a tuple struct is read by position: its fields have no names",
                            found,
                        );
                        this.fields = fields
                            .unnamed
                            .iter()
                            .enumerate()
                            .map(|(index, field)| positional_field(index, field, found))
                            .collect();
                        this.refuse_newtype(input, found);
                    }
                    Derive::ToParams => found.error(
                        &input.ident,
                        "the fields of a tuple struct have no names to be parameters of; name them, or pass the values as a tuple",
                    ),
                },
                _ => found.error(
                    &input.ident,
                    match derive {
                        Derive::FromRow => "a struct without fields has no columns to be read from",
                        Derive::ToParams => "a struct without fields has no parameters",
                    },
                ),
            },
            Data::Enum(_) => found.error(
                &input.ident,
                match derive {
                    Derive::FromRow => {
                        "an enum is a value, not a row: derive `FromValue`, and it is read from one column"
                    }
                    Derive::ToParams => {
                        "an enum is a value, not a set of parameters: derive `ToValue`"
                    }
                },
            ),
            Data::Union(_) => found.error(&input.ident, "a union cannot be read safely"),
        }
        this
    }

    fn refuse_newtype(&self, input: &DeriveInput, found: &mut Diagnostics) {
        let columns =
            self.fields.iter().filter(|field| matches!(field.role, Role::Column(_))).count();
        if columns == 1 {
            found.error(
                &input.ident,
                "a newtype is a value, not a row: derive `FromValue`, and it is read from one column; a type is never both",
            );
        }
    }
}

/// Which trait a row type is described for.
#[derive(Clone, Copy)]
pub(crate) enum Derive {
    FromRow,
    ToParams,
}

fn named_field<'a>(
    field: &'a Field,
    case: Case,
    names: &mut Names,
    prefixes: &mut Names,
    found: &mut Diagnostics,
) -> RowField<'a> {
    let attributes = Attributes::read(&field.attrs, &ROW_FIELD, found);
    let ident = field.ident.as_ref().expect("fields of this kind have names");
    let role = if attributes.has("skip") {
        Role::Skip(fill(&attributes, found).unwrap_or(Fill::Default))
    } else if attributes.has("flatten") {
        if inside_option(&field.ty).is_some() {
            found.error(
                &field.ty,
                "a flattened struct is always there: without a prefix, nothing tells which NULLs would make it absent; use `nested`",
            );
        }
        Role::Flatten
    } else if attributes.has("nested") {
        let prefix = match attributes.text("nested") {
            Some(prefix) => {
                let text = prefix.value();
                if text.is_empty() {
                    found.error(prefix, "a prefix must not be empty; use `flatten` for none");
                } else {
                    prefixes.take(&text, prefix, "prefix", found);
                }
                text
            }
            None => {
                let prefix = format!("{}_", case.field(&plain(ident)));
                prefixes.take(&prefix, ident, "prefix", found);
                prefix
            }
        };
        Role::Nested(prefix)
    } else {
        let name = match attributes.text("rename") {
            Some(name) => {
                names.take(&name.value(), name, "column name", found);
                name.value()
            }
            None => {
                let name = case.field(&plain(ident));
                names.take(&name, ident, "column name", found);
                name
            }
        };
        Role::Column(Box::new(column(name, &attributes, found)))
    };
    RowField { member: Member::Named(ident.clone()), ty: &field.ty, role }
}

fn positional_field<'a>(index: usize, field: &'a Field, found: &mut Diagnostics) -> RowField<'a> {
    let attributes = Attributes::read(&field.attrs, &POSITION_FIELD, found);
    let role = if attributes.has("skip") {
        Role::Skip(fill(&attributes, found).unwrap_or(Fill::Default))
    } else {
        attributes.refuse(
            "default",
            "a field that is read by position always has a column; `default` goes with `skip` here",
            found,
        );
        Role::Column(Box::new(column(String::new(), &attributes, found)))
    };
    RowField { member: Member::Unnamed(Index::from(index)), ty: &field.ty, role }
}

fn column(name: String, attributes: &Attributes, found: &mut Diagnostics) -> Column {
    let reading = if attributes.has("json") {
        Reading::Json
    } else if let Some(ty) = attributes.parsed("from", "a type", found) {
        Reading::From(ty)
    } else if let Some(ty) = attributes.parsed("try_from", "a type", found) {
        Reading::TryFrom(ty)
    } else if let Some(path) = attributes.parsed("with", "a path to a function", found) {
        Reading::With(path)
    } else {
        Reading::Plain
    };
    Column {
        name,
        default: fill(attributes, found),
        reading,
        into: attributes.parsed("into", "a type", found),
    }
}

fn fill(attributes: &Attributes, found: &mut Diagnostics) -> Option<Fill> {
    if !attributes.has("default") {
        return None;
    }
    match attributes.text("default") {
        Some(_) => attributes.parsed("default", "a path to a function", found).map(Fill::Function),
        None => Some(Fill::Default),
    }
}
