//! `#[derive(ToValue)]`.

use proc_macro2::{Ident, TokenStream};
use syn::{DeriveInput, Path};

use crate::diagnostics::Diagnostics;
use crate::generics::Bounds;
use crate::rename::plain;
use crate::value::{Derive, Shape, ValueType};

pub(crate) fn derive(input: &DeriveInput) -> TokenStream {
    let mut found = Diagnostics::default();
    let ValueType { root, shape } = ValueType::of(input, Derive::ToValue, &mut found);
    found.finish(|| generate(input, &root, &shape))
}

fn generate(input: &DeriveInput, root: &Path, shape: &Shape<'_>) -> TokenStream {
    let name = &input.ident;
    let (_, arguments, _) = input.generics.split_for_impl();
    let mut bounds = Bounds::of(&input.generics);
    let this: syn::Type = syn::parse_quote!(#name #arguments);
    let mut more = TokenStream::new();
    let body = match shape {
        Shape::Newtype { member, ty, .. } => {
            bounds.demand(ty, code!(#ty: #root::ToValue));
            more = code! {
                #[inline]
                fn list_len(&self) -> ::core::option::Option<usize> {
                    <#ty as #root::ToValue>::list_len(&self.#member)
                }
            };
            code!(<#ty as #root::ToValue>::bind(&self.#member, sink))
        }
        Shape::Composite { fields, .. } => {
            let bind = fields.iter().map(|(member, ty)| {
                bounds.demand(ty, code!(#ty: #root::ToValue));
                code_at!(ty=> <#ty as #root::ToValue>::bind(&self.#member, &mut fields))
            });
            let bind: Vec<_> = bind.collect();
            code! {
                let mut fields = #root::postgres::CompositeText::new();
                #(#bind?;)*
                fields.finish(sink)
            }
        }
        Shape::Names(variants) => {
            let idents = variants.iter().map(|(ident, _)| ident);
            let texts = variants.iter().map(|(_, text)| text);
            code! {
                let text = match self {
                    #(Self::#idents => #texts,)*
                };
                #root::driver::ParamSink::put(sink, #root::ValueRef::Text(text))
            }
        }
        Shape::Numbers { repr, variants, unchecked } => {
            if *unchecked {
                more = fits(name, repr, variants);
            }
            code! {
                let number = match self {
                    #(Self::#variants => #name::#variants as #repr,)*
                };
                <#repr as #root::ToValue>::bind(&number, sink)
            }
        }
        Shape::Json => {
            bounds.demand(&this, code!(for<'__v> #root::Json<&'__v #this>: #root::ToValue));
            code!(<#root::Json<&Self> as #root::ToValue>::bind(&#root::Json(self), sink))
        }
        Shape::Into(target) => {
            bounds.demand(&this, code!(#this: ::core::clone::Clone));
            bounds.demand(&this, code!(#this: ::core::convert::Into<#target>));
            code! {
                let value = <Self as ::core::convert::Into<#target>>::into(
                    ::core::clone::Clone::clone(self),
                );
                <#target as #root::ToValue>::bind(&value, sink)
            }
        }
        Shape::From(_) | Shape::TryFrom(_) | Shape::None => TokenStream::new(),
    };

    // Discriminants that were not checked by the enum's own layout are checked outside the impl.
    let (methods, checks) = match shape {
        Shape::Numbers { .. } => (TokenStream::new(), more),
        _ => (more, TokenStream::new()),
    };
    let mut generics = input.generics.clone();
    bounds.add_to(&mut generics);
    let (parameters, _, clause) = generics.split_for_impl();
    code! {
        #[allow(deprecated)]
        const _: () = {
            #checks

            #[automatically_derived]
            impl #parameters #root::ToValue for #name #arguments #clause {
                #[inline]
                fn bind(&self, sink: &mut dyn #root::driver::ParamSink) -> #root::Result<()> {
                    #body
                }

                #methods
            }
        };
    }
}

/// Stops the build where a discriminant would be truncated.
fn fits(name: &Ident, repr: &Ident, variants: &[&Ident]) -> TokenStream {
    let checks = variants.iter().map(|variant| {
        let message =
            format!("the number of `{}::{}` does not fit `{repr}`", plain(name), plain(variant));
        code! {
            ::core::assert!(
                #name::#variant as i128 == #name::#variant as #repr as i128,
                #message,
            );
        }
    });
    code!(#(#checks)*)
}
