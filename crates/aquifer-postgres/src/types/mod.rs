//! PostgreSQL types on the wire, and the encodings of the contract.
