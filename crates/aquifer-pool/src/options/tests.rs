use super::*;

#[test]
fn the_defaults_are_valid_and_round_trip_through_text() {
    let defaults = PoolOptions::default();
    defaults.validate().unwrap();
    let mut copy = PoolOptions { max_open: 77, ..PoolOptions::default() };
    for option in OPTIONS {
        let text = defaults.get(option.name).unwrap();
        copy.set(option.name, &text).unwrap();
        assert!(
            !option.help.is_empty()
                && !option.reason.is_empty()
                && !option.bounds_text().is_empty()
        );
        if option.default_note.is_empty() {
            assert_eq!(option.default_text(), text, "{}", option.name);
        }
    }
    assert_eq!(copy, defaults);
}

#[test]
fn text_sets_each_kind_of_option() {
    let mut options = PoolOptions::default();
    for (name, value) in [
        ("max_open", "20"),
        ("max_idle", "all"),
        ("acquire_timeout", "250ms"),
        ("max_lifetime", "1h30m"),
        ("max_idle_time", "0"),
        ("lifetime_jitter", "5%"),
        ("warn_in_use", "0.9"),
        ("elide_dials", "off"),
        ("connect_timeout", "1.5s"),
    ] {
        options.set(name, value).unwrap();
    }
    let expected = PoolOptions {
        max_open: 20,
        max_idle: None,
        acquire_timeout: ms(250),
        max_lifetime: Some(minutes(90)),
        max_idle_time: None,
        lifetime_jitter: 0.05,
        warn_in_use: Some(0.9),
        elide_dials: false,
        connect_timeout: ms(1_500),
        ..PoolOptions::default()
    };
    assert_eq!(options, expected);
    assert_eq!(options.get("connect_timeout").unwrap(), "1500ms");
    assert_eq!(options.get("max_lifetime").unwrap(), "90m");
    assert_eq!(options.get("max_opne"), None);
}

#[test]
fn a_bad_value_is_refused_by_name_and_changes_nothing() {
    let mut options = PoolOptions::default();
    for (name, value) in [
        ("max_open", "0"),
        ("max_open", "-1"),
        ("max_open", "many"),
        ("acquire_timeout", "250"),
        ("acquire_timeout", "5 parsecs"),
        ("acquire_timeout", ""),
        ("acquire_timeout", "off"),
        ("connect_timeout", "0s"),
        ("lifetime_jitter", "0.9"),
        ("lifetime_jitter", "NaN"),
        ("elide_dials", "maybe"),
        ("max_lifetime", "0.0000000001s"),
        ("max_lifetime", "99999999999999999999s"),
    ] {
        match options.set(name, value) {
            Err(OptionsError::Invalid { name: said, value: given, problem }) => {
                assert_eq!((said, given.as_str()), (name, value));
                assert!(!problem.is_empty());
            }
            other => panic!("{name}={value}: {other:?}"),
        }
    }
    assert_eq!(options, PoolOptions::default());
}

#[test]
fn an_unknown_name_is_its_own_error() {
    let error = PoolOptions::default().set("max_opne", "3").unwrap_err();
    assert_eq!(error, OptionsError::Unknown { name: "max_opne".to_owned() });
    assert_eq!(error.to_string(), "the pool has no option `max_opne`");
}

#[test]
fn contradictions_are_refused() {
    let base = || PoolOptions { max_open: 10, ..PoolOptions::default() };
    for (options, name) in [
        (PoolOptions { min_idle: 11, ..base() }, "min_idle"),
        (PoolOptions { min_idle: 3, max_idle: Some(2), ..base() }, "min_idle"),
        (PoolOptions { backoff_min: seconds(9), ..base() }, "backoff_min"),
        (PoolOptions { adaptive: true, adaptive_min: 11, ..base() }, "adaptive_min"),
    ] {
        match options.validate() {
            Err(OptionsError::Conflict { name: said, .. }) => assert_eq!(said, name),
            other => panic!("{name}: {other:?}"),
        }
    }
    let direct = PoolOptions { max_open: 0, ..base() }.validate().unwrap_err();
    assert_eq!(
        direct.to_string(),
        "pool option `max_open` cannot be `0`: it must be within 1 and 100000"
    );
}

#[test]
fn serde_reads_what_it_writes_and_refuses_what_set_refuses() {
    let options = PoolOptions { max_open: 12, max_lifetime: None, ..PoolOptions::default() };
    let text = serde_json::to_string(&options).unwrap();
    assert_eq!(serde_json::from_str::<PoolOptions>(&text).unwrap(), options);
    let given = r#"{"max_open": 12, "max_lifetime": "off", "acquire_timeout": "250ms", "lifetime_jitter": 0.2}"#;
    assert_eq!(serde_json::from_str::<PoolOptions>(given).unwrap().acquire_timeout, ms(250));
    for (bad, names) in [
        (r#"{"max_opne": 3}"#, "max_opne"),
        (r#"{"max_open": -3}"#, "max_open"),
        (r#"{"max_open": 2.5}"#, "max_open"),
        (r#"{"acquire_timeout": 5}"#, "acquire_timeout"),
        (r#"{"max_open": 1, "min_idle": 2}"#, "min_idle"),
    ] {
        let error = serde_json::from_str::<PoolOptions>(bad).unwrap_err().to_string();
        assert!(error.contains(names), "{error}");
    }
}

#[test]
fn durations_print_in_the_largest_unit_that_divides_them() {
    for (span, text) in [
        (seconds(90), "90s"),
        (minutes(30), "30m"),
        (ms(1), "1ms"),
        (Duration::ZERO, "0s"),
        (Duration::from_nanos(1_001), "1001ns"),
        (Duration::from_secs(86_400), "1d"),
    ] {
        assert_eq!(value::show_duration(span), text);
        assert_eq!(value::parse_duration(text), Some(span));
    }
}

#[test]
fn the_default_limit_follows_the_cores_within_its_clamp() {
    assert_eq!(
        [1, 2, 8, 16, 64].map(|cores| PoolOptions::for_cores(cores).max_open),
        [10, 10, 16, 32, 40]
    );
}
