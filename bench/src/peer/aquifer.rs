//! Ours, as a user meets it: through `Db`.

use ::aquifer::{Conn, Db};

use crate::drive::{Client, Request, Sequential, Subject, Tasks};
use crate::failure::{Failure, Result, ensure};
use crate::registry::Setting;
use crate::workload::sqlite::{
    CLEAR, COUNT, INSERT, INSERTS, POINT, POINTS, SCAN, Scan, Station, StationRef, StationTuple,
    TASKS, check, key, reading, scanned, schema,
};

/// Where a peer's database is.
///
/// # Errors
///
/// If the folder's name cannot stand in a URL.
pub fn url(setting: &Setting) -> Result<String> {
    match &setting.folder {
        Some(folder) => {
            let file = folder.join("aquifer.db");
            let text = file.to_str();
            Ok(format!("sqlite://{}", text.ok_or(Failure::new("odd folder"))?))
        }
        None => Ok("sqlite::memory:".to_owned()),
    }
}

async fn open(setting: &Setting, parameters: &str, stations: u64) -> Result<Db> {
    let db = Db::connect(&format!("{}{parameters}", url(setting)?)).await?;
    db.exec(&schema(stations), ()).await?;
    Ok(db)
}

#[derive(Clone)]
struct Point(Db);

impl Client for Point {
    async fn call(&mut self, request: Request) -> Result<()> {
        let key = key(request.first);
        let station: Station = self.0.get(POINT, (key,)).await?;
        station.check(key)
    }
}

pub fn point(setting: &Setting) -> Result<Box<dyn Subject>> {
    let runtime = setting.threads.runtime()?;
    let db = runtime.block_on(open(setting, "", POINTS))?;
    Ok(Box::new(Sequential::new(runtime, Point(db), 1)))
}

pub fn point_64(setting: &Setting) -> Result<Box<dyn Subject>> {
    let runtime = setting.threads.runtime()?;
    let db = runtime.block_on(open(setting, "", POINTS))?;
    Ok(Box::new(Tasks::new(runtime, Point(db), TASKS)))
}

/// Everything on the worker, as statements go that are not certain to be short.
pub fn point_64_worker(setting: &Setting) -> Result<Box<dyn Subject>> {
    let runtime = setting.threads.runtime()?;
    let db = runtime.block_on(open(setting, "?inline_budget=off", POINTS))?;
    Ok(Box::new(Tasks::new(runtime, Point(db), TASKS)))
}

/// The same, with reads that come at the same time sharing a flight to the worker.
pub fn point_64_shared(setting: &Setting) -> Result<Box<dyn Subject>> {
    let runtime = setting.threads.runtime()?;
    let parameters = "?inline_budget=off&pool_multiplex=reads";
    let db = runtime.block_on(open(setting, parameters, POINTS))?;
    Ok(Box::new(Tasks::new(runtime, Point(db), TASKS)))
}

struct PointTuple(Db);

impl Client for PointTuple {
    async fn call(&mut self, request: Request) -> Result<()> {
        let key = key(request.first);
        let (id, code, river, level): StationTuple = self.0.get(POINT, (key,)).await?;
        check(key, id, &code, &river, level)
    }
}

pub fn point_tuple(setting: &Setting) -> Result<Box<dyn Subject>> {
    let runtime = setting.threads.runtime()?;
    let db = runtime.block_on(open(setting, "", POINTS))?;
    Ok(Box::new(Sequential::new(runtime, PointTuple(db), 1)))
}

struct PointConn(Conn);

impl Client for PointConn {
    async fn call(&mut self, request: Request) -> Result<()> {
        let key = key(request.first);
        let station: Station = self.0.get(POINT, (key,)).await?;
        station.check(key)
    }
}

/// On one connection in hand, without the pool.
pub fn point_conn(setting: &Setting) -> Result<Box<dyn Subject>> {
    let runtime = setting.threads.runtime()?;
    let conn = runtime.block_on(async {
        let db = open(setting, "", POINTS).await?;
        Ok::<_, Failure>(db.acquire().await?)
    })?;
    Ok(Box::new(Sequential::new(runtime, PointConn(conn), 1)))
}

struct Scanner(Db);

impl Client for Scanner {
    async fn call(&mut self, request: Request) -> Result<()> {
        let mut rows = self.0.query(SCAN, (request.count as i64,)).await?;
        let mut scan = Scan::default();
        while let Some(row) = rows.next().await? {
            let station: Station = row.scan()?;
            station.check(scan.next())?;
        }
        scan.done(request)
    }
}

pub fn scan(setting: &Setting) -> Result<Box<dyn Subject>> {
    let runtime = setting.threads.runtime()?;
    let db = runtime.block_on(open(setting, "", scanned(setting)))?;
    Ok(Box::new(Sequential::new(runtime, Scanner(db), scanned(setting))))
}

struct Borrower(Db);

impl Client for Borrower {
    async fn call(&mut self, request: Request) -> Result<()> {
        let mut rows = self.0.query(SCAN, (request.count as i64,)).await?;
        let mut scan = Scan::default();
        while let Some(row) = rows.next().await? {
            let station: StationRef<'_> = row.scan()?;
            station.check(scan.next())?;
        }
        scan.done(request)
    }
}

pub fn scan_borrowed(setting: &Setting) -> Result<Box<dyn Subject>> {
    let runtime = setting.threads.runtime()?;
    let db = runtime.block_on(open(setting, "", scanned(setting)))?;
    Ok(Box::new(Sequential::new(runtime, Borrower(db), scanned(setting))))
}

struct Selecter(Db);

impl Client for Selecter {
    async fn call(&mut self, request: Request) -> Result<()> {
        let stations: Vec<Station> = self.0.select(SCAN, (request.count as i64,)).await?;
        let mut scan = Scan::default();
        for station in &stations {
            station.check(scan.next())?;
        }
        scan.done(request)
    }
}

pub fn select(setting: &Setting) -> Result<Box<dyn Subject>> {
    let runtime = setting.threads.runtime()?;
    let db = runtime.block_on(open(setting, "", scanned(setting)))?;
    Ok(Box::new(Sequential::new(runtime, Selecter(db), scanned(setting))))
}

struct Inserter(Db);

impl Client for Inserter {
    async fn prepare(&mut self) -> Result<()> {
        self.0.exec(CLEAR, ()).await?;
        let left: i64 = self.0.get(COUNT, ()).await?;
        ensure(left == 0, "the table was not cleared")
    }

    async fn call(&mut self, request: Request) -> Result<()> {
        let mut transaction = self.0.begin().await?;
        let mut batch = transaction.batch();
        let mut tickets = Vec::with_capacity(request.count as usize);
        for operation in request.first..request.first + request.count {
            tickets.push(batch.exec(INSERT, reading(operation)));
        }
        let mut results = batch.send().await?;
        for ticket in tickets {
            let done = results.take(ticket)?;
            ensure(done.rows_affected() == 1, "an insert changed another number of rows")?;
        }
        transaction.commit().await?;
        Ok(())
    }
}

pub fn insert(setting: &Setting) -> Result<Box<dyn Subject>> {
    let runtime = setting.threads.runtime()?;
    let db = runtime.block_on(open(setting, "", 0))?;
    Ok(Box::new(Sequential::new(runtime, Inserter(db), INSERTS)))
}
