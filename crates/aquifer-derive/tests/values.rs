//! `#[derive(FromValue)]` and `#[derive(ToValue)]`: one cell, one argument.

extern crate aquifer_driver as aquifer;

mod support;

use std::marker::PhantomData;

use aquifer_derive::{FromValue, ToValue};
use aquifer_driver::{Params, ToValue as _, Value};
use support::Put::Null;
use support::{bound, cell, refusal};

#[derive(FromValue, ToValue, Debug, PartialEq, Clone)]
struct UserId(i64);

#[test]
fn a_newtype_is_what_it_holds() {
    assert_eq!(cell::<UserId>(&row! { "id" => 7 }), UserId(7));
    assert_eq!(cell::<Option<UserId>>(&row! { "id" => Null }), None);
    assert_eq!(bound(&UserId(7)), Value::Int(7));
    assert_eq!(bound(&Some(UserId(7))), Value::Int(7));
    assert_eq!((UserId(7), "x").count(), 2);
    assert_eq!(
        refusal::<UserId>(&row! { "id" => "seven" }),
        "column 0 \"id\": cannot read text as i64: it is not a number"
    );
}

#[test]
fn a_newtype_may_borrow_be_generic_and_carry_a_marker() {
    #[derive(FromValue, ToValue, Debug, PartialEq)]
    struct Name<'a>(&'a str);
    assert_eq!(cell::<Name<'_>>(&row! { "name" => "Nera" }), Name("Nera"));
    assert_eq!(bound(&Name("Nera")), Value::Text("Nera".into()));

    #[derive(FromValue, ToValue, Debug, PartialEq)]
    struct Id<T, K = i64>(K, #[aquifer(skip)] PhantomData<T>);
    #[derive(Debug, PartialEq)]
    struct Station;
    assert_eq!(cell::<Id<Station>>(&row! { "id" => 7 }), Id(7, PhantomData));
    assert_eq!(cell::<Id<Station, &str>>(&row! { "id" => "k" }), Id("k", PhantomData));
    assert_eq!(bound(&Id::<Station, &str>("k", PhantomData)), Value::Text("k".into()));
}

#[test]
fn a_newtype_of_a_list_stays_a_list() {
    struct List;
    impl aquifer_driver::ToValue for List {
        fn bind(&self, _: &mut dyn aquifer_driver::ParamSink) -> aquifer_driver::Result<()> {
            Ok(())
        }
        fn list_len(&self) -> Option<usize> {
            Some(3)
        }
    }
    #[derive(ToValue)]
    struct Ids(List);
    assert_eq!(Ids(List).list_len(), Some(3));
}

#[derive(FromValue, ToValue, Debug, PartialEq, Clone, Copy)]
#[aquifer(rename_all = "snake_case")]
enum Status {
    InReview,
    #[aquifer(rename = "done!")]
    Done,
}

#[test]
fn an_enum_is_its_variants_names() {
    assert_eq!(cell::<Status>(&row! { "s" => "in_review" }), Status::InReview);
    assert_eq!(cell::<Status>(&row! { "s" => "done!" }), Status::Done);
    assert_eq!(bound(&Status::Done), Value::Text("done!".into()));
    assert_eq!(bound(&Status::InReview), Value::Text("in_review".into()));
}

#[test]
fn a_text_that_is_no_variant_lists_the_variants_and_does_not_quote_the_text() {
    assert_eq!(
        refusal::<Status>(&row! { "s" => "secret" }),
        "column 0 \"s\": cannot read text as Status: it is none of `in_review`, `done!`"
    );
    assert_eq!(
        refusal::<Status>(&row! { "s" => 1 }),
        "column 0 \"s\": cannot read integer as Status"
    );
    assert_eq!(
        refusal::<Status>(&row! { "s" => Null }),
        "column 0 \"s\": cannot read NULL as Status; use an Option for a column that may be NULL"
    );
}

#[derive(FromValue, ToValue, Debug, PartialEq)]
#[repr(i16)]
enum Priority {
    Low = -1,
    Normal,
    High = 10,
}

#[test]
fn an_enum_with_an_integer_layout_is_its_numbers() {
    assert_eq!(cell::<Priority>(&row! { "p" => -1 }), Priority::Low);
    assert_eq!(cell::<Priority>(&row! { "p" => 0 }), Priority::Normal);
    assert_eq!(cell::<Priority>(&row! { "p" => "10" }), Priority::High);
    assert_eq!(bound(&Priority::High), Value::Int(10));
}

#[test]
fn a_number_that_is_no_variant_lists_the_variants() {
    for number in [1, 1 << 40] {
        assert_eq!(
            refusal::<Priority>(&row! { "p" => number }),
            "column 0 \"p\": cannot read integer as Priority: it is none of -1 (`Low`), 0 (`Normal`), 10 (`High`)"
        );
    }
    assert!(refusal::<Priority>(&row! { "p" => 0.5 }).contains("fractional"));
}

#[test]
fn repr_chooses_numbers_or_text_whatever_the_layout_says() {
    #[derive(FromValue, ToValue, Debug, PartialEq)]
    #[aquifer(repr = "u64")]
    enum Big {
        Small = 1,
        Large = 1 << 30,
    }
    assert_eq!(cell::<Big>(&row! { "b" => 1i64 << 30 }), Big::Large);
    assert_eq!(bound(&Big::Small), Value::Int(1));

    #[derive(FromValue, ToValue, Debug, PartialEq)]
    #[aquifer(repr = "text", rename_all = "UPPERCASE")]
    #[repr(u8)]
    enum Small {
        One = 1,
    }
    assert_eq!(cell::<Small>(&row! { "s" => "ONE" }), Small::One);
    assert_eq!(bound(&Small::One), Value::Text("ONE".into()));
}

#[test]
fn a_long_list_of_variants_is_cut_in_messages() {
    macro_rules! many {
        ($($name:ident)*) => {
            #[derive(FromValue, Debug)]
            enum Many { $($name),* }
            const ALL: &[Many] = &[$(Many::$name),*];
        };
    }
    many! {
        A0 A1 A2 A3 A4 A5 A6 A7 A8 A9 B0 B1 B2 B3 B4 B5 B6 B7 B8 B9 C0 C1 C2 C3 C4 C5 C6 C7 C8 C9
        D0 D1 D2 D3
    }
    assert_eq!(ALL.len(), 34);
    let message = refusal::<Many>(&row! { "m" => "x" });
    assert!(message.ends_with("`D1`, …"), "{message}");
}

#[derive(FromValue, ToValue, Debug, PartialEq, Clone)]
#[aquifer(try_from = "String")]
struct Email(String);

impl TryFrom<String> for Email {
    type Error = &'static str;
    fn try_from(text: String) -> Result<Self, Self::Error> {
        if text.contains('@') { Ok(Self(text)) } else { Err("it has no @") }
    }
}

#[test]
fn a_value_may_be_checked_on_its_way_in() {
    assert_eq!(cell::<Email>(&row! { "e" => "a@b" }), Email("a@b".into()));
    assert_eq!(
        refusal::<Email>(&row! { "e" => "a.b" }),
        "column 0 \"e\": cannot read text as Email: it has no @"
    );
    assert_eq!(bound(&Email("a@b".into())), Value::Text("a@b".into()));
}

#[test]
fn any_type_may_be_a_value_through_another_one() {
    #[derive(FromValue, ToValue, Debug, PartialEq, Clone)]
    #[aquifer(from = "i64", into = "i64")]
    struct Span {
        hours: i64,
        minutes: i64,
    }
    impl From<i64> for Span {
        fn from(minutes: i64) -> Self {
            Self { hours: minutes / 60, minutes: minutes % 60 }
        }
    }
    impl From<Span> for i64 {
        fn from(span: Span) -> Self {
            span.hours * 60 + span.minutes
        }
    }
    assert_eq!(cell::<Span>(&row! { "s" => 90 }), Span { hours: 1, minutes: 30 });
    assert_eq!(bound(&Span { hours: 1, minutes: 30 }), Value::Int(90));
}
