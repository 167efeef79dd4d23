//! `make broken-builds`: breaks the code on purpose, one place at a time, and sees that a test fails.
//!
//! It works on a copy of the source and of what was built, so that the tree stays as it is. A place that is not found
//! exactly once, a build that does not compile and a test that passes are all errors: the list must follow the code.

mod cases;

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, bail, ensure};
use clap::Parser;

use self::cases::{CASES, Case};

/// A race that was lost on purpose may go well once.
const TRIES: usize = 3;

/// Breaks the code on purpose and sees that tests fail
#[derive(Parser)]
struct Args {
    /// Only cases whose name contains this
    #[arg(default_value = "")]
    name: String,
    /// Show what the failing tests said
    #[arg(long)]
    verbose: bool,
}

fn main() -> anyhow::Result<()> {
    let args = Args::parse();
    let source = Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .context("the workspace")?;
    let workshop = Workshop::new(source)?;
    let chosen: Vec<&Case> = CASES
        .iter()
        .filter(|case| case.name.contains(&args.name))
        .collect();
    ensure!(!chosen.is_empty(), "no case has {:?} in its name", args.name);
    let mut failures = Vec::new();
    for (number, case) in chosen.iter().enumerate() {
        println!("[{}/{}] {}", number + 1, chosen.len(), case.name);
        match workshop.check(case, args.verbose) {
            Ok(()) => println!("    {} {} fails, as it should", case.target.join(" "), case.test),
            Err(error) => {
                println!("    {error:#}");
                failures.push(case.name);
            }
        }
    }
    ensure!(
        failures.is_empty(),
        "{} of {} broken builds were not seen: {}",
        failures.len(),
        chosen.len(),
        failures.join("; ")
    );
    println!("{} broken builds, each seen by its test", chosen.len());
    Ok(())
}

/// A copy of the source, and a target directory that begins with what was built already.
struct Workshop {
    tree: PathBuf,
    target: PathBuf,
}

impl Workshop {
    fn new(source: &Path) -> anyhow::Result<Self> {
        // This program lies in the profile's folder of the target directory.
        let built = env::current_exe()?;
        let built = built.parent().context("a program has a folder")?;
        let home = built.with_file_name("broken");
        let workshop = Self {
            tree: home.join("tree"),
            target: home.join("target"),
        };
        if !workshop.target.exists() {
            fs::create_dir_all(&workshop.target)?;
            let copy = ["cp", "-a", "--reflink=auto"].map(str::to_owned);
            run(
                &home,
                &copy,
                &[
                    built.display().to_string(),
                    format!("{}/", workshop.target.display()),
                ],
            )?;
        }
        let _ = fs::remove_dir_all(&workshop.tree);
        fs::create_dir_all(&workshop.tree)?;
        let pack = format!(
            "cd '{}' && git ls-files -z --cached --others --exclude-standard | tar --null --ignore-failed-read -T - -cf - \
             | tar -xf - -C '{}'",
            source.display(),
            workshop.tree.display()
        );
        run(source, &["sh".to_owned(), "-c".to_owned()], &[pack])?;
        Ok(workshop)
    }

    /// Breaks, builds, tests, mends.
    fn check(&self, case: &Case, verbose: bool) -> anyhow::Result<()> {
        let file = self.tree.join(case.file);
        let sound = fs::read_to_string(&file).with_context(|| case.file.to_owned())?;
        let places = sound.matches(case.find).count();
        ensure!(
            places == 1,
            "{} has {places} places that are {:?}",
            case.file,
            case.find
        );
        fs::write(&file, sound.replace(case.find, case.replace))?;
        let seen = self.see(case, verbose);
        fs::write(&file, sound)?;
        seen
    }

    fn see(&self, case: &Case, verbose: bool) -> anyhow::Result<()> {
        if case.package == "tests" {
            let built = self
                .cargo(&["build", "--workspace", "--bins", "--locked"])
                .output()?;
            ensure!(
                built.status.success(),
                "it does not compile:\n{}",
                String::from_utf8_lossy(&built.stderr)
            );
        }
        let mut words = vec!["test", "--locked", "-p", case.package];
        words.extend(case.target);
        words.push(case.test);
        for _ in 0..TRIES {
            let tested = self.cargo(&words).output()?;
            let said = String::from_utf8_lossy(&tested.stdout);
            if verbose {
                println!("{said}");
            }
            if tested.status.success() {
                continue;
            }
            ensure!(
                said.contains("test result: FAILED"),
                "the test did not run:\n{}",
                String::from_utf8_lossy(&tested.stderr)
            );
            return Ok(());
        }
        bail!("{} passes although {}", case.test, case.name)
    }

    fn cargo(&self, words: &[&str]) -> Command {
        let mut command = Command::new("cargo");
        command
            .args(words)
            .current_dir(&self.tree)
            .env("CARGO_TARGET_DIR", &self.target)
            .env("RUST_BACKTRACE", "0");
        command
    }
}

fn run(directory: &Path, program: &[String], words: &[String]) -> anyhow::Result<()> {
    let mut command = Command::new(&program[0]);
    command.args(&program[1..]).args(words).current_dir(directory);
    let status = command.status().with_context(|| program[0].clone())?;
    ensure!(status.success(), "{command:?} ended with {status}");
    Ok(())
}
