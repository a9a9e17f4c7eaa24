//! The mutation loop behind `cargo xtask fuzz`.
//!
//! Two processes: the one the user started watches, and a worker of it runs the target. So an input that
//! ends the process (a stack overflow, an abort) is found and kept like one that panics.

#![forbid(unsafe_code)]

use aquifer_fuzz::corpus;
use aquifer_fuzz::mutate::{Mutator, shrink};
use aquifer_fuzz::targets::{self, TARGETS, Target};
use std::fs::{self, File};
use std::io::{self, Seek, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime};

/// After this long, an input counts as one that does not end.
const INPUT_SECONDS_MAX: u64 = 10;
const SHRINK_CALLS_MAX: usize = 10_000;
/// The worker is told by an argument that nobody types.
const WORKER: &str = "--worker";

struct Options {
    target: &'static Target,
    seconds: u64,
    seed: u64,
    input: Option<PathBuf>,
    worker: bool,
}

fn main() -> ExitCode {
    let options = match options(std::env::args().skip(1)) {
        Ok(options) => options,
        Err(message) => {
            eprintln!("{message}");
            return ExitCode::from(2);
        }
    };
    let done = match &options {
        Options { input: Some(file), .. } => run_one(options.target, file),
        Options { worker: true, .. } => work(&options),
        _ => watch(&options),
    };
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(1),
        Err(error) => {
            eprintln!("fuzz: {error}");
            ExitCode::from(1)
        }
    }
}

fn options(mut arguments: impl Iterator<Item = String>) -> Result<Options, String> {
    let list = || {
        let lines = TARGETS.iter().map(|t| format!("  {:<18}{}\n", t.name, t.promise));
        format!("targets:\n{}", lines.collect::<String>())
    };
    let name = arguments.next().ok_or_else(list)?;
    let target = targets::find(&name).ok_or_else(|| format!("no target `{name}`; {}", list()))?;
    let clock = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    let seed = clock.map_or(0, |since| since.as_millis() as u64);
    let mut options = Options { target, seconds: 60, seed, input: None, worker: false };
    while let Some(argument) = arguments.next() {
        let mut value = || arguments.next().ok_or(format!("{argument} needs a value"));
        let number = |text: String| {
            text.parse().map_err(|_| format!("{argument} needs a whole number, not `{text}`"))
        };
        match argument.as_str() {
            "--seconds" => options.seconds = number(value()?)?,
            "--seed" => options.seed = number(value()?)?,
            "--input" => options.input = Some(value()?.into()),
            WORKER => options.worker = true,
            _ => {
                return Err(format!(
                    "unknown option `{argument}`; known: --seconds, --seed, --input"
                ));
            }
        }
    }
    Ok(options)
}

/// Runs one file without catching anything: for a debugger, and for a look at the whole message.
fn run_one(target: &Target, file: &Path) -> io::Result<bool> {
    let bytes = fs::read(file)
        .map_err(|error| io::Error::new(error.kind(), format!("{}: {error}", file.display())))?;
    (target.run)(&bytes);
    println!("fuzz: {}: {} passed", target.name, file.display());
    Ok(true)
}

/// Starts the worker and keeps the input it was at, should it not come back.
fn watch(options: &Options) -> io::Result<bool> {
    let name = options.target.name;
    let status = Command::new(std::env::current_exe()?)
        .args([name, "--seconds", &options.seconds.to_string()])
        .args(["--seed", &options.seed.to_string(), WORKER])
        .env("CARGO_MANIFEST_DIR", corpus::folder())
        .status()?;
    match status.code() {
        Some(0) => Ok(true),
        Some(1) => Ok(false),
        _ => {
            let running = running(name);
            let record = fs::read(&running)?;
            fs::remove_file(&running)?;
            println!("fuzz: {name}: the process ended with {status}");
            keep(name, recorded(&record))?;
            Ok(false)
        }
    }
}

fn work(options: &Options) -> io::Result<bool> {
    let target = options.target;
    let name = target.name;
    let inputs = corpus::of(&corpus::folder(), name)?;
    let inputs: Vec<Vec<u8>> = inputs.into_iter().map(|input| input.bytes).collect();
    let mutator = Mutator { corpus: &inputs, words: target.words, seed: options.seed };
    println!("fuzz: {name}: {} inputs, seed {}, {} s", inputs.len(), options.seed, options.seconds);

    fs::create_dir_all(artifacts(name))?;
    let mut running = File::create(self::running(name))?;
    let tried = Arc::new(AtomicU64::new(0));
    guard_against_hangs(Arc::clone(&tried));
    // What is printed at a panic is kept for the one that is reported; shrinking causes many.
    std::panic::set_hook(Box::new(|_| ()));
    let started = Instant::now();
    let fails = |input: &[u8]| catch_unwind(AssertUnwindSafe(|| (target.run)(input))).is_err();

    let mut number = 0;
    while started.elapsed() < Duration::from_secs(options.seconds) {
        let input = mutator.input(number);
        number += 1;
        tried.store(number, Ordering::Relaxed);
        running.rewind()?;
        running.write_all(&[&(input.len() as u64).to_le_bytes()[..], &input].concat())?;
        if fails(&input) {
            let smaller = shrink(&input, SHRINK_CALLS_MAX, |input| {
                tried.fetch_add(1, Ordering::Relaxed);
                fails(input)
            });
            fs::remove_file(self::running(name))?;
            println!("fuzz: {name}: input {number} panics");
            keep(name, &smaller)?;
            let _ = std::panic::take_hook();
            // Once more, for its message.
            let _ = catch_unwind(|| (target.run)(&smaller));
            return Ok(false);
        }
    }
    fs::remove_file(self::running(name))?;
    println!(
        "fuzz: {name}: {number} inputs in {} s, seed {}: all kept the promise",
        options.seconds, options.seed
    );
    Ok(true)
}

/// Ends the process when one input takes too long; whoever watches then keeps that input.
fn guard_against_hangs(tried: Arc<AtomicU64>) {
    std::thread::spawn(move || {
        let mut last = 0;
        loop {
            std::thread::sleep(Duration::from_secs(INPUT_SECONDS_MAX));
            let now = tried.load(Ordering::Relaxed);
            if now == last {
                eprintln!("fuzz: an input did not end within {INPUT_SECONDS_MAX} s");
                std::process::abort();
            }
            last = now;
        }
    });
}

fn artifacts(target: &str) -> PathBuf {
    corpus::folder().join("artifacts").join(target)
}

/// The file that always holds the input being run, behind its length.
fn running(target: &str) -> PathBuf {
    artifacts(target).join("running")
}

/// The input in a record of [`running`]; a longer, earlier one may follow it.
fn recorded(record: &[u8]) -> &[u8] {
    let Some((length, rest)) = record.split_first_chunk() else {
        return &[];
    };
    &rest[..rest.len().min(u64::from_le_bytes(*length) as usize)]
}

fn keep(target: &str, input: &[u8]) -> io::Result<()> {
    // FNV-1a: the same finding keeps its name.
    let hash = input.iter().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x100_0000_01b3)
    });
    let file = artifacts(target).join(format!("{hash:016x}"));
    fs::write(&file, input)?;
    println!("fuzz: {target}: kept {} bytes: {:?}", input.len(), String::from_utf8_lossy(input));
    println!("to repeat it:\n  cargo xtask fuzz {target} --input {}", file.display());
    println!("once it is fixed, move the file to fuzz/corpus/{target}/");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_read_or_refused_with_a_reason() {
        let read = |line: &str| options(line.split_whitespace().map(str::to_owned));
        let read_ok = read("dsn --seconds 5 --seed 9").map(|o| (o.target.name, o.seconds, o.seed));
        assert_eq!(read_ok, Ok(("dsn", 5, 9)));
        let refused = |line| read(line).err().unwrap_or_default();
        assert!(refused("").starts_with("targets:\n  cells"));
        assert!(refused("nothing").starts_with("no target `nothing`; targets:"));
        assert_eq!(refused("dsn --seconds x"), "--seconds needs a whole number, not `x`");
        assert_eq!(refused("dsn --seed"), "--seed needs a value");
        assert!(refused("dsn --x").starts_with("unknown option `--x`"));
    }

    #[test]
    fn the_input_that_was_running_is_read_back_from_its_record() {
        let record = [&2_u64.to_le_bytes()[..], b"abrest of a longer one"].concat();
        assert_eq!(recorded(&record), b"ab");
        assert_eq!(recorded(b"short"), b"");
    }
}
