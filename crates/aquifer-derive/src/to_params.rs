//! `#[derive(ToParams)]`.

use proc_macro2::TokenStream;
use quote::quote;
use syn::DeriveInput;

use crate::diagnostics::Diagnostics;
use crate::generics::{Bounds, inside_option};
use crate::rename::plain;
use crate::row::{Column, Derive, Reading, Role, RowField, RowType};

pub(crate) fn derive(input: &DeriveInput) -> TokenStream {
    let mut found = Diagnostics::default();
    let description = RowType::of(input, Derive::ToParams, &mut found);
    found.finish(|| generate(input, &description))
}

fn generate(input: &DeriveInput, description: &RowType<'_>) -> TokenStream {
    let root = &description.root;
    let mut bounds = Bounds::of(&input.generics);
    let mut arms = Vec::new();
    let mut lookups = Vec::new();
    let mut names = Vec::new();
    let mut declared = Vec::new();
    for field in &description.fields {
        let member = &field.member;
        match &field.role {
            Role::Column(column) => {
                let name = &column.name;
                let argument = argument(field, column, description, &mut bounds);
                arms.push(quote!(#name => return ::core::option::Option::Some(#argument),));
                names.push(quote!(each(#name);));
                declared.push(quote!(each(#name);));
            }
            Role::Skip(_) => {}
            Role::Flatten => {
                let ty = field.ty;
                bounds.demand(ty, quote!(#ty: #root::ToParams));
                lookups.push(quote! {
                    let found = <#ty as #root::ToParams>::param(&self.#member, name);
                    if ::core::option::Option::is_some(&found) {
                        return found;
                    }
                });
                names.push(quote!(<#ty as #root::ToParams>::names(&self.#member, each);));
                declared.push(quote!(<#ty as #root::ToParams>::declared(each);));
            }
            Role::Nested(prefix) => {
                let inner = field.inner();
                bounds.demand(inner, quote!(#inner: #root::ToParams));
                let Nested { lookup, name, declare } = nested(field, prefix, description);
                lookups.push(lookup);
                names.push(name);
                declared.push(declare);
            }
        }
    }

    let mut generics = input.generics.clone();
    bounds.add_to(&mut generics);
    let name = &input.ident;
    let (parameters, arguments, clause) = generics.split_for_impl();
    quote! {
        #[allow(deprecated, unused_variables)]
        const _: () = {
            #[automatically_derived]
            impl #parameters #root::ToParams for #name #arguments #clause {
                fn param(
                    &self,
                    name: &str,
                ) -> ::core::option::Option<#root::Argument<'_>> {
                    match name {
                        #(#arms)*
                        _ => {}
                    }
                    #(#lookups)*
                    ::core::option::Option::None
                }

                fn names(&self, each: &mut dyn ::core::ops::FnMut(&str)) {
                    #(#names)*
                }

                fn declared(each: &mut dyn ::core::ops::FnMut(&str)) {
                    #(#declared)*
                }
            }
        };
    }
}

/// The argument of a field that is one parameter.
fn argument(
    field: &RowField<'_>,
    column: &Column,
    description: &RowType<'_>,
    bounds: &mut Bounds,
) -> TokenStream {
    let root = &description.root;
    let (ty, member) = (field.ty, &field.member);
    if let Some(into) = &column.into {
        let inner = match inside_option(ty) {
            Some(inner) if inside_option(into).is_none() => Some(inner),
            _ => None,
        };
        let from = inner.unwrap_or(ty);
        bounds.demand(from, quote!(#from: ::core::clone::Clone));
        bounds.demand(from, quote!(#from: ::core::convert::Into<#into>));
        bounds.demand(into, quote!(#into: #root::ToValue));
        let converted = quote! {
            <#from as ::core::convert::Into<#into>>::into(::core::clone::Clone::clone(value))
        };
        let value = match inner {
            Some(_) => quote! {
                ::core::option::Option::map(
                    ::core::option::Option::as_ref(&self.#member),
                    |value| #converted,
                )
            },
            None => quote!({ let value = &self.#member; #converted }),
        };
        return quote!(#root::Argument::made(#value));
    }
    match (&column.reading, inside_option(ty)) {
        (Reading::Json, None) => {
            bounds.demand(ty, quote!(for<'__v> #root::Json<&'__v #ty>: #root::ToValue));
            quote!(#root::Argument::made(#root::Json(&self.#member)))
        }
        (Reading::Json, Some(inner)) => {
            bounds.demand(ty, quote!(for<'__v> #root::Json<&'__v #inner>: #root::ToValue));
            quote! {
                #root::Argument::made(::core::option::Option::map(
                    ::core::option::Option::as_ref(&self.#member),
                    #root::Json,
                ))
            }
        }
        _ => {
            bounds.demand(ty, quote!(#ty: #root::ToValue));
            quote!(#root::Argument::view(&self.#member))
        }
    }
}

struct Nested {
    lookup: TokenStream,
    name: TokenStream,
    declare: TokenStream,
}

/// A nested struct answers to `prefix_name` and, as everywhere in SQL, to `field.name`.
fn nested(field: &RowField<'_>, prefix: &str, description: &RowType<'_>) -> Nested {
    let root = &description.root;
    let (member, inner) = (&field.member, field.inner());
    let dotted = match member {
        syn::Member::Named(ident) => format!("{}.", plain(ident)),
        syn::Member::Unnamed(index) => format!("{}.", index.index),
    };
    let prefixed = quote!(&mut |name: &str| each(&::std::format!("{}{}", #prefix, name)));
    let declare = quote!(<#inner as #root::ToParams>::declared(#prefixed););
    let strip = |prefix: &str| {
        let found = quote! {
            if ::core::option::Option::is_some(&found) {
                return found;
            }
        };
        match inside_option(field.ty) {
            None => quote! {
                if let ::core::option::Option::Some(rest) = name.strip_prefix(#prefix) {
                    let found = <#inner as #root::ToParams>::param(&self.#member, rest);
                    #found
                }
            },
            // Nobody is there to ask, but the type knows its names: they are NULL.
            Some(_) => quote! {
                if let ::core::option::Option::Some(rest) = name.strip_prefix(#prefix) {
                    let found = match &self.#member {
                        ::core::option::Option::Some(value) => {
                            <#inner as #root::ToParams>::param(value, rest)
                        }
                        ::core::option::Option::None => {
                            let mut known = false;
                            <#inner as #root::ToParams>::declared(
                                &mut |name: &str| known |= name == rest,
                            );
                            known.then(#root::Argument::null)
                        }
                    };
                    #found
                }
            },
        }
    };
    let mut lookup = strip(prefix);
    if prefix != dotted {
        lookup.extend(strip(&dotted));
    }
    let name = match inside_option(field.ty) {
        None => quote!(<#inner as #root::ToParams>::names(&self.#member, #prefixed);),
        Some(_) => quote! {
            match &self.#member {
                ::core::option::Option::Some(value) => {
                    <#inner as #root::ToParams>::names(value, #prefixed);
                }
                ::core::option::Option::None => { #declare }
            }
        },
    };
    Nested { lookup, name, declare }
}
