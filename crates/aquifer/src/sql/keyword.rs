//! The words that decisions depend on. Anything else is just a word.

/// Longest word in the table.
const LENGTH_MAX: usize = 11;

macro_rules! keywords {
    ($($variant:ident $text:literal,)*) => {
        /// A word some decision depends on, in any case.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(super) enum Keyword { $(#[doc = $text] $variant,)* }

        /// Sorted by text.
        const KEYWORDS: &[(&str, Keyword)] = &[$(($text, Keyword::$variant),)*];
    };
}

keywords! {
    Abort "ABORT",
    Aggregate "AGGREGATE",
    All "ALL",
    Alter "ALTER",
    Analyze "ANALYZE",
    And "AND",
    Any "ANY",
    Array "ARRAY",
    As "AS",
    Asc "ASC",
    Atomic "ATOMIC",
    Attach "ATTACH",
    Begin "BEGIN",
    Between "BETWEEN",
    By "BY",
    Call "CALL",
    Case "CASE",
    Checkpoint "CHECKPOINT",
    Close "CLOSE",
    Cluster "CLUSTER",
    Collate "COLLATE",
    Comment "COMMENT",
    Commit "COMMIT",
    Copy "COPY",
    Create "CREATE",
    Cross "CROSS",
    Deallocate "DEALLOCATE",
    Declare "DECLARE",
    Definer "DEFINER",
    Delete "DELETE",
    Desc "DESC",
    Describe "DESCRIBE",
    Detach "DETACH",
    Discard "DISCARD",
    Distinct "DISTINCT",
    Div "DIV",
    Do "DO",
    Drop "DROP",
    Else "ELSE",
    Elseif "ELSEIF",
    End "END",
    Escape "ESCAPE",
    Event "EVENT",
    Except "EXCEPT",
    Execute "EXECUTE",
    Exists "EXISTS",
    Explain "EXPLAIN",
    False "FALSE",
    Fetch "FETCH",
    For "FOR",
    From "FROM",
    Full "FULL",
    Function "FUNCTION",
    Glob "GLOB",
    Grant "GRANT",
    Group "GROUP",
    Handler "HANDLER",
    Having "HAVING",
    If "IF",
    Ilike "ILIKE",
    Import "IMPORT",
    In "IN",
    Inner "INNER",
    Insert "INSERT",
    Intersect "INTERSECT",
    Into "INTO",
    Is "IS",
    Isnull "ISNULL",
    Join "JOIN",
    Key "KEY",
    Lateral "LATERAL",
    Left "LEFT",
    Like "LIKE",
    Limit "LIMIT",
    Listen "LISTEN",
    Load "LOAD",
    Lock "LOCK",
    Loop "LOOP",
    Match "MATCH",
    Merge "MERGE",
    Mod "MOD",
    Move "MOVE",
    Natural "NATURAL",
    Next "NEXT",
    No "NO",
    Not "NOT",
    Notify "NOTIFY",
    Notnull "NOTNULL",
    Nulls "NULLS",
    Off "OFF",
    Offset "OFFSET",
    On "ON",
    Optimize "OPTIMIZE",
    Or "OR",
    Order "ORDER",
    Over "OVER",
    Partition "PARTITION",
    Plan "PLAN",
    Pragma "PRAGMA",
    Prepare "PREPARE",
    Prepared "PREPARED",
    Procedure "PROCEDURE",
    Query "QUERY",
    Reassign "REASSIGN",
    Recursive "RECURSIVE",
    Refresh "REFRESH",
    Regexp "REGEXP",
    Reindex "REINDEX",
    Release "RELEASE",
    Rename "RENAME",
    Repair "REPAIR",
    Repeat "REPEAT",
    Replace "REPLACE",
    Reset "RESET",
    Returning "RETURNING",
    Revoke "REVOKE",
    Right "RIGHT",
    Rlike "RLIKE",
    Rollback "ROLLBACK",
    Row "ROW",
    Savepoint "SAVEPOINT",
    Security "SECURITY",
    Select "SELECT",
    Set "SET",
    Share "SHARE",
    Show "SHOW",
    Similar "SIMILAR",
    SomeOf "SOME",
    Start "START",
    Stdout "STDOUT",
    Table "TABLE",
    Temp "TEMP",
    Temporary "TEMPORARY",
    Then "THEN",
    To "TO",
    Transaction "TRANSACTION",
    Trigger "TRIGGER",
    Truncate "TRUNCATE",
    Union "UNION",
    Unlisten "UNLISTEN",
    Unlock "UNLOCK",
    Until "UNTIL",
    Update "UPDATE",
    Use "USE",
    Using "USING",
    Vacuum "VACUUM",
    Value "VALUE",
    Values "VALUES",
    When "WHEN",
    Where "WHERE",
    While "WHILE",
    Window "WINDOW",
    With "WITH",
    Xor "XOR",
}

/// For each first letter: where its words are in the table, and one bit for each length they have.
const LETTERS: [(u8, u8, u16); 26] = {
    let mut letters = [(0, 0, 0); 26];
    let mut at = 0;
    while at < KEYWORDS.len() {
        let text = KEYWORDS[at].0.as_bytes();
        let letter = &mut letters[(text[0] - b'A') as usize];
        if letter.1 == 0 {
            letter.0 = at as u8;
        }
        letter.1 = at as u8 + 1;
        letter.2 |= 1 << text.len();
        at += 1;
    }
    letters
};

impl Keyword {
    /// The keyword `word` is, in any case.
    #[inline]
    pub(super) fn of(word: &str) -> Option<Keyword> {
        let first = word.as_bytes().first()?.to_ascii_uppercase().wrapping_sub(b'A');
        let (start, end, lengths) = *LETTERS.get(usize::from(first))?;
        // Most words of a statement are names, and most of them end here.
        if word.len() > LENGTH_MAX || lengths >> word.len() & 1 == 0 {
            return None;
        }
        KEYWORDS[usize::from(start)..usize::from(end)]
            .iter()
            .find(|(text, _)| text.len() == word.len() && text.eq_ignore_ascii_case(word))
            .map(|(_, keyword)| *keyword)
    }

    /// Whether an expression cannot end with this word: what follows it is a value, or nothing.
    pub(super) fn expects_value(self) -> bool {
        use Keyword::*;
        matches!(
            self,
            All | And
                | Any
                | Array
                | As
                | Between
                | By
                | Case
                | Collate
                | Distinct
                | Div
                | Else
                | Escape
                | Except
                | Exists
                | Fetch
                | From
                | Glob
                | Having
                | Ilike
                | In
                | Intersect
                | Into
                | Is
                | Join
                | Like
                | Limit
                | Match
                | Not
                | Offset
                | On
                | Or
                | Regexp
                | Returning
                | Rlike
                | Select
                | Set
                | Similar
                | SomeOf
                | Then
                | To
                | Union
                | Using
                | Values
                | When
                | Where
                | With
                | Xor
        )
    }

    /// Whether an expression cannot start with this word.
    pub(super) fn ends_value(self) -> bool {
        use Keyword::*;
        matches!(
            self,
            And | As
                | Asc
                | Between
                | Collate
                | Cross
                | Desc
                | Else
                | End
                | Escape
                | Except
                | Fetch
                | For
                | From
                | Full
                | Glob
                | Group
                | Having
                | Ilike
                | In
                | Inner
                | Intersect
                | Into
                | Is
                | Isnull
                | Join
                | Like
                | Limit
                | Natural
                | Notnull
                | Nulls
                | Offset
                | On
                | Or
                | Order
                | Returning
                | Similar
                | Then
                | Union
                | Using
                | When
                | Where
                | Window
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn table_is_sorted_and_fits_the_buffer() {
        assert!(KEYWORDS.windows(2).all(|pair| pair[0].0 < pair[1].0));
        assert_eq!(KEYWORDS.iter().map(|(text, _)| text.len()).max(), Some(LENGTH_MAX));
    }

    #[test]
    fn words_are_found_in_any_case() {
        for (text, keyword) in KEYWORDS {
            assert_eq!(Keyword::of(text), Some(*keyword));
            assert_eq!(Keyword::of(&text.to_lowercase()), Some(*keyword));
        }
        assert_eq!(Keyword::of("SeLeCt"), Some(Keyword::Select));
        assert_eq!(Keyword::of("selec"), None);
        assert_eq!(Keyword::of(""), None);
        assert_eq!(Keyword::of("a_word_longer_than_any_keyword"), None);
    }
}
