//! Memory, in a process of its own: other tests would count.

mod common;

use common::{Running, begin, eventually};
use tokio::io::AsyncReadExt;

#[tokio::test]
async fn a_large_answer_is_streamed_in_little_memory() {
    let running = Running::start().await;
    let peak = || {
        let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
        let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap_or("VmHWM: 0 kB");
        line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap()
    };
    let before = peak();
    let mut stream = begin(running.api, "/numbers/1000000").await;
    let mut total = 0_usize;
    let mut buffer = vec![0; 64 * 1024];
    let mut tail = Vec::new();
    loop {
        match stream.read(&mut buffer).await.unwrap() {
            0 => break,
            read => {
                total += read;
                tail = buffer[read.saturating_sub(16)..read].to_vec();
            }
        }
    }
    assert!(total > 80_000_000, "{total} bytes");
    assert!(tail.ends_with(b"]\r\n0\r\n\r\n"), "{tail:?}");
    assert!(peak() - before < 32 * 1024, "{} KiB more", peak() - before);
    let rows = "aquifer_query_rows_total{datasource=\"test\",query=\"numbers.upto\"}";
    eventually(|| running.metric(rows) == 1_000_000.0).await;
}
