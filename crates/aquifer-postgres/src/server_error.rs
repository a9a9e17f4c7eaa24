//! The fields of ErrorResponse and NoticeResponse, and the error they make.
