//! What a DSN, the environment and the files say about where and how to connect.
