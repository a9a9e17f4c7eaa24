//! rusqlite: SQLite on the calling thread, without a runtime.

use ::rusqlite::{Connection, Row};

use crate::drive::{Blocking, Subject};
use crate::failure::{Result, ensure};
use crate::registry::Setting;
use crate::workload::sqlite::{
    CLEAR, COUNT, FILE_PRAGMAS, INSERT, INSERTS, POINT, POINTS, SCAN, Scan, Station, check, key,
    reading, scanned, schema,
};

fn open(setting: &Setting, stations: u64) -> Result<Connection> {
    let connection = match &setting.folder {
        Some(folder) => {
            let connection = Connection::open(folder.join("rusqlite.db"))?;
            connection.execute_batch(FILE_PRAGMAS)?;
            connection
        }
        None => Connection::open_in_memory()?,
    };
    connection.execute_batch(&schema(stations))?;
    Ok(connection)
}

fn station(row: &Row<'_>) -> ::rusqlite::Result<Station> {
    Ok(Station { id: row.get(0)?, code: row.get(1)?, river: row.get(2)?, level_m: row.get(3)? })
}

pub fn point(setting: &Setting) -> Result<Box<dyn Subject>> {
    let connection = open(setting, POINTS)?;
    Ok(Box::new(Blocking::new(1, move |request| {
        let key = key(request.first);
        connection.prepare_cached(POINT)?.query_row([key], station)?.check(key)
    })))
}

pub fn scan(setting: &Setting) -> Result<Box<dyn Subject>> {
    let connection = open(setting, scanned(setting))?;
    Ok(Box::new(Blocking::new(scanned(setting), move |request| {
        let mut statement = connection.prepare_cached(SCAN)?;
        let mut scan = Scan::default();
        for row in statement.query_map([request.count as i64], station)? {
            row?.check(scan.next())?;
        }
        scan.done(request)
    })))
}

pub fn scan_borrowed(setting: &Setting) -> Result<Box<dyn Subject>> {
    let connection = open(setting, scanned(setting))?;
    Ok(Box::new(Blocking::new(scanned(setting), move |request| {
        let mut statement = connection.prepare_cached(SCAN)?;
        let mut rows = statement.query([request.count as i64])?;
        let mut scan = Scan::default();
        while let Some(row) = rows.next()? {
            let (code, river) = (row.get_ref(1)?.as_str()?, row.get_ref(2)?.as_str()?);
            check(scan.next(), row.get(0)?, code, river, row.get(3)?)?;
        }
        scan.done(request)
    })))
}

pub fn select(setting: &Setting) -> Result<Box<dyn Subject>> {
    let connection = open(setting, scanned(setting))?;
    Ok(Box::new(Blocking::new(scanned(setting), move |request| {
        let mut statement = connection.prepare_cached(SCAN)?;
        let rows = statement.query_map([request.count as i64], station)?;
        let stations = rows.collect::<Result<Vec<Station>, _>>()?;
        let mut scan = Scan::default();
        for station in &stations {
            station.check(scan.next())?;
        }
        scan.done(request)
    })))
}

pub fn insert(setting: &Setting) -> Result<Box<dyn Subject>> {
    let connection = std::rc::Rc::new(open(setting, 0)?);
    let cleared = std::rc::Rc::clone(&connection);
    let blocking = Blocking::new(INSERTS, move |request| {
        let transaction = connection.unchecked_transaction()?;
        let mut statement = transaction.prepare_cached(INSERT)?;
        for operation in request.first..request.first + request.count {
            let done = statement.execute(reading(operation))?;
            ensure(done == 1, "an insert changed another number of rows")?;
        }
        drop(statement);
        transaction.commit()?;
        Ok(())
    });
    Ok(Box::new(blocking.with_prepare(move || {
        cleared.execute(CLEAR, ())?;
        let left: i64 = cleared.query_row(COUNT, (), |row| row.get(0))?;
        ensure(left == 0, "the table was not cleared")
    })))
}
