//! `#[derive(ToParams)]`.

use proc_macro2::TokenStream;
use syn::DeriveInput;

use crate::diagnostics::Diagnostics;
use crate::generics::{Bounds, inside_option, pointing_at};
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
    let mut places = Vec::new();
    let mut binds = Vec::new();
    let mut all = Vec::new();
    for field in &description.fields {
        let member = &field.member;
        match &field.role {
            Role::Column(column) => {
                let name = &column.name;
                let argument = argument(field, column, description, &mut bounds);
                let place = places.len();
                binds.push(code!(#place => #root::ToValue::bind(&#argument, sink)?,));
                all.push(code!(#root::ToValue::bind(&#argument, sink)?;));
                places.push(name);
                arms.push(code!(#name => return ::core::option::Option::Some(#argument),));
                names.push(code!(each(#name);));
                declared.push(code!(each(#name);));
            }
            Role::Skip(_) => {}
            Role::Flatten => {
                let ty = field.ty;
                bounds.demand(ty, code!(#ty: #root::ToParams));
                lookups.push(code! {
                    let found = <#ty as #root::ToParams>::param(&self.#member, name);
                    if ::core::option::Option::is_some(&found) {
                        return found;
                    }
                });
                names.push(code!(<#ty as #root::ToParams>::names(&self.#member, each);));
                declared.push(code!(<#ty as #root::ToParams>::declared(each);));
            }
            Role::Nested(prefix) => {
                let inner = field.inner();
                bounds.demand(inner, code!(#inner: #root::ToParams));
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
    code! {
        #[allow(deprecated, unused_variables)]
        const _: () = {
            #[automatically_derived]
            impl #parameters #root::ToParams for #name #arguments #clause {
                fn param(
                    &self,
                    name: &str,
                ) -> ::core::option::Option<#root::driver::Argument<'_>> {
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

                #[inline]
                fn places(&self) -> &'static [&'static str] {
                    &[#(#places),*]
                }

                #[inline]
                fn bind_at(
                    &self,
                    place: usize,
                    sink: &mut dyn #root::driver::ParamSink,
                ) -> #root::driver::Result<bool> {
                    match place {
                        #(#binds)*
                        _ => return ::core::result::Result::Ok(false),
                    }
                    ::core::result::Result::Ok(true)
                }

                // Part of whoever has the sink, so that its kind is known here.
                #[inline(always)]
                fn bind_all(
                    &self,
                    sink: &mut dyn #root::driver::ParamSink,
                ) -> #root::driver::Result<bool> {
                    #(#all)*
                    ::core::result::Result::Ok(true)
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
        bounds.demand(from, code!(#from: ::core::clone::Clone));
        bounds.demand(from, code!(#from: ::core::convert::Into<#into>));
        bounds.demand(into, code!(#into: #root::ToValue));
        let converted = code! {
            <#from as ::core::convert::Into<#into>>::into(::core::clone::Clone::clone(value))
        };
        let value = match inner {
            Some(_) => code! {
                ::core::option::Option::map(
                    ::core::option::Option::as_ref(&self.#member),
                    |value| #converted,
                )
            },
            None => code!({ let value = &self.#member; #converted }),
        };
        return code!(#root::driver::Argument::made(#value));
    }
    let there = pointing_at(root, ty);
    match (&column.reading, inside_option(ty)) {
        (Reading::Json, None) => {
            bounds.demand(ty, code!(for<'__v> #root::Json<&'__v #ty>: #root::ToValue));
            code_at!(ty=> #there::Argument::made(#there::Json(&self.#member)))
        }
        (Reading::Json, Some(inner)) => {
            bounds.demand(ty, code!(for<'__v> #root::Json<&'__v #inner>: #root::ToValue));
            code_at! { ty=>
                #there::Argument::made(::core::option::Option::map(
                    ::core::option::Option::as_ref(&self.#member),
                    #there::Json,
                ))
            }
        }
        _ => {
            bounds.demand(ty, code!(#ty: #root::ToValue));
            code!(#root::driver::Argument::view(&self.#member))
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
    let prefixed = code!(&mut |name: &str| each(&::std::format!("{}{}", #prefix, name)));
    let declare = code!(<#inner as #root::ToParams>::declared(#prefixed););
    let strip = |prefix: &str| {
        let found = code! {
            if ::core::option::Option::is_some(&found) {
                return found;
            }
        };
        match inside_option(field.ty) {
            None => code! {
                if let ::core::option::Option::Some(rest) = name.strip_prefix(#prefix) {
                    let found = <#inner as #root::ToParams>::param(&self.#member, rest);
                    #found
                }
            },
            // Nobody is there to ask, but the type knows its names: they are NULL.
            Some(_) => code! {
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
                            known.then(#root::driver::Argument::null)
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
        None => code!(<#inner as #root::ToParams>::names(&self.#member, #prefixed);),
        Some(_) => code! {
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
