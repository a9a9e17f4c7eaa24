//! The process's surroundings, as a value: drivers ask here, never the process itself.

/// Variables, home directory and user name.
///
/// Tests and embedders give their own; [`ProcessEnvironment`] asks the process.
pub trait Environment {
    /// The environment variable of that name, if it is set and is valid Unicode.
    fn var(&self, name: &str) -> Option<String>;

    /// The names of the variables that begin with `prefix`, so that a misspelt one can be told of. An
    /// environment that cannot list its variables has none to show.
    fn names(&self, prefix: &str) -> Vec<String> {
        let _ = prefix;
        Vec::new()
    }

    /// The name of the user who runs the process.
    fn user(&self) -> Option<String> {
        ["USER", "LOGNAME", "USERNAME"].iter().find_map(|name| self.var(name))
    }

    /// The user's home directory.
    fn home(&self) -> Option<String> {
        self.var("HOME").filter(|home| !home.is_empty())
    }
}

/// The real surroundings of this process, read at each call.
#[derive(Debug, Clone, Copy, Default)]
pub struct ProcessEnvironment;

impl Environment for ProcessEnvironment {
    fn var(&self, name: &str) -> Option<String> {
        std::env::var(name).ok()
    }

    fn names(&self, prefix: &str) -> Vec<String> {
        std::env::vars_os()
            .filter_map(|(name, _)| name.into_string().ok())
            .filter(|name| name.starts_with(prefix))
            .collect()
    }
}

/// An environment in which nothing is set.
#[derive(Debug, Clone, Copy, Default)]
pub struct EmptyEnvironment;

impl Environment for EmptyEnvironment {
    fn var(&self, _name: &str) -> Option<String> {
        None
    }
}
