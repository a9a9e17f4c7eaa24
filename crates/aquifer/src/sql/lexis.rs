//! What an engine's SQL text looks like, as plain data.

/// How statements that contain other statements are bracketed, so that a `;` inside them does not end them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Bodies {
    /// No statement contains a `;`.
    None,
    /// SQLite: `CREATE TRIGGER ... BEGIN ...; END`.
    Trigger,
    /// PostgreSQL: `CREATE FUNCTION ... BEGIN ATOMIC ...; END`, and `;` inside parentheses (`CREATE RULE`).
    Atomic,
    /// MySQL and MariaDB: stored programs with `BEGIN`, `IF`, `CASE`, `LOOP`, `WHILE`, `REPEAT`.
    Stored,
}

/// What an engine's SQL text looks like: which bytes open strings, comments, identifiers and placeholders.
///
/// Start from a constructor and change fields where a server is configured differently: a wrong `Lexis` finds placeholders
/// inside strings, or misses them.
///
/// ```text
/// let mut lexis = Lexis::mysql();
/// lexis.backslash_escapes = false;        // the server runs with NO_BACKSLASH_ESCAPES
/// lexis.double_quoted_strings = false;    // the server runs with ANSI_QUOTES
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Lexis {
    /// `$$...$$` and `$tag$...$tag$` are strings.
    pub dollar_quotes: bool,
    /// A backslash escapes the next byte in every string.
    pub backslash_escapes: bool,
    /// `E'...'` is a string with backslash escapes, and so are the segments that continue it on later lines.
    pub e_strings: bool,
    /// `"..."` is a string (and not an identifier).
    pub double_quoted_strings: bool,
    /// `/* /* */ */` is one comment.
    pub nested_comments: bool,
    /// `/*` without `*/` is a comment up to the end of the text, and no error.
    pub open_comments: bool,
    /// `/*! ... */` is code.
    pub executable_comments: bool,
    /// `/*M! ... */` is code.
    pub mariadb_comments: bool,
    /// `#` starts a comment.
    pub hash_comments: bool,
    /// `--` starts a comment only before a space, a control character or the end.
    pub dash_dash_needs_space: bool,
    /// A carriage return alone ends a `--` comment.
    pub return_ends_comment: bool,
    /// `` `x` `` is an identifier.
    pub backtick_identifiers: bool,
    /// `[x]` is an identifier.
    pub bracket_identifiers: bool,
    /// A word may start with `$`.
    pub dollar_words: bool,
    /// `?` is also an operator, or part of one (`?|`, `@?`). It is a placeholder unless it is written `??`.
    pub question_mark_operators: bool,
    /// `?1` is a placeholder.
    pub numbered_question: bool,
    /// `$1` is a placeholder.
    pub dollar_params: bool,
    /// `$name` is a placeholder, `$1` included: there it is a name.
    pub dollar_names: bool,
    /// `@name` is a placeholder.
    pub at_sign_params: bool,
    /// `:name` and `:1` are the engine's own placeholders. (In calls with named parameters `:name` is ours on every engine.)
    pub colon_params: bool,
    /// `x::type` is a cast.
    pub colon_casts: bool,
    /// `@name` is a variable of the session, and `:=` assigns to it.
    pub user_variables: bool,
    /// Which statements contain others.
    pub bodies: Bodies,
}

impl Lexis {
    /// The common ground: quotes are doubled, comments are `--` and `/* */`, nothing else is special.
    pub const fn standard() -> Lexis {
        Lexis {
            dollar_quotes: false,
            backslash_escapes: false,
            e_strings: false,
            double_quoted_strings: false,
            nested_comments: false,
            open_comments: false,
            executable_comments: false,
            mariadb_comments: false,
            hash_comments: false,
            dash_dash_needs_space: false,
            return_ends_comment: false,
            backtick_identifiers: false,
            bracket_identifiers: false,
            dollar_words: false,
            question_mark_operators: false,
            numbered_question: false,
            dollar_params: false,
            dollar_names: false,
            at_sign_params: false,
            colon_params: false,
            colon_casts: false,
            user_variables: false,
            bodies: Bodies::None,
        }
    }

    /// PostgreSQL with `standard_conforming_strings` on, the default since 9.1.
    pub const fn postgres() -> Lexis {
        let mut lexis = Lexis::standard();
        lexis.dollar_quotes = true;
        lexis.e_strings = true;
        lexis.nested_comments = true;
        lexis.return_ends_comment = true;
        lexis.question_mark_operators = true;
        lexis.dollar_params = true;
        lexis.colon_casts = true;
        lexis.bodies = Bodies::Atomic;
        lexis
    }

    /// MySQL with its default `sql_mode`: neither `ANSI_QUOTES` nor `NO_BACKSLASH_ESCAPES`.
    pub const fn mysql() -> Lexis {
        let mut lexis = Lexis::standard();
        lexis.backslash_escapes = true;
        lexis.double_quoted_strings = true;
        lexis.executable_comments = true;
        lexis.hash_comments = true;
        lexis.dash_dash_needs_space = true;
        lexis.backtick_identifiers = true;
        lexis.dollar_words = true;
        lexis.user_variables = true;
        lexis.bodies = Bodies::Stored;
        lexis
    }

    /// MariaDB with its default `sql_mode`: MySQL, and `/*M! ... */` is code too.
    pub const fn mariadb() -> Lexis {
        let mut lexis = Lexis::mysql();
        lexis.mariadb_comments = true;
        lexis
    }

    /// SQLite.
    pub const fn sqlite() -> Lexis {
        let mut lexis = Lexis::standard();
        lexis.open_comments = true;
        lexis.backtick_identifiers = true;
        lexis.bracket_identifiers = true;
        lexis.numbered_question = true;
        lexis.dollar_names = true;
        lexis.at_sign_params = true;
        lexis.colon_params = true;
        lexis.bodies = Bodies::Trigger;
        lexis
    }

    /// The character that quotes identifiers whatever the server's settings are: `` ` `` where `"` may be a string.
    pub const fn ident_quote(&self) -> char {
        if self.double_quoted_strings { '`' } else { '"' }
    }
}
