//! Cells that become a field through another type or a function: the local type that a field with
//! `from`, `try_from` or `with` is read as.
//!
//! The conversion runs inside that type's `FromValue`, so that its error gets the column's place like
//! any other.

use proc_macro2::TokenStream;
use quote::{ToTokens, format_ident};
use syn::{DeriveInput, Generics, Path, Type};

use crate::attributes::shown;
use crate::generics::{Bounds, RowLifetime, inside_option, phantom, pointing_at};
use crate::row::Reading;

/// How one field is taken from its column.
pub(crate) struct Taking {
    /// The type that is asked of the column.
    pub(crate) asked: TokenStream,
    /// Makes the field out of a value `asked` that is called `value`.
    pub(crate) unwrapped: TokenStream,
    /// What must be declared for it.
    pub(crate) via: Option<Via>,
}

/// A local type around the field's type, whose `FromValue` converts.
pub(crate) struct Via {
    name: syn::Ident,
    target: Type,
    body: TokenStream,
}

impl Taking {
    pub(crate) fn of(
        index: usize,
        ty: &Type,
        reading: &Reading,
        input: &DeriveInput,
        root: &Path,
        row: &RowLifetime,
        bounds: &mut Bounds,
    ) -> Self {
        let lifetime = &row.lifetime;
        let option = inside_option(ty);
        let wrapped = code!(value, ::core::marker::PhantomData);
        let source = match reading {
            Reading::Plain => {
                bounds.demand(ty, code!(#ty: #root::FromValue<#lifetime>));
                return Self { asked: code!(#ty), unwrapped: code!(value), via: None };
            }
            Reading::Json => {
                let there = pointing_at(root, ty);
                let json = code_at!(ty=> #there::Json<#ty>);
                // NULL is `None`, and so is the document `null`.
                let (asked, unwrapped) = match option {
                    Some(_) => (
                        code_at!(ty=> ::core::option::Option<#json>),
                        code!(value.and_then(|json| json.0)),
                    ),
                    None => (json, code!(value.0)),
                };
                bounds.demand(ty, code!(#root::Json<#ty>: #root::FromValue<#lifetime>));
                return Self { asked, unwrapped, via: None };
            }
            Reading::With(_) => None,
            Reading::From(source) | Reading::TryFrom(source) => Some(source),
        };
        if let Some(source) = source {
            bounds.demand(source, code!(#source: #root::FromValue<#lifetime>));
        }
        // NULL is `None`, unless the source takes NULL itself.
        let option = option.filter(|_| source.and_then(inside_option).is_none());
        let target = option.unwrap_or(ty);
        let body = match reading {
            Reading::Plain | Reading::Json => unreachable!("handled above"),
            Reading::With(path) => code! {
                let value: #target = #path(cell)?;
                ::core::result::Result::Ok(Self(#wrapped))
            },
            Reading::From(source) => {
                bounds.demand(target, code!(#target: ::core::convert::From<#source>));
                let converted = code_at!(
                    source=> <#target as ::core::convert::From<#source>>::from(value)
                );
                code! {
                    let value = <#source as #root::FromValue<'_>>::from_cell(cell)?;
                    let value = #converted;
                    ::core::result::Result::Ok(Self(#wrapped))
                }
            }
            Reading::TryFrom(source) => {
                let converts = code!(#target as ::core::convert::TryFrom<#source>);
                bounds.demand(target, code!(#target: ::core::convert::TryFrom<#source>));
                bounds.demand(target, code!(<#converts>::Error: ::core::fmt::Display));
                try_converted(target, source, root, &code!(Self(#wrapped)))
            }
        };
        let name = format_ident!("__Via{index}");
        let (_, arguments, _) = input.generics.split_for_impl();
        let (asked, unwrapped) = match option {
            Some(_) => {
                (code!(::core::option::Option<#name #arguments>), code!(value.map(|via| via.0)))
            }
            None => (code!(#name #arguments), code!(value.0)),
        };
        Self { asked, unwrapped, via: Some(Via { name, target: target.clone(), body }) }
    }
}

impl Via {
    /// The type and its `FromValue`; `full` are the generics of the impl that uses it.
    pub(crate) fn declare(
        &self,
        input: &DeriveInput,
        root: &Path,
        row: &RowLifetime,
        full: &Generics,
    ) -> TokenStream {
        let Self { name, target, body } = self;
        let lifetime = &row.lifetime;
        let phantom = phantom(input);
        let (own_parameters, arguments, own_clause) = input.generics.split_for_impl();
        let (parameters, _, clause) = full.split_for_impl();
        code! {
            struct #name #own_parameters (#target, #phantom) #own_clause;

            impl #parameters #root::FromValue<#lifetime> for #name #arguments #clause {
                #[inline]
                fn from_cell(
                    cell: #root::Cell<#lifetime>,
                ) -> ::core::result::Result<Self, #root::ConversionError> {
                    #body
                }
            }
        }
    }
}

/// Reads `cell` as `source` and converts it to `target`; the reason of a failure becomes the reason in
/// the conversion's error. `made` is the result out of `value`.
pub(crate) fn try_converted(
    target: &impl ToTokens,
    source: &Type,
    root: &Path,
    made: &TokenStream,
) -> TokenStream {
    let shown = shown(target);
    let converted = code_at!(
        source=> <#target as ::core::convert::TryFrom<#source>>::try_from(value)
    );
    code! {
        let value = <#source as #root::FromValue<'_>>::from_cell(cell)?;
        match #converted {
            ::core::result::Result::Ok(value) => ::core::result::Result::Ok(#made),
            ::core::result::Result::Err(error) => {
                ::core::result::Result::Err(#root::ConversionError::value(
                    #shown,
                    &cell.value()?,
                    ::std::string::ToString::to_string(&error),
                ))
            }
        }
    }
}
