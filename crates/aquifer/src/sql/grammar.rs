//! PostgreSQL's key words, and which of them can be the name of a function.
//!
//! From `pg_get_keywords()` of PostgreSQL 15, and `src/include/parser/kwlist.h` of 16, 17 and 18 for what these added; both
//! lists together are the words of the files of 15 and 18, but for `treat`. A
//! word that one of these versions lets be a function's name is treated as one that can be.

/// What a key word can be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    /// Never the name of a function, unless it is quoted or has a schema before it.
    Syntax,
    /// The name of a function where the server has one of that name, else syntax: `left`, `over`, `json_value`.
    Either,
}

/// The key word `word` is, in any case: as it is written here, and what it can be.
pub(super) fn keyword(word: &str) -> Option<(&'static str, Role)> {
    let find = |words: &'static [&'static str]| {
        let order = |known: &&str| {
            let word = word.bytes().map(|byte| byte.to_ascii_lowercase());
            known.bytes().cmp(word)
        };
        words.binary_search_by(order).ok().map(|at| words[at])
    };
    let syntax = find(&SYNTAX).map(|word| (word, Role::Syntax));
    syntax.or_else(|| find(&EITHER).map(|word| (word, Role::Either)))
}

/// Whether `name`, which is no function's, can be syntax where it stands before a parenthesis.
pub(crate) fn is_key_word(name: &str) -> bool {
    keyword(name).is_some()
}

/// Reserved words, and those that are names of columns or types but not of functions. Without `substring` and
/// `overlay`: with plain arguments these are calls that look for functions of their names. `TREAT(a AS b)` calls `b`: it
/// is in neither list, so that nothing is taken for known of it.
#[rustfmt::skip]
const SYNTAX: [&str; 125] = [
    "all", "analyse", "analyze", "and", "any", "array", "as", "asc", "asymmetric", "between", "bigint", "bit",
    "boolean", "both", "case", "cast", "char", "character", "check", "coalesce", "collate", "column", "constraint",
    "create", "current_catalog", "current_date", "current_role", "current_time", "current_timestamp", "current_user",
    "dec", "decimal", "default", "deferrable", "desc", "distinct", "do", "else", "end", "except", "exists", "extract",
    "false", "fetch", "float", "for", "foreign", "from", "grant", "greatest", "group", "grouping", "having", "in",
    "initially", "inout", "int", "integer", "intersect", "interval", "into", "lateral", "leading", "least", "limit",
    "localtime", "localtimestamp", "national", "nchar", "none", "normalize", "not", "null", "nullif", "numeric",
    "offset", "on", "only", "or", "order", "out", "placing", "position", "precision", "primary", "real", "references",
    "returning", "row", "select", "session_user", "setof", "smallint", "some", "symmetric", "table", "then", "time",
    "timestamp", "to", "trailing", "trim", "true", "union", "unique", "user", "using", "values", "varchar",
    "variadic", "when", "where", "window", "with", "xmlattributes", "xmlconcat", "xmlelement", "xmlexists",
    "xmlforest", "xmlnamespaces", "xmlparse", "xmlpi", "xmlroot", "xmlserialize", "xmltable",
];

/// The others: not reserved, reserved except as the names of functions or types, or key words only since 16, 17 or 18.
#[rustfmt::skip]
const EITHER: [&str; 369] = [
    "abort", "absent", "absolute", "access", "action", "add", "admin", "after", "aggregate", "also", "alter",
    "always", "asensitive", "assertion", "assignment", "at", "atomic", "attach", "attribute", "authorization",
    "backward", "before", "begin", "binary", "breadth", "by", "cache", "call", "called", "cascade", "cascaded",
    "catalog", "chain", "characteristics", "checkpoint", "class", "close", "cluster", "collation", "columns",
    "comment", "comments", "commit", "committed", "compression", "concurrently", "conditional", "configuration",
    "conflict", "connection", "constraints", "content", "continue", "conversion", "copy", "cost", "cross", "csv",
    "cube", "current", "current_schema", "cursor", "cycle", "data", "database", "day", "deallocate", "declare",
    "defaults", "deferred", "definer", "delete", "delimiter", "delimiters", "depends", "depth", "detach",
    "dictionary", "disable", "discard", "document", "domain", "double", "drop", "each", "empty", "enable", "encoding",
    "encrypted", "enforced", "enum", "error", "escape", "event", "exclude", "excluding", "exclusive", "execute",
    "explain", "expression", "extension", "external", "family", "filter", "finalize", "first", "following", "force",
    "format", "forward", "freeze", "full", "function", "functions", "generated", "global", "granted", "groups",
    "handler", "header", "hold", "hour", "identity", "if", "ilike", "immediate", "immutable", "implicit", "import",
    "include", "including", "increment", "indent", "index", "indexes", "inherit", "inherits", "inline", "inner",
    "input", "insensitive", "insert", "instead", "invoker", "is", "isnull", "isolation", "join", "json", "json_array",
    "json_arrayagg", "json_exists", "json_object", "json_objectagg", "json_query", "json_scalar", "json_serialize",
    "json_table", "json_value", "keep", "key", "keys", "label", "language", "large", "last", "leakproof", "left",
    "level", "like", "listen", "load", "local", "location", "lock", "locked", "logged", "mapping", "match", "matched",
    "materialized", "maxvalue", "merge", "merge_action", "method", "minute", "minvalue", "mode", "month", "move",
    "name", "names", "natural", "nested", "new", "next", "nfc", "nfd", "nfkc", "nfkd", "no", "normalized", "nothing",
    "notify", "notnull", "nowait", "nulls", "object", "objects", "of", "off", "oids", "old", "omit", "operator",
    "option", "options", "ordinality", "others", "outer", "over", "overlaps", "overlay", "overriding", "owned",
    "owner", "parallel", "parameter", "parser", "partial", "partition", "passing", "password", "path", "period",
    "plan", "plans", "policy", "preceding", "prepare", "prepared", "preserve", "prior", "privileges", "procedural",
    "procedure", "procedures", "program", "publication", "quote", "quotes", "range", "read", "reassign", "recheck",
    "recursive", "ref", "referencing", "refresh", "reindex", "relative", "release", "rename", "repeatable", "replace",
    "replica", "reset", "restart", "restrict", "return", "returns", "revoke", "right", "role", "rollback", "rollup",
    "routine", "routines", "rows", "rule", "savepoint", "scalar", "schema", "schemas", "scroll", "search", "second",
    "security", "sequence", "sequences", "serializable", "server", "session", "set", "sets", "share", "show",
    "similar", "simple", "skip", "snapshot", "source", "sql", "stable", "standalone", "start", "statement",
    "statistics", "stdin", "stdout", "storage", "stored", "strict", "string", "strip", "subscription", "substring",
    "support", "sysid", "system", "system_user", "tables", "tablesample", "tablespace", "target", "temp", "template",
    "temporary", "text", "ties", "transaction", "transform", "trigger", "truncate", "trusted", "type",
    "types", "uescape", "unbounded", "uncommitted", "unconditional", "unencrypted", "unknown", "unlisten", "unlogged",
    "until", "update", "vacuum", "valid", "validate", "validator", "value", "varying", "verbose", "version", "view",
    "views", "virtual", "volatile", "whitespace", "within", "without", "work", "wrapper", "write", "xml", "year",
    "yes", "zone",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_found_in_any_case() {
        assert!(SYNTAX.is_sorted() && EITHER.is_sorted());
        for (words, role) in [(&SYNTAX[..], Role::Syntax), (&EITHER[..], Role::Either)] {
            for word in words {
                assert_eq!(keyword(word), Some((*word, role)));
                assert_eq!(keyword(&word.to_uppercase()), Some((*word, role)));
            }
        }
        assert_eq!(keyword("SeLeCt"), Some(("select", Role::Syntax)));
        assert_eq!(keyword("rivers"), None);
        assert_eq!(keyword(""), None);
    }
}
