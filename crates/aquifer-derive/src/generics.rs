//! The generics of an impl: the row's lifetime and the bounds that the fields need.

use std::collections::HashSet;

use proc_macro2::{Span, TokenStream, TokenTree};
use quote::ToTokens;
use syn::spanned::Spanned;
use syn::{DeriveInput, GenericParam, Generics, Lifetime, Path, Type, parse_quote};

use crate::diagnostics::Diagnostics;

/// The lifetime of the row that a type borrows from: its own, or any if it owns what it holds.
pub(crate) struct RowLifetime {
    pub(crate) lifetime: Lifetime,
    /// True if the type has no lifetime of its own.
    owned: bool,
}

impl RowLifetime {
    pub(crate) fn of(input: &DeriveInput, found: &mut Diagnostics) -> Self {
        let mut own = input.generics.lifetimes();
        let first = own.next();
        for other in own {
            found.error(
                &other.lifetime,
                "a type that is read from a row has at most one lifetime: that of the row it borrows from",
            );
        }
        match first {
            Some(first) => Self { lifetime: first.lifetime.clone(), owned: false },
            None => Self { lifetime: Lifetime::new("'__r", Span::mixed_site()), owned: true },
        }
    }

    /// Adds the lifetime to an impl's parameters where the type does not bring it.
    pub(crate) fn add_to(&self, generics: &mut Generics) {
        if self.owned {
            let lifetime = &self.lifetime;
            generics.params.insert(0, parse_quote!(#lifetime));
        }
    }
}

/// Collects the bounds of an impl: one for each field whose type depends on a type parameter.
pub(crate) struct Bounds {
    parameters: HashSet<String>,
    clauses: Vec<TokenStream>,
}

impl Bounds {
    pub(crate) fn of(generics: &Generics) -> Self {
        let parameters = generics
            .params
            .iter()
            .filter_map(|parameter| match parameter {
                GenericParam::Type(parameter) => Some(parameter.ident.to_string()),
                _ => None,
            })
            .collect();
        Self { parameters, clauses: Vec::new() }
    }

    /// True if `ty` depends on a type parameter, so that what it implements must be said.
    pub(crate) fn needed(&self, ty: &Type) -> bool {
        !self.parameters.is_empty() && mentions(ty.to_token_stream(), &self.parameters)
    }

    /// Demands `clause` if `ty` depends on a type parameter.
    pub(crate) fn demand(&mut self, ty: &Type, clause: TokenStream) {
        if self.needed(ty) {
            self.clauses.push(clause);
        }
    }

    pub(crate) fn add_to(self, generics: &mut Generics) {
        if self.clauses.is_empty() {
            return;
        }
        let predicates = &mut generics.make_where_clause().predicates;
        for clause in self.clauses {
            predicates.push(parse_quote!(#clause));
        }
    }
}

fn mentions(tokens: TokenStream, names: &HashSet<String>) -> bool {
    tokens.into_iter().any(|token| match token {
        TokenTree::Ident(ident) => names.contains(&ident.to_string()),
        TokenTree::Group(group) => mentions(group.stream(), names),
        _ => false,
    })
}

/// `T` of a type that is written `Option<T>`.
pub(crate) fn inside_option(ty: &Type) -> Option<&Type> {
    let Type::Path(path) = ty else { return None };
    let last = path.path.segments.last()?;
    if last.ident != "Option" {
        return None;
    }
    let syn::PathArguments::AngleBracketed(arguments) = &last.arguments else { return None };
    match arguments.args.first()? {
        syn::GenericArgument::Type(inner) if arguments.args.len() == 1 => Some(inner),
        _ => None,
    }
}

/// Refuses `&'static` fields: a row does not live that long.
pub(crate) fn refuse_static(ty: &Type, found: &mut Diagnostics) {
    if let Type::Reference(reference) = ty
        && let Some(lifetime) = &reference.lifetime
        && lifetime.ident == "static"
    {
        found.error(
            ty,
            "a row does not live for `'static`: give the type a lifetime to borrow from the row, or own the value",
        );
    }
}

/// `PhantomData` that makes a type depend on all of `input`'s parameters.
pub(crate) fn phantom(input: &DeriveInput) -> TokenStream {
    let name = &input.ident;
    let (_, arguments, _) = input.generics.split_for_impl();
    code!(::core::marker::PhantomData<fn() -> #name #arguments>)
}

/// `path`, with errors that point at `at`.
pub(crate) fn pointing_at(path: &Path, at: &Type) -> TokenStream {
    let span = at.span();
    path.to_token_stream()
        .into_iter()
        .map(|mut token| {
            token.set_span(token.span().located_at(span));
            token
        })
        .collect()
}
