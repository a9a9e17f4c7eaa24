//! `#[derive(FromValue)]`.

use proc_macro2::{Ident, TokenStream};
use quote::format_ident;
use syn::{DeriveInput, Member, Path};

use crate::conversion::try_converted;
use crate::diagnostics::Diagnostics;
use crate::generics::{Bounds, RowLifetime, refuse_static};
use crate::rename::plain;
use crate::value::{Derive, Shape, ValueType};

/// How many variants an error lists.
const LISTED: usize = 32;

pub(crate) fn derive(input: &DeriveInput) -> TokenStream {
    let mut found = Diagnostics::default();
    let row = RowLifetime::of(input, &mut found);
    let ValueType { root, shape } = ValueType::of(input, Derive::FromValue, &mut found);
    if let Shape::Newtype { ty, .. } = &shape {
        refuse_static(ty, &mut found);
    }
    found.finish(|| generate(input, &root, &row, &shape))
}

fn generate(input: &DeriveInput, root: &Path, row: &RowLifetime, shape: &Shape<'_>) -> TokenStream {
    let name = &input.ident;
    let lifetime = &row.lifetime;
    let (_, arguments, _) = input.generics.split_for_impl();
    let mut bounds = Bounds::of(&input.generics);
    let this: syn::Type = syn::parse_quote!(#name #arguments);
    let body = match shape {
        Shape::Newtype { member, ty, skipped } => {
            bounds.demand(ty, code!(#ty: #root::FromValue<#lifetime>));
            let filled = skipped.iter().map(|(member, ty)| {
                bounds.demand(ty, code!(#ty: ::core::default::Default));
                code!(#member: <#ty as ::core::default::Default>::default())
            });
            let filled: Vec<_> = filled.collect();
            code! {
                ::core::result::Result::Ok(Self {
                    #member: <#ty as #root::FromValue<#lifetime>>::from_cell(cell)?,
                    #(#filled,)*
                })
            }
        }
        Shape::Composite { fields, skipped } => {
            let wanted = plain(name);
            let count = fields.len();
            let read = fields.iter().map(|(member, ty)| {
                bounds.demand(ty, code!(#ty: for<'__f> #root::FromValue<'__f>));
                let called = called(member);
                let next = code_at!(ty=> fields.next::<#ty>(#called));
                code!(#member: #next?)
            });
            let read: Vec<_> = read.collect();
            let filled = skipped.iter().map(|(member, ty)| {
                bounds.demand(ty, code!(#ty: ::core::default::Default));
                code!(#member: <#ty as ::core::default::Default>::default())
            });
            let filled: Vec<_> = filled.collect();
            code! {
                let mut fields = #root::postgres::CompositeFields::of(cell, #wanted, #count)?;
                // In the order in which they are written here.
                ::core::result::Result::Ok(Self { #(#read,)* #(#filled,)* })
            }
        }
        Shape::Names(variants) => by_name(name, root, variants),
        Shape::Numbers { repr, variants, .. } => by_number(name, root, repr, variants),
        Shape::Json => {
            bounds.demand(&this, code!(#root::Json<#this>: #root::FromValue<#lifetime>));
            code! {
                let json = <#root::Json<Self> as #root::FromValue<#lifetime>>::from_cell(cell)?;
                ::core::result::Result::Ok(json.0)
            }
        }
        Shape::From(source) => {
            bounds.demand(&this, code!(#this: ::core::convert::From<#source>));
            let converted = code_at!(
                source=> <Self as ::core::convert::From<#source>>::from(value)
            );
            code! {
                let value = <#source as #root::FromValue<'_>>::from_cell(cell)?;
                ::core::result::Result::Ok(#converted)
            }
        }
        Shape::TryFrom(source) => {
            let converts = code!(#this as ::core::convert::TryFrom<#source>);
            bounds.demand(&this, code!(#this: ::core::convert::TryFrom<#source>));
            bounds.demand(&this, code!(<#converts>::Error: ::core::fmt::Display));
            try_converted(&this, source, root, &code!(value))
        }
        Shape::Into(_) | Shape::None => TokenStream::new(),
    };

    let mut generics = input.generics.clone();
    row.add_to(&mut generics);
    bounds.add_to(&mut generics);
    let (parameters, _, clause) = generics.split_for_impl();
    code! {
        #[allow(deprecated)]
        const _: () = {
            #[automatically_derived]
            impl #parameters #root::FromValue<#lifetime> for #name #arguments #clause {
                #[inline]
                fn from_cell(
                    cell: #root::Cell<#lifetime>,
                ) -> ::core::result::Result<Self, #root::ConversionError> {
                    #body
                }
            }
        };
    }
}

/// A field's name or number, for messages.
fn called(member: &Member) -> String {
    match member {
        Member::Named(name) => plain(name),
        Member::Unnamed(index) => index.index.to_string(),
    }
}

fn by_name(name: &Ident, root: &Path, variants: &[(&Ident, String)]) -> TokenStream {
    let wanted = plain(name);
    let idents = variants.iter().map(|(ident, _)| ident);
    let texts = variants.iter().map(|(_, text)| text);
    let listed: Vec<_> =
        variants.iter().take(LISTED).map(|(_, text)| format!("`{text}`")).collect();
    let reason = format!("it is none of {}{}", listed.join(", "), more(variants.len()));
    code! {
        let ::core::result::Result::Ok(text) = <&str as #root::FromValue<'_>>::from_cell(cell)
        else {
            return ::core::result::Result::Err(
                #root::ConversionError::kind(#wanted, &cell.value()?),
            );
        };
        match text {
            #(#texts => ::core::result::Result::Ok(Self::#idents),)*
            _ => ::core::result::Result::Err(
                #root::ConversionError::value(#wanted, &cell.value()?, #reason),
            ),
        }
    }
}

fn by_number(name: &Ident, root: &Path, repr: &Ident, variants: &[&Ident]) -> TokenStream {
    let wanted = plain(name);
    // Numbers are read as a type that holds more, so that one out of range is told the variants too.
    let wide = if repr == "u64" || repr == "usize" { code!(i128) } else { code!(i64) };
    let numbers: Vec<_> = (0..variants.len()).map(|index| format_ident!("V{index}")).collect();
    let listed: Vec<_> = variants
        .iter()
        .take(LISTED)
        .map(|variant| format!("{{}} (`{}`)", plain(variant)))
        .collect();
    let format = format!("it is none of {}{}", listed.join(", "), more(variants.len()));
    let shown = numbers.iter().take(LISTED);
    code! {
        #(const #numbers: #wide = #name::#variants as #wide;)*
        match <#wide as #root::FromValue<'_>>::from_cell(cell)? {
            #(#numbers => ::core::result::Result::Ok(Self::#variants),)*
            _ => ::core::result::Result::Err(#root::ConversionError::value(
                #wanted,
                &cell.value()?,
                ::std::format!(#format, #(#shown),*),
            )),
        }
    }
}

fn more(variants: usize) -> &'static str {
    if variants > LISTED { ", …" } else { "" }
}
