//! What the server reports of its settings (ParameterStatus).

/// Most settings that are remembered: servers report about fifteen, extensions may add to them.
const MAX: usize = 256;

/// The settings that the server reports, as they are now.
#[derive(Debug, Default, Clone)]
pub(crate) struct Parameters {
    values: Vec<(String, String)>,
}

impl Parameters {
    pub(crate) fn set(&mut self, name: String, value: String) {
        if let Some((_, old)) = self.values.iter_mut().find(|(known, _)| *known == name) {
            *old = value;
        } else if self.values.len() < MAX {
            self.values.push((name, value));
        }
    }

    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.values.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// Whether the server only replays another one's changes; `None` before PostgreSQL 14.
    pub(crate) fn in_hot_standby(&self) -> Option<bool> {
        self.get("in_hot_standby").map(|value| value == "on")
    }

    /// Whether new transactions only read; `None` before PostgreSQL 14.
    pub(crate) fn default_transaction_read_only(&self) -> Option<bool> {
        self.get("default_transaction_read_only").map(|value| value == "on")
    }
}
