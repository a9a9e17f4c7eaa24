//! `#[derive(ToParams)]`: fields become named arguments.

extern crate aquifer_driver as aquifer;

mod support;

use std::collections::BTreeMap;

use aquifer_derive::{FromRow, ToParams};
use aquifer_driver::{ToParams as _, Value};
use support::{argument, names};

#[derive(FromRow, ToParams, Default)]
#[aquifer(rename_all = "camelCase")]
struct Station {
    station_id: i64,
    #[aquifer(rename = "c")]
    code: String,
    #[aquifer(default)]
    level_m: Option<f64>,
    #[aquifer(skip)]
    cache: Option<u8>,
}

#[test]
fn fields_answer_to_the_names_of_their_columns() {
    let station = Station { station_id: 7, code: "N-07".into(), ..Station::default() };
    assert_eq!(argument(&station, "stationId"), Some(Value::Int(7)));
    assert_eq!(argument(&station, "c"), Some(Value::Text("N-07".into())));
    assert_eq!(argument(&station, "levelM"), Some(Value::Null));
    for unknown in ["cache", "code", "station_id", ""] {
        assert_eq!(argument(&station, unknown), None, "{unknown}");
    }
    assert_eq!(names(&station), ["stationId", "c", "levelM"]);
    assert_eq!(names(&&station), names(&station));
    assert_eq!(aquifer_driver::ToParams::places(&&station), ["stationId", "c", "levelM"]);
    assert_eq!(station.cache, None);
}

#[derive(FromRow, ToParams)]
struct Owner<'a> {
    id: i64,
    name: &'a str,
}

#[derive(FromRow, ToParams)]
struct Audit {
    created_by: String,
}

#[derive(FromRow, ToParams)]
struct Owned<'a> {
    id: i64,
    #[aquifer(nested)]
    owner: Option<Owner<'a>>,
    #[aquifer(nested = "by_")]
    author: Owner<'a>,
    #[aquifer(flatten)]
    audit: Audit,
}

fn owned(owner: Option<Owner<'_>>) -> Owned<'_> {
    Owned {
        id: 1,
        owner,
        author: Owner { id: 3, name: "Bo" },
        audit: Audit { created_by: "ada".into() },
    }
}

#[test]
fn nested_structs_answer_to_their_prefix_and_to_a_dotted_path() {
    let owned = owned(Some(Owner { id: 2, name: "Ada" }));
    for (name, value) in [
        ("id", Value::Int(1)),
        ("owner_id", Value::Int(2)),
        ("owner.id", Value::Int(2)),
        ("owner_name", Value::Text("Ada".into())),
        ("by_id", Value::Int(3)),
        ("author.name", Value::Text("Bo".into())),
        ("created_by", Value::Text("ada".into())),
    ] {
        assert_eq!(argument(&owned, name), Some(value), "{name}");
    }
    assert_eq!(argument(&owned, "author_id"), None);
    assert_eq!(names(&owned), ["id", "owner_id", "owner_name", "by_id", "by_name", "created_by"]);
    // The others are found by name: whether they are there is known of a value only.
    assert_eq!(owned.places(), ["id"]);
}

#[test]
fn an_absent_nested_struct_gives_null_for_its_own_names_only() {
    let owned = owned(None);
    assert_eq!(argument(&owned, "owner_id"), Some(Value::Null));
    assert_eq!(argument(&owned, "owner.name"), Some(Value::Null));
    assert_eq!(argument(&owned, "owner_nmae"), None);
    assert_eq!(names(&owned), ["id", "owner_id", "owner_name", "by_id", "by_name", "created_by"]);
}

#[test]
fn values_convert_into_what_the_column_holds() {
    #[derive(Clone)]
    struct Celsius(f64);
    impl From<Celsius> for i64 {
        fn from(celsius: Celsius) -> Self {
            (celsius.0 * 100.0) as Self
        }
    }
    #[derive(ToParams)]
    struct Reading {
        #[aquifer(into = "i64")]
        water: Celsius,
        #[aquifer(into = "i64")]
        air: Option<Celsius>,
    }
    let reading = Reading { water: Celsius(8.5), air: None };
    assert_eq!(argument(&reading, "water"), Some(Value::Int(850)));
    assert_eq!(argument(&reading, "air"), Some(Value::Null));
    let reading = Reading { air: Some(Celsius(1.0)), ..reading };
    assert_eq!(argument(&reading, "air"), Some(Value::Int(100)));
}

#[test]
fn generic_types_and_maps_take_part() {
    #[derive(ToParams)]
    struct Tagged<T, M> {
        value: T,
        #[aquifer(flatten)]
        more: M,
        #[aquifer(nested = "x_")]
        extra: Option<M>,
    }
    let tagged = Tagged { value: "v", more: BTreeMap::from([("level", 1.5)]), extra: None };
    assert_eq!(argument(&tagged, "value"), Some(Value::Text("v".into())));
    assert_eq!(argument(&tagged, "level"), Some(Value::Float(1.5)));
    assert_eq!(argument(&tagged, "x_level"), None);
    assert_eq!(names(&tagged), ["value", "level"]);
    let mut declared = Vec::new();
    Tagged::<i64, Audit>::declared(&mut |name| declared.push(name.to_owned()));
    assert_eq!(declared, ["value", "created_by", "x_created_by"]);
}
