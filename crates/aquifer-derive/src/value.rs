//! What a value type is: a newtype, an enum by name or by number, or a type that becomes a value
//! through another one. `FromValue` and `ToValue` read the same description.

use proc_macro2::Ident;
use syn::{Data, DataEnum, DataStruct, DeriveInput, Fields, Index, Member, Path, Type, Variant};

use crate::attributes::{Attributes, COMPOSITE_FIELD, VALUE, VALUE_FIELD, VARIANT, root};
use crate::diagnostics::{Diagnostics, listed, nearest};
use crate::rename::{Case, Names, plain};

pub(crate) struct ValueType<'a> {
    pub(crate) root: Path,
    pub(crate) shape: Shape<'a>,
}

pub(crate) enum Shape<'a> {
    Newtype {
        member: Member,
        ty: &'a Type,
        skipped: Vec<(Member, &'a Type)>,
    },
    /// A struct whose fields are a composite's, in this order.
    Composite {
        fields: Vec<(Member, &'a Type)>,
        skipped: Vec<(Member, &'a Type)>,
    },
    /// An enum whose variants are these texts.
    Names(Vec<(&'a Ident, String)>),
    /// An enum whose variants are their discriminants.
    Numbers {
        repr: Ident,
        /// The discriminants are not already of that type, so that they must be checked.
        unchecked: bool,
        variants: Vec<&'a Ident>,
    },
    Json,
    From(Type),
    TryFrom(Type),
    Into(Type),
    /// Errors were found.
    None,
}

/// Which trait a value type is described for.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Derive {
    FromValue,
    ToValue,
}

const REPRS: [&str; 10] = ["i8", "i16", "i32", "i64", "isize", "u8", "u16", "u32", "u64", "usize"];
const TEXT: &str = "text";

impl<'a> ValueType<'a> {
    pub(crate) fn of(input: &'a DeriveInput, derive: Derive, found: &mut Diagnostics) -> Self {
        let attributes = Attributes::read(&input.attrs, &VALUE, found);
        let root = root(&attributes, found);
        let from = attributes.parsed("from", "a type", found);
        let try_from = attributes.parsed("try_from", "a type", found);
        let into = attributes.parsed("into", "a type", found);
        let shape = match (derive, from, try_from, into) {
            _ if attributes.has("json") => Shape::Json,
            _ if attributes.has("composite") => composite(input, derive, found),
            (Derive::FromValue, Some(source), _, _) => Shape::From(source),
            (Derive::FromValue, _, Some(source), _) => Shape::TryFrom(source),
            (Derive::ToValue, _, _, Some(target)) => Shape::Into(target),
            _ => match &input.data {
                Data::Struct(data) => newtype(input, data, &attributes, found),
                Data::Enum(data) => by_name_or_number(input, data, &attributes, found),
                Data::Union(_) => {
                    found.error(&input.ident, "a union cannot be read safely");
                    Shape::None
                }
            },
        };
        Self { root, shape }
    }
}

fn newtype<'a>(
    input: &DeriveInput,
    data: &'a DataStruct,
    attributes: &Attributes,
    found: &mut Diagnostics,
) -> Shape<'a> {
    for name in ["rename_all", "repr"] {
        attributes.refuse(name, format!("`{name}` is for enums: a newtype has no names"), found);
    }
    let fields = match &data.fields {
        Fields::Unnamed(fields) => &fields.unnamed,
        Fields::Named(_) => {
            found.error(
                &input.ident,
                "a struct with named fields is a row, not a value: derive `FromRow` (and `ToParams`), write a newtype, store it as a document with `#[aquifer(json)]`, or let it be a composite of PostgreSQL's with `#[aquifer(composite)]`; a type is never both",
            );
            return Shape::None;
        }
        Fields::Unit => {
            found.error(&input.ident, "a struct without fields holds no value");
            return Shape::None;
        }
    };
    let mut held = None;
    let mut skipped = Vec::new();
    for (index, field) in fields.iter().enumerate() {
        let member = Member::Unnamed(Index::from(index));
        if Attributes::read(&field.attrs, &VALUE_FIELD, found).has("skip") {
            skipped.push((member, &field.ty));
        } else if held.is_some() {
            found.error(
                field,
                "a value holds one field: mark the others `#[aquifer(skip)]`, or derive `FromRow` to read several columns",
            );
        } else {
            held = Some((member, &field.ty));
        }
    }
    match held {
        Some((member, ty)) => Shape::Newtype { member, ty, skipped },
        None => {
            found.error(&input.ident, "a struct without fields holds no value");
            Shape::None
        }
    }
}

fn composite<'a>(input: &'a DeriveInput, derive: Derive, found: &mut Diagnostics) -> Shape<'a> {
    let Data::Struct(data) = &input.data else {
        found.error(&input.ident, "a composite is a struct: its fields are the type's, in order");
        return Shape::None;
    };
    if derive == Derive::FromValue
        && let Some(lifetime) = input.generics.lifetimes().next()
    {
        found.error(
            lifetime,
            "a composite's fields are taken out of its text, so they cannot borrow from the row: own them",
        );
    }
    let (mut fields, mut skipped) = (Vec::new(), Vec::new());
    for (index, field) in data.fields.iter().enumerate() {
        let member = match &field.ident {
            Some(name) => Member::Named(name.clone()),
            None => Member::Unnamed(Index::from(index)),
        };
        match Attributes::read(&field.attrs, &COMPOSITE_FIELD, found).has("skip") {
            true => skipped.push((member, &field.ty)),
            false => fields.push((member, &field.ty)),
        }
    }
    if fields.is_empty() {
        found.error(&input.ident, "a composite has at least one field");
        return Shape::None;
    }
    Shape::Composite { fields, skipped }
}

fn by_name_or_number<'a>(
    input: &DeriveInput,
    data: &'a DataEnum,
    attributes: &Attributes,
    found: &mut Diagnostics,
) -> Shape<'a> {
    if data.variants.is_empty() {
        found.error(&input.ident, "an enum without variants has no values");
    }
    for variant in &data.variants {
        if !matches!(variant.fields, Fields::Unit) {
            found.error(
                variant,
                "a variant with fields is not one value: store the enum as a document with `#[aquifer(json)]`, or read it through another type with `#[aquifer(try_from = \"Type\")]`",
            );
        }
    }
    let case = Case::of(attributes, found);
    match repr(input, attributes, found) {
        Some((repr, unchecked)) => {
            attributes.refuse("rename_all", by_number(&repr), found);
            for variant in &data.variants {
                Attributes::read(&variant.attrs, &VARIANT, found).refuse(
                    "rename",
                    by_number(&repr),
                    found,
                );
            }
            let variants = data.variants.iter().map(|variant| &variant.ident).collect();
            Shape::Numbers { repr, unchecked, variants }
        }
        None => {
            let mut names = Names::default();
            let named = data.variants.iter().map(|variant| named(variant, case, &mut names, found));
            Shape::Names(named.collect())
        }
    }
}

fn by_number(repr: &Ident) -> String {
    format!(
        "the enum is a number (`{repr}`), so its variants' names are not used; `#[aquifer(repr = \"text\")]` makes it text"
    )
}

fn named<'a>(
    variant: &'a Variant,
    case: Case,
    names: &mut Names,
    found: &mut Diagnostics,
) -> (&'a Ident, String) {
    let attributes = Attributes::read(&variant.attrs, &VARIANT, found);
    let name = match attributes.text("rename") {
        Some(name) => {
            names.take(&name.value(), name, "variant name", found);
            name.value()
        }
        None => {
            let name = case.variant(&plain(&variant.ident));
            names.take(&name, &variant.ident, "variant name", found);
            name
        }
    };
    (&variant.ident, name)
}

/// The integer type of an enum that is a number, and whether its discriminants may not fit it.
fn repr(
    input: &DeriveInput,
    attributes: &Attributes,
    found: &mut Diagnostics,
) -> Option<(Ident, bool)> {
    let layout = layout(input);
    let Some(text) = attributes.text("repr") else {
        return layout.map(|repr| (repr, false));
    };
    let wanted = text.value();
    if wanted == TEXT {
        return None;
    }
    if REPRS.contains(&wanted.as_str()) {
        let unchecked = layout.is_none_or(|layout| layout != wanted);
        return Some((Ident::new(&wanted, text.span()), unchecked));
    }
    let hint = match nearest(&wanted, REPRS) {
        Some(near) => format!("; did you mean `{near}`?"),
        None => format!("; there are {} and `{TEXT}`", listed(&REPRS).replace(" and", ",")),
    };
    found.error(text, format!("`{wanted}` is not an integer type of a database{hint}"));
    None
}

/// The integer type in the enum's own `#[repr(...)]`.
fn layout(input: &DeriveInput) -> Option<Ident> {
    let mut layout = None;
    for attribute in input.attrs.iter().filter(|attribute| attribute.path().is_ident("repr")) {
        // What is wrong in it is the compiler's to say.
        let _ = attribute.parse_nested_meta(|meta| {
            if let Some(ident) = meta.path.get_ident()
                && REPRS.contains(&ident.to_string().as_str())
            {
                layout = Some(ident.clone());
            }
            Ok(())
        });
    }
    layout
}
