//! `#[derive(FromRow)]`.

use proc_macro2::TokenStream;
use syn::DeriveInput;

use crate::conversion::Taking;
use crate::diagnostics::Diagnostics;
use crate::generics::{Bounds, RowLifetime, inside_option, refuse_static};
use crate::row::{Derive, Role, RowField, RowType};

pub(crate) fn derive(input: &DeriveInput) -> TokenStream {
    let mut found = Diagnostics::default();
    let row = RowLifetime::of(input, &mut found);
    let description = RowType::of(input, Derive::FromRow, &mut found);
    for field in &description.fields {
        if !matches!(field.role, Role::Skip(_)) {
            refuse_static(field.ty, &mut found);
        }
    }
    found.finish(|| generate(input, &row, &description))
}

/// The two halves of one field, which must make the same calls in the same order.
struct Halves {
    plan: TokenStream,
    read: TokenStream,
}

fn generate(input: &DeriveInput, row: &RowLifetime, description: &RowType<'_>) -> TokenStream {
    let root = &description.root;
    let mut bounds = Bounds::of(&input.generics);
    let mut vias = Vec::new();
    let mut plans = Vec::new();
    let mut reads = Vec::new();
    let width =
        description.fields.iter().filter(|field| matches!(field.role, Role::Column(_))).count();
    let mut position = 0usize;
    for (index, field) in description.fields.iter().enumerate() {
        let halves = match &field.role {
            Role::Column(column) => {
                let taking =
                    Taking::of(index, field.ty, &column.reading, input, root, row, &mut bounds);
                let plan = if description.positional {
                    let at = position;
                    position += 1;
                    code!(plan.position(columns, #at, #width)?;)
                } else {
                    let name = &column.name;
                    match column.default {
                        Some(_) => code!(plan.optional_column(columns, #name);),
                        None => code!(plan.column(columns, #name)?;),
                    }
                };
                let Taking { asked, unwrapped, via } = taking;
                vias.extend(via);
                let read = match &column.default {
                    None => code!({
                        let value = fields.next::<#asked>(row)?;
                        #unwrapped
                    }),
                    Some(fill) => {
                        let ty = field.ty;
                        if matches!(fill, crate::row::Fill::Default) {
                            bounds.demand(ty, code!(#ty: ::core::default::Default));
                        }
                        let fill = fill.value(ty);
                        code! {
                            match fields.next_optional::<#asked>(row)? {
                                ::core::option::Option::Some(value) => #unwrapped,
                                ::core::option::Option::None => #fill,
                            }
                        }
                    }
                };
                Halves { plan, read }
            }
            Role::Skip(fill) => {
                let ty = field.ty;
                if matches!(fill, crate::row::Fill::Default) {
                    bounds.demand(ty, code!(#ty: ::core::default::Default));
                }
                Halves { plan: TokenStream::new(), read: fill.value(ty) }
            }
            Role::Flatten => flattened(field, description, row, &mut bounds),
            Role::Nested(prefix) => nested(field, prefix, description, row, &mut bounds),
        };
        let member = &field.member;
        let read = halves.read;
        plans.push(halves.plan);
        reads.push(code!(#member: #read));
    }

    let lax = description.lax.then(|| code!(plan.lax();));
    let lifetime = &row.lifetime;
    let mut generics = input.generics.clone();
    row.add_to(&mut generics);
    bounds.add_to(&mut generics);
    let name = &input.ident;
    let (_, arguments, _) = input.generics.split_for_impl();
    let (parameters, _, clause) = generics.split_for_impl();
    let vias = vias.iter().map(|via| via.declare(input, root, row, &generics));
    code! {
        #[allow(dead_code, deprecated, unused_variables)]
        const _: () = {
            #(#vias)*

            #[automatically_derived]
            impl #parameters #root::FromRow<#lifetime> for #name #arguments #clause {
                #[inline]
                fn plan(
                    columns: &#root::Columns,
                    plan: &mut #root::driver::Plan,
                ) -> #root::Result<()> {
                    #lax
                    #(#plans)*
                    ::core::result::Result::Ok(())
                }

                #[inline]
                fn from_row(
                    row: #root::Row<#lifetime>,
                    fields: &mut #root::driver::Fields<'_>,
                ) -> #root::Result<Self> {
                    ::core::result::Result::Ok(Self { #(#reads),* })
                }
            }
        };
    }
}

fn flattened(
    field: &RowField<'_>,
    description: &RowType<'_>,
    row: &RowLifetime,
    bounds: &mut Bounds,
) -> Halves {
    let (root, ty, lifetime) = (&description.root, field.ty, &row.lifetime);
    bounds.demand(ty, code!(#ty: #root::FromRow<#lifetime>));
    Halves {
        plan: code!(<#ty as #root::FromRow<#lifetime>>::plan(columns, plan)?;),
        read: code!(<#ty as #root::FromRow<#lifetime>>::from_row(row, fields)?),
    }
}

fn nested(
    field: &RowField<'_>,
    prefix: &str,
    description: &RowType<'_>,
    row: &RowLifetime,
    bounds: &mut Bounds,
) -> Halves {
    let (root, inner, lifetime) = (&description.root, field.inner(), &row.lifetime);
    bounds.demand(inner, code!(#inner: #root::FromRow<#lifetime>));
    let read = match inside_option(field.ty) {
        Some(_) => code!(fields.nested_optional::<#inner>(row)?),
        None => code!(fields.nested::<#inner>(row)?),
    };
    Halves { plan: code!(plan.nested::<#inner>(columns, #prefix)?;), read }
}
