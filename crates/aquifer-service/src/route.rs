//! [`Route`]: a method and a path with `{parameters}`, as heads write them, and the table that finds
//! the query for a request.
//!
//! Literal segments win over parameters, so `/readings/daily` is found beside `/readings/{id}`.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// Segments that a path may have; longer requests match nothing.
const SEGMENTS_MAX: usize = 32;

/// The methods a query can be reached by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Method {
    /// Reads; parameters from path and query string.
    Get,
    /// RFC 10008: reads; parameters also from a JSON body. Served under POST too, for clients that
    /// cannot send it.
    Query,
    /// Writes, or reads with a body.
    Post,
    /// Writes.
    Put,
    /// Writes.
    Patch,
    /// Writes.
    Delete,
}

impl Method {
    /// All of them.
    pub const ALL: [Method; 6] =
        [Self::Get, Self::Query, Self::Post, Self::Put, Self::Patch, Self::Delete];

    /// The method of that name, in upper case as HTTP has it.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|method| method.as_str() == name)
    }

    /// The name as HTTP has it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Query => "QUERY",
            Self::Post => "POST",
            Self::Put => "PUT",
            Self::Patch => "PATCH",
            Self::Delete => "DELETE",
        }
    }

    /// Whether HTTP promises the client that the request changes nothing.
    pub fn is_safe(self) -> bool {
        matches!(self, Self::Get | Self::Query)
    }

    /// Whether HTTP promises the client that twice is the same as once.
    pub fn is_idempotent(self) -> bool {
        self.is_safe() || matches!(self, Self::Put | Self::Delete)
    }

    /// Whether a request's body is read.
    pub fn takes_body(self) -> bool {
        self != Self::Get
    }
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// One part of a path between slashes.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Segment {
    Literal(String),
    Parameter(String),
}

/// A path with `{parameters}`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Path {
    text: String,
    segments: Vec<Segment>,
}

impl Path {
    /// Reads `/stations/{id}`.
    ///
    /// # Errors
    ///
    /// What is wrong, and the byte of `text` where.
    pub fn parse(text: &str) -> Result<Self, (usize, String)> {
        let Some(rest) = text.strip_prefix('/') else {
            return Err((0, "a path starts with `/`".to_owned()));
        };
        let mut segments = Vec::new();
        let mut at = 1;
        if !rest.is_empty() {
            for part in rest.split('/') {
                if part.is_empty() {
                    return Err((
                        at,
                        "an empty segment; write each `/` once, and none at the end".into(),
                    ));
                }
                let segment = if let Some(inner) = part.strip_prefix('{') {
                    let Some(name) = inner.strip_suffix('}') else {
                        return Err((
                            at,
                            format!("`{part}`: a parameter is a whole segment, `{{name}}`"),
                        ));
                    };
                    if !is_name(name) {
                        return Err((
                            at,
                            format!("`{name}` is not a parameter's name (letters, digits, `_`)"),
                        ));
                    }
                    if segments.contains(&Segment::Parameter(name.to_owned())) {
                        return Err((at, format!("`{{{name}}}` stands twice in the path")));
                    }
                    Segment::Parameter(name.to_owned())
                } else {
                    let plain = |c: char| c.is_ascii_alphanumeric() || "-._~".contains(c);
                    if let Some(bad) = part.chars().find(|c| !plain(*c)) {
                        return Err((
                            at,
                            format!(
                                "`{bad}` cannot stand in a path; letters, digits and `-._~` can"
                            ),
                        ));
                    }
                    Segment::Literal(part.to_owned())
                };
                segments.push(segment);
                at += part.len() + 1;
            }
        }
        if segments.len() > SEGMENTS_MAX {
            return Err((0, format!("a path has at most {SEGMENTS_MAX} segments")));
        }
        Ok(Self { text: text.to_owned(), segments })
    }

    /// The names of its parameters, in order.
    pub fn parameters(&self) -> impl Iterator<Item = &str> {
        self.segments.iter().filter_map(|segment| match segment {
            Segment::Parameter(name) => Some(name.as_str()),
            Segment::Literal(_) => None,
        })
    }

    /// The path with its parameters' names left out: two paths of the same shape match the same requests.
    pub(crate) fn shape(&self) -> String {
        let mut shape = String::new();
        for segment in &self.segments {
            shape.push('/');
            shape.push_str(match segment {
                Segment::Literal(text) => text,
                Segment::Parameter(_) => "{}",
            });
        }
        if shape.is_empty() { "/".to_owned() } else { shape }
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.text)
    }
}

/// A method and a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Route {
    /// The method.
    pub method: Method,
    /// The path.
    pub path: Path,
}

impl fmt::Display for Route {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.method, self.path)
    }
}

/// Letters, digits and `_`, not starting with a digit.
pub(crate) fn is_name(text: &str) -> bool {
    let mut bytes = text.bytes();
    bytes.next().is_some_and(|first| first.is_ascii_alphabetic() || first == b'_')
        && bytes.all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

/// Which query answers which method and path.
#[derive(Debug, Default)]
pub struct Router {
    root: Node,
    /// Every method of every route.
    methods: BTreeSet<Method>,
}

#[derive(Debug, Default)]
struct Node {
    literals: BTreeMap<String, Node>,
    parameter: Option<Box<Node>>,
    /// Queries by method, by their position in the catalogue.
    methods: BTreeMap<Method, usize>,
}

/// What a request's path matched.
#[derive(Debug, PartialEq, Eq)]
pub struct Match<'a> {
    methods: &'a BTreeMap<Method, usize>,
    /// The raw (still percent-encoded) values of the path's parameters, in order.
    pub values: Vec<&'a str>,
}

impl Match<'_> {
    /// The query for a method. POST finds a QUERY query where no other query claims it.
    pub fn query(&self, method: Method) -> Option<usize> {
        let found = self.methods.get(&method);
        let found = if method == Method::Post {
            found.or_else(|| self.methods.get(&Method::Query))
        } else {
            found
        };
        found.copied()
    }

    /// Any of the path's queries: what the path is called in metrics.
    pub(crate) fn first(&self) -> Option<usize> {
        self.methods.values().next().copied()
    }

    /// The `Allow` header: every method that works here.
    pub fn allow(&self) -> String {
        allow(|method| self.query(method).is_some())
    }

    /// Whether the QUERY method works here.
    pub fn accepts_query(&self) -> bool {
        self.methods.contains_key(&Method::Query)
    }
}

/// An `Allow` header: the methods that work, and those that come with them.
fn allow(works: impl Fn(Method) -> bool) -> String {
    let mut names = Vec::with_capacity(8);
    for method in Method::ALL.into_iter().filter(|method| works(*method)) {
        names.push(method.as_str());
        if method == Method::Get {
            names.push("HEAD");
        }
    }
    names.push("OPTIONS");
    names.join(", ")
}

impl Router {
    /// Adds a route for the query at position `query`; the router keeps the first of two equal ones and
    /// gives back false for the second.
    pub fn add(&mut self, route: &Route, query: usize) -> bool {
        let mut node = &mut self.root;
        for segment in &route.path.segments {
            node = match segment {
                Segment::Literal(text) => node.literals.entry(text.clone()).or_default(),
                Segment::Parameter(_) => node.parameter.get_or_insert_default(),
            };
        }
        let mut added = false;
        node.methods.entry(route.method).or_insert_with(|| {
            added = true;
            query
        });
        self.methods.insert(route.method);
        added
    }

    /// The `Allow` header of the service as a whole, for `OPTIONS *`: methods that work on some path.
    pub fn allow(&self) -> String {
        let has = |method| self.methods.contains(&method);
        allow(|method| has(method) || method == Method::Post && has(Method::Query))
    }

    /// Finds a request's path; its query string must be cut off already.
    pub fn find<'a>(&'a self, path: &'a str) -> Option<Match<'a>> {
        let rest = path.strip_prefix('/')?;
        let parts: Vec<&str> = match rest {
            "" => Vec::new(),
            rest => rest.split('/').take(SEGMENTS_MAX + 1).collect(),
        };
        if parts.len() > SEGMENTS_MAX {
            return None;
        }
        let mut values = Vec::new();
        let methods = self.root.find(&parts, &mut values)?;
        Some(Match { methods, values })
    }
}

impl Node {
    /// Depth first, literals before the parameter; bounded by the number of routes.
    fn find<'a>(
        &'a self,
        parts: &[&'a str],
        values: &mut Vec<&'a str>,
    ) -> Option<&'a BTreeMap<Method, usize>> {
        let Some((first, rest)) = parts.split_first() else {
            return (!self.methods.is_empty()).then_some(&self.methods);
        };
        if let Some(node) = self.literals.get(*first)
            && let Some(found) = node.find(rest, values)
        {
            return Some(found);
        }
        let node = self.parameter.as_deref().filter(|_| !first.is_empty())?;
        values.push(first);
        let found = node.find(rest, values);
        if found.is_none() {
            values.pop();
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn router(routes: &[(Method, &str)]) -> Router {
        let mut router = Router::default();
        for (index, (method, path)) in routes.iter().enumerate() {
            let route = Route { method: *method, path: Path::parse(path).unwrap() };
            assert!(router.add(&route, index), "{path}");
        }
        router
    }

    #[test]
    fn literals_win_over_parameters_and_fall_back_to_them() {
        let router = router(&[
            (Method::Get, "/stations/{id}"),
            (Method::Get, "/stations/best"),
            (Method::Get, "/{kind}/best/{n}"),
            (Method::Get, "/"),
        ]);
        assert_eq!(router.find("/stations/7").unwrap().values, ["7"]);
        assert_eq!(router.find("/stations/best").unwrap().query(Method::Get), Some(1));
        assert_eq!(router.find("/stations/best/2").unwrap().values, ["stations", "2"]);
        assert_eq!(router.find("/").unwrap().query(Method::Get), Some(3));
        for missing in ["/stations", "/stations/", "/stations/7/", "//", "", "stations/7"] {
            assert_eq!(router.find(missing), None, "{missing}");
        }
    }

    #[test]
    fn allow_lists_every_method_that_works() {
        let router = router(&[(Method::Query, "/s"), (Method::Get, "/s"), (Method::Delete, "/t")]);
        let found = router.find("/s").unwrap();
        assert_eq!(found.allow(), "GET, HEAD, QUERY, POST, OPTIONS");
        assert_eq!(found.query(Method::Post), Some(0));
        assert!(found.accepts_query());
        assert_eq!(router.find("/t").unwrap().allow(), "DELETE, OPTIONS");
    }

    #[test]
    fn two_equal_routes_are_one_too_many() {
        let mut router = router(&[(Method::Get, "/a/{x}")]);
        let again = Route { method: Method::Get, path: Path::parse("/a/{y}").unwrap() };
        assert!(!router.add(&again, 1));
    }

    #[test]
    fn malformed_paths_say_where() {
        for (path, at) in [
            ("a", 0),
            ("", 0),
            ("/a//b", 3),
            ("/a/", 3),
            ("/a/{b", 3),
            ("/{1}", 1),
            ("/x/{a}/{a}", 7),
            ("/a b", 1),
        ] {
            assert_eq!(Path::parse(path).unwrap_err().0, at, "{path}");
        }
    }
}
