//! Reading a configuration of a thousand programs, deciding about one, and the documents that clients get of
//! them all: `cargo bench --bench decisions`.

#![allow(missing_docs, clippy::expect_used)]

use std::sync::Arc;

use divan::{Bencher, black_box};

use supervisord::config::load;
use supervisord::config::model::{Config, Overrides};
use supervisord::coordinator::inbox::ProcId;
use supervisord::coordinator::published::{AutoLogs, GroupView, ProcSlot, Structure};
use supervisord::machine::state::ExitStatus;
use supervisord::machine::{Input, Now, Policy, transition::Machine};
use supervisord::rpc::info;
use supervisord::rpc::value::Value;
use supervisord::rpc::xml;
use supervisord::sys::clock::Mono;

fn main() {
    divan::main();
}

/// A file with so many sections; removed when dropped.
struct File(std::path::PathBuf);

impl File {
    fn with(programs: usize) -> File {
        let path =
            std::env::temp_dir().join(format!("bench-{}-{programs}.conf", std::process::id()));
        let mut text = "[supervisord]\nnodaemon=true\n".to_owned();
        for n in 0..programs {
            text += &format!(
                "[program:worker_{n:04}]\ncommand=/usr/bin/worker --number {n} --name %(program_name)s\n\
                 directory=/\nstartsecs=5\nenvironment=A=\"{n}\",B=\"%(here)s\"\n\
                 stdout_logfile=/var/log/worker_{n:04}.log\nredirect_stderr=true\n"
            );
        }
        std::fs::write(&path, text).expect("a temporary file");
        File(path)
    }

    fn load(&self) -> Config {
        let configuration = Some(self.0.to_string_lossy().into_owned());
        let overrides = Overrides { configuration, ..Overrides::default() };
        load::load(&overrides).expect("a good file")
    }
}

impl Drop for File {
    fn drop(&mut self) {
        // Left behind in the folder for such files at worst.
        let _ = std::fs::remove_file(&self.0);
    }
}

#[divan::bench(args = [1, 1000])]
fn configuration_with_programs(bencher: Bencher<'_, '_>, programs: usize) {
    let file = File::with(programs);
    bencher.bench_local(|| file.load());
}

#[divan::bench]
fn a_life_from_start_to_restart(bencher: Bencher<'_, '_>) {
    let config = File::with(1).load();
    let program = config.groups[0].programs[0].clone();
    let policy = Policy { program: &program, may_start: true };
    let mut machine = Machine::default();
    let mut second = 1;
    let mut step = |machine: &mut Machine, input: Input<'_>| {
        second += 6;
        let now = Now { mono: Mono(second * 1_000_000_000), wall: 1_700_000_000 };
        black_box(machine.step(input, policy, now));
    };
    step(&mut machine, Input::Start);
    bencher.bench_local(|| {
        step(&mut machine, Input::Spawned(4242));
        step(&mut machine, Input::Due);
        step(&mut machine, Input::Exited(ExitStatus::Code(1)));
    });
}

fn structure(config: &Config) -> Structure {
    let mut structure = Structure::default();
    for (at, group) in config.groups.iter().enumerate() {
        let slot = |program: &Arc<_>| {
            let id = ProcId(at as u64);
            Arc::new(ProcSlot::new(
                id,
                group.name.clone(),
                Arc::clone(program),
                AutoLogs::default(),
            ))
        };
        let processes = group.programs.iter().map(slot).collect();
        structure.by_name.insert(group.name.clone(), at);
        structure.groups.push(Arc::new(GroupView { config: group.clone(), processes }));
    }
    structure
}

#[divan::bench(args = [1, 1000])]
fn document_of_all_processes(bencher: Bencher<'_, '_>, programs: usize) {
    let structure = structure(&File::with(programs).load());
    bencher.bench_local(|| info::all_processes_document(&structure, info::Now::get()));
}

/// What it was before, and what `system.multicall` does.
#[divan::bench(args = [1, 1000])]
fn document_of_all_processes_by_values(bencher: Bencher<'_, '_>, programs: usize) {
    let structure = structure(&File::with(programs).load());
    bencher
        .bench_local(|| xml::encode_response(&info::all_processes(&structure, info::Now::get())));
}

#[divan::bench]
fn call_read(bencher: Bencher<'_, '_>) {
    let call = xml::encode_call("supervisor.startProcess", &["group:name".into(), true.into()]);
    bencher.bench_local(|| xml::decode_call(black_box(call.as_bytes())));
}

#[divan::bench(args = [1, 1000])]
fn document_read(bencher: Bencher<'_, '_>, programs: usize) {
    let structure = structure(&File::with(programs).load());
    let document = info::all_processes_document(&structure, info::Now::get());
    bencher.bench_local(|| -> Option<Value> {
        xml::decode_response(black_box(document.as_bytes())).ok().and_then(Result::ok)
    });
}
