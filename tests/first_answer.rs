//! Clients are let in when the programs that start by themselves have been made, so that a script
//! which waits for supervisord finds their pids, as with the reference.
#![allow(clippy::unwrap_used)]

mod env;

use env::TestEnv;

#[test]
fn the_first_answer_shows_all_programs_with_their_pids() {
    let env = TestEnv::started(
        "[program:x]\ncommand=sleep 1000\nnumprocs=40\nprocess_name=%(process_num)d\nstartsecs=0",
    );
    let all = env.sup("getAllProcessInfo", &[]).unwrap();
    let pids: Vec<i32> =
        all.as_array().unwrap().iter().map(|p| p["pid"].as_i32().unwrap()).collect();
    assert_eq!(pids.len(), 40);
    assert!(pids.iter().all(|pid| *pid > 0), "{pids:?}");
}
