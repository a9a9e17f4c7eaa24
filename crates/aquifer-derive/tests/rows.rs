//! `#[derive(FromRow)]`: columns become fields.

// Generated code starts at `::aquifer`; here the contract stands in for it.
extern crate aquifer_driver as aquifer;

mod support;

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use aquifer_derive::{FromRow, FromValue};
use aquifer_driver::{Cell, ConversionError, ErrorKind, FromValue as _, Plan, ValueRef};
use support::Put::Null;
use support::{read, refusal};

#[derive(FromRow, Debug, PartialEq)]
struct Station {
    id: i64,
    code: String,
    level_m: Option<f64>,
}

#[test]
fn columns_become_fields_by_name_in_any_order() {
    let wanted = Station { id: 7, code: "N-07".into(), level_m: Some(1.5) };
    let batch = row! { "id" => 7, "code" => "N-07", "level_m" => 1.5 };
    assert_eq!(read::<Station>(&batch), wanted);
    let batch = row! { "level_m" => 1.5, "id" => 7, "code" => "N-07" };
    assert_eq!(read::<Station>(&batch), wanted);
}

#[test]
fn null_is_none_and_refused_by_plain_fields() {
    let batch = row! { "id" => 7, "code" => "N-07", "level_m" => Null };
    assert_eq!(read::<Station>(&batch).level_m, None);
    let batch = row! { "id" => 7, "code" => Null, "level_m" => Null };
    assert_eq!(
        refusal::<Station>(&batch),
        "column 1 \"code\": cannot read NULL as String; use an Option for a column that may be NULL"
    );
}

#[test]
fn a_missing_column_names_itself_those_that_exist_and_the_nearest() {
    let batch = row! { "id" => 7, "cod" => "N-07", "level_m" => 1.5 };
    let error = batch.row(0).unwrap().scan::<Station>().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Column);
    assert_eq!(error.column(), Some("code"));
    assert_eq!(
        error.to_string(),
        "no column `code`: the result has `id`, `cod`, `level_m`; did you mean `cod`?"
    );
}

#[test]
fn a_column_that_no_field_takes_is_an_error() {
    let batch = row! { "id" => 7, "code" => "N-07", "level_m" => 1.5, "river" => "Nera" };
    assert_eq!(
        refusal::<Station>(&batch),
        "no field takes the column `river`; select only what the type has, or mark the type `#[aquifer(lax)]`"
    );
}

#[test]
fn a_second_column_of_one_name_is_an_error_not_a_silent_choice() {
    let batch = row! { "id" => 7, "code" => "N-07", "level_m" => 1.5, "id" => 8 };
    assert!(refusal::<Station>(&batch).contains("`id` (a second column of that name)"));
}

#[test]
fn a_lax_type_ignores_columns_but_still_needs_its_own() {
    #[derive(FromRow, Debug, PartialEq)]
    #[aquifer(lax)]
    struct Code {
        code: String,
    }
    let batch = row! { "id" => 7, "code" => "N-07" };
    assert_eq!(read::<Code>(&batch), Code { code: "N-07".into() });
    let batch = row! { "id" => 7 };
    assert!(refusal::<Code>(&batch).contains("no column `code`"));
}

#[test]
fn names_follow_rename_all_and_rename() {
    #[derive(FromRow, Debug, PartialEq)]
    #[aquifer(rename_all = "camelCase")]
    struct Reading {
        station_id: i64,
        level_m: f64,
        #[aquifer(rename = "AT")]
        measured_at: i64,
        r#type: String,
    }
    let batch = row! { "stationId" => 7, "levelM" => 1.5, "AT" => 3, "type" => "gauge" };
    assert_eq!(
        read::<Reading>(&batch),
        Reading { station_id: 7, level_m: 1.5, measured_at: 3, r#type: "gauge".into() }
    );
}

fn unknown_river() -> String {
    "unknown".into()
}

#[test]
fn a_missing_column_gives_the_default_but_null_does_not() {
    #[derive(FromRow, Debug, PartialEq)]
    struct Place {
        id: i64,
        #[aquifer(default)]
        level_m: f64,
        #[aquifer(default = "unknown_river")]
        river: String,
    }
    let batch = row! { "id" => 7 };
    assert_eq!(read::<Place>(&batch), Place { id: 7, level_m: 0.0, river: "unknown".into() });
    let batch = row! { "river" => "Nera", "id" => 7, "level_m" => 2.5 };
    assert_eq!(read::<Place>(&batch), Place { id: 7, level_m: 2.5, river: "Nera".into() });
    let batch = row! { "id" => 7, "level_m" => Null };
    assert!(refusal::<Place>(&batch).contains("cannot read NULL as f64"));
}

#[test]
fn a_skipped_field_is_never_read() {
    #[derive(FromRow, Debug, PartialEq)]
    struct Cached {
        id: i64,
        #[aquifer(skip)]
        hits: u32,
        #[aquifer(skip, default = "unknown_river")]
        river: String,
    }
    let batch = row! { "id" => 7 };
    assert_eq!(read::<Cached>(&batch), Cached { id: 7, hits: 0, river: "unknown".into() });
    let batch = row! { "id" => 7, "hits" => 3 };
    assert!(refusal::<Cached>(&batch).contains("no field takes the column `hits`"));
}

#[derive(FromRow, Debug, PartialEq)]
struct Audit {
    created_by: String,
    #[aquifer(default)]
    changed_by: Option<String>,
}

#[test]
fn a_flattened_struct_takes_its_columns_from_the_same_row() {
    #[derive(FromRow, Debug, PartialEq)]
    struct River {
        id: i64,
        #[aquifer(flatten)]
        audit: Audit,
        name: String,
    }
    let batch = row! { "name" => "Nera", "created_by" => "ada", "id" => 1 };
    assert_eq!(
        read::<River>(&batch),
        River {
            id: 1,
            audit: Audit { created_by: "ada".into(), changed_by: None },
            name: "Nera".into(),
        }
    );
    let batch = row! { "name" => "Nera", "id" => 1 };
    assert!(refusal::<River>(&batch).contains("no column `created_by`"));
}

#[derive(FromRow, Debug, PartialEq)]
struct Owner {
    id: i64,
    name: Option<String>,
}

#[derive(FromRow, Debug, PartialEq)]
struct Owned {
    id: i64,
    #[aquifer(nested)]
    owner: Option<Owner>,
    #[aquifer(nested = "by.")]
    author: Owner,
    level_m: f64,
}

#[test]
fn a_nested_struct_takes_columns_with_its_prefix() {
    let batch = row! {
        "id" => 1, "owner_id" => 2, "owner_name" => "Ada", "by.id" => 3, "by.name" => Null,
        "level_m" => 0.5,
    };
    assert_eq!(
        read::<Owned>(&batch),
        Owned {
            id: 1,
            owner: Some(Owner { id: 2, name: Some("Ada".into()) }),
            author: Owner { id: 3, name: None },
            level_m: 0.5,
        }
    );
}

#[test]
fn a_nested_option_is_none_only_if_all_its_columns_are_null() {
    let batch = row! {
        "id" => 1, "owner_id" => Null, "owner_name" => Null, "by.id" => 3, "by.name" => "Bo",
        "level_m" => 0.5,
    };
    let read = read::<Owned>(&batch);
    assert_eq!(read.owner, None);
    assert_eq!(read.author, Owner { id: 3, name: Some("Bo".into()) });
    let batch = row! {
        "id" => 1, "owner_id" => Null, "owner_name" => "Ada", "by.id" => 3, "by.name" => Null,
        "level_m" => 0.5,
    };
    assert!(refusal::<Owned>(&batch).contains("\"owner_id\": cannot read NULL as i64"));
}

#[test]
fn a_missing_nested_column_is_named_with_its_prefix() {
    let batch =
        row! { "id" => 1, "owner_id" => 2, "by.id" => 3, "by.name" => "Bo", "level_m" => 0.5 };
    assert!(refusal::<Owned>(&batch).starts_with("no column `owner_name`"));
}

#[test]
fn nesting_goes_deeper_and_prefixes_add_up() {
    #[derive(FromRow, Debug, PartialEq)]
    struct Basin {
        id: i64,
        #[aquifer(nested)]
        station: Owned,
    }
    let batch = row! {
        "id" => 9, "station_id" => 1, "station_owner_id" => Null, "station_owner_name" => Null,
        "station_by.id" => 3, "station_by.name" => "Bo", "station_level_m" => 0.5,
    };
    let basin = read::<Basin>(&batch);
    assert_eq!((basin.id, basin.station.owner, basin.station.author.id), (9, None, 3));
}

#[test]
fn a_type_with_a_lifetime_borrows_from_the_row() {
    #[derive(FromRow, Debug, PartialEq)]
    struct View<'a> {
        code: &'a str,
        river: Cow<'a, str>,
        #[aquifer(default)]
        note: Option<&'a str>,
        id: i64,
    }
    let batch = row! { "id" => 7, "code" => "N-07", "river" => "Nera" };
    let view = read::<View<'_>>(&batch);
    assert_eq!(view, View { code: "N-07", river: "Nera".into(), note: None, id: 7 });
    assert!(matches!(view.river, Cow::Borrowed(_)));

    #[derive(FromRow)]
    struct Pair<'row> {
        #[aquifer(nested)]
        left: View<'row>,
        #[aquifer(flatten)]
        right: View<'row>,
    }
    let batch = row! {
        "left_code" => "a", "left_river" => "b", "left_id" => 1, "id" => 7, "code" => "N-07",
        "river" => "Nera",
    };
    let pair = read::<Pair<'_>>(&batch);
    assert_eq!((pair.left.code, pair.right.code), ("a", "N-07"));
}

#[test]
fn generic_types_get_the_bounds_that_their_fields_need() {
    #[derive(FromRow, Debug, PartialEq)]
    struct Keyed<K, R, const N: usize = 2>
    where
        K: fmt::Debug,
    {
        key: K,
        #[aquifer(default)]
        old_key: Option<K>,
        #[aquifer(nested = "row_")]
        row: Option<R>,
        #[aquifer(flatten)]
        rest: Rest<K>,
        #[aquifer(skip)]
        marker: std::marker::PhantomData<[K; N]>,
    }
    #[derive(FromRow, Debug, PartialEq)]
    struct Rest<T> {
        #[aquifer(try_from = "i64")]
        size: Size,
        last: T,
    }
    #[derive(Debug, PartialEq)]
    struct Size(u8);
    impl TryFrom<i64> for Size {
        type Error = std::num::TryFromIntError;
        fn try_from(size: i64) -> Result<Self, Self::Error> {
            size.try_into().map(Self)
        }
    }

    let batch =
        row! { "key" => "k", "row_id" => 2, "row_name" => Null, "size" => 4, "last" => "l" };
    let keyed = read::<Keyed<&str, Owner>>(&batch);
    assert_eq!((keyed.key, keyed.rest.last, keyed.rest.size), ("k", "l", Size(4)));
    assert_eq!(keyed.row, Some(Owner { id: 2, name: None }));
    let keyed = read::<Keyed<String, Owner, 5>>(&batch);
    assert_eq!(keyed.key, "k");
}

#[derive(Debug, PartialEq, Default, Clone)]
struct Level(f64);

impl TryFrom<f64> for Level {
    type Error = String;
    fn try_from(metres: f64) -> Result<Self, String> {
        if metres >= 0.0 { Ok(Self(metres)) } else { Err("a level is not negative".into()) }
    }
}

#[derive(Debug, PartialEq)]
struct Shout(String);

impl From<&str> for Shout {
    fn from(text: &str) -> Self {
        Self(text.to_uppercase())
    }
}

fn words(cell: Cell<'_>) -> Result<Vec<String>, ConversionError> {
    let text = <&str>::from_cell(cell)?;
    if text.is_empty() {
        return Err(ConversionError::value("words", &ValueRef::Text(text), "it is empty"));
    }
    Ok(text.split(' ').map(str::to_owned).collect())
}

#[derive(FromRow, Debug, PartialEq)]
struct Converted {
    #[aquifer(try_from = "f64")]
    level: Level,
    #[aquifer(try_from = "f64")]
    maybe: Option<Level>,
    #[aquifer(try_from = "f64", default)]
    absent: Level,
    #[aquifer(from = "&str")]
    name: Shout,
    #[aquifer(with = "words")]
    tags: Vec<String>,
    #[aquifer(with = "words", default)]
    more: Option<Vec<String>>,
}

#[test]
fn fields_convert_through_another_type_or_a_function() {
    let batch = row! {
        "level" => 1.5, "maybe" => Null, "name" => "nera", "tags" => "a b", "more" => Null,
    };
    assert_eq!(
        read::<Converted>(&batch),
        Converted {
            level: Level(1.5),
            maybe: None,
            absent: Level(0.0),
            name: Shout("NERA".into()),
            tags: vec!["a".into(), "b".into()],
            more: None,
        }
    );
}

#[test]
fn a_failed_conversion_names_the_column_and_the_reason() {
    let batch = row! { "level" => 1.5, "maybe" => -1.0, "name" => "nera", "tags" => "a b" };
    assert_eq!(
        refusal::<Converted>(&batch),
        "column 1 \"maybe\": cannot read floating-point number as Level: a level is not negative"
    );
    let batch = row! { "level" => 1.5, "maybe" => 1.0, "name" => "nera", "tags" => "" };
    assert_eq!(
        refusal::<Converted>(&batch),
        "column 3 \"tags\": cannot read text as words: it is empty"
    );
    let batch = row! { "level" => "deep", "maybe" => 1.0, "name" => "nera", "tags" => "a" };
    assert!(refusal::<Converted>(&batch).contains("\"level\": cannot read text as f64"));
}

#[test]
fn a_source_that_is_an_option_sees_null_itself() {
    #[derive(Debug, PartialEq)]
    struct OrNever(i64);
    impl From<Option<i64>> for OrNever {
        fn from(at: Option<i64>) -> Self {
            Self(at.unwrap_or(-1))
        }
    }
    #[derive(FromRow)]
    struct Event {
        #[aquifer(from = "Option<i64>")]
        at: OrNever,
    }
    assert_eq!(read::<Event>(&row! { "at" => Null }).at, OrNever(-1));
}

#[test]
fn a_tuple_struct_is_read_by_position() {
    #[derive(FromRow, Debug, PartialEq)]
    struct Pair<'a>(i64, #[aquifer(skip)] u8, #[aquifer(try_from = "f64")] Option<Level>, &'a str);
    let batch = row! { "a" => 1, "b" => 0.5, "b" => "x" };
    assert_eq!(read::<Pair<'_>>(&batch), Pair(1, 0, Some(Level(0.5)), "x"));
    let batch = row! { "a" => 1, "b" => 0.5 };
    assert_eq!(refusal::<Pair<'_>>(&batch), "expected 3 columns, got 2: a, b");
}

#[test]
fn a_wide_row_keeps_every_column_in_its_field() {
    macro_rules! wide {
        ($($field:ident $value:literal)*) => {
            #[derive(FromRow)]
            struct Wide { $($field: i64,)* }
            impl Wide {
                fn values(&self) -> Vec<i64> {
                    vec![$(self.$field),*]
                }
            }
            const NAMES: &[&str] = &[$(stringify!($field)),*];
        };
    }
    wide! {
        c0 0 c1 1 c2 2 c3 3 c4 4 c5 5 c6 6 c7 7 c8 8 c9 9 c10 10 c11 11 c12 12 c13 13 c14 14 c15 15
        c16 16 c17 17 c18 18 c19 19 c20 20 c21 21 c22 22 c23 23 c24 24 c25 25 c26 26 c27 27 c28 28
        c29 29
    }
    let wanted: Vec<i64> = (0..30).collect();
    let mut cells: Vec<_> =
        NAMES.iter().copied().zip(wanted.iter().map(|value| support::Put::Int(*value))).collect();
    assert_eq!(read::<Wide>(&support::row_of(&cells)).values(), wanted);
    cells.reverse();
    assert_eq!(read::<Wide>(&support::row_of(&cells)).values(), wanted);
    cells.remove(3);
    assert!(refusal::<Wide>(&support::row_of(&cells)).contains("no column `c26`"));
}

#[test]
fn one_plan_reads_every_row_of_a_result() {
    let columns = row! { "code" => "N-07", "id" => 7, "level_m" => Null };
    let plan = Plan::of::<Station>(columns.columns()).unwrap();
    for id in 0..3 {
        let batch = row! { "code" => "N-07", "id" => id, "level_m" => Null };
        assert_eq!(plan.read::<Station>(batch.row(0).unwrap()).unwrap().id, id);
    }
}

#[test]
fn a_row_holds_values_that_are_derived_too() {
    #[derive(FromValue, Debug, PartialEq)]
    struct StationId(i64);
    #[derive(FromValue, Debug, PartialEq)]
    #[aquifer(rename_all = "lowercase")]
    enum State {
        Open,
        Closed,
    }
    #[derive(FromRow, Debug, PartialEq)]
    struct Gate {
        id: StationId,
        state: Option<State>,
    }
    let batch = row! { "id" => 7, "state" => "open" };
    assert_eq!(read::<Gate>(&batch), Gate { id: StationId(7), state: Some(State::Open) });
    let batch = row! { "id" => 7, "state" => "ajar" };
    assert_eq!(
        refusal::<Gate>(&batch),
        "column 1 \"state\": cannot read text as State: it is none of `open`, `closed`"
    );
    assert_eq!(read::<State>(&row! { "state" => "closed" }), State::Closed);
}

/// The map is here to hold the generated code against a type that is no value: `skip` asks nothing.
#[test]
fn a_skipped_field_may_be_of_any_type_with_a_default() {
    #[derive(FromRow)]
    struct WithCache {
        id: i64,
        #[aquifer(skip)]
        cache: BTreeMap<String, Station>,
    }
    let read = read::<WithCache>(&row! { "id" => 1 });
    assert_eq!((read.id, read.cache.len()), (1, 0));
}

#[test]
fn an_absent_struct_with_another_one_inside_is_none() {
    #[derive(FromRow, Debug, PartialEq)]
    struct Basin {
        id: i64,
        name: String,
        area: f64,
        #[aquifer(nested)]
        station: Option<Owned>,
    }
    let batch = row! {
        "id" => 9, "name" => "Tiber", "area" => 1.5,
        "station_id" => Null, "station_owner_id" => Null, "station_owner_name" => Null,
        "station_by.id" => Null, "station_by.name" => Null, "station_level_m" => Null,
    };
    assert_eq!(read::<Basin>(&batch).station, None);
}

#[test]
fn a_value_or_tuple_among_named_columns_is_refused_even_if_lax() {
    #[derive(FromRow)]
    #[expect(dead_code, reason = "only refused")]
    #[aquifer(lax)]
    struct First {
        #[aquifer(flatten)]
        pair: (i64, i64),
        id: i64,
    }
    #[derive(FromRow)]
    #[expect(dead_code, reason = "only refused")]
    #[aquifer(lax)]
    struct Nested {
        #[aquifer(nested)]
        pair: Option<i64>,
    }
    let batch = row! { "pair" => 1, "pair_b" => 2, "id" => 3 };
    for message in [refusal::<First>(&batch), refusal::<Nested>(&batch)] {
        assert_eq!(
            message,
            "a part of the type is read by position, another by name; flatten and nest only structs that are read by name"
        );
    }
}

#[test]
fn a_column_far_to_the_right_that_no_field_takes_is_named() {
    #[derive(FromRow)]
    #[expect(dead_code, reason = "only refused")]
    struct Row {
        last: i64,
        #[aquifer(flatten)]
        again: Again,
    }
    #[derive(FromRow)]
    #[expect(dead_code, reason = "only refused")]
    struct Again {
        last: i64,
    }
    let names: Vec<String> = (0..64).map(|index| format!("c{index}")).collect();
    let mut cells: Vec<_> = names.iter().map(|name| (&name[..], Null)).collect();
    cells.push(("last", support::Put::Int(1)));
    cells.push(("late", Null));
    let message = refusal::<Row>(&support::row_of(&cells));
    assert!(message.contains("`c63`, `late`; select"), "{message}");
}
