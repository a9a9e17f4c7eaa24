use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use super::*;

#[test]
fn an_interrupt_from_another_thread_stops_a_statement_that_does_not_end() {
    let mut handle = memory();
    let id = prepare(&mut handle, ENDLESS);
    let interrupter = handle.interrupter();
    let operation = handle.begin();
    let other = thread::spawn(move || {
        thread::sleep(Duration::from_millis(30));
        interrupter.interrupt(operation)
    });
    let error = handle.statement(id).unwrap().next_row().unwrap_err();
    assert!(other.join().unwrap());
    assert_eq!(error.code(), Code::INTERRUPT);
    assert_eq!(error.interruption(), Some(Interruption::Cancelled));
    assert!(handle.is_cancelled());
    handle.begin();
    assert!(!handle.is_cancelled());
    assert_eq!(number(&mut handle, "SELECT 1"), 1);
}

#[test]
fn an_interrupt_between_two_steps_is_not_lost() {
    let mut handle = memory();
    let id = prepare(&mut handle, "SELECT value FROM json_each('[1, 2, 3]')");
    let interrupter = handle.interrupter();
    let operation = handle.begin();
    let mut statement = handle.statement(id).unwrap();
    assert!(statement.next_row().unwrap().is_some());
    assert!(interrupter.interrupt(operation));
    let error = statement.next_row().unwrap_err();
    assert_eq!(error.interruption(), Some(Interruption::Cancelled));
    assert!(!statement.is_running());
    // Nor is it over before the operation is.
    assert!(statement.next_row().is_err());
    assert!(handle.prepare("SELECT 1", Persistence::Transient).is_err());
    assert!(handle.exec("SELECT 1").is_err());
    handle.begin();
    assert_eq!(rest(&mut handle.statement(id).unwrap()).len(), 3);
}

#[test]
fn an_interrupt_before_the_first_step_is_not_lost() {
    let mut handle = memory();
    let id = prepare(&mut handle, "SELECT 1");
    let operation = handle.begin();
    assert_eq!(handle.operation(), operation);
    handle.interrupter().interrupt(operation);
    let error = handle.statement(id).unwrap().next_row().unwrap_err();
    assert_eq!(error.message(), "the operation was cancelled");
}

#[test]
fn an_interrupt_of_an_earlier_operation_touches_nothing() {
    let mut handle = memory();
    let interrupter = handle.interrupter();
    let first = handle.begin();
    let second = handle.begin();
    assert_ne!(first, second);
    assert!(!interrupter.interrupt(first));
    assert_eq!(number(&mut handle, "SELECT 1"), 1);
    assert!(interrupter.interrupt(second));
    assert!(handle.exec("SELECT 1").is_err());
}

#[test]
fn late_interrupts_never_hit_the_next_operation() {
    let mut handle = memory();
    let id = prepare(
        &mut handle,
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 300) SELECT count(*) FROM n",
    );
    let interrupter = handle.interrupter();
    let (send, receive) = mpsc::channel::<Operation>();
    let other = thread::spawn(move || {
        receive.iter().filter(|operation| interrupter.interrupt(*operation)).count()
    });
    for _ in 0..2_000 {
        // The first of two is always told to stop, at whatever point it is or when it is over; the
        // second never.
        let operation = handle.begin();
        send.send(operation).unwrap();
        let mut statement = handle.statement(id).unwrap();
        statement.reset().unwrap();
        if let Err(error) = statement.run() {
            assert_eq!(error.interruption(), Some(Interruption::Cancelled));
        }
        handle.begin();
        let mut statement = handle.statement(id).unwrap();
        statement.reset().unwrap();
        statement.run().unwrap();
    }
    drop(send);
    other.join().unwrap();
}

#[test]
fn an_interrupter_outlives_its_handle() {
    let mut handle = memory();
    let interrupter = handle.interrupter();
    let operation = handle.begin();
    let clone = interrupter.clone();
    assert!(clone.interrupt_current());
    assert_eq!(handle.close(), Closed::default());
    assert!(!interrupter.interrupt(operation));
    assert!(!clone.interrupt_current());
}

#[test]
fn interrupting_before_any_operation_does_nothing() {
    let mut handle = memory();
    assert!(!handle.interrupter().interrupt_current());
    assert_eq!(number(&mut handle, "SELECT 1"), 1);
}

#[test]
fn interrupts_may_race_with_closing() {
    for _ in 0..200 {
        let mut handle = memory();
        handle.begin();
        let interrupter = handle.interrupter();
        let other = thread::spawn(move || while interrupter.interrupt_current() {});
        drop(handle);
        other.join().unwrap();
    }
}

#[test]
fn a_cancel_counts_more_than_a_spent_budget() {
    let mut handle = memory();
    handle.begin();
    handle.set_budget(Some(1_000));
    let error = handle.exec(ENDLESS).unwrap_err();
    assert_eq!(error.interruption(), Some(Interruption::Budget));
    assert!(handle.interrupter().interrupt_current());
    let error = handle.exec(ENDLESS).unwrap_err();
    assert_eq!(error.interruption(), Some(Interruption::Cancelled));
}
