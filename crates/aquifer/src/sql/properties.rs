//! What holds for any text.

use std::borrow::Cow;

use proptest::prelude::*;

use super::*;

/// Any settings at all, engines among them.
fn lexis() -> impl Strategy<Value = Lexis> {
    prop_oneof![
        Just(Lexis::standard()),
        Just(Lexis::postgres()),
        Just(Lexis::mysql()),
        Just(Lexis::mariadb()),
        Just(Lexis::sqlite()),
        any::<u32>().prop_map(|bits| {
            let bit = |n: u32| bits >> n & 1 == 1;
            let mut lexis = Lexis::standard();
            lexis.dollar_quotes = bit(0);
            lexis.backslash_escapes = bit(1);
            lexis.e_strings = bit(2);
            lexis.double_quoted_strings = bit(3);
            lexis.nested_comments = bit(4);
            lexis.open_comments = bit(5);
            lexis.executable_comments = bit(6);
            lexis.mariadb_comments = bit(7);
            lexis.hash_comments = bit(8);
            lexis.dash_dash_needs_space = bit(9);
            lexis.return_ends_comment = bit(10);
            lexis.backtick_identifiers = bit(11);
            lexis.bracket_identifiers = bit(12);
            lexis.dollar_words = bit(13);
            lexis.question_mark_operators = bit(14);
            lexis.numbered_question = bit(15);
            lexis.dollar_params = bit(16);
            lexis.dollar_names = bit(17);
            lexis.at_sign_params = bit(18);
            lexis.colon_params = bit(19);
            lexis.colon_casts = bit(20);
            lexis.user_variables = bit(21);
            lexis.bodies = match bits >> 22 & 3 {
                0 => Bodies::None,
                1 => Bodies::Trigger,
                2 => Bodies::Atomic,
                _ => Bodies::Stored,
            };
            lexis
        }),
    ]
}

fn style() -> impl Strategy<Value = Style> {
    prop_oneof![
        Just(Style::Question),
        Just(Style::NumberedQuestion),
        Just(Style::Dollar),
        Just(Style::At),
        Just(Style::Colon),
    ]
}

/// Text made of what matters to a tokenizer.
fn tricky() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        proptest::sample::select(vec![
            "'",
            "''",
            "\"",
            "`",
            "[",
            "]",
            "(",
            ")",
            "\\",
            "\\'",
            "?",
            "??",
            "?1",
            "$",
            "$$",
            "$1",
            "$a$",
            ":",
            "::",
            ":=",
            ":a",
            ":a.b",
            ":é",
            "@",
            "@a",
            "-",
            "--",
            "-- ",
            "#",
            "/*",
            "*/",
            "/*!",
            "/*!50000",
            "/*M!",
            "\n",
            "\r",
            " ",
            ";",
            ",",
            ".",
            "E'",
            "e'",
            "U&'",
            "U&\"",
            "x'",
            "1",
            "1.5",
            "é",
            "→",
            "\u{feff}",
            "\0",
            "=",
            "|",
            "&",
            " SELECT ",
            " IN ",
            " VALUES ",
            " ROW ",
            " BEGIN ",
            " END ",
            " CASE ",
            " IF ",
            " THEN ",
            " CREATE ",
            " TRIGGER ",
            " PROCEDURE ",
            " FUNCTION ",
            " ATOMIC ",
            " REPEAT ",
            " LOOP ",
            " WITH ",
            " AS ",
            " INSERT ",
            " PRAGMA ",
            " EXPLAIN ",
            " ANALYZE ",
            " COPY ",
            " RETURNING ",
        ])
        .prop_map(str::to_owned),
        "[a-z?:$']{0,4}",
    ];
    proptest::collection::vec(piece, 0..24).prop_map(|pieces| pieces.concat())
}

fn text() -> impl Strategy<Value = String> {
    prop_oneof![3 => tricky(), 1 => any::<String>()]
}

/// Text of well-formed pieces, without anything that opens and does not close.
fn sound() -> impl Strategy<Value = String> {
    let piece = proptest::sample::select(vec![
        "a", "t.b", "1", "'x?'", "\"y?\"", "=", ",", "?", "IN (?)", "(", ")", "AND", "?",
        "/* ? */", "LIMIT",
    ]);
    proptest::collection::vec(piece, 0..16).prop_map(|pieces| pieces.join(" "))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn tokens_put_together_are_the_text(sql in text(), lexis in lexis()) {
        let mut end = 0;
        let mut joined = String::new();
        for token in Tokens::new(&sql, &lexis) {
            prop_assert_eq!(token.start, end);
            prop_assert!(token.end > token.start);
            if let TokenKind::Unterminated(_) = token.kind {
                prop_assert_eq!(token.end, sql.len());
            }
            end = token.end;
            joined.push_str(token.text(&sql));
        }
        prop_assert_eq!(joined, sql);
    }

    #[test]
    fn special_tokens_are_the_same_when_plain_ones_are_skipped(sql in text(), lexis in lexis()) {
        let special = |token: &Token| !matches!(
            token.kind,
            TokenKind::Word | TokenKind::Number | TokenKind::Whitespace | TokenKind::Symbol(_)
        );
        let mut tokens = Tokens::new(&sql, &lexis);
        let skipping: Vec<Token> = std::iter::from_fn(|| tokens.next_special()).filter(special).collect();
        let all: Vec<Token> = Tokens::new(&sql, &lexis).filter(special).collect();
        prop_assert_eq!(skipping, all);
    }

    #[test]
    fn text_without_placeholders_is_borrowed(sql in text(), lexis in lexis(), style in style()) {
        let plain = Tokens::new(&sql, &lexis).all(|token| !matches!(
            token.kind,
            TokenKind::Question | TokenKind::EscapedQuestion | TokenKind::Numbered | TokenKind::Native | TokenKind::Named
        ));
        if plain {
            let rewritten = rewrite(&sql, &lexis, style).unwrap();
            prop_assert!(matches!(rewritten.text, Cow::Borrowed(text) if text == sql));
            prop_assert_eq!(rewritten.params, 0);
        }
    }

    #[test]
    fn rewritten_text_has_as_many_parameters(sql in sound()) {
        for (lexis, style) in [
            (Lexis::postgres(), Style::Dollar),
            (Lexis::sqlite(), Style::NumberedQuestion),
            (Lexis::sqlite(), Style::Question),
            (Lexis::mysql(), Style::Question),
        ] {
            let rewritten = rewrite(&sql, &lexis, style).unwrap();
            prop_assert_eq!(rewritten.params, count(&sql, &lexis));
            prop_assert_eq!(rewritten.params, count(&rewritten.text, &lexis));
            // What is rewritten is in the engine's own form, and left alone.
            let again = rewrite(&rewritten.text, &lexis, style).unwrap();
            prop_assert_eq!(&again.text, &rewritten.text);
            prop_assert_eq!(again.params, rewritten.params);
        }
    }

    #[test]
    fn rewriting_changes_placeholders_only(sql in sound()) {
        let lexis = Lexis::postgres();
        let significant = |sql: &str| -> Vec<String> {
            Tokens::new(sql, &lexis)
                .filter(Token::is_significant)
                .map(|token| match token.kind {
                    TokenKind::Question | TokenKind::Numbered => "?".to_owned(),
                    _ => token.text(sql).to_owned(),
                })
                .collect()
        };
        let rewritten = rewrite(&sql, &lexis, Style::Dollar).unwrap();
        prop_assert_eq!(significant(&sql), significant(&rewritten.text));
    }

    #[test]
    fn expanded_text_has_as_many_parameters(
        sql in sound(),
        lengths in proptest::collection::vec(0..40_usize, 16),
        padded in any::<bool>(),
    ) {
        for (lexis, style) in [(Lexis::postgres(), Style::Dollar), (Lexis::mysql(), Style::Question)] {
            let args: Vec<Arg> = lengths
                .iter()
                .take(count(&sql, &lexis))
                .map(|length| if *length == 0 { Arg::One } else { Arg::List(*length) })
                .collect();
            let padding = if padded { Padding::UpTo(10_000) } else { Padding::Exact };
            let expanded = expand(&sql, &lexis, style, &args, padding).unwrap();
            prop_assert_eq!(expanded.params, count(&expanded.text, &lexis));
            prop_assert_eq!(expanded.params, expanded.slots.iter().sum::<usize>());
            for (arg, slots) in args.iter().zip(&expanded.slots) {
                match arg {
                    Arg::One => prop_assert_eq!(*slots, 1),
                    Arg::List(length) if padded => {
                        prop_assert!(*slots == *length || *slots == padded_len(*length, 10_000));
                    }
                    Arg::List(length) => prop_assert_eq!(slots, length),
                }
            }
        }
    }

    #[test]
    fn nothing_panics(sql in text(), lexis in lexis(), style in style(), number in 0..6_usize) {
        let _ = rewrite(&sql, &lexis, style).map_err(|error| error.to_string());
        let _ = rebind(&sql, style).map_err(|error| error.to_string());
        let args = vec![Arg::List(number); count(&sql, &lexis)];
        let _ = expand(&sql, &lexis, style, &args, Padding::UpTo(50)).map_err(|error| error.to_string());
        let _ = classify(&sql, &lexis);
        let _ = sharing(&sql, &lexis);
        let _ = split(&sql, &lexis).count();
        let _ = Ident::new(&sql).map(|ident| ident.quoted(&lexis));
        match ParsedNamed::parse(&sql, &lexis) {
            Err(error) => {
                let place = error.offset().unwrap();
                prop_assert!(place <= sql.len());
                prop_assert!(!error.to_string().is_empty());
            }
            Ok(parsed) => {
                let names = parsed.names().len();
                let single = parsed.text(style);
                prop_assert!(single.slots.iter().all(|slot| slot.name < names && slot.element == 0));
                let args = vec![Arg::List(number); names];
                let _ = parsed.expand(style, &args, Padding::UpTo(50)).map_err(|error| error.to_string());
                let _ = parsed.rows_per_statement(style, 50).map_err(|error| error.to_string());
                let _ = parsed.resolve(&["a", "b"]).map_err(|error| error.to_string());
                if let Ok(bulk) = parsed.bulk(style, number) {
                    prop_assert!(bulk.row.iter().all(|name| *name < names));
                    prop_assert_eq!(bulk.rows, number);
                }
            }
        }
    }

    #[test]
    fn what_shares_is_one_statement_that_controls_nothing(sql in text()) {
        let lexis = Lexis::postgres();
        let sharing = sharing(&sql, &lexis);
        if !matches!(sharing.verdict, Verdict::Never(_)) {
            let class = classify(&sql, &lexis);
            prop_assert!(!class.several && !class.controls && !class.temporary, "{:?}", class);
            prop_assert!(sharing.functions.is_sorted());
        }
    }

    #[test]
    fn bulk_text_has_the_parameters_of_all_rows(
        values in proptest::collection::vec(proptest::sample::select(vec![":a", ":b", ":c.d", "1", "f(:a)", "':x'"]), 1..8),
        rows in 1..20_usize,
    ) {
        let sql = format!("INSERT INTO t (x) VALUES ({}) RETURNING id", values.join(", "));
        for (lexis, style) in [(Lexis::postgres(), Style::Dollar), (Lexis::mysql(), Style::Question)] {
            let parsed = ParsedNamed::parse(&sql, &lexis).unwrap();
            if parsed.names().len() == 0 {
                prop_assert!(parsed.bulk(style, rows).is_err());
                continue;
            }
            let bulk = parsed.bulk(style, rows).unwrap();
            prop_assert_eq!(count(&bulk.text, &lexis), rows * bulk.row.len());
            prop_assert!(bulk.text.ends_with(") RETURNING id"));
        }
    }

    #[test]
    fn quoted_literal_is_one_string(text in "[^\0]{0,24}", lexis in lexis()) {
        let literal = quote_literal(&text, &lexis).unwrap();
        let tokens: Vec<Token> = Tokens::new(&literal, &lexis).collect();
        prop_assert_eq!(tokens.len(), 1, "{}", literal);
        prop_assert_eq!(tokens[0].kind, TokenKind::String);
    }

    #[test]
    fn quoted_identifier_is_one_identifier(name in "[^\0\\]]{1,24}") {
        for (lexis, quote) in [
            (Lexis::postgres(), '"'),
            (Lexis::mysql(), '`'),
            (Lexis::sqlite(), '"'),
            (Lexis::sqlite(), '`'),
            (Lexis::sqlite(), '['),
        ] {
            let quoted = quote_ident(&name, quote).unwrap();
            let tokens: Vec<Token> = Tokens::new(&quoted, &lexis).collect();
            prop_assert_eq!(tokens.len(), 1, "{}", quoted);
            prop_assert_eq!(tokens[0].kind, TokenKind::QuotedIdent);
        }
    }

    #[test]
    fn split_covers_all_tokens_in_order(sql in text(), lexis in lexis()) {
        let ranges: Vec<_> = split(&sql, &lexis).collect();
        prop_assert!(ranges.windows(2).all(|pair| pair[0].end < pair[1].start));
        for range in &ranges {
            prop_assert!(!sql[range.clone()].is_empty());
        }
        for token in Tokens::new(&sql, &lexis) {
            if token.is_significant() && token.kind != TokenKind::Symbol(b';') {
                prop_assert!(
                    ranges.iter().any(|range| range.start <= token.start && token.end <= range.end),
                    "{:?} is in none of {:?}", token, ranges
                );
            }
        }
    }

    #[test]
    fn several_agrees_with_split(sql in text(), lexis in lexis()) {
        // Executable comments around nothing are statements for `split` only: they are sent, but say nothing.
        if !lexis.executable_comments && !lexis.mariadb_comments {
            let statements = split(&sql, &lexis).count();
            prop_assert_eq!(classify(&sql, &lexis).several, statements > 1);
            prop_assert_eq!(classify(&sql, &lexis).kind == Kind::Empty, statements == 0);
        }
    }
}
