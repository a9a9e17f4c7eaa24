//! Our MySQL driver without what is above it.

use crate::drive::Subject;
use crate::failure::Result;
use crate::peer::server_driver;
use crate::registry::Setting;
use crate::server::url;
use crate::workload::mysql::{HELLO, POINT, SCAN, scanned};

pub fn point(setting: &Setting) -> Result<Box<dyn Subject>> {
    server_driver::point(setting, POINT)
}

pub fn scan(setting: &Setting) -> Result<Box<dyn Subject>> {
    server_driver::scan(setting, SCAN, scanned(setting))
}

pub fn connect(setting: &Setting) -> Result<Box<dyn Subject>> {
    server_driver::connect(setting, url(setting)?, HELLO)
}
